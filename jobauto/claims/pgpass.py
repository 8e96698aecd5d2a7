"""Lines of ~/.pgpass, from which libpq takes passwords."""

from __future__ import annotations

import re

from jobauto.claims.accounts import Account

# host, port, database, person, password; a backslash stands before `:` and before another
_LINE = re.compile(r"((?:(?:\\.|[^:\\])*:){4})((?:\\.|[^:\\\r\n])*)")


def line(account: Account) -> str:
    """The line for an account."""
    fields = (account.host, account.port, account.database, account.person, account.password)
    return ":".join(_escaped(str(field)) for field in fields)


def replaced(text: str, account: Account, used: str) -> str | None:
    """The text of a file with the account's password where it gave `used`; None if it did not."""
    lines = text.splitlines(keepends=True)
    for number, each in enumerate(lines):
        found = None if each.startswith("#") else _LINE.match(each)
        if found is None or not _fits(found[1], account):
            continue
        if _plain(found[2]) != used:
            return None  # libpq takes the first that fits: it had this password from elsewhere
        lines[number] = found[1] + _escaped(account.password) + each[found.end() :]
        return "".join(lines)
    return None


def _fits(fields: str, account: Account) -> bool:
    wanted = (account.host, account.port, account.database, account.person)
    found = re.findall(r"((?:\\.|[^:\\])*):", fields)
    return all(
        f in ("*", str(w)) or _plain(f) == str(w) for f, w in zip(found, wanted, strict=True)
    )


def _escaped(field: str) -> str:
    return re.sub(r"([:\\])", r"\\\1", field)


def _plain(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field)
