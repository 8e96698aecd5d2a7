"""Connections that are cut at any byte, or fall silent: no job is lost or runs twice."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from places import LAB, ROOT, Place, alive, newest, wait_for, words
from trees import sleepers

pytestmark = pytest.mark.usefixtures("lab")

CONFIG = """\
Host {alias}
    HostName 127.0.0.1
    Port {port}
    ProxyCommand /usr/bin/python3 {relay} {folder} %h %p
    ServerAliveInterval 2
    ServerAliveCountMax 2
"""


@dataclass
class Broken:
    """A host of the lab behind a relay that breaks as planned."""

    folder: Path

    def plan(self, *lines: str) -> None:
        (self.folder / "plan").write_text("".join(f"{line}\n" for line in lines))

    @property
    def broken(self) -> list[str]:
        path = self.folder / "broken"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def link(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """The place's host as `lab-broken`, in an ssh configuration of the test's own."""
    folder = tmp_path / "relay"
    folder.mkdir()
    text = (LAB / "ssh_config").read_text()
    port = text.split(f"Host {place.remote}\n    Port ")[1].split("\n")[0]
    own = CONFIG.format(alias="lab-broken", port=port, relay=ROOT / "tests/relay.py", folder=folder)
    (folder / "config").write_text(own + text)
    (folder / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config "$@"\n')
    (folder / "ssh").chmod(0o755)
    environment = place.environment
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    monkeypatch.setattr(Place, "environment", environment)
    place.remote = "lab-broken"
    made = Broken(folder)
    made.plan()
    return made


def all_ran_once(place: Place, run: Path, folders: int) -> None:
    jobs = {f"s{n}/qsub.{i}" for n in range(folders) for i in range(2)}
    assert words(run) == {name: ["started", "finished"] for name in jobs}
    there = place.there(run)
    counts = [path.read_text().count("run\n") for path in there.glob("s*/ran.*")]
    assert counts == [1] * len(jobs)


@pytest.mark.parametrize(("place", "seed"), [("slurm", 1), ("sge", 2)], indirect=["place"])
def test_a_link_that_is_cut_at_any_byte(
    place: Place, link: Broken, tmp_path: Path, seed: int
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 12, 0.5)
    # the first connection lives long enough to begin the run
    assert place.jobmon(ldir, "--initonly").returncode == 0
    dice = random.Random(seed)
    # one may fall into the greeting; each failure in a row makes the monitor wait longer
    cuts = [f"up {dice.randint(3000, 30000)}"]
    cuts += [f"{way} {dice.randint(8000, 20000)}" for way in ("up", "down", "down")]
    dice.shuffle(cuts)
    link.plan(*cuts)
    done = place.jobmon(newest(ldir), "--maxqsub", "4", new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    all_ran_once(place, newest(ldir), 12)
    assert len(link.broken) >= 2


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_link_that_is_cut_while_the_tree_is_sent(
    place: Place, link: Broken, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 4, 0.2)
    (ldir / "init/s0/input").write_bytes(random.Random(0).randbytes(200_000))
    link.plan("up 100000")
    assert place.jobmon(ldir).returncode in (0, 4)
    done = place.jobmon(newest(ldir), new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert link.broken == ["up 100000"]
    all_ran_once(place, newest(ldir), 4)


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_link_that_falls_silent_is_given_up_as_the_persons_ssh_is_told_to(
    place: Place, link: Broken, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 3, 1)
    assert place.jobmon(ldir, "--initonly").returncode == 0
    link.plan("stall 9000")
    run = newest(ldir)
    begun = time.monotonic()
    monitor = place.start(run, new=False)
    wait_for(lambda: link.broken == ["stall 9000"])
    silent = time.monotonic()
    assert monitor.wait(60) == 0
    assert time.monotonic() - silent < 45, begun
    assert "is gone" in (run / "jobmon.log").read_text()
    all_ran_once(place, run, 3)
    wait_for(lambda: not alive(str(link.folder)))
