"""What a job asks of its scheduler, in one vocabulary for all of them.

The same keys are options, keys of `jobmon.toml`, and lines of a job's `qsub.resources.<id>`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

from jobauto.quoting import shown

_CLOCK = re.compile(r"(?:(\d+)-)?(\d{1,6}):(\d\d):(\d\d)")
_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MEMORY = re.compile(r"(\d+)\s*([KMGT])(?:i?B)?", re.IGNORECASE)
_CORES = re.compile(r"(?:([A-Za-z_][\w.-]*):)?([1-9]\d{0,5})")
_NAME = re.compile(r"[A-Za-z0-9_][\w.@:/,+=-]*")
_TOKEN = re.compile(r"([A-Za-z0-9_][\w.:@+-]*)(?:\*([1-9]\d{0,5}))?")


@dataclass(frozen=True, slots=True)
class Resources:
    """What to ask for; empty or 0 asks for nothing.

    `walltime` in seconds; `memory` of the whole job in MiB; `cores` on one machine, with the
    parallel environment `environment` where a scheduler has such a thing (Grid Engine).
    """

    queue: str = ""
    walltime: int = 0
    cores: int = 0
    environment: str = ""
    memory: int = 0
    account: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    def over(self, other: Resources) -> Resources:
        """These, and those of `other` for which nothing is asked here."""
        mine = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}
        if self.cores:
            mine["environment"] = self.environment
        return replace(other, **mine)


@dataclass(frozen=True, slots=True)
class Wants:
    """Tokens that a job needs while it is in flight, and those that its folder keeps until all of
    its jobs that keep them are over: name to how many. See jobauto.tokens."""

    tokens: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tokens or self.kept)

    @property
    def all(self) -> Mapping[str, int]:
        """What has to be free for the job to start."""
        if not self.kept or not self.tokens:
            return self.tokens or self.kept
        more = {token: self.tokens.get(token, 0) + n for token, n in self.kept.items()}
        return {**self.tokens, **more}


class Inexpressible(ValueError):
    """A scheduler has no way to ask for this: the key, and why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key, self.why = key, why


def seconds(text: str) -> int:
    """`1-12:00:00`, `36:00:00`, `36h`, `90m`, `2d`: in seconds.

    ValueError for anything else: `30` and `30:00` mean one thing here and another there.
    """
    span, clock = _SPAN.fullmatch(text), _CLOCK.fullmatch(text)
    if span:
        found = int(span[1]) * _SECONDS[span[2]]
    elif clock:
        days, hours, minutes, secs = (int(part or 0) for part in clock.groups())
        found = ((days * 24 + hours) * 60 + minutes) * 60 + secs
    else:
        raise ValueError("give it as 36:00:00 (hours:minutes:seconds), 90m, 36h or 2d")
    if found <= 0:
        raise ValueError("must be more than nothing")
    return found


def mebibytes(text: str) -> int:
    """`8G`, `500M`, `1T`, `8GB`, `8GiB`: in MiB, rounded up. ValueError for anything else."""
    match = _MEMORY.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError("give it with its unit, as 8G or 500M")
    kibibytes: int = int(match[1]) * 1024 ** "KMGT".index(match[2].upper())
    return -(-kibibytes // 1024)


def tokens(text: str) -> dict[str, int]:
    """`model:1 licence*2`: token to how many of it. ValueError names a word that is none."""
    found: Counter[str] = Counter()
    for word in text.split():
        match = _TOKEN.fullmatch(word)
        if not match:
            raise ValueError(f"{shown(word)} is no token: give name, or name*NUMBER")
        found[match[1]] += int(match[2] or 1)
    return dict(found)


def _name(key: str) -> Callable[[str], dict[str, str | int]]:
    def read(text: str) -> dict[str, str | int]:
        if not _NAME.fullmatch(text):
            raise ValueError("letters, digits and _ . @ : / , + = - only")
        return {key: text}

    return read


def _cores(text: str) -> dict[str, str | int]:
    match = _CORES.fullmatch(text)
    if not match:
        raise ValueError("give a number, or environment:number for Grid Engine, as mpi:16")
    return {"cores": int(match[2]), "environment": match[1] or ""}


#: how the value of each key is read: its text to fields of Resources, or ValueError
KEYS: Mapping[str, Callable[[str], dict[str, str | int]]] = {
    "queue": _name("queue"),
    "walltime": lambda text: {"walltime": seconds(text)},
    "cores": _cores,
    "memory": lambda text: {"memory": mebibytes(text)},
    "account": _name("account"),
}
#: keys of `qsub.resources.<id>` whose values are tokens
TOKEN_KEYS = ("tokens", "keep")


def parse(values: Mapping[str, str]) -> Resources:
    """The resources that these texts ask for; ValueError names the key."""
    found: dict[str, str | int] = {}
    for key, text in values.items():
        try:
            found |= KEYS[key](text)
        except ValueError as error:
            raise ValueError(f"{key} {shown(text)!r}: {error}") from None
    return Resources(**found)  # type: ignore[arg-type]
