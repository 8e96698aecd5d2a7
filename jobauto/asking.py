"""What each job asks of its scheduler: as directives at `__HEADER__`, else as options of `submit`.

A job's own `qsub.resources.<id>` wins over the options of the run; the text of --qsubheader wins
over both where a script has `__HEADER__`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from jobauto.errors import UserError, near, raise_all
from jobauto.model import Job
from jobauto.quoting import shown
from jobauto.resources import KEYS, TOKEN_KEYS, Inexpressible, Resources, Wants, parse, tokens
from jobauto.schedulers import Dialect

#: the first line of a header: a script with it asks itself for all that is asked for
MARK = "# what jobmon asks for:"


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked for by each job of a run, in the words of its scheduler.

    `file` is the text of --qsubheader; `moved` the queue to which a person moved a job, or ('')
    all jobs. Without a `dialect` it is not known yet which scheduler
    that is, and what is asked for has no words. `limits`: how many there are of tokens of which
    there is more than one.
    """

    common: Resources
    dialect: Dialect | None = None
    file: str | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    def header(self, root: Path, job: Job) -> str | None:
        """The text for `__HEADER__`; None if there is none. UserError as in `options`."""
        asked = self._asked(root, job)
        if not asked:
            return self.file
        lines = self._said(root, job, asked)[0] if self.file is None else [self.file]
        return "\n".join([MARK, *lines])

    def options(self, root: Path, job: Job, script: str | None = None) -> list[str]:
        """Words for the submission of `job`; none if its script has a header from here.

        `script`: its text, if it is not yet what lies below `root`. Raises UserError for what
        cannot be read, and for what this scheduler has no words for.
        """
        moved = Resources(queue=self.moved.get(job.name) or self.moved.get("", ""))
        asked = moved.over(self._asked(root, job))
        if asked and script is None:
            script = (root / job.name).read_text("utf-8", "surrogateescape")
        return self._said(root, job, moved if script and MARK in script else asked)[1]

    def _asked(self, root: Path, job: Job) -> Resources:
        return read(root, job).resources.over(self.common)

    def _said(self, root: Path, job: Job, asked: Resources) -> tuple[list[str], list[str]]:
        """Lines of directives, and words on the command line."""
        if not asked or not self.dialect:
            return [], []
        try:
            options = self.dialect.options(asked)
            return self.dialect.header(asked), [word for option in options for word in option]
        except Inexpressible as error:
            own = getattr(read(root, job).resources, error.key)
            where = shown(job.resources) if own else f"--{error.key}"
            what = f"{self.dialect.name} cannot express {error.key}: {error.why}"
            raise UserError(what, where, "leave it out, or say it in the script itself") from None

    def problems(self, root: Path, jobs: Iterable[Job]) -> list[UserError]:
        """All that is wrong with what the jobs below `root` ask for; said once if it is of all."""
        found: dict[str, UserError] = {}
        for job in jobs:
            try:
                self._said(root, job, self._asked(root, job))
                self._check_wants(job, read(root, job).wants)
            except UserError as error:
                found.setdefault(str(error), error)
        return list(found.values())

    def _check_wants(self, job: Job, wants: Wants) -> None:
        for token, number in wants.all.items():
            limit = limit_of(token, self.limits)
            if number > limit:
                hint = f"raise the limit: --tokens {token}={number}, or [tokens] in jobmon.toml"
                raise UserError(too_many(token, number, limit), shown(job.resources), hint)


def limit_of(token: str, limits: Mapping[str, int]) -> int:
    """How many of a token may be in use at once."""
    return limits.get(token, 1)


def too_many(token: str, number: int, limit: int) -> str:
    """That a job can never have its tokens."""
    return f"it wants {number} of {token}, of which there {'is' if limit == 1 else 'are'} {limit}"


class Asked(NamedTuple):
    """What `qsub.resources.<id>` asks for: of the scheduler, and of tokens."""

    resources: Resources
    wants: Wants


def read(root: Path, job: Job) -> Asked:
    """What `qsub.resources.<id>` of a job below `root` asks for; nothing if there is none.

    Raises UserError for each line that cannot be read.
    """
    try:
        text = (root / job.resources).read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return Asked(Resources(), Wants())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", shown(job.resources)) from None
    found, problems = Asked(Resources(), Wants()), []
    for number, line in enumerate(text.split("\n"), 1):
        key, _, value = (part.strip() for part in line.partition("="))
        if not key or key.startswith("#"):
            continue
        try:
            found = _taken(found, key, value.strip("\"'"))
        except KeyError:
            what = f"not `key = value` with a known key: {shown(line.strip())}"
            hint = near(key, [*KEYS, *TOKEN_KEYS])
            problems.append(UserError(what, f"{shown(job.resources)}:{number}", hint))
        except ValueError as error:
            problems.append(UserError(str(error), f"{shown(job.resources)}:{number}"))
    raise_all(problems)
    return found


def _taken(found: Asked, key: str, value: str) -> Asked:
    if key == "tokens":
        return found._replace(wants=replace(found.wants, tokens=tokens(value)))
    if key == "keep":
        return found._replace(wants=replace(found.wants, kept=tokens(value)))
    return found._replace(resources=parse({key: value}).over(found.resources))
