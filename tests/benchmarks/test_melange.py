"""Mélange's problem: each formulation against every answer that there is, on instances small enough for that."""

from __future__ import annotations

import math
from itertools import product
from random import Random

import pytest

from benchmarks.melange import Line, Solved, missed, of_program, of_question, priced
from benchmarks.peers.allocation import Allocation, counted, draw, shares, slices


def instance(seed: int) -> Allocation:
    """Two buckets, two slices each, two GPU types, with loads that do not fill whole GPUs."""
    random = Random(seed)
    most = tuple((random.uniform(1, 3), random.uniform(3, 9)) for _ in range(2))
    return Allocation((1.0, 3.1), (random.uniform(1, 9), random.uniform(1, 9)), most, 2)


def least(problem: Allocation, parts: int) -> float:
    """The least USD an hour of all ways to send so many parts of each bucket to GPU types."""
    pieces = [b for b in problem.buckets for _ in range(parts)]
    costs = []
    for kinds in product(problem.types, repeat=len(pieces)):
        load = [0.0] * len(problem.types)
        for b, g in zip(pieces, kinds, strict=True):
            load[g] += problem.load(b, g) / parts
        counts = (math.ceil(busy - 1e-9) for busy in load)
        costs.append(sum(usd * count for usd, count in zip(problem.usd_per_hour, counts, strict=True)))
    return min(costs)


@pytest.mark.parametrize("seed", range(6))
def test_each_formulation_finds_the_least_of_all_its_answers(seed: int) -> None:
    problem = instance(seed)
    sliced = least(problem, problem.slices)
    found = [of_program(slices, problem), of_program(counted, problem), of_question(problem)]
    assert [usd for usd, _ in found] == pytest.approx([sliced, sliced, least(problem, 1)])
    assert all(proven for _, proven in found)
    fine = least(problem, 5)
    assert of_program(shares, problem)[0] <= min(sliced, fine) + 1e-6


def test_a_bucket_that_is_cut_can_cost_less_than_a_whole_one() -> None:
    problem = Allocation((1.0, 3.0), (4.5,), ((1.0, 4.0),), 9)
    assert of_program(shares, problem)[0] == of_program(slices, problem)[0] == pytest.approx(4.0)
    assert of_question(problem)[0] == pytest.approx(5.0)


def test_an_instance_is_of_mélanges_size_and_the_same_each_time() -> None:
    gpus = priced()
    problem = draw(1, 40.0, gpus)
    assert (len(problem.rates), len(problem.types), problem.slices) == (60, 8, 8)
    assert sum(problem.rates) == pytest.approx(40.0)
    assert min(min(row) for row in problem.most) > 0
    assert problem == draw(1, 40.0, gpus) != draw(2, 40.0, gpus)


def test_goals_are_missed_by_a_dearer_answer_and_by_a_slow_one() -> None:
    peer = Solved(10.0, True, 10.0)
    good = Line("good", peer, {"shares": Solved(10.0, True, 0.1)})
    assert missed([good]) == []
    dear = Line("dear", peer, {"shares": Solved(10.1, True, 0.1)})
    assert missed([good, dear, good]) == ["dear: shares are 1.00% dearer"]
    slow = Line("slow", peer, {"shares": Solved(9.0, True, 1.0)})
    assert missed([slow]) == ["shares are 10 × faster in the median, not 20 ×"]
