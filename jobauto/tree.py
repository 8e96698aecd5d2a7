"""Job folders on disk: finding jobs and what is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.quoting import encoded, shown

# What the monitor itself writes into a run folder; never copied in, mirrored or fetched.
OWN_FILES = ("quelist", "qsub.now", "qsub.log", "qstat", "kill", "jobmon.log", ".jobauto")
_OWN_IDS = {"now", "log"}  # qsub.now and qsub.log of the run folder
# what else a job may have, as `qsub.<word>.<id>`; no job has such an id
_BESIDE = {
    "finished": attrgetter("marker"),
    **{word: attrgetter(word) for word in ("dependency", "resources", "inputs", "outputs")},
}
PARTIAL = ".partial"
# in the run folder of an inbox: only `qsub.job` of each folder directly below is a job, until that
# has ENDED as well; what else people and programs put there is theirs
FLAT, ENDED = ".jobauto/inbox.json", "qsub.ended.job"
# In bytes. A file name has at most 255, of which `qsub.dependency.` takes 16; the rest is for
# suffixes of outputs and of temporary files. A path has 4095, with the run's own folder.
LONGEST_ID, LONGEST_NAME = 220, 3000
DEEPEST = 100
_PLAIN = re.compile(r"[\w./+-]+\w\Z", re.ASCII)

Signature = tuple[int, int, int]


@dataclass(slots=True)
class Tree:
    """What was found: jobs, signatures of their scripts and other files, markers, mistakes.

    A signature is (ctime in ns, size, inode): it changes with every edit and cannot be faked.
    `linked`: folders with files of jobs that are links, and so may be edited elsewhere.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    scripts: dict[str, Signature] = field(default_factory=dict)
    dependencies: dict[str, Signature] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    problems: list[UserError] = field(default_factory=list)
    resources: dict[str, Signature] = field(default_factory=dict)
    linked: set[str] = field(default_factory=set)


def scan(root: Path) -> Tree:
    """Find all jobs below `root`. Linked folders and names that begin with a dot are skipped."""
    tree = Tree()
    flat = is_flat(root)
    for folder, entries in walk(root, tree.problems, flat):
        _scan_folder(tree, root, folder, entries, flat)
    return tree


def scan_folders(root: Path, folders: Iterable[str]) -> Tree:
    """Find the jobs that stand in just these folders, as far as these are there."""
    tree = Tree()
    flat = is_flat(root)
    for folder in sorted(folders):
        entries, _ = listed(root, folder, tree.problems)
        _scan_folder(tree, root, folder, entries, flat)
    return tree


def is_flat(root: Path) -> bool:
    """Whether `root` is the run folder of an inbox."""
    return (root / FLAT).is_file()


