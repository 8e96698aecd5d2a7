"""The page of a running monitor in a real browser, over jobs on the lab's Slurm; by clicking."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cluster
import pytest
from browser import page_at, watched
from places import Place, newest, wait_for, words
from trees import job, make

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


pytestmark = pytest.mark.parametrize("place", ["slurm"], indirect=True)

PHONE = (390, 844)
UNTIL_GO = "until [ -e ../go ]; do sleep 0.1; done"
FORBIDDEN = "status of 40"  # what the console says of an answer that the test asked for


@dataclass
class Watched:
    """A run that goes on, and a place for pictures of its page."""

    place: Place
    monitor: Any
    folder: Path
    pictures: Path

    def link(self, *options: str) -> str:
        done = self.place.jobauto("page", *options, str(self.folder))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0]

    def go(self, name: str = "go") -> None:
        """Let the jobs go on that wait for this file."""
        (self.place.there(self.folder) / name).touch()

    def words(self) -> dict[str, list[str]]:
        return words(self.folder)


@pytest.fixture
def run(place: Place, tmp_path: Path) -> Callable[..., Watched]:
    """Start a monitor over such a tree."""

    def begin(tree: dict[str, str], *options: str) -> Watched:
        make(tmp_path / "L/init", tree)
        monitor = place.start(tmp_path / "L", *options)
        wait_for(lambda: any((tmp_path / "L").glob("2*/.jobauto/http.json")))
        return Watched(place, monitor, newest(tmp_path / "L"), tmp_path)

    return begin


def chain(folder: str, first: str = UNTIL_GO, second: str = "") -> dict[str, str]:
    """A folder with two jobs, one after the other."""
    return {
        f"{folder}/qsub.0": job(first, "0"),
        f"{folder}/qsub.1": job(second, "1"),
        f"{folder}/qsub.dependency.0": "",
        f"{folder}/qsub.dependency.1": "qsub.finished.0\n",
    }


def tile(page: Page, name: str) -> str:
    """What one of the figures on top says."""
    return page.locator(f"#tiles div:has(dt:text-is('{name}')) dd").inner_text()


def shows(page: Page, name: str, text: str) -> None:
    """Wait until a figure on top says this, without loading the page again."""
    page.wait_for_function(
        "([name, text]) => [...document.querySelectorAll('#tiles div')].some((tile) =>"
        " tile.querySelector('dt').textContent === name &&"
        " tile.querySelector('dd').textContent.startsWith(text))",
        arg=[name, text],
        timeout=60_000,
    )


def in_job_box(page: Page, text: str) -> None:
    """Wait until the box of the chosen job says this."""
    page.locator("#job", has_text=re.compile(text)).wait_for(timeout=60_000)


def queued(run: Watched) -> int:
    """How many jobs of the run are in the queue, by its own file."""
    return len((run.folder / "qsub.now").read_text().splitlines())


def test_a_run_is_watched_to_its_end(browser: Browser, run: Callable[..., Watched]) -> None:
    tree = {file: text for n in range(12) for file, text in chain(f"mp-{n}").items()}
    s = run(tree, "--maxqsub", "24")
    with watched(browser, s.link()) as (page, seen):
        shows(page, "in the queue", "12")
        assert tile(page, "ended").startswith("0 of 24")
        page.locator("#legend", has_text="running 12").wait_for(timeout=60_000)
        loaded = page.evaluate("performance.timeOrigin")
        page.screenshot(path=s.pictures / "running.png", full_page=True)
        s.go()
        shows(page, "ended", "24 of 24")
        assert tile(page, "expected end").startswith("over")
        assert s.monitor.wait(60) == 0
        page.locator("#banner", has_text="The run is over").wait_for()
        assert page.evaluate("performance.timeOrigin") == loaded
        page.locator("#legend", has_text="finished 24").wait_for()
        assert page.locator("#chart svg").count() == 4
        ended = page.locator("#chart svg >> nth=0").get_attribute("aria-label")
        assert ended == "ended: now 24, at most 24"
        page.screenshot(path=s.pictures / "over.png", full_page=True)
        assert (seen.errors, seen.foreign) == ([], [])
        cut = "net::ERR_"  # the monitor is gone, and the page asks again
        assert all(cut in text for text in seen.console + seen.failed), seen.all


def test_limits_stop_and_resume(browser: Browser, run: Callable[..., Watched]) -> None:
    tree = {f"m{n}/qsub.0": job(UNTIL_GO) for n in range(8)}
    s = run(tree | {f"m{n}/qsub.dependency.0": "" for n in range(8)}, "--maxqsub", "2")
    with page_at(browser, s.link()) as page:
        shows(page, "in the queue", "2")
        page.fill("#limits [name=maxqsub]", "4")
        page.click("#limits button")
        page.locator("#said", has_text="the monitor was told").wait_for()
        shows(page, "in the queue", "4of at most 4")
        wait_for(lambda: queued(s) == 4)
        page.click("#stop")
        page.locator("#conditions", has_text="stopped since").wait_for(timeout=60_000)
        s.go()
        shows(page, "ended", "4 of 8")
        shows(page, "in the queue", "0")
        assert page.locator("#stop").is_hidden()
        page.screenshot(path=s.pictures / "stopped.png", full_page=True)
        page.click("#resume")
        shows(page, "ended", "8 of 8")
    assert s.monitor.wait(60) == 0


def test_a_job_is_chosen_held_released_and_killed(
    browser: Browser, run: Callable[..., Watched]
) -> None:
    s = run({**chain("a"), **chain("b")}, "--maxqsub", "2")
    with page_at(browser, s.link()) as page:
        shows(page, "in the queue", "2")
        page.click("#tabs >> text=In the queue")
        page.click("#list >> text=a/qsub.0")
        in_job_box(page, "a/qsub.0 is started")
        page.click("#job .node:has-text('qsub.1')")
        in_job_box(page, "a/qsub.1 is waiting: .*qsub.finished.0")
        page.click("#job button:has-text('Hold')")
        in_job_box(page, "a/qsub.1 is held")
        page.click("#job button:has-text('Release')")
        in_job_box(page, "a/qsub.1 is waiting")
        page.click("#job .node:has-text('qsub.0')")
        in_job_box(page, "a/qsub.0 is started: running")
        page.click("#job button:has-text('Kill')")
        in_job_box(page, "a/qsub.0 is killed")
        shows(page, "failed, killed, unsure", "1")
        wait_for(lambda: s.words()["a/qsub.0"] == ["started", "killed"])
        assert s.words()["b/qsub.0"] == ["started"]
        s.go()
        page.click("#job button:has-text('Retry')")
        page.click("#job summary")
        in_job_box(page, r"\d accepted a/qsub.0 2 jobid=")
        page.click("#log summary")
        page.locator("#log pre", has_text="retry by page: a/qsub.0").wait_for()
        shows(page, "ended", "4 of 4")
    assert s.monitor.wait(60) == 0
    assert s.words()["a/qsub.0"] == ["started", "killed", "retry", "started", "finished"]


def test_a_failure_shows_its_output_and_is_tried_again(
    browser: Browser, run: Callable[..., Watched]
) -> None:
    bad = "if [ ! -e ../mended ]; then echo 'H is <b>singular</b>' >&2; exit 3; fi"
    s = run({**chain("bad", bad), **chain("good")}, "--maxqsub", "4")
    with page_at(browser, s.link()) as page:
        failure = page.locator("#list details[data-name='bad/qsub.0']")
        page.locator("#tabs button:has-text('Failures') b", has_text="1").wait_for(timeout=60_000)
        page.click("#tabs >> text=Failures")
        failure.locator("pre", has_text="H is <b>singular</b>").wait_for(timeout=60_000)
        page.screenshot(path=s.pictures / "failed.png", full_page=True)
        page.focus("#map")
        page.keyboard.press("n")
        in_job_box(page, "bad/qsub.0 is failed")
        assert "bad/qsub.0: failed" in page.locator("#spoken").inner_text()
        s.go("mended")
        failure.locator("button:has-text('Retry')").click()
        page.locator("#tabs button:has-text('Failures') b", has_text="0").wait_for(timeout=60_000)
        s.go()
        shows(page, "ended", "4 of 4")
    assert s.monitor.wait(60) == 0
    assert s.words()["bad/qsub.0"] == ["started", "failed", "retry", "started", "finished"]


def test_the_whole_run_is_killed_only_after_a_question(
    browser: Browser, run: Callable[..., Watched]
) -> None:
    s = run({**chain("a"), **chain("b")}, "--maxqsub", "4")
    with watched(browser, s.link()) as (page, seen):
        shows(page, "in the queue", "2")
        jobids = {line.split()[1] for line in (s.folder / "qsub.now").read_text().splitlines()}
        page.click("#kill")
        page.click("text=No, leave it")
        page.click("#check")
        page.locator("#said", has_text="check").wait_for()
        assert s.monitor.poll() is None
        page.click("#kill")
        assert "2 of its jobs are in the queue" in page.locator("#sure").inner_text()
        page.screenshot(path=s.pictures / "sure.png")
        page.click("text=Yes, kill it")
        assert s.monitor.wait(60) != 0
        wait_for(lambda: s.words()["a/qsub.0"] == s.words()["b/qsub.0"] == ["started", "killed"])
        page.locator("#banner", has_text="No answer").wait_for()
        assert seen.errors == []
    wait_for(
        lambda: not set(jobids) & set(cluster.real("/usr/bin/squeue", "-h", "-o", "%i").split())
    )


def test_logging_in_and_being_refused(browser: Browser, run: Callable[..., Watched]) -> None:
    s = run(chain("a"))
    link = s.link()
    bare = link.partition("/login")[0]
    with page_at(browser, bare) as page:
        page.wait_for_url("**/login")
        assert s.folder.name not in page.content()
    with watched(browser, bare) as (page, seen):
        page.fill("[name=secret]", "guessed")
        page.click("text=Log in")
        page.locator("h1", has_text="Refused").wait_for()
        assert all(FORBIDDEN in text for text in seen.console)
    with watched(browser, link) as (page, seen):
        shows(page, "in the queue", "1")
        page.click("#logout")
        page.wait_for_url("**/login")
        assert all("net::ERR_ABORTED" in text for text in seen.failed), seen.failed
        assert seen.errors == seen.console == []
    with watched(browser, link) as (page, seen):  # it was used
        page.locator("h1", has_text="Refused").wait_for()
    token = re.search(r'"token": "(.*)"', (s.folder / ".jobauto/http.json").read_text())
    assert token
    with page_at(browser, bare) as page:
        page.fill("[name=secret]", token[1])
        page.click("text=Log in")
        shows(page, "in the queue", "1")
    with page_at(browser, s.link("--read-only")) as page:
        shows(page, "in the queue", "1")
        page.click("#list >> text=a/qsub.0")
        in_job_box(page, "a/qsub.0 is started")
        assert page.locator(".control:visible").count() == 0
        assert "you may look, not change" in page.locator("#where").inner_text()
    s.go()
    assert s.monitor.wait(60) == 0


def test_the_page_fits_a_phone_and_the_dark(browser: Browser, run: Callable[..., Watched]) -> None:
    tree = {file: text for n in range(30) for file, text in chain(f"mp-{n}").items()}
    s = run(tree, "--maxqsub", "8")
    with page_at(browser, s.link(), PHONE, color_scheme="dark", has_touch=True) as page:
        shows(page, "in the queue", "8")
        page.wait_for_selector("#legend li")  # what the map shows is there
        page.tap("#map", position={"x": 55, "y": 46})
        in_job_box(page, r"mp-1/qsub.0 is ")  # the first would be chosen anyhow
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE[0]
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(16, 18, 21)"
        page.screenshot(path=s.pictures / "phone.png", full_page=True)
