"""What a person changes in the run folder: told by the kernel, or found by looking."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from inotify_simple import Event, INotify, flags
from test_monitor import CHAIN, World, folders
from trees import make

from jobauto import noticing, registry, start, tree, watching
from jobauto.errors import DONE, SOME_FAILED
from jobauto.host import Runner
from jobauto.model import Job
from jobauto.monitor import Monitor
from jobauto.watching import Watching, file_systems, watch


@pytest.fixture(params=["watched", "scanned"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """A world whose monitors are told what changed and never look at all, or only look."""
    opened = []

    class Watched(World):
        def monitor(self, _watch: Watching | None = None) -> Monitor:
            opened.append(Watching(self.folder))
            return super().monitor(opened[-1])

    if request.param == "watched":
        monkeypatch.setattr(noticing, "FIRST", float("inf"))
    kind = Watched if request.param == "watched" else World

    def build(files: dict[str, str], **options: Any) -> World:
        return kind(tmp_path / "L", files, **options)

    yield build
    for each in opened:
        each.close()


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are read, in order."""
    read: list[str] = []
    real = tree.listed

    def listed(root: Path, folder: str, problems: Any) -> Any:
        read.append(folder)
        return real(root, folder, problems)

    monkeypatch.setattr(tree, "listed", listed)
    return read


def test_a_dependency_file_deleted_in_the_run_holds_a_queued_job(
    world: Callable[..., World],
) -> None:
    w = world(folders(3), maxqsub=1)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "m001/qsub.dependency.0").unlink()
    assert w.finish(monitor) == SOME_FAILED
    assert not any(name.startswith("m001") for name in w.cluster.submitted())
    assert len(w.cluster.submitted()) == 6


def test_a_dependency_file_added_in_the_run_releases(world: Callable[..., World]) -> None:
    tree = {name: text for name, text in CHAIN.items() if name != "a/qsub.dependency.2"}
    w = world(tree)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "a/qsub.dependency.2").write_text("qsub.finished.1\n")
    assert w.finish(monitor) == DONE


def test_an_edited_dependency_file_counts_from_then_on(world: Callable[..., World]) -> None:
    w = world({**CHAIN, "b/qsub.0": "", "b/qsub.dependency.0": "never\n"})
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "b/qsub.dependency.0").write_text("../a/qsub.finished.0\n")
    assert w.finish(monitor) == DONE
    assert w.cluster.submitted().index("b/qsub.0") > w.cluster.submitted().index("a/qsub.0")


