"""Schedulers that fail, lie, stop and refuse: nothing is lost and nothing runs twice."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cluster
import pytest
from cluster import fails_again, log_of, looks, ran
from places import FAKES, ROOT, SCHEDULERS, Place, newest, scheduler_calls, wait_for, words
from trees import job, make, sleepers

pytestmark = pytest.mark.usefixtures("lab")
schedulers = pytest.mark.parametrize("place", SCHEDULERS, indirect=True)
fakes = pytest.mark.parametrize("place", FAKES, indirect=True)
slurm = pytest.mark.parametrize("place", ["slurm"], indirect=True)
sge = pytest.mark.parametrize("place", ["sge"], indirect=True)


def chains(root: Path, folders: int, text: str) -> Path:
    """Folders with two chained jobs; the second tells if it began too early."""
    early = "[ -f qsub.finished.0 ] || echo early > too-early"
    return make(
        root,
        {f"s{n}/qsub.0": job(text) for n in range(folders)}
        | {f"s{n}/qsub.1": job(f"{early}\n{text}", "1") for n in range(folders)}
        | {f"s{n}/qsub.dependency.0": "" for n in range(folders)}
        | {f"s{n}/qsub.dependency.1": "qsub.finished.0\n" for n in range(folders)},
    )


# --- programs that lie ----------------------------------------------------------------------------


@schedulers
def test_liars_make_no_job_run_twice_and_lose_none(place: Place, tmp_path: Path) -> None:
    ldir, folders = tmp_path / "L", 12 if place.name in FAKES else 20
    chains(ldir / "init", folders, "sleep 0.5")
    first = cluster.next_number(place.name)
    with cluster.lying(cluster.lies(place.name, seed=7)):
        done = place.jobmon(ldir, "--maxqsub", "20", "--retries", "20")
        told, how_often = cluster.told(), cluster.how_often()
    cluster.wait_until_empty(place.name)
    numbers = cluster.numbers_between(first, cluster.next_number(place.name))
    run = newest(ldir)
    counted, found = ran(place, run), words(run)
    assert set(counted.values()) == {1}, log_of(run)
    assert numbers == sum(counted.values())
    assert not list(place.there(run).glob("*/too-early"))
    unsure = {name for name, said in found.items() if said[-1] == "unsure"}
    # what is unsure was answered as if all were well, without a JOBID
    ambiguous = {rest for _kind, fate, rest in told if fate in ("silent", "took-silent")}
    assert unsure <= ambiguous
    finished = {name for name, said in found.items() if said[-1] == "finished"}
    assert finished | unsure == set(found)
    assert finished <= set(counted)
    waits = {f"s{n}/qsub.1" for n in range(folders) if f"s{n}/qsub.0" in unsure}
    assert set(found) | waits == {f"s{n}/qsub.{i}" for n in range(folders) for i in range(2)}
    assert done.returncode == (1 if unsure else 0), done.stderr
    assert len(how_often) >= 8, how_often  # it was tried, and not only told


# --- schedulers that stop -------------------------------------------------------------------------

Outage = Callable[[], contextlib.AbstractContextManager[None]]
DAEMONS = {"slurm": ("slurmctld", "slurm.sh"), "sge": ("sge_qmaster", "gridengine.sh")}


def lab_shell(text: str) -> None:
    """A few lines with the functions of the lab's scripts."""
    subprocess.run(
        ["sh", "-c", f'. "$(dirname "$0")/common.sh"; prepare; {text}', str(ROOT / "lab/test")],
        check=True,
        capture_output=True,
        timeout=120,
    )


@contextlib.contextmanager
def stopped(stop: Callable[[], None], start: Callable[[], None]) -> Iterator[None]:
    """Without the thing inside, and with it afterwards whatever happens."""
    try:
        stop()
        yield
    finally:
        start()


