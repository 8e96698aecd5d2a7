"""`jobauto task`: what it prints, what it asks before it releases, and what it writes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from tasks import ANN, BOB, Time, names, several, task
from test_monitor import World, world

from jobauto import registry
from jobauto.claims import Database, Record, Task, held, listing, records
from jobauto.cli import exporting, show
from jobauto.cli.main import main
from jobauto.errors import BAD_USAGE, DONE, GAVE_UP, SOME_FAILED, STOPPED, NoDatabase

__all__ = ["world"]  # a fixture

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def time() -> Time:
    """Long ago for the verbs, which go by the clock of the database."""
    made = Time()
    made.seconds = 1_700_000_000.0
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    time: Time,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    """The task T of `several`; PostgreSQL is told the password as people do it."""
    url = f"sqlite:///{tmp_path}/claims.db"
    if request.param == "postgresql":
        given = make_url(request.getfixturevalue("postgresql"))
        monkeypatch.setenv("PGPASSWORD", str(given.password))
        url = f"postgresql://{given.username}@{given.host}:{given.port}/{given.database}"
    made = Database(url, time)
    made.upgrade()
    several(made, time)
    yield made
    made.close()


@pytest.fixture
def say(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Say:
    """Type `jobauto task` with the database; exit code, what it prints, what it complains of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    url = database.url.render_as_string().replace("+psycopg", "")

    def typed(*words: str) -> tuple[int, str, str]:
        code = main(["task", *words, "--db", url])
        found = capsys.readouterr()
        return code, found.out, found.err

    return typed


def states(database: Database) -> dict[str, str]:
    return {one.name: one.state for one in records(database, "T")}


# --- list and status ------------------------------------------------------------------------------


def test_all_tasks_are_listed(database: Database, say: Say) -> None:
    task(database, name="new", jobs=3)
    code, out, _ = say("list")
    assert code == DONE
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["task", "jobs", "done", "running", "failed", "unsure", "last", "change"]
    assert rows[1][:6] == ["T", "10", "1", "2", "2", "1"]
    assert rows[2] == ["new", "3", "0", "0", "0", "0", "-"]
    first, second = json.loads(say("list", "--json")[1])
    counts = {"done": 1, "running": 2, "failed": 2, "unsure": 1, "free": 4}
    assert first == {"name": "T", "jobs": 10, **counts, "changed": "2023-11-14T22:15:00+00:00"}
    assert second["changed"] == ""


def test_a_task_by_data_set_site_and_person(say: Say) -> None:
    code, out, _ = say("status", "T")
    assert code == SOME_FAILED
    assert out.splitlines()[:2] == [
        "task T: 10 jobs, 1 done (10 %), 2 running, 2 failed, 1 unsure, 4 free",
        "1 claim(s) are older than their lease: whoever has room takes them",
    ]
    rows = [line.split() for line in out.splitlines()]
    assert ["a", "25", "1", "1", "2", "0", "0"] in rows
    assert ["cluster-b", "0", "0", "2", "2", "0"] in rows
    assert [ANN.person, "50", "1", "0", "0", "1"] in rows


def test_status_for_programs(say: Say) -> None:
    code, out, _ = say("status", "--json")  # the only task there is
    found = json.loads(out)
    assert code == SOME_FAILED
    assert found["late"] == 1
    counts = {"jobs": 3, "done": 0, "running": 0, "failed": 0, "unsure": 1, "free": 2}
    assert found["datasets"][1] == {"name": "b", **counts}
    assert sorted(found) == ["datasets", "late", "persons", "sites", "total"]


def test_without_failures_it_is_well(database: Database, say: Say) -> None:
    task(database, name="new", jobs=3)
    assert say("status", "new")[0] == DONE


@pytest.mark.parametrize("number", [3, 300])
def test_status_fits_on_a_terminal(database: Database, say: Say, number: int) -> None:
    """With many data sets the worst come first; all are shown if that is wanted."""
    big = task(database, name="big")
    sets = [f"a-data-set-whose-name-is-long-and-has-no-blanks-{n:03}" for n in range(number)]
    big.register([(f"{one}/qsub.{n}", one) for one in sets for n in range(3)])
    (bad,) = big.take(1, [f"{sets[-1]}/qsub.0"])
    big.submitting([bad])
    big.ended([bad], "failed")
    for options in ([], ["--all"]):
        out = say("status", "big", *options)[1]
        assert max(map(len, out.splitlines())) <= 80
        rows = out.replace("\n", "")
        shown = [n for n, one in enumerate(sets) if one[-4:] + " " in rows]
        if number == 300 and not options:
            assert len(shown) == show.LISTED
            assert out.index(sets[-1][-4:]) < out.index("-000")
            assert "... and 280 more; see: jobauto task status --all" in out
            assert len(out.splitlines()) < 2 * show.LISTED + 20
        else:
            assert shown == list(range(number))
            assert "more; see" not in out


