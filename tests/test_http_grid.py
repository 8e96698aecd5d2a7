"""All jobs at once, and how their numbers were over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake import FakeJob
from served import BAD, CHAIN, Served, folders, serve, world

from jobauto.ledger import Entry
from jobauto.ledger.quelist import Word
from jobauto.model import Job, moment
from jobauto.web import changes
from jobauto.web import grid as grids
from jobauto.web import history as histories

__all__ = ["serve", "world"]  # fixtures


def _words(grid: dict[str, Any]) -> dict[str, list[str]]:
    legend = [kind["word"] for kind in grid["legend"]]
    rows = zip(grid["folders"], grid["cells"], strict=True)
    return {folder: [legend[n] if n >= 0 else "" for n in row] for folder, row in rows}


def test_a_row_a_folder_and_a_column_an_id_in_the_order_of_the_work(
    serve: Callable[..., Served],
) -> None:
    tree = {f"mp-{n}/{file}": "" for n in (10, 9, 1) for file in ("qsub.relax", "qsub.bands")}
    tree |= {f"mp-{n}/qsub.dependency.relax": "" for n in (10, 9, 1)}
    tree |= {f"mp-{n}/qsub.dependency.bands": "qsub.finished.relax\n" for n in (10, 9, 1)}
    tree |= {"all/qsub.0": "", "all/qsub.dependency.0": "../mp-9/qsub.finished.bands\n"}
    s = serve(tree, ("mp-9/qsub.relax", BAD))
    for _ in range(8):
        s.tick()
    found = s.get("/api/grid").data
    assert found["folders"] == ["all", "mp-1", "mp-9", "mp-10"]
    assert found["ids"] == ["relax", "bands", "0"]
    words = _words(found)
    assert words["all"] == ["", "", "blocked"]
    assert words["mp-9"] == ["failed", "blocked", ""]
    assert words["mp-1"] == ["finished", "finished", ""]


def test_a_job_that_runs_is_told_from_one_that_waits_in_the_queue(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN, ("a/qsub.0", FakeJob(seconds=1000)))
    s.tick()
    assert _words(s.get("/api/grid").data)["a"] == ["started", "waiting", "waiting"]
    s.tick()
    assert _words(s.get("/api/grid").data)["a"] == ["running", "waiting", "waiting"]


def test_every_kind_of_cell_has_its_own_colour_sign_and_meaning() -> None:
    legend = grids.legend()
    assert len({kind["word"] for kind in legend}) == len(legend) == 12
    assert len({kind["fill"] for kind in legend}) == 12
    assert all(kind["says"] for kind in legend)


def test_an_event_names_a_few_cells_and_says_how_many_more(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHANGED", 3)
    s = serve(folders(5), maxqsub=5)
    before = s.board.now
    s.tick()
    told = changes.change(before, s.board.now)
    assert list(told["changed"].values()) == ["started"] * 3
    assert told["more"] == 2


def test_an_event_tells_that_a_job_runs_now(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN, ("a/qsub.0", FakeJob(seconds=1000)))
    s.tick()
    before = s.board.now
    s.tick()
    assert changes.change(before, s.board.now)["changed"] == {"a/qsub.0": "running"}


# --- over time ------------------------------------------------------------------------------------


def test_history_counts_the_queue_what_is_done_and_what_is_bad(
    serve: Callable[..., Served],
) -> None:
    s = serve(folders(2), ("m001/qsub.0", BAD))
    begun = s.world.clock.now()
    for _ in range(12):
        s.tick()
    found = s.get("/api/history").data
    points = [[when - begun, *numbers] for when, *numbers in found["points"]]
    assert points[0] == [0, 2, 0, 0]
    assert points[-1][1:] == [0, 3, 1]
    assert [p[0] for p in points] == sorted(p[0] for p in points)
    assert s.get("/api/status").data["now"] == s.world.clock.now() - 10


def _entry(*words: str) -> Entry:
    return Entry(Job("a", "0"), [Word(what, f"20261120_23150{n}") for n, what in enumerate(words)])


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("started", "finished"), [(1, 0, 0), (0, 1, 0)]),
        (("started", "failed", "retry", "started"), [(1, 0, 0), (0, 0, 1), (0, 0, 0), (1, 0, 0)]),
        (("failed",), [(0, 0, 1)]),  # refused by the scheduler
        (("skipped",), [(0, 1, 0)]),
        (
            ("started", "unsure", "started", "finished"),
            [(1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0)],
        ),
        (("started", "started"), [(1, 0, 0)]),
    ],
)
def test_the_words_of_one_job_over_time(
    words: tuple[str, ...], numbers: list[tuple[int, int, int]]
) -> None:
    total, seen = (0, 0, 0), []
    for _, move in histories._moves(_entry(*words)):
        total = histories._sum(total, move)
        seen.append(total)
    assert seen == numbers


def test_a_date_that_makes_no_sense_is_left_out() -> None:
    entry = Entry(
        Job("a", "0"), [Word("started", "20269999_000000"), Word("finished", "20261120_231500")]
    )
    assert list(histories._moves(entry)) == [(moment("20261120_231500"), (0, 1, 0))]


def test_a_long_history_is_thinned_and_keeps_its_end() -> None:
    points = [[float(n), n, 0, 0] for n in range(5 * histories.POINTS + 7)]
    thin = histories._thinned(points)
    assert len(thin) <= histories.POINTS
    assert thin[-1] == points[-1]
    assert histories._thinned(points[:9]) == points[:9]
    assert histories._thinned([]) == []
