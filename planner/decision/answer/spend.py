"""What an answer costs, as cost lines: nodes by group, disks, and tokens by route and API.

Nodes run every hour of the month. Tokens are the mean rate of each level times its hours, the share that the plan sends
to the API, and the mean tokens of the band by the price part that they are billed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from planner.decision.candidates.demand import Demand
from planner.decision.candidates.hosted_apis import MILLION, HostedApi, billed
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import Answer
from planner.domain.apis import PricePart
from planner.domain.catalog import Catalog
from planner.money.cost import NODE_DISK_GB, disk_key, line
from planner.plan.cost import CostLine
from planner.words.numbers import dollars
from planner.words.units import HOURS_PER_MONTH

WORDS: dict[PricePart, str] = {
    "input": "input tokens",
    "output": "output tokens",
    "long-input": "input tokens of long prompts",
    "long-output": "output tokens of long prompts",
}


def lines(
    region: str,
    catalog: Catalog,
    demand: Demand,
    answer: Answer,
    chosen: Sequence[SelfHosted],
    apis: Sequence[HostedApi],
) -> list[CostLine]:
    """All lines but the platform's."""
    return [*_nodes(region, catalog, answer, chosen), *_tokens(demand, answer, apis)]


def range_usd(chosen: Sequence[SelfHosted], answer: Answer) -> tuple[Decimal, Decimal]:
    """How much less and more the GPUs would cost a month if steps were as fast (slow) as the p10 (p90) residual.

    Whole nodes, two at least where a group is exclusive; the low end follows the band that gains least, the high end
    the one that loses most. (≤ 0, ≥ 0) in USD. A band that could not be served at all at the slow end has no place in
    a range of dollars: `unserved` names it.
    """
    low = high = 0.0
    for group in sorted({h.replica_class.node_group for h in chosen}):
        members = [h for h in chosen if h.replica_class.node_group == group]
        rates = [c for h in members for c in h.replica.capacities.values()]
        count, month = answer.nodes[group], members[0].replica_class.usd_per_node_hour * HOURS_PER_MONTH
        least = 2 if members[0].replica_class.exclusive else 1
        less = max((c.requests_per_second / c.high for c in rates if c.high > 0), default=1.0)
        more = max((c.requests_per_second / c.low for c in rates if c.low > 0), default=1.0)
        low += (min(count, max(least, math.ceil(count * less - 1e-9))) - count) * month
        high += (max(count, math.ceil(count * more - 1e-9)) - count) * month
    return dollars(low), dollars(high)


def unserved(chosen: Sequence[SelfHosted], answer: Answer) -> tuple[str, ...]:
    """Bands, as `route band`, that no pool serves within the SLO if steps are as slow as the p90 residual."""
    found = {
        f"{key[0]} {key[1] + 1}"
        for h in chosen
        for key, c in h.replica.capacities.items()
        if c.low <= 0 and (key, h.replica_class.name) in answer.served
    }
    return tuple(sorted(found))


def _nodes(region: str, catalog: Catalog, answer: Answer, chosen: Sequence[SelfHosted]) -> list[CostLine]:
    disk = catalog.prices.price(disk_key(region))
    assert disk is not None  # asked for before anything was chosen
    found = []
    for group in sorted({h.replica_class.node_group for h in chosen}):
        h = next(h for h in chosen if h.replica_class.node_group == group)
        count, name = answer.nodes[group], h.group_name
        found.append(line(f"{h.offering.instance_type} on-demand", name, "fixed", count * HOURS_PER_MONTH, h.price))
        found.append(line("root volumes", name, "fixed", count * NODE_DISK_GB, disk))
    return found


def _tokens(demand: Demand, answer: Answer, apis: Sequence[HostedApi]) -> list[CostLine]:
    options = {option.row.key: option for option in apis}
    by_route = {route.name: route for route in demand.routes}
    tokens: dict[tuple[str, str, PricePart], float] = {}
    for ((route, index), api), shares in sorted(answer.spilled.items()):
        band = by_route[route].bands[index]
        requests = sum(
            level.rates[route] * band.share * float(level.hours) * 3600 * share
            for level, share in zip(demand.levels, shares, strict=True)
        )
        for part, count in billed(options[api].row, band.mix).items():
            key = (route, api, part)
            tokens[key] = tokens.get(key, 0.0) + requests * count / MILLION
    return [
        line(f"{api} {WORDS[part]}", route, "usage", amount, options[api].prices[part])
        for (route, api, part), amount in sorted(tokens.items())
        if amount > 0
    ]
