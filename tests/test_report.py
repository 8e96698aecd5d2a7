"""Reports: what they tell of a run is what its files say, and no name can do harm in them."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake import FakeJob
from hypothesis import given
from hypothesis import strategies as st
from test_monitor import CHAIN, World, folders, world

from jobauto import report as reports
from jobauto import run as runs
from jobauto.cli.main import main
from jobauto.errors import BAD_USAGE, DONE, SOME_FAILED, UserError
from jobauto.model import known, span
from jobauto.report.gather import Report, Row, gather
from jobauto.report.layers import by_stage, depths
from jobauto.report.markup import as_html, as_xml, el, svg
from jobauto.report.page import page
from jobauto.report.pieces import stage_table
from jobauto.report.scatter import waits_chart
from jobauto.report.slots import peak, steps, total
from jobauto.report.stages import stages
from jobauto.report.timeline import Bar, packed, plan, timeline
from jobauto.report.times import duration, iso, ticks

__all__ = ["world"]  # a fixture

START = 1_800_000_000.0
HOSTILE = ["<script>alert(1)</script>", "a\"b'c", "x&amp;y", "a;b`c`", "]]>", "</title>", "日本"]
VOID = {"meta", "link", "br", "img", "hr", "input"}


def rows(report: Report) -> dict[str, Row]:
    return {row.job.name: row for row in report.rows}


def text(report: Report, ending: str) -> str:
    return reports.text(report, Path(f"r{ending}"))


def table(report: Report) -> dict[str, dict[str, str]]:
    lines = csv.DictReader(io.StringIO(text(report, ".csv")))
    return {line["job"]: line for line in lines}


def at(clock: str) -> float:
    found = known(f"20270115_{clock}")
    assert found is not None
    return found


class Checked(HTMLParser):
    """Every element that is opened is closed, in order; what is there is remembered."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def written(world: Callable[..., World]) -> Callable[..., Path]:
    """A run folder with files typed by hand, all on one day."""

    def build(tree: dict[str, str], quelist: str = "", log: str = "", qstat: str = "") -> Path:
        folder = world(tree).folder
        moved = folder.with_name("20270115_080000")
        if moved != folder:
            folder.rename(moved)
        for name, content in (("quelist", quelist), ("qsub.log", log), ("qstat", qstat)):
            if content:
                (moved / name).write_text(content.replace("@T", "20270115_").lstrip("\n"))
        return moved

    return build


# --- times ----------------------------------------------------------------------------------------


