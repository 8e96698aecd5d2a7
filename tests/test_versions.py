"""Versions of the tables: what the steps make, upgrades that keep rows, and clients too old."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from places import ROOT
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from tasks import ANN, BOB, names, task
from trees import job, make

from jobauto.claims import Database, progress, tables
from jobauto.errors import WrongVersion


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path}/claims.db"
    return found if request.param == "sqlite" else request.getfixturevalue("postgresql")


def first_version(database: Database) -> None:
    """As the jobauto of version 1 made the tables."""
    with database._engine.begin() as connection:
        tables.metadata.create_all(connection)
        connection.execute(tables.version.insert().values(version_num="1"))


def say_version(url: str, version: str) -> None:
    database = Database(url)
    with database._engine.begin() as connection:
        connection.execute(tables.version.update().values(version_num=version))
    database.close()


def made(database: Database) -> dict[str, Any]:
    """All that is in a database, as it says itself."""
    with database._engine.connect() as connection:
        found = inspect(connection)
        return {
            name: (
                [{**c, "type": str(c["type"])} for c in found.get_columns(name)],
                sorted(map(str, indexes(connection, name))),
                found.get_foreign_keys(name),
                [sorted(u["column_names"]) for u in found.get_unique_constraints(name)],
                found.get_pk_constraint(name)["constrained_columns"],
            )
            for name in sorted(found.get_table_names())
        }


def indexes(connection: Connection, table: str) -> list[Any]:
    """Their definitions, with the conditions."""
    which = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table"
    if connection.dialect.name == "postgresql":
        which = "SELECT indexdef FROM pg_indexes WHERE tablename = :table"
    found = connection.scalars(text(which), {"table": table}).all()
    # alembic names the key of its table, SQLAlchemy leaves that to the database
    return [str(one).replace("jobauto_version_pkc", "jobauto_version_pkey") for one in found]


def test_the_steps_make_the_tables_that_the_code_knows(url: str) -> None:
    database = Database(url)
    database.upgrade()
    with database.transaction() as connection:
        options = {"version_table": tables.version.name, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []
    by_steps = made(database)
    with database._engine.begin() as connection:
        connection.execute(text("DROP TABLE jobauto_version"))
        for table in ("attempt", "job", "task"):
            connection.execute(text(f"DROP TABLE {table}"))
        tables.metadata.create_all(connection)
    assert by_steps == made(database)
    assert set(by_steps) == {"attempt", "job", "jobauto_version", "task"}
    database.close()


def test_a_database_of_version_1_keeps_its_rows(url: str) -> None:
    database = Database(url)
    first_version(database)
    with database._engine.begin() as connection:
        connection.execute(text("INSERT INTO task (name) VALUES ('T')"))
        rows = [{"task_id": 1, "name": name} for name in names(3)]
        connection.execute(tables.job.insert(), rows)
        connection.execute(text("UPDATE job SET state = 'failed', free_from = NULL WHERE id = 1"))
    with pytest.raises(WrongVersion, match=r"version 1, not 2\n.*jobauto db init"):
        database.prepare()
    assert database.upgrade() == "1"
    assert database.upgrade() == "2"
    database.prepare()
    assert {(tally.state, tally.jobs) for tally in progress(database, "T")} == {
        ("failed", 1),
        ("free", 2),
    }
    assert [one.name for one in task(database, ANN).take(9)] == names(2, 1)
    database.close()


def test_row_level_security_comes_with_version_2(postgresql: str) -> None:
    database = Database(postgresql)
    first_version(database)
    which = text("SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY 1")
    with database._engine.connect() as connection:
        assert connection.scalars(which).all() == []
    database.upgrade()
    with database._engine.connect() as connection:
        assert connection.scalars(which).all() == ["attempt", "job"]
    database.close()


@pytest.mark.parametrize("version", ["3", "40", "0", "x", ""])
def test_tables_that_are_not_of_a_known_version_stay_as_they_are(url: str, version: str) -> None:
    database = Database(url)
    database.upgrade()
    say_version(url, version)
    before = made(database)
    with pytest.raises(WrongVersion):
        database.upgrade()
    assert made(database) == before
    with database._engine.connect() as connection:
        assert connection.scalar(tables.version.select()) == version
    database.close()


def test_tables_of_others_are_left_alone(url: str) -> None:
    database = Database(url)
    with database._engine.begin() as connection:
        connection.execute(text("CREATE TABLE job (id integer)"))
    with pytest.raises(WrongVersion, match=r"not ours: job\n.*of its own"):
        database.upgrade()
    assert list(made(database)) == ["job"]
    database.close()


def test_half_an_upgrade_is_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(url)
    monkeypatch.setattr("jobauto.claims.versions._to_head", then_fail(url))
    with pytest.raises(KeyboardInterrupt):
        database.upgrade()
    assert made(database) == {}
    monkeypatch.undo()
    assert database.upgrade() is None
    database.close()


def then_fail(url: str) -> Any:
    """The steps, and a person who is tired of waiting."""
    from jobauto.claims import versions

    steps = versions._to_head

    def failing(connection: Connection) -> None:
        steps(connection)
        raise KeyboardInterrupt

    return failing


def verb(url: str, *words: str, program: tuple[str, ...] = ("-m", "jobauto")) -> Any:
    """A process of the command line, with the password in its environment."""
    found = make_url(url)
    plain = found._replace(password=None, drivername=found.get_backend_name())
    given = [*words, "--db", plain.render_as_string(hide_password=False)]
    environment = {**os.environ, "PGPASSWORD": str(found.password), "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, *program, *given],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_many_who_make_the_tables_at_once_make_them_once(url: str) -> None:
    started = [verb(url, "db", "init") for _ in range(4)]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    lines = [out.splitlines()[0].split(": tables ")[1] for out, _ in said]
    assert sorted(lines) == ["made, version 2"] + ["ready, version 2"] * 3


def test_init_says_what_it_did(url: str) -> None:
    database = Database(url)
    first_version(database)
    database.close()
    out = verb(url, "db", "init").communicate(timeout=60)[0]
    assert "tables upgraded from 1, version 2" in out
    advice = "let people in with: jobauto db adduser NAME" in out
    assert advice is url.startswith("postgresql")


VERBS = [["init"], ["adduser", BOB.person], ["passwd", "--random"], ["revoke", BOB.person]]


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_an_older_client_is_refused_in_words(postgresql: str, words: list[str]) -> None:
    Database(postgresql).upgrade()
    say_version(postgresql, "3")
    process = verb(postgresql, "db", *words)
    out, err = process.communicate(timeout=60)
    refused(process.returncode, out, err)


def test_an_older_monitor_is_refused_in_words(url: str, tmp_path: Path) -> None:
    Database(url).upgrade()
    say_version(url, "3")
    make(tmp_path / "L" / "init", {"a/qsub.0": job("true"), "a/qsub.dependency.0": ""})
    words = ["--ldir", str(tmp_path / "L"), "--scheduler", "local", "--task", "T", "--no-http"]
    process = verb(url, *words, program=("jobmon.py",))
    out, err = process.communicate(timeout=60)
    refused(process.returncode, out, err)
    assert not list((tmp_path / "L").glob("*/a/ran.0"))


def refused(code: int, out: str, err: str) -> None:
    assert code == 4, out + err
    assert "its tables are of version 3, this jobauto knows 2\n  -> get a newer jobauto" in err
    assert "Traceback" not in err