def test_the_task_of_the_run_here(
    world: Callable[..., World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""}, task="mine", db=url)
    w.finish()
    task(Database(url), name="other", jobs=2)
    monkeypatch.chdir(w.folder / "a")
    assert main(["task", "status"]) == DONE
    assert capsys.readouterr().out.startswith("task mine: 1 jobs, 1 done (100 %)\n")
    monkeypatch.chdir(tmp_path)
    assert main(["task", "status", "--db", url]) == BAD_USAGE
    assert capsys.readouterr().err == "jobauto: which task?\n  -> known: mine, other\n"


def test_wrong_names_get_near_ones(database: Database, say: Say) -> None:
    task(database, name="silicon", jobs=1)
    for verb in (["status", "silicn"], ["release", "silicn"], ["export", "silicn", "-o", "-"]):
        code, _, err = say(*verb)
        assert (code, err) == (BAD_USAGE, "jobauto: no task silicn\n  -> did you mean silicon?\n")


def test_looking_makes_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "folder", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["task", "list"]) == BAD_USAGE
    assert "tasks.db: there is no database of tasks" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://ann@127.0.0.1:9/none?connect_timeout=2"
    assert main(["task", "list", "--db", url]) == GAVE_UP
    assert "no answer" in capsys.readouterr().err


# --- release --------------------------------------------------------------------------------------


def test_release_shows_what_is_held_and_asks(
    database: Database, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = say("release", "T", "--person", BOB.person)
    assert (code, err) == (
        *(BAD_USAGE, "jobauto: nobody is here to be asked\n  -> if this is meant: --yes\n"),
    )
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == f"{BOB.person} holds in task T:".split()
    assert rows[2][:5] == ["a/1/qsub.1", "submitted", "cluster-b", "run-2", "id-a1"]
    assert rows[3][:5] == ["c/0/qsub.0", "claimed", "cluster-b", "run-2", "-"]
    assert "it will run twice" in out
    asked: list[str] = []

    def no(question: str, *_: object) -> bool:
        asked.append(question)
        return len(asked) > 1

    before = states(database)
    monkeypatch.setattr(show, "person_there", lambda: True)
    monkeypatch.setattr(show, "agreed", no)
    assert say("release", "T", "--person", BOB.person)[::2] == (
        *(STOPPED, "jobauto: nothing was released\n"),
    )
    assert asked == ["release 2 job(s)?"]
    assert states(database) == before
    code, out, _ = say("release", "T", "--person", BOB.person)
    assert (code, out.splitlines()[-1]) == (
        *(DONE, "released 2 job(s): whoever has room takes them"),
    )
    assert states(database) == before | {"a/1/qsub.1": "free", "c/0/qsub.0": "free"}


def test_a_dry_run_releases_nothing(database: Database, say: Say) -> None:
    before = states(database)
    code, out, _ = say("release", "T", "--person", BOB.person, "-n", "--yes")
    assert (code, states(database)) == (DONE, before)
    assert "a/1/qsub.1" in out
    assert "released" not in out


@pytest.mark.parametrize(
    ("wanted", "freed"),
    [
        (["a/1/qsub.1"], ["a/1/qsub.1"]),
        (["a/1/1"], ["a/1/qsub.1"]),
        (["*/qsub.0", "a/1/1"], ["a/1/qsub.1", "c/0/qsub.0"]),
        (["submitted"], ["a/1/qsub.1"]),
        (["all"], ["a/1/qsub.1", "c/0/qsub.0"]),
        (["--site", "cluster-b", "--run", "run-2"], ["a/1/qsub.1", "c/0/qsub.0"]),
    ],
)
def test_jobs_are_named_as_elsewhere(
    database: Database, say: Say, wanted: list[str], freed: list[str]
) -> None:
    before = states(database)
    assert say("release", "T", *wanted, "--person", BOB.person, "--yes")[0] == DONE
    assert states(database) == before | dict.fromkeys(freed, "free")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["b/0/qsub.0", "--person", BOB.person], "nothing that is held is b/0/qsub.0"),
        (["a/2/qsub.2", "--person", BOB.person], "did you mean a/1/qsub.1?"),
        (["x*", "--person", BOB.person], "nothing that is held is x*"),
        (["unsure", "--person", BOB.person], "nothing that is held is unsure"),
        (
            ["--person", BOB.person, "--site", "nowhere"],
            f"nothing is held by {BOB.person}, site nowhere",
        ),
        (["--person", BOB.person, "--run", "run-1"], f"nothing is held by {BOB.person}, run run-1"),
        ([], f"1 job(s): --person {ANN.person} --site cluster-a --run run-1"),  # it is not ours
    ],
)
def test_what_matches_nothing_is_said_and_changes_nothing(
    database: Database, say: Say, wanted: list[str], says: str
) -> None:
    before = states(database)
    code, _, err = say("release", "T", *wanted, "--yes")
    assert code == BAD_USAGE
    assert says in err
    assert states(database) == before


