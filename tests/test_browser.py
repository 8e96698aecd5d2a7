"""The browser of the tests sees what a page does wrong, and ends with them."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import page_at, watched
from places import ROOT, alive, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html><html lang=en><title>tiny</title><h1>Hello</h1>{}</html>"""
QUIET = PAGE.format("<script>document.title = 'quiet'</script>")
ELSEWHERE = "http://elsewhere.example/x"


class Site(http.server.BaseHTTPRequestHandler):
    """The page of the server with its policy (also for an icon, as each browser asks for one);
    `/nothing` only closes, and all else is absent."""

    server: Served

    def do_GET(self) -> None:
        if self.path == "/nothing":
            return
        text = self.server.page.encode()
        self.send_response(200 if self.path in ("/", "/favicon.ico") else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        if self.server.policy:
            self.send_header("Content-Security-Policy", self.server.policy)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class Served(http.server.ThreadingHTTPServer):
    """One page on a free port of loopback."""

    page, policy = QUIET, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def site() -> Iterator[Served]:
    with Served(("127.0.0.1", 0), Site) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_quiet_page_is_quiet_and_as_large_as_was_asked(browser: Browser, site: Served) -> None:
    with page_at(browser, site.url, (390, 844)) as page:
        assert page.title() == "quiet"
        assert page.evaluate("[innerWidth, innerHeight]") == [390, 844]


def test_each_page_has_a_profile_of_its_own(browser: Browser, site: Served) -> None:
    with page_at(browser, site.url) as page:
        page.evaluate("document.cookie = 'a=b'; localStorage.setItem('a', 'b')")
    with page_at(browser, site.url) as page:
        assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]


# kind of fault -> (the page's body, a part of what is seen, the policy of the page)
FAULTS = {
    "console": ("<script>console.error('oh dear')</script>", "oh dear", ""),
    "errors": ("<script>throw new Error('oh dear')</script>", "oh dear", ""),
    "failed": ("<script>fetch('/nothing').catch(() => {})</script>", "/nothing", ""),
    "foreign": (f"<img alt='' src={ELSEWHERE}>", ELSEWHERE, ""),
    "foreign, by another name": (
        *("<script>fetch('http://localhost:1/').catch(() => {})</script>", "http://localhost:1/"),
        "",
    ),
    "foreign, a socket": (
        *("<script>new WebSocket('ws://elsewhere.example/')</script>", "ws://elsewhere.example/"),
        "",
    ),
    "console, a policy": (
        *("<script>document.title = 'x'</script>", "Content Security Policy"),
        "default-src 'none'",
    ),
    "console, no such file": ("<img alt='' src=/absent>", "404", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_page_does_wrong_is_seen(browser: Browser, site: Served, fault: str) -> None:
    body, part, site.policy = FAULTS[fault]
    site.page = PAGE.format(body)
    with watched(browser, site.url) as (page, seen):
        page.wait_for_load_state("networkidle")
        found = getattr(seen, fault.split(",")[0])
    assert [part in line for line in found] == [True], seen


def test_a_page_that_must_be_quiet_and_is_not_fails(browser: Browser, site: Served) -> None:
    site.page = PAGE.format("<script>console.error('oh dear')</script>")
    with pytest.raises(AssertionError, match="oh dear"), page_at(browser, site.url) as page:
        assert page.title() == "tiny"


def test_nothing_is_asked_of_the_network(browser: Browser, site: Served) -> None:
    site.page = PAGE.format(f"<img alt='' src={ELSEWHERE}>")
    with watched(browser, site.url) as (page, seen):
        page.wait_for_load_state("networkidle")
    assert seen.failed == [f"{ELSEWHERE}: net::ERR_PROXY_CONNECTION_FAILED"]


FAILING = """
from browser import page_at, watched
def test_fails(browser):
    with page_at(browser, "about:blank"):
        {}
"""


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("act", ["assert 0", "import os; os._exit(9)"], ids=["fails", "dies"])
def test_no_process_outlives_tests_that_fail(act: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # Chromium's socket wants a short path
        test = Path(folder, "test_failing.py")
        test.write_text(FAILING.format(act))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "conftest", "-c", "/dev/null", str(test)],
            env={**os.environ, "TMPDIR": folder, "PYTHONPATH": str(ROOT / "tests")},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "1 failed" in done.stdout or done.returncode == 9, done.stdout + done.stderr
        wait_for(lambda: not alive(folder), 10)
