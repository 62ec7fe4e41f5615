"""Processors differ in the last bits of a float, and solvers in their seeds and tolerances: the lock does not.

Every coefficient of a step clock, and every rate and time that is screened or simulated, is multiplied by a number next
to 1; the solver gets another seed and other tolerances. What is asked, what is kept and what is written stay the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import highspy
import pytest

import planner.decision.decide as decider
import planner.decision.optimize as optimizer
from planner.decision.candidates import rating, replicas
from planner.decision.choice import search as searching
from planner.decision.choice import solve as solving
from planner.decision.choice.again import solve_again
from planner.decision.choice.choice import Choice
from planner.decision.choice.linear import Linear
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.documents.lock import render
from planner.edges import planning
from planner.performance import capacity_search, closed_form, speculation
from planner.performance.capacity_search import CapacitiesByDigest
from planner.performance.roofline import step_clock
from planner.performance.step_time import StepClock
from planner.words.numbers import six_digits
from tests.planner import small
from tests.planner.decision.choice.instances import EXACT, drawn

LAST_BITS = 1e-15
"""Relative: four times the distance of two floats next to each other."""
TOLERANCES = (1e-9, 1e-8, 1e-7, 1e-6)


@dataclass(frozen=True)
class Run:
    """A plan of the small environment: its lock's text, the capacities that were simulated, what the solver was asked
    for it and for its alternatives, sorted."""

    text: str
    kept: CapacitiesByDigest
    questions: list[Question]


def planned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Plan with nothing kept from before."""
    run = Run("", {}, [])

    def recorded(question: Question, limits: SearchLimits, likely: frozenset[str] = frozenset()) -> Answer | Infeasible:
        run.questions.append(question)
        return solving.solve(question, limits, likely)

    def again(question: Question, limits: SearchLimits, former: Choice) -> Answer | Infeasible:
        run.questions.append(question)
        return solve_again(question, limits, former)

    with monkeypatch.context() as patch:
        patch.setattr(planning, "KeptCapacities", lambda: run.kept)
        patch.setattr(optimizer, "solve", recorded)
        patch.setattr(decider, "solve", recorded)
        patch.setattr(decider, "solve_again", again)
        lock = planning.plan(small.workspace(folder), "small").lock
    run.questions.sort(key=repr)  # two threads ask them
    return Run(render(lock), run.kept, run.questions)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The plan without noise."""
    with pytest.MonkeyPatch.context() as patch:
        return planned(tmp_path_factory.mktemp("quiet"), patch)


@pytest.fixture
def other_solver(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives the solver another seed and other tolerances, by a number."""
    exact = searching._load

    def start(number: int) -> None:
        draw = random.Random(number)

        def load(linear: Linear, options: Mapping[str, Any], fixed: Mapping[int, float] | None = None) -> highspy.Highs:
            highs = exact(linear, options, fixed)
            highs.setOptionValue("random_seed", number)
            for option in ("mip_feasibility_tolerance", "primal_feasibility_tolerance", "dual_feasibility_tolerance"):
                highs.setOptionValue(option, draw.choice(TOLERANCES))
            return highs

        monkeypatch.setattr(searching, "_load", load)

    return start


@pytest.fixture
def other_processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Disturbs the last bits of clocks, rates and times, by a number."""
    exact = step_clock

    def start(number: int) -> None:
        draw = random.Random(number)

        def disturbed(value: float) -> float:
            return value * (1.0 + draw.uniform(-LAST_BITS, LAST_BITS))

        def clock(*given: Any) -> StepClock:
            told = exact(*given)
            return StepClock(**{field.name: disturbed(getattr(told, field.name)) for field in fields(told)})

        monkeypatch.setattr(speculation, "step_clock", clock)
        for module in (capacity_search, closed_form, rating, replicas):
            monkeypatch.setattr(module, "six_digits", lambda value: six_digits(disturbed(value)))

    return start


@pytest.mark.parametrize("number", [1, 2, 3])
def test_noise_in_the_last_bits_changes_no_byte(
    number: int,
    quiet: Run,
    other_processor: Callable[[int], None],
    other_solver: Callable[[int], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other_processor(number)
    other_solver(number)
    run = planned(tmp_path / "noisy", monkeypatch)
    assert run.kept
    assert run.kept == quiet.kept, "other clocks were simulated, or they served another rate"
    assert run.questions == quiet.questions, "the solver was asked something else"
    assert run.text == quiet.text


def test_without_rounding_the_noise_would_be_felt(
    quiet: Run, other_processor: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches the simulator and the solver if the clocks are not rounded before."""
    other_processor(1)
    monkeypatch.setattr(StepClock, "as_written", lambda self: self)
    run = planned(tmp_path / "noisy", monkeypatch)
    assert not run.kept.keys() & quiet.kept.keys()
    assert run.questions != quiet.questions


@pytest.mark.parametrize("seed", range(60))
def test_another_solver_gives_the_same_answer_to_the_last_bit(seed: int, other_solver: Callable[[int], None]) -> None:
    """What it leaves within its tolerances is not what is answered."""
    answer = solving.solve(drawn(seed), EXACT)
    for number in (1, 2, 3):
        other_solver(number)
        assert solving.solve(drawn(seed), EXACT) == answer
