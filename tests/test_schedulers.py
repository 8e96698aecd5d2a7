"""Each dialect keeps the contract: see contract.py for the checks, recorded/ for the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from answers import RECORDED, Folder
from contract import checks
from hypothesis import given
from hypothesis import strategies as st

from jobauto.schedulers import DIALECTS, Dialect, Unreadable

CONTRACT = [
    pytest.param(check, id=f"{name}: {what}")
    for name, dialect in DIALECTS.items()
    for what, check in checks(dialect, RECORDED / name)
]
each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@pytest.mark.parametrize("check", CONTRACT)
def test_the_contract(check: Callable[[], None]) -> None:
    check()


def read(dialect: Dialect, text: str) -> None:
    """Read a text in every way that there is."""
    for parse in (dialect.parse, dialect.parse_tokens):
        with contextlib.suppress(Unreadable):
            parse(text)
    dialect.jobid(text)
    dialect.ending(text)


@each_dialect
@given(text=st.text(max_size=200) | st.text("|_+-<>/.:;0123456789\n RUNqw", max_size=60))
def test_no_text_at_all_is_a_crash(dialect: Dialect, text: str) -> None:
    read(dialect, text)


@each_dialect
@given(data=st.data())
def test_no_text_inside_an_answer_is_a_crash(dialect: Dialect, data: st.DataObject) -> None:
    folder = Folder(RECORDED / dialect.name)
    kind = data.draw(st.sampled_from(["queue", "ending", "jobid"]))
    out = data.draw(st.sampled_from([answer.out for answer in folder.expecting(kind)]))
    at = data.draw(st.integers(0, len(out)))
    text = data.draw(st.text(max_size=20) | st.text("=:|0123456789\n ", max_size=20))
    read(dialect, out[:at] + text + out[at:])


def test_every_folder_of_recorded_answers_is_of_a_dialect() -> None:
    assert {path.name for path in RECORDED.iterdir()} == set(DIALECTS)
