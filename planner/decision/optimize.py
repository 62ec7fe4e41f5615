"""From an environment to a plan: survey, rate, choose, keep, tell.

Everything is passed in, and nothing is read here. The order is fixed and the solver is deterministic, so that the same
inputs give the same plan. When there is no plan, the reasons are raised as problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner.decision.answer import alternatives
from planner.decision.answer.assemble import Background, assemble
from planner.decision.answer.refusals import no_plan, routes_without_candidates
from planner.decision.answer.solved import Solved
from planner.decision.candidates.hardware_rules import preferred_words, routes_with_a_preference
from planner.decision.candidates.hosting_rights import places_behind
from planner.decision.candidates.market import Market, ask, survey
from planner.decision.candidates.omissions import Omission
from planner.decision.candidates.preference import is_preferred, uses_liked_hardware, with_preferred_alone
from planner.decision.candidates.rating import Rating
from planner.decision.candidates.replicas import with_range, without_margin
from planner.decision.candidates.screening import leaders, short_list
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Infeasible, Question
from planner.decision.choice.solve import DEFAULT_LIMITS, SearchLimits, solve
from planner.decision.inputs import Inputs
from planner.domain.apis import catalog_key
from planner.money.cost import disk_key, storage_key
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems

ALTERNATIVE_NODES, ALTERNATIVE_PROOF_NODES = 2_000, 500
"""Nodes of the search for an alternative, and of its proof. A hard alternative says that it was not found, and does not
take longer than the plan."""
SHORT_LIST = 14
"""Number of classes over which alternatives and the break-even are solved: the plan's own and each route's best. A
dozen solves over all screened classes would take longer than the plan itself and move these figures by little."""


@dataclass(frozen=True)
class Outcome:
    """The outcome is a plan, what fell on the way, and the catalog rows that it rests on.

    omissions: candidates that were not considered further.
    facts, prices: keys of the catalog rows that the plan rests on, sorted.
    note: a sentence on locked pools that were kept although others would save a little; empty when none were.
    """

    plan: Plan
    omissions: tuple[Omission, ...]
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    note: str


def optimize(inputs: Inputs, limits: SearchLimits = DEFAULT_LIMITS, kept: CapacitiesByDigest | None = None) -> Outcome:
    """Return the cheapest plan. `kept` holds simulated capacities of former plans; new ones are added to it.

    Raises `Problems` with INF001 (a route has no candidate), INF002 (limits leave no plan) or ENV020 (a price is
    missing), exit code 1, and with INF003 (the search ended before it could tell), exit code 2.
    """
    market = survey(inputs)
    rating = Rating(market.classes, market.ruler, {} if kept is None else kept)
    surveyed = market
    market, choice = _rate_and_choose(inputs, surveyed, rating, limits)
    liking = _prefer(inputs, surveyed, choice, rating, limits)
    if liking is not None and liking.choice is not None:
        market = liking.market
        choice, note = keep(inputs, liking.choice, limits)
        choice = replace(choice, question=ask(inputs.environment, market))
    else:
        choice, note = keep(inputs, choice, limits)
    plan = tell(inputs, market, choice, limits, liking.words if liking is not None else "")
    return Outcome(plan, market.omissions, *_consulted(inputs, market, plan), note)


def _rate_and_choose(
    inputs: Inputs, surveyed: Market, rating: Rating, limits: SearchLimits, preferred_alone: bool = False
) -> tuple[Market, Choice]:
    """Simulate and choose in turns, until every class of the answer is simulated.

    Each turn simulates at least one more class, so that the turns end. Where there is no answer, all classes that are
    left are simulated once before that is believed. With `preferred_alone` the choice is among preferred classes.
    """
    _refuse_without_candidates(surveyed)
    names = inputs.locked_pools | leaders(surveyed.classes, surveyed.demand.shares)
    while True:
        rated = rating.simulate(names)
        market = replace(surveyed, classes=rated.classes, omissions=(*surveyed.omissions, *rated.omissions))
        question = ask(inputs.environment, market)
        if preferred_alone and market.preferred is not None:
            question = with_preferred_alone(question, market.preferred)
        answer = solve(question, limits)
        if isinstance(answer, Infeasible):
            names = frozenset(k.name for k in question.classes)
        else:
            names = frozenset(answer.replicas)
        if names <= rated.simulated:
            _refuse_without_candidates(market)
            if isinstance(answer, Infeasible):
                raise Problems(no_plan(answer, market.omissions), exit_code=2 if answer.undecided else 1)
            return market, Choice(question, answer)


@dataclass(frozen=True)
class _Liking:
    """What became of a preference for hardware.

    words: what it costs, or why it is not followed; empty where it costs nothing.
    market, choice: the preferred plan, with the market as it was rated for it; None where it is not followed.
    """

    words: str
    market: Market
    choice: Choice | None


def _prefer(inputs: Inputs, surveyed: Market, choice: Choice, rating: Rating, limits: SearchLimits) -> _Liking | None:
    """Look for a plan on preferred hardware alone that costs hardly more; None where nothing is left to prefer."""
    if surveyed.preferred is None or is_preferred(choice.answer, surveyed.preferred):
        return None
    wanted = "hardware.prefer " + ", ".join(preferred_words(inputs.environment))
    try:
        market, liked = _rate_and_choose(inputs, surveyed, rating, limits, preferred_alone=True)
    except Problems as refusal:
        return _Liking(f"{wanted} is not followed: {refusal.problems[0].message}", surveyed, None)
    if not uses_liked_hardware(liked.answer, routes_with_a_preference(inputs.environment)):
        return _Liking(
            f"{wanted} is not followed: it would cost less to buy no machine than to buy these", surveyed, None
        )
    cheapest, usd = choice.answer.usd_per_month, liked.answer.usd_per_month
    more, threshold = max(0.0, usd - cheapest), inputs.environment.planning.replan_threshold
    costs = f"${more:,.0f} more a month than the cheapest plan ({more / cheapest:.1%})"
    if more >= threshold * usd:
        return _Liking(f"{wanted} is not followed: it would cost {costs}, not within {threshold:.0%}", surveyed, None)
    return _Liking(f"{wanted} is followed: it costs {costs}", market, liked)


def keep(inputs: Inputs, choice: Choice, limits: SearchLimits) -> tuple[Choice, str]:
    """Return the choice of the locked pools, and a sentence on what others would save, if that is below the threshold.

    Otherwise the choice stays as it is, and the sentence is empty.
    """
    locked, best = inputs.locked_pools, choice.answer
    if not locked or locked == frozenset(best.replicas):
        return choice, ""
    same = solve(choice.question.with_classes(locked), limits)
    threshold = inputs.environment.planning.replan_threshold
    if isinstance(same, Infeasible) or set(same.replicas) != locked:
        return choice, ""
    # Two mixes of equal cost differ in the last bits of it, which must not decide: below a cent nothing is saved.
    saving_usd = max(0.0, round(same.usd_per_month - best.usd_per_month, 2))
    if saving_usd and saving_usd >= threshold * same.usd_per_month:
        return choice, ""
    # The search over the locked classes alone proves nothing of the others; what the first search proved still holds.
    proven = best.proven and not saving_usd
    bound_usd = best.usd_per_month * (1 - best.gap)
    gap = 0.0 if proven else max(0.0, 1 - bound_usd / same.usd_per_month)
    held = Choice(choice.question, replace(same, proven=proven, gap=gap))
    if not saving_usd:
        return held, ""
    other = ", ".join(sorted(set(best.replicas) - locked)) or "fewer pools"
    return held, f"kept the locked pools; {other} would save ${saving_usd:,.0f} a month, below {threshold:.0%}"


def tell(inputs: Inputs, market: Market, choice: Choice, limits: SearchLimits, preference: str = "") -> Plan:
    """Return the plan around the choice, with its alternatives and the range of its capacities.

    preference: what became of a preference for hardware, as a sentence; empty where there is nothing to tell.
    """
    bought = frozenset(choice.answer.replicas)
    classes = tuple(
        replace(c, replica=with_range(c.replica, market.ruler)) if c.name in bought else c for c in market.classes
    )
    short, _ = short_list(classes, market.demand.shares, bought, SHORT_LIST)
    fewer = choice.question.with_classes(frozenset(c.name for c in short))
    briefly = SearchLimits(limits.gap, min(limits.nodes, ALTERNATIVE_NODES), ALTERNATIVE_PROOF_NODES)
    solved = Solved(inputs.environment, inputs.catalog, market.demand, choice, classes, market.apis)
    background = Background(
        gaps=market.gaps,
        omissions=market.omissions,
        baselines=(*alternatives.baselines(fewer, briefly), *_premium(inputs, market, fewer, short, briefly, bought)),
        runners_up=alternatives.runners_up(choice, briefly, fewer),
        break_even=alternatives.break_even(fewer, briefly),
        limits=limits,
        preference=preference,
    )
    return assemble(solved, background)


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
    """Return the alternative without a margin; none where the environment plans without one, or buys nothing."""
    if inputs.environment.planning.margin == "p50" or not bought:
        return ()
    rates = without_margin([c.replica for c in short], market.ruler)
    fair = {c.name: by_band for c, by_band in zip(short, rates, strict=True)}
    return (alternatives.without_margin(question, fair, limits),)


def _consulted(inputs: Inputs, market: Market, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the facts and of the prices behind the choice, each sorted.

    They are those of every class and API that the program was given, and those of the bill.
    """
    region = inputs.environment.platform.region
    facts = {f"provider/{api.row.provider}" for api in market.apis}
    facts |= {f"api/{catalog_key(api.row.key)}" for api in market.apis}
    facts |= places_behind(inputs.environment, inputs.catalog, market.apis)
    prices = {price.key for api in market.apis for price in api.prices.values()}
    for c in market.classes:
        facts |= {f"model/{c.shape.model.key}", f"gpu/{c.shape.gpu.key}", f"instance/{c.offering.instance.key}"}
        prices.add(c.offering.price_key)
    prices |= {line.price for line in (*plan.cost.lines, *market.cluster)} | {disk_key(region), storage_key(region)}
    return tuple(sorted(facts)), tuple(sorted(prices))
