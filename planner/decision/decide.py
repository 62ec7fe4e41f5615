"""One decision: survey → rate → choose. A plan is made of one, and each figure beside it of another.

A decision depends on its inputs alone. What is known already (simulated and screened capacities) is passed in, and
shortens a decision without changing it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.decision.answer.refusals import no_plan, routes_without_candidates
from planner.decision.answer.sentences import cause_words
from planner.decision.answer.solved import Solved
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, ask, survey
from planner.decision.candidates.rating import Rating
from planner.decision.candidates.screening import leaders
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import DEFAULT_LIMITS, SearchLimits
from planner.decision.choice.solve import solve
from planner.decision.inputs import Inputs
from planner.words.diagnostics import Problem

HOPEFUL = 100.0
"""Factor on a screened rate that no simulation reaches."""


@dataclass(frozen=True)
class Decision:
    """A decision is the cheapest choice of an environment.

    market: everything that could be chosen, with its rated capacities.
    choice: the question that it made, and the answer.
    """

    inputs: Inputs
    market: Market
    choice: Choice

    @property
    def solved(self) -> Solved:
        """Return the choice together with what stands behind its names."""
        market = self.market
        return Solved(
            self.inputs.environment, self.inputs.catalog, market.demand, self.choice, market.classes, market.apis
        )


@dataclass(frozen=True)
class Refusal:
    """A refusal says that an environment has no plan.

    problems: why, each with the key that decides it.
    why: the same in one line, without its end.
    undecided: whether the search ended before it could tell.
    """

    problems: tuple[Problem, ...]
    why: str
    undecided: bool = False


def decide(inputs: Inputs, known: Known, limits: SearchLimits = DEFAULT_LIMITS) -> Decision | Refusal:
    """Return the cheapest choice, or why there is none.

    Classes are simulated and chosen in turns, until every class of the answer is simulated. Each turn simulates at
    least one more class, so that the turns end. That no plan exists is believed where the same would stand in the way
    of far better classes; otherwise all classes are simulated first.

    Raises `Problems` with ENV020, exit code 1, when a price is missing that every plan needs.
    """
    surveyed = survey(inputs, known)
    if refusal := _without_candidates(surveyed):
        return refusal
    rating = Rating(surveyed.classes, surveyed.ruler, known.simulated)
    names = inputs.locked_pools | leaders(surveyed.classes, surveyed.demand.shares)
    likely = names
    while True:
        rated = rating.simulate(names)
        market = replace(surveyed, classes=rated.classes, omissions=(*surveyed.omissions, *rated.omissions))
        question = ask(inputs.environment, market)
        answer = solve(question, limits, likely)
        if isinstance(answer, Answer):
            names = likely = frozenset(answer.replicas)
            if names <= rated.simulated:
                return _without_candidates(market) or Decision(inputs, market, Choice(question, answer))
        else:
            names = frozenset(c.name for c in rated.classes)
            if names <= rated.simulated or _is_certain(question, answer, rated.simulated, limits):
                why = "; ".join(cause_words(cause) for cause in answer.causes)
                return _without_candidates(market) or Refusal(no_plan(answer), why, answer.undecided)


def _is_certain(question: Question, answer: Infeasible, simulated: frozenset[str], limits: SearchLimits) -> bool:
    """Say whether the same stands in the way if each class that is not simulated serves `HOPEFUL` times as much."""
    hopeful = tuple(
        k if k.name in simulated else replace(k, capacity={band: HOPEFUL * rate for band, rate in k.capacity.items()})
        for k in question.classes
    )
    return solve(replace(question, classes=hopeful), limits) == answer


def _without_candidates(market: Market) -> Refusal | None:
    problems = routes_without_candidates(market)
    return Refusal(problems, "; ".join(problem.message for problem in problems)) if problems else None
