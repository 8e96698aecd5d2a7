"""Version 1: tasks, their jobs, and what became of claims."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "task",
        sa.Column("id", _id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "job",
        sa.Column("id", _id, primary_key=True),
        sa.Column("task_id", _id, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *_texts("dataset", "folder", server_default=""),
        sa.Column("state", sa.Text, nullable=False, server_default="free"),
        sa.Column("free_from", sa.Double, server_default="0"),
        *_texts("token", "person", "site", "run", "jobid", server_default=""),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        *(sa.Column(name, sa.Double) for name in ("taken", "submitted", "ended")),
        sa.UniqueConstraint("task_id", "name"),
    )
    op.create_index("job_folder", "job", ["task_id", "folder", "id"])
    _partly("job_takeable", ["task_id", "free_from", "id"], "free_from IS NOT NULL")
    _partly("job_open", ["task_id", "run"], "state IN ('claimed', 'submitting', 'submitted')")
    op.create_table(
        "attempt",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("job_id", _id, sa.ForeignKey("job.id"), nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        *_texts("state", "person", "site", "run", "jobid"),
        *(sa.Column(name, sa.Double) for name in ("taken", "submitted", "ended")),
    )


def _texts(*names: str, server_default: str | None = None) -> list[sa.Column[str]]:
    return [sa.Column(n, sa.Text, nullable=False, server_default=server_default) for n in names]


def _partly(name: str, columns: list[str], where: str) -> None:
    which = sa.text(where)
    op.create_index(name, "job", columns, postgresql_where=which, sqlite_where=which)
