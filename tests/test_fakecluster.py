"""The fake cluster's behaviour, with a clock and processes that are not real."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from accents.base import Job, Refused, Unreachable
from fakebooks import Books, Work
from fakecluster import Dispatcher, FakeCluster
from places import wait_for

from jobauto.model import Queued


@dataclass
class Puppets:
    """Jobs that do what a test says."""

    ends: dict[int, int] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    signals: list[tuple[int, int]] = field(default_factory=list)
    cannot: bool = False

    def start(self, job: Job, work: Work) -> None:
        if self.cannot:
            raise FileNotFoundError(job.folder)
        self.started.append(job.number)

    def ended(self) -> dict[int, int]:
        ended, self.ends = self.ends, {}
        return ended

    def signal(self, number: int, which: int) -> None:
        self.signals.append((number, which))


class World:
    """A cluster of few slots, and its dispatcher, in one room."""

    def __init__(self, slots: int = 2) -> None:
        self.time, self.switches = 1000.0, dict[str, str]()
        self.processes, books = Puppets(), Books.new()
        clock = lambda: self.time  # noqa: E731
        self.cluster = FakeCluster(books, "me", clock, switches=self.switches.get)
        self.dispatcher = Dispatcher(books, self.processes, clock, self.switches.get, slots)

    def submit(self, **more: Any) -> int:
        known = {"name": "qsub.0", "folder": "/f", "out": "o", "err": "e"}
        return self.cluster.submit("true", **known | more).number

    def tick(self, seconds: float = 1.0) -> None:
        self.time += seconds
        self.dispatcher.tick()

    def state(self, number: int) -> Queued | None:
        """None: not in the queue."""
        return next((j.state for j in self.cluster.queue() if j.number == number), None)

    def job(self, number: int) -> Job:
        job = self.cluster.find(number)
        assert job
        return job


@pytest.fixture
def world() -> World:
    return World()


def test_jobs_run_in_their_order_as_slots_become_free(world: World) -> None:
    first, second, third = (world.submit() for _ in range(3))
    world.tick()
    assert world.processes.started == [first, second]
    assert [j.state for j in world.cluster.queue()] == [Queued.RUNNING] * 2 + [Queued.PENDING]
    world.processes.ends = {second: 3}
    world.tick()
    assert world.processes.started == [first, second, third]
    assert (world.job(second).exit_code, world.job(second).ended) == (3, 1002.0)


def test_more_jobs_than_start_at_once_start_one_look_later() -> None:
    world = World(slots=100)
    for _ in range(40):
        world.submit()
    for _ in range(3):
        world.tick(0.01)
    assert len(world.processes.started) == 40


def test_an_ended_job_can_be_asked_for_a_while(world: World) -> None:
    number = world.submit()
    world.tick()
    world.processes.ends = {number: -9}
    world.tick()
    assert world.state(number) is None
    assert (world.job(number).signal, world.job(number).exit_code) == (9, None)
    world.tick(301)
    assert world.cluster.find(number) is None
    assert [job.number for job in world.cluster.books.all()] == [number]


def test_a_walltime_ends_a_job_by_term_then_kill(world: World) -> None:
    number = world.submit(facts={"walltime": "60"})
    world.tick()
    world.tick(59)
    assert world.state(number) is Queued.RUNNING
    world.tick(2)
    assert world.state(number) is Queued.ENDING
    world.tick(3)
    assert world.processes.signals == [(number, 15), (number, 9)]
    world.processes.ends = {number: -9}
    world.tick()
    assert (world.state(number), world.job(number).why) == (None, "walltime")


def test_killing(world: World) -> None:
    running, pending, held = world.submit(), world.submit(held=True), world.submit(held=True)
    world.tick()
    world.cluster.release(pending)
    assert [world.cluster.kill(n) for n in (running, pending, held)] == [True] * 3
    assert [world.state(n) for n in (running, pending, held)] == [Queued.ENDING, None, None]
    world.tick()
    assert world.processes.signals == [(running, 15)]
    world.processes.ends = {running: -15}
    world.tick()
    jobs = [world.job(n) for n in (running, pending, held)]
    assert [job.why for job in jobs] == ["cancelled"] * 3
    assert [world.cluster.kill(n) for n in (running, pending, 77)] == [False] * 3
    assert world.processes.started == [running]


def test_holding_releasing_and_moving(world: World) -> None:
    number = world.submit()
    assert world.cluster.hold(number)
    assert world.cluster.move(number, "other")
    world.tick()
    assert (world.state(number), world.job(number).queue) == (Queued.HELD, "other")
    assert world.cluster.release(number)
    world.tick()
    assert world.state(number) is Queued.RUNNING
    assert world.cluster.hold(number)  # it runs already
    assert world.state(number) is Queued.RUNNING
    assert not world.cluster.hold(77)
    assert not world.cluster.move(77, "other")
    with pytest.raises(Refused, match="queue"):
        world.cluster.move(number, "nowhere")
    with pytest.raises(Refused, match="queue"):
        world.submit(queue="nowhere")


def test_a_suspended_job_is_stopped_and_goes_on(world: World) -> None:
    number = world.submit()
    world.tick()
    assert world.cluster.suspend(number)
    world.tick()
    world.tick()
    assert world.state(number) is Queued.SUSPENDED
    assert world.cluster.resume(number)
    world.tick()
    assert world.processes.signals == [(number, 19), (number, 18)]


def test_a_limit_refuses_until_there_is_room(world: World) -> None:
    world.switches["limit"] = "1"
    number = world.submit()
    with pytest.raises(Refused, match="limit"):
        world.submit()
    world.cluster.kill(number)
    assert world.submit() == number + 1


def test_a_job_starts_when_all_those_for_which_it_waits_have_ended_well(world: World) -> None:
    first, second = world.submit(), world.submit()
    dependent = world.submit(after=[first, second])
    world.tick()
    world.processes.ends = {first: 0}
    world.tick()
    assert (world.state(dependent), world.job(dependent).after) == (Queued.PENDING, [second])
    world.processes.ends = {second: 0}
    world.tick()
    assert world.processes.started == [first, second, dependent]
    assert world.job(dependent).after == []


def test_a_job_does_not_wait_for_what_has_ended_well_before(world: World) -> None:
    first = world.submit()
    world.tick()
    world.processes.ends = {first: 0}
    world.tick(400)
    dependent = world.submit(after=[first])
    world.tick()
    assert world.state(dependent) is Queued.RUNNING


@pytest.mark.parametrize("end", ["exit 1", "signal", "killed", "killed before", "unknown"])
@pytest.mark.parametrize("orphans", ["cancel", "pend"])
def test_an_orphan_is_cancelled_or_waits_for_ever_as_its_accent_says(
    world: World, orphans: str, end: str
) -> None:
    first = world.submit(held=end == "killed before")
    after = [99] if end == "unknown" else [first]
    second = world.submit(after=after, orphans=orphans)
    third = world.submit(after=[second], orphans=orphans)
    if end != "unknown":
        assert world.state(second) is Queued.PENDING
        world.tick()
        assert not world.job(second).orphan
    if "killed" in end:
        assert world.cluster.kill(first)
    if end in ("exit 1", "signal", "killed"):  # a shell that was killed may end with 0
        world.processes.ends = {first: {"exit 1": 1, "signal": -9, "killed": 0}[end]}
    world.tick()
    world.tick()
    assert world.job(second).orphan
    assert world.processes.started == ([] if end == "killed before" else [first])
    cancelled = orphans == "cancel"
    expected = (None, "cancelled") if cancelled else (Queued.PENDING, "")
    assert (world.state(second), world.job(second).why) == expected
    assert (world.state(third), world.job(third).why) == expected
    assert world.job(third).orphan is cancelled  # what pends has not ended
    assert world.cluster.kill(third) is not cancelled


def test_a_person_may_hold_what_waits_for_others(world: World) -> None:
    first = world.submit()
    second = world.submit(after=[first])
    assert world.cluster.hold(second)
    world.tick()
    world.processes.ends = {first: 0}
    world.tick()
    assert (world.state(second), world.job(second).after) == (Queued.HELD, [])
    assert world.cluster.release(second)
    world.tick()
    assert world.processes.started == [first, second]


def test_a_server_that_is_down_answers_nobody_and_its_jobs_go_on(world: World) -> None:
    first, second = world.submit(), world.submit(held=True)
    world.tick()
    world.cluster.release(second)
    world.switches["down"] = ""
    for call in (world.submit, world.cluster.queue, lambda: world.cluster.find(first)):
        with pytest.raises(Unreachable):
            call()
    for verb in (world.cluster.kill, world.cluster.hold, world.cluster.release):
        with pytest.raises(Unreachable):
            verb(first)
    world.processes.ends = {first: 0}
    world.tick()
    del world.switches["down"]
    assert world.job(first).ended
    assert world.processes.started == [first]
    world.tick()
    assert world.processes.started == [first, second]


def test_a_job_that_cannot_begin_has_failed(world: World) -> None:
    world.processes.cannot = True
    number = world.submit()
    world.tick()
    assert (world.job(number).exit_code, world.state(number)) == (1, None)


def test_what_a_dispatcher_left_running_is_not_run_again(world: World) -> None:
    number = world.submit()
    world.tick()
    world.dispatcher.end_all()
    assert world.processes.signals == [(number, 9)]
    assert world.job(number).ended
    world.tick()
    assert world.processes.started == [number]


def test_an_idle_dispatcher_looks_when_another_program_has_changed_something(
    tmp_path: Path,
) -> None:
    processes, path = Puppets(), tmp_path / "books"
    dispatcher = Dispatcher(Books.new(path), processes, lambda: 1.0, idle=1000.0)
    dispatcher.tick()
    cluster = FakeCluster(Books(path), "me", lambda: 1.0)
    number = cluster.submit("true", name="x", folder="/", out="", err="").number
    dispatcher.tick()
    assert processes.started == [number]


def test_odd_bytes_come_back(world: World) -> None:
    number = world.submit(folder="/\udcff", facts={"note": "ü\udcfe\n"})
    assert (world.job(number).folder, world.job(number).facts["note"]) == ("/\udcff", "ü\udcfe\n")


# --- the programs, with an accent of their own ----------------------------------------------------

PLAIN = """
from accents.base import Accent, Said
class OpenPBS(Accent):
    name, programs = "plain", ("qsub", "qstat")
    def call(self, argv, stdin, environment, folder, cluster):
        if argv[0] == "qstat":
            return Said(0, "".join(f"{j.number} {j.state.value}\\n" for j in cluster.queue()))
        job = cluster.submit(stdin, name="x", folder=folder, out="o%J", err="o%J")
        return Said(0, f"{job.number} {cluster.user} {environment['MAIL']}\\n")
    def unreachable(self, program):
        return Said(3, "", f"{program} is deaf\\n")
