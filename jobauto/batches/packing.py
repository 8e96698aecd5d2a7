"""Making a batch: one zip of what differs from job to job, and each common file once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from jobauto import run
from jobauto.batches.contents import Contents, first_problem
from jobauto.errors import UserError
from jobauto.ledger.files import flush_folder, sha256
from jobauto.quoting import shown
from jobauto.remote.packing import MEMBER

TREE, COMMON = "tree", "common"
_CHUNK = 1 << 20
LARGE = 1 << 20  # bytes: from here on a common file is no copy in each job folder


def pack(
    tree: Path, target: Path, made: str, source: str, outputs: Sequence[str], apart: Sequence[str]
) -> Contents:
    """Write the zip `target` of an init tree; whole or not at all, and never over another file.

    UserError for a tree that could not be run, for links and names that cannot be in a batch.
    """
    jobs = len(run.check(tree)[0].jobs)
    found = dict(_files(tree))
    if MEMBER in found:
        raise UserError("this name belongs to the batch", str(tree / MEMBER), "rename the file")
    keys = defaultdict[str, list[str]](list)
    for path, file in found.items():
        keys[_key(file)].append(path)
    common = {key: tuple(paths) for key, paths in keys.items() if _is_common(key, paths)}
    own = sorted(found.keys() - {path for paths in common.values() for path in paths})
    try:
        contents = Contents(
            format=1,
            made=made,
            source=source,
            jobs=jobs,
            outputs=tuple(outputs),
            apart=tuple(apart),
            common=common,
            own=tuple(own),
            folders=tuple(_empty(tree)),
        )
    except ValidationError as error:
        raise UserError(first_problem(error), str(tree), "put this right") from None
    _write(target, contents, found)
    return contents


def _is_common(key: str, paths: Sequence[str]) -> bool:
    program = key.endswith("x") and not PurePosixPath(paths[0]).name.startswith("qsub.")
    return len(paths) > 1 or program


def _files(tree: Path) -> Iterator[tuple[str, Path]]:
    """All files below `tree`, by their path in it; links are followed to files of the tree."""
    inside = os.path.realpath(tree)
    for folder, below, names in os.walk(tree, onerror=_fail):
        below.sort()
        for name in sorted(names) + [name for name in below if Path(folder, name).is_symlink()]:
            file = Path(folder, name)
            path = file.relative_to(tree).as_posix()
            real = Path(os.path.realpath(file))
            if not real.is_file() or not real.is_relative_to(inside):
                what = "links to nothing, to a folder, or out of the tree"
                what = what if file.is_symlink() else "not a file"
                raise UserError(what, shown(str(file)), "copy what it means into the tree")
            _check_name(path, file)
            yield path, real


def _empty(tree: Path) -> Iterator[str]:
    for folder, below, names in os.walk(tree, onerror=_fail):
        below.sort()
        if not below and not names:
            path = Path(folder).relative_to(tree).as_posix()
            _check_name(path, Path(folder))
            yield path


def _fail(error: OSError) -> None:
    raise error  # otherwise os.walk would pass over a folder that cannot be read


def _check_name(path: str, where: Path) -> None:
    if not path.isprintable():
        raise UserError("control characters in the name", shown(str(where)), "rename it")


def _key(file: Path) -> str:
    state = os.stat(file)
    return sha256(file) + ("x" if state.st_mode & 0o100 else "r" if state.st_size >= LARGE else "")


def _write(target: Path, contents: Contents, found: dict[str, Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.") as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr(MEMBER, contents.model_dump_json(indent=1) + "\n")
            for key, paths in contents.common.items():
                if _add(made, found[paths[0]], f"{COMMON}/{key}") != key[:64]:
                    file = shown(str(found[paths[0]]))
                    raise UserError("it was changed while it was packed", file, "do it again")
            for path in contents.own:
                _add(made, found[path], f"{TREE}/{path}")
        temporary.flush()
        os.fsync(temporary.fileno())
        os.chmod(temporary.name, 0o644)
        try:
            os.link(temporary.name, target)  # unlike a rename, never over what is there
        except FileExistsError:
            raise UserError("there is such a batch", str(target), "choose another name") from None
    flush_folder(target.parent)


def _add(made: zipfile.ZipFile, file: Path, name: str) -> str:
    """Put a file into the zip; the sha256 of what is in it now."""
    digest = hashlib.sha256()
    info = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
    info.compress_type = zipfile.ZIP_DEFLATED
    with file.open("rb") as source, made.open(info, "w") as written:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            written.write(chunk)
    return digest.hexdigest()
