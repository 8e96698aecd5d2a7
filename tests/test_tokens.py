"""Tokens: never more in use than there are, over all runs."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from jobauto.resources import Wants
from jobauto.resources import tokens as parse
from jobauto.tokens import Tokens, Turn


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("r0", "r1", "r2")]
    for run in made:
        run.mkdir()
    return made


class Book(Tokens):
    """The tokens of one of the runs; `open` are folders whose jobs are not over."""

    open: Collection[str] = ()

    def asked(
        self, flying: Mapping[str, Wants], ready: Mapping[str, Wants], room: int = 99
    ) -> Turn:
        return self.hold(flying, ready.items(), lambda folder: folder in self.open, room)

    def kept(self) -> dict[str, dict[str, int]]:
        held = json.loads(self.file.read_text()).get(str(self.run), {})
        return {who: found for who, found in held.items() if who.endswith("/")}


def book(runs: list[Path], number: int, **limits: int) -> Book:
    return Book(runs[0].parent / "state/tokens.json", runs[number], limits)


def want(**tokens: int) -> Wants:
    return Wants(tokens)


def keep(**tokens: int) -> Wants:
    return Wants(kept=tokens)


def test_words_are_tokens_and_how_many() -> None:
    assert parse("model:1 licence*2  licence") == {"model:1": 1, "licence": 3}
    assert parse("") == {}
    for wrong in ("*2", "a*0", "a*b", "a,b", "a*1234567"):
        with pytest.raises(ValueError, match="is no token"):
            parse(wrong)


def test_another_run_waits_and_is_told_for_whom(runs: list[Path]) -> None:
    one, two = book(runs, 0), book(runs, 1)
    turn = one.asked({}, {"a/qsub.0": want(m=1), "b/qsub.0": want(m=1), "c/qsub.0": Wants()})
    assert turn == Turn(
        ["a/qsub.0", "c/qsub.0"], {"b/qsub.0": "m is in use by a/qsub.0"}, holds=True
    )
    said = f"m is in use by a/qsub.0 of {runs[0]}"
    turn = two.asked({}, {"x/qsub.0": want(m=1), "y/qsub.0": want(n=1)})
    assert turn == Turn(["y/qsub.0"], {"x/qsub.0": said}, said, holds=True)
    assert one.asked({}, {}) == Turn()
    assert two.asked({"y/qsub.0": want(n=1)}, {"x/qsub.0": want(m=1)}).admitted == ["x/qsub.0"]


def test_there_are_as_many_as_the_limit_says(runs: list[Path]) -> None:
    one = book(runs, 0, licence=5)
    wanted = {f"{n}/qsub.0": want(licence=2) for n in range(4)}
    assert one.asked({}, wanted).admitted == ["0/qsub.0", "1/qsub.0"]
    flying = {name: wanted[name] for name in ("0/qsub.0", "1/qsub.0")}
    assert one.asked(flying, {"s/qsub.0": want(licence=1)}).admitted == ["s/qsub.0"]
    turn = one.asked({}, {"big/qsub.0": want(licence=6)})
    assert turn.waiting == {"big/qsub.0": "it wants 6 of licence, of which there are 5"}


def test_no_more_are_held_than_there_is_room_for(runs: list[Path]) -> None:
    one, two = book(runs, 0, t=3), book(runs, 1, t=3)
    assert len(one.asked({}, {f"{n}/qsub.0": want(t=1) for n in range(3)}, 1).admitted) == 1
    assert len(two.asked({}, {f"{n}/qsub.0": want(t=1) for n in range(3)}).admitted) == 2


def test_nobody_overtakes_who_waits_for_the_same(runs: list[Path]) -> None:
    """Else a job that wants many would wait for ever."""
    one = book(runs, 0, t=2)
    flying = {"a/qsub.0": want(t=1)}
    turn = one.asked(flying, {"big/qsub.0": want(t=2), "small/qsub.0": want(t=1)})
    assert turn.admitted == []
    assert turn.waiting["small/qsub.0"] == "big/qsub.0 waits for the same token"


def test_a_folder_keeps_a_token_until_its_jobs_are_over(runs: list[Path]) -> None:
    one, two = book(runs, 0), book(runs, 1)
    one.open = {"a", "b"}
    jobs = {"a/qsub.0": keep(m=1), "b/qsub.0": keep(m=1)}
    assert one.asked({}, jobs).admitted == ["a/qsub.0"]
    # a/qsub.0 is over, a/qsub.1 became ready behind b/qsub.0, which waits longer
    then = {"b/qsub.0": keep(m=1), "a/qsub.1": keep(m=1)}
    turn = one.asked({}, then)
    assert turn.admitted == ["a/qsub.1"]
    assert turn.waiting == {"b/qsub.0": "m is in use by the folder a"}
    assert two.asked({}, {"x/qsub.0": keep(m=1)}).outside == f"m is in use by a/qsub.1 of {runs[0]}"
    one.open = {"b"}
    assert one.asked({}, {"b/qsub.0": keep(m=1)}).admitted == ["b/qsub.0"]
    assert one.kept() == {"b/": {"m": 1}}


def test_jobs_of_the_folder_that_keeps_a_token_use_it_one_by_one(runs: list[Path]) -> None:
    one = book(runs, 0)
    one.open = {"a"}
    turn = one.asked({}, {"a/qsub.0": keep(m=1), "a/qsub.1": keep(m=1)})
    assert turn.waiting == {"a/qsub.1": "m is in use by a/qsub.0"}


def test_a_retried_job_does_not_take_what_another_folder_keeps(runs: list[Path]) -> None:
    """Two folders that both keep the only one would wait for each other."""
    one = book(runs, 0)
    one.open = {"b"}
    one.asked({}, {"b/qsub.0": keep(m=1)})
    one.open = {"a", "b"}
    turn = one.asked({}, {"a/qsub.0": keep(m=1), "b/qsub.1": keep(m=1)})
    assert turn.admitted == ["b/qsub.1"]
    assert one.kept() == {"b/": {"m": 1}}


def test_what_a_crash_left_is_put_right_by_its_own_run(runs: list[Path]) -> None:
    one, two = book(runs, 0), book(runs, 1)
    one.asked({}, {"a/qsub.0": want(t=1)})  # and died before it was handed in
    assert two.asked({}, {"x/qsub.0": want(t=1)}).waiting
    assert not one.asked({}, {}).holds
    assert two.asked({}, {"x/qsub.0": want(t=1)}).admitted == ["x/qsub.0"]


def test_of_a_run_that_nobody_watches_what_is_in_the_queue_counts(runs: list[Path]) -> None:
    one = book(runs, 0, t=2)
    one.open = {"a", "b"}
    one.asked({}, {"a/qsub.0": keep(t=1), "b/qsub.0": keep(t=1)})
    two = book(runs, 1, t=2)
    jobs = {"x/qsub.0": want(t=1), "y/qsub.0": want(t=1)}
    assert two.asked({}, jobs).admitted == []
    two.flying_of = lambda run: {"a/qsub.0"} if run == runs[0] else None
    assert two.asked({}, jobs).admitted == ["x/qsub.0"]
    two.flying_of = lambda _run: set()
    assert two.asked({"x/qsub.0": want(t=1)}, {"y/qsub.0": want(t=1)}).admitted == ["y/qsub.0"]
    assert list(json.loads(two.file.read_text())) == [str(runs[1])]


def test_a_run_whose_folder_is_gone_holds_nothing(runs: list[Path]) -> None:
    book(runs, 0).asked({}, {"a/qsub.0": want(t=1)})
    shutil.rmtree(runs[0])
    assert book(runs, 1).asked({}, {"x/qsub.0": want(t=1)}).admitted == ["x/qsub.0"]


def test_what_is_in_flight_is_held_even_if_it_is_too_much(runs: list[Path]) -> None:
    """A limit that was made smaller meanwhile ends nothing."""
    one = book(runs, 0, t=1)
    flying = {"a/qsub.0": want(t=1), "b/qsub.0": want(t=1)}
    turn = one.asked(flying, {"c/qsub.0": want(t=1)})
    assert turn.waiting == {"c/qsub.0": "t is in use by a/qsub.0, b/qsub.0"}


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[]"])
def test_a_file_that_cannot_be_read_is_made_anew(runs: list[Path], text: str) -> None:
    one = book(runs, 0)
    one.file.parent.mkdir()
    one.file.write_text(text)
    one.asked({"a/qsub.0": want(t=1)}, {})
    assert json.loads(one.file.read_text()) == {str(runs[0]): {"a/qsub.0": {"t": 1}}}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_no_more_are_in_use_than_there_are(runs: list[Path], seed: int) -> None:
    """Jobs and folders of three runs at random, with crashes; in the end all had their turn."""
    dice = random.Random(seed)
    limits = {"a": 2, "b": 1}
    flying: list[dict[str, Wants]] = [{} for _ in runs]
    books = [book(runs, number, **limits) for number in range(3)]
    chains = [{f"f{n}": [keep(b=1)] * dice.randint(1, 4) for n in range(3)} for _ in runs]
    for number in range(400):
        at = dice.randrange(3)
        for job in [job for job in flying[at] if dice.random() < 0.3 or number > 300]:
            del flying[at][job]
        chain = chains[at]
        active = {job.partition("/")[0] for job in flying[at]}
        books[at].open = {name for name, left in chain.items() if left or name in active}
        wanted = {
            f"{name}/qsub.{len(left)}": left[0]
            for name, left in chain.items()
            if left and name not in active
        }
        if number < 300:
            wanted |= {f"n{number}/qsub.{n}": want(**{dice.choice("ab"): 1}) for n in range(3)}
            wanted["big/qsub.0"] = want(a=2)
        turn = books[at].asked(flying[at], wanted, dice.randint(0, 3))
        if dice.random() < 0.8:  # else it died before they were handed in
            for job in turn.admitted:
                flying[at][job] = wanted[job]
                if job.startswith("f"):
                    chain[job.partition("/")[0]].pop()
        used = Counter[str]()
        for jobs in flying:
            for wants in jobs.values():
                used.update(wants.all)
        assert all(used[token] <= limit for token, limit in limits.items())
    assert not any(left for chain in chains for left in chain.values())
