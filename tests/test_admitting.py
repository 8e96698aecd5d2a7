"""Tokens of `qsub.resources.<id>` in runs: on a cluster in memory, and two real runs at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake import FakeClock, FakeJob
from places import Place, newest, place
from test_monitor import World
from test_sharing import Person, together
from trees import job, make

from jobauto import lock
from jobauto.actions.status import status
from jobauto.actions.why import why
from jobauto.errors import DONE, SOME_FAILED
from jobauto.model import State


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def models(folders: int, steps: int, asks: str = "keep = model:1") -> dict[str, str]:
    """Chains that all want the same token."""
    found = {}
    for n in range(folders):
        for i in range(steps):
            found[f"f{n}/qsub.{i}"] = ""
            found[f"f{n}/qsub.dependency.{i}"] = f"qsub.finished.{i - 1}\n" if i else ""
            found[f"f{n}/qsub.resources.{i}"] = asks + "\n"
    return found


def at_once(w: World) -> int:
    """The most that were in the queue at a time."""
    steps = {"submit": 1, "done": -1, "run": 0}
    history = sorted(w.cluster.history, key=lambda h: h[0])
    now = most = 0
    for _, what, _ in history:
        now += steps[what]
        most = max(most, now)
    return most


def test_no_more_are_in_the_queue_than_there_are_tokens(tmp_path: Path) -> None:
    w = World(
        tmp_path / "L",
        models(6, 1, "tokens = licence*2 gpu"),
        maxqsub=99,
        tokens={
            "licence": 5,
            "gpu": 4,
        },
    )
    assert w.finish() == DONE
    assert at_once(w) == 2


def test_jobs_without_tokens_go_past_those_that_wait(tmp_path: Path) -> None:
    tree = models(3, 1, "tokens = one") | {"z/qsub.0": "", "z/qsub.dependency.0": ""}
    w = World(tmp_path / "L", tree, maxqsub=2)
    w.monitor().tick()
    assert w.cluster.submitted() == ["f0/qsub.0", "z/qsub.0"]


def test_chains_of_two_folders_that_keep_a_token_never_mix(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(4, 3), maxqsub=99)
    assert w.finish() == DONE
    assert w.cluster.submitted() == [f"f{n}/qsub.{i}" for n in range(4) for i in range(3)]


def test_a_folder_in_which_a_job_failed_keeps_nothing(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(2, 3), maxqsub=99)
    w.cluster.plans["f0/qsub.1"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    done = ["f0/qsub.0", "f0/qsub.1", "f1/qsub.0", "f1/qsub.1", "f1/qsub.2"]
    assert w.cluster.submitted() == done


def test_a_folder_that_a_person_holds_keeps_nothing(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(2, 2), maxqsub=99)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "f0/qsub.dependency.1").unlink()
    w.finish(monitor)
    assert w.cluster.submitted() == ["f0/qsub.0", "f1/qsub.0", "f1/qsub.1"]


def test_a_second_run_waits_and_says_for_whom(tmp_path: Path, stack: ExitStack) -> None:
    one, two = (World(tmp_path / name, models(1, 2)) for name in ("L1", "L2"))
    for w in (one, two):
        stack.enter_context(lock.held(w.run.private, w.clock.date()))
    first, second = one.monitor(), two.monitor()
    first.tick()
    two.finish(second, once=True)
    assert two.cluster.submitted() == []
    assert why(status(two.folder), "f0/0") == (
        f"f0/qsub.0 is ready: it waits for a token: model:1 is in use by f0/qsub.0 of {one.folder}"
    )
    [condition] = two.conditions()
    assert condition.what == "waiting for tokens"
    assert one.finish(first) == DONE
    assert two.finish(second) == DONE
    assert two.conditions() == []


def test_the_folder_of_another_run_keeps_it_between_its_jobs(
    tmp_path: Path, stack: ExitStack
) -> None:
    one, two = (World(tmp_path / name, models(1, 2)) for name in ("L1", "L2"))
    stack.enter_context(lock.held(one.run.private, one.clock.date()))
    first, second = one.monitor(), two.monitor()
    first.tick()
    first.run.stopped = ("me", one.clock.date())
    for clock in (one.clock, two.clock):
        clock.sleep(30)
    first.tick()
    second.tick()
    assert status(one.folder).states["f0/qsub.0"] is State.FINISHED
    assert two.cluster.submitted() == []
    first.run.stopped = None
    assert one.finish(first) == DONE
    second.tick()
    assert two.cluster.submitted() == ["f0/qsub.0"]


def test_what_a_monitor_that_is_gone_left_in_the_queue_still_counts(tmp_path: Path) -> None:
    one, two = (World(tmp_path / name, models(2, 2, "keep = model")) for name in ("L1", "L2"))
    one.monitor().tick()  # and ends, with f0/qsub.0 in the queue
    second = two.monitor()
    second.tick()
    assert two.cluster.submitted() == []
    first = one.monitor()  # comes back
    one.clock.sleep(30)
    first.submitting.run.stopped = ("me", one.clock.date())
    first.tick()
    del first  # ends again: nothing is in the queue any more, though the folder is not done
    second.tick()
    assert two.cluster.submitted() == ["f0/qsub.0"]


def test_an_unsure_job_keeps_its_token(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(2, 1, "tokens = model"), maxqsub=9)
    monitor = w.monitor()
    monitor.tick()
    entry = monitor.ledger.entries["f0/qsub.0"]
    monitor.ledger.settle("f0/qsub.0", "unsure", w.clock.date(), "test")
    assert entry.state is State.UNSURE
    monitor.submitting.submit(monitor.looking.seen, lambda: None, monitor.looking.awaited_behind)
    assert w.cluster.submitted() == ["f0/qsub.0"]


def test_edited_tokens_count_from_then_on(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(3, 1, "tokens = one"), maxqsub=9)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "f1/qsub.resources.0").unlink()
    (w.folder / "f2/qsub.resources.0").write_text("tokens = one one*3\n")
    w.clock.sleep(1000)
    monitor.tick()
    assert w.cluster.submitted() == ["f0/qsub.0", "f1/qsub.0"]
    said = "f2/qsub.0 is ready: it waits for a token: it wants 4 of one, of which there is 1"
    with lock.held(w.run.private, w.clock.date()):
        assert why(status(w.folder), "f2/0") == said


def test_a_run_without_tokens_writes_nothing_of_them(tmp_path: Path) -> None:
    w = World(tmp_path / "L", {"a/qsub.0": "", "a/qsub.dependency.0": ""})
    assert w.finish() == DONE
    assert not (tmp_path / "state").exists()


def test_at_its_end_a_run_holds_nothing(tmp_path: Path) -> None:
    w = World(tmp_path / "L", models(1, 1))
    assert w.finish() == DONE
    [file] = (tmp_path / "state/jobauto").glob("tokens@*.json")
    assert file.read_text() == "{}\n"


def test_of_a_shared_task_tokens_are_held_only_for_what_is_ours(tmp_path: Path) -> None:
    """Others may have the first ones of those for which there are tokens."""
    wants = {f"m{n}/qsub.resources.0": "tokens = licence\n" for n in range(6)}
    tree = {f"m{n}/{name}": "" for n in range(6) for name in ("qsub.0", "qsub.dependency.0")}
    clock = FakeClock()
    people = [Person(tmp_path, name, tree | wants, clock) for name in ("ann", "bob")]
    for person in people:
        person.world.chosen.tokens = {"licence": 4}
        person.world.chosen.maxqsub = 2
        person.begin()
    for person in people:
        person.monitor.tick()
        [file] = (tmp_path / "state/jobauto").glob("tokens@*.json")
        held = json.loads(file.read_text())[str(person.world.folder)]
        assert sorted(held) == sorted(person.submitted)
        assert len(held) == 2
    assert people[1].submitted == ["m2/qsub.0", "m3/qsub.0"]
    together(*people)
    assert len({*people[0].submitted, *people[1].submitted}) == 6


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place("local", tmp_path) as made:
        yield made


def refused(here: Place, tmp_path: Path, line: str, *options: str) -> str:
    files = {"a/qsub.0": job(""), "a/qsub.dependency.0": "", "a/qsub.resources.0": f"\n{line}\n"}
    done = here.jobmon(make(tmp_path / "L" / "init", files).parent, *options)
    assert done.returncode == 2
    assert list((tmp_path / "L").glob("2*")) == []
    return done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tokens = a,b", "a/qsub.resources.0:2: a,b is no token: give name, or name*NUMBER"),
        ("tocens = a", "did you mean tokens?"),
        ("keep = licence*3", "a/qsub.resources.0: it wants 3 of licence, of which there are 2"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    here: Place, tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "L").mkdir()
    (tmp_path / "L/jobmon.toml").write_text("[tokens]\nlicence = 2\n")
    assert said in refused(here, tmp_path, line).replace("\n", " ")
    assert said in refused(here, tmp_path, line, "--dry-run").replace("\n", " ")


def test_two_real_runs_at_once_never_use_a_token_twice(here: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = f"echo + >>{log}; sleep 0.2; echo - >>{log}\n"
    started = []
    for name in ("L1", "L2"):
        files = {f: t for f, t in models(3, 2).items() if "resources" in f or "dependency" in f}
        files |= {f: job(text, f[-1]) for f in models(3, 2) if f[-6:-1] == "qsub."}
        ldir = make(tmp_path / name / "init", files).parent
        started.append((here.start(ldir, "--maxqsub", "9", "--no-http"), ldir))
    for process, ldir in started:
        assert process.wait(60) == 0, (ldir / "out").read_text()
    assert log.read_text().split() == ["+", "-"] * 12
    order = [word for _, ldir in started for word in (newest(ldir) / "quelist").read_text().split()]
    assert Counter(word.partition("@")[0] for word in order)["finished"] == 12
