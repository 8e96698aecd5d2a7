"""The cluster and the link to it when things go wrong, as the Weather has it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import weather as kinds
from checker import Checker, demand
from disk import Died, PowerCut
from fake import FREE, FakeClock, FakeCluster, FakeHost, Held, Submitted
from shell import Reply, Shell, Steps
from weather import Weather

from jobauto import tree
from jobauto.errors import CouldNotAsk, NoConnection
from jobauto.host import Pull
from jobauto.remote.framing import Answer

MOST = 20_000  # questions in a history


class FaultyCluster(FakeCluster):
    """Shells are processes of their own here: one whose connection is cut goes on by itself."""

    def __init__(
        self, clock: FakeClock, weather: Weather, checker: Checker, slots: int, accent: str
    ) -> None:
        super().__init__(clock, slots, accent=accent)
        self.weather, self.checker = weather, checker
        self.dice: random.Random = weather.dice
        self.nodes = self.dice.choice((["login1"], ["login1"], ["login1", "login2"]))
        self.pace = self.dice.choice((0.0, 0.1, 2.0))  # seconds between two lines of a script
        self.patience = 10.0  # about how long shells are delayed
        self.shells: dict[int, Shell] = {}
        self.hidden: dict[str, float] = {}  # file -> time from which it is seen
        self.attended = False  # somebody waits for the answer of the shell that runs now
        self.listed: set[str] = set()  # JOBIDs in the last listing
        self.untold: set[str] = set()  # JOBIDs which a look kept back, and has not shown since
        self.outage = 0.0, Reply()  # until when looks say the same
        self.hidden_at: dict[str, float] = {}  # JOBID -> when a look kept it back last
        self._pids = count(100)

    # --- shells ---

    def start(self, script: str) -> Shell:
        shell = Shell(self, script, next(self._pids), self.dice.choice(self.nodes))
        self.shells[shell.pid] = shell
        return shell

    def pause(self) -> float:
        return self.dice.random() * self.pace

    def detach(self, shell: Shell) -> None:
        """Its connection is gone: it goes on alone, sooner or later."""
        claim = self.claims.get(shell.doing)
        if shell.doing and claim and (claim.begun is None or len(self.nodes) > 1):
            self.checker.doubt(shell.doing, "nobody can see whether its shell still runs")
        if not shell.outlives_connection:
            self.shells.pop(shell.pid, None)
            return
        delay = self.patience * self.dice.choice((0.1, 1, 10)) * self.dice.random()
        self.weather.tell(f"  shell {shell.pid} goes on alone in {delay:.0f} s")
        self.at(self.now + delay, lambda: self._go_on(shell))

    def _go_on(self, shell: Shell) -> None:
        if shell.pid not in self.shells:
            return
        seconds = next(shell.steps, None)
        if seconds is None:
            self.gone(shell)
        else:
            self.at(self.now + seconds + self.pause(), lambda: self._go_on(shell))

    def gone(self, shell: Shell) -> None:
        self.shells.pop(shell.pid, None)

    def crash(self) -> None:
        """The login node goes down, and all shells with it."""
        for shell in self.shells.values():
            if shell.doing:
                self.checker.doubt(shell.doing, "its shell died")
        self.shells.clear()

    def is_alive(self, pid: int, node: str) -> bool | None:
        shell = self.shells.get(pid)
        if shell and shell.node != node:
            return None
        return shell is not None

    def disk_is_full(self, token: str = "") -> bool:
        if token:
            if not self.weather.strikes("answer not written"):
                return False
            self.claims[token].out = ""
            self.checker.doubt(token, "the scheduler's answer could not be written")
            return True
        return self.weather.strikes("remote disk full")

    # --- files and jobs ---

    def exists(self, path: str) -> bool:
        return path in self.files and self.hidden.get(path, 0.0) <= self.now

    def write(self, path: str) -> None:
        super().write(path)
        if self.weather.strikes("file late"):
            self.hidden[path] = self.now + self.dice.uniform(1, 60)

    def remove(self, path: str) -> None:
        super().remove(path)
        self.hidden.pop(path, None)

    def note(self, what: str, name: str) -> None:
        super().note(what, name)
        self.weather.story.append((self.now, f"    {what} {name}"))

    def take(self, name: str, token: str, held: Held = FREE) -> str:
        files = self.files | set(held[1])  # its guard looks for these
        self.checker.before_submission(name, token, list(self.jobs.values()), files)
        jobid = super().take(name, token, held)
        self.checker.submitted(self.jobs[jobid])
        return jobid

    def _begin(self, job: Submitted) -> None:
        self.checker.begins(job, self.files)
        super()._begin(job)

    # --- the scheduler's programs ---

    def hand_in(
        self, name: str, token: str, limited: bool = True, held: Held = FREE
    ) -> Steps[Reply]:
        fault = self.weather.one_of(kinds.SUBMISSION)
        if fault == "limit":
            return self.dice.choice(self.speech.limits)
        if fault == "refused":
            self.checker.refused.add(token)
            return self.dice.choice(self.speech.never)
        if fault == "submission hangs" and self.dice.random() < 0.5:
            yield self._hanging(limited)
        if fault in ("submission hangs", "submission not answered") and self.dice.random() < 0.5:
            self._perhaps_later(name, token, held)
            reply = Reply()
        else:
            reply = yield from super().hand_in(name, token, limited, held)
        if reply.code or not fault:
            return reply
        if fault == "submission with banners":
            return Reply(0, f"*** welcome ***\n{reply.out}2 of 7 nodes are down\n")
        self.checker.doubt(token, fault)
        if fault == "submission not answered":
            return self.dice.choice(self.speech.lost)
        if fault == "submission gives no JOBID":
            return Reply(0, "", "")
        yield self._hanging(limited)
        return Reply(124)

    @staticmethod
    def _hanging(limited: bool) -> float:
        return 60.0 if limited else 20_000.0

    def _perhaps_later(self, name: str, token: str, held: Held) -> None:
        if kinds.LATE_JOBS and self.dice.random() < 0.8:
            when = self.now + self.dice.uniform(0, 50)
            self.at(when, lambda: self.take(name, token, held))

    def look(self, tokens: bool, limited: bool = True) -> Steps[Reply]:
        if self.now < self.outage[0]:
            return self.outage[1]
        fault = self.weather.one_of(kinds.LOOK) if self.attended else ""
        if fault == "look hangs":
            yield self._hanging(limited)
            return Reply(124)
        queue = self.queue()
        if fault in ("look fails", "look complains"):  # and goes on like that for a while
            down = self.dice.choice(self.speech.down)
            nothing = self.listing([]).out
            complaint, silence = Reply(0, nothing, "trouble\n"), Reply(1, nothing)
            reply = complaint if fault == "look complains" else self.dice.choice((down, silence))
            self.outage = self.now + self.patience * self.dice.random(), reply
            return reply
        if fault == "look lies":
            self._keep_back(queue)
        if self.attended:
            self.listed = {job.jobid for job in queue}
        told = self.listing(queue, tokens)
        if fault == "look cut":
            return Reply(141, told.out[: self.dice.randrange(len(told.out) + 1)])
        return told

    def _keep_back(self, queue: list[Submitted]) -> None:
        can = [job for job in queue if job.jobid not in self.untold]
        if can:
            job = self.dice.choice(can)
            queue.remove(job)
            self.untold.add(job.jobid)
            self.hidden_at[job.jobid] = self.now
            self.weather.tell(f"  the look keeps {job.jobid} back")

    def delivered(self) -> None:
        """The answer reached the monitor, which knows now that these are there."""
        self.untold -= self.listed

    def autopsy(self, jobid: str) -> Steps[Reply]:
        if self.weather.strikes("autopsy fails"):
            return Reply(1, "", "trouble\n")
        return (yield from super().autopsy(jobid))

    def end(self, jobids: Sequence[str]) -> Steps[Reply]:
        if self.weather.strikes("kill slow"):
            yield self.dice.uniform(1, 20)
        return (yield from super().end(jobids))


class FaultyHost(FakeHost):
    """The link to a FaultyCluster. `pace`: dice for how long files take to come home."""

    cluster: FaultyCluster

    def __init__(self, cluster: FaultyCluster, pace: random.Random) -> None:
        super().__init__(cluster, mirrored=True)
        self.weather, self.dice = cluster.weather, cluster.dice
        self.pace = pace
        self._asks = count()

    def open(self) -> None:
        if self.weather.strikes("no link"):
            raise NoConnection("the network is down")

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        self.weather.may_die()
        if self.weather.strikes("rsync fails"):
            raise CouldNotAsk("rsync failed")
        assert self.cluster.scripts is not None
        self.cluster.scripts |= tree.scan(run).scripts.keys()
        self.weather.may_die()

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        listed, fails = [], False
        for file in sorted(self.cluster.files):
            fails = fails or self.weather.strikes("rsync fails")
            folder, _, name = file.rpartition("/")
            if name.startswith("qsub.finished.") and (not only or folder in only) and not fails:
                listed.append(file)
        self.slow = self.pace.choice((0, 1, 1, 2, 5))
        self.weather.tell(f"pull {len(listed)} for {self.slow} looks")
        pull = self.on_its_way(lambda: self._bring(run, listed, fails))
        self.weather.may_die()
        return pull

    def _bring(self, run: Path, listed: Sequence[str], fails: bool) -> None:
        """What was there when it began comes home, however late that is."""
        for file in listed:
            (run / file).touch()
        if fails:
            raise CouldNotAsk("rsync failed")

    def ask(self, request: Any) -> Any:
        name = type(request).__name__
        self.weather.tell(f"ask {name}")
        demand(next(self._asks) < MOST, "it does not come to an end")
        self.looked(request)
        self.weather.may_die()
        self.cluster.advance()
        if self.weather.strikes("no link"):
            raise NoConnection("the network is down")
        script = request.script()
        if self.weather.strikes("cut while sent"):
            script = script[: self.dice.randrange(len(script))]
        shell = self.cluster.start(script)
        if self.weather.strikes("arrives late"):
            self.cluster.detach(shell)
            raise CouldNotAsk("no answer in time")
        self._attend(shell, request.timeout)
        text = f"welcome to {shell.node}\n{shell.text}"
        fault = self.weather.one_of(("answer cut", "answer lost"))
        if fault:
            text = text[: self.dice.randrange(len(text))] if fault == "answer cut" else ""
        self.weather.may_die()
        found = request.read(Answer(0, text, ""))
        self.cluster.delivered()
        return found

    def _attend(self, shell: Shell, timeout: float) -> None:
        """Wait while the shell works, unless the connection is cut."""
        fault = self.weather.one_of(("cut", "login node crashes", "slow", "kill -9", "power cut"))
        when = self.dice.randrange(40) if fault else -1
        end = self.cluster.clock.time + timeout
        for step in count():
            self.cluster.attended = True
            seconds = next(shell.steps, None)
            self.cluster.attended = False
            if seconds is None:
                break
            slow = self.dice.uniform(5, 300) if fault == "slow" and step == when else 0.0
            if seconds or slow or self.cluster.pace:
                self.clock_on(seconds + slow + self.cluster.pause())
            if shell.pid not in self.cluster.shells or self.cluster.clock.time > end:
                self.cluster.detach(shell)
                raise CouldNotAsk("no answer in time")
            if fault not in ("", "slow") and (step == when or self._at_work(shell)):
                self._cut(shell, fault)
        self.cluster.gone(shell)

    def _at_work(self, shell: Shell) -> bool:
        """Now and then the moment is bad: between a claim's begin and its end."""
        claim = self.cluster.claims.get(shell.doing)
        return claim is not None and claim.begun is not None and self.dice.random() < 0.3

    def _cut(self, shell: Shell, fault: str) -> None:
        if fault == "login node crashes":
            self.cluster.crash()
            raise NoConnection("the login node is down")
        self.cluster.detach(shell)
        if fault == "cut":
            raise NoConnection("the connection is gone")
        self.weather.die(PowerCut() if fault == "power cut" else Died())