def walk(
    root: Path, problems: list[UserError], flat: bool = False, folder: str = ""
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """`folder` and all below it (if `flat`: directly below `root`), with their `qsub.*`."""
    entries, below = listed(root, folder, problems)
    yield folder, entries
    for name in below if not (flat and folder) else ():
        yield from walk(root, problems, flat, f"{folder}/{name}" if folder else name)


def listed(
    root: Path, folder: str, problems: list[UserError]
) -> tuple[list[os.DirEntry[str]], list[str]]:
    """The `qsub.*` of a folder and the folders in it, by name; nothing if it cannot be read."""
    if folder.count("/") >= DEEPEST or len(os.fsencode(folder)) > LONGEST_NAME:
        what = f"the path is too long (at most {DEEPEST} folders deep and {LONGEST_NAME} bytes)"
        problems.append(UserError(what, f"{shown(folder)[:80]}...", "use fewer or shorter folders"))
        return [], []
    files: list[os.DirEntry[str]] = []
    below: list[str] = []
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                elif entry.name.startswith("qsub."):
                    files.append(entry)
    except FileNotFoundError:  # removed while we look
        return [], []
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        problems.append(UserError(what, shown(folder or str(root)), "mend or remove the folder"))
        return [], []
    return sorted(files, key=attrgetter("name")), sorted(below)


def _scan_folder(
    tree: Tree, root: Path, folder: str, entries: list[os.DirEntry[str]], flat: bool
) -> None:
    names = {entry.name for entry in entries}
    if flat and (not folder or "/" in folder or ENDED in names):
        return
    for entry in entries:
        if flat and not entry.name.endswith(".job"):
            continue
        _, first, *rest = entry.name.split(".")
        if entry.name.endswith("~") or len(rest) > 1:  # an editor's backup, or somebody else's
            continue
        if not rest:
            if folder or first not in _OWN_IDS:
                _add_job(tree, Job(folder, first), entry)
        elif first in _BESIDE and rest[0]:
            _add_beside(tree, root, Job(folder, rest[0]), first, entry, names)


def _add_beside(
    tree: Tree, root: Path, job: Job, word: str, entry: os.DirEntry[str], names: set[str]
) -> None:
    """What a job has beside its script."""
    if word == "finished":
        if not leads_out(root, entry) and entry.is_file():
            tree.markers.add(job.marker)
        return
    if word == "dependency":
        _add_dependency(tree, root, job, entry)
    if f"qsub.{job.id}" not in names:
        tree.problems.append(_orphan(job, _BESIDE[word](job)))
    elif word == "resources" and (signature := _signature(tree, job, entry)):
        tree.resources[job.name] = signature


def matters(folder: str, name: str) -> bool:
    """Whether a file of this name may change what is found; a marker of a run that goes on does
    not."""
    if not name.startswith("qsub.") or name.endswith("~"):
        return False
    _, first, *rest = name.split(".")
    if not rest:
        return bool(folder) or first not in _OWN_IDS
    return len(rest) == 1 and (first in _BESIDE or name == ENDED) and first != "finished"


def signature(path: str) -> Signature | None:
    """That of a file, or of the one to which it is a link."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return stat.st_ctime_ns, stat.st_size, stat.st_ino


def _signature(tree: Tree, job: Job, entry: os.DirEntry[str]) -> Signature | None:
    if entry.is_symlink():
        tree.linked.add(job.folder)
    try:
        stat = entry.stat()
    except OSError:  # a broken link, or removed while we look
        return None
    return stat.st_ctime_ns, stat.st_size, stat.st_ino


def _add_dependency(tree: Tree, root: Path, job: Job, entry: os.DirEntry[str]) -> None:
    signature = _signature(tree, job, entry)
    problem = leads_out(root, entry)
    if signature and not problem and not entry.is_file():
        problem = _no_file(job.dependency)
    if problem:
        tree.problems.append(problem)
    elif signature:
        tree.dependencies[job.name] = signature


def _no_file(name: str) -> UserError:
    return UserError("not a file, nor a link to one", shown(name), "remove it")


def _add_job(tree: Tree, job: Job, entry: os.DirEntry[str]) -> None:
    signature = _signature(tree, job, entry)
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
    if len(job.id) < LONGEST_ID and job.id not in _BESIDE and _PLAIN.match(job.name):
        return None  # as nearly all are
    where = shown(job.name)
    if not job.id:
        return UserError("a job's script needs an id", where, "rename it to qsub.<id>")
    if len(os.fsencode(job.id)) > LONGEST_ID:
        what = f"the id is too long for the names of the job's files (at most {LONGEST_ID} bytes)"
        return UserError(what, where, "rename it to qsub.<id> with a shorter id")
    if job.id in _BESIDE:
        hint = f"a job's script is qsub.<id>, this file wants qsub.{job.id}.<id>"
        return UserError(f"{job.id!r} cannot be a job's id", where, hint)
    if not job.name.isprintable() or not encoded(job.name).isascii():
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


def leads_out(root: Path, file: str | os.DirEntry[str]) -> UserError | None:
    """The mistake of a link that does not lead to a file of the tree."""
    if not (os.path.islink(file) if isinstance(file, str) else file.is_symlink()):
        return None
    target = Path(os.path.realpath(file))
    if target.is_relative_to(root.resolve()) and os.path.isfile(target):
        return None
    name = shown(Path(file).relative_to(root).as_posix())
    return UserError(f"links to {shown(str(target))}", name, "copy the file into the tree")
