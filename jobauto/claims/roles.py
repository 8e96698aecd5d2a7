"""Roles of PostgreSQL: the group of a database, its rights, and the people in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, func, select, text

from jobauto.errors import UserError

_LONGEST = 63  # bytes of a name; PostgreSQL cuts off the rest

_GRANTS = """
GRANT CONNECT ON DATABASE {database} TO {group};
GRANT USAGE ON SCHEMA {schema} TO {group};
GRANT SELECT ON jobauto_version, task, job, attempt TO {group};
GRANT INSERT (name) ON task TO {group};
GRANT INSERT (task_id, name, dataset, folder) ON job TO {group};
GRANT UPDATE (state, free_from, token, person, site, run, jobid, attempts, taken, submitted, ended)
    ON job TO {group};
GRANT INSERT, UPDATE (state, ended) ON attempt TO {group};
GRANT USAGE ON SEQUENCE task_id_seq, job_id_seq TO {group}
"""


@dataclass(frozen=True, slots=True)
class Role:
    """What a role is to a database: `ours` if it was made for a person of it."""

    login: bool
    member: bool
    ours: bool

    @property
    def active(self) -> bool:
        """A person who may come in."""
        return self.ours and self.member and self.login


def look(connection: Connection, name: str) -> Role | None:
    """The role of this name; None if there is none."""
    which = text(
        "SELECT rolcanlogin, EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g "
        "ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname = :group), "
        "shobj_description(oid, 'pg_authid') IS NOT DISTINCT FROM :mark "
        "FROM pg_roles r WHERE rolname = :name"
    )
    values = {"name": name, "group": group(connection), "mark": _mark(connection)}
    row = connection.execute(which, values).one_or_none()
    return None if row is None else Role(*row)


def people(connection: Connection) -> list[str]:
    """Who may come in, in the order of the alphabet."""
    members = text(
        "SELECT m.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
        "JOIN pg_roles g ON g.oid = roleid WHERE g.rolname = :group AND m.rolcanlogin "
        "ORDER BY m.rolname"
    )
    return list(connection.scalars(members, {"group": group(connection)}))


def make_group(connection: Connection) -> None:
    """Make the group if it is not there, and give it its rights. UserError if it is a person's."""
    name = group(connection)
    role = look(connection, name)
    if role is None:
        do(connection, "CREATE ROLE {group} NOLOGIN", group=sql.Identifier(name))
    elif role.login:
        raise UserError(f"the role {name} is somebody's, not the group of this database")
    grant(connection)


def make(connection: Connection, name: str) -> None:
    """Make the role of a person, who cannot come in yet."""
    mark = sql.Literal(_mark(connection))
    do(connection, "CREATE ROLE {name} NOLOGIN", name=sql.Identifier(name))
    do(connection, "COMMENT ON ROLE {name} IS {mark}", name=sql.Identifier(name), mark=mark)


def let_in(connection: Connection, name: str) -> None:
    """Put a role into the group, and let it log in."""
    parts = {"name": sql.Identifier(name), "group": sql.Identifier(group(connection))}
    do(connection, "GRANT {group} TO {name}", **parts)
    do(connection, "ALTER ROLE {name} LOGIN", **parts)


def shut_out(connection: Connection, name: str) -> None:
    """The inverse of `let_in`; sessions that there are go on."""
    parts = {"name": sql.Identifier(name), "group": sql.Identifier(group(connection))}
    do(connection, "ALTER ROLE {name} NOLOGIN", **parts)
    do(connection, "REVOKE {group} FROM {name}", **parts)


def grant(connection: Connection) -> None:
    """Give the group its rights to the tables as they are now."""
    names = connection.execute(select(func.current_database(), func.current_schema())).one()
    of = dict(zip(("database", "schema", "group"), (*names, group(connection)), strict=True))
    parts = {key: sql.Identifier(name) for key, name in of.items()}
    for statement in _GRANTS.strip().split(";\n"):
        do(connection, statement, **parts)


def set_password(connection: Connection, name: str, password: str) -> None:
    """Only its SCRAM hash is sent, so that no log of the server holds it."""
    hashing = driver(connection).pgconn.encrypt_password
    said = hashing(password.encode(), name.encode(), b"scram-sha-256").decode()
    parts = {"name": sql.Identifier(name), "said": sql.Literal(said)}
    do(connection, "ALTER ROLE {name} PASSWORD {said}", **parts)


def end_sessions(connection: Connection, name: str) -> int:
    """End those of a role; how many there were."""
    may = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    ending = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = :name"
    )
    person = sql.Identifier(name)
    joins = not connection.scalar(may)  # only a member may, so we are one for a moment
    if joins:
        do(connection, "GRANT {person} TO CURRENT_USER", person=person)
    ended = int(connection.scalar(ending, {"name": name}) or 0)
    if joins:
        do(connection, "REVOKE {person} FROM CURRENT_USER", person=person)
    return ended


def group(connection: Connection) -> str:
    """The group of all people of the database: `jobauto_DATABASE`."""
    name = f"jobauto_{connection.scalar(select(func.current_database()))}"
    if len(name.encode()) > _LONGEST:
        name = f"jobauto_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return name


def driver(connection: Connection) -> Any:
    """The connection as psycopg has it."""
    return connection.connection.driver_connection


def do(connection: Connection, statement: str, **parts: sql.Composable) -> None:
    """Run a statement that takes no parameters: names are put into it, quoted."""
    made = sql.SQL(statement).format(**parts).as_string(driver(connection))
    connection.exec_driver_sql(made, execution_options={"no_parameters": True})


def _mark(connection: Connection) -> str:
    return f"a person of the jobauto database {connection.scalar(select(func.current_database()))}"
