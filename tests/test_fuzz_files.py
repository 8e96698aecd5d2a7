"""Damaged files of a run and of a tree: a value or an error of ours, and nothing made up.

A file may hold any bytes: an editor, a full disk or a copy that was cut off. What is promised:
each reader gives a value or says in one line which file and what to do; what was written is read
back as it was; and of qsub.log, of which a crash may cut the last line, nothing else is forgotten.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trees import make

from jobauto.copying import Filler
from jobauto.errors import UserError
from jobauto.ledger import Ledger, attempts, quelist
from jobauto.ledger.attempts import Line, Tried
from jobauto.ledger.quelist import Word
from jobauto.lock import holder
from jobauto.model import Job
from jobauto.needs import parse_needs
from jobauto.run import is_run, open_run
from jobauto.settings import Settings
from jobauto.sources import load
from jobauto.tree import scan

DATE = "20261120_231500"
many = settings(max_examples=200)
fewer = settings(max_examples=80)

# What a file may hold: any bytes, as all of our readers see them.
raw = st.binary(max_size=200)


@st.composite
def changed(draw: st.DrawFn, true: bytes) -> bytes:
    """True content with some stretches removed, repeated or overwritten; or any bytes at all."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(true)))
        end = min(len(true), begin + draw(st.integers(0, 40)))
        middle = draw(st.sampled_from([b"", true[begin:end] * 2, b"\0", b"'", b"\n"]) | raw)
        true = true[:begin] + middle + true[end:]
    return true


