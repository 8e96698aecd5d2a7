"""What must hold in every history, judged by what really happened on the cluster.

The Checker knows the tree and the truth; of the monitor it reads only what a person would read:
quelist, the exit code, and (for the flush) what of qsub.log is on the disk.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping

from fake import Submitted

from jobauto.model import Job

BAD = ("failed", "killed", "unsure")
DONE = ("finished", "skipped")


class Violation(AssertionError):
    """A promise was broken."""


def demand(true: object, what: str) -> None:
    if not true:
        raise Violation(what)


class Checker:
    """`needs` maps each job to the files that it waits for, `writes` a file that is no marker to
    its job; `durable` reads qsub.log as flushed."""

    def __init__(
        self,
        needs: Mapping[str, Iterable[str]],
        writes: Mapping[str, str],
        maxqsub: int,
        durable: Callable[[], bytes],
    ) -> None:
        self.needs = {name: set(files) for name, files in needs.items()}
        self.makers = {**writes, **{Job.from_name(name).marker: name for name in needs}}
        self.maxqsub, self.durable = maxqsub, durable
        self.doubts: dict[str, str] = {}  # token -> why its submission cannot be judged
        self.refused: set[str] = set()  # tokens that the scheduler refused for ever
        self.runs: dict[str, list[Submitted]] = {name: [] for name in self.needs}
        self.forgotten = False  # a person renamed quelist: what it said does not count any more
        self.unseen: set[str] = set()  # files that were there, but not yet seen, at a kill
        self.void: set[str] = set()  # tokens that may not be submitted any more
        self.full = False  # the disk was: of qsub.log a line may be lost, or stand twice

    def doubt(self, token: str, why: str) -> None:
        self.doubts.setdefault(token, why)

    def killed(self, queue: list[Submitted], begun: float, unsure: set[str]) -> None:
        """A person killed the run, at `begun`, and was told that it worked.

        Jobs that were `unsure` before are the person's business, and what comes later in a
        submission that is in doubt was not there to be ended.
        """
        excused = [job for job in queue if job.token in self.doubts and job.taken >= begun]
        left = [j.name for j in queue if j not in excused and j.name not in unsure]
        demand(not left, f"killed, but still in the queue: {', '.join(left)}")
        self.void = set().union(*self.tokens().values())

    def before_submission(
        self, name: str, token: str, jobs: list[Submitted], files: set[str]
    ) -> None:
        """A submission reaches the scheduler: may it?"""
        demand(name in self.needs, f"{name} is no job")
        for run in self.runs[name]:
            demand(run.ended is not None, f"{name} is in the queue already, as {run.jobid}")
            demand(not run.marked, f"{name} runs again, but it finished as {run.jobid}")
        demand(token not in self.void or token in self.doubts, f"{name} comes after the kill")
        missing = self.needs[name] - files
        demand(not missing, f"{name} starts without {', '.join(sorted(missing))}")
        intent = re.search(rf"token={token}[ \n]".encode(), self.durable())
        demand(intent or not token, f"the intent for {name} is not on the disk")
        holding = [j for j in jobs if not j.ended and not j.marked and j.token not in self.doubts]
        room = len(holding) < self.maxqsub or token in self.doubts
        demand(room, f"{len(holding) + 1} jobs in the queue")

    def begins(self, job: Submitted, files: set[str]) -> None:
        """A script begins to run: may it?"""
        missing = self.needs[job.name] - files
        demand(not missing, f"{job.name} runs without {', '.join(sorted(missing))}")
        finished = any(run.marked for run in self.runs[job.name] if run is not job)
        demand(not finished, f"{job.name} runs again, but it finished")

    def submitted(self, job: Submitted) -> None:
        self.runs[job.name].append(job)

    def at_the_end(self, words: Mapping[str, list[str]], code: int) -> None:
        """Compare quelist (job to its words, without dates) and the exit code with the truth."""
        last = {name: line[-1] if line else "" for name, line in words.items()}
        tokens = self.tokens()
        if not self.forgotten:
            self._unsure_is_final()
        self._what_ran()
        for name in self.needs:
            self._job(name, last, tokens.get(name, set()))
        all_done = all(last.get(name) in DONE for name in self.needs)
        demand(all_done == (code == 0), f"exit code {code}, but all done is {all_done}")

    def _job(self, name: str, last: Mapping[str, str], tokens: set[str]) -> None:
        word, runs = last.get(name, ""), self.runs[name]
        if word == "unsure":
            demand(tokens & self.doubts.keys(), f"{name} is unsure, without any reason")
            return
        for run in runs:
            gone = run.ended is not None or run.marked  # lingers, which harms nobody
            demand(gone, f"{name} is {word or 'without a word'}, but in the queue")
        finished = any(run.marked for run in runs)
        unseen = word == "killed" and Job.from_name(name).marker in self.unseen
        demand((word in DONE) == finished or unseen, f"{name} is {word!r}, finished is {finished}")
        if word == "failed":
            failed = runs or tokens & self.refused
            demand(failed, f"{name} failed, but it never ran, nor was it refused")
        if word not in (*DONE, *BAD):
            demand(self._blocked(name, last), f"{name} is lost: {word or 'no word'}")

    def _lines(self, *wanted: str) -> Iterator[list[str]]:
        """The words of the whole lines of qsub.log that tell of this, as it is on the disk."""
        *whole, _cut = self.durable().decode("utf-8", "surrogateescape").split("\n")
        for line in whole:
            if line[16:].partition(" ")[0] in wanted and not line.endswith("#torn"):
                try:
                    yield shlex.split(line)
                except ValueError:
                    raise Violation(f"qsub.log holds a line that nobody can read: {line}") from None

    def tokens(self) -> dict[str, set[str]]:
        """Job to its tokens."""
        found: dict[str, set[str]] = {}
        for words in self._lines("intent"):
            if len(words) >= 5:
                found.setdefault(words[2], set()).add(words[4].removeprefix("token="))
        return found

    def unsure(self) -> set[str]:
        """Jobs with an attempt that is unsure."""
        return {words[2] for words in self._lines("unsure")}

    def _unsure_is_final(self) -> None:
        """No new attempt follows one that is unsure, unless that has turned up in the queue."""
        unsure: dict[str, str] = {}
        for _, what, name, number, *_ in self._lines("intent", "accepted", "unsure"):
            if what == "unsure":
                unsure[name] = number
            elif what == "accepted":
                unsure.pop(name, None)
            else:
                again = unsure.get(name, number) != number
                demand(not again, f"{name} was unsure, and is submitted again")

    def _what_ran(self) -> None:
        """`running` stands once for an attempt, behind its `accepted`, and the job did run."""
        accepted: set[tuple[str, str]] = set()
        dates: dict[tuple[str, str], str] = {}
        started = {(n, run.token) for n, runs in self.runs.items() for run in runs if run.starts}
        tokens: dict[tuple[str, str], str] = {}
        for date, what, name, number, *pairs in self._lines("intent", "accepted", "running"):
            attempt = name, number
            if what == "intent":
                tokens[attempt] = pairs[0].removeprefix("token=")
            elif what == "accepted":
                accepted.add(attempt)
            else:
                demand(attempt in accepted or self.full, f"{name} runs, but was not accepted")
                began = {(name, tokens[attempt]), (name, "")} & started
                demand(began, f"{name} runs, but never began")
                again = dates.setdefault(attempt, date) != date
                demand(not again or self.full, f"{name} is said twice to run")

    def _blocked(self, name: str, last: Mapping[str, str]) -> bool:
        """Whether something that it needs has ended badly, or is blocked itself."""
        needed = [self.makers[file] for file in self.needs[name]]
        return any(last.get(n) in BAD or self._stuck(n, last) for n in needed)

    def _stuck(self, name: str, last: Mapping[str, str]) -> bool:
        return last.get(name, "") not in DONE and self._blocked(name, last)
