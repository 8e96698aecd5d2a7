"""Two people's monitors on one task: each job runs once, whatever is cut off in between."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake import FakeClock, FakeJob
from test_monitor import CHAIN, World, folders

from jobauto.actions.order import order
from jobauto.claims import Database, Holder, Task, progress
from jobauto.errors import NoDatabase
from jobauto.host import Runner
from jobauto.loop import Link, what_is_wrong
from jobauto.monitor import Monitor
from jobauto.sharing import Sharing, joined

BAD = FakeJob(succeeds=False)


class Flaky(Database):
    """A database whose transactions fail before or after they happened, as `fault` says."""

    fault: Callable[[], str] = staticmethod(lambda: "")

    @contextmanager
    def transaction(self, writes: bool = True) -> Iterator[Any]:
        fault = self.fault()
        if fault == "before":
            raise NoDatabase("no answer")
        with super().transaction(writes) as connection:
            yield connection
        if fault == "after":
            raise NoDatabase("no answer")


class Person:
    """A monitor of a run on a cluster of its own, which shares the task T."""

    def __init__(self, folder: Path, name: str, tree: dict[str, str], clock: FakeClock) -> None:
        self.name = name
        self.world = World(folder / name, tree)
        self.world.clock = clock
        self.world.cluster.clock = clock
        self.database = Flaky(f"sqlite:///{folder / 'tasks.db'}", clock.now)
        self.database.prepare()
        self.monitor = self.begin()

    def begin(self) -> Monitor:
        """A monitor that knows only what files and database say."""
        self.monitor = self.world.monitor()
        holder = Holder(self.name, f"site of {self.name}", self.world.run.id)
        task = Task(self.database, "T", holder)
        shared = Sharing(task, self.monitor.ledger, self.world.clock)
        self.monitor.submitting.shared = shared
        return self.monitor

    @property
    def submitted(self) -> list[str]:
        return self.world.cluster.submitted()


Two = Callable[..., tuple[Person, Person]]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    def build(tree: dict[str, str]) -> tuple[Person, Person]:
        clock = FakeClock()
        return Person(tmp_path, "ann", tree, clock), Person(tmp_path, "bob", tree, clock)

    return build


def together(*people: Person, ticks: int = 300) -> None:
    """Let all work until all is over."""
    for _ in range(ticks):
        for person in people:
            person.monitor.tick()
        people[0].world.clock.sleep(10)
        if all(person.monitor.over() for person in people):
            return
    raise AssertionError("it does not end")


def test_each_job_is_done_by_one_of_them_and_both_know(two: Two) -> None:
    ann, bob = two(folders(10))
    together(ann, bob)
    done = Counter(ann.submitted + bob.submitted)
    assert set(done.values()) == {1}
    assert len(done) == 30
    assert min(len(ann.submitted), len(bob.submitted)) > 5
    for person, other in ((ann, bob), (bob, ann)):
        words = person.world.last_words()
        assert {name for name, word in words.items() if word == "skipped"} == set(other.submitted)
        assert {name for name, word in words.items() if word == "finished"} == set(person.submitted)
    assert {(t.state, t.person): t.jobs for t in progress(ann.database, "T") if not t.dataset} == {}
    states = Counter(t.state for t in progress(ann.database, "T") for _ in range(t.jobs))
    assert states == {"finished": 30}


def by_folder(*people: Person) -> dict[str, set[str]]:
    """Who handed in a job of each folder."""
    found: dict[str, set[str]] = {}
    for person in people:
        for name in person.submitted:
            found.setdefault(name.partition("/")[0], set()).add(person.name)
    return found


def test_the_jobs_of_a_folder_share_files_and_so_one_of_them_does_all(two: Two) -> None:
    ann, bob = two(folders(10))
    together(ann, bob)
    assert {len(names) for names in by_folder(ann, bob).values()} == {1}


def test_what_waits_here_for_a_file_is_done_where_that_is(two: Two) -> None:
    tree = {"a/qsub.0": "", "a/qsub.dependency.0": ""}
    ann, bob = two(tree | {"b/qsub.0": "", "b/qsub.dependency.0": "../a/out\n"})
    for person in (ann, bob):
        person.world.cluster.plans["a/qsub.0"] = FakeJob(seconds=100, writes={99: "out"})
        person.world.cluster.plans["b/qsub.0"] = FakeJob(seconds=100)
    ann.monitor.tick()
    together(ann, bob)
    assert (ann.submitted, bob.submitted) == (["a/qsub.0", "b/qsub.0"], [])
    assert bob.world.last_words() == {"a/qsub.0": "skipped", "b/qsub.0": "skipped"}


def test_who_failed_and_did_it_after_all_is_believed(two: Two) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.world.cluster.plans["a/qsub.0"] = BAD
    together(ann, bob)
    assert bob.world.last_words() == {"a/qsub.0": "failed"}
    ann.world.cluster.plans["a/qsub.0"] = FakeJob()
    order(ann.world.folder, "retry", ["failed"], ann.world.clock, Runner(), {})
    ann.begin()
    ann.monitor.tick()
    bob.monitor.tick()
    assert not bob.monitor.over()  # ann is at it
    together(ann, bob)
    assert ann.world.last_words() == {"a/qsub.0": "finished"}
    assert bob.world.last_words() == {"a/qsub.0": "skipped"}


def test_nobody_claims_more_than_there_is_room_for(two: Two) -> None:
    ann, bob = two({f"m{n}/{f}": "" for n in range(20) for f in ("qsub.0", "qsub.dependency.0")})
    ann.monitor.tick()
    assert len(ann.submitted) == 4  # --maxqsub
    claimed = Counter(t.person for t in progress(ann.database, "T") for _ in range(t.jobs))
    assert claimed == {"ann": 4, "": 16}
    bob.monitor.tick()
    assert len(bob.submitted) == 4
    assert not set(ann.submitted) & set(bob.submitted)


def test_what_failed_at_one_of_them_can_be_tried_by_the_other(two: Two) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.world.cluster.plans["a/qsub.0"] = BAD
    together(ann, bob)
    assert ann.world.last_words() == {"a/qsub.0": "failed"}
    assert "failed@" in bob.world.quelist()[0]
    assert "by-ann-at-site-of-ann" in bob.world.quelist()[0]
    assert bob.submitted == []
    order(bob.world.folder, "retry", ["failed"], bob.world.clock, Runner(), {})
    bob.begin()
    together(bob)
    assert bob.submitted == ["a/qsub.0"]
    assert bob.world.last_words() == {"a/qsub.0": "finished"}


def test_without_the_database_nothing_is_claimed_and_what_runs_is_followed(two: Two) -> None:
    ann, bob = two(folders(3))
    ann.monitor.tick()
    assert len(ann.submitted) == 3
    ann.database.fault = lambda: "before"
    for _ in range(10):
        ann.world.clock.sleep(10)
        ann.monitor.tick()
    assert len(ann.submitted) == 3
    assert Counter(ann.world.last_words().values()) == {"finished": 3, "": 3}
    (condition,) = what_is_wrong(ann.monitor, Link())
    assert condition.what == "no database"
    ann.database.fault = lambda: ""
    ann.world.clock.sleep(100)
    together(ann, bob)
    assert set(Counter(ann.submitted + bob.submitted).values()) == {1}
    assert what_is_wrong(ann.monitor, Link()) == []


def test_what_was_done_before_is_not_done_by_others(two: Two) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": "", "a/qsub.finished.0": ""})
    together(ann)
    together(bob)
    assert ann.submitted + bob.submitted == []


@pytest.mark.parametrize("told", [False, True], ids=["not told", "told"])
def test_a_claim_that_ran_out_before_the_job_was_handed_in(two: Two, told: bool) -> None:
    """The intent is on ann's disk, and it was never sent; bob waits for more than a lease."""
    ann, bob = two({f"m{n}/{f}": "" for n in range(4) for f in ("qsub.0", "qsub.dependency.0")})
    shared = ann.monitor.submitting.shared
    assert isinstance(shared, Sharing)
    ann.database.fault = lambda: "before" if len(shared.held) == 4 else ""
    ann.monitor.tick()
    ann.database.fault = lambda: ""
    if told:
        assert shared.task.submitting(list(shared.held.values())) == []
    assert ann.submitted == []
    assert len(ann.monitor.ledger.in_flight()) == 4
    for _ in range(70):
        bob.world.clock.sleep(10)
        bob.monitor.tick()
    assert len(bob.submitted) == (0 if told else 4)
    ann.begin()
    together(ann, bob)
    assert sorted(ann.submitted + bob.submitted) == sorted(ann.monitor.graph.jobs)
    assert len(ann.submitted) == (4 if told else 0)


