"""The pages in a real browser over runs in memory or on disk: odd names, keys, and all runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from browser import page_at
from served import BAD, CHAIN, Served, World, folders, serve, world
from test_web import Web, web

from jobauto import registry
from jobauto.web.sessions import ticket

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["serve", "web", "world"]  # fixtures

HOSTILE = [
    "<img src=x onerror=alert(1)>/qsub.0",
    "b c?d#e%2F&/qsub.0",
    '"><script>x()<|script>/qsub.0',
    "ä漢/qsub.0",
    "[x]\"'\\/qsub.0",
]


def link(s: Served) -> str:
    return f"{s.facts['url']}/login#{ticket(s.facts['token'], s.world.clock.now())}"


def chosen(page: Page, name: str) -> None:
    """Wait until the box of one job shows this one."""
    page.wait_for_function(
        "(name) => document.getElementById('job').dataset.name === name", arg=name
    )


def test_names_are_text_and_nothing_else(browser: Browser, serve: Callable[..., Served]) -> None:
    s = serve(dict.fromkeys(HOSTILE, ""), (HOSTILE[0], BAD), maxqsub=9)
    for _ in range(6):
        s.tick()
    with page_at(browser, link(s)) as page:
        page.click("#tabs >> text=All")
        rows = page.locator("#list [data-name]")
        page.wait_for_function("() => document.querySelectorAll('#list [data-name]').length === 5")
        assert sorted(rows.nth(n).get_attribute("data-name") or "" for n in range(5)) == sorted(
            HOSTILE
        )
        for name in HOSTILE[1:]:
            page.get_by_role("button", name=name, exact=True).first.click()
            chosen(page, name)
            assert page.locator("#job h2").inner_text().endswith(name)
        assert page.locator("#list img, #job img, main script").count() == 0


def test_the_map_is_driven_by_keys(browser: Browser, serve: Callable[..., Served]) -> None:
    s = serve(folders(3) | {"x/qsub.9": "", "x/qsub.dependency.9": ""}, ("m001/qsub.1", BAD))
    for _ in range(12):
        s.tick()
    with page_at(browser, link(s)) as page:
        page.wait_for_selector("#map[data-ms]")
        page.focus("#map")
        chosen(page, "m000/qsub.0")
        for key, name in (
            ("ArrowRight", "m000/qsub.1"),
            ("ArrowDown", "m001/qsub.1"),
            ("End", "m001/qsub.1"),  # the last row has no such job
            ("ArrowRight", "m001/qsub.2"),
            ("Home", "m000/qsub.2"),
            ("n", "m001/qsub.1"),
            ("n", "m001/qsub.1"),
        ):
            page.keyboard.press(key)
            chosen(page, name)
        spoken = page.locator("#spoken").inner_text()
        assert spoken == "m001/qsub.1: failed"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "job"


def test_all_runs_are_listed_and_opened(
    browser: Browser, web: Callable[..., Web], world: Callable[..., World]
) -> None:
    w = world(CHAIN)
    w.finish()
    registry.note(w.folder)
    s = web()
    with page_at(browser, s.link) as page:
        row = page.locator("#runs tr", has_text=f"{w.folder.parent.name}/{w.folder.name}")
        row.locator("text=3 finished").wait_for()
        row.locator("a").click()
        page.locator("#where", has_text="no monitor watches this run").wait_for()
        page.locator("#legend", has_text="finished 3").wait_for()
        assert page.locator("#stop").get_attribute("inert") is not None
