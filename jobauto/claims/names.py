"""Names of jobs as texts of a database, which takes no wrong bytes."""

from __future__ import annotations

import re

from jobauto import quoting
from jobauto.errors import UserError

LONGEST = 2000  # bytes of UTF-8; what an index of PostgreSQL can hold is a little more


def stored(name: str) -> str:
    """A name as it stands in the database; UserError if it is too long for that."""
    text = name.replace("\\", "\\\\")
    text = re.sub("[\udc80-\udcff]", lambda odd: f"\\x{ord(odd[0]) - 0xDC00:02x}", text)
    if len(text.encode()) > LONGEST:
        raise UserError(f"a name of more than {LONGEST} bytes", quoting.shown(name[:60]))
    return text


def read(text: str) -> str:
    """The inverse of `stored`."""

    def one(found: re.Match[str]) -> str:
        return chr(0xDC00 + int(found[1], 16)) if found[1] else "\\"

    return re.sub(r"\\(?:\\|x([89a-f][0-9a-f]))", one, text)
