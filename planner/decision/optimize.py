"""From an environment to a plan: survey, rate, choose, keep, tell.

Everything is passed in and nothing is read here. The order is fixed and the solver is deterministic, so that the same
inputs give the same plan. When there is no plan the reasons are told as problems with exit code 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner.decision.answer import alternatives
from planner.decision.answer.assemble import Told, assemble
from planner.decision.answer.refusals import no_plan, routes_without_candidates
from planner.decision.answer.solved import Solved
from planner.decision.candidates.market import Market, ask, survey
from planner.decision.candidates.omissions import Omission
from planner.decision.candidates.rating import Rating
from planner.decision.candidates.replicas import with_range, without_margin
from planner.decision.candidates.screening import leaders, short_list
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Infeasible, Question
from planner.decision.choice.solve import DEFAULT_LIMITS, SearchLimits, solve
from planner.decision.inputs import Inputs
from planner.money.cost import disk_key, storage_key
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems

ALTERNATIVE_NODES, ALTERNATIVE_PROOF_NODES = 2_000, 500
"""Nodes of the search that an alternative is worth: hard ones say so instead of taking longer than the plan."""
SHORT_LIST = 14
"""Classes that alternatives and the break-even are re-solved over: the plan's own and each route's best. A dozen solves
over all screened classes would take longer than the plan itself and move these figures by little."""


@dataclass(frozen=True)
class Outcome:
    """A plan, what was considered on the way, and which catalog rows it rests on.

    facts, prices: keys of catalog rows, sorted. kept: what least churn kept and what the alternative would save.
    """

    plan: Plan
    omissions: tuple[Omission, ...]
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    kept: str


def optimize(inputs: Inputs, limits: SearchLimits = DEFAULT_LIMITS, kept: CapacitiesByDigest | None = None) -> Outcome:
    """The cheapest plan. kept: simulated capacities of former plans, which this one adds to.

    Errors: `Problems` with INF001 (a route has no candidate), INF002 (limits leave no plan), ENV020 (a price is
    missing), exit code 1; INF003 (the search ended before it could tell), exit code 2.
    """
    market = survey(inputs)
    rating = Rating(market.classes, market.ruler, {} if kept is None else kept)
    market, choice = _rate_and_choose(inputs, market, rating, limits)
    choice, spared = keep(inputs, choice, limits)
    plan = tell(inputs, market, choice, limits)
    return Outcome(plan, market.omissions, *_consulted(inputs, market, plan), spared)


def _rate_and_choose(inputs: Inputs, surveyed: Market, rating: Rating, limits: SearchLimits) -> tuple[Market, Choice]:
    """Simulate and choose in turns, until every class of the answer stands on the simulator.

    Each turn simulates at least one more class, so it ends. Where there is no answer, all that is left is simulated
    once before that is believed.
    """
    _refuse_without_candidates(surveyed)
    names = inputs.locked_pools | leaders(surveyed.classes, surveyed.shares)
    while True:
        rated = rating.simulate(names)
        market = replace(surveyed, classes=rated.classes, omissions=(*surveyed.omissions, *rated.omissions))
        question = ask(inputs.environment, market)
        answer = solve(question, limits)
        if isinstance(answer, Infeasible):
            names = frozenset(c.name for c in rated.classes)
        else:
            names = frozenset(answer.replicas)
        if names <= rated.simulated:
            _refuse_without_candidates(market)
            if isinstance(answer, Infeasible):
                raise Problems(no_plan(answer), exit_code=2 if answer.undecided else 1)
            return market, Choice(question, answer)


def keep(inputs: Inputs, choice: Choice, limits: SearchLimits) -> tuple[Choice, str]:
    """The locked classes, unless a new mix saves the replan threshold; and what was kept and what it would save."""
    locked, best = inputs.locked_pools, choice.answer
    if not locked or locked == frozenset(best.replicas):
        return choice, ""
    same = solve(choice.question.with_classes(locked), limits)
    threshold = inputs.environment.planning.replan_threshold
    if isinstance(same, Infeasible) or set(same.replicas) != locked:
        return choice, ""
    saving = same.usd_per_month - best.usd_per_month
    if saving >= threshold * same.usd_per_month:
        return choice, ""
    held = Choice(choice.question, replace(same, proven=False, gap=max(0.0, saving / same.usd_per_month)))
    if saving <= 0:
        return Choice(choice.question, same), ""
    other = ", ".join(sorted(set(best.replicas) - locked)) or "fewer pools"
    return held, f"kept the locked pools; {other} would save ${saving:,.0f} a month, below {threshold:.0%}"


def tell(inputs: Inputs, market: Market, choice: Choice, limits: SearchLimits) -> Plan:
    """The plan around the choice, with its alternatives and the range of its capacities."""
    bought = frozenset(choice.answer.replicas)
    classes = tuple(
        replace(c, replica=with_range(c.replica, market.ruler)) if c.name in bought else c for c in market.classes
    )
    short, _ = short_list(classes, market.shares, bought, SHORT_LIST)
    fewer = choice.question.with_classes(frozenset(c.name for c in short))
    briefly = SearchLimits(limits.gap, min(limits.nodes, ALTERNATIVE_NODES), ALTERNATIVE_PROOF_NODES)
    solved = Solved(inputs.environment, inputs.catalog, market.demand, choice, classes, market.apis)
    told = Told(
        gaps=market.gaps,
        omissions=market.omissions,
        baselines=(*alternatives.baselines(fewer, briefly), *_premium(inputs, market, fewer, short, briefly, bought)),
        runners_up=alternatives.runners_up(choice, briefly, fewer),
        break_even=alternatives.break_even(fewer, briefly),
        limits=limits,
    )
    return assemble(solved, told)


def _refuse_without_candidates(market: Market) -> None:
    problems = routes_without_candidates(market)
    if problems:
        raise Problems(problems, exit_code=1)


def _premium(
    inputs: Inputs,
    market: Market,
    question: Question,
    short: Sequence[SelfHosted],
    limits: SearchLimits,
    bought: frozenset[str],
) -> tuple[alternatives.Other, ...]:
    """What planning with a margin costs; nothing where the environment plans without one, or buys nothing."""
    if inputs.environment.planning.margin == "p50" or not bought:
        return ()
    rates = without_margin([c.replica for c in short], market.ruler)
    fair = {c.name: by_band for c, by_band in zip(short, rates, strict=True)}
    return (alternatives.without_margin(question, fair, limits),)


def _consulted(inputs: Inputs, market: Market, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rows behind the choice: those of every class and API that the program was given, and those of the bill."""
    region = inputs.environment.platform.region
    facts = {f"provider/{api.row.provider}" for api in market.apis}
    facts |= {f"api/{api.row.key}" for api in market.apis}
    prices = {price.key for api in market.apis for price in api.prices.values()}
    for c in market.classes:
        facts |= {f"model/{c.shape.model.key}", f"gpu/{c.shape.gpu.key}", f"instance/{c.offering.instance.key}"}
        prices.add(c.offering.price_key)
    prices |= {line.price for line in (*plan.cost.lines, *market.cluster)} | {disk_key(region), storage_key(region)}
    return tuple(sorted(facts)), tuple(sorted(prices))