def test_a_claim_that_changed_while_a_person_thought_is_left(
    database: Database, say: Say, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: object) -> bool:
        task(database, ANN).take(1, ["c/0/qsub.0"])  # its lease was over
        return True

    monkeypatch.setattr(show, "person_there", lambda: True)
    monkeypatch.setattr(show, "agreed", meanwhile)
    code, out, _ = say("release", "T", "--person", BOB.person)
    assert code == SOME_FAILED
    assert "c/0/qsub.0 was not released" in out
    assert [one.name for one in held(database, "T", ANN.person)] == ["b/0/qsub.0", "c/0/qsub.0"]


def test_what_is_ones_own_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Database, "person", ANN.person)
    made = Database(f"sqlite:///{tmp_path}/claims.db")
    made.upgrade()
    task(made, jobs=2).take(1)
    task(made, BOB).take(1)
    assert (
        main(["task", "release", "T", "--yes", "--db", f"sqlite:///{tmp_path}/claims.db"]) == DONE
    )
    assert [one.person for one in held(made, "T")] == [BOB.person]


# --- export ---------------------------------------------------------------------------------------


def test_export_has_a_row_a_job(say: Say, tmp_path: Path, database: Database) -> None:
    task(database).register([("-odd\udcff,\n'\"/qsub.0", "")])
    code, out, _ = say("export", "T", "-o", "jobs.csv")
    assert (code, out) == (DONE, "jobs.csv: 11 jobs\n")
    text = (tmp_path / "jobs.csv").read_text(errors="surrogateescape")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert len(rows) == 11
    assert "-odd\udcff,\n'\"/qsub.0" in rows
    assert rows["a/1/qsub.1"] == {
        **{"name": "a/1/qsub.1", "dataset": "a", "state": "submitted", "person": BOB.person},
        **{"site": "cluster-b", "run": "run-2", "jobid": "id-a1", "attempts": "1"},
        **{"taken": "2023-11-14T22:15:00+00:00", "submitted": "2023-11-14T22:15:00+00:00"},
        "ended": "",
    }
    assert say("export", "T", "-o", "jobs.json")[0] == DONE
    found = json.loads((tmp_path / "jobs.json").read_text())
    assert [{k: str(v) for k, v in one.items()} for one in found] == list(rows.values())


def test_export_to_the_screen(database: Database, say: Say, tmp_path: Path) -> None:
    say("export", "T", "-o", "jobs.csv")
    url = database.url.render_as_string().replace("+psycopg", "")
    call = "import sys; from jobauto.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", call, "task", "export", "T", "-o", "-", "--db", url]
    done = subprocess.run(command, capture_output=True, env=dict(os.environ), timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (tmp_path / "jobs.csv").read_bytes()


def test_a_name_must_say_what_is_to_be_made(say: Say, tmp_path: Path) -> None:
    for name in ("jobs.xls", "jobs"):
        code, _, err = say("export", "T", "-o", name)
        assert (code, "a name in .csv or .json" in err) == (BAD_USAGE, True)
    code, _, err = say("export", "T", "-o", "nowhere/jobs.csv")
    assert (code, "cannot be written" in err) == (BAD_USAGE, True)


def test_a_table_is_whole_or_not_there(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away in the middle; what was there before stays."""
    (tmp_path / "jobs.csv").write_text("older\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    ask, times = listing._page, iter(range(9))

    def cut(*given: object) -> object:
        if next(times) == 2:
            raise NoDatabase("no answer")
        return ask(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "PAGE", 3)
    monkeypatch.setattr(listing, "_page", cut)
    assert say("export", "T", "-o", "jobs.csv")[0] == GAVE_UP
    assert (tmp_path / "jobs.csv").read_text() == "older\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", [exporting.as_csv, exporting.as_json])
def test_rows_are_written_as_they_are_read(
    tmp_path: Path, kind: Callable[..., int], time: Time
) -> None:
    """20,000 jobs, of which a few are in memory: all would be some 8 MB."""

    known = names(20_000)

    def many() -> Iterator[Record]:
        for name in known:
            yield Record(
                name, "submitted", "ann", "site", "a", "run", "1", 1, time(), time(), None, name
            )

    with open(tmp_path / "out", "w") as file:
        tracemalloc.start()
        try:
            assert kind(file, many()) == 20_000
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 1e6
    assert (tmp_path / "out").stat().st_size > 20_000 * 80


def test_an_empty_task_is_an_empty_list(say: Say, database: Database, tmp_path: Path) -> None:
    Task(database, "empty", ANN).register([])
    assert say("export", "empty", "-o", "jobs.json")[0] == DONE
    assert json.loads((tmp_path / "jobs.json").read_text()) == []
