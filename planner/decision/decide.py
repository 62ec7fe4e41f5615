"""One decision: survey → rate → choose. A plan is made of one, and each figure beside it of another.

A decision depends on its inputs alone. What is known already (simulated and screened capacities) is passed in, and
shortens a decision without changing it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from planner.decision.answer.refusals import no_plan, routes_without_candidates
from planner.decision.answer.sentences import cause_words
from planner.decision.answer.solved import Solved
from planner.decision.candidates.deferrals import worked
from planner.decision.candidates.hardware_rules import preferred_words, routes_with_a_preference
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, ask, survey
from planner.decision.candidates.omissions import Omission
from planner.decision.candidates.platform import network_cidr
from planner.decision.candidates.preference import is_preferred, uses_liked_hardware, with_preferred_alone
from planner.decision.candidates.rating import Rating
from planner.decision.candidates.screening import leaders
from planner.decision.candidates.sessions import sessions_spread
from planner.decision.choice.again import solve_again
from planner.decision.choice.choice import Choice
from planner.decision.choice.deferred import Worked, settled
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import DEFAULT_LIMITS, SearchLimits
from planner.decision.choice.solve import solve
from planner.decision.choice.team_limits import accounts_may_bind
from planner.decision.inputs import Inputs
from planner.decision.what_ifs import without_speculation
from planner.domain.catalog import Catalog
from planner.words.diagnostics import Problem

SPREAD_TURNS = 4
"""Turns in which a plan's own number of replicas decides how often a session finds its history."""
HOPEFUL = 100.0
"""Factor on a screened rate that no simulation reaches."""


@dataclass(frozen=True)
class Decision:
    """A decision is the cheapest choice of an environment.

    market: everything that could be chosen, with its rated capacities.
    choice: the question that it made, and the answer.
    preference: what became of a preference for hardware, as a sentence; empty where there is nothing to tell.
    weeks: when the work of each route is done that may wait.
    open_question: the question before the hours of that work were fixed; None where nothing may wait.
    """

    inputs: Inputs
    market: Market
    choice: Choice
    preference: str = ""
    weeks: Mapping[str, Worked] = field(default_factory=dict)
    open_question: Question | None = None

    @property
    def question(self) -> Question:
        """Return the question that the market makes: other answers to it are plans too, with hours of their own."""
        return self.open_question or self.choice.question

    def with_answer(self, answer: Answer) -> Decision:
        """Return the decision with another answer to its question."""
        return replace(_settled_hours(self.inputs, self.market, self.question, answer), preference=self.preference)

    @property
    def solved(self) -> Solved:
        """Return the choice together with what stands behind its names."""
        market = self.market
        return Solved(
            self.inputs.environment,
            self.inputs.catalog,
            market.demand,
            self.choice,
            market.classes,
            market.apis,
            frozenset(offer.route for offer in market.offers),
            network_cidr(self.inputs),
            self.inputs.places,
            self.weeks,
        )

    @property
    def drafters(self) -> frozenset[str]:
        """Return the names of the pools that propose tokens (speculative decoding)."""
        return frozenset(pool.name for pool in self.solved.pools if pool.shape.drafter)


@dataclass(frozen=True)
class Refusal:
    """A refusal says that an environment has no plan.

    problems: why, each with the key that decides it.
    why: the same in one line, without its end.
    undecided: whether the search ended before it could tell.
    omissions: candidates that fell on the way.
    """

    problems: tuple[Problem, ...]
    why: str
    undecided: bool = False
    omissions: tuple[Omission, ...] = ()


