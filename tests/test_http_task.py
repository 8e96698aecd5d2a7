"""How far a shared task is, over HTTP: asked seldom, in a thread of its own; and on the page."""

from __future__ import annotations

import threading
import time as real
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError

import pytest
from browser import page_at
from fake import FakeClock
from served import CHAIN, Served, folders, serve, world
from tasks import ANN, BOB, Time, several, task
from test_page_local import link
from test_web import Web, web

from jobauto import registry
from jobauto.claims import Database, Holder, Overview, Task, overview
from jobauto.errors import NoDatabase
from jobauto.web import task as asking
from jobauto.web.task import PACE, PATIENCE, Asked

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["serve", "web", "world"]  # fixtures

T = TypeVar("T")
TALL = "#task .tall"


def until(true: Callable[[], T | None]) -> T:
    """Wait for a thread; what it made true."""
    end = real.monotonic() + 20
    while real.monotonic() < end:
        if found := true():
            return found
        real.sleep(0.01)
    raise AssertionError("it did not happen")


class Slow:
    """Counts how often the database is asked; it answers as long as the `door` is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.door, self.fault = 0, threading.Event(), False
        self.door.set()
        self.ask = overview
        monkeypatch.setattr(asking, "overview", self)

    def __call__(self, database: Database, name: str) -> Overview:
        self.asked += 1
        self.door.wait(30)
        if self.fault:
            raise NoDatabase("no answer: it is away")
        return self.ask(database, name)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow(monkeypatch)
    yield made
    made.door.set()


@pytest.fixture(params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Asked:
    """The task of `several` as ann's monitor sees it."""
    url = f"sqlite:///{tmp_path}/claims.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    time = Time()
    database = Database(url, time)
    database.upgrade()
    several(database, time)
    return Asked(Task(database, "T", ANN), FakeClock())


def answered(asked: Asked) -> dict[str, Any]:
    """What is told when the database has answered."""

    def look() -> dict[str, Any] | None:
        told = asked.now()
        return None if told["asking"] else told

    return until(look)


def test_nobody_waits_for_the_first_answer(asked: Asked, slow: Slow) -> None:
    slow.door.clear()
    first = asked.now()
    assert (first["found"], first["asking"], first["conditions"]) == (None, True, [])
    slow.door.set()
    told = answered(asked)
    assert (told["name"], told["person"], told["site"]) == ("T", ANN.person, "cluster-a")
    assert told["found"]["total"] == {
        **{"name": "T", "jobs": 10, "done": 1, "running": 2, "failed": 2, "unsure": 1, "free": 4}
    }
    assert [one["name"] for one in told["found"]["persons"]] == [ANN.person, BOB.person]
    assert told["found"]["late"] == 1


def test_it_is_asked_seldom_and_only_if_somebody_looks(asked: Asked, slow: Slow) -> None:
    assert slow.asked == 0
    for seconds, times in ((0, 1), (PACE - 1, 1), (1, 2), (100 * PACE, 3)):
        asked._clock.sleep(seconds)
        asked.now()
        answered(asked)
        assert slow.asked == times


def test_a_database_that_hangs_is_told_of_and_asked_no_more(asked: Asked, slow: Slow) -> None:
    before = answered(asked)
    slow.door.clear()
    asked._clock.sleep(PACE)
    assert asked.now()["conditions"] == []
    since = asked._clock.date()
    asked._clock.sleep(PATIENCE + 1)
    for _ in range(3):
        asked._clock.sleep(PACE)
        told = asked.now()
        (wrong,) = told["conditions"]
        assert (wrong["what"], wrong["since"]) == ("no answer of the database", since)
        assert (told["found"], told["date"]) == (before["found"], before["date"])
    assert slow.asked == 2
    slow.door.set()
    told = answered(asked)
    assert told["conditions"] == []
    assert told["date"] > before["date"]


def test_a_database_that_is_away_is_told_of_since_it_is(asked: Asked, slow: Slow) -> None:
    before = answered(asked)
    slow.fault = True
    asked._clock.sleep(PACE)
    since = asked._clock.date()
    for _ in range(3):
        asked.now()
        told = answered(asked)
        (wrong,) = told["conditions"]
        assert (wrong["why"], wrong["since"]) == ("no answer: it is away", since)
        assert told["found"] == before["found"]
        asked._clock.sleep(PACE)
    slow.fault = False
    asked.now()
    assert answered(asked)["conditions"] == []


