"""Draws: proportions and the lesser of two."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.choose import least_of_two, weighted_draw


@dataclass
class Load:
    in_flight: int


@given(st.dictionaries(st.text(), st.floats(0.001, 1e6), min_size=1), st.integers())
def test_a_draw_is_one_of_the_names_and_repeats_with_its_seed(weights: dict[str, float], seed: int) -> None:
    drawn = weighted_draw(weights, random.Random(seed))
    assert drawn in weights
    assert drawn == weighted_draw(weights, random.Random(seed))


def test_draws_follow_the_weights() -> None:
    rng = random.Random(1)
    drawn = Counter(weighted_draw({"a": 7, "b": 2, "c": 1}, rng) for _ in range(10_000))
    # Four standard deviations of a binomial share.
    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        assert abs(drawn[name] / 10_000 - share) < 4 * (share * (1 - share) / 10_000) ** 0.5


def test_nothing_to_draw_from() -> None:
    with pytest.raises(ValueError, match="nothing"):
        weighted_draw({}, random.Random())


@given(st.lists(st.integers(0, 50), min_size=2), st.integers())
def test_the_fullest_is_never_chosen_beside_an_emptier_one(loads: list[int], seed: int) -> None:
    candidates = [Load(load) for load in loads]
    less_loaded = least_of_two(candidates, random.Random(seed))
    if len(candidates) == 2:
        assert less_loaded.in_flight == min(loads)
    if loads.count(max(loads)) == 1:
        assert less_loaded.in_flight < max(loads)


def test_two_choices_keep_loads_closer_than_one() -> None:
    def spread(pick) -> int:  # type: ignore[no-untyped-def]
        rng = random.Random(3)
        candidates = [Load(0) for _ in range(20)]
        for _ in range(2000):
            pick(candidates, rng).in_flight += 1
        loads = [candidate.in_flight for candidate in candidates]
        return max(loads) - min(loads)

    assert spread(least_of_two) < spread(lambda candidates, rng: rng.choice(candidates)) / 3


def test_one_candidate() -> None:
    only = Load(9)
    assert least_of_two([only], random.Random()) is only