def test_what_our_files_forgot_is_not_given_to_others(two: Two) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.monitor.tick()
    assert ann.submitted == ["a/qsub.0"]
    for name in ("quelist", "qsub.log"):
        (ann.world.folder / name).unlink()
    ann.begin()
    for _ in range(80):
        ann.world.clock.sleep(10)
        bob.monitor.tick()
        ann.monitor.tick()
    assert (ann.submitted, bob.submitted) == (["a/qsub.0"], [])
    assert bob.world.last_words() == {"a/qsub.0": ""}  # a person has to decide


def test_what_is_unsure_at_one_of_them_is_so_for_all(two: Two) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    shared = ann.monitor.submitting.shared
    assert isinstance(shared, Sharing)
    shared.reconcile(["a/qsub.0"])
    (held,) = shared.task.take(1)
    assert shared.task.submitting([held]) + shared.task.ended([held], "unsure") == []
    together(bob)
    assert bob.world.last_words() == {"a/qsub.0": "unsure"}
    assert bob.submitted == []


def test_a_monitor_starts_without_the_database_and_follows_what_runs(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.monitor.tick()
    monitor, answers = ann.world.monitor(), Database.prepare

    def silent(database: Database) -> None:
        raise NoDatabase("no answer")

    monkeypatch.setattr(Database, "prepare", silent)
    url, clock = f"sqlite:///{tmp_path / 'tasks.db'}", ann.world.clock
    shared = joined(url, "T", "site", ann.world.run.id, monitor.ledger, clock)
    monitor.submitting.shared = shared
    monitor.tick()
    assert [one.what for one in what_is_wrong(monitor, Link())] == ["no database"]
    clock.sleep(10)
    monitor.tick()
    assert ann.world.last_words() == {"a/qsub.0": "finished"}
    monkeypatch.setattr(Database, "prepare", answers)
    clock.sleep(100)
    monitor.tick()
    assert what_is_wrong(monitor, Link()) == []


def test_a_monitor_whose_job_was_released_learns_that_it_lost_it(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.world.cluster.plans["a/qsub.0"] = FakeJob(seconds=100)
    ann.monitor.tick()
    shared = ann.monitor.submitting.shared
    assert isinstance(shared, Sharing)
    assert shared.task.release("ann", ["a/qsub.0"]) == ["a/qsub.0"]
    bob.monitor.tick()
    caplog.clear()
    for _ in range(3):
        ann.monitor.tick()
    said = [text for text in caplog.messages if "is not ours any more" in text]
    assert said == ["a/qsub.0 is not ours any more: bob at site of bob has it"]
    together(ann, bob)
    assert (ann.submitted, bob.submitted) == (["a/qsub.0"], ["a/qsub.0"])  # as was foretold
    assert ann.world.last_words() == bob.world.last_words() == {"a/qsub.0": "finished"}
    (found,) = progress(ann.database, "T")
    assert (found.state, found.person) == ("finished", "bob")


def test_what_we_ended_ourselves_is_no_loss_though_the_answer_was(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    ann, _ = two({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    ann.monitor.tick()
    ended = Task.ended

    def cut(task: Task, held: Any, verdict: str) -> Any:
        ended(task, held, verdict)
        raise NoDatabase("no answer")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Task, "ended", cut)
        ann.world.clock.sleep(10)
        ann.monitor.tick()
        ann.world.clock.sleep(100)
        ann.monitor.tick()
    assert progress(ann.database, "T")[0].state == "finished"
    ann.world.clock.sleep(100)
    together(ann)
    assert [text for text in caplog.messages if "is not ours any more" in text] == []


class Died(BaseException):
    """The monitor's process is gone."""


def step(person: Person, dice: random.Random | None) -> bool:
    """A tick, in the middle of which the monitor may die: before or after it asks the cluster.
    Whether it did."""
    ask, dies = person.world.host.ask, dice and dice.random() < 0.1
    after = dice and dice.random() < 0.5

    def dying(request: Any) -> Any:
        if dies and type(request).__name__ == "SubmitThenLook":
            if after:
                ask(request)
            raise Died
        return ask(request)

    person.world.host.ask = dying  # type: ignore[method-assign]
    try:
        person.monitor.tick()
    except Died:
        person.begin()
        return True
    finally:
        person.world.host.ask = ask  # type: ignore[method-assign]
    return False


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_cut_off_no_job_runs_twice_and_none_is_lost(two: Two, seed: int) -> None:
    dice = random.Random(seed)
    people = two({**folders(4), **{f"b/{n[2:]}": t for n, t in CHAIN.items()}})
    for person in people:
        person.database.fault = lambda: dice.choices(["", "before", "after"], [8, 1, 1])[0]
    away = dict.fromkeys(people, 0)
    for tick in range(600):
        for person in people:
            if tick < 60 and dice.random() < 0.1:
                person.begin()  # killed, and started again, at once or when its leases are over
                away[person] = dice.choice([0, 0, 70])
            away[person] -= 1
            if away[person] < 0 and step(person, dice if tick < 60 else None):
                away[person] = dice.choice([0, 70])
        people[0].world.clock.sleep(10)
        if tick == 60:
            for person in people:
                person.database.fault = lambda: ""
        if max(away.values()) < 0 and all(person.monitor.over() for person in people):
            break
    done = Counter(name for person in people for name in person.submitted)
    assert done == dict.fromkeys(people[0].monitor.graph.jobs, 1)
    assert {len(names) for names in by_folder(*people).values()} == {1}
    for person in people:
        assert set(person.world.last_words().values()) <= {"finished", "skipped"}
