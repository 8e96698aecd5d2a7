"""An inbox whose cluster and time are in memory: what is taken, when, and how it comes back."""

from __future__ import annotations

import io
import itertools
import logging
import os
import tarfile
from pathlib import Path

import pytest
from fake import FakeJob
from inboxes import World
from rich.console import Console

from jobauto import conditions
from jobauto.actions.status import status
from jobauto.cli.choosing import chosen_run
from jobauto.cli.inboxes import Dots
from jobauto.errors import DONE, SOME_FAILED, UserError
from jobauto.host import Over
from jobauto.inbox import ways
from jobauto.inbox.opening import read_options
from jobauto.inbox.places import Places, plain
from jobauto.inbox.wrapping import wrapper
from jobauto.loop import Link, what_is_wrong
from jobauto.model import State
from jobauto.telling import Teller
from jobauto.telling.causes import Message
from jobauto.tree import scan


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "jobs")


def test_a_folder_goes_from_inbox_to_completed_with_all_that_it_holds(world: World) -> None:
    (world.put("a") / "input").write_text("1")
    world.cluster.plans["a/qsub.job"] = FakeJob(writes={1: "result"})
    assert world.finish() == DONE
    assert (world.inbox(), world.pending(), world.completed()) == ([], [], ["a"])
    there = set(os.listdir(world.places.completed / "a"))
    assert there >= {"job.sh", "input", "result", "qsub.finished.job"}
    assert not world.error("a")
    assert world.cluster.submitted() == ["a/qsub.job"]


def test_folders_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    world = World(tmp_path, maxqsub=1)
    for name in ("20", "10", "30"):
        world.put(name)
    world.begin()
    world.ticks(2)
    assert world.inbox() == ["20", "30"]  # what has no room stays, as a more urgent one may come
    world.put("15")
    world.finish()
    assert world.cluster.submitted() == [f"{n}/qsub.job" for n in (10, 15, 20, 30)]


def test_a_folder_that_is_copied_slowly_is_not_taken_early(world: World) -> None:
    folder = world.put("a")
    world.begin(last=False)
    for number in range(10):
        world.ticks(1)
        (folder / f"part{number}").write_text("x")
    assert world.inbox() == ["a"]
    with open(folder / "part0", "a") as file:
        file.write("more")
    world.ticks(1)
    assert world.inbox() == ["a"]
    world.ticks(1)
    assert world.inbox() == []
    assert len(os.listdir(world.places.pending / "a")) == 13


def test_a_change_of_time_alone_is_a_change(world: World) -> None:
    folder = world.put("a")
    world.begin(last=False)
    for number in range(4):
        os.utime(folder / "job.sh", (number, number))
        world.ticks(1)
    assert world.inbox() == ["a"]


def test_with_a_presubmit_file_it_alone_decides(tmp_path: Path) -> None:
    world = World(tmp_path, {"presubmit_file": "GO"})
    folder = world.put("a")
    world.begin(last=False)
    world.ticks(5)
    assert world.inbox() == ["a"]
    (folder / "GO").touch()
    world.ticks(1)
    assert world.inbox() == []


def test_a_failure_is_found_in_job_error(world: World) -> None:
    world.put("a")
    world.put("b")
    world.cluster.plans["a/qsub.job"] = FakeJob(succeeds=False)
    assert world.finish() == DONE  # nothing is left; the command line counts what failed
    assert world.kept
    assert (world.kept.done, world.kept.failed) == (1, 1)
    assert world.error("a").startswith("failed: ")
    assert "as 1001" in world.error("a")
    assert "it broke" in world.error("a")
    assert not world.error("b")
    assert not list((world.places.pending / ".jobauto/tails").iterdir())


