"""The archive of a run's outputs, as a remote may send it: all that was asked for, or nothing."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batches import disk, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from places import cannot
from trees import make

from jobauto.batches import unpacking
from jobauto.batches.contents import Contents
from jobauto.batches.outputs import Damaged, unpack
from jobauto.remote.packing import MEMBER

__all__ = ["disk"]  # a fixture

FILES = {"a/out": b"x" * 700, "a/deep er/é": b"", "-b": b"new\n" * 2000}
SIZES = {path: len(data) for path, data in FILES.items()}

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", **fields: Any) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def good() -> list[Member]:
    return [member(f"./{path}", data, mtime=1.7e9) for path, data in FILES.items()]


def archive(*found: Member, end: bool = True) -> bytes:
    """A whole archive of these members."""
    made = io.BytesIO()
    tar = tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
    for info, data in found:
        tar.addfile(info, io.BytesIO(data))
    if end:
        tar.close()
    return gzip.compress(made.getvalue())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where outputs are received, with one of earlier, and with a folder beside it that is not."""
    make(tmp_path, {"outside/precious": "mine", "got/run/a/out": "old", "got/run/kept": "kept"})
    return tmp_path / "got"


def put(home: Path, data: bytes, files: dict[str, int] = SIZES) -> None:
    file = home.parent / "outputs.tar.gz"
    file.write_bytes(data)
    unpack(file, home / "run", files)


def refused(home: Path, data: bytes, files: dict[str, int] = SIZES) -> str:
    """What is said of an archive; the folder, and all around it, is as it was."""
    (home.parent / "outputs.tar.gz").write_bytes(data)
    before = snapshot(home.parent)
    with pytest.raises(Damaged) as said:
        unpack(home.parent / "outputs.tar.gz", home / "run", files)
    assert snapshot(home.parent) == before
    assert str(said.value).isprintable()
    return str(said.value)


def test_all_comes_home_over_what_was_there(home: Path) -> None:
    program = member("./bin", b"#!", mode=0o700)
    put(home, archive(*good(), program), {**SIZES, "bin": 2})
    run = home / "run"
    assert {path: (run / path).read_bytes() for path in FILES} == FILES
    assert (run / "kept").read_text() == "kept"
    assert (run / "a/out").stat().st_mtime == 1.7e9
    assert oct((run / "a/out").stat().st_mode & 0o777) == "0o644"
    assert oct((run / "bin").stat().st_mode & 0o777) == "0o755"
    assert os.listdir(home) == ["run"]


def test_nothing_comes_home_of_nothing(tmp_path: Path) -> None:
    put(tmp_path / "got", archive(), {})
    assert os.listdir(tmp_path / "got/run") == []


def test_two_names_of_one_file_come_home_as_two_files(home: Path) -> None:
    second = member("./a/second", type=tarfile.LNKTYPE, linkname="./a/out")
    put(home, archive(*good(), second), {**SIZES, "a/second": 700})
    run = home / "run"
    assert (run / "a/second").read_bytes() == FILES["a/out"]
    assert (run / "a/second").stat().st_ino != (run / "a/out").stat().st_ino


def of_type(kind: bytes, **fields: Any) -> Member:
    return member("./x", type=kind, **fields)


MORE: dict[str, tuple[Member, str]] = {
    "another": (member("./x2", b"evil"), "'x2', which was not asked for"),
    "above": (member("../outside/precious", b"evil"), "which was not asked for"),
    "above, further in": (member("./a/../../../outside/x", b"evil"), "which was not asked for"),
    "absolute": (member("/tmp/x", b"evil"), "'/tmp/x', which was not asked for"),
    "escapes": (member("./\x1b[2J", b"evil"), r"'\\x1b[2J', which was not asked for"),
    "twice": (member("./a/out", FILES["a/out"]), "'a/out', which was not asked for"),
    "folder": (member("./a", type=tarfile.DIRTYPE), "'a', which was not asked for"),
    "folder for a file": (of_type(tarfile.DIRTYPE), "'x' is no file"),
    "link": (of_type(tarfile.SYMTYPE, linkname="/etc/passwd"), "'x' is no file"),
    "link above": (of_type(tarfile.SYMTYPE, linkname="../../outside/precious"), "'x' is no file"),
    "device": (of_type(tarfile.CHRTYPE, devmajor=1, devminor=5), "'x' is no file"),
    "disk": (of_type(tarfile.BLKTYPE), "'x' is no file"),
    "fifo": (of_type(tarfile.FIFOTYPE), "'x' is no file"),
    "hard link above": (of_type(tarfile.LNKTYPE, linkname="../../outside/precious"), "is a link"),
    "absolute hard link": (of_type(tarfile.LNKTYPE, linkname="/etc/passwd"), "is a link to"),
    "hard link to itself": (of_type(tarfile.LNKTYPE, linkname="./x"), "'x' is a link to 'x'"),
    "hard link of another size": (of_type(tarfile.LNKTYPE, linkname="./a/out"), "was changed"),
    "shorter": (member("./x", b""), "'x' was changed while it was packed"),
    "longer": (member("./x", b"12"), "'x' was changed while it was packed"),
    "much longer": (member("./x", bytes(1 << 20)), "'x' was changed"),
}


