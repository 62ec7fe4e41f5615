"""What is uncertain of a plan's inputs, as inputs at both ends: load, prices of APIs, step times, thoughts of models.

Unlike a range (`answer.ranges`), which keeps the machines, each end is there to be planned anew. Every kind of shift is
one function that yields its two ends, and a sentence for what it does not move: `SHIFTS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from planner.decision.answer.ranges import API_PRICE_CHANGE
from planner.decision.decide import Decision
from planner.decision.inputs import Changed
from planner.domain.environment import ModelFacts
from planner.domain.load import uncertainty
from planner.domain.model_facts import TokenCounts, token_counts
from planner.domain.models import split_entry
from planner.domain.moved_prices import with_list_prices
from planner.domain.scaling import scaled_each

SPOT_PRICE_CHANGE = 0.30
"""Share by which prices of spot are taken to move. It is an assumption: those of one machine differ by more between the
zones of a region."""
REASONING_CHANGE = 0.5
"""Share by which the tokens that a model thinks are taken to differ. It is an assumption: prompts decide them."""


@dataclass(frozen=True)
class Shift:
    """A shift moves one thing that is uncertain to both of its ends.

    cause: what is uncertain.
    """

    cause: str
    low: Changed
    high: Changed


def shifts(plan: Decision) -> Iterator[Shift | str]:
    """Yield what may lie elsewhere than a plan takes it; a sentence for what there is nothing to move of."""
    for shift in SHIFTS:
        yield from shift(plan)


def _demand(plan: Decision) -> Iterator[Shift | str]:
    environment = plan.inputs.environment
    uncertain = {name: uncertainty(environment, name) for name in environment.routes}
    if not any(uncertain.values()):
        yield "the load is not moved: the environment states that it is certain"
        return
    shares = sorted({f"{share:.0%}" for share in uncertain.values()}, key=lambda words: float(words[:-1]))
    words = shares[0] if len(shares) == 1 else f"{shares[0]} to {shares[-1]} (by route)"

    def end(sign: int, side: str) -> Changed:
        factors = {name: 1 + sign * share for name, share in uncertain.items()}
        return Changed(f"{words} {side}", replace(plan.inputs, environment=scaled_each(environment, factors)))

    yield Shift("load", end(-1, "less"), end(+1, "more"))


def _api_prices(plan: Decision) -> Iterator[Shift | str]:
    if not plan.market.apis:
        yield "prices of APIs are not moved: no route has an API"
        return

    def end(sign: int, side: str) -> Changed:
        catalog = with_list_prices(plan.inputs.catalog, ("api",), 1 + sign * API_PRICE_CHANGE)
        return Changed(f"{API_PRICE_CHANGE:.0%} {side}", replace(plan.inputs, catalog=catalog))

    yield Shift("list prices of APIs", end(-1, "lower"), end(+1, "higher"))


def _spot_prices(plan: Decision) -> Iterator[Shift | str]:
    if not plan.inputs.environment.purchase.spot_share:
        return

    def end(sign: int, side: str) -> Changed:
        catalog = with_list_prices(plan.inputs.catalog, ("spot",), 1 + sign * SPOT_PRICE_CHANGE)
        return Changed(f"{SPOT_PRICE_CHANGE:.0%} {side}", replace(plan.inputs, catalog=catalog))

    yield Shift("prices of spot", end(-1, "lower"), end(+1, "higher"))


def _step_times(plan: Decision) -> Iterator[Shift | str]:
    if not plan.market.offers:
        yield "step times are not moved: no machine could serve a route"
        return

    def end(sigmas: float, side: str) -> Changed:
        return Changed(f"1σ {side}", replace(plan.inputs, step_sigmas=sigmas))

    yield Shift("step times", end(-1.0, "shorter"), end(+1.0, "longer"))


def _reasoning(plan: Decision) -> Iterator[Shift | str]:
    counts = _counts(plan)
    thinking = {name: each for name, each in counts.items() if each.reasoning > 0}
    unknown = sorted(name for name, each in counts.items() if not each.reasoning_known)
    if unknown:
        yield f"reasoning tokens of {', '.join(unknown)} are not moved: they are not known (`models.NAME` states them)"
    elif not thinking:
        yield "reasoning tokens are not moved: no candidate thinks before it answers"
    if not thinking:
        return
    environment = plan.inputs.environment

    def end(sign: int, side: str) -> Changed:
        facts = dict(environment.models)
        for name, each in thinking.items():
            stated = facts.get(name) or ModelFacts(measured=environment.horizon.start)
            tokens = each.reasoning * (1 + sign * REASONING_CHANGE)
            facts[name] = stated.model_copy(update={"reasoning_tokens": tokens})
        moved = environment.model_copy(update={"models": facts})
        return Changed(f"{REASONING_CHANGE:.0%} {side}", replace(plan.inputs, environment=moved))

    yield Shift(f"reasoning tokens of {', '.join(sorted(thinking))}", end(-1, "fewer"), end(+1, "more"))


def _counts(plan: Decision) -> dict[str, TokenCounts]:
    """Return how each candidate counts, by the name of its model in accept lists."""
    environment, catalog = plan.inputs.environment, plan.inputs.catalog
    entries = {split_entry(entry)[0] for route in environment.routes.values() for entry in route.quality.accept}
    bases = {catalog.adapters[name].base if name in catalog.adapters else name for name in entries}
    candidates = {k.model for k in plan.choice.question.classes} | {api.row.slug for api in plan.market.apis}
    return {name: token_counts(name, environment.models, catalog) for name in sorted(bases & candidates)}


SHIFTS: tuple[Callable[[Decision], Iterator[Shift | str]], ...] = (
    _demand,
    _api_prices,
    _spot_prices,
    _step_times,
    _reasoning,
)
"""Every kind of shift, in the order in which equal ones are told."""
