"""Tokens: never more in use than there are, over all runs."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from jobauto.tokens import Tokens, parse


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("r0", "r1", "r2")]
    for run in made:
        run.mkdir()
    return made


def tokens(runs: list[Path], number: int, **limits: int) -> Tokens:
    return Tokens(runs[0].parent / "state/tokens.json", runs[number], limits)


def test_words_are_tokens_and_how_many() -> None:
    assert parse("model:1 licence*2  licence") == {"model:1": 1, "licence": 3}
    assert parse("") == {}
    for wrong in ("*2", "a*0", "a*b", "a,b", "a*1234567"):
        with pytest.raises(ValueError, match="is no token"):
            parse(wrong)


def test_another_run_waits_and_is_told_for_whom(runs: list[Path]) -> None:
    one, two = tokens(runs, 0), tokens(runs, 1)
    model = {"model:1": 1}
    assert one.hold({}, {"a/qsub.0": model, "b/qsub.0": model, "c/qsub.0": {}}) == {
        "b/qsub.0": "model:1 is in use by a/qsub.0"
    }
    said = f"model:1 is in use by a/qsub.0 of {runs[0]}"
    assert two.hold({}, {"x/qsub.0": model, "y/qsub.0": {"model:2": 1}}) == {"x/qsub.0": said}
    assert one.hold({}, {}) == {}
    assert two.hold({"y/qsub.0": {"model:2": 1}}, {"x/qsub.0": model}) == {}


def test_there_are_as_many_as_the_limit_says(runs: list[Path]) -> None:
    one = tokens(runs, 0, licence=5)
    wanted = {f"{n}/qsub.0": {"licence": 2} for n in range(4)}
    assert set(one.hold({}, wanted)) == {"2/qsub.0", "3/qsub.0"}
    assert one.hold({n: wanted[n] for n in ("0/qsub.0", "1/qsub.0")}, {"s": {"licence": 1}}) == {}


def test_what_a_crash_left_is_put_right_by_its_own_run(runs: list[Path]) -> None:
    one, two = tokens(runs, 0), tokens(runs, 1)
    one.hold({}, {"a/qsub.0": {"t": 1}})  # and died before it was handed in
    assert two.hold({}, {"x/qsub.0": {"t": 1}})
    assert one.hold({}, {}) == {}
    assert two.hold({}, {"x/qsub.0": {"t": 1}}) == {}


def test_a_run_whose_folder_is_gone_holds_nothing(runs: list[Path]) -> None:
    tokens(runs, 0).hold({}, {"a/qsub.0": {"t": 1}})
    shutil.rmtree(runs[0])
    assert tokens(runs, 1).hold({}, {"x/qsub.0": {"t": 1}}) == {}


def test_what_is_in_flight_is_held_even_if_it_is_too_much(runs: list[Path]) -> None:
    """A limit that was made smaller meanwhile ends nothing."""
    one = tokens(runs, 0, t=1)
    flying = {"a/qsub.0": {"t": 1}, "b/qsub.0": {"t": 1}}
    assert set(one.hold(flying, {"c/qsub.0": {"t": 1}})) == {"c/qsub.0"}


@pytest.mark.parametrize("text", ["", "{", "nonsense"])
def test_a_file_that_cannot_be_read_is_made_anew(runs: list[Path], text: str) -> None:
    one = tokens(runs, 0)
    one.file.parent.mkdir()
    one.file.write_text(text)
    one.hold({"a/qsub.0": {"t": 1}}, {})
    assert json.loads(one.file.read_text()) == {str(runs[0]): {"a/qsub.0": {"t": 1}}}


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_no_more_are_in_use_than_there_are(runs: list[Path], seed: int) -> None:
    dice = random.Random(seed)
    limits = {"a": 2, "b": 1}
    flying: list[dict[str, dict[str, int]]] = [{} for _ in runs]
    for number in range(200):
        at = dice.randrange(3)
        for job in [job for job in flying[at] if dice.random() < 0.3]:
            del flying[at][job]
        wanted = {f"{number}-{n}": {dice.choice("ab"): dice.choice([1, 1, 2])} for n in range(3)}
        wanted = {job: each for job, each in wanted.items() if each.get("b", 0) < 2}
        waiting = tokens(runs, at, **limits).hold(flying[at], wanted)
        if dice.random() < 0.8:  # else it died before they were handed in
            flying[at] |= {job: each for job, each in wanted.items() if job not in waiting}
        used = Counter[str]()
        for jobs in flying:
            for each in jobs.values():
                used.update(each)
        assert all(used[token] <= limit for token, limit in limits.items())
