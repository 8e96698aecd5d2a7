"""Look-ahead (--native-deps) against a cluster in memory: what its jobs must not be taken for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake import FREE, FakeCluster, Held
from test_monitor import CHAIN, World

from jobauto.errors import DONE


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    def build(**options: object) -> World:
        tree = {k: v or "#!/bin/sh\n" for k, v in CHAIN.items()}
        return World(tmp_path / "L", tree, native_deps=True, **options)

    return build


def forgetful(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenPBS without job history: those for which a job is to wait end just before it comes,
    and are not known any more. The job is taken, and aborted at once (post_doq)."""
    take = cluster.take

    def late(name: str, token: str, held: Held = FREE) -> str:
        for jobid in held[0]:
            cluster.clock.sleep(5)
            cluster.advance()
            assert cluster.jobs[jobid].ended is not None
            cluster.jobs[jobid].marked = False  # as if it had never been: that it went well, too
        return take(name, token, held)

    monkeypatch.setattr(cluster, "take", late)


def test_a_job_that_never_began_has_not_failed(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world()
    forgetful(w.cluster, monkeypatch)
    assert w.finish() == DONE, w.quelist()
    assert ("cancelled", "a/qsub.1") in [(what, name) for _, what, name in w.cluster.history]
    assert [name for _, what, name in w.cluster.history if what == "run"] == list(w.last_words())
    assert set(w.last_words().values()) == {"finished"}
