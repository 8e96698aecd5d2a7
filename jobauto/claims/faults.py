"""What a database or its driver complains of, in our words, and never with a password."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

from sqlalchemy import exc
from sqlalchemy.engine import URL

from jobauto import quoting
from jobauto.errors import DatabaseError, DatabaseRefused, NoDatabase, WrongVersion

_LONGEST = 300  # characters of a complaint
INIT = "they are made in an empty database by: jobauto db init"

_REFUSED = re.compile(
    r"password|authentication|pg_hba|permission denied|row-level security|readonly database"
    r"|file is not a database|(role|database) .* does not exist|SSL|not permitted to log in",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(r"no such (table|column)|(relation|column) .* does not exist")
# SQLSTATE, by its beginning: who may, and what there is not
_REFUSED_CODES = ("28", "42501", "3D", "25006")
_NOT_OURS_CODES = ("42P01", "42703")


def shown(url: URL) -> str:
    """The URL of a database as people may see it: no password, nothing behind `?`."""
    return url.set(query={}).render_as_string(hide_password=True)


def secrets(url: URL) -> list[str]:
    """What no message may hold, in the forms in which it might stand there."""
    values = [str(url.password)] if url.password is not None else []
    for key, found in url.query.items():
        if "password" in key or "passfile" in key:
            values += [found] if isinstance(found, str) else found
    forms = {form for v in values if v for form in (v, quote(v, safe=""), quote_plus(v), repr(v))}
    return sorted(forms, key=len, reverse=True)


def ours(error: exc.SQLAlchemyError, url: URL) -> DatabaseError:
    """The error of ours that tells of one of the driver's or of SQLAlchemy's."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    said, where = _said(str(cause), url), shown(url)
    code = getattr(cause, "sqlstate", None) or ""
    if code.startswith(_NOT_OURS_CODES) or (not code and _NOT_OURS.search(said)):
        return WrongVersion(f"it has no tables of ours: {said}", where, INIT)
    if code.startswith(_REFUSED_CODES) or (not code and _REFUSED.search(said)):
        return DatabaseRefused(f"it refused: {said}", where, "ask its owner; see ~/.pgpass")
    # out of order, out of room, shut down, cancelled, a deadlock: another time it may do
    if code.startswith(("08", "40", "53", "55", "57", "58")) or _passing(error):
        return NoDatabase(f"no answer: {said}", where, "nothing was changed, or it is told later")
    return DatabaseError(f"unexpected: {said}", where)


def _passing(error: exc.SQLAlchemyError) -> bool:
    return isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError)


def _said(text: str, url: URL) -> str:
    for secret in secrets(url):
        text = text.replace(secret, "***")
    return quoting.shown(" ".join(text.split())[:_LONGEST])
