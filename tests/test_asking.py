"""What jobs ask of the scheduler: options, jobmon.toml, qsub.resources.<id>, __HEADER__."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from test_monitor import World
from trees import create, make

from jobauto import run as runs
from jobauto.asking import MARK, Asking, read
from jobauto.cli.dry_run import dry_run
from jobauto.errors import DONE, UserError
from jobauto.host import Runner
from jobauto.model import Job
from jobauto.remote.following import SubmitThenLook
from jobauto.resources import Resources, mebibytes, parse, seconds
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings
from jobauto.start import new_run, read_options

A = {"a/qsub.0": "#!/bin/sh\ntrue\n", "a/qsub.dependency.0": ""}


# --- the words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [("36:00:00", 129600), ("1-12:00:00", 129600), ("90m", 5400), ("36h", 129600), ("2d", 172800),
     ("30s", 30), ("0:00:01", 1), ("0:90:00", 5400)],
)  # fmt: skip
def test_a_walltime_is_read(text: str, found: int) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["30", "30:00", "", "0:00:00", "0h", "-1h", "1.5h", "1h 30m"])
def test_a_walltime_that_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"36:00:00|more than nothing"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "found"), [("8G", 8192), ("8GB", 8192), ("8gib", 8192), ("500M", 500), ("1T", 1 << 20),
                        ("1K", 1), ("1025K", 2)]
)  # fmt: skip
def test_memory_is_read_in_mebibytes(text: str, found: int) -> None:
    assert mebibytes(text) == found


@pytest.mark.parametrize("text", ["8", "8192", "0G", "8X", "8 Gigs", ""])
def test_memory_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="with its unit"):
        mebibytes(text)


@given(st.dictionaries(st.sampled_from(["queue", "cores", "account", "memory"]), st.text()))
def test_what_is_asked_for_can_stand_in_a_line_of_directives(values: dict[str, str]) -> None:
    try:
        asked = parse(values)
    except ValueError:
        return
    for name in ("slurm", "sge"):
        if not (name == "slurm" and asked.environment):
            for line in DIALECTS[name].header(asked):
                assert line.isprintable()
                assert not set(line) & set("'\"\\`;&|<>()"), line


# --- where they come from -------------------------------------------------------------------------


def test_a_jobs_own_file_wins_over_what_all_ask_for(tmp_path: Path) -> None:
    text = "# a big one\n\nwalltime = 2d\n  cores='32'\n"
    make(tmp_path, {**A, "a/qsub.resources.0": text})
    common = parse({"walltime": "1h", "queue": "long", "cores": "mpi:4"})
    found = read(tmp_path, Job("a", "0")).resources.over(common)
    assert found == Resources(queue="long", walltime=172800, cores=32)


def test_each_bad_line_of_such_a_file_is_named(tmp_path: Path) -> None:
    make(tmp_path, {**A, "a/qsub.resources.0": "walltime = 30\nwaltime = 1h\ncores 4\n"})
    with pytest.raises(UserError) as caught:
        read(tmp_path, Job("a", "0"))
    said = str(caught.value)
    assert "a/qsub.resources.0:1: walltime '30'" in said
    assert "a/qsub.resources.0:2" in said
    assert "did you mean walltime?" in said
    assert "a/qsub.resources.0:3" in said


def test_a_file_of_resources_without_its_script_is_a_mistake(tmp_path: Path) -> None:
    make(tmp_path / "init", {**A, "a/qsub.resources.1": "cores = 4\n"})
    with pytest.raises(UserError, match=r"a/qsub\.resources\.1:1: there is no a/qsub\.1"):
        runs.check(tmp_path / "init")


# --- where they go --------------------------------------------------------------------------------


def asks(tmp_path: Path, tree: dict[str, str], scheduler: str = "slurm", **options: Any) -> World:
    """A run in which everything is asked for that `options` say."""
    w = World(tmp_path / "L", tree, **options)
    w.run.scheduler = scheduler
    return w


def submitted(w: World) -> str:
    """The script of the first submission."""
    scripts: list[str] = []

    def keep(request: Any) -> None:
        if isinstance(request, SubmitThenLook):
            scripts.append(request.script())

    w.host.hook = keep
    assert w.finish() == DONE
    return scripts[0]


def test_without_a_header_options_of_the_submission_ask(tmp_path: Path) -> None:
    w = asks(tmp_path, {**A, "a/qsub.resources.0": "cores = 2"}, walltime="90m", memory="8G")
    options = "--time=1:30:00 --nodes=1 --ntasks=2 --mem=8192M"
    lines = [line.split(" ") for line in submitted(w).split("\n")]
    [words] = [line for line in lines if line[0] == "attempt"]
    assert " ".join(words[2:]) == f"./a qsub.0 qsub.finished.0 {options}"
    assert (w.folder / "a/qsub.0").read_text() == A["a/qsub.0"]


def headed(tmp_path: Path, **options: Any) -> str:
    """The script with __HEADER__ as the dated copy has it; it is submitted without options."""
    tree = {**A, "a/qsub.0": "#!/bin/sh\n__HEADER__\ntrue\n"}
    make(tmp_path / "L/init", tree)
    chosen = Settings.model_construct(
        **{**World(tmp_path / "other", A).options, "ldir": tmp_path / "L", "set": {}, "keep": [],
           "maxcore": 16, "binpath": None, "pythonpath": None, "qsubheader": None, **options}
    )  # fmt: skip
    found, _, _ = runs.check(tmp_path / "L/init")
    run = runs.plan(chosen, tmp_path / "L/run")
    run.scheduler, run.rdir = "slurm", "/r"
    create(chosen, run, found)
    assert run.asking().options(run.folder, Job("a", "0")) == []
    return (run.folder / "a/qsub.0").read_text()


def test_at_a_header_directives_ask(tmp_path: Path) -> None:
    lines = "#SBATCH --partition=long\n#SBATCH --time=1:30:00\n"
    text = headed(tmp_path, queue="long", walltime="1:30:00")
    assert text == f"#!/bin/sh\n{MARK}\n{lines}true\n"


def test_a_header_file_wins(tmp_path: Path) -> None:
    file = tmp_path / "header"
    file.write_text("#SBATCH --time=5:00\n")
    text = headed(tmp_path, walltime="1:30:00", qsubheader=file)
    assert text == f"#!/bin/sh\n{MARK}\n#SBATCH --time=5:00\ntrue\n"
    assert headed(tmp_path / "again", qsubheader=file) == "#!/bin/sh\n#SBATCH --time=5:00\ntrue\n"


def test_what_a_scheduler_cannot_say_is_refused_with_its_name_and_the_key(tmp_path: Path) -> None:
    make(tmp_path, {**A, "b/qsub.0": "", "b/qsub.resources.0": "cores = mpi:4"})
    found, _, _ = runs.check(tmp_path)
    asking = Asking(Resources(), DIALECTS["slurm"])
    with pytest.raises(UserError, match=r"b/qsub\.resources\.0: slurm cannot express cores: "):
        runs.check_asked(tmp_path, found, asking)
    asking = Asking(Resources(queue="long"), DIALECTS["local"])
    with pytest.raises(UserError, match="--queue: local cannot express queue: "):
        runs.check_asked(tmp_path, found, asking)


def test_a_run_that_asks_for_what_cannot_be_said_is_not_even_made(tmp_path: Path) -> None:
    make(tmp_path / "init", A)
    given = {"ldir": tmp_path, "scheduler": "local", "queue": "long"}
    with pytest.raises(UserError, match="local cannot express queue"):
        new_run(read_options(given)[0], Runner(), FakeClock())
    assert [path.name for path in tmp_path.iterdir()] == ["init"]


def test_a_dry_run_shows_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = {**A, "b/qsub.0": "#!/bin/sh\n__HEADER__\n", "b/qsub.dependency.0": ""}
    make(tmp_path / "init", tree)
    given = {"ldir": tmp_path, "rdir": "/r", "remote": "nowhere", "scheduler": "sge"}
    assert dry_run({**given, "cores": "4", "memory": "8G"}) == DONE
    out = capsys.readouterr().out
    assert "-ac jobauto=TOKEN -pe smp 4 -l h_vmem=2048M qsub.0" in out
    assert f"{MARK}\n#$ -pe smp 4\n#$ -l h_vmem=2048M\n" in out
    assert "jobauto=TOKEN qsub.0" in out


def test_a_file_that_is_broken_in_mid_run_keeps_its_job_back_until_it_is_put_right(
    tmp_path: Path,
) -> None:
    w = asks(tmp_path, A)
    file = w.folder / "a/qsub.resources.0"
    file.write_text("cores = many\n")
    monitor = w.monitor()
    monitor.tick()
    assert w.cluster.submitted() == []
    assert not monitor.over()
    file.write_text("cores = 4\n")
    assert w.finish(monitor) == DONE
