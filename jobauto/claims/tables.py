"""The tables of shared tasks. Times are seconds since 1970 by the database's own clock."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION = 2  # the last step in migrations/; an older client must not touch newer tables

FREE, CLAIMED, SUBMITTING, SUBMITTED = "free", "claimed", "submitting", "submitted"
FINISHED, SKIPPED = "finished", "skipped"
FAILED, KILLED, UNSURE = "failed", "killed", "unsure"
DONE, BAD = (FINISHED, SKIPPED), (FAILED, KILLED, UNSURE)
VERDICTS = (*DONE, *BAD)
#: states in which a job belongs to its holder and has no verdict
OPEN = (CLAIMED, SUBMITTING, SUBMITTED)
#: states of which a person may say that the job is somebody's no more
HELD = (*OPEN, UNSURE)

metadata = MetaData()
_id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only an INTEGER by itself


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


version = Table("jobauto_version", metadata, Column("version_num", String(32), primary_key=True))

task = Table(
    "task",
    metadata,
    Column("id", _id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

# `free_from`: from when on anybody may take it: 0 if it is free, the end of the lease if it is
# claimed, null otherwise. So one index finds what can be taken, however many jobs there are.
job = Table(
    "job",
    metadata,
    Column("id", _id, primary_key=True),
    Column("task_id", ForeignKey("task.id"), nullable=False),
    Column("name", Text, nullable=False),
    _text("dataset"),
    _text("folder"),
    Column("state", Text, nullable=False, server_default=FREE),
    Column("free_from", Double, server_default="0"),
    _text("token"),
    _text("person"),
    _text("site"),
    _text("run"),
    _text("jobid"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("taken", Double),
    Column("submitted", Double),
    Column("ended", Double),
    UniqueConstraint("task_id", "name"),
)
_takeable = text("free_from IS NOT NULL")
_open = text("state IN ('claimed', 'submitting', 'submitted')")
Index(
    "job_takeable",
    *(job.c.task_id, job.c.free_from, job.c.id),
    postgresql_where=_takeable,
    sqlite_where=_takeable,
)
Index("job_folder", job.c.task_id, job.c.folder, job.c.id)
Index(
    "job_open",
    *(job.c.task_id, job.c.run),
    postgresql_where=_open,
    sqlite_where=_open,
)

#: what became of each claim that was submitted and has come to an end
attempt = Table(
    "attempt",
    metadata,
    Column("token", Text, primary_key=True),
    Column("job_id", ForeignKey("job.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("state", "person", "site", "run", "jobid")),
    *(Column(name, Double) for name in ("taken", "submitted", "ended")),
)
