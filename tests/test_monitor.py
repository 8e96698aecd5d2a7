"""The monitor against a cluster in memory, with injected time: whole runs in milliseconds."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from fake import FakeClock, FakeCluster, FakeHost, FakeJob
from shell import Reply
from trees import create, make

from jobauto import conditions
from jobauto import run as runs
from jobauto.actions.order import order
from jobauto.actions.status import status
from jobauto.errors import DONE, GAVE_UP, SOME_FAILED, RemoteError
from jobauto.host import Runner
from jobauto.loop import Link, loop
from jobauto.model import Attempt, Job, State
from jobauto.monitor import Monitor
from jobauto.settings import Settings
from jobauto.start import prepare
from jobauto.watching import Watching

CHAIN = {
    "a/qsub.0": "",
    "a/qsub.dependency.0": "",
    "a/qsub.1": "",
    "a/qsub.dependency.1": "qsub.finished.0\n",
    "a/qsub.2": "",
    "a/qsub.dependency.2": "qsub.finished.1\n",
}


class World:
    """A run folder, a cluster and the monitors that follow one another on it."""

    def __init__(self, ldir: Path, tree: dict[str, str], **options: Any) -> None:
        make(ldir / "init", tree)
        self.options = {"ldir": ldir, "interval": 10.0, "maxqsub": 4, **options}
        self.clock = FakeClock()
        self.cluster = FakeCluster(self.clock)
        self.host = FakeHost(self.cluster)
        chosen = Settings.model_construct(**{**_defaults(), **self.options})
        found, _, _ = runs.check(ldir / "init")
        self.run = runs.plan(chosen, runs.new_folder(ldir, self.clock.now()))
        self.run.rdir, self.run.scheduler = str(self.run.folder), "slurm"
        create(chosen, self.run, found)
        self.chosen = chosen

    @property
    def folder(self) -> Path:
        return self.run.folder

    def monitor(self, watch: Watching | None = None) -> Monitor:
        """A monitor that knows only what the files say, and what `watch` tells."""
        of = runs.open_run(self.folder)
        return prepare(of, self.chosen, self.host, self.clock, watch=watch)

    def finish(self, monitor: Monitor | None = None, **options: Any) -> int:
        return loop(monitor or self.monitor(), self.clock.sleep, **options)

    def quelist(self) -> list[str]:
        return (self.folder / "quelist").read_text().splitlines()

    def conditions(self) -> list[conditions.Condition]:
        """What is told to everybody who asks."""
        return conditions.read(self.run.private)

    def last_words(self) -> dict[str, str]:
        """Job to its last word, without dates."""
        lines = [line.split() for line in self.quelist()]
        return {name: (words[-1].split("@")[0] if words else "") for name, *words in lines}


def _defaults() -> dict[str, Any]:
    fields = Settings.model_fields.items()
    return {n: f.get_default(call_default_factory=True) for n, f in fields if not f.is_required()}


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    def build(tree: dict[str, str], **options: Any) -> World:
        return World(tmp_path / "L", tree, **options)

    return build


def folders(number: int) -> dict[str, str]:
    return {f"m{n:03}/{f}": t for n in range(number) for f, t in _one_folder().items()}


def _one_folder() -> dict[str, str]:
    return {name.removeprefix("a/"): text for name, text in CHAIN.items()}


def test_a_chain_runs_in_order_to_its_end(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    assert w.finish() == DONE
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    ends = {name: t for t, what, name in w.cluster.history if what == "done"}
    starts = {name: t for t, what, name in w.cluster.history if what == "submit"}
    assert ends["a/qsub.0"] <= starts["a/qsub.1"]
    assert ends["a/qsub.1"] <= starts["a/qsub.2"]
    assert set(w.last_words().values()) == {"finished"}


def test_folders_of_claims_on_this_machine_are_made_before_a_shell_is_asked(
    world: Callable[..., World],
) -> None:
    w = world(folders(2))
    w.monitor().tick()
    made = sorted(path.name for path in (w.run.private / "claims").iterdir())
    assert made == sorted(w.cluster.claims)
    assert len(made) == 2


def test_quelist_is_in_the_order_in_which_jobs_became_runnable(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.finish()
    assert [line.split()[0] for line in w.quelist()] == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    assert w.quelist()[0].split()[1].endswith("@1001")


def test_never_more_than_maxqsub_are_in_the_queue(world: Callable[..., World]) -> None:
    w = world(folders(20), maxqsub=3)
    assert w.finish() == DONE
    assert len(w.cluster.submitted()) == 60
    steps = {"submit": 1, "done": -1, "run": 0}
    in_queue = [steps[what] for _, what, _ in sorted(w.cluster.history, key=lambda h: h[0])]
    assert max(accumulate(in_queue)) == 3


def test_one_question_and_one_submission_a_tick(world: Callable[..., World]) -> None:
    w = world(folders(30), maxqsub=90)
    monitor = w.monitor()
    w.host.asked.clear()
    monitor.tick()
    assert w.host.asked == ["Observe", "SubmitThenLook"]
    assert len(w.cluster.submitted()) == 30


def test_nothing_is_asked_twice_while_nothing_changes(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    monitor = w.monitor()
    monitor.tick()
    w.host.asked.clear()
    for _ in range(5):
        monitor.tick()
    assert w.host.asked == ["Observe"] * 5


def test_one_failure_blocks_its_dependents_and_nothing_else(world: Callable[..., World]) -> None:
    w = world(folders(5))
    w.cluster.plans["m002/qsub.1"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    words = w.last_words()
    assert words["m002/qsub.1"] == "failed"
    assert "m002/qsub.2" not in words
    assert sum(word == "finished" for word in words.values()) == 13


def test_the_exit_code_stands_behind_failed(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    assert w.quelist()[0].split()[-1].endswith("@exit-3")


def test_gone_once_is_not_failed_gone_twice_is(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1, succeeds=False)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    monitor.tick()
    assert monitor.states() == {"a/qsub.0": State.STARTED}
    monitor.tick()
    assert monitor.states() == {"a/qsub.0": State.FAILED}


@pytest.mark.parametrize("fault", ["refuse", "hang", "cut", "broken"])
def test_a_poll_that_fails_changes_no_state(world: Callable[..., World], fault: str) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1, succeeds=False)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    before = w.quelist()
    for _ in range(5):
        w.host.faults = [fault]
        with pytest.raises(RemoteError):
            monitor.tick()
    assert w.quelist() == before
    assert monitor.states() == {"a/qsub.0": State.STARTED}


@pytest.mark.parametrize("fault", ["refuse", "hang", "cut"])
def test_a_submission_whose_answer_is_lost_is_not_made_twice(
    world: Callable[..., World], fault: str
) -> None:
    w = world(folders(6))
    w.host.hook = lambda request: _fault_on_first_submit(w.host, request, fault)
    assert w.finish() == DONE
    assert sorted(w.cluster.submitted()) == sorted(set(w.cluster.submitted()))
    assert len(w.cluster.submitted()) == 18


def _fault_on_first_submit(host: FakeHost, request: object, fault: str) -> None:
    if type(request).__name__ == "SubmitThenLook":
        host.faults = [fault]
        host.hook = lambda request: None


def test_killed_between_submission_and_answer_the_next_monitor_adopts(
    world: Callable[..., World],
) -> None:
    w = world(folders(6), maxqsub=6)
    w.host.hook = lambda request: _fault_on_first_submit(w.host, request, "cut")
    with pytest.raises(RemoteError):
        w.monitor().tick()
    assert len(w.cluster.submitted()) == 6
    assert w.finish(w.monitor()) == DONE
    assert len(w.cluster.submitted()) == 18


def test_a_limit_is_back_pressure_not_failure(world: Callable[..., World]) -> None:
    w = world(folders(5), maxqsub=15)
    w.cluster.limit = 2
    assert w.finish() == DONE
    assert len(w.cluster.submitted()) == 15


def test_a_refused_script_fails_once_with_the_words_of_the_scheduler(
    world: Callable[..., World],
) -> None:
    w = world(folders(2))
    w.cluster.plans["m000/qsub.0"] = FakeJob(refuse="sbatch: error: Invalid partition specified\n")
    assert w.finish() == SOME_FAILED
    assert "Invalid-partition" in w.quelist()[0]
    assert len([t for t in w.cluster.claims if t.endswith("-1")]) == 4


def test_a_file_that_is_no_marker_releases_in_mid_run(world: Callable[..., World]) -> None:
    tree = {
        "a/qsub.0": "",
        "a/qsub.dependency.0": "",
        "a/qsub.1": "",
        "a/qsub.dependency.1": "llmf.finished\n",
    }
    w = world(tree)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100, writes={20: "llmf.finished"})
    assert w.finish() == DONE
    times = {(what, name): t for t, what, name in w.cluster.history}
    assert times["submit", "a/qsub.1"] < times["done", "a/qsub.0"]


def test_not_file_waits_until_the_file_is_away(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": "not lock\n"})
    w.cluster.files.add("a/lock")
    monitor = w.monitor()
    monitor.tick()
    monitor.tick()
    assert w.cluster.submitted() == []
    w.cluster.files.discard("a/lock")
    assert w.finish(monitor) == DONE


def test_a_job_that_waits_for_what_nobody_makes_ends_the_run_blocked(
    world: Callable[..., World],
) -> None:
    w = world({**CHAIN, "b/qsub.0": "", "b/qsub.dependency.0": "never\n"})
    assert w.finish() == SOME_FAILED
    assert len(w.cluster.submitted()) == 3


def test_a_marker_in_the_tree_means_done(world: Callable[..., World]) -> None:
    w = world({**CHAIN, "a/qsub.finished.0": ""})
    assert w.finish() == DONE
    assert w.cluster.submitted() == ["a/qsub.1", "a/qsub.2"]
    assert w.last_words()["a/qsub.0"] == "skipped"


def test_no_dependency_file_holds_the_job_and_its_dependents(world: Callable[..., World]) -> None:
    tree = {name: text for name, text in CHAIN.items() if name != "a/qsub.dependency.1"}
    w = world(tree)
    assert w.finish() == SOME_FAILED
    assert w.cluster.submitted() == ["a/qsub.0"]


def test_results_are_fetched_for_what_ended_and_once_for_all_at_the_end(
    world: Callable[..., World],
) -> None:
    w = world(folders(2))
    w.run.rdir = "/remote/run"
    w.run.save()
    assert w.finish() == DONE
    assert w.host.pulled[-1] == ()
    assert set(w.host.pulled[:-1]) == {("m000", "m001")}


def test_restart_goes_on_where_the_files_say(world: Callable[..., World]) -> None:
    w = world(folders(4), maxqsub=4)
    for _ in range(4):
        w.monitor().tick()
        w.clock.sleep(10)
    assert w.finish() == DONE
    assert len(w.cluster.submitted()) == 12


def test_restart_after_failure_leaves_failed_jobs_failed(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    w.cluster.plans.clear()
    assert w.finish() == SOME_FAILED
    assert len(w.cluster.submitted()) == 1


def test_a_person_who_deletes_failed_from_quelist_has_the_job_run_again(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    w.cluster.plans.clear()
    line = w.quelist()[0]
    (w.folder / "quelist").write_text(line.rsplit(" ", 1)[0] + "\n")
    assert w.finish() == DONE
    assert w.cluster.submitted().count("a/qsub.0") == 2


def test_with_quelist_renamed_markers_count_and_flying_jobs_are_adopted(
    world: Callable[..., World],
) -> None:
    w = world(folders(3), maxqsub=3)
    w.cluster.plans["m001/qsub.0"] = FakeJob(seconds=500)
    monitor = w.monitor()
    for _ in range(3):
        monitor.tick()
        w.clock.sleep(6)
    (w.folder / "quelist").rename(w.folder / "quelist.bak")
    assert w.finish() == DONE
    assert w.cluster.submitted().count("m001/qsub.0") == 1
    assert len(w.cluster.submitted()) == 9
    assert w.last_words()["m000/qsub.0"] == "skipped"


def test_retries_go_on_in_the_same_line(world: Callable[..., World]) -> None:
    w = world(CHAIN, retries=2)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    words = [word.split("@")[0] for word in w.quelist()[0].split()[1:]]
    assert words == [
        "started",
        "failed",
        "retry",
        "started",
        "failed",
        "retry",
        "started",
        "failed",
    ]


def test_a_finished_job_stays_in_qsub_now_until_the_queue_drops_it(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN, maxqsub=1)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=60, writes={5: "qsub.finished.0"})
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    monitor.tick()
    now = (w.folder / "qsub.now").read_text()
    assert now.splitlines() == ["1 1002 ! a/qsub.1", "0 1001 ! a/qsub.0"]
    assert w.finish(monitor) == DONE
    assert (w.folder / "qsub.now").read_text() == ""


def test_a_finished_run_has_nothing_left_to_kill(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=60, writes={5: "qsub.finished.0"})
    assert w.finish() == DONE
    assert w.monitor().ledger.lingering == {}


def test_once_looks_and_submits_and_proves_an_absence(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.1"] = FakeJob(succeeds=False)
    codes = []
    for _ in range(4):
        codes.append(w.finish(once=True))
        w.clock.sleep(60)
    assert codes == [DONE, DONE, SOME_FAILED, SOME_FAILED]
    w.host.faults = ["refuse"]
    assert w.finish(once=True) == GAVE_UP


def test_an_outage_of_days_only_delays(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    w.host.faults = ["refuse"] * 2000
    begun = w.clock.now()
    assert w.finish(monitor) == DONE
    assert w.clock.now() - begun > 3 * 24 * 3600
    assert w.host.opened == 2001


def test_a_full_disk_only_delays(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(folders(3))
    monitor = w.monitor()
    real, moments = os.fsync, itertools.count()

    def sometimes(descriptor: int) -> None:
        if next(moments) % 3 == 1 and w.clock.now() < begun + 4000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    begun = w.clock.now()
    monkeypatch.setattr(os, "fsync", sometimes)
    assert w.finish(monitor) == DONE
    assert len(w.cluster.submitted()) == 9
    assert set(w.last_words().values()) == {"finished"}


def test_a_screen_that_cannot_be_written_stops_nothing(world: Callable[..., World]) -> None:
    def show(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    w = world(CHAIN)
    assert w.finish(show=show) == DONE


def test_waits_grow_to_minutes_while_the_remote_does_not_answer() -> None:
    link = Link()
    waits = [link.failed(RemoteError("down"), 0.0) for _ in range(20)]
    assert waits[0] < 4
    assert all(200 < wait < 400 for wait in waits[-5:])


def test_qstat_holds_the_last_answer_with_its_time(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    monitor = w.monitor()
    monitor.tick()
    monitor.tick()
    first, second = (w.folder / "qstat").read_text().splitlines()
    assert first.startswith(f"# {w.clock.date()} slurm")
    assert second.startswith("1001|RUNNING|")


def test_a_file_that_shows_up_after_its_job_has_ended_is_waited_for(
    world: Callable[..., World],
) -> None:
    tree = {"a/qsub.0": "", "a/qsub.dependency.0": "", "b/qsub.0": ""}
    w = world({**tree, "b/qsub.dependency.0": "../a/out\n"})
    w.cluster.at(w.clock.time + 60, lambda: w.cluster.write("a/out"))
    assert w.finish() == DONE
    assert w.last_words() == {"a/qsub.0": "finished", "b/qsub.0": "finished"}


def test_a_marker_that_shows_up_a_minute_late_is_no_failure(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=5)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    w.cluster.advance()
    w.cluster.files.discard("a/qsub.finished.0")
    for _ in range(7):
        monitor.tick()
        w.clock.sleep(10)
    assert w.last_words() == {"a/qsub.0": "started"}
    w.cluster.files.add("a/qsub.finished.0")
    assert w.finish(monitor) == DONE


def test_a_job_without_a_marker_fails_after_the_grace_period(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=5)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    w.cluster.advance()
    w.cluster.files.discard("a/qsub.finished.0")
    begun = w.clock.now()
    assert w.finish(monitor) == SOME_FAILED
    assert 90 <= w.clock.now() - begun <= 110
    assert w.quelist()[0].endswith("@exit-0,-no-marker")


def test_a_jobid_given_to_another_job_in_an_outage_is_not_taken_for_ours(
    world: Callable[..., World],
) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=5, succeeds=False)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    w.cluster.advance()
    again = FakeCluster(w.clock)  # numbers jobs from the beginning
    again.submit(Attempt(Job("other", "0"), 1, "another"))
    again.jobs["1001"].plan = FakeJob(seconds=1e9)
    again.files, w.host.cluster = w.cluster.files, again
    assert w.finish(monitor) == SOME_FAILED
    assert w.last_words() == {"a/qsub.0": "failed"}


def test_tokens_are_asked_for_after_a_gap_only(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1e9)
    asked = []
    w.host.hook = lambda request: asked.append(getattr(request, "verify", None))
    monitor = w.monitor()
    monitor.tick()
    monitor.tick()
    monitor.tick()
    assert asked == [False, None, False, False]
    w.host.faults = ["refuse"]
    with pytest.raises(RemoteError):
        monitor.tick()
    monitor.tick()
    monitor.tick()
    assert asked[4:] == [False, True, False]
    w.monitor().tick()
    assert asked[7:] == [True]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("SUSPENDED", "suspended as 1001 (SUSPENDED)"),
        ("REQUEUE_HOLD", "held as 1001 (REQUEUE_HOLD)"),
        ("SPECIAL_EXIT", "error as 1001 (SPECIAL_EXIT)"),
        ("BRAND_NEW", "unknown as 1001 (BRAND_NEW)"),
    ],
)
def test_a_job_that_may_need_a_person_is_told_once_and_shown(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture, state: str, says: str
) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100)
    monitor = w.monitor()
    monitor.tick()
    w.cluster.states["1001"] = state
    for _ in range(4):
        monitor.tick()
    assert caplog.text.count(says) == 1
    assert [str(line) for line in status(w.folder).strange().values()] == [says]
    del w.cluster.states["1001"]
    monitor.tick()
    assert "the queue moves it again" in caplog.text
    assert w.finish(monitor) == DONE


def cut_off(w: World) -> None:
    """The shell dies as sbatch is at work: no answer is kept, and the queue shows nothing yet."""
    real = w.cluster.submit

    def dies(attempt: Attempt) -> Reply:
        late.append(attempt)
        return Reply(124)

    late: list[Attempt] = []
    w.cluster.submit = dies  # type: ignore[method-assign]
    monitor = w.monitor()
    for _ in range(12):
        monitor.tick()
        w.clock.sleep(10)
    assert w.last_words() == {"a/qsub.0": "unsure"}
    w.cluster.submit = real  # type: ignore[method-assign]
    w.late = late  # type: ignore[attr-defined]


def test_a_submission_that_turns_up_late_is_taken_back_into_the_run(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    cut_off(w)
    monitor = w.monitor()
    monitor.tick()
    w.cluster.submit(w.late[0])  # type: ignore[attr-defined]
    assert w.finish(monitor) == DONE
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    words = [word.split("@")[0] for word in w.quelist()[0].split()[1:]]
    assert words == ["unsure", "started", "finished"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_retry_of_what_turned_up_meanwhile_submits_nothing(
    world: Callable[..., World], restart: bool
) -> None:
    w = world(CHAIN)
    cut_off(w)
    monitor = w.monitor()
    w.cluster.submit(w.late[0])  # type: ignore[attr-defined]
    order(w.folder, "retry", ["unsure"], w.clock, Runner())
    verified = []
    w.host.hook = lambda request: verified.append(getattr(request, "verify", False))
    assert w.finish(w.monitor() if restart else monitor) == DONE
    assert verified[0]
    assert w.cluster.submitted().count("a/qsub.0") == 1


def test_a_late_submission_is_in_flight_for_the_next_monitor(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    cut_off(w)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=500)
    w.cluster.submit(w.late[0])  # type: ignore[attr-defined]
    w.monitor().tick()
    assert [e.jobid for e in w.monitor().ledger.in_flight()] == ["1001"]
    assert w.finish() == DONE
    assert w.cluster.submitted().count("a/qsub.0") == 1
