"""The zip of a batch: a tree goes in and the same comes out; of a hostile one nothing does."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import disk, members, packed, rewrite, snapshot
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from places import cannot
from trees import job, make

from jobauto.batches import packing, unpacking
from jobauto.batches.contents import Contents
from jobauto.batches.unpacking import unpack
from jobauto.errors import UserError
from jobauto.remote.packing import MEMBER

__all__ = ["disk"]  # a fixture

TREE = {
    "a/qsub.0": job("true"),
    "a/POTCAR": "potential\n" * 300,
    "a/own": "only a",
    "b/qsub.0": job("true"),
    "b/POTCAR": "potential\n" * 300,
    "b/sub dir/-dash \\ é": "own of b",
    "bin/run": "#!/bin/sh\n",
}


def tree_of(folder: Path) -> Path:
    tree = make(folder / "tree", TREE)
    (tree / "bin/run").chmod(0o755)
    return tree


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A shelf with the zip `x.zip` of a small tree."""
    packed(tree_of(tmp_path), tmp_path / "shelf/x.zip")
    return tmp_path / "shelf"


def came_out(file: Path, there: Path) -> dict[str, tuple[bytes, bool]]:
    """Content and executable bit by path, of the init tree and of what is linked into it."""
    contents = unpack(file, there / "init", there / "store")
    found = {path: there / "init" / path for path in files_below(there / "init")}
    assert found.pop(MEMBER).read_bytes() == member(file, MEMBER)
    for key, path in contents.sent_once():
        assert path not in found
        found[path] = there / "store" / key / Path(path).name
    return {path: read(file) for path, file in found.items()}


def files_below(folder: Path) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]


def read(file: Path) -> tuple[bytes, bool]:
    return file.read_bytes(), bool(file.stat().st_mode & 0o100)


def member(file: Path, name: str) -> bytes:
    with zipfile.ZipFile(file) as found:
        return found.read(name)


# what a tree may hold

LETTERS = st.characters(exclude_characters="/", exclude_categories=["C", "Z"]) | st.just(" ")
PARTS = st.one_of(
    st.text(LETTERS, min_size=1, max_size=8).filter(lambda name: name.isprintable()),
    st.sampled_from(["-rf", "a\\b", "*", "'", '"', ";", "$(id)", "#x", "é", "~", "...", "a.zip"]),
).filter(lambda name: name not in (".", "..") and not name.startswith("qsub."))
OWN_NAMES = {"quelist", "qstat", "kill", "jobmon.log", ".jobauto", MEMBER}
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
CONTENT = st.sampled_from([b"", b"same", b"x" * 3000]) | st.binary(max_size=50)
FILES = st.dictionaries(PATHS, st.tuples(CONTENT, st.booleans()), max_size=8)


def fits(paths: list[str]) -> bool:
    """Whether none is a folder of another, nor a name of the run's own."""
    above = {str(parent) for path in paths for parent in Path(path).parents}
    return above.isdisjoint(paths) and not any(p.split("/")[0] in OWN_NAMES for p in paths)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, st.lists(PARTS, min_size=1, max_size=3, unique=True), st.data())
def test_the_same_files_come_out(
    files: dict[str, tuple[bytes, bool]], names: list[str], data: st.DataObject
) -> None:
    """Also through links of the tree, which come out as what they mean."""
    wanted = {**files, "j/qsub.0": (b"#!/bin/sh\n", data.draw(st.booleans()))}
    links = {f"links/{name}": data.draw(st.sampled_from(sorted(wanted))) for name in names}
    assume(fits([*wanted, *links]))
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary, "tree")
        for path, (content, program) in wanted.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
            (tree / path).chmod(0o755 if program else 0o644)
        (tree / "links").mkdir(exist_ok=True)
        for link, path in links.items():
            (tree / link).symlink_to(os.path.relpath(tree / path, tree / "links"))
            wanted[link] = wanted[path]
        file = Path(temporary, "x.zip")
        contents = packed(tree, file)
        check_zip(file, contents, wanted)
        assert came_out(file, Path(temporary)) == wanted


