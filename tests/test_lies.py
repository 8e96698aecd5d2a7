"""The lies that programs are made to tell are understood as what they are meant to be."""

from __future__ import annotations

import pytest
from cluster import ASKS
from lies import EMPTY, SAID, words
from places import SCHEDULERS

from jobauto.schedulers import DIALECTS


@pytest.mark.parametrize("host", SCHEDULERS)
def test_a_refusal_is_lost_or_for_now_or_neither(host: str) -> None:
    dialect, said = DIALECTS[SCHEDULERS[host]], words(host)
    meant = {"lost": "lost", "unreachable": "lost", "limit": "limit", "nonsense": "", "silent": ""}
    for fate, kind in meant.items():
        text = said[fate][2] + said[fate][1]
        lost, limit = dialect.lost.search(text), dialect.limit.search(text)
        assert ("lost" if lost else "limit" if limit else "") == kind, text


def test_every_host_has_its_lies() -> None:
    assert set(SAID) == set(EMPTY) == set(ASKS) == set(SCHEDULERS)
    assert {host: set(kinds) for host, kinds in EMPTY.items()} == {
        host: set(kinds) for host, kinds in ASKS.items()
    }
