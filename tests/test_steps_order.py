"""The order of folders: nothing could be cheaper, as far as that can be counted out."""

from __future__ import annotations

import random
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobauto.steps.order import SLACK, Keys, Place, apart, cheapest, spread

COSTS = (1, 1, 1, 1)


def length(row: list[Keys], costs: tuple[int, ...]) -> int:
    return sum(apart(a, b, costs) for a, b in pairwise(row))


def best(nodes: list[Keys], costs: tuple[int, ...]) -> int:
    return min(length(list(row), costs) for row in permutations(nodes))


def chain(values: tuple[int, ...]) -> Keys:
    """Keys of steps each of which comes after the one before."""
    return tuple(str(values[: n + 1]) for n in range(len(values)))


def galaxies(a: int, b: int, merge: int, interact: int) -> Keys:
    """Keys in the form of the seed."""
    return str(a), str(b), f"{a} {b} {merge}", f"{a} {b} {merge} {interact}"


few = st.integers(0, 2)
costs = st.tuples(*[st.integers(1, 9)] * 3)


@given(st.sets(st.tuples(few, few, few), min_size=1, max_size=6), costs, st.randoms())
def test_no_row_of_plain_chains_is_cheaper(
    values: set[tuple[int, ...]], costs: tuple[int, ...], chance: random.Random
) -> None:
    nodes = [chain(value) for value in values]
    chance.shuffle(nodes)
    found = cheapest(nodes, costs)
    assert sorted(found) == sorted(nodes)
    assert length(found, costs) == best(nodes, costs)


def test_rows_of_two_galaxies_are_as_cheap_as_can_be() -> None:
    chance = random.Random(5)
    for _ in range(200):
        number = chance.randint(2, 7)
        values = {tuple(chance.randrange(3) for _ in range(4)) for _ in range(number)}
        nodes = [galaxies(*value) for value in values]
        chance.shuffle(nodes)
        found = cheapest(nodes, COSTS)
        assert length(found, COSTS) == best(nodes, COSTS), nodes


@pytest.mark.parametrize("number", [1, 40, 250])
def test_long_rows_of_two_galaxies_are_near_what_none_can_be_below(number: int) -> None:
    chance = random.Random(number)
    nodes: dict[Keys, None] = {}
    while len(nodes) < number:
        nodes[galaxies(*(chance.randrange(6) for _ in range(4)))] = None
    least = sum(len({keys[:2] for keys in nodes} if not n else {keys[n] for keys in nodes}) - 1
                for n in (0, 2, 3))  # fmt: skip
    assert least <= length(cheapest(list(nodes), COSTS), COSTS) <= least * 1.02


places = st.lists(
    st.builds(Place, st.tuples(few, few, few).map(chain), st.integers(0, 9)), min_size=1, max_size=9
)


@given(places, st.integers(1, 4))
def test_each_folder_goes_to_one_model_and_none_has_much_more_than_its_share(
    places: list[Place], models: int
) -> None:
    parts = spread(places, (1, 1, 1), models)
    assert len(parts) == models
    assert sorted(number for part in parts for number in part) == list(range(len(places)))
    loads = [load(places, part) for part in parts]
    one = spread(places, (1, 1, 1), 1)
    whole = load(places, one[0]) + 3 * (models - 1)
    largest = max(place.always for place in places) + 3
    assert max(loads) <= max(whole / models * SLACK + 1, largest) * 1.1 + 1 + largest


def load(places: list[Place], part: list[int]) -> int:
    row = [places[number].keys for number in part]
    steps = 3 + length(row, (1, 1, 1)) if row else 0
    return steps + sum(places[number].always for number in part)


@given(places, st.integers(2, 3))
def test_a_row_is_cut_where_that_costs_least(places: list[Place], models: int) -> None:
    parts = [part for part in spread(places, (1, 1, 1), models) if part]
    row = [number for part in parts for number in part]
    limit = max(load(places, part) for part in parts)
    total = sum(load(places, part) for part in parts)
    for cuts in permutations(range(1, len(row)), len(parts) - 1):
        ends = [0, *sorted(cuts), len(row)]
        others = [row[a:b] for a, b in pairwise(ends)]
        if max(load(places, part) for part in others) <= limit:
            assert sum(load(places, part) for part in others) >= total


def test_folders_that_are_the_same_stay_together_and_in_order() -> None:
    places = [Place(chain((number % 2,)), 1) for number in range(6)]
    assert spread(places, (1,), 1) == [[0, 2, 4, 1, 3, 5]]
    assert spread(places, (1,), 2) == [[0, 2, 4], [1, 3, 5]]


def test_more_models_than_folders() -> None:
    assert spread([Place(("a",), 1)], (1,), 3) == [[0], [], []]