def without_answer(place: Place, tmp_path: Path, how: Outage, says: str) -> None:
    """A run in whose middle nothing answers for some seconds."""
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 6, 3)
    monitor = place.start(ldir, "--maxqsub", "12")
    wait_for(lambda: len(list(place.folder.glob("*/s*/ran.0"))) == 6)
    run = newest(ldir)
    looks(run, 1)
    with how():
        wait_for(lambda: says in log_of(run))
        before = (run / "quelist").read_text()
        wait_for(lambda: len(list(place.folder.glob("*/s*/qsub.finished.0"))) == 6)
        fails_again(run)
        assert (run / "quelist").read_text() == before
    assert monitor.wait(120) == 0, log_of(run)
    assert ran(place, run) == {f"s{n}/qsub.{i}": 1 for n in range(6) for i in range(2)}
    assert set(map(tuple, words(run).values())) == {("started", "finished")}
    out = monitor.communicate()[0]
    since = r"no (?:answer|connection) since \d{8}_\d{6}: "
    assert re.search(rf"{since}[^\n]*{re.escape(says)}", out), out
    assert "all is well again" in log_of(run)


@pytest.mark.parametrize("place", DAEMONS, indirect=True)
def test_a_scheduler_that_stops_for_a_while_changes_no_verdict(
    place: Place, tmp_path: Path
) -> None:
    daemon, script = DAEMONS[place.scheduler]
    without_answer(
        place,
        tmp_path,
        lambda: stopped(
            lambda: lab_shell(f"stop {daemon}"),
            lambda: lab_shell(f'sh "$HERE/{script}" start'),
        ),
        f"{place.scheduler} does not answer",
    )


@slurm
def test_a_login_node_that_goes_down_for_a_while_changes_no_verdict(
    place: Place, tmp_path: Path
) -> None:
    without_answer(
        place,
        tmp_path,
        lambda: stopped(
            lambda: lab_shell('sh "$HERE/sshd.sh" stop slurm'),
            lambda: lab_shell('sh "$HERE/sshd.sh" start slurm'),
        ),
        "cannot reach lab-slurm",
    )


@pytest.mark.parametrize("place", [*DAEMONS, "lsf"], indirect=True)
def test_the_lab_starts_without_the_jobs_of_a_scheduler_that_was_killed(place: Place) -> None:
    daemon, script = (DAEMONS | {"lsf": ("fake-clusters", "fake.sh")})[place.name]
    if place.name == "slurm":
        cluster.real("/usr/bin/sbatch", "-o", "/dev/null", "--wrap", "sleep 600")
    elif place.name == "sge":
        cluster.real("/usr/bin/qsub", "-o", "/dev/null", "-b", "y", "-h", "/bin/sleep", "600")
    else:
        cluster.fake(place.name).submit(
            "sleep 600", name="left", folder="/", out="/dev/null", err="/dev/null"
        )
    assert cluster.queue(place.name)
    lab_shell(f'alive {daemon} && kill -9 "$pid" && wait_for 10 dead {daemon}')
    lab_shell(f'sh "$HERE/{script}" start')
    assert not cluster.queue(place.name)


# --- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "slurm": {
        "partition": ("#!/bin/sh\n#SBATCH -p nowhere\n", "invalid-partition-specified"),
        "no-shell": ("echo no first line\n", "This-does-not-look-like-a-batch-script"),
        "crlf": ("#!/bin/sh\r\necho\r\n", "DOS-line-breaks"),
    },
    "sge": {
        "queue": ("#!/bin/sh\n#$ -q nowhere.q\n", "unknown-queue"),
        "pe": ("#!/bin/sh\n#$ -pe nothing 2\n", "requested-parallel-environment"),
        "option": ("#!/bin/sh\n#$ -no-such-option\n", "invalid-option-argument"),
    },
    "pbs": {"queue": ("#!/bin/sh\n#PBS -q nowhere\n", "Unknown-queue")},
    "torque": {"queue": ("#!/bin/sh\n#PBS -q nowhere\n", "Unknown-queue")},
    "lsf": {"queue": ("#!/bin/sh\n#BSUB -q nowhere\n", "No-such-queue")},
    "htcondor": {"crlf": ("#!/bin/sh\r\necho\r\n", "Executable-file")},
}


