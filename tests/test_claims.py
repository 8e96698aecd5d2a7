"""Claims of jobs, on SQLite and on the lab's PostgreSQL, under a time that is passed in."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tasks import ANN, BOB, LEASE, Shared, Time, names, task

from jobauto.claims import Database, Held, Holder, Lost, Mine, Tally, Task, progress, tables
from jobauto.errors import UserError

TEN = names(10)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["sqlite", "postgresql", "members"])
def database(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Iterator[Database]:
    """On PostgreSQL as its owner, and as two members, whom row-level security watches."""
    url = f"sqlite:///{tmp_path}/claims.db"
    if request.param != "sqlite":
        url = request.getfixturevalue("postgresql")
    made = Shared(url, time)
    made.upgrade()
    if request.param == "members":
        made.let_in(ANN, BOB)
    yield made
    made.close()


def states(database: Database) -> dict[str, str]:
    with database.transaction(writes=False) as connection:
        rows = connection.execute(tables.job.select().order_by(tables.job.c.id)).all()
    return {row.name: row.state for row in rows}


def history(database: Database) -> list[tuple[str, int, str, str]]:
    """Whose attempts came to which end."""
    with database.transaction(writes=False) as connection:
        rows = connection.execute(tables.attempt.select().order_by(tables.attempt.c.number)).all()
    return [(row.person, row.number, row.state, row.jobid) for row in rows]


def handed_in(database: Database, holder: Holder = ANN, number: int = 1) -> list[Held]:
    """Jobs of the holder that have JOBIDs j0, j1 and so on."""
    mine = task(database, holder)
    held = mine.take(number)
    assert mine.submitting(held) == []
    assert mine.submitted({one: f"j{n}" for n, one in enumerate(held)}) == []
    return held


def test_a_job_is_taken_once(database: Database) -> None:
    ann, bob = task(database, ANN, jobs=10), task(database, BOB)
    first, second, third = ann.take(4), bob.take(4), ann.take(4)
    assert [one.name for one in first] == TEN[:4]
    assert [one.name for one in second] == TEN[4:8]
    assert [one.name for one in third] == TEN[8:]
    assert bob.take(4) == []
    assert len({one.token for one in first + second + third}) == 10


def test_no_more_are_taken_than_there_is_room_for(database: Database) -> None:
    ann = task(database, jobs=10)
    assert [len(ann.take(number)) for number in (0, -1, 3)] == [0, 0, 3]
    assert list(states(database).values()).count("claimed") == 3


def test_wanted_jobs_are_taken_in_the_order_in_which_they_are_wanted(database: Database) -> None:
    ann, bob = task(database, ANN, jobs=10), task(database, BOB)
    bob.take(1, [TEN[7]])
    wanted = [TEN[9], TEN[7], "no such job", TEN[0], TEN[5]]
    assert [one.name for one in ann.take(2, wanted)] == [TEN[9], TEN[0]]
    assert ann.take(2, []) == []
    assert [one.name for one in ann.take(2, [*wanted, TEN[5]])] == [TEN[5]]


def test_a_folder_is_worked_on_by_one_run(database: Database, time: Time) -> None:
    ann, bob = task(database), task(database, BOB)
    zero, one, two = names = [f"a/qsub.{n}" for n in range(3)]
    ann.register([(name, "a") for name in [*names, "ab/qsub.0", "qsub.0"]])
    (held,) = ann.take(1, [one])
    assert bob.take(5, names) == []
    assert [other.name for other in bob.take(5)] == ["ab/qsub.0", "qsub.0"]
    time.seconds += LEASE  # nothing of it was handed in
    (taken,) = bob.take(1, [zero])
    assert ann.take(5, names) == []
    assert bob.submitting([taken]) == bob.ended([taken], "failed") == []
    assert ann.take(5, [one, two]) == []
    assert ann.again([zero]) == [zero]
    assert [other.name for other in ann.take(5, names)] == names
    assert held.name == one


def test_a_folder_of_which_something_was_there_before_is_nobodys(database: Database) -> None:
    ann, bob = task(database), task(database, BOB)
    ann.register([(f"a/qsub.{n}", "a") for n in range(2)])
    assert ann.ended(ann.take(1), "skipped") == []
    assert [one.name for one in bob.take(5)] == ["a/qsub.1"]


def test_tasks_are_apart(database: Database) -> None:
    task(database, jobs=3, name="other")
    ann = task(database, jobs=2)
    assert [one.name for one in ann.take(9)] == TEN[:2]
    assert len(ann.mine()) == 2
    assert task(database, name="other").mine() == []
    assert task(database, name="no such task").take(1) == []


def test_registering_again_changes_nothing(database: Database) -> None:
    ann = task(database, jobs=2)
    (held,) = ann.take(1)
    ann.register([(name, "late") for name in names(3)])
    assert states(database) == {TEN[0]: "claimed", TEN[1]: "free", TEN[2]: "free"}
    assert ann.mine() == [Mine(held, "claimed", "")]
    assert [one.dataset for one in progress(database, "T") if one.state == "claimed"] == [""]


def test_many_are_registered_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobauto.claims.task.CHUNK", 3)
    task(database, jobs=10)
    assert list(states(database)) == TEN


def test_odd_names_come_back_as_they_were(database: Database) -> None:
    odd = ["a\udcff/qsub.0", "a\\xff/qsub.0", "a\\/qsub.0", "\n'\"%s:x{}/qsub.0", "é漢😀/qsub.0"]
    ann = task(database)
    ann.register([(name, "") for name in odd])
    assert {one.name for one in ann.take(9)} == set(odd)
    held = [one.held for one in ann.mine()]
    assert {one.name for one in held} == set(odd)
    assert ann.give_back(held) == []
    assert [one.name for one in ann.take(9, odd)] == odd


def test_a_name_that_no_index_can_hold_is_refused(database: Database) -> None:
    long = "é" * 990 + "/qsub.0"
    ann = task(database)
    ann.register([(long, "")])
    with pytest.raises(UserError, match="2000 bytes"):
        ann.register([("é" * 1000 + "/qsub.0", "")])
    assert [one.name for one in ann.take(9)] == [long]


def test_a_claim_falls_back_after_its_lease(database: Database, time: Time) -> None:
    ann, bob = task(database, ANN, jobs=1), task(database, BOB)
    held = ann.take(1)
    time.seconds += LEASE - 1
    assert bob.take(1) == []
    time.seconds += 1
    (taken,) = bob.take(1)
    assert taken.name == held[0].name
    assert taken.token != held[0].token
    lost = [Lost(TEN[0], "claimed", BOB.person, "cluster-b")]
    assert ann.submitting(held) == lost
    assert ann.submitted({held[0]: "12"}) == lost
    assert ann.ended(held, "failed") == lost
    assert ann.give_back(held) == lost
    assert bob.mine() == [Mine(taken, "claimed", "")]
    assert ann.mine() == []
    assert history(database) == []


def test_a_renewed_claim_stays(database: Database, time: Time) -> None:
    ann, bob = task(database, ANN, jobs=2), task(database, BOB)
    bob.take(1)
    held = ann.take(1)
    time.seconds += LEASE - 1
    assert ann.renew(held) == []
    time.seconds += LEASE - 1
    assert [one.name for one in ann.take(2)] == [TEN[0]]  # bob's, who did not renew
    assert [one.held.name for one in ann.mine()] == TEN[:2]


def test_renewing_leaves_what_is_submitted_without_a_lease(database: Database, time: Time) -> None:
    ann = task(database, ANN, jobs=1)
    assert ann.renew(handed_in(database)) == []
    time.seconds += 10 * LEASE
    assert task(database, BOB).take(1) == []


def test_a_claim_whose_lease_passed_is_good_until_another_takes_it(
    database: Database, time: Time
) -> None:
    ann, bob = task(database, ANN, jobs=1), task(database, BOB)
    held = ann.take(1)
    time.seconds += 2 * LEASE
    assert ann.submitting(held) == []
    assert bob.take(1) == []


@pytest.mark.parametrize("told", [False, True])
def test_what_may_be_in_a_queue_never_falls_back(
    database: Database, time: Time, told: bool
) -> None:
    ann, bob = task(database, ANN, jobs=1), task(database, BOB)
    held = ann.take(1)
    ann.submitting(held)
    if told:
        ann.submitted({held[0]: "353143"})
    time.seconds += 1e9
    assert bob.take(1) == []
    state, jobid = ("submitted", "353143") if told else ("submitting", "")
    assert ann.mine() == [Mine(held[0], state, jobid)]


@pytest.mark.parametrize("verdict", tables.VERDICTS)
def test_what_has_ended_is_taken_by_nobody(database: Database, time: Time, verdict: str) -> None:
    ann = task(database, ANN, jobs=1)
    held = handed_in(database)
    assert ann.ended(held, verdict) == []
    time.seconds += 1e9
    assert task(database, BOB).take(1) == []
    assert ann.mine() == []
    assert states(database) == {TEN[0]: verdict}
    assert history(database) == [(ANN.person, 1, verdict, "j0")]


def test_a_word_that_is_no_verdict_is_a_fault(database: Database) -> None:
    ann = task(database, ANN, jobs=1)
    with pytest.raises(ValueError, match="free"):
        ann.ended(ann.take(1), "free")
    assert states(database) == {TEN[0]: "claimed"}


def test_each_call_may_be_made_again(database: Database) -> None:
    """As after an answer that was lost."""
    ann = task(database, ANN, jobs=1)
    held = ann.take(1)
    for _ in range(2):
        assert ann.submitting(held) == []
    for _ in range(2):
        assert ann.submitted({held[0]: "12"}) == []
    for _ in range(2):
        assert ann.ended(held, "failed") == []
    assert history(database) == [(ANN.person, 1, "failed", "12")]


def test_a_late_call_does_not_move_a_job_back(database: Database) -> None:
    ann = task(database, ANN, jobs=2)
    held = handed_in(database)
    assert ann.submitting(held) == [Lost(TEN[0], "submitted", ANN.person, "cluster-a")]
    ann.ended(held, "finished")
    lost = [Lost(TEN[0], "finished", ANN.person, "cluster-a")]
    assert ann.submitted({held[0]: "13"}) == lost
    assert ann.ended(held, "failed") == lost
    assert ann.give_back(held) == lost
    (fresh,) = ann.take(1)
    assert ann.submitted({fresh: "14"}) == [Lost(TEN[1], "claimed", ANN.person, "cluster-a")]
    assert states(database) == {TEN[0]: "finished", TEN[1]: "claimed"}


def test_what_is_given_back_is_free(database: Database) -> None:
    ann, bob = task(database, ANN, jobs=2), task(database, BOB)
    held = ann.take(2)
    ann.submitting(held[:1])  # and the scheduler had no room
    assert ann.give_back(held) == []
    assert [one.name for one in bob.take(2)] == TEN[:2]
    assert ann.give_back(held) == [Lost(n, "claimed", BOB.person, "cluster-b") for n in TEN[:2]]


def test_what_was_submitted_cannot_be_given_back(database: Database) -> None:
    ann = task(database, ANN, jobs=1)
    held = handed_in(database)
    assert ann.give_back(held) == [Lost(TEN[0], "submitted", ANN.person, "cluster-a")]


def test_one_lost_job_does_not_keep_the_others_from_changing(
    database: Database, time: Time
) -> None:
    ann, bob = task(database, ANN, jobs=3), task(database, BOB)
    held = ann.take(3)
    time.seconds += LEASE
    bob.take(1, [TEN[1]])
    gone = [*held, Held("no such job", "x")]
    assert [one.name for one in ann.submitting(gone)] == [TEN[1], "no such job"]
    assert states(database) == dict(
        zip(TEN[:3], ["submitting", "claimed", "submitting"], strict=True)
    )


def test_jobids_go_to_their_jobs(database: Database) -> None:
    task(database, ANN, jobs=3)
    handed_in(database, number=3)
    found = {one.held.name: one.jobid for one in task(database).mine()}
    assert found == dict(zip(TEN[:3], ["j0", "j1", "j2"], strict=True))


def test_a_person_releases_what_a_lost_monitor_had(database: Database) -> None:
    ann = task(database, ANN, jobs=3)
    held = handed_in(database, number=2)
    handed_in(database, BOB)
    owner = Task(database, "T", BOB)
    assert owner.release(ANN.person, TEN) == TEN[:2]
    assert ann.ended(held, "finished") == [Lost(name, "free") for name in TEN[:2]]
    assert states(database) == dict(zip(TEN[:3], ["free", "free", "submitted"], strict=True))
    assert history(database) == [(ANN.person, 1, "released", f"j{n}") for n in range(2)]


def test_a_doubtful_job_waits_for_a_person(database: Database) -> None:
    ann = task(database, ANN, jobs=1)
    held = handed_in(database)
    ann.ended(held, "unsure")
    assert ann.again(TEN) == []
    assert ann.release(BOB.person, TEN) == []
    assert ann.release(ANN.person, TEN) == TEN[:1]
    assert history(database) == [(ANN.person, 1, "released", "j0")]


def test_doubt_may_end(database: Database) -> None:
    ann = task(database, ANN, jobs=1)
    held = handed_in(database)
    ann.ended(held, "unsure")
    assert ann.ended(held, "finished") == []
    assert history(database) == [(ANN.person, 1, "finished", "j0")]


def test_a_failed_job_is_tried_again_by_whoever_has_room(database: Database) -> None:
    ann, bob = task(database, ANN, jobs=3), task(database, BOB)
    held = handed_in(database, number=3)
    for one, verdict in zip(held, ["failed", "killed", "finished"], strict=True):
        ann.ended([one], verdict)
    assert bob.again(TEN) == TEN[:2]
    assert [one.name for one in bob.take(9)] == TEN[:2]
    bob.submitting(bob.take(9))
    assert ann.ended(held[:1], "failed") == [Lost(TEN[0], "claimed", BOB.person, "cluster-b")]
    mine = [one.held for one in bob.mine()]
    bob.submitting(mine)
    bob.ended(mine[:1], "finished")
    assert (ANN.person, 1, "failed", "j0") in history(database)
    assert (BOB.person, 2, "finished", "") in history(database)


def test_another_run_of_the_same_person_is_another_holder(database: Database) -> None:
    task(database, ANN, jobs=2).take(1)
    assert task(database, replace(ANN, run="run-9")).mine() == []


def test_progress_by_data_set_site_and_person(database: Database) -> None:
    ann = task(database, ANN)
    ann.register([(name, "oxides" if n < 6 else "metals") for n, name in enumerate(TEN)])
    ann.ended(handed_in(database, number=3), "finished")
    task(database, BOB).take(2, TEN[5:7])
    assert progress(database, "T") == [
        Tally("metals", "", "", "free", 3),
        Tally("metals", "cluster-b", BOB.person, "claimed", 1),
        Tally("oxides", "", "", "free", 2),
        Tally("oxides", "cluster-a", ANN.person, "finished", 3),
        Tally("oxides", "cluster-b", BOB.person, "claimed", 1),
    ]
    assert progress(database, "no such task") == []


def test_without_a_time_the_databases_own_counts(database: Database) -> None:
    real = Database(database.url.render_as_string(hide_password=False))
    before = clock.time()
    task(real, jobs=1).take(1)
    with real.transaction(writes=False) as connection:
        row = connection.execute(tables.job.select()).one()
    real.close()
    # SQLite's clock is exact to a ms
    assert before - 0.002 <= row.taken <= clock.time() + 0.002
    assert row.free_from == pytest.approx(row.taken + LEASE, abs=0.001)


def test_what_a_monitor_forgot_falls_back_although_it_lives(database: Database, time: Time) -> None:
    """The answer to its `take` was lost, say, and it goes on renewing what it knows of."""
    ann, bob = task(database, ANN, jobs=2), task(database, BOB)
    ann.take(1)
    held = ann.take(1)
    time.seconds += LEASE
    ann.renew(held)
    assert [one.name for one in bob.take(2)] == TEN[:1]
    assert ann.renew([Held(TEN[0], "old"), *held]) == [
        Lost(TEN[0], "claimed", BOB.person, "cluster-b")
    ]


def test_an_older_claim_of_the_same_run_is_lost_as_well(database: Database, time: Time) -> None:
    ann = task(database, ANN, jobs=1)
    old = ann.take(1)
    time.seconds += LEASE
    new = ann.take(1)
    assert [one.token for one in ann.submitting(old + new)] == [old[0].token]


def test_giving_back_twice_is_no_loss(database: Database) -> None:
    ann = task(database, ANN, jobs=1)
    held = ann.take(1)
    assert [ann.give_back(held), ann.give_back(held)] == [[], []]
    assert ann.submitting(held) == [Lost(TEN[0], "free")]
