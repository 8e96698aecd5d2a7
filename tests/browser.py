"""A real browser: Debian's Chromium without a screen, and what happened behind its pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import places
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

__all__ = ["Seen", "browser", "page_at", "running", "watched"]

OPTIONS = [
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=http://127.0.0.1:9",  # nobody is there, so nothing leaves this machine
]
LAPTOP = (1280, 800)
PATIENCE = 10_000  # milliseconds for whatever a test waits for
OF_THE_PAGE = ("data", "blob", "about")


@contextmanager
def running() -> Iterator[Browser]:
    """Chromium, until the block ends. asyncio.run() is impossible in this thread meanwhile."""
    program = shutil.which("chromium")
    if program is None:
        places.cannot("there is no chromium (as root: make lab)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        places.cannot("there is no playwright")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=OPTIONS) as chromium,
    ):
        yield chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    with running() as chromium:
        yield chromium


@dataclass
class Seen:
    """What happened behind a page: errors on its console, exceptions, requests that failed, and
    requests to anywhere but `home` (host and port)."""

    home: str
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def all(self) -> dict[str, list[str]]:
        """All that is there, by kind; empty if nothing went wrong."""
        kinds = {
            "console": self.console,
            "errors": self.errors,
            "failed": self.failed,
            "foreign": self.foreign,
        }
        return {kind: found for kind, found in kinds.items() if found}

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console.append(message.text)

    def watch(self, context: BrowserContext) -> None:
        """Note what all pages of this profile do from now on."""
        context.on("console", self._said)
        context.on("weberror", lambda e: self.errors.append(str(e.error)))
        context.on("requestfailed", lambda r: self.failed.append(f"{r.url}: {r.failure}"))
        context.on("request", lambda r: self._went(r.url))
        context.on("page", lambda p: p.on("websocket", lambda w: self._went(w.url)))

    def _went(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in OF_THE_PAGE and parts.netloc != self.home:
            self.foreign.append(url)


@contextmanager
def watched(
    browser: Browser, url: str, viewport: tuple[int, int] = LAPTOP, **options: Any
) -> Iterator[tuple[Page, Seen]]:
    """A page in a fresh profile, and what it does. `options`: of playwright's new_context."""
    width, height = viewport
    seen = Seen(urlsplit(url).netloc)
    with browser.new_context(viewport={"width": width, "height": height}, **options) as context:
        context.set_default_timeout(PATIENCE)
        seen.watch(context)
        page = context.new_page()
        page.goto(url)
        yield page, seen


@contextmanager
def page_at(
    browser: Browser, url: str, viewport: tuple[int, int] = LAPTOP, **options: Any
) -> Iterator[Page]:
    """The same for a page that must be quiet: nothing may have been seen when the block ends."""
    with watched(browser, url, viewport, **options) as (page, seen):
        yield page
        page.evaluate("0")  # comes back behind all that the page said before
        assert seen.all == {}, seen.all
