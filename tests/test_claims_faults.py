"""A shared database that cannot be used: said in words, by kind, and never with a password."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import databases
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url
from tasks import task

from jobauto.claims import Database, dialects, tables
from jobauto.errors import (
    DatabaseError,
    DatabaseRefused,
    JobautoError,
    NoDatabase,
    UserError,
    WrongVersion,
)

SECRET = "s3cr3t/@:%&word"
QUOTED = "s3cr3t%2F%40%3A%25%26word"
FORMS = ("s3cr3t", "word'")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of the loopback that is bound, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def told(url: str, kind: type[JobautoError]) -> JobautoError:
    """The error of a call, of just this kind, after its traceback was searched for the password."""
    with pytest.raises(JobautoError) as found:
        task(Database(url)).mine()
    assert type(found.value) is kind, found.value
    trace = "".join(traceback.format_exception(found.value))
    for text in (trace, str(found.value), repr(found.value), found.value.hint or ""):
        assert not any(form in text for form in FORMS), text
    return found.value


def test_nobody_listens(closed_port: int) -> None:
    error = told(f"postgresql://ann:{QUOTED}@127.0.0.1:{closed_port}/d", NoDatabase)
    assert "onnection refused" in error.what
    assert error.where == f"postgresql+psycopg://ann:***@127.0.0.1:{closed_port}/d"
    assert error.exit_code == 4


def test_a_password_behind_the_question_mark_is_not_told_either(closed_port: int) -> None:
    url = f"postgresql://ann@127.0.0.1:{closed_port}/d?password={QUOTED}"
    assert "password" not in str(told(url, NoDatabase).where)
    assert "s3cr3t" not in repr(Database(url))


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing, as behind some firewalls."""
    monkeypatch.setitem(dialects._POSTGRESQL, "connect_timeout", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        error = told(f"postgresql://ann:{QUOTED}@127.0.0.1:{port}/d", NoDatabase)
    assert "timeout" in error.what


def test_a_wrong_password(postgresql: str) -> None:
    url = make_url(postgresql).set(password=SECRET)
    error = told(url.render_as_string(hide_password=False), DatabaseRefused)
    assert "password authentication failed" in error.what


def test_no_password(postgresql: str) -> None:
    url = postgresql.replace(f":{make_url(postgresql).password}@", "@")
    assert "password" in told(url, DatabaseRefused).what


def test_no_such_database(postgresql: str) -> None:
    assert "does not exist" in told(postgresql + "x", DatabaseRefused).what


def test_no_right_to_the_tables(postgresql: str) -> None:
    Database(postgresql).upgrade()
    name = make_url(postgresql).database
    assert name
    take_away = sql.SQL("ALTER TABLE job OWNER TO postgres")
    databases.as_superuser(take_away, database=name)
    assert "permission denied" in told(postgresql, DatabaseRefused).what


def test_a_database_without_tables(postgresql: str, tmp_path: Path) -> None:
    for url in (postgresql, f"sqlite:///{tmp_path}/empty.db"):
        error = told(url, WrongVersion)
        assert error.what.startswith("it has no tables of ours")
        assert "jobauto db init" in (error.hint or "")


@pytest.mark.parametrize(
    ("version", "hint"),
    [("3", "newer jobauto"), ("0", "jobauto db init"), ("?", "jobauto db init")],
)
def test_tables_of_another_version(tmp_path: Path, version: str, hint: str) -> None:
    url = f"sqlite:///{tmp_path}/claims.db"
    database = Database(url)
    database.prepare()
    task(database, jobs=1)
    with sqlite3.connect(tmp_path / "claims.db") as other:
        other.execute("UPDATE jobauto_version SET version_num = ?", (version,))
    for call in (database.prepare, task(database).mine, lambda: task(database).take(1)):
        with pytest.raises(WrongVersion, match=hint):
            call()
    with sqlite3.connect(tmp_path / "claims.db") as other:
        assert other.execute("SELECT state FROM job").fetchall() == [("free",)]


def test_preparing_twice_changes_nothing(postgresql: str, tmp_path: Path) -> None:
    for url in (postgresql, f"sqlite:///{tmp_path}/claims.db"):
        database = Database(url)
        database.upgrade()
        database.prepare()
        task(database, jobs=2)
        database.prepare()
        assert len(task(database).take(9)) == 2
        database.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "unable to open" in told(f"sqlite:///{tmp_path}/no/claims.db", NoDatabase).what


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "claims.db").write_text("a text of a person, longer than a hundred bytes\n" * 9)
    assert "not a database" in told(f"sqlite:///{tmp_path}/claims.db", DatabaseRefused).what