def decide(inputs: Inputs, known: Known, limits: SearchLimits = DEFAULT_LIMITS) -> Decision | Refusal:
    """Return the cheapest choice, or why there is none.

    A choice with drafters is taken where it costs less than one without, because its speed rests on what others
    measured.
    Raises `Problems` with ENV020, exit code 1, when a price is missing that every plan needs.
    """
    decision = _settled(inputs, known, limits)
    if isinstance(decision, Refusal) or not decision.drafters:
        return decision
    never = replace(inputs, environment=without_speculation(inputs.environment))
    plain = _settled(never, known, limits)
    if isinstance(plain, Refusal):
        return decision
    # Two mixes of equal cost differ in the last bits of it, which must not decide: below a cent nothing is saved.
    saving_usd = round(plain.choice.answer.usd_per_month - decision.choice.answer.usd_per_month, 2)
    return decision if saving_usd > 0 else replace(plain, inputs=inputs)


def _settled(inputs: Inputs, known: Known, limits: SearchLimits) -> Decision | Refusal:
    """Return the cheapest choice, or why there is none.

    Where a choice on preferred hardware alone costs hardly more, it is taken in place of the cheapest. It is decided
    again until the choice spreads no session over more replicas than it counted with. Only routes whose sessions repeat
    their prompts ask for that. Each turn spreads at least one of them more widely, and after `SPREAD_TURNS` no history
    counts any more, so that the turns end.
    """
    spread: dict[str, float] = {}
    for turn in range(SPREAD_TURNS + 1):
        decision = _decide(inputs, known, limits, spread)
        if isinstance(decision, Refusal):
            return decision
        wider = wider_spread(decision)
        if not wider:
            break
        spread |= wider if turn + 1 < SPREAD_TURNS else dict.fromkeys(wider, math.inf)
    return decision


def wider_spread(decision: Decision) -> dict[str, float]:
    """Return the routes whose sessions are spread over more replicas than the decision counted with, and over how many.

    Only routes whose sessions repeat their prompts are among them.
    """
    counted = {route.name: route.spread for route in decision.market.demand.routes}
    found = sessions_spread(decision.market.demand, decision.choice)
    return {name: count for name, count in found.items() if count > counted[name]}


def _decide(inputs: Inputs, known: Known, limits: SearchLimits, spread: Mapping[str, float]) -> Decision | Refusal:
    """Return the cheapest choice if the requests of a session are spread over so many replicas, by route.

    What is too dear falls before it is simulated. Where the choice then costs as much as something that fell, or where
    there is none, the market is surveyed again with what is known of the cost.
    """
    known_usd = 0.0
    while True:
        surveyed = survey(inputs, known, spread, known_usd)
        rating = Rating(surveyed.classes, surveyed.ruler, known.simulated)
        cheapest = _without_candidates(surveyed, inputs.catalog) or _choose(inputs, surveyed, rating, limits)
        usd = math.inf if isinstance(cheapest, Refusal) else cheapest.choice.answer.usd_per_month
        if usd <= surveyed.dear_usd:
            break
        known_usd = usd
    if isinstance(cheapest, Refusal):
        return cheapest
    if surveyed.preferred is None:
        return cheapest
    if is_preferred(cheapest.choice.answer, surveyed.preferred):
        liking = routes_with_a_preference(inputs.environment)
        return cheapest if uses_liked_hardware(cheapest.choice.answer, liking) else _with_no_machine(cheapest)
    return _with_preference(cheapest, _choose(inputs, surveyed, rating, limits, preferred_alone=True))


def _choose(
    inputs: Inputs, surveyed: Market, rating: Rating, limits: SearchLimits, preferred_alone: bool = False
) -> Decision | Refusal:
    """Simulate and choose in turns, until every class of the answer is simulated.

    Each turn simulates at least one more class, so that the turns end. That no plan exists is believed where the same
    would stand in the way of far better classes; otherwise all classes are simulated first. With `preferred_alone` the
    choice is among preferred classes.
    """
    names = inputs.locked_pools | leaders(surveyed.classes, surveyed.demand.shares)
    likely, former = names, None
    while True:
        rated = rating.simulate(names)
        market = replace(surveyed, classes=rated.classes, omissions=(*surveyed.omissions, *rated.omissions))
        whole = asked = ask(inputs.environment, market)
        if preferred_alone and market.preferred is not None:
            asked = with_preferred_alone(whole, market.preferred)
        answer = solve(asked, limits, likely) if former is None else solve_again(asked, limits, former)
        if isinstance(answer, Answer):
            names, former = frozenset(answer.replicas), Choice(asked, answer)
            if names <= rated.simulated:
                return _without_candidates(market, inputs.catalog) or _settled_hours(inputs, market, whole, answer)
        else:
            names = frozenset(k.name for k in asked.classes)
            if names <= rated.simulated or _is_certain(asked, answer, rated.simulated, limits):
                why = "; ".join(cause_words(cause) for cause in answer.causes)
                refusal = Refusal(no_plan(answer, market.omissions), why, answer.undecided, market.omissions)
                return _without_candidates(market, inputs.catalog) or refusal