def test_times_of_a_chain_are_those_of_the_cluster(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.1"] = FakeJob(seconds=95)
    assert w.finish() == DONE
    report = gather(w.folder)
    truth = {(what, name): t for t, what, name in w.cluster.history}
    for name, row in rows(report).items():
        assert row.submitted == truth["submit", name]
        assert row.ended is not None
        assert 0 <= row.ended - truth["done", name] <= 1, "seen soon"
    found = rows(report)
    assert [found[f"a/qsub.{n}"].in_queue for n in range(3)] == [5, 95, 5]
    assert found["a/qsub.0"].ready == START
    assert found["a/qsub.1"].ready == found["a/qsub.0"].ended
    assert found["a/qsub.2"].before == 0
    assert report.where() == "over"
    assert (peak(report), total(report)) == (1, 105)


def test_a_job_that_waits_for_a_slot_waits_before_its_submission(
    world: Callable[..., World],
) -> None:
    w = world(folders(2), maxqsub=1)
    assert w.finish() == DONE
    found = rows(gather(w.folder))
    assert found["m000/qsub.0"].before == 0
    assert found["m001/qsub.0"].before == 5, "then the slot was free"
    [first, *_] = stages(gather(w.folder))
    assert (first.before.middle, first.before.longest, first.attempts) == (2.5, 5, 2)


def test_a_run_that_goes_on_has_no_end_that_nobody_saw(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    report = gather(w.folder)
    row = rows(report)["a/qsub.0"]
    assert (row.state.word, row.queued, row.ended, row.in_queue) == (
        "started",
        "running",
        None,
        None,
    )
    assert report.as_of == START + 30, "the last look, not now"
    assert report.where() == "not over, and no monitor runs"
    line = table(report)["a/qsub.0"]
    assert (line["ended"], line["seconds_in_queue"], line["queue_says"]) == ("", "", "running")
    assert steps(report) == [(START, 1), (START + 30, 0)]
    assert rows(report)["a/qsub.1"].tries == ()


TYPED = {
    f"{folder}/qsub.{kind}": text
    for folder in ("again", "dead", "doubt", "full", "refused")
    for kind, text in (("0", ""), ("dependency.0", ""))
} | {"dead/qsub.1": "", "dead/qsub.dependency.1": "qsub.finished.0\n", "held/qsub.0": ""}

QUELIST = """
again/qsub.0 started@@T080001@11 failed@@T081000@walltime retry@@T081000@auto started@@T081010@14 finished@@T083000
dead/qsub.0 started@@T080001@12 killed@@T082000
doubt/qsub.0 unsure@@T080130@no-answer-in-time
full/qsub.0 started@@T082010@15
refused/qsub.0 failed@@T080002@refused:-no-such-queue
"""  # noqa: E501

LOG = """
@T080000 intent again/qsub.0 1 token=t-1
@T080000 intent dead/qsub.0 1 token=t-2
@T080000 intent doubt/qsub.0 1 token=t-3
@T080000 intent full/qsub.0 1 token=t-4
@T080000 intent refused/qsub.0 1 token=t-5
@T080001 accepted again/qsub.0 1 jobid=11
@T080001 accepted dead/qsub.0 1 jobid=12
@T080002 failed refused/qsub.0 1 reason=refused:-no-such-queue
@T080030 putback full/qsub.0 1 reason=limit
a person's note, and then a line cut short
@T080031 intent dead/qsub.0 #torn
@T080130 unsure doubt/qsub.0 1 reason=no-answer-in-time
@T081000 failed again/qsub.0 1 reason=walltime
@T081005 intent again/qsub.0 2 token=t-6
@T081010 accepted again/qsub.0 2 jobid=14
@T082000 killed dead/qsub.0 1
@T082005 intent full/qsub.0 2 token=t-7
@T082010 accepted full/qsub.0 2 jobid=15
@T083000 finished again/qsub.0 2 left=yes
"""


def test_killed_unsure_refused_and_retried_jobs(written: Callable[..., Path]) -> None:
    report = gather(written(TYPED, QUELIST, LOG, "# @T084000 slurm on fake\n"))
    found = rows(report)
    assert {name: (row.state.word, len(row.tries), row.reason) for name, row in found.items()} == {
        "again/qsub.0": ("finished", 2, ""),
        "dead/qsub.0": ("killed", 1, ""),
        "dead/qsub.1": ("blocked", 0, ""),
        "doubt/qsub.0": ("unsure", 1, "no-answer-in-time"),
        "full/qsub.0": ("started", 2, ""),
        "held/qsub.0": ("held", 0, ""),
        "refused/qsub.0": ("failed", 1, "refused:-no-such-queue"),
    }
    again = found["again/qsub.0"]
    assert [(t.number, t.jobid, t.verdict, t.reason) for t in again.tries] == [
        (1, "11", "failed", "walltime"),
        (2, "14", "finished", ""),
    ]
    assert (again.submitted, again.in_queue) == (at("081010"), 1190)
    assert found["dead/qsub.0"].in_queue == 1199
    assert found["dead/qsub.0"].blocks == 1
    assert found["dead/qsub.1"].culprit == "dead/qsub.0"
    for name in ("doubt/qsub.0", "refused/qsub.0", "held/qsub.0", "full/qsub.0"):
        assert found[name].in_queue is None, "nothing tells"
    assert report.as_of == at("084000")
    assert steps(report) == [
        (at("080000"), 5),
        (at("080002"), 4),
        (at("080030"), 3),
        (at("080130"), 2),
        (at("081000"), 1),
        (at("081005"), 2),
        (at("082000"), 1),
        (at("082005"), 2),
        (at("083000"), 1),
        (at("084000"), 0),
    ]


def test_without_qsub_log_the_words_of_quelist_tell(written: Callable[..., Path]) -> None:
    found = rows(gather(written(TYPED, QUELIST)))
    tries = [(t.jobid, t.verdict, t.reason) for t in found["again/qsub.0"].tries]
    assert tries == [("11", "failed", "walltime"), ("14", "finished", "")]
    assert found["again/qsub.0"].in_queue == 1190
    assert found["doubt/qsub.0"].tries == ()


def test_a_verdict_that_a_crash_kept_from_qsub_log_stands_in_quelist(
    written: Callable[..., Path],
) -> None:
    cut = LOG[: LOG.index("@T083000")]
    again = rows(gather(written(TYPED, QUELIST, cut)))["again/qsub.0"]
    assert (again.tries[-1].verdict, again.in_queue) == ("finished", 1190)


def test_a_clock_that_was_set_back_makes_a_time_unknown(written: Callable[..., Path]) -> None:
    quelist = "again/qsub.0 started@@T080500@11 finished@@T080100\n"
    log = "@T080500 intent again/qsub.0 1 token=t\n@T080500 accepted again/qsub.0 1 jobid=11\n"
    report = gather(written(TYPED, quelist, log + "@T080100 finished again/qsub.0 1\n"))
    assert rows(report)["again/qsub.0"].in_queue is None
    assert steps(report) == []
    ET.fromstring(text(report, ".svg"))


def test_what_a_dependency_on_another_file_waited_for_is_not_known(
    written: Callable[..., Path],
) -> None:
    tree = {"a/qsub.0": "", "a/qsub.dependency.0": "input\n"}
    log = "@T080500 intent a/qsub.0 1 token=t\n"
    row = rows(gather(written(tree, "a/qsub.0\n", log)))["a/qsub.0"]
    assert (row.state.word, row.ready, row.before) == ("submitting", None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_moments() -> None:
    assert known("20271341_080000") is None, "a person's edit"
    assert iso(known("20270115_080102")) == "2027-01-15T08:01:02"
    assert (span(3, 5), span(5, 3), span(None, 5)) == (2, None, None)
    assert ticks(3600) == [0, 600, 1200, 1800, 2400, 3000, 3600]
    assert all(len(ticks(10.0**power)) <= 9 for power in range(-1, 12))


# --- waiting and running --------------------------------------------------------------------------

RUNNING = """
@T080200 running again/qsub.0 1
@T082100 running again/qsub.0 2
@T082200 running again/qsub.0 2
@T083500 running full/qsub.0 2
@T083600 running held/qsub.0 1
"""


def seen_to_run(written: Callable[..., Path]) -> Report:
    """The typed run, in which some jobs were seen to run."""
    return gather(written(TYPED, QUELIST, LOG + RUNNING.lstrip(), "# @T084000 slurm on fake\n"))


def test_waiting_and_running_are_told_apart_where_a_look_saw_it(
    written: Callable[..., Path],
) -> None:
    found = rows(seen_to_run(written))
    again = found["again/qsub.0"]
    assert [(t.waited, t.ran, t.in_queue) for t in again.tries] == [
        (119, 480, 599),
        (650, 540, 1190),
    ]
    assert (again.running, again.waited, again.ran) == (at("082100"), 650, 540), "the first counts"
    full = found["full/qsub.0"]
    assert (full.waited, full.ran, full.in_queue) == (890, None, None), "it runs yet"
    dead = found["dead/qsub.0"]
    assert (dead.running, dead.waited, dead.ran, dead.in_queue) == (None, None, None, 1199)
    assert found["held/qsub.0"].running is None, "a line about no submission"


def test_a_log_without_such_lines_leaves_it_unknown(written: Callable[..., Path]) -> None:
    found = rows(gather(written(TYPED, QUELIST, LOG)))
    assert {(row.running, row.waited, row.ran) for row in found.values()} == {(None, None, None)}


def test_waiting_and_running_are_those_of_the_cluster_up_to_a_look(
    world: Callable[..., World],
) -> None:
    w = world(folders(8), maxqsub=30)
    for number, name in enumerate(sorted(folders(8))):
        w.cluster.plans[name] = FakeJob(seconds=25 + 3 * number, waits=5 * number)
    assert w.finish() == DONE
    truth = {(what, name): t for t, what, name in w.cluster.history}
    for name, row in rows(gather(w.folder)).items():
        waited = truth["run", name] - truth["submit", name]
        ran = truth["done", name] - truth["run", name]
        assert row.waited is not None
        assert row.ran is not None
        assert 0 <= row.waited - waited <= 10
        assert abs(row.ran - ran) <= 10
        assert row.in_queue == row.waited + row.ran


def test_stages_have_both_medians(written: Callable[..., Path]) -> None:
    report = seen_to_run(written)
    [first, _] = stages(report)
    assert (first.waited.number, first.waited.middle, first.waited.longest) == (2, 770, 890)
    assert (first.ran.number, first.ran.middle) == (1, 540)
    assert (first.in_queue.number, first.in_queue.middle) == (2, 1194.5)
    seen = Checked(text(report, ".html"))
    words = " ".join(" ".join(seen.words).split())
    assert "waited ran in the queue" in words
    assert "12 min 50 s ≤ 14 min 50 s 9 min ≤ 9 min 19 min 54 s ≤ 19 min 59 s" in words
    assert "1 of 2 jobs that ended were seen to run: together these waited 10 min 50 s" in words
    assert "as fine as the looks" in words
    bars = [[e.get("class") for e in bar.iter("rect")] for bar in stage_table(report).iter("svg")]
    assert bars == [["before", "s-queued", "used"], []]
    [before, waited, ran] = stage_table(report).iter("rect")
    assert float(waited.get("x", 0)) == float(before.get("width", 0))
    assert float(waited.get("width", 0)) / float(ran.get("width", 0)) == pytest.approx(
        770 / 540, 0.01
    )


def test_the_tables_have_the_moment_and_both_times(written: Callable[..., Path]) -> None:
    report = seen_to_run(written)
    line = table(report)["again/qsub.0"]
    assert line["running"] == "2027-01-15T08:21:00"
    assert (line["seconds_waiting"], line["seconds_running"]) == ("650", "540")
    line = table(report)["dead/qsub.0"]
    assert (line["running"], line["seconds_waiting"], line["seconds_running"]) == ("", "", "")
    [job] = [j for j in json.loads(text(report, ".json"))["jobs"] if j["job"] == "again/qsub.0"]
    assert [one["running"] for one in job["tries"]] == [
        "2027-01-15T08:02:00",
        "2027-01-15T08:21:00",
    ]


def drawn(report: Report) -> list[tuple[str, str, float, float]]:
    """Class, job, left and right end of what the timeline draws."""
    return [
        (
            e.get("class", ""),
            (e[0].text or "").split(",")[0],
            float(e.get("x", 0)),
            float(e.get("x", 0)) + float(e.get("width", 0)),
        )
        for e in timeline(report).iter("rect")
        if len(e)
    ]


def test_waiting_is_drawn_as_its_own_part_of_a_bar(written: Callable[..., Path]) -> None:
    report = seen_to_run(written)
    parts = [part for part in drawn(report) if part[1] == "again/qsub.0"]
    assert [kind for kind, *_ in parts].count("s-queued") == 2
    pixel = 650 / 2400  # a second, of forty minutes
    place = {kind: (left, right) for kind, _, left, right in parts if right > 400}
    begin = 190 + pixel * 605  # sent at 08:10:05
    assert place["s-queued"] == pytest.approx((begin, 190 + pixel * 1260), abs=0.2)
    assert place["s-finished"] == pytest.approx((190 + pixel * 1260, 190 + pixel * 1800), abs=1.2)
    assert "s-queued" not in {kind for kind, name, *_ in drawn(report) if name == "dead/qsub.0"}
    for ending in (".html", ".svg"):
        assert "∷ queued" in text(report, ending)
    titles = [e.text or "" for e in timeline(report).iter("title")]
    assert any("again/qsub.0" in words and "waited 10 min 50 s" in words for words in titles)


def test_where_a_job_runs_at_once_no_part_of_a_bar_is_waiting(
    written: Callable[..., Path],
) -> None:
    folder = written(TYPED, QUELIST, LOG)
    run = runs.open_run(folder)
    run.scheduler = "local"
    run.save()
    report = gather(folder)
    assert rows(report)["again/qsub.0"].ran == 1190
    assert "s-queued" not in {kind for kind, *_ in drawn(report)}


def test_what_the_last_look_found_waiting_has_waited_until_then(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(waits=1000)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    report = gather(w.folder)
    assert rows(report)["a/qsub.0"].queued == "pending"
    assert [part[:2] for part in drawn(report)] == [("s-queued", "a/qsub.0")]
    assert rows(report)["a/qsub.0"].waited is None, "it waits yet"


def dots(report: Report) -> list[tuple[str, float, float]]:
    """Title and place of each dot."""
    chart = waits_chart(report)
    assert chart is not None
    circles = chart.iter("circle")
    return [(e[0].text or "", float(e.get("cx", 0)), float(e.get("cy", 0))) for e in circles]


def test_a_dot_lies_where_its_times_say(written: Callable[..., Path]) -> None:
    [(words, x, y)] = dots(seen_to_run(written))
    assert words == "again/qsub.0: waited 10 min 50 s, ran 9 min"
    assert x == pytest.approx(70 + 470 * math.log(540, 3600), abs=0.1), "an hour is at the end"
    assert y == pytest.approx(280 - 268 * math.log(650, 3600), abs=0.1)
    assert (x - 70) / 470 < (280 - y) / 268, "above the line: it waited longer"


def test_of_many_jobs_some_share_a_dot(written: Callable[..., Path]) -> None:
    tree: dict[str, str] = {}
    log = ""
    for number in range(40):  # waits of 600 to 639 seconds
        name = f"m{number}/qsub.0"
        tree |= {name: "", f"m{number}/qsub.dependency.0": ""}
        log += f"@T080000 intent {name} 1 token=t{number}\n"
        log += f"@T080000 accepted {name} 1 jobid={number}\n"
        log += f"@T0810{number:02} running {name} 1\n@T0820{number:02} finished {name} 1\n"
    log = log.replace("@T081039", "@T080001")  # and one of a second
    alone, *shared = sorted(dots(gather(written(tree, "", log))), key=lambda dot: -dot[2])
    assert alone[0] == "m39/qsub.0: waited 1 s, ran 20 min 38 s"
    assert len(shared) <= 3
    numbers = [int(words.split(" jobs: waited about 10 min")[0]) for words, _, _ in shared]
    assert sum(numbers) == 39


def test_without_any_job_that_was_seen_to_run_there_is_no_such_picture(
    written: Callable[..., Path],
) -> None:
    assert waits_chart(gather(written(TYPED, QUELIST, LOG))) is None


# --- pictures -------------------------------------------------------------------------------------


def test_bars_are_packed_without_overlap_into_as_few_lines_as_can_be() -> None:
    made = [Bar(b, e, "finished", "") for b, e in ((0, 4), (1, 3), (3, 6), (4, 5), (5, 9))]
    lines = [[(bar.begin, bar.end) for bar in line] for line in packed(made)]
    assert lines == [[(0, 4), (4, 5), (5, 9)], [(1, 3), (3, 6)]]


def test_a_line_is_a_job_then_a_folder_then_a_slot(world: Callable[..., World]) -> None:
    w = world(folders(130), maxqsub=7)
    assert w.finish() == DONE
    report = gather(w.folder)
    assert plan(report).each == "slot"
    assert len(plan(report).lines) == peak(report) == 7
    some = Report(report.title, report.begin, report.as_of, report.status, report.rows[:300])
    assert (plan(some).each, len(plan(some).lines)) == ("folder", 100)
    few = Report(report.title, report.begin, report.as_of, report.status, report.rows[:60])
    assert (plan(few).each, len(plan(few).lines)) == ("job", 60)
    drawn = [e for e in timeline(report).iter("rect") if e.get("class") == "s-finished"]
    assert len(drawn) == 390


def test_every_bar_lies_where_its_times_say(written: Callable[..., Path]) -> None:
    report = gather(written(TYPED, QUELIST, LOG, "# @T084000 slurm on fake\n"))
    bars = {
        (e.get("class"), (e[0].text or "").split(",")[0]): e
        for e in timeline(report).iter("rect")
        if len(e)
    }
    killed = bars["s-killed", "dead/qsub.0"]  # the first half of forty minutes
    assert float(killed.get("x", 0)) == 190
    assert abs(float(killed.get("width", 0)) - 650 / 2) <= 1
    last = bars["s-started", "full/qsub.0"]
    assert abs(float(last.get("x", 0)) + float(last.get("width", 0)) - 840) <= 1
    kinds = {"s-failed", "s-finished", "s-killed", "s-unsure", "s-putback", "s-started"}
    assert {kind for kind, _ in bars} == kinds


def test_stages_are_drawn_in_the_order_of_their_needs(world: Callable[..., World]) -> None:
    w = world(folders(25))
    w.cluster.plans["m003/qsub.1"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    found = by_stage(gather(w.folder))
    assert {key: (n.column, n.row) for key, n in found.nodes.items()} == {
        "0": (0, 0),
        "1": (1, 0),
        "2": (2, 0),
    }
    assert found.edges == {("0", "1"): 25, ("1", "2"): 25}
    assert {s.word: n for s, n in found.nodes["2"].counts.items()} == {"finished": 24, "blocked": 1}
    mermaid = text(gather(w.folder), ".mmd")
    assert 'n1["1: 1 failed, 24 finished"]:::failed' in mermaid
    assert "n0 -->|25| n1" in mermaid


def test_one_folder_that_is_different_does_not_move_a_stage(world: Callable[..., World]) -> None:
    last = {"z/qsub.0": "", "z/qsub.dependency.0": "../m000/qsub.finished.2\n"}
    report = gather(world({**folders(3), **last}).folder)
    assert [stage.id for stage in stages(report)] == ["0", "1", "2"]
    assert by_stage(report).edges == {("0", "1"): 3, ("1", "2"): 3, ("2", "0"): 1}


def test_a_circle_does_not_stop_a_drawing(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    (w.folder / "a/qsub.dependency.0").write_text("qsub.finished.2\n")
    report = gather(w.folder)
    assert depths(report.graph.edges) == dict.fromkeys(["a/qsub.0", "a/qsub.1", "a/qsub.2"], 0)
    for ending in reports.FORMATS:
        text(report, ending)


# --- files ----------------------------------------------------------------------------------------


def test_csv_and_json_agree(written: Callable[..., Path]) -> None:
    report = gather(written(TYPED, QUELIST, LOG, "# @T084000 slurm on fake\n"))
    data = json.loads(text(report, ".json"))
    assert data["counts"]["killed"] == 1
    assert data["slots"][1] == {"from": "2027-01-15T08:00:02", "used": 4}
    lines = table(report)
    assert len(lines) == len(data["jobs"]) == 7
    for job in data["jobs"]:
        tries = job.pop("tries")
        assert {k: "" if v is None else str(v) for k, v in job.items()} == lines[job["job"]]
        assert str(len(tries)) == lines[job["job"]]["attempts"]
    again = lines["again/qsub.0"]
    assert again["submitted"] == "2027-01-15T08:10:10"
    assert again["ended"] == "2027-01-15T08:30:00"
    assert (again["seconds_in_queue"], again["jobid"]) == ("1190", "14")
    assert lines["dead/qsub.1"]["blocked_by"] == "dead/qsub.0"


def test_the_page_says_what_failed_first_and_how(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.1"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    html = text(gather(w.folder), ".html")
    words = " ".join(Checked(html).words)
    assert "1 of 3 jobs are done, 1 failed, 1 blocked." in words
    assert "it broke" in words, "the end of its output"
    assert words.index("What did not finish") < words.index("All jobs")
    assert "it needs a/qsub.1, which failed (exit-3)" in words
    assert "Of none of the 2 jobs that ended is it known when it began to run" in words


def test_the_page_needs_nothing_from_elsewhere(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.finish()
    html = text(gather(w.folder), ".html")
    seen = Checked(html)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert not [name for name, _ in seen.attributes if name in ("src", "href", "action")]
    assert "://" not in html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in seen.attributes
    assert "@import" not in html
    assert html.count("url(") == html.count("url(#")
    assert "prefers-color-scheme: dark" in html


def test_where_a_job_runs_at_once_its_time_in_the_queue_is_its_run_time(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.finish()
    w.run.scheduler = "local"
    w.run.save()
    words = " ".join(Checked(text(gather(w.folder), ".html")).words)
    assert "run time" in words
    assert "is it known when it began to run" not in words
    assert "were seen to run" not in words
    row = rows(gather(w.folder))["a/qsub.0"]
    assert (row.waited, row.ran, row.in_queue) == (0, 5, 5), "though no look saw it"
    assert "∷ queued" not in words


def test_each_drawing_of_the_page_names_patterns_that_are_there(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.finish()
    for made in (text(gather(w.folder), ".html"), text(gather(w.folder), ".svg")):
        for part in made.split("url(#")[1:]:
            assert f'id="{part.split(")")[0]}"' in made


def hostile_run(world: Callable[..., World]) -> World:
    tree: dict[str, str] = {}
    for name in HOSTILE:
        name = name.replace("/", "∕")
        tree |= {f"{name}/qsub.{name}": "", f"{name}/qsub.dependency.{name}": ""}
        tree |= {f"{name}/qsub.9": "", f"{name}/qsub.dependency.9": f"qsub.finished.{name}\n"}
    w = world(tree, maxqsub=3)
    w.cluster.plans[f"{HOSTILE[1]}/qsub.{HOSTILE[1]}"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    for tail in (w.folder / ".jobauto/tails").iterdir():
        tail.write_text(
            "</pre><script>alert(1)</script>\x1b[2J\x00\udcff", errors="surrogateescape"
        )
    return w


def test_hostile_names_do_no_harm(world: Callable[..., World]) -> None:
    report = gather(hostile_run(world).folder)
    html = text(report, ".html")
    seen = Checked(html)
    assert "script" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert any("</pre><script>alert(1)</script>\\x1b[2J\\x00\\udcff" in w for w in seen.words)
    titles = {e.text for e in ET.fromstring(text(report, ".svg")).iter() if e.tag.endswith("title")}
    for row in report.rows:
        assert row.job.name in table(report)
        assert any((title or "").startswith(row.job.name) for title in titles)
    assert {job["job"] for job in json.loads(text(report, ".json"))["jobs"]} == rows(report).keys()


def test_hostile_names_in_graphs_as_text(world: Callable[..., World]) -> None:
    report = gather(hostile_run(world).folder)
    dot = text(report, ".dot")
    assert 'label="a\\"b\'c"' in dot
    for line in dot.splitlines():
        assert line.replace('\\"', "").count('"') % 2 == 0
    lines = text(report, ".mmd").splitlines()
    assert any('["a#34;b#39;c/qsub.a#34;b#39;c #10005; failed"]:::failed' in line for line in lines)
    assert all(line.count('"') in (0, 2) and "<" not in line for line in lines)


@given(st.text())
def test_any_text_makes_well_formed_xml(odd: str) -> None:
    root = svg(1, 1, el("text", odd, odd, id=odd), el("title", odd))
    ET.fromstring(as_xml(root))
    Checked(as_html(el("html", root, el("pre", odd))))


def test_a_run_without_jobs_and_one_that_never_began(world: Callable[..., World]) -> None:
    w = world({"a/qsub.0": ""})  # on hold
    for jobs in (1, 0):
        report = gather(w.folder)
        assert len(report.rows) == jobs
        for ending in reports.FORMATS:
            made = text(report, ending)
            if ending == ".svg":
                ET.fromstring(made)
            if ending == ".html":
                Checked(made)
        shutil.rmtree(w.folder / "a", ignore_errors=True)


def test_a_renamed_run_folder_without_dates(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    report = gather(w.folder.rename(w.folder.with_name("kept")))
    assert (report.begin, report.as_of) == (None, None)
    assert "begun not known" in " ".join(Checked(as_html(page(report))).words).replace("  ", " ")
    for ending in reports.FORMATS:
        text(report, ending)


# --- the command ----------------------------------------------------------------------------------


def test_several_files_at_once(
    world: Callable[..., World], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    w = world(CHAIN)
    w.finish()
    out = [tmp_path / f"r{ending}" for ending in reports.FORMATS]
    before = sorted(w.folder.rglob("*"))
    assert main(["report", str(w.folder), *(x for path in out for x in ("-o", str(path)))]) == DONE
    assert sorted(w.folder.rglob("*")) == before, "a report changes nothing of the run"
    assert all(path.read_text() == text(gather(w.folder), path.suffix) for path in out)
    assert capsys.readouterr().out.count(" bytes") == len(out)


def test_without_a_file_the_name_to_give_is_said(
    world: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    w = world(CHAIN)
    assert main(["report", str(w.folder)]) == BAD_USAGE
    assert f"-o {w.folder}/report.html" in capsys.readouterr().err
    assert not (w.folder / "report.html").exists()


def test_nothing_is_written_if_one_name_is_wrong(
    world: Callable[..., World], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    w = world(CHAIN)
    good, bad = tmp_path / "r.html", tmp_path / "r.htlm"
    assert main(["report", str(w.folder), "-o", str(good), "-o", str(bad)]) == BAD_USAGE
    assert "known: .html .svg .csv" in capsys.readouterr().err
    assert not good.exists()


def test_a_folder_that_is_not_there_is_an_error_in_one_line(world: Callable[..., World]) -> None:
    report = gather(world(CHAIN).folder)
    with pytest.raises(UserError, match="cannot be written: No such file"):
        reports.write(report, Path("/nowhere/at/all/r.html"))