@schedulers
def test_a_refusal_for_good_is_told_in_the_schedulers_words_and_not_repeated(
    place: Place, tmp_path: Path
) -> None:
    cases = REFUSED[place.name]
    # by which the scheduler's list of ended jobs knows them; PBS shortens names
    id = f"t{time.time_ns() // 1000 % 16**8:08x}"
    files = {f"{name}/qsub.{id}": text for name, (text, _) in cases.items()}
    files |= {f"{name}/qsub.dependency.{id}": "" for name in [*cases, "good"]}
    files[f"good/qsub.{id}"] = job("", id)
    ldir = tmp_path / "L"
    make(ldir / "init", files)
    before = scheduler_calls()
    done = place.jobmon(ldir)
    assert done.returncode == 1, done.stderr
    run = newest(ldir)
    lines = {line.split()[0]: line for line in (run / "quelist").read_text().splitlines()}
    assert "finished" in lines[f"good/qsub.{id}"]
    for name, (_, says) in cases.items():
        assert re.search(rf"failed@\d+_\d+@refused\S*{re.escape(says)}", lines[f"{name}/qsub.{id}"])
    program = cluster.SUBMITS[place.name]
    # LSF is known by the version of its bsub
    assert (scheduler_calls() - before)[program] == len(cases) + 1 + (place.name == "lsf")
    cluster.wait_until_empty(place.name)
    # not by numbers: Grid Engine gives some to jobs which it then refuses
    wait_for(lambda: cluster.accounted(place.name, id) == 1, 10)


@contextlib.contextmanager
def at_most(jobs: int) -> Iterator[None]:
    """Grid Engine takes so many jobs of one user."""
    try:
        lab_shell(
            f"SGE_SINGLE_LINE=1 qconf -sconf | sed 's/^max_u_jobs .*/max_u_jobs {jobs}/' "
            ">$LAB/etc/gridengine/global && qconf -Mconf $LAB/etc/gridengine/global"
        )
        yield
    finally:
        lab_shell('sh "$HERE/gridengine.sh" start')  # sets all limits anew


@sge
def test_a_limit_of_grid_engine_is_back_pressure(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 4, 0.5)
    with at_most(3):
        done = place.jobmon(ldir, "--maxqsub", "8")
    assert done.returncode == 0, done.stderr
    run = newest(ldir)
    assert set(ran(place, run).values()) == {1}
    assert len(ran(place, run)) == 8
    assert "not taken now" in log_of(run)
    assert "only-3-jobs-are-allowed-per-user" in log_of(run)
    assert " putback " in (run / "qsub.log").read_text()


@slurm
def test_a_limit_of_slurm_is_back_pressure(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 3, 0.5)
    with cluster.lying({"sbatch": ["pass", "limit", "limit", "pass", "limit", "pass"]}):
        done = place.jobmon(ldir, "--maxqsub", "8")
    assert done.returncode == 0, done.stderr
    run = newest(ldir)
    assert set(ran(place, run).values()) == {1}
    assert len(ran(place, run)) == 6
    assert log_of(run).count("not taken now") == 3


# --- monitors that die ----------------------------------------------------------------------------


@fakes
def test_dying_monitors_a_server_that_goes_down_and_a_limit_at_once(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    chains(ldir / "init", 20, "sleep 0.5")
    dice, says = random.Random(place.name), f"{place.scheduler} does not answer"
    assert place.jobmon(ldir, "--initonly").returncode == 0
    run = newest(ldir)

    def one_that_dies(when: Callable[[], object]) -> None:
        before = len(log_of(run))
        monitor = place.start(run, "--maxqsub", "4", new=False)
        wait_for(lambda: len(log_of(run)) > before)  # it has begun
        when()
        monitor.kill()
        assert monitor.wait() in (-9, 0)

    def soon() -> None:
        time.sleep(dice.uniform(0, 1.5))

    one_that_dies(soon)  # while jobs are left for what follows
    with cluster.switched(place.name, "limit", "2"):
        one_that_dies(lambda: wait_for(lambda: "not taken now" in log_of(run)))
    with cluster.switched(place.name, "down"):
        one_that_dies(lambda: wait_for(lambda: says in log_of(run)))
    for _ in range(5):
        one_that_dies(soon)
    done = place.jobmon(run, "--maxqsub", "12", new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.wait_until_empty(place.name)
    jobs = {f"s{n}/qsub.{i}": 1 for n in range(20) for i in range(2)}
    assert ran(place, run) == cluster.taken(place.name, place.there(run)) == jobs
    assert set(map(tuple, words(run).values())) == {("started", "finished")}
    assert not list(place.there(run).glob("*/too-early"))
