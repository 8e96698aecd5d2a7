"""Jobs that are held, suspended, requeued or in an error state: no verdict while they are named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cluster
import pytest
from cluster import log_of, looks
from places import Place, newest, wait_for, words
from trees import job, make

pytestmark = pytest.mark.usefixtures("lab")


def admin(*command: str) -> str:
    """A command of the cluster's administrator."""
    done = subprocess.run(
        command, env=os.environ | cluster.SGE, capture_output=True, text=True, timeout=60
    )
    # qmod says 1 when it has done what it was asked for
    assert done.returncode == 0 or command[0] == "qmod", done.stderr + done.stdout
    return done.stdout


def queued(run: Path) -> dict[str, str]:
    """Folder to JOBID, from qsub.now."""
    if not (run / "qsub.now").exists():
        return {}
    lines = [line.split() for line in (run / "qsub.now").read_text().splitlines()]
    return {name.split("/")[0]: jobid for _id, jobid, _bar, name in lines}


def with_first_line(line: str, text: str = "") -> str:
    return job(text).replace("\n", f"\n{line}\n", 1)


def begin(place: Place, ldir: Path, scripts: dict[str, str]) -> dict[str, str]:
    """Start the monitor; folder to JOBID as soon as all are in the queue."""
    files = {f"{folder}/qsub.0": text for folder, text in scripts.items()}
    make(ldir / "init", files | {f"{folder}/qsub.dependency.0": "" for folder in scripts})
    place.start(ldir, "--maxqsub", "20", "--grace", "3")
    wait_for(lambda: any(ldir.glob("2*/qsub.now")))
    wait_for(lambda: len(queued(newest(ldir))) == len(scripts))
    return queued(newest(ldir))


def nothing_is_said(run: Path, folders: set[str]) -> None:
    """After some more looks all of them are in flight, without a verdict."""
    looks(run, 4)
    assert set(queued(run)) == folders
    # on a slow disk quelist may be some seconds behind; it is written whole
    wait_for(lambda: set(map(tuple, words(run).values())) == {("started",)})


def counts(place: Place, run: Path) -> dict[str, int]:
    return {p.parent.name: len(p.read_text().split()) for p in place.there(run).glob("*/ran.0")}


WAITS = "while [ ! -e ../go ]; do sleep 0.2; done"


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_slurm_jobs_held_suspended_and_requeued(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    ids = begin(
        place,
        ldir,
        {
            "held": with_first_line("#SBATCH --hold"),
            "later": with_first_line("#SBATCH --begin=now+1hour"),
            "suspended": job(WAITS),
            "requeued": job(WAITS),
            "cancelled": with_first_line("#SBATCH --hold"),
        },
    )
    run = newest(ldir)
    wait_for(lambda: counts(place, run) == {"suspended": 1, "requeued": 1})
    admin("scontrol", "suspend", ids["suspended"])
    admin("scontrol", "requeue", ids["requeued"])
    nothing_is_said(run, set(ids))
    (place.there(run) / "go").touch()
    admin("scontrol", "release", ids["held"])
    admin("scontrol", "resume", ids["suspended"])
    admin("scontrol", "update", f"JobId={ids['later']}", "StartTime=now")
    admin("scontrol", "update", f"JobId={ids['requeued']}", "StartTime=now")
    admin("scancel", ids["cancelled"])
    assert place.started[-1].wait(60) == 1, log_of(run)
    assert {name.split("/")[0]: said[1] for name, said in words(run).items()} == {
        **dict.fromkeys(ids, "finished"),
        "cancelled": "failed",
    }
    assert "@cancelled" in (run / "quelist").read_text()
    # it was Slurm that ran it twice, as it was told to: there was one submission
    assert counts(place, run) == {"held": 1, "later": 1, "suspended": 1, "requeued": 2}
    assert all(said.count("started") == 1 for said in words(run).values())


@pytest.mark.parametrize("place", ["sge"], indirect=True)
def test_grid_engine_jobs_held_suspended_rescheduled_and_in_error(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    no_output = with_first_line("#$ -o /no/such/folder/out")
    ids = begin(
        place,
        ldir,
        {
            "held": with_first_line("#$ -h"),
            "mended": no_output,
            "deleted": no_output,
            "suspended": job(WAITS),
            "rescheduled": with_first_line("#$ -r y", WAITS),
        },
    )
    run = newest(ldir)
    wait_for(lambda: counts(place, run) == {"suspended": 1, "rescheduled": 1})
    wait_for(lambda: cluster.queue("sge").count("Eqw") == 2)
    admin("qmod", "-sj", ids["suspended"])
    admin("qmod", "-rj", ids["rescheduled"])
    nothing_is_said(run, set(ids))
    wait_for(lambda: counts(place, run)["rescheduled"] == 2, 180)
    (place.there(run) / "go").touch()
    admin("qrls", ids["held"])
    admin("qmod", "-usj", ids["suspended"])
    admin("qalter", "-o", "/dev/null", ids["mended"])
    admin("qmod", "-cj", ids["mended"])
    admin("qdel", ids["deleted"])
    process = place.started[-1]
    assert process.wait(180) == 1, log_of(run)
    assert {name.split("/")[0]: said[1] for name, said in words(run).items()} == {
        **dict.fromkeys(ids, "finished"),
        "deleted": "failed",
    }
    assert counts(place, run) == {"held": 1, "mended": 1, "suspended": 1, "rescheduled": 2}
    assert all(said.count("started") == 1 for said in words(run).values())
