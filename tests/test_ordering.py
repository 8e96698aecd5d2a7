"""Which jobs go first with --order critical-path: ranks, durations, submissions, and how soon an
uneven tree ends."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fake import FakeClock, FakeJob
from test_monitor import World
from uneven import Uneven

from jobauto.actions.status import status
from jobauto.actions.why import why
from jobauto.errors import DONE
from jobauto.graph import Graph
from jobauto.ledger import Ledger
from jobauto.ledger.quelist import Word
from jobauto.ledger.tries import Log, logged
from jobauto.model import Job, stamp
from jobauto.needs import Need
from jobauto.ordering import AGAIN, RUNS, Durations, ordering

START = 1_800_000_000.0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def graph_of(**needs: str) -> Graph:
    """Jobs by id, with the ids of those that they need; `-` before one whose marker must not be."""
    graph = Graph(Job("", name) for name in needs)
    for name, text in needs.items():
        files = [(f"qsub.finished.{one.lstrip('-')}", one[0] == "-") for one in text.split()]
        graph.set_needs(f"qsub.{name}", [Need(file, 1, absent) for file, absent in files])
    return graph


def log_of(*took: tuple[str, float], since: float = START) -> str:
    """A qsub.log in which these jobs ran one after the other, for so many seconds."""
    lines = []
    for name, seconds in took:
        lines += [
            f"{stamp(since)} intent {name} 1 token=t",
            f"{stamp(since + 1)} accepted {name} 1 jobid=7",
            f"{stamp(since + 100)} running {name} 1",
            f"{stamp(since + 100 + seconds)} finished {name} 1",
        ]
        since += 100 + seconds
    return "".join(f"{line}\n" for line in lines)


class Part:
    """An Ordering with a ledger of its own."""

    def __init__(self, folder: Path, graph: Graph, log: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.ledger, self.clock = Ledger(folder, "5eed"), FakeClock()
        self.graph = graph
        if log:
            (folder.parent / "other").mkdir()
            (folder.parent / "other/qsub.log").write_text(log)
        self.ordering = ordering(graph, self.ledger, self.clock, [folder.parent / "other"])

    def first(self, *names: str, room: int | None = None) -> str:
        found = self.ordering.first([f"qsub.{name}" for name in names], room)
        return " ".join(name.removeprefix("qsub.") for name in found)

    def ranks(self) -> dict[str, float]:
        self.ordering.first([])
        return {name.removeprefix("qsub."): rank for name, rank in self.ordering.ranks.items()}

    def say(self, name: str, what: str) -> None:
        job = self.graph.jobs[f"qsub.{name}"]
        self.ledger.enqueue(job)
        self.ledger.say(job.name, Word(what, self.clock.date()))


def test_a_rank_is_the_longest_way_through_a_diamond(tmp_path: Path) -> None:
    graph = graph_of(a="", b="a", c="a", d="b c", lone="")
    log = log_of(("x/qsub.a", 10), ("x/qsub.b", 20), ("x/qsub.c", 50), ("x/qsub.d", 5))
    part = Part(tmp_path / "run", graph, log + log_of(("x/qsub.lone", 60)))
    assert part.ranks() == {"a": 65, "b": 25, "c": 55, "d": 5, "lone": 60}
    assert part.first("lone", "a", room=1) == "a"
    assert part.first("lone", "a", room=0) == ""
    assert part.first("d", "b", "c", "a") == "a c b d"


def test_equal_chains_stay_in_the_order_given(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b="", c="", d="", z="c"))
    assert part.first("d", "b", "a", "c") == "c d b a"
    assert part.first("d", "b", "a", "c", room=3) == "c d b"


def test_who_waits_for_a_file_to_be_gone_is_in_no_chain(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b="-a", c="b"))
    assert part.ranks() == {"a": 1, "b": 2, "c": 1}


def test_a_job_on_hold_is_in_no_chain(tmp_path: Path) -> None:
    graph = graph_of(a="", b="a", c="b")
    graph.set_needs("qsub.b", None)
    assert Part(tmp_path / "run", graph).ranks() == {"a": 1, "b": 2, "c": 1}


def test_what_is_in_a_circle_or_behind_one_counts_nothing(tmp_path: Path) -> None:
    """A circle may come by edits in mid-run; none of it can start."""
    part = Part(tmp_path / "run", graph_of(a="", b="a c", c="b", d="c", own="own", e="a"))
    assert part.ranks() == {"a": 2, "e": 1}
    assert part.first("d", "a") == "a d"


def test_edits_in_mid_run_are_followed_and_nothing_else_costs(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b="a", x=""))
    assert part.first("x", "a", room=0) == ""
    assert part.ordering.ranked == 0
    assert part.first("x", "a") == "a x"
    assert part.first("x", "a") == "a x"
    assert part.ordering.ranked == 1
    for name, before in (("y", "x"), ("z", "y")):
        part.graph.add(Job("", name))
        part.graph.set_needs(f"qsub.{name}", [Need(f"qsub.finished.{before}", 1)])
    assert part.first("a", "x") == "x a"
    part.graph.set_needs("qsub.y", [])
    assert part.first("x", "a") == "a x"
    part.graph.remove("qsub.b")
    assert part.first("x", "a") == "x a"
    assert part.ordering.ranked == 4


def test_jobs_that_are_done_count_nothing(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b="a", c="b", x="", y="x"))
    part.say("b", "skipped")
    assert part.ranks() == {"a": 2, "b": 1, "c": 1, "x": 2, "y": 1}
    part.say("a", "finished")
    part.ranks()
    part.say("c", "finished")
    assert part.ranks()["x"] == 2
    assert part.ordering.ranked == 1  # one job after the other is done: no chain changes
    part.say("a", "retry")
    assert part.ranks()["a"] == 1
    part.say("b", "retry")
    assert part.ranks()["a"] == 2
    assert part.ordering.ranked == 3


def test_a_job_that_was_done_before_what_it_needs_is_noticed(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b="a", c="b", x="", y="x"))
    assert part.first("x", "a") == "a x"
    part.say("b", "finished")
    part.say("c", "finished")
    assert part.first("a", "x") == "x a"


def test_a_chain_of_5000_jobs_is_ranked(tmp_path: Path) -> None:
    graph = graph_of(**{f"n{i}": f"n{i - 1}" if i else "" for i in range(5000)})
    part = Part(tmp_path / "run", graph)
    assert part.first("n4999", "n1", "n0", room=2) == "n0 n1"
    assert part.ordering.ranks["qsub.n0"] == 5000


# Durations


def test_durations_are_from_running_to_the_end_else_from_accepted(tmp_path: Path) -> None:
    (tmp_path / "qsub.log").write_text(
        log_of(("a/qsub.0", 30), ("b/qsub.0", 50), ("c/qsub.0", 400), ("d/qsub.0", 40)).replace(
            f"{stamp(START + 100)} running a/qsub.0 1\n", ""
        )
    )
    durations = Durations()
    durations.take(Log(tmp_path / "qsub.log"))
    assert durations.medians() == {"0": (50 + 129) / 2}


def test_what_is_torn_odd_or_did_not_finish_tells_no_duration(tmp_path: Path) -> None:
    good = log_of(("a/qsub.0", 30))
    bad = [
        log_of(("b/qsub.0", 900)).replace("finished", "failed"),
        log_of(("c/qsub.0", 900)).replace("finished", "killed"),
        log_of(("d/qsub.0", 900)).replace(stamp(START + 1000), "20279941_080000"),
        log_of(("e/qsub.0", -99999)),  # the clock was set
        log_of(("f/qsub.0", 900)).replace("finished f/qsub.0 1\n", "finished f/qsub.0 #torn\n"),
        "20270115_080000 finished g/qsub.0 1\n",  # no attempt is known
        "a person's note\n\0\n",
        log_of(("h/qsub.0", 900)).rstrip("\n"),  # cut off
    ]
    (tmp_path / "qsub.log").write_text(good + "".join(bad))
    durations = Durations()
    durations.take(Log(tmp_path / "qsub.log"))
    assert durations.medians() == {"0": 30}


def test_an_id_of_which_nothing_is_known_takes_what_most_take(tmp_path: Path) -> None:
    log = log_of(("x/qsub.a", 10), ("x/qsub.b", 20), ("x/qsub.c", 600), ("x/qsub.e", 0))
    part = Part(tmp_path / "run", graph_of(a="", new="", e=""), log)
    assert part.ranks() == {"a": 10, "new": 15, "e": 1}
    (tmp_path / "two").mkdir()
    assert Part(tmp_path / "two/run", graph_of(a="", b="")).ranks() == {"a": 1, "b": 1}


def test_the_newest_runs_with_a_log_are_read(tmp_path: Path) -> None:
    folders = [tmp_path / str(n) for n in range(RUNS + 3)]
    for n, folder in enumerate(folders):
        folder.mkdir()
        if n != RUNS:  # one that has none yet
            (folder / "qsub.log").write_text(log_of((f"x/qsub.{n}", 10)))
    found = ordering(Graph(), Ledger(tmp_path, "5eed"), FakeClock(), [*folders, tmp_path / "gone"])
    assert set(found.earlier.medians()) == {"2", "3", "4", "6", "7"}


def test_a_log_is_read_on_as_it_grows_and_each_byte_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = log_of(("a/qsub.0", 10), ("b/qsub.0", 20), ("c/qsub.0", 30))
    path, log, dice, at = tmp_path / "qsub.log", Log(tmp_path / "qsub.log"), random.Random(1), 0
    assert log.read() == set()
    begins: list[int] = []

    def noted(path: Path, begin: int) -> str:
        begins.append(begin)
        return path.read_text()[begin:]

    monkeypatch.setattr("jobauto.ledger.files.read", noted)
    lines = text.splitlines(keepends=True)
    while lines:
        some = [lines.pop(0) for _ in range(min(len(lines), dice.randint(1, 4)))]
        with open(path, "a") as file:
            file.write("".join(some))
        at += len("".join(some))
        assert log.read() == {line.split()[2] for line in some}
        assert log.read() == set()
    assert begins == sorted(set(begins))
    monkeypatch.undo()
    assert {name: list(found.values()) for name, found in log.tries.items()} == logged(path)
    path.write_text(log_of(("d/qsub.0", 10)))  # a person put the old one aside
    assert log.read() == {"d/qsub.0"}


def test_durations_of_this_run_count_after_a_while(tmp_path: Path) -> None:
    part = Part(tmp_path / "run", graph_of(a="", b=""))
    assert part.first("a", "b") == "a b"
    (tmp_path / "run/qsub.log").write_text(log_of(("x/qsub.a", 10), ("x/qsub.b", 50)))
    part.clock.sleep(AGAIN - 1)
    assert part.first("a", "b") == "a b"
    part.clock.sleep(1)
    assert part.first("a", "b") == "b a"
    with open(tmp_path / "run/qsub.log", "a") as file:
        file.write(log_of(("y/qsub.a", 10), ("y/qsub.b", 51)))
    part.clock.sleep(AGAIN)
    assert part.first("a", "b") == "b a"
    assert part.ordering.ranked == 2  # such a change is not worth it


# In runs


def chains(**lengths: int) -> dict[str, str]:
    files = {}
    for folder, length in lengths.items():
        for i in range(length):
            files[f"{folder}/qsub.{i}"] = ""
            files[f"{folder}/qsub.dependency.{i}"] = f"qsub.finished.{i - 1}\n" if i else ""
    return files


@pytest.mark.parametrize(
    ("order", "first"),
    [("fifo", ["a/qsub.0", "b/qsub.0"]), ("critical-path", ["c/qsub.0", "b/qsub.0"])],
)
def test_the_longest_chains_are_submitted_first(
    tmp_path: Path, order: str, first: list[str]
) -> None:
    w = World(tmp_path / "L", chains(a=1, b=2, c=3, d=2), maxqsub=2, order=order)
    w.monitor().tick()
    assert w.cluster.submitted() == first
    assert [line.split()[0] for line in w.quelist()] == [f"{n}/qsub.0" for n in "abcd"]
    room = (
        "(--maxqsub 2)"
        if order == "fifo"
        else ("(--maxqsub 2), where the longest chain goes first (--order critical-path)")
    )
    assert f"it waits for room in the queue {room}" in why(status(w.folder), "d/0")
    assert w.finish() == DONE


def test_fifo_has_no_ordering(tmp_path: Path) -> None:
    w = World(tmp_path / "L", chains(a=1))
    assert w.monitor().submitting.ordering is None


def test_tokens_go_to_the_longest_chain_and_hold_up_no_other_job(tmp_path: Path) -> None:
    tree = chains(a=1, b=2, c=3, d=1)
    wants = {f"{name}/qsub.resources.0": "tokens = one\n" for name in "abc"}
    w = World(tmp_path / "L", tree | wants, maxqsub=2, order="critical-path")
    w.monitor().tick()
    assert w.cluster.submitted() == ["c/qsub.0", "d/qsub.0"]


def test_an_earlier_run_tells_what_is_long(tmp_path: Path) -> None:
    tree = {f"{n}/qsub{d}.{n}": "" for n in "pqr" for d in ("", ".dependency")}
    for expected in ("pqr", "qrp"):
        w = World(tmp_path / "L", tree, maxqsub=1, order="critical-path")
        for n, seconds in {"p": 20.0, "q": 900.0, "r": 300.0}.items():
            w.cluster.plans[f"{n}/qsub.{n}"] = FakeJob(seconds)
        assert w.finish() == DONE
        assert w.cluster.submitted() == [f"{n}/qsub.{n}" for n in expected]


def test_a_monitor_that_is_started_again_goes_on_in_the_same_order(tmp_path: Path) -> None:
    w = World(tmp_path / "L", chains(a=1, b=2, c=3, d=2), maxqsub=1, order="critical-path")
    w.monitor().tick()
    assert w.finish() == DONE
    again = w.monitor().submitting.ordering
    assert again is not None
    assert again.earlier.medians() == {}, "its own log is read on as it grows, not twice"
    first = ["c/qsub.0", "b/qsub.0", "d/qsub.0", "c/qsub.1"]
    assert w.cluster.submitted()[:4] == first


@pytest.mark.parametrize(
    ("seed", "full", "least"), [(0, False, 1.25), (1, False, 1.25), (2, True, 1.15)]
)
def test_an_uneven_tree_ends_sooner_and_close_to_what_is_possible(
    tmp_path: Path, seed: int, full: bool, least: float
) -> None:
    tree = Uneven.thrown(seed, full)
    assert tree.ratio(tmp_path / "L", "fifo") > least
    assert tree.ratio(tmp_path / "L", "critical-path") <= 1.1  # it knows the other run