"""


def test_programs_and_dispatcher_as_real_processes(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parent
    lib, bin = tmp_path / "lib", tmp_path / "pbs/bin"
    for folder in (lib / "accents", lib / "jobauto", tmp_path / "pbs"):
        folder.mkdir(parents=True)
    for name in (
        "fakebooks.py",
        "fakecluster.py",
        "fakeprogram.py",
        "fakeserver.py",
        "accents/base.py",
    ):
        (lib / name).write_bytes((tests / name).read_bytes())
    (lib / "fakeprogram.py").chmod(0o755)
    (lib / "jobauto/model.py").write_bytes((tests.parent / "jobauto/model.py").read_bytes())
    (lib / "accents/pbs.py").write_text(PLAIN)
    server = [sys.executable, "-IS", str(lib / "fakeserver.py"), str(tmp_path), "pbs"]
    daemon = subprocess.Popen(server)
    try:
        wait_for((tmp_path / "pbs/socket").exists, 10)
        assert sorted(path.name for path in bin.iterdir()) == ["qstat", "qsub"]
        assert run(str(bin / "qstat")).stderr == ""
        said = run(
            str(bin / "qsub"), text="echo $FAKE_JOB $MAIL; echo b >&2; sleep 9", cwd=tmp_path
        )
        assert said.stdout.split()[::2] == ["1", "box"]
        out = tmp_path / "o1"
        wait_for(lambda: out.exists() and out.read_text() == "1 box\nb\n", 10)
        assert run(str(bin / "qstat")).stdout == "1 running\n"
        (tmp_path / "pbs/down").touch()
        deaf = run(str(bin / "qstat"))
        assert (deaf.returncode, deaf.stdout, deaf.stderr) == (3, "", "qstat is deaf\n")
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0
    gone = run(str(bin / "qstat"))
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "not running" in gone.stderr


def run(*words: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        input=text,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "MAIL": "box"},
        capture_output=True,
        text=True,
        timeout=20,
    )
