"""Names that would harm: each is refused at start, or works from the first script to the last."""

# ruff: noqa: F811  (pytest finds the fixture `remote` by its name)

from __future__ import annotations

import os
import shutil
from pathlib import Path

import places
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_observation import SLURM, Remote, remote  # noqa: F401
from test_shell_trials import cluster, odd_names
from trees import make

from jobauto.errors import UserError
from jobauto.judge import accepted
from jobauto.model import Attempt, Job
from jobauto.remote.observation import Suspect
from jobauto.run import check

HOSTILE = [
    "two words", " at both ends ", "it's", 'a "b"', "a;touch pwned", "$(touch pwned)",
    "`touch pwned`", "back\\slash\\", "two\nlines", "-rf", "--help", "*", "[a-z]?", "#a", ";a",
    "~", "%j %", "!!", "{a,b}", "a&b|c>d<e", "$HOME", "tab\tbed", "\x1b[2J", "\udcff\udcfe",
    "日本語", "é" * 100, "x" * 200, "x" * 240, "not x", "@tag", "a=b", "'", "\\", "+ x", "- x",
    ":x", "x:y", "\u2028", "\u202e", "x\r",
]  # fmt: skip


CONTROL = ["two\nlines", "tab\tbed", "\x1b[2J", "\udcff\udcfe", "\u2028", "\u202e", "x\r"]
REFUSED = {f"{name}/qsub.0" for name in CONTROL} | {
    f"ids/qsub.{n}" for n in [*CONTROL, "~", "x" * 240]
}

# A job that knows its own id, as a script of its folder's name could not say it safely.
SCRIPT = """#!/bin/sh
id=${0#./qsub.}
echo run >>"ran.$id"
: >"qsub.finished.$id"
"""


def refusal(one: Job, alone: Path) -> str | None:
    """What is said at start of a tree with this one job; None if all is well."""
    shutil.rmtree(alone, ignore_errors=True)
    try:
        make(alone, {one.name: SCRIPT})
        make(alone, {one.dependency: ""})
    except OSError:
        assert len(os.fsencode(one.id)) > 200, "there can be no such file"
    try:
        check(alone)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("where", ["local", "mirror"])
def test_each_hostile_name_is_refused_at_start_or_works_to_the_end(
    where: str, tmp_path: Path
) -> None:
    """As the name of a folder and as an id, through the whole program."""
    jobs = [Job(name, "0") for name in HOSTILE] + [Job("ids", name) for name in HOSTILE]
    said = {one.name: refusal(one, tmp_path / "alone") for one in jobs}
    for text in filter(None, said.values()):
        assert all(line.isprintable() for line in text.split("\n"))
    good = [one for one in jobs if said[one.name] is None]
    assert {one.name for one in jobs} - {one.name for one in good} == REFUSED
    init = make(tmp_path / "L" / "init", {one.name: SCRIPT for one in good})
    make(init, {one.dependency: "" for one in good})
    with places.place(where, tmp_path) as place:
        done = place.jobmon(tmp_path / "L", "--maxqsub", "99", "--results", "ran.*")
    assert done.returncode == 0, done.stderr
    run = places.newest(tmp_path / "L")
    assert {n: w[-1] for n, w in places.words(run).items()} == {g.name: "finished" for g in good}
    for one in good:
        assert (run / one.folder / f"ran.{one.id}").read_text() == "run\n"
        assert (run / one.marker).exists()
    assert not [path for path in tmp_path.rglob("*") if path.name == "pwned"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(odd_names, odd_names), min_size=8, max_size=12))
def test_names_of_any_bytes_reach_the_scheduler_and_the_file_system_as_they_are(
    remote: Remote, names: set[tuple[str, str]]
) -> None:
    """Also those that are refused at start: a name never does harm, even if it got so far."""
    cluster(remote)
    (remote.tmp / "calls").unlink(missing_ok=True)
    shutil.rmtree(remote.run)
    remote.run.mkdir()
    attempts = [
        Attempt(Job(f"{folder} ", job_id), 1, f"t{n}") for n, (folder, job_id) in enumerate(names)
    ]
    for attempt in attempts:
        (remote.run / attempt.job.folder).mkdir(exist_ok=True)
        (remote.run / attempt.job.name).touch()
    before = set(os.listdir(remote.run))
    claims = remote.ask(remote.submit(*attempts))
    assert all(accepted(claims[a.token], SLURM) for a in attempts)
    calls = [(words[0], words[-1]) for words in remote.calls("sbatch")]
    assert calls == [(f"{remote.run}/{a.job.folder}", f"qsub.{a.job.id}") for a in attempts]
    scripts, markers = {a.job.name for a in attempts}, {a.job.marker for a in attempts}
    suspects = [Suspect(a, "99") for a in attempts]
    seen = remote.ask(
        remote.observe(files=[*scripts, *markers], doubtful=attempts, suspects=suspects)
    )
    assert seen.there == scripts
    assert seen.missing == markers
    assert set(os.listdir(remote.run)) == before | {".jobauto"}
