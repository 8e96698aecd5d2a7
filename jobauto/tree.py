"""Job folders on disk: finding jobs, the dated copy, and the scripts' placeholders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from jobauto import placeholders
from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.quoting import shown

# What the monitor itself writes into a run folder; never copied in, mirrored or fetched.
OWN_FILES = ("quelist", "qsub.now", "qsub.log", "qstat", "kill", "jobmon.log", ".jobauto")
_OWN_IDS = {"now", "log"}  # qsub.now and qsub.log of the run folder
_NO_IDS = {"dependency", "finished", "resources", "inputs", "outputs"}
# what else a job may have, as `qsub.<word>.<id>`
_BESIDE = {word: attrgetter(word) for word in ("resources", "inputs", "outputs")}
PARTIAL = ".partial"
# in the run folder of an inbox: only `qsub.job` of each folder directly below is a job, until that
# has ENDED as well; what else people and programs put there is theirs
FLAT, ENDED = ".jobauto/inbox.json", "qsub.ended.job"
# In bytes. A file name has at most 255, of which `qsub.dependency.` takes 16; the rest is for
# suffixes of outputs and of temporary files. A path has 4095, with the run's own folder.
LONGEST_ID, LONGEST_NAME = 220, 3000
DEEPEST = 100

Signature = tuple[int, int, int]


@dataclass(slots=True)
class Tree:
    """What was found: jobs, signatures of their scripts and other files, markers, mistakes.

    A signature is (ctime in ns, size, inode): it changes with every edit and cannot be faked.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    scripts: dict[str, Signature] = field(default_factory=dict)
    dependencies: dict[str, Signature] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    problems: list[UserError] = field(default_factory=list)
    resources: dict[str, Signature] = field(default_factory=dict)


def scan(root: Path) -> Tree:
    """Find all jobs below `root`. Linked folders and names that begin with a dot are skipped."""
    tree = Tree()
    flat = (root / FLAT).is_file()
    for folder, files in _folders(root, "", tree.problems, flat):
        if flat and (not folder or ENDED in files):
            continue
        ours = {n: e for n, e in files.items() if n.endswith(".job")} if flat else files
        _scan_folder(tree, root, folder, ours)
    return tree


def _folders(
    root: Path, folder: str, problems: list[UserError], flat: bool = False
) -> Iterator[tuple[str, dict[str, os.DirEntry[str]]]]:
    files: dict[str, os.DirEntry[str]] = {}
    below: list[str] = []
    if folder.count("/") >= DEEPEST or len(os.fsencode(folder)) > LONGEST_NAME:
        what = f"the path is too long (at most {DEEPEST} folders deep and {LONGEST_NAME} bytes)"
        problems.append(UserError(what, f"{shown(folder)[:80]}...", "use fewer or shorter folders"))
        return
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below.append(f"{folder}/{entry.name}" if folder else entry.name)
                elif entry.name.startswith("qsub."):
                    files[entry.name] = entry
    except FileNotFoundError:  # removed while we look
        return
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        problems.append(UserError(what, shown(folder or str(root)), "mend or remove the folder"))
        return
    yield folder, files
    for name in sorted(below) if not (flat and folder) else ():
        yield from _folders(root, name, problems, flat)


def _scan_folder(
    tree: Tree, root: Path, folder: str, files: Mapping[str, os.DirEntry[str]]
) -> None:
    for name in sorted(files):
        first, _, rest = name.removeprefix("qsub.").partition(".")
        job = Job(folder, rest or first)
        if name.endswith("~"):  # an editor's backup
            continue
        if first == "dependency" and rest and "." not in rest:
            if f"qsub.{rest}" not in files:
                tree.problems.append(_orphan(job, job.dependency))
            _add_dependency(tree, root, job, files[name])
        elif first in _BESIDE and rest and "." not in rest:
            if f"qsub.{rest}" not in files:
                tree.problems.append(_orphan(job, _BESIDE[first](job)))
            elif first == "resources" and (signature := _signature(files[name])):
                tree.resources[job.name] = signature
        elif first == "finished" and rest and "." not in rest:
            if not _leads_out(root, files[name]) and files[name].is_file():
                tree.markers.add(job.marker)
        elif not rest and not (folder == "" and first in _OWN_IDS):
            _add_job(tree, job, files[name])


def _signature(entry: os.DirEntry[str]) -> Signature | None:
    try:
        stat = entry.stat()
    except OSError:  # a broken link, or removed while we look
        return None
    return stat.st_ctime_ns, stat.st_size, stat.st_ino


