"""Toy: tsub, tq, tkill, a scheduler that does not exist. See CONTRIBUTING.md."""

import re
from collections.abc import Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import KEYS, Resources
from jobauto.schedulers.base import Dialect, Unreadable, no_environment, only_match

STATES = {"WAIT": Queued.PENDING, "RUN": Queued.RUNNING, "KEPT": Queued.HELD}
_JOB = re.compile(r"(\d+)(?:\.\d+)? ([A-Z]+) (\S*)", re.ASCII)


class Toy(Dialect):
    name, directive, lists_tokens = "toy", "#TOY", True
    detect = "command -v tsub && command -v tq"
    limit, lost = re.compile("no room"), re.compile("nobody answers")

    def submit(self, script: str, token: str, options: str) -> str:
        return f"$limit tsub --note={token} {options} {script}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        no_environment(asked)
        return [(f"--{key}={getattr(asked, key)}",) for key in KEYS if getattr(asked, key)]

    def jobid(self, out: str) -> str | None:
        return only_match(re.compile(r"job ([0-9]+)"), out)

    def query(self, jobids: Sequence[str]) -> str:
        return "$limit tq --mine && echo all"

    def parse(self, text: str) -> list[InQueue]:
        jobs = [_JOB.fullmatch(line) for line in text.split("\n")[:-2]]
        if not f"\n{text}".endswith("\nall\n") or None in jobs:
            raise Unreadable("not a whole answer of tq")
        found = [InQueue(m[1], STATES.get(m[2], Queued.UNKNOWN), m[2], "", m[3]) for m in jobs if m]
        return [job for job in found if job.code != "OVER"]

    def kill(self, jobids: Sequence[str], program: str = "tkill") -> str:
        return f"$limit {program} {' '.join(jobids)}"

    def hold(self, jobids: Sequence[str]) -> str:
        return self.kill(jobids, "tkeep")

    def release(self, jobids: Sequence[str]) -> str:
        return self.kill(jobids, "tfree")

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return self.kill(jobids, f"tmove {queue}")

    def autopsy(self, jobid: str) -> str:
        return f"$limit tlast {jobid}"

    def ending(self, text: str) -> Ending:
        code = only_match(re.compile(r"ended with (\d{1,3})"), text)
        return Ending(int(code) if code else None)

    def outputs(self, jobid: str, script: str) -> str:
        return f"*.{jobid}"
