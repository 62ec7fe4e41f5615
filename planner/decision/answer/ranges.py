"""How far the bill can move, by cause, over the machines that the plan buys; and the risk that the SLO is missed.

The machines are paid for in any case. So each cause is told by a dispatch at both of its ends: what goes to APIs then,
and what finds no place. The causes are taken as independent of each other, so that the ends of the whole range are

    low  = bill − √Σ (bill − low of a cause)²
    high = bill + √Σ (high of a cause − bill)²

- capacity: steps take what the p10 and the p90 of the residuals of the performance model say.
- demand: the load lies lower and higher by what the environment states.
- prices: list prices of APIs move by `API_PRICE_CHANGE`, and disputed ones to what the other source says. Prices of
  machines are those of AWS's list.
- tokens: where the tokenizer of a model is not measured, its counts differ by `TOKENIZER_SPREAD`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from planner.decision.answer.solved import Solved
from planner.decision.choice.dispatch import Dispatch, dispatch
from planner.decision.choice.question import BandKey, Question, ReplicaClass
from planner.domain.discounts import OwnPrice
from planner.domain.model_facts import token_counts
from planner.plan.cost import CostRange, RangeCause
from planner.words.numbers import dollars

API_PRICE_CHANGE = 0.30
"""Share by which list prices of APIs are taken to move. It is an assumption: of the list prices that differ between two
public price lists of November 2026, most differ by less than half."""
TOKENIZER_SPREAD = 0.15
"""Share by which the tokens of a model may differ from those that the environment states. It is an assumption."""
LEAST_LOST_TOLD = 0.0005
"""Share of a route's requests without a place from which on it is told."""


def cost_ranges(solved: Solved, usd_per_month: Decimal, uncertain: Mapping[str, float]) -> tuple[CostRange, ...]:
    """Return the range of each cause that can move the bill or leave requests without a place, in a fixed order.

    usd_per_month: the bill. uncertain: how far the load of each route may lie from what is stated, a share.
    """
    choice = solved.choice
    asked = choice.question
    usual = dispatch(choice, asked)
    expected = usual.api_usd_per_month
    pairs: tuple[tuple[RangeCause, Question, Question, str], ...] = (
        ("capacity", _with_capacities(solved, "high"), _with_capacities(solved, "low"), _capacity_words(solved)),
        ("demand", _scaled(asked, uncertain, -1), _scaled(asked, uncertain, +1), _demand_words(uncertain)),
        ("prices", _priced(solved, 1 - API_PRICE_CHANGE), _priced(solved, 1 + API_PRICE_CHANGE), _price_words(solved)),
        (
            "tokens",
            _counted(solved, 1 - TOKENIZER_SPREAD),
            _counted(solved, 1 + TOKENIZER_SPREAD),
            _TOKEN_WORDS,
        ),
    )
    ranges = []
    for cause, low, high, words in pairs:
        cheap, dear = dispatch(choice, low), dispatch(choice, high)
        ends = sorted(found.api_usd_per_month - expected for found in (cheap, dear))
        unplaced = _unplaced(solved, dear, usual)
        less, more = dollars(min(0.0, ends[0])), dollars(max(0.0, ends[1]))
        if less or more or unplaced:
            ranges.append(
                CostRange(
                    cause=cause,
                    low_usd_per_month=usd_per_month + less,
                    high_usd_per_month=usd_per_month + more,
                    assumption=words,
                    unplaced=unplaced,
                )
            )
    return tuple(ranges)


def whole_range(usd_per_month: Decimal, ranges: tuple[CostRange, ...]) -> tuple[Decimal, Decimal]:
    """Return (low, high) of the bill over all causes together, USD a month."""
    less = math.sqrt(sum(float(usd_per_month - each.low_usd_per_month) ** 2 for each in ranges))
    more = math.sqrt(sum(float(each.high_usd_per_month - usd_per_month) ** 2 for each in ranges))
    return usd_per_month - dollars(less), usd_per_month + dollars(more)


_PRICE_WORDS = f"prices of APIs {API_PRICE_CHANGE:.0%} lower or higher; machines at AWS's list prices"
_LIST_PRICE_WORDS = (
    f"list prices of APIs {API_PRICE_CHANGE:.0%} lower or higher; agreed prices and machines as they are"
)
_TOKEN_WORDS = f"models whose tokenizer nobody measured count {TOKENIZER_SPREAD:.0%} fewer or more tokens than stated"


