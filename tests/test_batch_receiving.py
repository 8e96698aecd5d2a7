"""Bringing outputs home from a real folder, with faults at each step: nothing is ever lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from batches import disk, packed, snapshot
from fake import FakeClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import cannot
from trees import job, make

from jobauto.batches import receiving
from jobauto.batches.contents import of_run
from jobauto.batches.outputs import Damaged
from jobauto.batches.packing import pack
from jobauto.batches.receiving import Received, receive, received
from jobauto.batches.running import place_common
from jobauto.batches.unpacking import unpack
from jobauto.errors import CouldNotAsk, NoConnection
from jobauto.host import LocalHost, Runner
from jobauto.ledger.files import sha256 as checksum
from jobauto.remote.packing import MEMBER, ListFiles, Pack, RemoveRun
from jobauto.remote.placing import PlaceFiles
from jobauto.run import Run

__all__ = ["disk"]  # a fixture

DATE = "20261121_120000"
TREE = {f"{folder}/qsub.0": job("true") for folder in "ab"}
TREE |= {f"{folder}/POTCAR": "potential" for folder in "ab"}
TREE |= {f"{folder}/{name}": f"{name} of {folder}" for folder in "ab" for name in ("IN", "own")}
MADE = {"a/OUT": "energy", "a/new folder/x": "1\n" * 500, "b/OUT": "energy of b"}


class Died(BaseException):
    """The process is gone; nothing catches this."""


@dataclass
class Steps:
    """Counts effects. Those in `faults` (number, and when) fail; `done` is called after each."""

    faults: dict[int, str] = field(default_factory=dict)
    done: Callable[[str], None] = lambda what: None
    number: int = 0
    seen: list[str] = field(default_factory=list)

    def do(self, what: str, effect: Callable[[], Any], error: Exception) -> Any:
        fault = self.faults.get(self.number, "")
        self.number += 1
        self.seen.append(what)
        if fault == "died before":
            raise Died(what)
        if fault == "failed before":
            raise error
        found = effect()
        self.done(what)
        if fault == "died after":
            raise Died(what)
        if fault == "failed after":
            raise error
        return found


class Host(LocalHost):
    """This machine as the remote; each request goes through `steps`, and `before` it through a
    hook."""

    def __init__(self, runner: Runner | None = None) -> None:
        super().__init__(runner or Runner(), mirrored=True)
        HOSTS.append(self)
        self.steps = Steps()
        self.pushed: list[list[str]] = []
        self.before: Callable[[Any], None] = lambda request: None

    def ask(self, request: Any) -> Any:
        self.before(request)
        ask = super().ask
        what = type(request).__name__
        return self.steps.do(what, lambda: ask(request), CouldNotAsk("the link was cut"))

    def fetch(self, file: str, target: Path) -> None:
        fetch = super().fetch
        error = NoConnection("no link")
        self.steps.do("fetch", lambda: fetch(file, target), error)

    def push(self, run: Path, folder: str, only: Any = ()) -> None:
        self.pushed.append(list(only))
        super().push(run, folder, only)


HOSTS: list[Host] = []


@pytest.fixture(autouse=True)
def _shells_end() -> Iterator[None]:
    yield
    while HOSTS:
        HOSTS.pop().close()


@dataclass
class World:
    """A run of a batch here, and its folder on the remote in which jobs have written."""

    run: Run
    host: Host
    place: Path

    @property
    def there(self) -> Path:
        return Path(self.run.rdir)

    def write(self, path: str, text: str = "new") -> None:
        """A job writes."""
        make(self.there, {path: text})

    def receive(self, place: Path | None = None, keep: str = "") -> Received:
        return receive(self.run, self.host, place or self.place, FakeClock(), keep)

    def here(self, place: Path | None = None) -> dict[str, str]:
        """What was received, without what tells of the batch."""
        place = place or self.place
        files = (path for path in place.rglob("*") if path.is_file())
        found = {path.relative_to(place).as_posix(): path for path in files}
        return {name: path.read_text() for name, path in found.items() if name != MEMBER}

    def gone(self) -> bool:
        """Whether nothing of the run is on the remote."""
        return os.listdir(self.there.parent) == []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """All jobs have ended."""
    monkeypatch.setattr(os, "sync", lambda: None)
    return make_world(tmp_path)


def make_world(folder: Path) -> World:
    packed(make(folder / "tree", TREE), folder / "shelf/x.zip")
    home = folder / "shelf/x" / DATE
    unpack(folder / "shelf/x.zip", home, folder / "shelf/.common")
    (home / ".jobauto").mkdir()
    there = folder / "remote/x" / DATE
    shutil.copytree(folder / "tree", there)
    shutil.copy(home / MEMBER, there / MEMBER)
    make(there, {f"{name}/qsub.finished.0": "" for name in "ab"})
    make(there, MADE)
    run = Run(home, "id", {}, rdir=str(there))
    return World(run, Host(), folder / "got/x" / DATE)


# faults


REPLACE = os.replace
FAULTS = ["died before", "failed before", "died after", "failed after"]


@dataclass
class Trial:
    """One world after another, each with faults at other steps."""

    folder: Path
    patch: pytest.MonkeyPatch
    numbers: Iterator[int] = field(default_factory=count)

    def world(self) -> World:
        folder = self.folder / str(next(self.numbers))
        folder.mkdir()
        world = make_world(folder)
        steps = world.host.steps = Steps()

        def replace(source: Any, target: Any) -> None:
            error = OSError(28, "No space left on device", str(target))
            steps.do(f"rename {Path(target).name}", lambda: REPLACE(source, target), error)

        self.patch.setattr(os, "replace", replace)
        return world


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setattr(os, "sync", lambda: None)
    return Trial(tmp_path, monkeypatch)


def nothing_is_lost(world: World) -> None:
    """Each output is there, or here with all that is in it; and what was noted is true."""
    for path, text in MADE.items():
        here, there = world.place / path, world.there / path
        assert there.is_file() or (here.is_file() and here.read_text() == text), path
    noted = received(world.run.folder)
    assert not noted or world.here() == MADE
    assert not (noted and noted.removed) or world.gone()


def attempt(world: World, **faults: Any) -> list[str]:
    """Receive with faults at some steps; the steps that were gone."""
    steps = world.host.steps
    steps.number, steps.seen, steps.faults = 0, [], {int(n[1:]): f for n, f in faults.items()}
    steps.done = lambda what: nothing_is_lost(world)
    with suppress(Died, CouldNotAsk, NoConnection, OSError):
        world.receive()
    nothing_is_lost(world)
    return steps.seen


def goes_on(world: World) -> None:
    """Once without a fault: all is here, nothing there, and nothing lies about."""
    world.host.steps.faults = {}
    assert world.receive().removed
    nothing_is_lost(world)
    assert world.here() == MADE
    assert world.gone()
    assert os.listdir(world.place.parent) == [DATE]
    assert sorted(os.listdir(world.run.private)) == ["received.json"]


ALL_STEPS = ["ListFiles", "Pack", "fetch", "rename OUT", "rename x", "rename OUT"]
ALL_STEPS += ["rename received.json", "RemoveRun", "rename received.json"]


def test_the_steps_of_receiving(trial: Trial) -> None:
    """What the trials below go through; the note comes before the removal."""
    assert attempt(trial.world()) == ALL_STEPS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_each_step_loses_nothing(trial: Trial, fault: str) -> None:
    for number in range(len(ALL_STEPS)):
        world = trial.world()
        attempt(world, **{f"n{number}": fault})
        goes_on(world)


def pairs() -> list[tuple[int, str, int, str]]:
    """Each step of a first and of a second time, with what dies or loses an answer."""
    kinds = ["died after", "failed after"]
    steps = range(len(ALL_STEPS))
    return [(a, x, b, y) for a, x, b, y in product(steps, kinds, steps, kinds)]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(pairs()))
def test_two_faults_lose_nothing(trial: Trial, pair: tuple[int, str, int, str]) -> None:
    first, how, second, then = pair
    world = trial.world()
    attempt(world, **{f"n{first}": how})
    attempt(world, **{f"n{second}": then})
    goes_on(world)


def test_an_archive_that_came_in_part_is_fetched_again(world: World) -> None:
    (world.run.private / "outputs.tar.gz").write_bytes(b"half of it")
    assert world.receive().removed
    assert world.here() == MADE


@pytest.mark.parametrize("spoil", [b"", b"other", None], ids=["empty", "other", "away"])
def test_an_archive_that_was_spoilt_there_is_packed_again(
    world: World, spoil: bytes | None
) -> None:
    world.host.before = once(RemoveRun, lambda: CouldNotAsk("the link was cut"))
    with pytest.raises(CouldNotAsk):
        world.receive()
    archive = world.there / ".jobauto/outputs/outputs.tar.gz"
    archive.unlink()
    if spoil is not None:
        archive.write_bytes(spoil)
    world.host.before = lambda request: None
    shutil.rmtree(world.place)
    (world.run.private / "received.json").unlink()
    assert world.receive().removed
    assert world.here() == MADE
    assert world.gone()


def test_another_archive_than_was_sent_is_not_unpacked(world: World) -> None:
    """Not even if it holds files of the same names and sizes."""
    other = make(world.there.parent.parent / "other", {**MADE, "a/OUT": "ENERGY"})
    made = other.with_suffix(".tar.gz")
    subprocess.run(["tar", "-czf", str(made), "-C", str(other), *MADE], check=True)

    def change(what: str) -> None:
        if world.host.steps.seen == ["ListFiles", "Pack", "fetch"]:
            shutil.copy(made, world.run.private / "outputs.tar.gz")

    world.host.steps.done = change
    assert world.receive().removed
    assert world.host.steps.seen.count("fetch") == 2
    assert world.here() == MADE


def once(kind: type, action: Callable[[], Any], times: int = 1) -> Callable[[Any], None]:
    """A hook: before a request of this kind something happens, or an error is raised."""
    left = iter(range(times))

    def hook(request: Any) -> None:
        if isinstance(request, kind) and next(left, None) is not None:
            found = action()
            if isinstance(found, Exception):
                raise found

    return hook


# jobs that still write


def keep_time(world: World, path: str, text: str, rename: bool) -> None:
    """A job brings a file from elsewhere, with the time that it had there."""
    made = make(world.there.parent.parent, {"scratch/made": text}) / "scratch/made"
    os.utime(made, (1.7e9, 1.7e9))
    if rename:
        made.rename(world.there / path)
    else:
        shutil.copy2(made, world.there / path)


LATE: dict[str, tuple[str, str, Callable[[World], object]]] = {
    "new": ("a/late", "new", lambda w: w.write("a/late")),
    "new in a new folder": ("c/late", "new", lambda w: w.write("c/late")),
    "longer": ("a/OUT", "energy!", lambda w: w.write("a/OUT", "energy!")),
    "as long as before": ("a/OUT", "ENERGY", lambda w: w.write("a/OUT", "ENERGY")),
    "moved": ("a/late", "new", lambda w: keep_time(w, "a/late", "new", True)),
    "moved over": ("a/OUT", "ENERGY", lambda w: keep_time(w, "a/OUT", "ENERGY", True)),
    "copied with its time": ("b/late", "new", lambda w: keep_time(w, "b/late", "new", False)),
    "copied over with its time": (
        "a/OUT",
        "ENERGY",
        lambda w: keep_time(w, "a/OUT", "ENERGY", False),
    ),
}


@pytest.mark.parametrize("request_", [Pack, RemoveRun])
@pytest.mark.parametrize(("path", "text", "write"), LATE.values(), ids=LATE)
def test_what_is_written_before_the_removal_comes_home_too(
    world: World, path: str, text: str, write: Callable[[World], object], request_: type
) -> None:
    world.host.before = once(request_, lambda: write(world))
    assert world.receive().removed
    assert world.here() == {**MADE, path: text}
    assert world.gone()


@pytest.mark.parametrize(("path", "text", "write"), LATE.values(), ids=LATE)
def test_what_is_written_after_a_cut_comes_home_too(
    world: World, path: str, text: str, write: Callable[[World], object]
) -> None:
    """The note says that all is here and only the removal is to be done."""
    world.host.before = once(RemoveRun, lambda: CouldNotAsk("the link was cut"))
    with pytest.raises(CouldNotAsk):
        world.receive()
    write(world)
    assert world.receive().removed
    assert world.here() == {**MADE, path: text}
    assert world.gone()


def test_a_job_that_never_ends_writing_keeps_the_folder(world: World) -> None:
    numbers = count()
    world.host.before = once(RemoveRun, lambda: world.write("a/log", "x" * next(numbers)), 9)
    found = world.receive()
    assert (found.removed, found.kept) == (False, "a/log is still being written")
    assert (world.there / "a/log").is_file()
    assert received(world.run.folder) == found
    world.host.before = lambda request: None
    assert world.receive().removed
    assert world.here() == {**MADE, "a/log": "xx"}


def test_a_file_that_grows_whenever_it_is_packed_is_left_there(world: World) -> None:
    numbers = count(1)
    world.write("a/log", "")
    world.host.before = once(Pack, lambda: world.write("a/log", "x" * next(numbers)), 9)
    with pytest.raises(Damaged, match="'a/log' was changed while it was packed"):
        world.receive()
    assert next(numbers) == receiving.TRIES + 1
    assert not world.place.exists()
    assert received(world.run.folder) is None
    world.host.before = lambda request: None
    assert world.receive().removed
    assert world.here() == {**MADE, "a/log": "xxx"}


def test_a_file_that_vanishes_is_not_missed(world: World) -> None:
    """A job tidied up. The file is so long that ls makes room for it in the lines of all others."""
    world.write("a/tmp", "x" * 100_000)
    world.host.before = once(RemoveRun, (world.there / "a/tmp").unlink)
    assert world.receive().removed
    assert world.here() == {**MADE, "a/tmp": "x" * 100_000}
    assert world.host.steps.seen.count("Pack") == 1


def test_links_of_other_runs_to_the_same_inputs_are_no_news(world: World) -> None:
    other = world.there.parent.parent / "other"
    world.host.before = once(RemoveRun, lambda: os.link(world.there / "a/POTCAR", other))
    assert world.receive().removed
    assert world.host.steps.seen.count("Pack") == 1


SLOW_TAR = """#!/bin/sh
{tar} "$@" || exit
[ -e {once} ] && exit
: >{once}
printf ENERGY >a/OUT
sleep 0.05
sh -s <{listing} >/dev/null
"""


def test_a_shell_that_packs_late_does_not_hide_what_was_written_meanwhile(
    world: World, tmp_path: Path
) -> None:
    """Its connection was cut; while it packs a job writes, and a second receive makes its list."""
    tar = subprocess.run(["sh", "-c", "command -v tar"], capture_output=True, text=True).stdout
    listing = tmp_path / "listing"
    listing.write_text(ListFiles(world.run.rdir).script())
    text = SLOW_TAR.format(tar=tar.strip(), once=tmp_path / "once", listing=listing)
    program = make(tmp_path, {"bin/tar": text}) / "bin/tar"
    program.chmod(0o755)
    world.host.runner.environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    assert world.receive().removed
    assert world.here() == {**MADE, "a/OUT": "ENERGY"}


# names and numbers

ODD = ["-rf", "--", "back\\slash", "\\n", "é 日本", " blanks  in it ", "'", '"', "$(id)", "*", "#"]
ODD += [".hidden", "~", "a:b", "@r 0", "o x", "r 1", "-> x", "x" * 250, "...x"]


def test_odd_names_come_home(world: World) -> None:
    made = {f"a/{name}": name for name in ODD} | {f"{name}/x": "x" for name in ODD}
    made |= dict.fromkeys(("top", "-top", "to p"), "top")
    make(world.there, made)
    assert world.receive().removed
    assert world.here() == {**MADE, **made}


@pytest.mark.parametrize("name", [b"\xff\xfe", b"e\xcc\x81", b"\xc2\x85"])
def test_names_that_are_no_plain_text_come_home(world: World, name: bytes) -> None:
    """Odd bytes, two characters for one sign, and a line end of Unicode."""
    make(world.there, {f"a/{os.fsdecode(name)}": "x"})
    assert world.receive().removed
    assert world.here() == {**MADE, f"a/{os.fsdecode(name)}": "x"}


@pytest.mark.parametrize("name", ["new\nline", "tab\t", "\x1b[2J", "\r", "a\n./b", "-\n"])
def test_names_with_control_characters_stay_there_with_all_else(world: World, name: str) -> None:
    make(world.there, {f"a/{name}": "odd", f"{name}/b": "odd"})
    found = world.receive()
    assert found.odd == 2
    assert (found.removed, found.kept) == (False, "2 files have control characters in their names")
    assert world.here() == MADE
    assert (world.there / f"a/{name}").read_text() == "odd"
    (world.there / f"a/{name}").rename(world.there / "a/plain")
    shutil.rmtree(world.there / name)
    assert world.receive().removed
    assert world.here() == {**MADE, "a/plain": "odd"}


def test_no_output_at_all(world: World) -> None:
    for path in MADE:
        (world.there / path).unlink()
    found = world.receive()
    assert (found.files, found.size, found.removed) == (0, 0, True)
    assert os.listdir(world.place) == [MEMBER]
    assert world.gone()


def test_three_thousand_files(world: World) -> None:
    made = {f"many/{n % 50}/{'long name ' * 9}{n}": f"{n}" for n in range(3000)}
    make(world.there, made)
    found = world.receive()
    assert (found.files, found.removed) == (3003, True)
    assert world.here() == {**MADE, **made}


# again


def test_a_second_time_asks_nobody(world: World) -> None:
    found = world.receive()
    before = snapshot(world.place)
    asked = list(world.host.steps.seen)
    assert world.receive() == world.receive(world.place.with_name("other")) == found
    assert world.host.steps.seen == asked
    assert snapshot(world.place) == before


def test_what_was_kept_is_not_fetched_twice(world: World) -> None:
    assert world.receive(keep="1 job(s) did not finish").kept == "1 job(s) did not finish"
    (world.place / "a/OUT").write_text("a person's own")
    found = world.receive()
    assert found.removed
    assert world.host.steps.seen.count("Pack") == world.host.steps.seen.count("fetch") == 1
    assert world.here()["a/OUT"] == "a person's own"


def test_after_a_retry_what_is_new_comes_home(world: World) -> None:
    world.receive(keep="1 job(s) did not finish")
    world.write("b/OUT", "of the second attempt")
    world.write("b/more")
    assert world.receive().removed
    assert world.here() == {**MADE, "b/OUT": "of the second attempt", "b/more": "new"}
    assert world.gone()


@pytest.mark.parametrize(("path", "text", "write"), LATE.values(), ids=LATE)
def test_what_is_new_comes_home_also_if_all_is_kept(
    world: World, path: str, text: str, write: Callable[[World], object]
) -> None:
    world.receive(keep="as --keep-remote says")
    write(world)
    assert world.receive(keep="as --keep-remote says").kept
    assert world.here() == {**MADE, path: text}


def test_what_is_missing_here_is_fetched_again(world: World) -> None:
    world.receive(keep="as --keep-remote says")
    (world.place / "a/OUT").unlink()
    assert world.receive().removed
    assert world.here() == MADE


def test_another_receive_path_gets_all(world: World) -> None:
    world.receive(keep="as --keep-remote says")
    other = world.place.with_name("other")
    make(other, dict.fromkeys(MADE, "of another run"))
    found = world.receive(other)
    assert (found.place, found.removed) == (str(other), True)
    assert world.here(other) == world.here() == MADE


def test_a_run_whose_folder_is_away_is_not_taken_for_removed(world: World) -> None:
    """Its disk may be away too: nothing is noted."""
    away = world.there.parent.with_name("away")
    world.there.parent.rename(away)
    with pytest.raises(CouldNotAsk, match="is not there"):
        world.receive()
    world.host.before = once(RemoveRun, lambda: CouldNotAsk("the link was cut"))
    away.rename(world.there.parent)
    with pytest.raises(CouldNotAsk, match="the link was cut"):
        world.receive()
    world.there.parent.rename(away)
    with pytest.raises(CouldNotAsk, match="is not there"):
        world.receive()
    found = received(world.run.folder)
    assert found
    assert not found.removed
    away.rename(world.there.parent)
    assert world.receive().removed


def test_a_folder_with_another_archive_is_not_removed(world: World) -> None:
    """What is in that one may not be here."""
    packed = world.receive(keep="as --keep-remote says")
    for sha256 in ("0" * 64, ""):
        with pytest.raises(CouldNotAsk, match="may not be what was packed"):
            world.host.ask(RemoveRun(world.run.rdir, sha256))
    assert (world.there / "a/OUT").is_file()
    assert world.host.ask(RemoveRun(world.run.rdir, packed.sha256)) == ""
    assert world.gone()


def test_a_folder_that_is_no_run_of_a_batch_is_never_removed(world: World) -> None:
    (world.there / MEMBER).unlink()
    with pytest.raises(CouldNotAsk, match="could not remove"):
        receiving.remove(world.run, world.host)
    assert (world.there / "a/OUT").is_file()


def test_where_jobs_ran_here_nothing_is_removed_and_no_file_of_the_monitor_received(
    world: World,
) -> None:
    own = {"quelist": "", "qsub.log": "", "jobmon.log": "", "kill": "", "qstat": ""}
    make(world.run.folder, {**MADE, **own})
    world.run.rdir = str(world.run.folder)
    found = world.receive()
    assert (found.kept, found.removed) == ("the jobs ran here", False)
    assert world.here() == MADE


# the receive path


def test_tables_are_not_written_through_a_link_nor_over_an_output(
    world: World, tmp_path: Path
) -> None:
    precious = make(tmp_path, {"precious": "mine"}) / "precious"
    make(world.run.folder, {"sweep.toml": "sent", "sweep.csv": "of an earlier fetch"})
    world.write("sweep.csv", "the jobs'")
    world.place.mkdir(parents=True)
    (world.place / "sweep.toml").symlink_to(precious)
    world.receive()
    assert precious.read_text() == "mine"
    assert (world.place / "sweep.toml").is_symlink()  # a person's own, perhaps with more metrics
    assert (world.place / "sweep.csv").read_text() == "the jobs'"


def test_a_receive_path_that_cannot_be_written_loses_nothing(
    world: World, disk: Callable[[int], Path], tmp_path: Path
) -> None:
    there = disk(60)
    if subprocess.run(["mount", "-o", "remount,ro", str(there)]).returncode:
        cannot("may not remount here")
    before = snapshot(world.there)
    make(tmp_path, {"file": ""})
    for place, said in ((there / "x", "Read-only"), (tmp_path / "file/x", "Not a dir|File exists")):
        with pytest.raises(OSError, match=said):
            world.receive(place)
    after = {path: what for path, what in snapshot(world.there).items() if ".jobauto" not in path}
    assert after == before
    assert received(world.run.folder) is None
    assert world.receive().removed
    assert world.here() == MADE


def test_a_receive_path_without_room_is_told_before_anything_is_packed(
    world: World, disk: Callable[[int], Path]
) -> None:
    (world.there / "a/big").write_bytes(bytes(3 << 20))
    with pytest.raises(OSError, match="3 MiB and some reserve do not fit"):
        world.receive(disk(52) / "x")
    assert world.host.steps.seen == ["ListFiles"]
    assert (world.there / "a/big").is_file()


# common files


def common(world: World) -> dict[str, str]:
    """What is in the job folders there of what they share, after it was put there."""
    contents = of_run(world.run.folder)
    assert contents
    place_common(world.run, world.host, contents)
    return {path: (world.there / path).read_text() for _, path in contents.sent_once()}


COMMON = {f"{folder}/POTCAR": "potential" for folder in "ab"}


def store_of(world: World) -> Path:
    return next((world.there.parent.parent / ".common").glob("*/POTCAR"))


def test_small_common_files_are_sent_once_and_each_job_may_write_into_its_own(
    world: World,
) -> None:
    assert common(world) == COMMON
    assert len(world.host.pushed) == 1
    store = store_of(world)
    for folder in "ab":
        copy = (world.there / folder / "POTCAR").stat()
        assert (copy.st_nlink, copy.st_mode & 0o777) == (1, 0o644)
    before = snapshot(world.there.parent.parent)
    assert common(world) == COMMON
    assert len(world.host.pushed) == 1
    assert snapshot(world.there.parent.parent) == before
    assert store.read_text() == "potential"


def test_programs_and_large_files_are_links_that_nobody_may_write_into(tmp_path: Path) -> None:
    tree = {f"{folder}/{name}": name for folder in "ab" for name in ("small", "program")}
    make(tmp_path / "L/init", {**tree, "a/qsub.0": job("true"), "b/qsub.0": job("true")})
    for folder in "ab":
        (tmp_path / "L/init" / folder / "program").chmod(0o755)
        (tmp_path / "L/init" / folder / "large").write_bytes(bytes(1 << 20))
    contents = pack(tmp_path / "L/init", tmp_path / "a.zip", DATE, "tests", (), ())
    assert (
        unpack(tmp_path / "a.zip", tmp_path / "here/x/init", tmp_path / "here/.common") == contents
    )
    there = tmp_path / "there/x" / DATE
    for folder in "ab":
        (there / folder).mkdir(parents=True)
    host = Host()
    place_common(Run(tmp_path / "here/x" / DATE, "x", {}, rdir=str(there)), host, contents)
    for folder in "ab":
        found = {file.name: file.stat() for file in (there / folder).iterdir()}
        modes = {name: (status.st_nlink, status.st_mode & 0o777) for name, status in found.items()}
        assert modes == {"small": (1, 0o644), "program": (3, 0o555), "large": (3, 0o444)}


def test_a_common_file_that_is_spoilt_or_missing_there_is_sent_again(world: World) -> None:
    common(world)
    store = store_of(world)
    status = store.stat()
    store.chmod(0o644)
    store.write_text("POTENTIAL")  # as long, and below with the same time
    os.utime(store, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert common(world) == COMMON
    store.unlink()
    assert common(world) == COMMON
    assert world.host.pushed == [[store.parent.name]] * 3
    assert store.read_text() == "potential"


def test_common_files_that_do_not_arrive_are_told(world: World) -> None:
    shutil.rmtree(world.run.folder.parent.parent / ".common")
    (world.run.folder.parent.parent / ".common").mkdir()
    with pytest.raises(CouldNotAsk):
        common(world)


def test_a_job_folder_that_is_missing_there_is_told(world: World) -> None:
    shutil.rmtree(world.there / "b")
    with pytest.raises(CouldNotAsk, match="could not put common files into a job's folder"):
        common(world)
    (world.there / "b").mkdir()
    assert common(world) == COMMON


def test_what_cannot_be_linked_is_copied(world: World, disk: Callable[[int], Path]) -> None:
    """The store is on another disk."""
    (world.there.parent.parent / ".common").symlink_to(disk(5))
    assert common(world) == COMMON
    assert store_of(world).stat().st_nlink == 1


def test_what_can_be_linked_only_in_part_is_copied(tmp_path: Path) -> None:
    """A file has at most 65,000 links on ext4, its neighbours fewer so far."""
    folder = make(tmp_path, {"run/a/x": "", "store/1/one": "1", "store/2/two": "2"})
    real = subprocess.run(["sh", "-c", "command -v ln"], capture_output=True, text=True).stdout
    text = f'#!/bin/sh\n{real.strip()} "$1" "$3"; echo Too many links >&2; exit 1\n'
    program = make(tmp_path, {"bin/ln": text}) / "bin/ln"
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    host = Host(Runner({**os.environ, "PATH": path}))
    sums = {f: checksum(folder / "store" / f) for f in ("1/one", "2/two")}
    sets = [(tuple(sums), ["a"])]
    ask = PlaceFiles(str(folder / "run"), str(folder / "store"), sums, sets, links=set(sums))
    assert host.ask(ask) == []
    assert (folder / "run/a/one").read_text() == "1"
    assert (folder / "run/a/two").read_text() == "2"


def test_common_files_and_a_disk_that_may_not_be_written(
    world: World, disk: Callable[[int], Path]
) -> None:
    there = disk(5)
    shutil.copytree(world.there.parent.parent, there, dirs_exist_ok=True)
    world.run.rdir = str(there / "x" / DATE)
    if subprocess.run(["mount", "-o", "remount,ro", str(there)]).returncode:
        cannot("may not remount here")
    with pytest.raises(CouldNotAsk, match="Read-only file system"):
        common(world)
    subprocess.run(["mount", "-o", "remount,rw", str(there)], check=True)
    assert common(world) == COMMON


def test_odd_names_of_common_files(tmp_path: Path) -> None:
    host = Host()
    names = ["-n", "a b", "'", "$(id)", "*", "\\n", "é", "#"]
    files = {f"{n}/{name}": name for n, name in enumerate(names)}
    make(tmp_path / "store", files)
    sums = {file: checksum(tmp_path / "store" / file) for file in files}
    for name in names:
        (tmp_path / "run" / name).mkdir(parents=True)
    sets = [(tuple(files), names)]
    for _ in range(2):
        request = PlaceFiles(str(tmp_path / "run"), str(tmp_path / "store"), sums, sets)
        assert host.ask(request) == []
    assert snapshot(tmp_path / "run") == {
        **dict.fromkeys(names, "folder"),
        **{f"{folder}/{name}": name.encode() for folder in names for name in names},
    }


def test_links_of_jobs_are_left_out_and_counted(world: World) -> None:
    (world.there / "a/latest").symlink_to("OUT")
    (world.there / "b/out").symlink_to("/etc")
    found = world.receive()
    assert (found.links, found.removed) == (2, True)
    assert world.here() == MADE


def test_a_file_that_was_sent_comes_home_if_a_job_changed_it(world: World) -> None:
    world.write("a/own", "changed by the job")
    assert world.receive().removed
    assert world.here() == {**MADE, "a/own": "changed by the job"}