def test_a_fault_of_ours_does_not_stop_it(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(asking, "overview", broken)
        asked.now()
        told = answered(asked)
    assert told["conditions"][0]["why"] == "a fault of ours, see the log"
    assert "ZeroDivisionError" in caplog.text
    asked._clock.sleep(PACE)
    asked.now()
    assert answered(asked)["found"]["total"]["jobs"] == 10


# --- over HTTP and in a browser -------------------------------------------------------------------

Serve = Callable[..., Served]


@pytest.fixture
def sharing(serve: Serve, tmp_path: Path) -> Callable[..., Served]:
    """A run of this tree that shares the task T."""

    def begin(tree: dict[str, str], **options: Any) -> Served:
        url = f"sqlite:///{tmp_path}/claims.db"
        return serve(tree, task="T", db=url, site="here", **options)

    return begin


def found(s: Served) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = s.get("/api/task").data
        return told if told["found"] and not told["asking"] else None

    return until(look)


def test_a_run_without_a_task_has_none(serve: Serve) -> None:
    s = serve(CHAIN)
    assert s.get("/api/status").data["task"] is None
    assert s.get("/api/task").status == 404


def test_a_run_tells_of_its_task_and_readers_may_look(sharing: Serve) -> None:
    s = sharing(folders(2))
    s.tick()
    assert s.get("/api/status").data["task"] == "T"
    told = found(s)
    assert (told["site"], told["found"]["total"]["running"]) == ("here", 2)
    assert s.ask("GET", "/api/task", **s.reader).data["found"] == told["found"]
    assert s.ask("GET", "/api/task").status == 401


def test_no_tick_and_no_reader_waits_for_it(sharing: Serve, slow: Slow) -> None:
    s = sharing(folders(2))
    slow.door.clear()
    assert s.get("/api/task").data["asking"]
    for _ in range(12):  # to the end of the run, while it hangs
        s.tick()
        assert s.get("/api/task").status == 200
    assert s.get("/api/status").data["counts"] == {"finished": 6}
    assert slow.asked == 1


def test_a_locked_database_keeps_no_reader_waiting(sharing: Serve, tmp_path: Path) -> None:
    s = sharing(folders(2))
    other = Database(f"sqlite:///{tmp_path}/claims.db")
    with other.transaction() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        begun = real.monotonic()
        for _ in range(3):
            assert s.get("/api/task").status == 200
        assert real.monotonic() - begun < 5  # it waits for 30 s
    found(s)


def test_all_runs_of_a_person_ask_no_database(
    web: Callable[..., Web], world: Callable[..., Any], tmp_path: Path
) -> None:
    w = world(CHAIN, task="T", db=f"sqlite:///{tmp_path}/claims.db", site="here")
    w.finish()
    registry.note(w.folder)
    (tmp_path / "claims.db").unlink()
    s = web()
    cookie = s.log_in()
    key = s.get("/api/runs", **cookie)["runs"][0]["key"]
    assert s.get(f"/runs/{key}/api/status", **cookie)["task"] is None
    with pytest.raises(HTTPError, match="404"):
        s.get(f"/runs/{key}/api/task", **cookie)
    assert not (tmp_path / "claims.db").exists()  # asking would make it


def many(s: Served, tmp_path: Path, number: int) -> None:
    """Others work on this task, too."""
    database = Database(f"sqlite:///{tmp_path}/claims.db")
    big = task(database, BOB)
    big.register([(f"set-{n:03}/qsub.{m}", f"set-{n:03}") for n in range(number) for m in range(8)])
    names = [f"set-{n:03}/qsub.{m}" for n in range(number) for m in range(n % 9)]
    for place, holder in enumerate((BOB, ANN, Holder("a-person-with-a-long-name", "third", "r"))):
        other = Task(database, "T", holder)
        held = other.take(10**6, names[place::3])
        other.submitting(held)
        done = 2 * len(held) // 3
        other.ended(held[:done], "finished")
        other.ended(held[done : done + number // 40], "failed")
        other.ended(held[done + number // 40 :][:1], "unsure")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("number", [2, 199])
def test_the_page_shows_the_task(
    browser: Browser, sharing: Serve, tmp_path: Path, number: int, scheme: Any
) -> None:
    s = sharing(folders(1))
    s.tick()
    many(s, tmp_path, number)
    ours = found(s)["person"]
    with page_at(browser, link(s), color_scheme=scheme) as page:
        page.locator("#task-title", has_text="Task T").wait_for()
        page.locator("#task-size", has_text=f"of {number * 8 + 3:,} done").wait_for()
        assert page.locator(f"{TALL} >> nth=0").locator("tbody tr").count() == number + 1
        assert page.locator("#task .ours th").all_inner_texts() == ["here (ours)", f"{ours} (ours)"]
        row = page.locator("#task tr", has=page.locator("th:text-is('m000')"))
        assert row.locator("td.n").all_inner_texts() == ["0", "1", "0", "0", "2"]
        shares = row.locator(".parts span").evaluate_all(
            "(parts) => parts.map((part) => [part.className, part.style.flexGrow])"
        )
        assert shares == [["running", "1"], ["free", "2"]]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=tmp_path / f"task-{scheme}-{number}.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(TALL).first.evaluate("(box) => box.scrollWidth <= box.clientWidth")
        page.locator("#task-box").screenshot(path=tmp_path / f"phone-{scheme}-{number}.png")
        page.locator(TALL).first.focus()
        page.keyboard.press("End")
        if number > 100:
            page.wait_for_function(f"() => document.querySelector('{TALL}').scrollTop > 0")


def test_the_page_says_since_when_there_is_no_answer(
    browser: Browser, sharing: Serve, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PACE", 0.0)
    s = sharing(folders(1))
    s.tick()
    until(lambda: s.get("/api/task").data["found"])
    slow.fault = True
    until(lambda: s.get("/api/task").data["conditions"])
    with page_at(browser, link(s)) as page:
        wrong = page.locator("#task-wrong", has_text="no answer of the database since")
        wrong.wait_for()
        page.locator("#task-size", has_text="0 of 3 done").wait_for()
        assert "it is away" in wrong.inner_text()


def test_the_page_of_a_run_without_a_task_has_no_such_section(
    browser: Browser, serve: Serve
) -> None:
    with page_at(browser, link(serve(CHAIN))) as page:
        page.locator("#map-size", has_text="3 jobs").wait_for()
        assert page.locator("#task-box").is_hidden()
