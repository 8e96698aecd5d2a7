"""Hold, release, move to another queue and kill, on real clusters while a monitor watches."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import cluster
import pytest
from places import Place, cannot, newest, wait_for, words
from test_http_curl import curl
from trees import job, make, sleepers

from jobauto.errors import CouldNotAsk
from jobauto.host import Runner
from jobauto.meeting import open_host
from jobauto.remote.framing import PER_COMMAND, Answer
from jobauto.remote.steering import Steer
from jobauto.run import Run, open_run
from jobauto.schedulers import DIALECTS

SLOTS = 64  # of the lab


def tree(root: Path) -> None:
    """One job that takes every slot, and three that wait for it to leave."""
    files = {
        "big/qsub.0": job("echo > runs; sleep 600"),
        "big/qsub.dependency.0": "",
        "big/qsub.resources.0": f"cores = {SLOTS}\nwalltime = 1h\n",
    }
    for name in ("s0", "s1", "s2"):
        files[f"{name}/qsub.0"] = job('echo "$SLURM_JOB_PARTITION$QUEUE" > where')
        files[f"{name}/qsub.dependency.0"] = "../big/runs\n"
    make(root, files)


def jobids(run: Path) -> dict[str, str]:
    """Folder to JOBID, from qsub.now."""
    lines = (line.split() for line in (run / "qsub.now").read_text().splitlines())
    return {words[3].partition("/")[0]: words[1] for words in lines}


def queue_of(scheduler: str, jobid: str) -> str:
    """In which queue a job is, or wants to be, by the scheduler's own word."""
    if scheduler == "slurm":
        return cluster.real("/usr/bin/squeue", "-h", "-j", jobid, "-o", "%P").strip()
    told = cluster.real("/usr/bin/qstat", "-j", jobid).splitlines()
    return next((line.split()[-1] for line in told if line.startswith("hard_queue_list")), "any")


@pytest.mark.parametrize("place", ["slurm", "sge"], indirect=True)
def test_jobs_are_held_released_moved_and_ended_in_mid_run(place: Place, tmp_path: Path) -> None:
    tree(tmp_path / "L/init")
    monitor = place.start(tmp_path / "L", "--maxqsub", "9")
    wait_for(lambda: any((tmp_path / "L").glob("2*/qsub.now")))
    run = newest(tmp_path / "L")
    wait_for(lambda: len(jobids(run)) == 4)
    ids = jobids(run)

    def say(*words: str) -> None:
        done = place.jobauto(*words, str(run))
        assert done.returncode == 0, done.stderr
        assert "was told" in done.stdout

    say("hold", "s0/0")
    wait_for(lambda: "is started: held as" in why(place, run, "s0"))
    say("release", "s0/0")
    wait_for(lambda: "is started: pending as" in why(place, run, "s0"))
    other = "other" if place.scheduler == "slurm" else "other.q"
    say("switchq", other, "s[12]/*")
    wait_for(lambda: queue_of(place.scheduler, ids["s1"]) == other)
    say("switchq", "nowhere", "s2/0")
    wait_for(lambda: "switchq: the scheduler says: " in (run / "jobmon.log").read_text())
    say("kill", "big/0")
    assert monitor.wait(120) == 1
    ended = {name.partition("/")[0]: said[-1] for name, said in words(run).items()}
    assert ended == {"big": "killed", "s0": "finished", "s1": "finished", "s2": "finished"}
    there = place.there(run)
    assert (there / "s0/where").read_text().strip() != other
    assert {(there / f"{name}/where").read_text().strip() for name in ("s1", "s2")} == {other}


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_every_action_of_pybatch_by_curl_on_a_cluster(place: Place, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        cannot("there is no curl")
    sleepers(tmp_path / "L/init", 5, 600)
    monitor = place.start(tmp_path / "L", "--maxqsub", "1")
    wait_for(lambda: any((tmp_path / "L").glob("2*/qsub.now")))
    run = newest(tmp_path / "L")
    log = run / "jobmon.log"
    wait_for(lambda: "1 in the queue (1 running)" in curl(run, "CHECK")[1])  # too late to move
    assert curl(run, "STOP")[0] == 200
    assert curl(run, "CHANGEMAXJ", "MAXJOBS=3")[0] == 200
    wait_for(lambda: "limit by http: maxqsub 3" in log.read_text())
    assert curl(run, "SWITCHQ", "QUEUE=other")[0] == 200
    wait_for(lambda: "switchq by http" in log.read_text())
    assert len(jobids(run)) == 1
    assert curl(run, "RESUME")[0] == 200
    wait_for(lambda: len(jobids(run)) == 3)
    ids = list(jobids(run).values())
    assert [queue_of("slurm", jobid) for jobid in ids] == ["debug", "other", "other"]
    wait_for(lambda: "3 in the queue (3 running)" in curl(run, "CHECK")[1])
    assert curl(run, "KILL") == (200, "the monitor and all jobs are being killed\n")
    assert monitor.wait(60) == 3
    wait_for(lambda: "3 job(s) killed" in log.read_text())
    wait_for(lambda: not set(ids) & set(cluster.real("/usr/bin/squeue", "-h", "-o", "%i").split()))


def why(place: Place, run: Path, folder: str) -> str:
    return place.jobauto("why", f"{folder}/0", str(run)).stdout


def test_a_job_of_this_machine_is_held_and_released(tmp_path: Path) -> None:
    """No scheduler: a held job is a stopped process."""
    make(tmp_path / "L/init", {"a/qsub.0": job("sleep 1"), "a/qsub.dependency.0": ""})
    from places import place as made

    with made("local", tmp_path) as here:
        monitor = here.start(tmp_path / "L")
        wait_for(lambda: any((tmp_path / "L").glob("2*/a/ran.0")))
        folder = newest(tmp_path / "L")
        wait_for(lambda: bool(jobids(folder)))
        run: Run = open_run(folder)
        ids = list(jobids(folder).values())
        with closing(open_host(run, Runner(), mirrored=False)) as host:
            assert host.ask(Steer.hold(DIALECTS["local"], run.rdir, ids)).done
            wait_for(lambda: "is started: suspended as" in why(here, folder, "a"))
            assert not host.ask(Steer.move(DIALECTS["local"], run.rdir, ids, "long")).done
            assert host.ask(Steer.release(DIALECTS["local"], run.rdir, ids)).done
        assert monitor.wait(60) == 0


def test_many_jobs_take_few_commands_and_a_lost_answer_is_none() -> None:
    many = [str(n) for n in range(2 * PER_COMMAND + 1)]
    steer = Steer.move(DIALECTS["slurm"], "/r", many, "it's long; rm")
    script = steer.script()
    assert script.count("\necho @steer\n") == 3
    assert "Partition='\"'\"'it'\"'\"'" in script  # quoted once for the program, once for `ask`
    n = steer.frame.nonce
    ok = f"begin {n}\n@steer\nr 0\n@steer\nr 0\n"
    assert steer.read(Answer(0, f"{ok}@steer\nr 0\nend {n}\n", "")).done
    refused = steer.read(Answer(0, f"{ok}@steer\ne no such queue\nr 1\nend {n}\n", ""))
    assert (refused.done, refused.said) == (False, "no such queue\n")
    for cut in (ok, f"{ok}end {n}\n"):
        with pytest.raises(CouldNotAsk):
            steer.read(Answer(0, cut, ""))
