"""What of a plan rests on the team's own catalog, in one verdict: rows, prices and discounts, each with its day.

What is agreed for other days than those of the horizon is named too. What begins or ends within it makes phases. An own
price that is far from the list price is a warning of its own, whether the plan pays it or not: it may have kept the
plan from what it is the price of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from planner.decision.answer.fleet import adapters_of
from planner.decision.answer.solved import Solved
from planner.domain.agreements import named
from planner.domain.apis import catalog_key
from planner.domain.catalog import Catalog
from planner.domain.discounts import Discount, DiscountedPrice, OwnPrice
from planner.domain.environment import Horizon
from planner.domain.price_ages import region_of
from planner.domain.prices import Price, earliest_day
from planner.plan.cost import Cost, CostLine
from planner.plan.review import Verdict

MOST_TOLD = 4
"""Own prices that a warning names at most."""


def own_verdict(solved: Solved, cost: Cost, fallbacks: Iterable[str]) -> list[Verdict]:
    """Return the verdict on what of the plan rests on the team's own catalog; nothing where nothing does.

    fallbacks: hosted models that some route may use.
    """
    catalog, horizon = solved.catalog, solved.environment.horizon
    told = [*_rows(_facts(solved, fallbacks), catalog), *_prices(cost.lines, catalog)]
    told += map(_discount_words, _discounts(cost.lines, catalog))
    if catalog.agreements is not None:
        told += [f"{named(each)} {became}" for each, became in catalog.agreements.out_of(horizon.start, horizon.end)]
    verdicts = [Verdict(name="own catalog", state="pass", message="; ".join(told))] if told else []
    return [*verdicts, *_doubtful(catalog, solved.region, horizon)]


def _doubtful(catalog: Catalog, region: str, horizon: Horizon) -> Iterator[Verdict]:
    """Warn of own prices of the region that are far from the list prices of the same things."""
    if catalog.agreements is None:
        return
    far = catalog.agreements.far_off(horizon.start, horizon.end)
    told = [_far_words(own, listed) for own, listed in far if region_of(own.key) in (region, "")]
    if told:
        more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        message = f"{'; '.join(told[:MOST_TOLD])}{more}: is each of them for one unit, as stated?"
        yield Verdict(name="own prices", state="warn", message=message)


def _far_words(own: OwnPrice, listed: Price) -> str:
    """Say how far an own price is from the list price, with both."""
    factor = own.usd / listed.usd
    times = f"{_rounded(factor)} times" if factor > 1 else f"one {_rounded(1 / factor)}th of"
    return f"{own.key} is ${own.usd:f} for one {own.unit}, {times} the list price of ${listed.usd:f}"


def _rounded(factor: Decimal) -> str:
    return f"{round(factor):,}"


def _facts(solved: Solved, fallbacks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (key, words for what it is) of the rows behind the plan."""
    for pool in solved.pools:
        yield f"model/{pool.shape.model.key}", ""
        yield from ((f"adapter/{adapter.key}", "adapter ") for adapter in adapters_of(solved, pool))
        yield f"gpu/{pool.shape.gpu.key}", "GPU "
        yield f"instance/{pool.offering.instance.key}", "machine "
    if solved.pools:
        yield f"region/{solved.region}", "region "
    for name in fallbacks:
        key = catalog_key(name)
        yield f"api/{key}", "hosted model "
        yield f"provider/{key.partition('/')[0]}", "provider "


def _rows(facts: Iterable[tuple[str, str]], catalog: Catalog) -> Iterator[str]:
    for key, what in sorted(set(facts), key=lambda fact: (fact[1], fact[0])):
        if (row := catalog.own.get(key)) is not None:
            beside = ", in place of the shipped row" if row.replaces else ", over the shipped row" if row.adds else ""
            yield f"{what}{key.partition('/')[2]} of {row.as_of}{beside}"


def _prices(lines: Iterable[CostLine], catalog: Catalog) -> Iterator[str]:
    """Yield how many prices are the team's own, of which kinds, and the day of the oldest one."""
    own = {line.price: price for line in lines if isinstance(price := catalog.prices.price(line.price), OwnPrice)}
    if own:
        oldest = min((price.as_of for price in own.values()), key=lambda day: (earliest_day(day), day))
        kinds = ", ".join(sorted({price.kind for price in own.values()}))
        many = f"{len(own)} own prices ({kinds}), the oldest" if len(own) > 1 else f"1 own price ({kinds})"
        yield f"{many} of {oldest}"


def _discounts(lines: Iterable[CostLine], catalog: Catalog) -> list[Discount]:
    """Return the discounts behind the bill, sorted by what they are given for."""
    prices = (catalog.prices.price(line.price) for line in lines)
    found = {price.discount.on: price.discount for price in prices if isinstance(price, DiscountedPrice)}
    return [found[name] for name in sorted(found)]


def _discount_words(discount: Discount) -> str:
    until = f", until {discount.until.isoformat()}" if discount.until is not None else ""
    return f"{discount.percent:f} % off {discount.on} ({discount.source}, of {discount.as_of}{until})"