def check_zip(file: Path, contents: Contents, wanted: dict[str, tuple[bytes, bool]]) -> None:
    """What is in the zip is what batch.json says, and each content that is shared is there once."""
    inside = {info.filename: data for info, data in members(file).items()}
    assert json.loads(inside.pop(MEMBER)) == json.loads(contents.model_dump_json())
    common = {name: data for name, data in inside.items() if name.startswith("common/")}
    assert {name.removeprefix("common/") for name in common} == set(contents.common)
    assert inside.keys() - common.keys() == {f"tree/{path}" for path in contents.own}
    for key, paths in contents.common.items():
        assert {wanted[path] for path in paths} == {(common[f"common/{key}"], key.endswith("x"))}
        assert hashlib.sha256(common[f"common/{key}"]).hexdigest() == key[:64]
    values = list(wanted.values())
    assert all(values.count(wanted[path]) == 1 for path in contents.own)
    assert not {path for _, path in contents.sent_once() if Path(path).name.startswith("qsub.")}


def test_what_is_shared_is_in_the_zip_once_and_scripts_are_files_of_their_own(shelf: Path) -> None:
    contents = unpack(shelf / "x.zip", shelf / "x/init", shelf / ".common")
    common = {paths: key for key, paths in contents.common.items()}
    assert set(common) == {("a/qsub.0", "b/qsub.0"), ("a/POTCAR", "b/POTCAR"), ("bin/run",)}
    assert contents.own == ("a/own", "b/sub dir/-dash \\ é")
    potential, program = common[("a/POTCAR", "b/POTCAR")], common[("bin/run",)]
    assert program.endswith("x")
    assert sorted(contents.sent_once()) == sorted(
        [(potential, "a/POTCAR"), (potential, "b/POTCAR"), (program, "bin/run")]
    )
    sets = sorted((list(files), sorted(folders)) for files, folders in contents.sets())
    assert sets == sorted([([f"{potential}/POTCAR"], ["a", "b"]), ([f"{program}/run"], ["bin"])])
    there = snapshot(shelf)
    assert there["x/init/a/qsub.0"] == there["x/init/b/qsub.0"] == TREE["a/qsub.0"].encode()
    assert "x/init/a/POTCAR" not in there
    assert there["x/init/bin"] == "folder"
    assert mode(shelf / f".common/{potential}/POTCAR") == 0o644
    assert mode(shelf / f".common/{program}/run") == 0o555


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_folders_without_files_are_kept(tmp_path: Path) -> None:
    """Jobs write into them."""
    tree = tree_of(tmp_path)
    (tree / "a/results/deep").mkdir(parents=True)
    assert packed(tree, tmp_path / "x.zip").folders == ("a/results/deep",)
    unpack(tmp_path / "x.zip", tmp_path / "init", tmp_path / "store")
    assert (tmp_path / "init/a/results/deep").is_dir()


def test_a_store_that_is_there_is_used_and_mended(shelf: Path) -> None:
    unpack(shelf / "x.zip", shelf / "x/init", shelf / ".common")
    before = snapshot(shelf)
    good, bad = sorted((shelf / ".common").glob("*/*"))
    inode = good.stat().st_ino
    bad.unlink()
    bad.write_text("what somebody wrote into it")
    (shelf / "x/init/left").write_text("of a submission that was cut off")
    unpack(shelf / "x.zip", shelf / "x/init", shelf / ".common")
    assert snapshot(shelf) == before
    assert good.stat().st_ino == inode


# trees that are refused


def link(target: str) -> Callable[[Path], object]:
    return lambda tree: (tree / "a/link").symlink_to(target)


def write(path: str) -> Callable[[Path], object]:
    return lambda tree: make(tree, {path: "x"})