@pytest.mark.parametrize(("more", "said"), MORE.values(), ids=MORE)
def test_anything_but_what_was_asked_for_is_refused(home: Path, more: Member, said: str) -> None:
    assert said in refused(home, archive(*good(), more), {**SIZES, "x": 1})


def test_less_than_was_asked_for_is_refused(home: Path) -> None:
    found = good()
    for n in range(len(found)):
        left = [*found[:n], *found[n + 1 :]]
        assert "the archive lacks" in refused(home, archive(*left))
    assert "the archive lacks '-b' and 2 more" in refused(home, archive())


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/tmp/x", "./x", "a//x", "x/", "", ".", ".."]
)
def test_a_list_of_files_that_leads_out_is_refused(home: Path, path: str) -> None:
    """It is the remote's own list."""
    for name in (path, f"./{path}"):
        data = archive(*good(), member(name, b"evil"))
        assert "leads out of the run's folder" in refused(home, data, {**SIZES, path: 4})


def test_an_archive_cut_short_anywhere_is_refused(home: Path) -> None:
    data = archive(*good())
    for end in range(len(data)):
        refused(home, data[:end])


def test_an_archive_without_its_end_is_refused_if_a_file_is_not_whole(home: Path) -> None:
    whole = gzip.decompress(archive(*good(), end=False))
    for end in range(0, len(whole) - 512, 97):
        refused(home, gzip.compress(whole[:end]))