def test_a_folder_added_in_the_run_is_run(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    make(w.folder, {"new/qsub.0": "echo __jobname__", "new/qsub.dependency.0": ""})
    assert w.finish(monitor) == DONE
    assert "new/qsub.0" in w.cluster.submitted()
    assert (w.folder / "new/qsub.0").read_text() == "echo new"


def test_added_folders_are_sent_before_they_are_submitted(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.run.rdir = "/remote/run"
    w.run.save()
    monitor = w.monitor()
    monitor.tick()
    w.host.pushed.clear()
    make(w.folder, {"new/qsub.0": "", "new/qsub.dependency.0": ""})
    monitor.tick()
    assert w.host.pushed == [("new",)]
    assert "new/qsub.0" in w.cluster.submitted()


def test_a_folder_with_folders_in_it_that_comes_at_once_is_run(
    world: Callable[..., World], tmp_path: Path
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    make(tmp_path / "made", {"x/y/qsub.0": "", "x/y/qsub.dependency.0": ""})
    (tmp_path / "made").rename(w.folder / "b")
    assert w.finish(monitor) == DONE
    assert "b/x/y/qsub.0" in w.cluster.submitted()


def test_a_folder_that_is_renamed_is_a_new_one(world: Callable[..., World]) -> None:
    w = world({**CHAIN, "b/c/qsub.0": "", "b/c/qsub.dependency.0": "now\n"})
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "b").rename(w.folder / "d")
    (w.folder / "d/c/qsub.dependency.0").write_text("")
    assert w.finish(monitor) == SOME_FAILED, "b/c/qsub.0 never ran"
    assert "d/c/qsub.0" in w.cluster.submitted()
    assert monitor.graph.held("b/c/qsub.0")


def test_what_is_removed_is_not_submitted(world: Callable[..., World]) -> None:
    w = world(folders(2), maxqsub=1)
    monitor = w.monitor()
    monitor.tick()
    for name in os.listdir(w.folder / "m001"):
        (w.folder / "m001" / name).unlink()
    (w.folder / "m001").rmdir()
    assert w.finish(monitor) == SOME_FAILED
    assert {name.split("/")[0] for name in w.cluster.submitted()} == {"m000"}


@pytest.mark.parametrize("times", [1, 3])
def test_a_script_that_cannot_be_filled_holds_its_job_until_it_is_put_right(
    world: Callable[..., World], times: int
) -> None:
    w = world(folders(2), maxqsub=1)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "m001/qsub.0").write_text("__nobody__")
    for _ in range(times):
        monitor.notice()
        (w.folder / "m001/qsub.new").write_text("")  # so that the folder is looked at again
    assert monitor.graph.held("m001/qsub.0")
    assert not any(name.startswith("m001") for name in w.cluster.submitted())
    (w.folder / "m001/qsub.0").write_text("true")
    (w.folder / "m001/qsub.dependency.new").write_text("")
    assert w.finish(monitor) == DONE


def test_a_linked_dependency_file_that_is_edited_elsewhere_counts(
    world: Callable[..., World],
) -> None:
    w = world({**CHAIN, "b/qsub.0": "", "b/needs": "never\n"})
    (w.folder / "b/qsub.dependency.0").symlink_to("needs")
    monitor = w.monitor()
    monitor.tick()
    assert "b/qsub.0" not in w.cluster.submitted()
    (w.folder / "b/needs").write_text("")
    assert w.finish(monitor) == DONE


# Right before the submission


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks in time."""
    monkeypatch.setattr(noticing.Noticing, "look", lambda _self: [])


@pytest.mark.usefixtures("blind")
def test_a_script_edited_just_before_its_submission_is_sent(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.run.rdir = "/remote/run"
    w.run.save()
    monitor = w.monitor()
    monitor.begin()
    w.host.pushed.clear()
    (w.folder / "a/qsub.0").write_text("cd __cwd__")
    monitor.tick()
    assert w.host.pushed == [("a",)]
    assert w.cluster.submitted() == ["a/qsub.0"]
    assert (w.folder / "a/qsub.0").read_text() == "cd /remote/run/a"


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize("what", ["edited", "removed", "no script"])
def test_a_job_that_may_not_start_any_more_is_held_back(
    world: Callable[..., World], what: str
) -> None:
    w = world(folders(2))
    monitor = w.monitor()
    monitor.begin()
    path = w.folder / ("m000/qsub.0" if what == "no script" else "m000/qsub.dependency.0")
    if what == "edited":
        path.write_text("../m001/qsub.finished.2\n")
    else:
        path.unlink()
    monitor.tick()
    assert w.cluster.submitted() == ["m001/qsub.0"]


@pytest.mark.usefixtures("blind")
def test_a_submission_that_is_made_again_goes_on_whatever_was_edited(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.begin()
    monitor.ledger.intend(["a/qsub.0"], w.clock.date())
    (w.folder / "a/qsub.dependency.0").write_text("never\n")
    monitor = w.monitor()
    (w.folder / "a/qsub.0").write_text("edited")
    assert not monitor.graph.satisfied("a/qsub.0")
    assert monitor.noticing.about_to_submit(["a/qsub.0"]) == ["a/qsub.0"]


# What the kernel tells


def test_nothing_is_read_while_nothing_is_edited(tmp_path: Path, scans: list[str]) -> None:
    make(tmp_path / "x", {"a/qsub.0": "", "b/qsub.0": ""})
    watched = Watching(tmp_path / "x")
    scans.clear()
    files = ["quelist", "qsub.now", "qsub.log", ".jobauto/run.json", "a/qsub.finished.0", "a/out"]
    make(tmp_path / "x", dict.fromkeys(files, "text"))
    assert watched.changed() == set()
    make(tmp_path / "x", {"b/qsub.0": "edited"})
    assert watched.changed() == {"b"}
    assert scans == []
    watched.close()


def test_a_run_that_goes_on_reads_only_what_was_edited(
    tmp_path: Path, scans: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "FIRST", float("inf"))
    w = World(tmp_path / "L", folders(20))
    watched = Watching(w.folder)
    monitor = w.monitor(watched)
    monitor.tick()
    scans.clear()
    for _ in range(5):
        w.clock.sleep(10)
        monitor.tick()
    assert scans == []
    (w.folder / "m007/qsub.dependency.2").write_text("never\n")
    monitor.tick()
    assert scans == ["m007"]
    watched.close()


def changes(dice: random.Random, root: Path) -> None:
    """One change that a person could make, if it can be made."""
    names = ["qsub.0", "qsub.1", "qsub.dependency.0", "qsub.resources.0", "notes"]
    places = ["", "a", "b", "a/c", "b/c", "a/c/d"]
    one, other = root / dice.choice(places), root / dice.choice(places)
    file = dice.choice(names)
    kind = dice.choice(["make", "make", "write", "write", "unlink", "rename", "move", "rmtree"])
    try:
        if kind == "make":
            make(one, {file: ""})
        elif kind == "write":
            (one / file).write_text(str(dice.random()))
        elif kind == "unlink":
            (one / file).unlink()
        elif kind == "rename":
            one.rename(other)
        elif kind == "move":
            (one / file).rename(other / file)
        elif one != root:
            for path in sorted(one.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            one.rmdir()
    except OSError:
        pass


def signatures(found: tree.Tree) -> dict[str, tree.Signature]:
    """Those of all files of jobs."""
    dependencies = {Job.from_name(n).dependency: s for n, s in found.dependencies.items()}
    resources = {Job.from_name(n).resources: s for n, s in found.resources.items()}
    return {**found.scripts, **dependencies, **resources}


@pytest.mark.parametrize("seed", range(60))
def test_what_is_told_is_all_that_changed(tmp_path: Path, seed: int) -> None:
    dice, root = random.Random(seed), tmp_path / "x"
    root.mkdir()
    watched = Watching(root)
    known: dict[str, tree.Signature] = {}
    for _ in range(30):
        for _ in range(dice.randrange(6)):
            changes(dice, root)
        told = watched.changed()
        assert told is not None
        known = {n: s for n, s in known.items() if n.rpartition("/")[0] not in told}
        known |= signatures(tree.scan_folders(root, told))
        assert known == signatures(tree.scan(root))
    watched.close()


@pytest.mark.parametrize(
    ("folder", "name", "matters"),
    [
        ("a", "qsub.0", True),
        ("", "qsub.0", True),
        ("", "qsub.now", False),
        ("a", "qsub.now", True),
        ("a", "qsub.dependency.0", True),
        ("a", "qsub.resources.0", True),
        ("a", "qsub.ended.job", True),
        ("a", "qsub.finished.0", False),
        ("a", ".qsub.finished.0.Ab3dEf", False),
        ("a", "qsub.0.o353143", False),
        ("a", "qsub.0~", False),
        ("a", "out", False),
    ],
)
def test_of_all_files_only_those_of_jobs_matter(folder: str, name: str, matters: bool) -> None:
    assert tree.matters(folder, name) is matters


def overflow(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel forgot what happened so far."""
    real = watched._kernel
    list(real.read(timeout=0))
    event = Event(-1, flags.Q_OVERFLOW, 0, "")
    monkeypatch.setattr(real, "read", lambda timeout: [event])


def test_after_too_many_changes_all_is_looked_at_and_watched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "FIRST", float("inf"))
    w = World(tmp_path / "L", CHAIN)
    watched = Watching(w.folder)
    monitor = w.monitor(watched)
    monitor.tick()
    make(w.folder, {"new/qsub.0": "", "new/qsub.dependency.0": "never\n"})
    overflow(watched, monkeypatch)
    monitor.tick()
    assert "new/qsub.0" in monitor.graph.jobs
    (w.folder / "new/qsub.dependency.0").write_text("")
    assert w.finish(monitor) == DONE
    watched.close()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_room_for_watches_folders_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = World(tmp_path / "L", CHAIN)
    watched = Watching(w.folder)
    monitor = w.monitor(watched)
    monitor.tick()
    monkeypatch.setattr(INotify, "add_watch", full)
    assert watch(w.folder) is None
    make(w.folder, {"new/qsub.0": "", "new/qsub.dependency.0": ""})
    assert w.finish(monitor) == DONE
    assert "new/qsub.0" in w.cluster.submitted()
    assert watched._kernel.closed


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/me/big\\040disk xfs rw 0 0
srv /data fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kinds"),
    [
        ("/srv/run", {"ext4"}),
        ("/home/me/run", {"nfs4"}),
        ("/home/me/big disk/run", {"xfs"}),
        ("/home/me", {"nfs4", "xfs"}),
        ("/data", {"fuse.sshfs"}),
        ("/database", {"ext4"}),
    ],
)
def test_the_file_system_of_a_folder_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, kinds: set[str]
) -> None:
    monkeypatch.setattr(watching, "MOUNTS", make(tmp_path, {"mounts": MOUNTS}) / "mounts")
    assert file_systems(Path(folder)) == kinds


@pytest.mark.parametrize("kind", ["nfs4", "lustre", "cifs", "fuse.sshfs", "beegfs", "gpfs", "new"])
def test_where_others_may_write_over_a_network_nothing_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make(tmp_path, {"mounts": f"x / {kind} rw 0 0\n", "x/qsub.0": ""})
    monkeypatch.setattr(watching, "MOUNTS", tmp_path / "mounts")
    assert watch(tmp_path / "x") is None
    monkeypatch.setattr(watching, "MOUNTS", make(tmp_path, {"m": "x / ext4 rw 0 0\n"}) / "m")
    watched = watch(tmp_path / "x")
    assert watched
    watched.close()


def descriptors() -> int:
    """How many of the kernel's watches this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += "inotify" in os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


@pytest.mark.parametrize("fails", [False, True])
def test_the_watch_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(registry, "note", lambda _folder: None)
    w = World(tmp_path / "L", CHAIN)
    before = descriptors()
    if fails:
        (w.folder / "quelist").write_text("rubbish\n")
    try:
        with start.watching(w.run, w.chosen, w.host, Runner(), w.clock) as kept:
            assert kept.noticing
            assert descriptors() == before + 1
            assert not fails
    except Exception:
        assert fails
    assert descriptors() == before
