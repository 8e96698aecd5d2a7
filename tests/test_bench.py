"""The parts of `make bench` that could tell wrong figures."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import chains
import outside
import pytest
import reaction
import results
from proxy import CHUNK, Line, proxied
from results import Figure

from jobauto import run

T = TypeVar("T")


def apart(work: Coroutine[object, object, T]) -> T:
    """What a coroutine gives, in a thread of its own: a browser may have left a loop in this."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_a_ratio_is_that_of_the_medians() -> None:
    figure = Figure("time", 1.2, figures=[30.0, 12.0, 11.0], floors=[10.0, 9.0, 50.0])
    assert figure.ratio == 1.2
    assert figure.met
    assert figure.cells() == [
        *("time", "10.00 s (9.00–50.00)", "12.00 s (11.00–30.00)"),
        *("1.20", "≤ 1.2 ×", "yes", ""),
    ]


@pytest.mark.parametrize(("figure", "met"), [(1.5, True), (1.51, False)])
def test_without_a_floor_the_aim_is_for_the_figure(figure: float, met: bool) -> None:
    assert Figure("delay", 1.5, figures=[figure]).met is met


def test_an_aim_that_is_not_met_is_seen() -> None:
    cells = Figure("logins", 1, figures=[2.0], unit="").cells()
    assert cells == ["logins", "-", "2.00", "2.00", "≤ 1", "**no**", ""]


def test_a_section_takes_the_place_of_its_forerunner_only(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for heading, text in (("a", "old"), ("b", "kept"), ("a", "new")):
        results.put(heading, text, path)
    assert path.read_text() == "# Measured\n\n## a\n\nnew\n\n## b\n\nkept\n"


def test_what_the_outside_sees_of_a_run() -> None:
    sshd = (
        "Accepted key ED25519 SHA256:x found at keys\n"
        "Accepted publickey for hpc from 127.0.0.1 port 1 ssh2: ED25519 SHA256:x\n"
        + "Starting session: command for hpc from 127.0.0.1 port 1 id 0\n"
        * 5
    )
    ssh = (
        "2026-11-22T00:45:38+0000 1 -S s -f -N -M -- lab-slurm\n"
        "2026-11-22T00:45:38+0000 1 -S s -- lab-slurm sh\\ -s\n"
        "2026-11-22T00:45:38+0000 2 -S s lab-slurm rsync --server -s -logDtpre.iLsfxCIvu\n"
        "2026-11-22T00:45:38+0000 3 -S s lab-slurm rsync --server --sender -s -logDtpre\n"
        "2026-11-22T00:45:38+0000 4 -S s lab-sge rsync --server --sender -s -logDtpre\n"
    )
    seen = outside.read("slurm", sshd, ssh, "sbatch\nsqueue\nqstat\nsbatch\n")
    assert (seen.logins, seen.commands, seen.rsyncs, seen.fetches) == (1, 3, 2, 1)
    assert seen.calls == Counter(sbatch=2, squeue=1)
    assert str(seen) == "1 login, 3 commands, 2 rsync, 2 sbatch, 1 squeue"


def test_only_what_was_logged_meanwhile_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "LAB", tmp_path)
    logs = [tmp_path / name for name in ("sshd.log", "ssh-calls.log", "scheduler-calls.log")]
    logs[0] = tmp_path / "log/sshd-slurm.log"
    logs[0].parent.mkdir()
    for log in logs:
        log.write_text("Accepted publickey squeue\n")
    with outside.watched("slurm") as seen:
        for log in logs:
            with open(log, "a") as file:
                file.write("Accepted publickey\n" if log == logs[0] else "sbatch\n")
    assert seen.logins == 1
    assert seen.calls == Counter(sbatch=1)


def test_the_trees_are_chains_or_are_not(tmp_path: Path) -> None:
    chained = run.check(chains.make(tmp_path / "a", 2, 3))[0]
    assert len(chained.jobs) == 6
    assert [p.read_text() for p in sorted(tmp_path.glob("a/c0001/qsub.dependency.*"))] == [
        "",
        "qsub.finished.0\n",
        "qsub.finished.1\n",
    ]
    chains.make(tmp_path / "b", 2, 3, chained=False)
    assert {p.read_text() for p in tmp_path.glob("b/*/qsub.dependency.*")} == {""}
    assert (tmp_path / "b/c0000/qsub.2").read_text() == "#!/bin/sh\ntouch qsub.finished.2\n"


def test_a_reaction_is_from_a_marker_to_the_next_job_of_its_chain() -> None:
    there = Path("/r/run")
    log = "10.5 /r/run/c0000/qsub.0\n21.75 /r/run/c0000/qsub.1\n30 /r/run/c0000/qsub.1\n"
    submitted = reaction.submissions(log, there)
    assert submitted == {"c0000/qsub.0": 10.5, "c0000/qsub.1": 21.75}  # the first one of each
    markers = {"c0000/qsub.finished.0": 20.0, "c0000/qsub.finished.1": 40.0}
    assert reaction.reactions(markers, submitted) == [1.75]


def test_99_of_a_hundred_are_not_later() -> None:
    assert reaction.late([float(n) for n in range(1, 101)]) == 99.0
    assert reaction.late([5.0, 1.0]) == 5.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, until the other side has ended."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                link, _ = server.accept()
                with link:
                    while data := link.recv(CHUNK):
                        link.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_the_line_carries_all_and_the_end(echo: int) -> None:
    data = bytes(range(256)) * 40_000  # more than may be under way
    with proxied(echo, 0.002) as port, socket.create_connection(("127.0.0.1", port)) as link:

        def send() -> None:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)

        threading.Thread(target=send, daemon=True).start()
        link.settimeout(30)
        assert b"".join(iter(lambda: link.recv(CHUNK), b"")) == data


def test_the_line_is_long_not_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that come together leave together, each half a round trip later."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    async def carry() -> list[bytes]:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: 100.0)
        given: list[bytes] = []
        source = asyncio.StreamReader()
        source.feed_data(b"x" * (2 * CHUNK + 1))
        source.feed_eof()
        await Line(0, 0.075)._carry(source, Target(given))  # type: ignore[arg-type]
        return given

    monkeypatch.setattr(asyncio, "sleep", noted)
    assert b"".join(apart(carry())) == b"x" * (2 * CHUNK + 1)
    assert slept
    assert {round(seconds, 6) for seconds in slept} == {0.075}


class Target:
    """A writer that keeps what it gets."""

    def __init__(self, given: list[bytes]) -> None:
        self.given = given

    def write(self, data: bytes) -> None:
        self.given.append(data)

    async def drain(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False


def test_nobody_else_can_use_the_line(echo: int) -> None:
    async def address() -> str:
        line = Line(echo, 0.0)
        await line.listen()
        assert line._server
        host: str = line._server.sockets[0].getsockname()[0]
        await line.close()
        return host

    assert apart(address()) == "127.0.0.1"