def test_a_refused_submission_is_found_there_too(world: World) -> None:
    world.put("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(refuse="sbatch: error: Invalid account\n")
    world.finish()
    assert "Invalid-account" in world.error("a")


def test_an_error_while_nobody_watched_is_found_out(world: World) -> None:
    world.put("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(seconds=100, succeeds=False)
    world.begin()
    world.ticks(3)
    assert world.cluster.submitted()
    world.clock.sleep(5 * 24 * 3600)
    world.finish()
    assert world.error("a").startswith("failed: ")
    assert world.cluster.submitted() == ["a/qsub.job"]


def test_a_failed_job_is_tried_again_where_that_is_wanted(tmp_path: Path) -> None:
    world = World(tmp_path, retries=2)
    world.put("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(succeeds=False)
    world.finish()
    assert world.cluster.submitted() == ["a/qsub.job"] * 3
    assert world.completed() == ["a"]


@pytest.mark.parametrize("text", ["a\n", "../a/qsub.finished.job\n"])
def test_a_need_is_waited_for_and_found_beside(world: World, text: str) -> None:
    world.put("a")
    world.put("b", text)
    world.cluster.plans["b/qsub.job"] = FakeJob(seconds=35)
    world.begin(last=False)
    world.ticks(4)
    assert world.cluster.submitted() == ["a/qsub.job", "b/qsub.job"]
    assert world.pending() == ["a", "b"]  # while b runs it finds ../a
    world.ticks(6)
    assert world.completed() == ["a", "b"]


def test_a_need_that_is_in_the_inbox_yet_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, {"presubmit_file": "GO"})
    (world.put("a", "z") / "GO").touch()
    late = world.put("z")
    world.begin(last=False)
    world.ticks(5)
    assert world.cluster.submitted() == []
    (late / "GO").touch()
    world.finish()
    assert world.cluster.submitted() == ["z/qsub.job", "a/qsub.job"]


def test_what_waits_in_the_inbox_keeps_what_it_needs(tmp_path: Path) -> None:
    world = World(tmp_path, {"presubmit_file": "GO"})
    (world.put("a") / "GO").touch()
    world.put("b", "a")
    world.begin(last=False)
    world.ticks(5)
    assert (world.inbox(), world.pending(), world.completed()) == (["b"], ["a"], [])


@pytest.mark.parametrize("packed", [False, True])
def test_a_need_that_was_over_before_counts(world: World, packed: bool) -> None:
    (world.put_archive if packed else world.put)("a")
    world.finish()
    world.put("b", "a")
    assert world.finish() == DONE
    assert world.cluster.submitted() == ["a/qsub.job", "b/qsub.job"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_what_needs_one_that_failed_fails_too(world: World, before: bool, packed: bool) -> None:
    world.cluster.plans["a/qsub.job"] = FakeJob(succeeds=False)
    (world.put_archive if packed else world.put)("a")
    if before:
        world.finish()
    world.put("b", "a")
    world.put("c", "b")
    world.finish()
    assert world.error("b") == "failed: needs a, which failed\n"
    assert world.error("c") == "failed: needs b, which failed\n"
    assert world.cluster.submitted() == ["a/qsub.job"]
    assert world.pending() == []


def test_the_newest_of_a_name_counts_for_a_need(world: World) -> None:
    world.cluster.plans["a/qsub.job"] = FakeJob(succeeds=False)
    world.put("a")
    world.finish()
    world.cluster.plans.clear()
    world.put("a")
    world.finish()
    world.put("b", "a")
    world.finish()
    assert not world.error("b")


def test_a_need_that_never_came_is_waited_for(world: World) -> None:
    world.put("b", "a")
    assert world.finish() == SOME_FAILED
    assert world.pending() == ["b"]
    assert world.cluster.submitted() == []
    world.put("a")
    assert world.finish() == DONE
    assert world.completed() == ["a", "b"]


def test_a_need_of_a_file_of_another_folder(world: World) -> None:
    world.cluster.plans["a/qsub.job"] = FakeJob(writes={1: "table"})
    world.put("a")
    world.finish()
    world.put("b", "../a/table")
    world.put("c", "../a/picture")
    world.finish()
    assert not world.error("b")
    assert world.error("c") == "failed: needs picture of a, which is over and has none\n"


def test_folders_that_need_one_another_end_and_stop_nothing(world: World) -> None:
    world.put("a", "b")
    world.put("b", "a")
    world.put("c")
    world.finish()
    assert world.error("a") == world.error("b") == "failed: a and b need one another\n"
    assert world.cluster.submitted() == ["c/qsub.job"]


def test_a_second_one_of_a_name_runs_too_and_gets_a_date(world: World) -> None:
    for _ in range(3):
        world.put("a")
        world.finish()
    assert world.cluster.submitted() == ["a/qsub.job"] * 3
    assert len(world.completed()) == 3
    assert {plain(name) for name in world.completed()} == {"a"}
    tokens = [job.token for job in world.cluster.jobs.values()]
    assert len(set(tokens)) == 3


def test_a_name_that_is_in_pending_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(seconds=100)
    world.begin(last=False)
    world.ticks(3)
    world.put("a")
    world.ticks(5)
    assert world.inbox() == ["a"]
    assert world.pending() == ["a"]
    assert caplog.text.count("waits for the one of this name in pending/") == 1
    world.cluster.plans.clear()
    world.finish()
    assert len(world.completed()) == 2


def test_a_folder_from_completed_runs_again(world: World) -> None:
    world.cluster.plans["a/qsub.job"] = FakeJob(succeeds=False)
    world.put("a")
    world.finish()
    os.rename(world.places.completed / "a", world.places.inbox / "a")
    world.cluster.plans.clear()
    assert world.finish() == DONE
    assert not world.error("a")
    assert world.cluster.submitted() == ["a/qsub.job"] * 2


@pytest.mark.parametrize("name", ["-dash", ".hidden", "a\nb", "kill", "quelist", "x" * 201])
def test_odd_names_stay_and_are_told_once(
    world: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.put(name)
    world.put("good")
    world.finish()
    assert world.inbox() == [name]
    assert world.completed() == ["good"]
    assert sum("inbox/" in r.getMessage() and r.levelno == logging.WARNING
               for r in caplog.records) == 1  # fmt: skip


def test_what_is_no_job_stays_and_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (world.places.inbox / "empty").mkdir()
    (world.places.inbox / "file").touch()
    (world.places.inbox / "link").symlink_to("empty")
    linked = world.places.inbox / "linked"
    linked.mkdir()
    (linked / "job.sh").symlink_to("/etc/passwd")
    world.begin(last=False)
    world.ticks(6)
    assert world.inbox() == ["empty", "file", "link", "linked"]
    assert world.cluster.submitted() == []
    for name in ("empty", "file", "link", "linked"):
        assert caplog.text.count(f"inbox/{name}: ") == 1


def test_other_scripts_in_a_folder_are_not_ours(world: World) -> None:
    folder = world.put("a")
    (folder / "qsub.0").write_text("false")
    (folder / "deep").mkdir()
    (folder / "deep" / "qsub.job").write_text("false")
    (folder / "deep" / "qsub.dependency.job").touch()
    world.finish()
    assert world.cluster.submitted() == ["a/qsub.job"]


def test_an_archive_comes_back_as_an_archive(tmp_path: Path) -> None:
    world = World(tmp_path / "jobs", {"finished_file": "DONE", "group_writable": True})
    world.put_archive("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(writes={1: "result"})
    world.finish()
    assert world.completed() == ["a.tar.gz"]
    assert world.pending() == []
    with tarfile.open(world.places.completed / "a.tar.gz") as tar:
        names = set(tar.getnames())
    assert names >= {"a/job.sh", "a/result", "a/DONE", "a/qsub.ended.job"}
    assert (world.places.completed / "a.tar.gz").stat().st_mode & 0o060 == 0o060


def _archive(path: Path, *members: tuple[str, dict[str, object]]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, values in members:
            member = tarfile.TarInfo(name)
            for key, value in values.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(b"x" * member.size))


JOB = ("a/job.sh", {"size": 1})


@pytest.mark.parametrize(
    "bad",
    [
        [JOB, ("../out", {"size": 1})],
        [JOB, ("a/link", {"type": tarfile.SYMTYPE, "linkname": "../../out"})],
        [JOB, ("a/link", {"type": tarfile.LNKTYPE, "linkname": "../../out"})],
        [JOB, ("a/tty", {"type": tarfile.CHRTYPE, "devmajor": 5})],
        [JOB, ("a/l", {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("a/l/out", {"size": 1})],
        [("a/other", {"size": 1})],
        [],
    ],
)
def test_archives_that_lead_out_or_hold_no_job_stay(
    world: World, bad: list[tuple[str, dict[str, object]]], caplog: pytest.LogCaptureFixture
) -> None:
    _archive(world.places.inbox / "a.tar.gz", *bad)
    (world.places.inbox / "b.tar.gz").write_bytes(b"\x1f\x8b rubbish")
    world.put("good")
    world.finish()
    assert world.inbox() == ["a.tar.gz", "b.tar.gz"]
    assert world.pending() == []
    assert world.completed() == ["good"]
    assert not list(world.places.root.rglob("out"))
    assert caplog.text.count("inbox/a.tar.gz: ") == caplog.text.count("inbox/b.tar.gz: ") == 1


def test_an_absolute_path_in_an_archive_stays_inside(world: World) -> None:
    outside = world.places.root / "out"
    _archive(world.places.inbox / "a.tar.gz", ("job.sh", {"size": 1}), (str(outside), {"size": 1}))
    world.finish()
    assert not outside.exists()
    assert world.completed() == ["a.tar.gz"]


def test_the_finished_file_and_the_rights_of_the_group(tmp_path: Path) -> None:
    world = World(tmp_path, {"finished_file": "DONE", "group_writable": True})
    folder = world.put("a")
    (folder / "input").touch(0o600)
    (folder / "link").symlink_to("/etc/passwd")
    world.finish()
    done = world.places.completed / "a"
    assert (done / "DONE").read_text().startswith("finished@")
    assert done.stat().st_mode & 0o070 == 0o070
    assert (done / "input").stat().st_mode & 0o770 == 0o660


def test_a_lock_file_pauses_taking_and_submitting(tmp_path: Path) -> None:
    lock = tmp_path / "LOCK"
    world = World(tmp_path / "jobs", lock_file=lock, maxqsub=1)
    world.put("a")
    lock.touch()
    kept = world.begin(last=False)
    world.ticks(5)
    assert world.inbox() == ["a"]
    conditions.write(kept.monitor.run.private, what_is_wrong(kept.monitor, Link()))
    [told] = status(world.places.pending).conditions or conditions.read(kept.monitor.run.private)
    assert (told.what, told.why) == ("paused", f"{lock} is there")
    lock.unlink()
    world.ticks(1)
    assert world.inbox() == []
    assert what_is_wrong(kept.monitor, Link()) == []


def test_a_lock_file_holds_what_was_taken(tmp_path: Path) -> None:
    lock = tmp_path / "LOCK"
    world = World(tmp_path / "jobs", lock_file=lock)
    world.put("a", "b")
    world.begin(last=False)
    world.ticks(3)
    lock.touch()
    world.kept.monitor.graph.arrived("b/qsub.finished.job")  # type: ignore[union-attr]
    world.kept.monitor.queue(["a/qsub.job"])  # type: ignore[union-attr]
    world.ticks(2)
    assert world.cluster.submitted() == []


def test_submissions_keep_their_distance(tmp_path: Path) -> None:
    world = World(tmp_path, delay=25)
    for number in range(4):
        world.put(f"a{number}")
    world.finish()
    times = [time for time, what, _ in world.cluster.history if what == "submit"]
    assert len(times) == 4
    assert all(later - earlier >= 25 for earlier, later in itertools.pairwise(times))


def test_too_many_failures_pause_taking(tmp_path: Path) -> None:
    world = World(tmp_path, max_error_percent=50.0, error_pause=1000.0, maxqsub=5)
    for number in range(8):
        world.put(f"a{number}")
        world.cluster.plans[f"a{number}/qsub.job"] = FakeJob(succeeds=False)
    world.begin(last=False)
    world.ticks(30)
    assert len(world.inbox()) == 3
    world.ticks(90)
    assert world.inbox() == []


def test_people_are_told_of_failures_that_are_in_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobauto.inbox.running.REMEMBERED", 2)
    for name in "abc":
        world.put(name)
        world.cluster.plans[f"{name}/qsub.job"] = FakeJob(succeeds=False)
    kept = world.begin(last=False)
    box = Box()
    teller = Teller(kept.monitor, [box])  # type: ignore[list-item]
    world.ticks(20)
    teller.look(kept.monitor, Link())
    assert world.completed() == ["a", "b", "c"]
    assert [message.title for message in box.messages] == [
        "jobs/pending: b/qsub.job failed and 1 more"
    ]


class Box:
    """Keeps messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def put(self, message: Message) -> None:
        self.messages.append(message)


def test_dots_are_in_rows_of_twenty(world: World) -> None:
    out = io.StringIO()
    dots = Dots(Console(file=out, force_terminal=True, color_system=None))
    kept = world.begin(last=False)
    for _ in range(45):
        dots.progress(kept.monitor, Link())
    dots.say("a word")
    assert out.getvalue() == f"{'.' * 20}\n{'.' * 20}\n{'.' * 5}\na word\n"


def test_a_stop_leaves_folders_in_the_inbox(world: World) -> None:
    kept = world.begin(last=False)
    kept.monitor.run.stopped = ("ann", "20261120_231500")
    world.put("a")
    world.ticks(5)
    assert world.inbox() == ["a"]


def test_doors_find_the_run_of_an_inbox(world: World) -> None:
    world.put("a")
    world.cluster.plans["a/qsub.job"] = FakeJob(seconds=100)
    world.begin(last=False)
    world.ticks(3)
    for place in (world.places.root, world.places.pending, world.places.pending / "a"):
        assert chosen_run(place) == world.places.pending
    assert status(world.places.pending).states == {"a/qsub.job": State.STARTED}


def test_what_is_over_costs_nothing_more(world: World) -> None:
    kept = world.begin(last=False)
    for number in range(30):
        world.put(f"a{number}")
        world.ticks(1)
    world.ticks(5)
    monitor = kept.monitor
    assert len(world.completed()) == 30
    assert not monitor.ledger.entries
    assert not monitor.graph.jobs
    assert not monitor.graph.needs
    assert not monitor.graph.edges.nodes
    assert not monitor.graph.present
    assert (world.places.pending / "quelist").read_text() == ""
    assert sorted(world.host.cleared) == sorted(world.completed())


def test_another_one_of_a_name_is_a_new_one(world: World) -> None:
    kept = world.begin(last=False)
    world.put("a")
    world.ticks(2)
    kept.monitor.noticing._next = float("inf")  # a large tree is looked at seldom
    world.ticks(4)
    assert world.completed() == ["a"]
    world.put("a")
    world.ticks(6)
    assert len(world.completed()) == 2


def test_a_long_log_is_begun_anew_when_nothing_is_pending(world: World) -> None:
    world.longest_log = 0
    log = world.places.pending / "qsub.log"
    world.put("a")
    world.begin()
    world.ticks(2)
    open_attempt = log.read_text()
    (world.places.pending / "quelist").unlink()
    os.rename(world.places.pending / "a", world.places.root / "a")
    world.begin()
    assert log.read_text().startswith(open_attempt)
    os.rename(world.places.root / "a", world.places.pending / "a")
    world.finish()
    world.begin()
    assert not log.exists()
    world.put("a")
    world.finish()
    assert world.cluster.submitted() == ["a/qsub.job"] * 2
    assert len({job.token for job in world.cluster.jobs.values()}) == 2
    assert len(world.completed()) == 2


def test_a_lost_link_only_delays(world: World) -> None:
    world.put("a")
    world.host.no_pull, world.host.no_clear = 2, 2
    assert world.finish() == DONE
    assert world.completed() == ["a"]
    assert world.cluster.submitted() == ["a/qsub.job"]


def test_an_unsure_job_stays_for_a_person(world: World) -> None:
    world.put("a")
    kept = world.begin(last=False)
    world.ticks(2)
    [entry] = kept.monitor.ledger.entries.values()
    kept.monitor.ledger.settle(entry.job.name, "unsure", world.clock.date(), "who-knows")
    world.cluster.jobs.clear()
    world.ticks(20)
    assert world.pending() == ["a"]


def test_a_folder_that_somebody_removed_is_forgotten(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("a")
    world.begin(last=False)
    world.ticks(2)
    os.rename(world.places.pending / "a", world.places.root / "elsewhere")
    world.host.pull = lambda *_args: Over()  # type: ignore[method-assign]
    world.ticks(15)
    assert world.pending() == world.completed() == []
    assert world.kept
    assert not world.kept.monitor.ledger.entries


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo\n", "bash job.sh"),
        ("#!/bin/bash -l\necho\n", "bash -l job.sh"),
        ("#!/usr/bin/env bash\n", "bash job.sh"),
        ("#!/bin/sh\n", "bash job.sh"),
        ("#!/bin/bash -l; rm x\n", "bash job.sh"),
    ],
)
def test_the_script_runs_in_bash(script: str, line: str) -> None:
    assert f"\n{line} || exit\n" in wrapper(script, False)
    assert f"\n{line} >job_output.txt 2>&1 || exit\n" in wrapper(script, True)


def test_directives_at_the_head_count() -> None:
    script = "#!/bin/bash\n#SBATCH -n 2\n# words\n\n#$ -l h_rt=1\n#PBS -l x\ncd\n#SBATCH -n 9\n"
    lines = wrapper(script, False).splitlines()
    assert lines[:4] == ["#!/bin/bash", "#SBATCH -n 2", "#$ -l h_rt=1", "#PBS -l x"]
    assert "#SBATCH -n 9" not in lines


def test_options_come_from_the_file_of_the_root_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert read_options(Places(tmp_path), {})[0].interval == 60
    (tmp_path / "jobmon.toml").write_text("interval = 5\nlock_file = '~/LOCK'\n")
    chosen, run = read_options(Places(tmp_path), {"maxqsub": "7"})
    assert (chosen.interval, chosen.maxqsub, run) == (5, 7, None)
    assert chosen.lock_file == Path.home() / "LOCK"


def test_what_was_given_once_is_remembered(tmp_path: Path) -> None:
    assert ways.load(tmp_path, {}).settle == 10
    ways.keep(tmp_path, ways.load(tmp_path, {"settle": "3", "finished_file": "DONE"}))
    again = ways.load(tmp_path, {"finished_file": ""})
    assert (again.settle, again.finished_file) == (3, "")


def test_without_setup_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder") as raised:
        Places(tmp_path).check()
    assert "--setup" in str(raised.value)


def test_only_the_folders_of_an_inbox_are_flat(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/qsub.job", "a/qsub.0", "a/b/qsub.job", "qsub.job"):
        (tmp_path / name).touch()
    assert len(scan(tmp_path).jobs) == 4
    (tmp_path / ".jobauto").mkdir()
    (tmp_path / ".jobauto/inbox.json").touch()
    assert list(scan(tmp_path).jobs) == ["a/qsub.job"]
