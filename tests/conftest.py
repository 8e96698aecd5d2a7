"""Fixtures of places. Where the lab is down its tests are skipped and say so; in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import databases
import places
import psutil
import pytest
from browser import browser
from filelock import FileLock
from hypothesis import settings

__all__ = ["browser"]  # one for all modules

# In CI the same examples every time; here new ones, and what once failed is tried first.
settings.register_profile("always the same", derandomize=True, deadline=None)
settings.register_profile("new ones", deadline=None)
settings.load_profile("always the same" if os.environ.get("CI") else "new ones")

EVERYWHERE = ["local", "mirror", "plain", *places.SCHEDULERS]


@pytest.hookimpl(tryfirst=True)  # before some are chosen by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that needs the lab, which mostly waits, so that the rest can run beside it."""
    for item in items:
        if uses_the_lab(item):
            item.add_marker(pytest.mark.lab)


def uses_the_lab(item: pytest.Item) -> bool:
    """Whether a test asks for the lab, or for a place that is in it."""
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    named = {*getattr(item, "fixturenames", ()), *map(str, chosen.values())}
    return bool(named & {"lab", "postgresql", *EVERYWHERE} - {"local", "mirror"})


@pytest.fixture(params=EVERYWHERE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[places.Place]:
    """Each place in turn; parametrise indirectly to choose some."""
    if request.param not in ("local", "mirror"):
        request.getfixturevalue("lab")
    with places.place(request.param, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """No process outlives the test that started it."""
    before = psutil.Process().children()
    yield
    left = [process for process in psutil.Process().children() if process not in before]
    assert left == [], "these go on after the test"


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """The cluster of `make lab`, for one test session at a time: logins and calls are counted."""
    if not places.lab_is_up():
        places.cannot("the lab is down (as root: make lab)")
    with FileLock(places.LAB / "tests.lock", timeout=3600):
        yield


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a fresh database on the lab's PostgreSQL, which other sessions may use as well."""
    if not databases.postgresql_is_up():
        places.cannot("the lab's PostgreSQL is down (as root: make lab)")
    with databases.fresh() as url:
        yield url