def value_or_ours(read: Callable[[], Any]) -> Any:
    """What was read; the text of an error of ours."""
    try:
        return read()
    except UserError as error:
        return str(error)


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """No options of the person who runs the tests, and no waiting for the disk."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setenv("XDG_CONFIG_HOME", folder)
        yield


# --- quelist and qsub.log: what is written is read back -------------------------------------------

name_parts = st.binary(min_size=1, max_size=20).map(
    lambda data: text(data.translate(None, b"\0\n/.")) or "x"
)
names = st.builds(
    lambda folders, job_id: "/".join([*folders, f"qsub.{job_id}"]),
    st.lists(name_parts, max_size=3),
    name_parts,
)
details = st.binary(max_size=30).map(lambda data: text(data.replace(b"\n", b"")))
words = st.builds(Word, st.sampled_from(sorted(quelist.MEANING)), st.just(DATE), details)


@many
@given(st.dictionaries(names, st.lists(words, max_size=4), max_size=5))
@example({"#a/qsub.'": [Word("failed", DATE, "@a@b' \\ \x85\u2028")]})
def test_quelist_is_read_back_as_it_was_written(lines: dict[str, list[Word]]) -> None:
    found = quelist.parse(quelist.format_lines(lines))
    assert found == lines
    assert list(found) == list(lines), "in their order"


tokens = st.from_regex(r"ja[0-9a-z-]{1,20}", fullmatch=True)
tries = st.builds(
    Tried,
    st.integers(1, 9**9),
    token=details,
    jobid=details,
    accepted=st.just(DATE),
    after=st.lists(tokens).map(tuple),
)


@many
@given(st.dictionaries(names, tries, max_size=4))
def test_qsub_log_is_read_back_as_it_was_written(tried: dict[str, Tried]) -> None:
    lines = []
    for name, known in tried.items():
        after = [("after", ",".join(known.after))] if known.after else []
        lines.append(Line("intent", name, known.number, (("token", known.token), *after)))
        lines.append(Line("accepted", name, known.number, (("jobid", known.jobid),)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "qsub.log")
        attempts.append(path, DATE, lines)
        assert attempts.read(path) == tried


# --- quelist and qsub.log: damaged ----------------------------------------------------------------

QUELIST = f"a/qsub.0 started@{DATE}@11 finished@{DATE}\n'b b/qsub.1' started@{DATE}@12\nc/qsub.0\n"
LOG = "".join(
    f"{DATE} intent {name} {n} token=t{n}\n{DATE} accepted {name} {n} jobid={n + 10}\n"
    for n, name in enumerate(["a/qsub.0", "'b b/qsub.1'", "d/qsub.0"], 1)
) + f"{DATE} finished a/qsub.0 1 left=yes\n{DATE} intent d/qsub.0 4 token=t4\n"  # fmt: skip


@many
@given(changed(QUELIST.encode()) | raw)
def test_any_quelist_is_read_or_refused_with_the_line(data: bytes) -> None:
    found = value_or_ours(lambda: quelist.parse(text(data), "L/quelist"))
    if isinstance(found, str):
        number = int(found.removeprefix("L/quelist:").split(":")[0])
        assert 1 <= number <= data.count(b"\n") + 1
        assert all(line.isprintable() for line in found.split("\n"))
    else:
        assert quelist.parse(quelist.format_lines(found)) == found


def test_of_a_qsub_log_cut_at_any_byte_only_the_cut_line_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "qsub.log"
    for cut in range(len(LOG) + 1):
        path.write_text(LOG[: LOG.rfind("\n", 0, cut) + 1])
        whole = attempts.read(path)
        path.write_text(LOG[:cut])
        assert attempts.read(path) == whole
        attempts.append(path, DATE, [Line("intent", "new/qsub.0", 1, (("token", "tn"),))])
        assert attempts.read(path) == whole | {"new/qsub.0": Tried(1, "tn")}


@many
@given(changed(LOG.encode()) | raw)
def test_any_qsub_log_is_read_and_its_undamaged_last_attempts_are_known(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "qsub.log")
        path.write_bytes(data)
        found = attempts.read(path)
    for line in text(data).split("\n")[:-1]:
        if line in LOG.split("\n") and " intent " in line:
            name = "b b/qsub.1" if "'b b" in line else line.split()[2]
            assert found[name].number >= int(line.split()[-2])


@fewer
@given(
    st.just(QUELIST.encode()) | changed(QUELIST.encode()) | raw | st.none(),
    st.just(LOG.encode()) | changed(LOG.encode()) | raw | st.none(),
)
def test_a_ledger_recovers_from_any_files_or_refuses(kept: bytes | None, log: bytes | None) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), "run")
        for path, data in ((Path(folder, "quelist"), kept), (ledger.log, log)):
            if data is not None:
                path.write_bytes(data)
        if isinstance(value_or_ours(ledger.recover), str):
            return
        flying = {e.job.name: (e.attempt, e.jobid) for e in ledger.in_flight()}
        assert all(attempt for attempt, _ in flying.values())
        ledger.save(DATE)
        ledger.intend(ledger.ready(), DATE)
        again = Ledger(Path(folder), "run")
        again.recover()
        kept_flying = {e.job.name: (e.attempt, e.jobid) for e in again.in_flight()}
        assert flying.items() <= kept_flying.items(), "what was in flight is so after a restart"


# --- the run's private files ----------------------------------------------------------------------

RUN = json.dumps({"id": "0a1b", "settings": {"maxcore": 4, "set": {"k": "v"}}, "rdir": "/r/x",
                  "scheduler": "slurm", "remote_host": "h", "synced_ns": 12}).encode()  # fmt: skip
MONITOR = json.dumps({"host": "h", "pid": 12, "born": 1.5, "since": DATE}).encode()


@many
@given(changed(RUN) | raw)
def test_any_memory_of_a_run_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        make(Path(folder), {".jobauto/run.json": ""})
        Path(folder, ".jobauto/run.json").write_bytes(data)
        assert is_run(Path(folder))
        value_or_ours(lambda: open_run(Path(folder)))


@many
@given(changed(MONITOR) | raw)
def test_any_note_of_a_monitor_is_read_or_there_is_none(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "monitor.json").write_bytes(data)
        found = holder(Path(folder))
    assert found is None or str(found)


# --- a person's files -----------------------------------------------------------------------------

NEEDS = b"../b/qsub.finished.0\nnot stop\n# a comment\n\nllmf.finished\n"


@many
@given(changed(NEEDS) | raw, name_parts)
@example(b"not ..\n..\n/etc/passwd\nx/../../..\nnot\n.\nnot \x00", "a")
@example(b"a" * 5000, "a")
def test_any_dependency_file_needs_only_files_of_the_run(data: bytes, folder: str) -> None:
    needs, problems = parse_needs(Job(folder, "0"), text(data))
    for need in needs:
        assert not need.file.startswith(("/", "../"))
        assert need.file != ".."
        assert posixpath.normpath(need.file) == need.file
    for problem in problems:
        assert all(line.isprintable() for line in str(problem).split("\n"))
    lines = [line.strip() for line in text(data).split("\n")]
    said = [line for line in lines if line and not line.startswith("#")]
    assert len(needs) + len(problems) == len(said), "no line is passed over"


@many
@given(changed(b"#!/bin/sh\ncd __cwd__; run -n __maxcore__ __HEADER__ __k__\n") | raw)
def test_any_script_keeps_its_bytes_and_names_what_is_left_over(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        root = make(Path(folder), {"a/qsub.0": ""})
        script = root / "a/qsub.0"
        script.write_bytes(data)
        job = scan(root).jobs["a/qsub.0"]
        problems = Filler({"maxcore": "4"}, "/r", header=lambda _root, _job: "# é").fill(root, job)
        after = script.read_bytes()
    if problems:
        assert after == data
        assert all((p.where or "").startswith("a/qsub.0:") for p in problems)
    else:
        true = {b"__cwd__": b"/r/a", b"__maxcore__": b"4", b"__HEADER__": "# é".encode()}
        true[b"__jobname__"] = b"a"
        for key, value in true.items():
            data = data.replace(key, value)
        assert after == data or b"__" in data


TOML = b'maxqsub = 8\nresults = ["*.png"]\nremote = "me@host"\n[set]\nnk = 4\nx = "y"\n'


@fewer
@given(changed(TOML) | raw)
def test_any_jobmon_toml_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "jobmon.toml").write_bytes(data)
        found = value_or_ours(lambda: load({"ldir": folder}, Path(folder), {}))
    assert isinstance(found, Settings | str)
