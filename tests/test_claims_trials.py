"""Many who take jobs of one task at once: each job is handed in once, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
from tasks import ANN, BOB, LEASE, names, task

from jobauto.claims import Database, Holder, Task, progress

JOBS = 2000
ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = {"sqlite": 4, "postgresql": 8}


@pytest.fixture(params=["sqlite", "postgresql", "members"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A database by its owner's URL, or by those of two members."""
    found = f"sqlite:///{tmp_path}/claims.db"
    if request.param != "sqlite":
        found = request.getfixturevalue("postgresql")
    Database(found).upgrade()
    if request.param == "members":
        return [databases.let_in(found, holder.person) for holder in (ANN, BOB)]
    return [found]


@pytest.fixture
def database(urls: list[str]) -> Iterator[Database]:
    made = Database(urls[0])
    yield made
    made.close()


def test_threads_take_each_job_once(database: Database) -> None:
    task(database, jobs=JOBS)
    taken: list[str] = []

    def work(number: int) -> None:
        mine = Task(database, "T", Holder(database.person, "here", f"run-{number}"), LEASE)
        while found := mine.take(number + 10):
            taken.extend(one.name for one in found)

    threads = [threading.Thread(target=work, args=[n]) for n in range(AT_ONCE[database.dialect])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(taken) == names(JOBS)


def test_threads_that_want_the_same_jobs_do_not_wait_for_one_another(database: Database) -> None:
    task(database, jobs=JOBS)
    taken: list[str] = []

    def work(number: int) -> None:
        mine = Task(database, "T", Holder(database.person, "here", f"run-{number}"), LEASE)
        wanted = names(JOBS) if number % 2 else names(JOBS)[::-1]
        while found := mine.take(50, wanted):
            taken.extend(one.name for one in found)

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(taken) == names(JOBS)


def test_processes_that_die_at_any_step(
    database: Database, urls: list[str], tmp_path: Path
) -> None:
    Task(database, "trial", Holder("", "", "")).register((name, "") for name in names(JOBS))
    queues = tmp_path / "queues"
    queues.mkdir()
    running = {n: start(urls, queues, n, 0) for n in range(AT_ONCE[database.dialect])}
    try:
        deaths = until_all_have_ended(urls, queues, running)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    lines = [line.split("\t") for file in queues.iterdir() for line in file.read_text().split("\n")]
    handed_in = Counter(line[0] for line in lines if line != [""])
    assert handed_in == dict.fromkeys(names(JOBS), 1)
    done = progress(database, "trial")
    assert {tally.state for tally in done} == {"finished"}
    assert sum(tally.jobs for tally in done) == JOBS
    assert deaths >= 3, "nobody died: the trial proves nothing"


def until_all_have_ended(
    urls: list[str], queues: Path, running: dict[int, subprocess.Popen[str]]
) -> int:
    """Start each again that died, at once, as others wait for its jobs; how often that was."""
    deaths = 0
    end = time.monotonic() + 120
    while running:
        assert time.monotonic() < end, "it did not end in time"
        for number, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[number]
            said = process.communicate()[1]
            if process.returncode:
                assert process.returncode == -signal.SIGKILL, said
                deaths += 1
                running[number] = start(urls, queues, number, deaths)
        time.sleep(0.02)
    return deaths


def start(urls: list[str], queues: Path, number: int, deaths: int) -> subprocess.Popen[str]:
    """One of them; one that died often is let live, so that the trial ends."""
    chance = 0.01 if deaths < 10 else 0.0
    words = [f"run-{number}", str(queues), str(chance), f"{number} {deaths}"]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "claimer.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JOBAUTO_TRIAL_DB": urls[number % len(urls)]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
