"""The books of a fake cluster: a database in which each job that was ever taken has its line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from accents.base import Job

from jobauto.model import Queued

_TABLE = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS jobs
    (number INTEGER PRIMARY KEY AUTOINCREMENT, ended INTEGER, job, work);
CREATE INDEX IF NOT EXISTS queue ON jobs (number) WHERE ended = 0;
"""


@dataclass(frozen=True)
class Work:
    """What a job does: text for /bin/sh, its environment, its files for stdout and stderr."""

    command: str
    environment: Mapping[str, str]
    out: str
    err: str


class Books:
    """All jobs of a cluster. Several processes may have them open at once."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._rows = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._rows.execute("PRAGMA synchronous = OFF")

    @classmethod
    def new(cls, path: Path | str = ":memory:") -> Books:
        """Open them, and begin them if there are none."""
        books = cls(path)
        books._rows.executescript(_TABLE)
        return books

    @contextmanager
    def change(self) -> Iterator[None]:
        """Nobody else writes meanwhile."""
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        self._rows.execute("COMMIT")

    @property
    def version(self) -> int:
        """Another number after another process has changed something."""
        version: int = self._rows.execute("PRAGMA data_version").fetchone()[0]
        return version

    def add(self, job: Job, work: Work) -> Job:
        row = self._rows.execute(
            "INSERT INTO jobs (ended, work) VALUES (0, ?)", [json.dumps(asdict(work))]
        )
        assert row.lastrowid
        job = replace(job, number=row.lastrowid)
        self.put(job)
        return job

    def put(self, job: Job) -> None:
        said = json.dumps(asdict(job) | {"state": job.state.value})
        row = [job.ended is not None, said, job.number]
        self._rows.execute("UPDATE jobs SET ended = ?, job = ? WHERE number = ?", row)

    def queue(self) -> list[Job]:
        """Those that have not ended, oldest first."""
        return self._jobs("ended = 0")

    def all(self) -> list[Job]:
        """Those that were ever taken."""
        return self._jobs("1")

    def find(self, number: int) -> Job | None:
        return next(iter(self._jobs(f"number = {number:d}")), None)

    def work(self, number: int) -> Work:
        select = "SELECT work FROM jobs WHERE number = ?"
        return Work(**json.loads(self._rows.execute(select, [number]).fetchone()[0]))

    def _jobs(self, where: str) -> list[Job]:
        rows = self._rows.execute(f"SELECT job FROM jobs WHERE {where} ORDER BY number")
        said = (json.loads(row[0]) for row in rows)
        return [Job(**fields | {"state": Queued(fields["state"])}) for fields in said]