@settings(max_examples=200)
@given(st.data())
def test_flipped_bits_are_refused_or_change_nothing(data: st.DataObject) -> None:
    """Of the archive, and of what it unpacks to, where no checksum of gzip finds them."""
    whole = archive(*good())
    inside = data.draw(st.booleans())
    spoilt = bytearray(gzip.decompress(whole) if inside else whole)
    for bit in data.draw(st.lists(st.integers(0, len(spoilt) * 8 - 1), min_size=1, max_size=3)):
        spoilt[bit // 8] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as temporary:
        home = make(Path(temporary, "got"), {"run/kept": "kept"})
        before = snapshot(home)
        try:
            put(home, gzip.compress(spoilt) if inside else bytes(spoilt))
        except Damaged:
            assert snapshot(home) == before
        else:
            assert sorted(os.listdir(home / "run")) == ["-b", "a", "kept"]
            if not inside:
                assert {path: (home / "run" / path).read_bytes() for path in FILES} == FILES


# bombs


def bomb(*blocks: bytes, zeros: int = 0) -> bytes:
    """These bytes, and so many MiB of zeros, as small as they can be."""
    made = io.BytesIO()
    with gzip.open(made, "wb") as written:
        for block in blocks:
            written.write(block)
        for _ in range(zeros):
            written.write(bytes(1 << 20))
    return made.getvalue()


def head(name: str, kind: bytes, size: int) -> bytes:
    return member(name, type=kind, size=size)[0].tobuf(tarfile.GNU_FORMAT)


def fits_in_memory(home: Path, data: bytes, files: dict[str, int]) -> str:
    """Refused, and at no moment took more than 20 MiB of memory."""
    tracemalloc.start()
    try:
        said = refused(home, data, files)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    return said


LONG = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
LONG += [tarfile.SOLARIS_XHDTYPE]


@pytest.mark.parametrize("kind", LONG)
def test_a_head_of_many_mib_is_refused_unread(home: Path, kind: bytes) -> None:
    """Although files of that size were announced."""
    data = bomb(head("./PaxHeaders", kind, 100 << 20), zeros=100)
    assert "head of a file that is too long" in fits_in_memory(home, data, {"x": 200 << 20})


def test_many_heads_in_one_another_are_refused(home: Path) -> None:
    one = head("./PaxHeaders", tarfile.XHDTYPE, 512) + b"13 comment=x\n".ljust(512, b"\0")
    fits_in_memory(home, bomb(one * 3000), {"x": 200 << 20})


def test_zeros_without_end_are_refused(home: Path) -> None:
    first = head("./a/out", tarfile.REGTYPE, 200 << 20)
    data = bomb(first, zeros=200)
    assert "changed while it was packed" in fits_in_memory(home, data, SIZES)
    data = archive(*good()) + bomb(zeros=200)  # gzip goes on with what is behind its end
    assert "holds more than the files" in fits_in_memory(home, data, SIZES)


def test_holes_of_a_sparse_file_take_no_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head of 512 bytes that says: a terabyte of zeros."""
    facts = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "./a/out"}
    facts |= {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
    sparse = member("./a/out", pax_headers=facts)
    written = list[int]()
    monkeypatch.setattr(shutil, "copyfileobj", lambda *what: written.append(1))
    assert "changed while it was packed" in refused(home, archive(sparse, *good()[1:]))
    assert written == []


@pytest.mark.parametrize("mtime", ["1e300", "nan", "-1e300", "inf", "x"])
def test_a_date_that_is_none_is_refused(home: Path, mtime: str) -> None:
    strange = member("./x", b"1", pax_headers={"mtime": mtime})
    try:
        put(home, archive(strange), {"x": 1})
    except Damaged:
        assert not (home / "run/x").exists()
    else:  # tarfile took it for 0
        assert mtime == "x"


# what is in the folder already


@pytest.mark.parametrize("where", ["a", "a/deep er"])
@pytest.mark.parametrize("target", ["outside", "got", "outside/new"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_that_leads_out_is_not_gone_through(
    home: Path, where: str, target: str, absolute: bool
) -> None:
    """Not even to make a folder behind it."""
    run = home / "run"
    (run / "a/out").unlink()
    (run / "a").rmdir()
    (run / where).parent.mkdir(exist_ok=True)
    target = str(home.parent / target)
    (run / where).symlink_to(target if absolute else os.path.relpath(target, (run / where).parent))
    before = snapshot(home.parent)
    files = {**SIZES, "a/deep er/x/y": 3}
    data = archive(*good(), member("./a/deep er/x/y", b"new"))
    with pytest.raises(OSError, match="a link leads out of it"):
        put(home, data, files)
    (home.parent / "outputs.tar.gz").unlink()
    assert snapshot(home.parent) == before


def test_a_linked_file_is_replaced_and_not_written_through(home: Path) -> None:
    (home / "run/a/out").unlink()
    (home / "run/a/out").symlink_to(home.parent / "outside/precious")
    put(home, archive(*good()))
    assert (home.parent / "outside/precious").read_text() == "mine"
    assert not (home / "run/a/out").is_symlink()
    assert (home / "run/a/out").read_bytes() == FILES["a/out"]


def test_a_link_to_a_folder_of_the_same_run_is_gone_through(home: Path) -> None:
    (home / "run/b").mkdir()
    (home / "run/a/deep er").symlink_to("../b")
    put(home, archive(*good()))
    assert (home / "run/b/é").exists()


def test_what_a_killed_process_left_beside_it_goes(home: Path) -> None:
    make(home, {".run.partial/a/out": "half", ".run.partial/more": "x"})
    put(home, archive(*good()))
    assert os.listdir(home) == ["run"]
    assert not (home / "run/more").exists()


# disks


def test_a_disk_without_room_is_told_before_anything_is_written(
    disk: Callable[[int], Path], tmp_path: Path
) -> None:
    home = make(disk(52), {"run/kept": "kept"})
    before = snapshot(home)
    (tmp_path / "x").write_bytes(archive(member("./x", os.urandom(3 << 20))))
    with pytest.raises(OSError, match="3 MiB and some reserve do not fit: 51 MiB are free"):
        unpack(tmp_path / "x", home / "run", {"x": 3 << 20})
    assert snapshot(home) == before


def test_a_disk_that_becomes_full_changes_nothing(
    disk: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files take a whole page each: more than their bytes."""
    home = make(disk(5), {"run/0": "old"})
    (home / "taken").write_bytes(bytes(3 << 20))
    before = snapshot(home)
    monkeypatch.setattr(unpacking, "_RESERVE", 0)
    files = {f"{n}": 3 for n in range(900)}
    (tmp_path / "x").write_bytes(archive(*(member(f"./{path}", b"new") for path in files)))
    with pytest.raises(OSError, match="No space left on device"):
        unpack(tmp_path / "x", home / "run", files)
    assert snapshot(home) == before
    (home / "taken").unlink()
    unpack(tmp_path / "x", home / "run", files)
    assert {file.read_text() for file in (home / "run").iterdir()} == {"new"}


def test_a_disk_that_may_not_be_written_is_told(
    disk: Callable[[int], Path], tmp_path: Path
) -> None:
    home = make(disk(60), {"run/a/out": "old"})
    before = snapshot(home)
    if subprocess.run(["mount", "-o", "remount,ro", str(home)]).returncode:
        cannot("may not remount here")
    (tmp_path / "x").write_bytes(archive(*good()))
    with pytest.raises(OSError, match="Read-only file system"):
        unpack(tmp_path / "x", home / "run", SIZES)
    assert snapshot(home) == before


# what is an output

NO_OUTPUTS = ["a/INCAR", "bin/prog", "a/qsub.0", "b/qsub.1", "a/qsub.finished.0", MEMBER]
NO_OUTPUTS += ["a/qsub.dependency.0", "qsub.now", "quelist", "qstat", "kill", "jobmon.log"]
OUTPUTS = ["a/OUTCAR", "a/new/INCAR", "b/INCAR", "bin/made", "a/batch.json", "a/quelist", "top"]
OUTPUTS += ["a/kill", "a/.hidden", "a/x.dat", "a/new/y.dat", "-c/slurm-7.out", "b/qsub.0.o77"]

# patterns, folders apart, and what is brought of all of the above
WANTED: dict[str, tuple[list[str], list[str], list[str]]] = {
    "no patterns": ([], [], OUTPUTS),
    "all": (["*"], [], OUTPUTS),
    "one name at any depth": (["OUTCAR"], [], ["a/OUTCAR"]),
    "a name that is sent elsewhere": (["INCAR"], [], ["a/new/INCAR", "b/INCAR"]),
    "ending": (["*.dat"], [], ["a/x.dat", "a/new/y.dat"]),
    "two": (["*.dat", "top"], [], ["a/x.dat", "a/new/y.dat", "top"]),
    "with its folder": (["a/*.dat"], [], ["a/x.dat"]),
    "folders of any name": (["*/*.out"], [], ["-c/slurm-7.out"]),
    "in upper case": (["*.DAT"], [], []),
    "hidden": ([".*"], [], ["a/.hidden"]),
    "no script, but what Grid Engine makes of it": (["qsub.*"], [], ["b/qsub.0.o77"]),
    "a question mark": (["?.dat"], [], ["a/x.dat", "a/new/y.dat"]),
    "absolute": (["/a/OUTCAR"], [], []),
    "above": (["../*"], [], []),
    "a folder apart": ([], ["a", "bin"], ["b/INCAR", "top", "-c/slurm-7.out", "b/qsub.0.o77"]),
    "a folder apart that is named": (["made", "top"], ["bin"], ["top"]),
    "a folder further in is not apart": (["y.dat"], ["new"], ["a/new/y.dat"]),
}


@pytest.mark.parametrize(("patterns", "apart", "wanted"), WANTED.values(), ids=WANTED)
def test_what_is_brought_home(patterns: list[str], apart: list[str], wanted: list[str]) -> None:
    contents = Contents(
        format=1,
        made="",
        source="",
        jobs=1,
        outputs=tuple(patterns),
        apart=tuple(apart),
        common={"0" * 64: ("a/INCAR", "c/INCAR"), "1" * 64 + "x": ("bin/prog",)},
        own=("a/qsub.0", "a/qsub.dependency.0"),
    )
    assert contents.wanted([*OUTPUTS, *NO_OUTPUTS]) == sorted(wanted)