def _settled_hours(inputs: Inputs, market: Market, question: Question, answer: Answer) -> Decision:
    """Return the decision in which the hours of all work are fixed."""
    if not question.deferrals:
        return Decision(inputs, market, Choice(question, answer))
    asked, answered, weeks = settled(question, answer)
    done = replace(market, demand=worked(market.demand, asked))
    return Decision(inputs, done, Choice(asked, answered), weeks=weeks, open_question=question)


def _with_preference(cheapest: Decision, liked: Decision | Refusal) -> Decision:
    """Return the choice on preferred hardware where it costs hardly more than the cheapest; else the cheapest."""
    environment = cheapest.inputs.environment
    wanted = _wanted(cheapest)
    if isinstance(liked, Refusal):
        return replace(cheapest, preference=f"{wanted} is not followed: {liked.why}")
    if not uses_liked_hardware(liked.choice.answer, routes_with_a_preference(environment)):
        return _with_no_machine(cheapest)
    least, usd = cheapest.choice.answer.usd_per_month, liked.choice.answer.usd_per_month
    # Two mixes of equal cost differ in the last bits of it, which must not decide: below a cent nothing is paid.
    more, threshold = max(0.0, round(usd - least, 2)), environment.planning.replan_threshold
    costs = f"${more:,.0f} more a month than the cheapest plan ({more / least if least else 0.0:.1%})"
    if more and more >= threshold * usd:
        told = f"{wanted} is not followed: it would cost {costs}, not within {threshold:.0%}"
        return replace(cheapest, preference=told)
    answer = replace(
        liked.choice.answer, proven=liked.choice.answer.proven and not more, gap=more / usd if usd else 0.0
    )
    choice = Choice(liked.choice.question, answer)
    return replace(liked, choice=choice, preference=f"{wanted} is followed: it costs {costs}")


def _with_no_machine(cheapest: Decision) -> Decision:
    """Return the cheapest choice, and say that it buys none of the hardware that is preferred."""
    told = f"{_wanted(cheapest)} is not followed: it would cost less to buy no machine than to buy these"
    return replace(cheapest, preference=told)


def _wanted(decision: Decision) -> str:
    """Return what is preferred, as it is told."""
    return "hardware.prefer " + ", ".join(preferred_words(decision.inputs.environment))


def _is_certain(question: Question, answer: Infeasible, simulated: frozenset[str], limits: SearchLimits) -> bool:
    """Say whether the same stands in the way if each class that is not simulated serves `HOPEFUL` times as much.

    A faster node leaves more to an API when it is lost, so that nothing is certain where an account's limit may bind.
    """
    if (question.survives_a_node or question.survives_a_zone) and accounts_may_bind(question):
        return False
    hopeful = tuple(
        k if k.name in simulated else replace(k, capacity={band: HOPEFUL * rate for band, rate in k.capacity.items()})
        for k in question.classes
    )
    return solve(replace(question, classes=hopeful), limits) == answer


def _without_candidates(market: Market, catalog: Catalog) -> Refusal | None:
    problems = routes_without_candidates(market, catalog)
    if not problems:
        return None
    return Refusal(problems, "; ".join(problem.message for problem in problems), omissions=market.omissions)
