"""What people ask of the database: how far tasks are, who holds what, and a table of all jobs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tasks import ANN, BOB, Time, names, several, task

from jobauto.claims import (
    Database,
    Share,
    Standing,
    held,
    listing,
    overview,
    records,
    summaries,
    worst_first,
)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/claims.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    made = Database(url, time)
    made.upgrade()
    yield made
    made.close()


def test_tasks_are_summed_up(database: Database, time: Time) -> None:
    several(database, time)
    task(database, name="new", jobs=3)
    task(database, name="empty").register([])
    empty, one, new = sorted(summaries(database), key=lambda found: found.share.jobs)
    assert (empty.share, empty.changed) == (Share("empty"), None)
    assert (one.share, one.changed) == (Share("new", 3, free=3), None)
    assert new.share == Share("T", 10, done=1, running=2, failed=2, unsure=1, free=4)
    assert new.changed == time.seconds
    assert [found.share.name for found in summaries(database)] == sorted(["T", "empty", "new"])


def test_a_task_by_data_set_site_and_person(database: Database, time: Time) -> None:
    several(database, time)
    task(database, name="other", jobs=3)
    found = overview(database, "T")
    assert found.total == Share("T", 10, done=1, running=2, failed=2, unsure=1, free=4)
    assert found.datasets == [
        Share("a", 4, done=1, running=1, failed=2),
        Share("b", 3, unsure=1, free=2),
        Share("c", 3, running=1, free=2),
    ]
    assert found.sites == [
        Share("cluster-a", 2, done=1, unsure=1),
        Share("cluster-b", 4, running=2, failed=2),
    ]
    assert [one.name for one in found.persons] == [ANN.person, BOB.person]
    assert found.persons[1] == Share(BOB.person, 4, running=2, failed=2)
    assert found.late == 1
    assert [one.name for one in worst_first(found.datasets)] == ["a", "b", "c"]
    assert overview(database, "no such task").total == Share("no such task")


def test_what_is_worst_comes_first_and_what_is_done_last() -> None:
    found = [Share("done", 9, done=9), Share("new", 9, free=9), Share("half", 9, done=4, free=5)]
    found += [Share("bad", 9, done=7, failed=1, unsure=1), Share("worse", 9, done=6, failed=3)]
    names = [one.name for one in worst_first(found)]
    assert names == ["worse", "bad", "new", "half", "done"]
    assert [one.per_cent for one in worst_first(found)] == [66, 77, 0, 44, 100]
    assert Share("a", 1000, done=999, free=1).per_cent == 99


def test_who_holds_what(database: Database, time: Time) -> None:
    several(database, time)
    found = {one.name: (one.state, one.person, one.site, one.jobid) for one in held(database, "T")}
    assert found == {
        "a/1/qsub.1": ("submitted", BOB.person, "cluster-b", "id-a1"),
        "b/0/qsub.0": ("unsure", ANN.person, "cluster-a", "id-b0"),
        "c/0/qsub.0": ("claimed", BOB.person, "cluster-b", ""),
    }
    (anns,) = held(database, "T", ANN.person)
    assert (anns.name, anns.run, anns.taken, anns.attempts) == ("b/0/qsub.0", "run-1", time(), 1)
    assert "token" not in repr(anns)
    assert held(database, "no such task") == []


def test_where_a_job_stands_is_no_loss(database: Database, time: Time) -> None:
    several(database, time)
    found = task(database).look(["a/1/qsub.1", "b/1/qsub.1", "no such job"])
    assert found == {
        "a/1/qsub.1": Standing("a/1/qsub.1", "submitted", BOB.person, "cluster-b"),
        "b/1/qsub.1": Standing("b/1/qsub.1", "free", "", ""),
    }


def test_a_claim_is_released_only_as_it_was_seen(database: Database) -> None:
    """Another claim by the same person has come meanwhile: it is not the one that was shown."""
    ann = task(database, ANN, jobs=2)
    first = ann.take(2)
    assert ann.give_back(first[:1]) == []
    again = ann.take(1)
    seen = [one.name for one in first]
    assert ann.release(ANN.person, seen, [one.token for one in first]) == [first[1].name]
    assert [one.held for one in ann.mine()] == again
    assert ann.release(BOB.person, seen, [one.token for one in again] * 2) == []
    assert ann.release(ANN.person, [again[0].name], [again[0].token]) == [again[0].name]


def test_all_jobs_come_once_in_order_page_by_page(
    database: Database, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(database, time)
    task(database, BOB, name="other", jobs=3)
    monkeypatch.setattr(listing, "PAGE", 3)
    found = list(records(database, "T"))
    assert [one.name for one in found] == sorted(one.name for one in found)
    assert len({one.name for one in found}) == 10
    free, taken = found[-1], found[0]
    assert (free.state, free.taken, free.attempts, free.dataset) == ("free", None, 0, "c")
    assert (taken.name, taken.state, taken.jobid, taken.ended) == (
        *("a/0/qsub.0", "finished", "id-a0", time()),
    )


def test_odd_names_do_not_end_a_page_too_early(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [
        "a\udcff/qsub.0",
        "a\\xff/qsub.0",
        "a\\/qsub.0",
        "\n'\"%s/qsub.0",
        "é漢😀/qsub.0",
        "Z",
        "z",
    ]
    task(database).register([(name, "") for name in odd])
    monkeypatch.setattr(listing, "PAGE", 1)
    assert sorted(one.name for one in records(database, "T")) == sorted(odd)


def test_only_a_page_of_the_jobs_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 20,000 at once would be some 8 MB."""
    database = Database(f"sqlite:///{tmp_path}/claims.db")
    database.upgrade()
    task(database).register([(name, "") for name in names(20_000)])
    monkeypatch.setattr(listing, "PAGE", 500)
    next(records(database, "T"))  # what is made only once
    tracemalloc.start()
    try:
        assert sum(1 for _ in records(database, "T")) == 20_000
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2e6