def test_a_file_that_another_holds_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dialects._SQLITE, "timeout", 0.05)
    database = Database(f"sqlite:///{tmp_path}/claims.db")
    database.prepare()
    ann = task(database, jobs=1)
    other = sqlite3.connect(tmp_path / "claims.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NoDatabase, match="locked"):
        ann.take(1)
    assert ann.mine() == []  # who only reads does not wait
    other.execute("ROLLBACK")
    other.close()
    assert len(ann.take(1)) == 1
    database.close()


def test_a_server_that_went_away_is_found_again(postgresql: str) -> None:
    """Its connections are ended, as by a restart of the server."""
    database = Database(postgresql)
    database.upgrade()
    ann = task(database, jobs=2)
    name = make_url(postgresql).database
    end = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
    databases.as_superuser(end.format(sql.Literal(name)))
    assert len(ann.take(1)) == 1

    def cut() -> None:
        with database.transaction() as connection:
            connection.execute(tables.job.update().values(state="finished"))
            databases.as_superuser(end.format(sql.Literal(name)))
            connection.execute(tables.job.select())

    with pytest.raises(NoDatabase):
        cut()
    assert len(ann.take(9)) == 1  # nothing of it happened
    database.close()


def test_a_fault_of_ours_is_no_missing_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/claims.db")
    database.prepare()
    with pytest.raises(DatabaseError, match="unexpected"), database.transaction() as connection:
        connection.execute(tables.job.insert().values(task_id=77, name="no such task"))

    def half() -> None:
        with database.transaction() as connection:
            connection.execute(tables.task.insert().values(name="half"))
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with database.transaction() as connection:
        assert connection.execute(tables.task.select()).all() == []


@pytest.mark.parametrize(
    "url", ["", "claims.db", "mysql://a@h/d", f"postgresql:/ann:{QUOTED}@h", "postgresql://a@h:x/d"]
)
def test_what_is_no_url_of_a_database(url: str) -> None:
    error = told(url, UserError)
    assert error.hint


def test_the_log_holds_no_password(postgresql: str, caplog: pytest.LogCaptureFixture) -> None:
    password = make_url(postgresql).password
    with caplog.at_level(logging.DEBUG):
        database = Database(postgresql)
        database.upgrade()
        task(database, jobs=1).take(1)
    assert isinstance(password, str)
    assert password not in caplog.text
    assert password not in repr(database) + repr(vars(database)["url"])
    database.close()


def test_the_password_may_stand_in_the_environment_or_in_a_file(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq's own ways: PGPASSWORD, and ~/.pgpass."""
    url = make_url(postgresql)
    bare = url.set(password=None).render_as_string(hide_password=False)
    Database(postgresql).upgrade()
    assert isinstance(url.password, str)
    monkeypatch.setenv("PGPASSWORD", url.password)
    Database(bare).prepare()
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"*:*:*:{url.username}:{url.password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    Database(bare).prepare()


def test_without_sqlalchemy_the_room_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sqlalchemy.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-c", "import jobauto.claims"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "UserError: --db: SQLAlchemy is not installed" in done.stderr
    assert "pip install 'jobauto[db]'" in done.stderr


def test_psycopg_is_what_we_think() -> None:
    """Codes by which refusals are known."""
    assert psycopg.errors.InsufficientPrivilege.sqlstate == "42501"
    assert psycopg.errors.UndefinedTable.sqlstate == "42P01"
    assert psycopg.errors.DeadlockDetected.sqlstate == "40P01"
