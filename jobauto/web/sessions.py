"""Who may come in: by a token, or by a session in a cookie that a token or a link has opened.

A link is good for one login: it holds until when it is good and a number that is used once, signed
with a token, so the program that prints it needs no answer from the server.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from jobauto.quoting import encoded

FILE = "http.json"  # in .jobauto: where a run is served, and the tokens
MINUTES = 10  # that a link is good for
LONGEST = 7 * 24 * 3600.0  # seconds of a session
MOST = 64  # sessions; another one ends the oldest


class Role(Enum):
    """What a token allows."""

    NOBODY = "nobody"
    READER = "reader"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two secrets of a server."""

    owner: str
    reader: str

    @classmethod
    def new(cls, owner: str = "") -> Tokens:
        """Random ones, but for that of the owner where the person chose it."""
        return cls(owner or secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    def role(self, given: str) -> Role:
        """Whose token this is. It takes as long for any token of the same length."""
        data = encoded(given)
        owner = hmac.compare_digest(data, self.owner.encode())
        reader = hmac.compare_digest(data, self.reader.encode())
        return Role.OWNER if owner else Role.READER if reader else Role.NOBODY


def ticket(token: str, now: float) -> str:
    """What a link ends in: good for one login within `MINUTES` of `now` (seconds since 1970)."""
    text = f"{int(now) + 60 * MINUTES}.{secrets.token_urlsafe(12)}"
    return f"{text}.{_signed(token, text)}"


def _signed(token: str, text: str) -> str:
    return hmac.new(token.encode(), encoded(text), hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Sessions:
    """Those who have logged in. `now`: seconds since 1970; `elapsed`: seconds that never jump."""

    tokens: Tokens
    now: Callable[[], float]
    elapsed: Callable[[], float]
    _open: dict[bytes, tuple[Role, float]] = field(default_factory=dict)  # digest -> until when
    _used: dict[str, float] = field(default_factory=dict)  # tickets, until they are void anyway

    def enter(self, secret: str) -> str | None:
        """The new session of one who shows a token or a ticket; None for any other text."""
        role = self.tokens.role(secret)
        if role is Role.NOBODY:
            role = self._of_ticket(secret)
        if role is Role.NOBODY:
            return None
        if len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        session = secrets.token_urlsafe(24)
        self._open[_digest(session)] = (role, self.elapsed() + LONGEST)
        return session

    def leave(self, session: str) -> None:
        """End a session."""
        self._open.pop(_digest(session), None)

    def role(self, session: str) -> Role:
        """What a session allows. It is looked up by its digest, so timing tells nothing of it."""
        role, until = self._open.get(_digest(session), (Role.NOBODY, 0.0))
        return role if self.elapsed() < until else Role.NOBODY

    def _of_ticket(self, given: str) -> Role:
        text, _, signature = given.rpartition(".")
        until = text.partition(".")[0]
        role = Role.NOBODY
        for token, whose in ((self.tokens.owner, Role.OWNER), (self.tokens.reader, Role.READER)):
            if hmac.compare_digest(_signed(token, text).encode(), encoded(signature)):
                role = whose
        now = self.now()
        self._used = {used: end for used, end in self._used.items() if end > now}
        if role is Role.NOBODY or text in self._used or float(until) <= now:
            return Role.NOBODY
        self._used[text] = float(until)
        return role


def _digest(session: str) -> bytes:
    return hashlib.sha256(encoded(session)).digest()
