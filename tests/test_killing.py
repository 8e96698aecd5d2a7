"""`kill` on a run that nobody has watched for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake import FakeCluster, FakeJob
from speech import speech
from test_monitor import World, folders, world

from jobauto.actions import kill as killing
from jobauto.errors import CouldNotAsk
from jobauto.host import Runner
from jobauto.model import Attempt, Job

__all__ = ["world"]  # a fixture


@pytest.fixture
def dead(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    """A run with two jobs in the queue and no monitor."""
    w = world(folders(2))
    for n in range(2):
        w.cluster.plans[f"m00{n}/qsub.0"] = FakeJob(seconds=1e6)
    w.monitor().tick()
    monkeypatch.setattr(killing, "host_of", lambda *_: w.host)
    return w


def test_what_is_in_the_queue_is_ended_and_written_down(dead: World) -> None:
    done = killing.kill(dead.folder, Runner(), dead.clock)
    assert done.killed == ["m000/qsub.0", "m001/qsub.0"]
    assert dead.cluster.queue() == []
    assert set(dead.last_words().values()) == {"killed"}


def test_a_jobid_that_another_job_has_got_since_is_left_alone(dead: World) -> None:
    again = FakeCluster(dead.clock)  # numbers jobs from the beginning
    for n in range(2):
        again.plans[f"other/qsub.{n}"] = FakeJob(seconds=1e6)
        again.submit(Attempt(Job("other", str(n)), 1, f"another{n}"))
    dead.host.cluster = again
    done = killing.kill(dead.folder, Runner(), dead.clock)
    assert done.left == []
    assert [job.name for job in again.queue()] == ["other/qsub.0", "other/qsub.1"]
    assert set(dead.last_words().values()) == {"killed"}


def test_a_submission_in_doubt_is_found_by_its_token_where_the_queue_shows_none(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(folders(1))
    w.run.scheduler = "sge"
    w.run.save()
    w.cluster.speech = speech("sge")
    w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=1e6)
    w.host.faults = ["", "cut"]  # the answer to the submission is lost, and the claim with it
    with pytest.raises(CouldNotAsk):
        w.monitor().tick()
    w.cluster.claims.clear()
    monkeypatch.setattr(killing, "host_of", lambda *_: w.host)
    assert killing.kill(w.folder, Runner(), w.clock).killed == ["m000/qsub.0"]
    assert w.cluster.queue() == []


def test_kill_asks_once_for_the_queue_and_once_for_the_end(dead: World) -> None:
    dead.host.asked.clear()
    killing.kill(dead.folder, Runner(), dead.clock)
    assert dead.host.asked == ["Observe", "Kill"]
