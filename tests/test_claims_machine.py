"""Random lives of monitors that share a task, under time that is passed in, on SQLite.

Beside the database there is the truth: which submissions a cluster took. Monitors stop and come
back, answers get lost after the change was made, leases pass. Checked after every step: no job has
two submissions that may be in a queue; no two monitors could both hand a job in; what was handed
in is the holder's until it tells the end. In the end, all come back, and every job finishes.
"""

from __future__ import annotations

import tempfile
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import event
from tasks import LEASE, Time, names

from jobauto.claims import Database, Held, Holder, Task, tables

JOBS = names(6)
monitors = st.integers(0, 2)


def hasty(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


class Claims(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.time = Time()
        self.database = Database(f"sqlite:///{self.folder.name}/claims.db", self.time)
        # no crash here takes the disk's cache with it
        event.listen(self.database._engine, "connect", hasty)
        self.database.prepare()
        self.tasks = [
            Task(self.database, "T", Holder(f"p{n}", f"s{n}", f"r{n}"), LEASE) for n in range(3)
        ]
        self.tasks[0].register((name, "") for name in JOBS)
        self.claimed: list[set[Held]] = [set(), set(), set()]  # as each monitor believes
        self.sure: list[set[Held]] = [set(), set(), set()]  # may be handed in, by its belief
        self.queue: dict[Held, int] = {}  # the truth: handed in, not ended -> by whom
        self.finished: set[str] = set()

    def teardown(self) -> None:
        self.settle()
        self.database.close()
        self.folder.cleanup()

    @rule(who=monitors, number=st.integers(0, 4), lost=st.booleans())
    def take(self, who: int, number: int, lost: bool) -> None:
        found = self.tasks[who].take(number)
        assert len(found) <= number
        if not lost:
            self.claimed[who].update(found)

    @rule(who=monitors, wanted=st.lists(st.sampled_from(JOBS)), number=st.integers(1, 3))
    def take_wanted(self, who: int, wanted: list[str], number: int) -> None:
        found = self.tasks[who].take(number, wanted)
        assert {one.name for one in found} <= set(wanted)
        self.claimed[who].update(found)

    @rule(who=monitors, lost=st.booleans())
    def say_submitting(self, who: int, lost: bool) -> None:
        asked = sorted(self.claimed[who], key=lambda one: (one.name, one.token))
        gone = {one.token for one in self.tasks[who].submitting(asked)}
        self.claimed[who].clear()
        if not lost:
            self.sure[who].update(one for one in asked if one.token not in gone)

    @rule(who=monitors)
    def hand_in(self, who: int) -> None:
        for one in self.sure[who]:
            assert one.name not in self.finished
            self.queue[one] = who
        self.sure[who].clear()

    @rule(who=monitors)
    def say_submitted(self, who: int) -> None:
        jobids = {one: f"j{one.token}" for one, by in self.queue.items() if by == who}
        assert self.tasks[who].submitted(jobids) == []

    @rule(who=monitors, verdict=st.sampled_from(["finished", "failed"]), lost=st.booleans())
    def jobs_end(self, who: int, verdict: str, lost: bool) -> None:
        ours = [one for one, by in self.queue.items() if by == who]
        for _ in range(1 + lost):  # an answer that was lost is asked for again
            assert self.tasks[who].ended(ours, verdict) == []
        for one in ours:
            del self.queue[one]
            if verdict == "finished":
                self.finished.add(one.name)

    @rule(who=monitors)
    def give_back(self, who: int) -> None:
        self.tasks[who].give_back(list(self.claimed[who] | self.sure[who]))
        self.claimed[who].clear()
        self.sure[who].clear()

    @rule(who=monitors)
    def come_back(self, who: int) -> None:
        """A monitor that stopped knows nothing: the database and its queue tell it."""
        mine = self.tasks[who].mine()
        self.claimed[who] = {one.held for one in mine if one.state == "claimed"}
        doubtful = {one.held for one in mine if one.state == "submitting"}
        self.sure[who] = doubtful - self.queue.keys()

    @rule(who=monitors)
    def renew(self, who: int) -> None:
        self.tasks[who].renew(list(self.claimed[who]))

    @rule(who=monitors)
    def try_again(self, who: int) -> None:
        again = self.tasks[who].again(JOBS)
        assert not self.finished & set(again)

    @precondition(lambda self: not self.queue)
    @rule(person=monitors)
    def a_person_releases(self, person: int) -> None:
        """One who has seen that nothing of theirs is in a queue, and ended their monitor."""
        self.tasks[0].release(f"p{person}", JOBS)
        self.claimed[person].clear()
        self.sure[person].clear()

    @rule(seconds=st.sampled_from([LEASE / 2, LEASE, 3 * LEASE]))
    def time_passes(self, seconds: float) -> None:
        self.time.seconds += seconds

    @invariant()
    def no_job_is_in_two_hands(self) -> None:
        """Nor in two queues; nor does anybody else hold what is in one."""
        hands = [one.name for sure in self.sure for one in sure] + [q.name for q in self.queue]
        assert len(hands) == len(set(hands))

    @invariant()
    def the_database_knows_all_that_is_in_a_queue(self) -> None:
        for who, task in enumerate(self.tasks):
            mine = {one.held for one in task.mine() if one.state != "claimed"}
            assert {one for one, by in self.queue.items() if by == who} | self.sure[who] <= mine

    @invariant()
    def no_job_is_lost(self) -> None:
        with self.database.transaction(writes=False) as connection:
            rows = connection.execute(tables.job.select()).all()
        assert [row.name for row in rows] == JOBS
        assert {row.name for row in rows if row.state == "finished"} == self.finished
        for row in rows:
            takeable = row.free_from is not None
            assert takeable == (row.state in ("free", "claimed"))
            assert (row.person == "") == (row.state == "free")

    def settle(self) -> None:
        """Everybody comes back and works on: nothing is stuck."""
        self.time.seconds += 2 * LEASE
        self.tasks[0].again(JOBS)
        for who in range(3):
            self.come_back(who)
            self.take(who, 6, False)
            self.say_submitting(who, False)
            self.hand_in(who)
            self.no_job_is_in_two_hands()
            self.say_submitted(who)
            self.jobs_end(who, "finished", False)
        assert self.finished == set(JOBS)


TestClaims = Claims.TestCase
TestClaims.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, phases=[Phase.reuse, Phase.generate]
)
