"""Version 2: on PostgreSQL, who may change which rows. A table's owner may all.

Only to whom the owner granted something can do anything (`claims.accounts`); of that, the policies
leave what is theirs.
"""

from alembic import op

revision = "2"
down_revision = "1"

_NOW = "CAST(extract(epoch FROM now()) AS double precision)"
_FREE = "person = '' AND state = 'free' AND free_from = 0"
# not current_user, which a person could make the group that all are in
_OURS = "person = CAST(session_user AS text)"
# nobody's; ours; of one whose lease has passed; to be tried again by whoever has room
_MAY_CHANGE = f"""person = '' OR {_OURS}
    OR (state = 'claimed' AND free_from <= {_NOW}) OR state IN ('failed', 'killed')"""
_MAY_BECOME = f"{_OURS} OR ({_FREE})"
# else one could take the token of another's claim, whose end could then not be written down
_OF_OUR_CLAIM = f"""{_OURS} AND EXISTS (SELECT FROM job WHERE job.id = attempt.job_id
    AND job.token = attempt.token AND job.person = attempt.person)"""

_STATEMENTS = f"""
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY job_read ON job FOR SELECT USING (true);
CREATE POLICY job_add ON job FOR INSERT WITH CHECK ({_FREE});
CREATE POLICY job_change ON job FOR UPDATE USING ({_MAY_CHANGE}) WITH CHECK ({_MAY_BECOME});
ALTER TABLE attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY attempt_read ON attempt FOR SELECT USING (true);
CREATE POLICY attempt_add ON attempt FOR INSERT WITH CHECK ({_OF_OUR_CLAIM});
CREATE POLICY attempt_change ON attempt FOR UPDATE USING ({_OURS}) WITH CHECK ({_OURS});
"""


def upgrade() -> None:
    """Switch row-level security on, where there is such a thing."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in _STATEMENTS.strip().split(";\n"):
            op.execute(statement.rstrip(";"))