def no_jobs(tree: Path) -> None:
    (tree / "a/qsub.0").unlink()
    (tree / "b/qsub.0").unlink()


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "link to a file outside": (link("../../outside"), "a/link: links to nothing"),
    "absolute link outside": (link("/etc/passwd"), "a/link: links to nothing"),
    "broken link": (link("nothing"), "a/link: links to nothing"),
    "link to itself": (link("link"), "a/link: links to nothing"),
    "link to a folder of it": (link("../b"), "a/link: links to nothing, to a folder"),
    "link to a folder outside": (link("../.."), "a/link: links to nothing, to a folder"),
    "fifo": (lambda tree: os.mkfifo(tree / "a/pipe"), "a/pipe: not a file"),
    "newline": (write("a/new\nline"), "control characters in the name"),
    "escape": (write("a/\x1b[2J"), "control characters in the name"),
    "folder with a newline": (write("a/x\ny/z"), "control characters in the name"),
    "empty one with a tab": (lambda t: (t / "a/x\ty").mkdir(), "control characters in the name"),
    "bytes that are no text": (write("a/\udcff"), "control characters in the name"),
    "name of ours": (write(MEMBER), "batch.json: this name belongs to the batch"),
    "name of the monitor": (write("quelist"), "quelist: this name belongs to the monitor"),
    "no jobs": (no_jobs, "no job: no file called qsub.<id>"),
    "no tree": (lambda tree: tree.rename(tree.with_name("away")), "there is no such folder"),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_a_tree_that_cannot_be_a_batch_is_refused_and_nothing_is_left(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    make(tmp_path, {"outside": ""})
    spoil(tree_of(tmp_path))
    before = os.listdir(tmp_path)
    with pytest.raises(UserError) as refused:
        packed(tmp_path / "tree", tmp_path / "shelf/x.zip")
    assert said in str(refused.value)
    assert str(refused.value).isprintable() or "\n  -> " in str(refused.value)
    assert os.listdir(tmp_path) == before


@pytest.mark.parametrize("outputs", ["", ".", "*.dat\n"])
def test_a_pattern_that_fits_nothing_is_refused_before_the_zip_is_made(
    tmp_path: Path, outputs: str
) -> None:
    with pytest.raises(UserError, match="outputs"):
        packed(tree_of(tmp_path), tmp_path / "shelf/x.zip", outputs)
    assert not (tmp_path / "shelf").exists()


def test_a_batch_is_never_written_over(shelf: Path, tmp_path: Path) -> None:
    make(tmp_path / "tree", {"a/own": "changed"})
    before = snapshot(shelf)
    with pytest.raises(UserError, match="there is such a batch"):
        packed(tmp_path / "tree", shelf / "x.zip")
    assert snapshot(shelf) == before


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tree_of(tmp_path)
    real = os.scandir

    def scandir(folder: Any) -> Any:
        if os.fspath(folder) == str(tree / "b/sub dir"):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(packing, "run", AllIsWell)
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        packed(tree, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


class AllIsWell:
    """A look at the tree that sees a job, as of folders that begin with a dot none is seen."""

    jobs = {"a/qsub.0": None}

    @classmethod
    def check(cls, tree: Path) -> list[type[AllIsWell]]:
        return [cls]


def test_a_file_that_changes_while_it_is_packed_makes_no_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its checksum would be found wrong when the batch is submitted."""
    tree = tree_of(tmp_path)
    real = packing._key
    order = iter(range(100))

    def key(file: Path) -> str:
        found = real(file)
        if next(order) == len(TREE) - 1:
            (tree / "a/POTCAR").write_text("new")
        return found

    monkeypatch.setattr(packing, "_key", key)
    with pytest.raises(UserError, match="a/POTCAR: it was changed while it was packed"):
        packed(tree, tmp_path / "shelf/x.zip")
    assert os.listdir(tmp_path / "shelf") == []


# zips that are refused


def refused(shelf: Path, file: str = "x.zip") -> str:
    """What is said of a zip; nothing but this was done."""
    before = snapshot(shelf)
    with pytest.raises(UserError) as said:
        unpack(shelf / file, shelf / "x/init", shelf / ".common")
    after = snapshot(shelf)
    for folder in ("x", ".common"):  # where a zip is unpacked that is wrong inside
        after.pop(folder, None)
    assert after == before
    assert said.value.where
    assert said.value.where.startswith(str(shelf / file))
    assert said.value.hint
    return said.value.what


OTHER_KEY = "0" * 64


def with_own(*paths: str) -> Callable[[Path], None]:
    """More files of their own, in the facts as in the zip."""

    def change(facts: dict[str, Any]) -> None:
        facts["own"] += paths

    return lambda file: rewrite(file, change, {f"tree/{path}": b"evil" for path in paths})


def with_common(*paths: str) -> Callable[[Path], None]:
    """More places of a common file."""

    def change(facts: dict[str, Any]) -> None:
        key = next(key for key, found in facts["common"].items() if "a/POTCAR" in found)
        facts["common"][key] += paths

    return lambda file: rewrite(file, change)


def with_folders(*paths: str) -> Callable[[Path], None]:
    return lambda file: rewrite(file, lambda facts: facts.update(folders=paths))


def new_member(name: str, mode: int = 0) -> Callable[[Path], None]:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return lambda file: rewrite(file, new={info: b"evil"})


def a_link(file: Path) -> None:
    info = zipfile.ZipInfo("tree/a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    rewrite(file, lambda facts: facts["own"].append("a/link"), {info: b"/etc/passwd"})


def wrong_common(file: Path) -> None:
    """The content of a common file is another one, with a good checksum of the zip."""
    key = next(i.filename for i, data in members(file).items() if data.startswith(b"potential"))
    rewrite(file, without=key, new={key: b"other"})


def other_key(file: Path) -> None:
    before = "common/" + key_of(file, "bin/run")
    new = f"common/{OTHER_KEY}x"

    def change(facts: dict[str, Any]) -> None:
        facts["common"][OTHER_KEY + "x"] = facts["common"].pop(before.removeprefix("common/"))

    rewrite(file, change, {new: member(file, before)}, without=before)


def key_of(file: Path, path: str) -> str:
    common: dict[str, list[str]] = json.loads(member(file, MEMBER))["common"]
    return next(key for key, paths in common.items() if path in paths)


def strange_key(file: Path) -> None:
    def change(facts: dict[str, Any]) -> None:
        facts["common"]["../../x"] = ["c/x", "d/x"]

    rewrite(file, change, {"common/../../x": b"evil"})


def encrypted(name: str) -> Callable[[Path], None]:
    """Set the bit that says so, in both heads of a member (and in the rest of the zip)."""

    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        with zipfile.ZipFile(file) as found:
            info = found.getinfo(name)
        data[info.header_offset + 6] |= 1
        central = data.rindex(name.encode()) - 46
        assert data[central : central + 4] == b"PK\x01\x02"
        data[central + 8] |= 1
        file.write_bytes(data)

    return change


def zeros(number: int) -> Callable[[Path], None]:
    """A file of so many MiB that is nearly nothing in the zip."""

    def change(file: Path) -> None:
        rewrite(file, lambda facts: facts["own"].append("zeros"))
        with (
            zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as made,
            made.open("tree/zeros", "w", force_zip64=True) as written,
        ):
            for _ in range(number):
                written.write(bytes(1 << 20))

    return change


def many_copies(file: Path) -> None:
    """A script that thousands of jobs share: small in the zip, not on a disk."""
    paths = [f"{n}/qsub.0" for n in range(5000)]
    data = bytes(1 << 20)
    key = hashlib.sha256(data).hexdigest()
    rewrite(file, lambda facts: facts["common"].update({key: paths}), {f"common/{key}": data})


def announced(size: int) -> Callable[[Path], None]:
    """The facts announce to be long; in truth they are not."""

    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        central = data.index(b"PK\x01\x02")
        assert data[central + 46 :].startswith(MEMBER.encode())
        data[central + 24 : central + 28] = size.to_bytes(4, "little")
        file.write_bytes(data)

    return change


def bad_name(file: Path) -> None:
    """A name that is said to be UTF-8 and is not."""
    rewrite(file, lambda facts: facts["own"].append("é"), {"tree/é": b""})
    file.write_bytes(file.read_bytes().replace("tree/é".encode(), b"tree/\xff\xfe"))


def other_method(file: Path) -> None:
    """A member is said to be packed as LZMA, and is not."""
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as found:
        info = found.getinfo("tree/a/own")
    data[info.header_offset + 8] = zipfile.ZIP_LZMA
    data[data.rindex(b"tree/a/own") - 46 + 10] = zipfile.ZIP_LZMA
    file.write_bytes(data)


def broken_lzma(file: Path) -> None:
    """A member is packed as LZMA, which other programs do too, and spoilt."""
    rewrite(file, lambda facts: facts["own"].append("x"))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_LZMA) as made:
        made.writestr("tree/x", os.urandom(500))
    data = file.read_bytes()
    begin = data.index(b"tree/x") + 6 + 9  # behind the name and the settings of LZMA
    file.write_bytes(data[:begin] + b"\xff" * 100 + data[begin + 100 :])


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "above": (with_own("../x"), "leads out"),
    "above, further in": (with_own("a/../../x"), "leads out"),
    "above and back": (with_own("a/../b/x"), "leads out"),
    "absolute": (with_own("/tmp/x"), "leads out"),
    "with a dot": (with_own("./x"), "leads out"),
    "two slashes": (with_own("a//x"), "leads out"),
    "a slash at its end": (with_own("a/x/"), "leads out"),
    "empty": (with_own(""), "leads out"),
    "control characters": (with_own("a/\x1b[2J"), "leads out"),
    "common above": (with_common("../x"), "leads out"),
    "common absolute": (with_common("/tmp/x"), "leads out"),
    "folder above": (with_folders("../x"), "leads out"),
    "folder absolute": (with_folders("/tmp/x"), "leads out"),
    "folder that is the tree": (with_folders("."), "leads out"),
    "folder of the monitor": (with_folders(".jobauto/orders"), "own files"),
    "own file of the monitor": (with_own(".jobauto/run.json"), "own files"),
    "common file of the monitor": (with_common("kill"), "own files"),
    "facts twice": (with_own(MEMBER), "own files"),
    "below a file": (with_own("a/own/x"), "is below a file"),
    "common below a file": (with_common("a/own/x"), "is below a file"),
    "folder below a file": (with_folders("a/own/x"), "is below a file"),
    "folder that is a file": (with_folders("a/own"), "a file and a folder"),
    "link": (a_link, "there is a link in it"),
    "name twice": (new_member("tree/a/own"), "a name is in it twice"),
    "two contents for one file": (with_common("a/own"), "two contents for one file"),
    "a place twice": (with_common("b/POTCAR"), "two contents for one file"),
    "too many": (new_member("tree/c"), "'tree/c' is in the zip or in its batch.json, not in both"),
    "too many above": (new_member("../x"), "'../x' is in the zip or in its batch.json"),
    "too many links": (new_member("x", stat.S_IFLNK | 0o777), "'x' is in the zip or in"),
    "too few": (lambda file: rewrite(file, without="tree/a/own"), "'tree/a/own' is in the zip or"),
    "no facts": (lambda file: rewrite(file, without=MEMBER), f"no {MEMBER}"),
    "facts too long": (announced(300 << 20), f"no {MEMBER}"),
    "facts shorter than they are": (announced(20), "not a whole zip of a batch"),
    "other content": (wrong_common, "is not what its name says"),
    "other checksum": (other_key, "is not what its name says"),
    "no checksum": (strange_key, "a common file has no checksum"),
    "encrypted": (encrypted("tree/a/own"), "encrypted"),
    "facts encrypted": (encrypted(MEMBER), "encrypted"),
    "bomb": (zeros(400), "a zip bomb?"),
    "bomb of copies": (many_copies, "a zip bomb?"),
    "name that is no text": (bad_name, "not a whole zip of a batch"),
    "other method": (other_method, "not a whole zip of a batch"),
    "broken LZMA": (broken_lzma, "not a whole zip of a batch"),
    "no zip": (lambda file: file.write_bytes(b"PK" * 500), "not a whole zip of a batch"),
    "empty file": (lambda file: file.write_bytes(b""), "not a whole zip of a batch"),
    "text": (lambda file: file.write_text("<html>404"), "not a whole zip of a batch"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("spoil", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_zip_is_refused_and_nothing_is_unpacked(
    shelf: Path, spoil: Callable[[Path], object], said: str
) -> None:
    around = snapshot(shelf.parent / "tree")
    spoil(shelf / "x.zip")
    assert said in refused(shelf)
    assert snapshot(shelf.parent / "tree") == around
    assert sorted(os.listdir(shelf.parent)) == ["shelf", "tree"]
    assert_empty(shelf / "x")
    assert_empty(shelf / ".common")


def assert_empty(folder: Path) -> None:
    assert not folder.exists() or os.listdir(folder) == []


def test_a_bomb_inside_a_zip_inside_is_a_file_like_any_other(shelf: Path, tmp_path: Path) -> None:
    """Nobody unpacks what is in a batch but the batch itself."""
    with zipfile.ZipFile(tmp_path / "tree/bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", bytes(50 << 20))
    content = (tmp_path / "tree/bomb.zip").read_bytes()
    packed(tmp_path / "tree", shelf / "y.zip")
    unpack(shelf / "y.zip", shelf / "y/init", shelf / ".common")
    assert (shelf / "y/init/bomb.zip").read_bytes() == content


FIELDS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "newer": (lambda facts: facts.update(format=2), "format"),
    "older": (lambda facts: facts.update(format=0), "format"),
    "format as text": (lambda facts: facts.update(format="1"), "format"),
    "no format": (lambda facts: facts.pop("format"), "format"),
    "made": (lambda facts: facts.update(made=20261121), "made"),
    "made with escapes": (lambda facts: facts.update(made="\x1b[2J"), "made"),
    "no made": (lambda facts: facts.pop("made"), "made"),
    "source": (lambda facts: facts.update(source=None), "source"),
    "source of two lines": (lambda facts: facts.update(source="a\nb"), "source"),
    "no source": (lambda facts: facts.pop("source"), "source"),
    "jobs": (lambda facts: facts.update(jobs="2"), "jobs"),
    "no number of jobs": (lambda facts: facts.pop("jobs"), "jobs"),
    "none": (lambda facts: facts.update(jobs=0), "jobs"),
    "outputs": (lambda facts: facts.update(outputs="*.dat"), "outputs"),
    "number as output": (lambda facts: facts.update(outputs=[1]), "outputs.0"),
    "empty output": (lambda facts: facts.update(outputs=["*.dat", ""]), "outputs.1"),
    "apart": (lambda facts: facts.update(apart={}), "apart"),
    "common": (lambda facts: facts.update(common=[]), "common"),
    "common file without places": (lambda facts: facts.update(common={OTHER_KEY: 1}), "common"),
    "own": (lambda facts: facts.update(own=[["a"]]), "own.0"),
    "folders": (lambda facts: facts.update(folders=[None]), "folders.0"),
    "unknown": (lambda facts: facts.update(shell="rm"), "shell"),
}


@pytest.mark.parametrize(("change", "field"), FIELDS.values(), ids=FIELDS)
def test_facts_that_are_wrong_name_the_field(
    shelf: Path, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    rewrite(shelf / "x.zip", change)
    assert refused(shelf).startswith(f"this is no batch: {field}")
    assert os.listdir(shelf) == ["x.zip"]


@pytest.mark.parametrize("facts", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_facts_that_are_no_json_are_refused(shelf: Path, facts: bytes) -> None:
    rewrite(shelf / "x.zip", without=MEMBER, new={MEMBER: facts})
    assert refused(shelf).startswith("this is no batch")


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[bytes, dict[str, tuple[bytes, bool]]]]:
    """A small zip, and what comes out of it."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "x.zip")
        packed(tree_of(Path(temporary)), file)
        yield file.read_bytes(), came_out(file, Path(temporary, "out"))


Small = tuple[bytes, dict[str, tuple[bytes, bool]]]


def test_a_zip_cut_short_anywhere_is_refused(shelf: Path, small: Small) -> None:
    for end in range(0, len(small[0]), 7):
        (shelf / "x.zip").write_bytes(small[0][:end])
        assert refused(shelf).startswith("not a whole zip of a batch")
        assert os.listdir(shelf) == ["x.zip"]


@settings(max_examples=300)
@given(st.data())
def test_flipped_bits_are_refused_or_change_nothing(small: Small, data: st.DataObject) -> None:
    """Dates and the bits of a mode are not in any checksum."""
    whole, wanted = small
    flips = data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=3))
    spoilt = bytearray(whole)
    for bit in flips:
        spoilt[bit // 8] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as temporary:
        shelf = Path(temporary)
        (shelf / "x.zip").write_bytes(spoilt)
        try:
            found = came_out(shelf / "x.zip", shelf / "out")
        except UserError:
            assert not any(path.is_file() for path in (shelf / "out").rglob("*"))
        else:
            assert {path: found[path][0] for path in found} == {
                path: wanted[path][0] for path in wanted
            }


# disks


def test_a_disk_without_room_takes_nothing(disk: Callable[[int], Path], shelf: Path) -> None:
    small = disk(52)
    rewrite(
        shelf / "x.zip", lambda facts: facts["own"].append("x"), {"tree/x": os.urandom(3 << 20)}
    )
    with pytest.raises(UserError, match="3 MiB and some reserve do not fit: 52 MiB are free"):
        unpack(shelf / "x.zip", small / "x/init", small / ".common")
    assert files_below(small) == []


def test_a_disk_that_becomes_full_takes_nothing(
    disk: Callable[[int], Path], tmp_path: Path
) -> None:
    """Small files take a whole page each: more than their bytes. What is unpacked goes again."""
    small = disk(52)
    tree = make(tmp_path / "tree", {f"{n}/qsub.0": f"#{n}" for n in range(900)})
    packed(tree, tmp_path / "x.zip")
    (small / "taken").write_bytes(bytes(50 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacking, "_RESERVE", 0)
        with pytest.raises(UserError, match="No space left on device") as said:
            unpack(tmp_path / "x.zip", small / "x/init", small / ".common")
    assert said.value.where
    assert files_below(small) == ["taken"]
    (small / "taken").unlink()
    unpack(tmp_path / "x.zip", small / "x/init", small / ".common")
    assert len(files_below(small / "x/init")) == 901


def test_a_disk_that_may_not_be_written_says_so(disk: Callable[[int], Path], shelf: Path) -> None:
    small = disk(60)
    if subprocess.run(["mount", "-o", "remount,ro", str(small)]).returncode:
        cannot("may not remount here")
    with pytest.raises(UserError, match="Read-only file system"):
        unpack(shelf / "x.zip", small / "x/init", small / ".common")
    with pytest.raises(OSError, match="Read-only file system"):
        packed(shelf.parent / "tree", small / "y.zip")
    assert os.listdir(small) == []
