"""A team on one task: several people, several clusters, monitors that are killed."""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cluster
import databases
import pytest
from places import newest, place, wait_for
from together import Member, Outcome, team, work
from trees import job, make

from jobauto.claims import Database, progress
from jobauto.errors import DatabaseError

JOBS = 100


def each_once(found: Outcome, jobs: int, members: int) -> None:
    assert [code for code, _ in found.ends] == [0] * members, found.ends
    assert Counter(found.ran.values()) == {1: jobs}
    assert {state for *_, state in found.rows} == {"finished"}
    assert sum(found.rows.values()) == jobs
    for one in found.lists:
        assert set(one) <= {"started finished", "skipped"}
        assert sum(one.values()) == jobs
    assert sum(one["started finished"] for one in found.lists) == jobs


def test_four_monitors_of_one_machine_share_a_task_in_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    members = [Member(f"m{n}", "local", url) for n in range(4)]
    found = work(members, JOBS, tmp_path, "s", url, room=4, kills=6)
    each_once(found, JOBS, 4)
    assert found.kills


@pytest.mark.parametrize("there", [True, False])
def test_a_kill_of_the_whole_run_is_told_to_the_others(tmp_path: Path, there: bool) -> None:
    database = tmp_path / "tasks.db"
    url = f"sqlite:///{database}"
    tree = {f"m{n}/qsub.0": job("sleep 100") for n in range(3)}
    make(tmp_path / "L/init", tree | {f"m{n}/qsub.dependency.0": "" for n in range(3)})
    with place("local", tmp_path) as at:
        at.start(tmp_path / "L", "--task", "T", "--db", url, "--maxqsub", "2", "--no-http")

        def states() -> list[str]:
            with suppress(DatabaseError):  # there are no tables yet
                return sorted(one.state for one in progress(Database(url), "T"))
            return []

        wait_for(lambda: states() == ["free", "submitted", "submitted"])
        if not there:
            database.write_text("no database")
        killed = at.run_kill(newest(tmp_path / "L"))
    assert killed.returncode == 0, killed.stderr
    assert "2 job(s) killed" in killed.stdout
    said = "the shared task does not know of this before the monitor is started again"
    if there:
        assert states() == ["free", "killed", "killed"]
    assert (said in killed.stdout) is not there


@pytest.mark.usefixtures("lab")
def test_a_team_on_two_clusters(tmp_path: Path, postgresql: str) -> None:
    members = team(postgresql, ("slurm", "sge"))
    tag = secrets.token_hex(3)

    def outage() -> None:
        """Until a monitor has noticed."""
        with databases.stopped():
            logs = list(tmp_path.glob("*/L/2*/jobmon.log"))
            wait_for(lambda: any("no database" in log.read_text() for log in logs))

    found = work(members, JOBS, tmp_path, tag, postgresql, room=6, kills=6, outage=outage)
    each_once(found, JOBS, 8)
    assert found.kills
    assert {site for site, *_ in found.rows} == {"slurm", "sge"}
    assert sum(cluster.accounted(site, tag) for site in ("slurm", "sge")) == JOBS