def _capacity_words(solved: Solved) -> str:
    if not solved.pools:
        return "no pool of its own"
    return "steps as fast and as slow as 80 % of the performance model's errors"


def _demand_words(uncertain: Mapping[str, float]) -> str:
    shares = sorted(set(uncertain.values()))
    if len(shares) == 1:
        return f"the load {shares[0]:.0%} lower or higher"
    return "the load lower or higher: " + ", ".join(f"{name} {share:.0%}" for name, share in sorted(uncertain.items()))


def _with_capacities(solved: Solved, end: Literal["low", "high"]) -> Question:
    """Return the question with the capacities of the pools at one end of their error."""
    rates = {
        pool.name: {key: getattr(capacity, end) for key, capacity in pool.replica.capacities.items()}
        for pool in solved.pools
    }
    return _with_rates(solved.choice.question, lambda k: rates.get(k.name, k.capacity))


def _with_rates(question: Question, rates: Callable[[ReplicaClass], Mapping[BandKey, float]]) -> Question:
    return replace(question, classes=tuple(replace(k, capacity=rates(k)) for k in question.classes))


def _scaled(question: Question, uncertain: Mapping[str, float], sign: int) -> Question:
    """Return the question with the load of each route at one end of its own uncertainty."""
    flows = []
    for f in question.flows:
        factor = 1 + sign * uncertain[f.route]
        flows.append(replace(f, mean=tuple(m * factor for m in f.mean), planned=tuple(p * factor for p in f.planned)))
    return replace(question, flows=tuple(flows))


def _price_words(solved: Solved) -> str:
    return _LIST_PRICE_WORDS if solved.catalog.has_agreed_prices(solved.environment.horizon.start) else _PRICE_WORDS


def _priced(solved: Solved, factor: float) -> Question:
    """Return the question with other list prices of APIs. Prices that the team has agreed stay."""
    question = solved.choice.question
    agreed = {
        api.option.name for api in solved.apis if all(isinstance(price, OwnPrice) for price in api.prices.values())
    }
    apis = tuple(
        a
        if a.name in agreed
        else replace(a, usd_per_request={key: usd * factor for key, usd in a.usd_per_request.items()})
        for a in question.apis
    )
    return replace(question, apis=apis)


def _counted(solved: Solved, factor: float) -> Question:
    """Return the question in which every request has other tokens, for models of which nobody measured the tokenizer.

    For APIs tokens cost, and on machines they take time.
    """
    question, facts = solved.choice.question, solved.environment.models
    unknown = {api.option.name for api in solved.apis if not api.counts.ratio_known}
    apis = tuple(
        replace(
            a,
            usd_per_request={key: usd * factor for key, usd in a.usd_per_request.items()},
            tokens_per_request={key: tokens * factor for key, tokens in a.tokens_per_request.items()},
        )
        if a.name in unknown
        else a
        for a in question.apis
    )
    known = {k.model for k in question.classes if token_counts(k.model, facts, solved.catalog).ratio_known}
    slower = _with_rates(
        question, lambda k: k.capacity if k.model in known else {key: rate / factor for key, rate in k.capacity.items()}
    )
    return replace(slower, apis=apis)


def _unplaced(solved: Solved, found: Dispatch, usual: Dispatch) -> dict[str, Decimal]:
    """Return the share of a month's requests of each route that find no place, and find one as the plan expects."""
    lost: dict[str, float] = {}
    total: dict[str, float] = {}
    hours = solved.choice.question.level_hours
    for f in solved.choice.question.flows:
        volumes = [rate * h for rate, h in zip(f.mean, hours, strict=True)]
        nothing = (0.0,) * len(hours)
        before, now = usual.unplaced.get(f.key, nothing), found.unplaced.get(f.key, nothing)
        shares = [max(0.0, b - a) for a, b in zip(before, now, strict=True)]
        total[f.route] = total.get(f.route, 0.0) + sum(volumes)
        lost[f.route] = lost.get(f.route, 0.0) + sum(v * s for v, s in zip(volumes, shares, strict=True))
    return {
        route: Decimal(lost[route] / total[route])
        for route in sorted(total)
        if total[route] and lost[route] / total[route] >= LEAST_LOST_TOLD
    }