def _add_dependency(tree: Tree, root: Path, job: Job, entry: os.DirEntry[str]) -> None:
    signature = _signature(entry)
    problem = _leads_out(root, entry)
    if signature and not problem and not entry.is_file():
        problem = _no_file(job.dependency)
    if problem:
        tree.problems.append(problem)
    elif signature:
        tree.dependencies[job.name] = signature


def _no_file(name: str) -> UserError:
    return UserError("not a file, nor a link to one", shown(name), "remove it")


def _add_job(tree: Tree, job: Job, entry: os.DirEntry[str]) -> None:
    signature = _signature(entry)
    problem = _bad_name(job)
    if problem or not signature or not entry.is_file():
        tree.problems.append(problem or _no_file(job.name))
    else:
        tree.jobs[job.name] = job
        tree.scripts[job.name] = signature


def _orphan(job: Job, file: str) -> UserError:
    hint = "add the script, or remove this file"
    return UserError(f"there is no {shown(job.name)}", f"{shown(file)}:1", hint)


def _bad_name(job: Job) -> UserError | None:
    where = shown(job.name)
    if not job.id:
        return UserError("a job's script needs an id", where, "rename it to qsub.<id>")
    if len(os.fsencode(job.id)) > LONGEST_ID:
        what = f"the id is too long for the names of the job's files (at most {LONGEST_ID} bytes)"
        return UserError(what, where, "rename it to qsub.<id> with a shorter id")
    if job.id in _NO_IDS:
        hint = f"a job's script is qsub.<id>, this file wants qsub.{job.id}.<id>"
        return UserError(f"{job.id!r} cannot be a job's id", where, hint)
    if not job.name.isprintable() or not job.name.encode("utf-8", "surrogateescape").isascii():
        try:
            job.name.encode("utf-8")
        except UnicodeEncodeError:
            return UserError("the name is not UTF-8", where, "rename the folder or file")
        if not job.name.isprintable():
            return UserError("control characters in the name", where, "rename the folder or file")
    return None


def check_reserved(init: Path) -> list[UserError]:
    """Files in the init tree that would be taken for the run's own."""
    return [
        UserError("this name belongs to the monitor's own files", name, "rename or remove it")
        for own in OWN_FILES
        for name in (own, f".{own}.new")  # written first, then renamed
        if os.path.lexists(init / name)
    ]


def copy(init: Path, run: Path) -> Path:
    """Copy `init` beside `run` under a temporary name, to be renamed when all is well."""
    partial = run.with_name(f".{run.name}{PARTIAL}")
    try:
        shutil.copytree(init, partial, symlinks=True)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, shutil.Error):
            file, _, why = error.args[0][0]
            hint = "put this right, then start again"
            raise UserError(f"cannot be copied: {why}", shown(str(file)), hint) from None
        raise
    return partial


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
        path = root / job.name
        outside = _leads_out(root, path)
        if outside:
            return "", [outside]
        before = path.read_bytes().decode("utf-8", "surrogateescape")
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

        Its text is read from the tree `source` if given: in `root` a script to which this one is
        a link may be filled already, with the values of another folder.
        """
        path = root / job.name
        after, problems = self.text(source or root, job)
        data = after.encode("utf-8", "surrogateescape")
        if problems or (not path.is_symlink() and path.read_bytes() == data):
            return problems
        mode = path.stat().st_mode
        path.unlink()  # a link (folders may share a script; each gets its own), or read-only
        _write_new(path, data)
        path.chmod(mode & 0o7777 | 0o200)
        return []


def own_dependency(root: Path, job: Job, source: Path) -> None:
    """Make the dependency file below `root` a file of its own if it is a link; as in `source`."""
    path = root / job.dependency
    if path.is_symlink():
        text = (source / job.dependency).read_bytes()
        path.unlink()
        _write_new(path, text)


def _write_new(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:  # fails if there is anything: a link is never written through
        file.write(data)


def _leads_out(root: Path, file: Path | os.DirEntry[str]) -> UserError | None:
    """The mistake of a link that does not lead to a file of the tree."""
    if not file.is_symlink():
        return None
    target = Path(os.path.realpath(file))
    if target.is_relative_to(root.resolve()) and os.path.isfile(target):
        return None
    name = shown(Path(file).relative_to(root).as_posix())
    return UserError(f"links to {shown(str(target))}", name, "copy the file into the tree")
