"""The grammar of `qsub.log`: every attempt to submit, before and after, and every verdict.

    20261120_231500 intent   mp-149/qsub.1 1 token=ja3f9c0d21-1a2b3c4d5e-1
    20261120_231501 accepted mp-149/qsub.1 1 jobid=353143
    20261120_231512 running  mp-149/qsub.1 1
    20261120_233012 finished mp-149/qsub.1 1

`intent` is on disk before anything is sent; with `after=TOKEN,TOKEN` the job was handed in ahead,
to wait in the queue for the jobs of these attempts. `running` is of the first look in which the
queue said so, and stands once, also if the job is queued again; a job that no look saw run has
none. The verdicts `finished failed killed unsure` are written after quelist has them, `putback`
(refused for a limit, or handed in ahead and not begun: may be tried again) and `left` (the queue no
longer names a job whose marker came earlier) as they are. `finished … left=yes`: the queue did not
name the job any more when its marker was seen.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jobauto import quoting
from jobauto.ledger import files
from jobauto.model import Attempt, Job

SETTLED = {"finished", "failed", "killed", "unsure", "putback"}
_KNOWN = SETTLED | {"intent", "accepted", "answer", "running", "left"}
_TORN = " #torn"
_DATED = re.compile(r"\d{8}_\d{6} ")


@dataclass(slots=True)
class Tried:
    """The last attempt at a job: its number and token, JOBID once accepted, and how it ended."""

    number: int
    token: str
    jobid: str = ""
    accepted: str = ""  # date
    verdict: str = ""
    left: bool = False
    ran: bool = False  # the queue was seen to say that it runs
    after: tuple[str, ...] = ()  # tokens of the attempts for which it waits in the queue


class Line(NamedTuple):
    """One line to append: what happened to which attempt, with `key=value` pairs."""

    what: str
    name: str
    number: int
    pairs: tuple[tuple[str, str], ...] = ()

    def text(self, date: str) -> str:
        pairs = [quoting.word(f"{key}={value}") for key, value in self.pairs]
        return " ".join([date, self.what, quoting.word(self.name), str(self.number), *pairs]) + "\n"


def token(run_id: str, job: Job, number: int) -> str:
    """What names an attempt of a run on the remote for ever."""
    digest = hashlib.sha256(quoting.encoded(job.name)).hexdigest()[:10]
    return f"ja{run_id}-{digest}-{number}"


def intent(attempt: Attempt) -> Line:
    """The line that is written before an attempt is made."""
    pairs = [("token", attempt.token)]
    if attempt.after:
        pairs.append(("after", ",".join(attempt.after)))
    return Line("intent", attempt.job.name, attempt.number, tuple(pairs))


def append(path: Path, date: str, lines: Iterable[Line]) -> None:
    """Append lines and flush them to disk before returning."""
    text = "".join(line.text(date) for line in lines)
    if not text:
        return
    with open(path, "ab+") as file:
        if not file.seek(0, os.SEEK_END):
            files.flush_folder(path.parent)  # so a log that holds anything has its name on disk
        elif _last_byte(file.fileno()) != b"\n":
            text = f"{_TORN}\n{text}"  # the line that a crash cut short
        file.write(quoting.encoded(text))
        file.flush()
        os.fsync(file.fileno())


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)


def lines(path: Path, begin: int = 0) -> Iterator[tuple[str, Line]]:
    """The lines of qsub.log, from byte `begin` on, with their dates. Those cut short by a crash are
    passed over."""
    if not path.exists():
        return
    *whole, _cut = files.read(path, begin).split("\n")
    jobs: set[str] = set()  # names that are fine, as each stands in several lines
    for text in whole:
        if text.endswith(_TORN) or not _DATED.match(text):
            continue
        try:
            date, what, name, number, *pairs = quoting.words(text)
            if what in _KNOWN:
                if name not in jobs:
                    Job.from_name(name)
                    jobs.add(name)
                yield date, Line(what, name, int(number), tuple(map(_pair, pairs)))
        except ValueError:  # not ours: a person's note, or damage; claims on the remote still guard
            continue


def _pair(text: str) -> tuple[str, str]:
    key, value = text.split("=", 1)
    return key, value


def read(path: Path) -> dict[str, Tried]:
    """The last attempt of each job."""
    tried: dict[str, Tried] = {}
    for date, line in lines(path):
        _note(tried, date, line)
    return tried


def _note(tried: dict[str, Tried], date: str, line: Line) -> None:
    what, name, number, pairs = line.what, line.name, line.number, dict(line.pairs)
    if what == "intent":
        if "token" in pairs and (name not in tried or tried[name].number < number):
            after = tuple(filter(None, pairs.get("after", "").split(",")))
            tried[name] = Tried(number, pairs["token"], after=after)
        return
    last = tried.get(name)
    if last is None or last.number != number:
        return
    if what == "accepted":  # perhaps late, after it was given up as unsure
        last.jobid, last.accepted, last.verdict = pairs.get("jobid", ""), date, ""
    elif what in SETTLED:
        last.verdict, last.left = what, "left" in pairs
    elif what == "running":
        last.ran = True
    elif what == "left":
        last.left = True
