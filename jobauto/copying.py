"""The dated copy of a tree, and its scripts with their placeholders replaced."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobauto import placeholders
from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.quoting import decoded, encoded, shown
from jobauto.tree import PARTIAL, leads_out

_HINT = "put this right, then start again"
_SMALL = 1 << 16  # bytes that are copied at once


def partial(run: Path) -> Path:
    """Where the copy is made, beside the folder that it becomes when all is well."""
    return run.with_name(f".{run.name}{PARTIAL}")


@contextmanager
def copied(init: Path, run: Path, without: Container[str] = ()) -> Iterator[Path]:
    """A copy of `init`, to become `run`; removed if it has not by the end of the block. UserError.

    Files called as in `without`, by their paths below `init`, are left out; links are not.
    """
    copy, skipped = partial(run), len(f"{init}/")

    def put(source: str, target: str) -> None:
        if source[skipped:] not in without:
            _copy_file(source, target)

    with making(run):
        copy.mkdir()  # refused if another start in the same second has made it
    try:
        with making(run):
            shutil.copytree(init, copy, symlinks=True, copy_function=put, dirs_exist_ok=True)
        os.sync()  # it takes its time, but little when only the scripts are still to be written
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def making(run: Path) -> Iterator[None]:
    """UserError where the disk does not take the copy that `run` is to be."""
    try:
        yield
    except shutil.Error as error:
        file, _, why = error.args[0][0]
        raise UserError(f"cannot be copied: {why}", shown(str(file)), _HINT) from None
    except OSError as error:
        what = f"the dated copy cannot be made: {error.strerror or error}"
        raise UserError(what, str(run), _HINT) from error


def _copy_file(source: str, target: str) -> None:
    """As `shutil.copy2`, which does more for a small file than is needed."""
    status = os.stat(source)
    small = stat.S_ISREG(status.st_mode) and status.st_size < _SMALL
    if not small or (hasattr(os, "listxattr") and os.listxattr(source)):
        shutil.copy2(source, target)
        return
    _write_new(target, read(source), status.st_mode, (status.st_atime_ns, status.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class Filler:
    """What is put into scripts: `common` values, and the folders that `__cwd__` stands for.

    `header` gives the text for `__HEADER__` of a job below a root, or None.
    """

    common: Mapping[str, str]
    cwd: str
    keep: tuple[str, ...] = ()
    run_name: str = ""
    header: Callable[[Path, Job], str | None] = lambda _root, _job: None

    def values(self, job: Job) -> dict[str, str]:
        folder = job.folder.rsplit("/", 1)[-1] or self.run_name
        cwd = f"{self.cwd}/{job.folder}" if job.folder else self.cwd
        return {**self.common, "jobname": folder, "cwd": cwd}

    def text(self, root: Path, job: Job) -> tuple[str, list[UserError]]:
        """The script of `job` below `root` as it is to be submitted, and what is left over."""
        path = f"{root}/{job.name}"
        outside = leads_out(root, path)
        if outside:
            return "", [outside]
        before = decoded(read(path))
        if "__" not in before:
            return before, []
        values = self.values(job)
        if "__HEADER__" in before:
            try:
                header = self.header(root, job)
            except UserError as error:
                return "", [error]
            values |= {"HEADER": header} if header is not None else {}
        after = placeholders.expand(before, values)
        problems = [
            UserError(
                f"placeholder __{name}__ is left over",
                f"{shown(job.name)}:{line}",
                placeholders.hint(name),
            )
            for line, name in placeholders.left_over(after, self.keep)
        ]
        return after, problems

    def fill(self, root: Path, job: Job, source: Path | None = None) -> list[UserError]:
        """Replace the placeholders of one script below `root`, where it stands.

        Its text is read from the tree `source` if given, as `root` does not have it yet, or as a
        link to another script, which may be filled already, with the values of another folder.
        """
        path, origin = f"{root}/{job.name}", f"{source or root}/{job.name}"
        after, problems = self.text(source or root, job)
        data = encoded(after)
        if problems:
            return problems
        status, times, mode = os.stat(origin), None, 0o200
        if status.st_size == len(data) and not os.path.islink(origin) and read(origin) == data:
            if source is None:
                return []
            times, mode = (status.st_atime_ns, status.st_mtime_ns), 0
        try:
            _write_new(path, data, status.st_mode | mode, times)
        except FileExistsError:
            os.unlink(path)  # a link (folders may share a script; each gets its own), or read-only
            _write_new(path, data, status.st_mode | mode, times)
        return []


def own_dependency(root: Path, job: Job, source: Path) -> None:
    """Make the dependency file below `root` a file of its own if it is a link; as in `source`."""
    path = f"{root}/{job.dependency}"
    if os.path.islink(path):
        text = read(f"{source}/{job.dependency}")
        os.unlink(path)
        _write_new(path, text)


def read(path: str) -> bytes:
    """All that is in a file. With 100,000 small ones, what `open` does by the way takes longer."""
    file = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(file, _SMALL):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(file)


def _write_new(
    path: str, data: bytes, mode: int | None = None, times: tuple[int, int] | None = None
) -> None:
    # fails if there is anything: a link is never written through
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        while data:  # all at once, unless the disk is full, as the next write then says
            data = data[os.write(file, data) :]
        if mode is not None:
            os.fchmod(file, stat.S_IMODE(mode))
        if times is not None:
            os.utime(file, ns=times)
    finally:
        os.close(file)
