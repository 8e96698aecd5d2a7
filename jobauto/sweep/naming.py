"""Names of job folders, such as `t100_s20_r1`; none depends on what other points there are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from jobauto.sweep.numbers import written
from jobauto.sweep.points import Point, varied
from jobauto.sweep.spec import Spec

LONGEST, DIGEST = 40, 10
_LOSSY = re.compile(r"[^A-Za-z0-9.+-]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def names(spec: Spec, points: Sequence[Point]) -> list[str]:
    """A name for each point, of the varied variables and the repeat, at most 40 characters."""
    keys = shown_keys(spec)
    short = prefixes(keys)
    return [_name(point, keys, short) for point in points]


def shown_keys(spec: Spec) -> list[str]:
    """What tells the points of a sweep apart: the varied variables, and `repeat`."""
    return [*varied(spec), *(["repeat"] if spec.repeat else [])]


def prefixes(names: Sequence[str]) -> dict[str, str]:
    """The shortest beginning of each name that no other one has, or all of it."""
    found = {}
    for name in names:
        lengths = range(1, len(name) + 1)
        others = [other for other in names if other != name]
        alone = (n for n in lengths if not any(other.startswith(name[:n]) for other in others))
        found[name] = name[: next(alone, len(name))]
    return found


def _name(point: Point, keys: Sequence[str], short: dict[str, str]) -> str:
    if not keys:
        return "job"
    values = [point.repeat if key == "repeat" else point.values[key] for key in keys]
    texts = [written(value) for value in values]
    whole = "_".join(short[key] + text for key, text in zip(keys, texts, strict=True))
    clean = "_".join(
        short[key] + _LOSSY.sub("-", text) for key, text in zip(keys, texts, strict=True)
    )
    if clean == whole and len(clean) <= LONGEST:
        return clean
    return f"{clean[: LONGEST - DIGEST - 1]}_{digest(texts)}"


def digest(texts: Sequence[str]) -> str:
    """Ten letters of all these texts. Six would meet twice in one of six sweeps of 10,000 jobs."""
    number = int.from_bytes(hashlib.sha256("\0".join(texts).encode()).digest())
    return "".join(_LETTERS[number // 26**n % 26] for n in range(DIGEST))
