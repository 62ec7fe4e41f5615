"""What a choice costs, as cost lines: nodes by group, disks, tokens by route and API, and the parts of the cluster.

Nodes run every hour of the month. Tokens are counted by the price part that they are billed at:

    tokens a month = Σ over levels: mean rate · hours · 3600 · share sent to the API · mean tokens of the band
"""

from __future__ import annotations

import math
from decimal import Decimal

from planner.decision.answer.solved import Solved
from planner.decision.candidates.hosted_apis import MILLION
from planner.decision.candidates.platform import NODE_DISK_GB
from planner.domain.apis import PricePart
from planner.money.cost import bill, cluster_lines, disk_key, line
from planner.plan.cost import Cost, CostLine
from planner.words.numbers import dollars
from planner.words.units import HOURS_PER_MONTH

WORDS: dict[PricePart, str] = {
    "input": "input tokens",
    "cached-input": "cached input tokens",
    "output": "output tokens",
    "long-input": "input tokens of long prompts",
    "long-cached-input": "cached input tokens of long prompts",
    "long-output": "output tokens of long prompts",
}


def cost_of(solved: Solved) -> Cost:
    """Return the bill of the month."""
    lines = [*_nodes(solved), *_tokens(solved)]
    if solved.cluster is not None:
        lines += cluster_lines(solved.region, solved.cluster, solved.catalog.prices)[0]
    return bill(lines, *_range_usd(solved))


def bands_without_place(solved: Solved) -> tuple[str, ...]:
    """Return the bands, as `route band`, whose pool misses the SLO if steps are as slow as the p90 residual."""
    lost = {
        f"{key[0]} {key[1] + 1}"
        for pool in solved.pools
        for key in solved.choice.bands_of(pool.name)
        if pool.replica.capacities[key].low <= 0
    }
    return tuple(sorted(lost))


def _range_usd(solved: Solved) -> tuple[Decimal, Decimal]:
    """Return what GPUs would cost less (≤ 0) and more (≥ 0), USD a month, at the p10 and the p90 of the residuals.

    Whole nodes are counted, two at least where a group is exclusive. The low end follows the band that gains least, and
    the high end the band that loses most. A band that could not be served at all at the slow end has no place in a
    range of dollars: `bands_without_place` names it.
    """
    low = high = 0.0
    for group, pools in solved.groups.items():
        rates = [c for pool in pools for c in pool.replica.capacities.values()]
        count, month = solved.nodes_of(group), pools[0].replica_class.usd_per_node_hour * HOURS_PER_MONTH
        least = 2 if pools[0].replica_class.exclusive else 1
        less = max((c.requests_per_second / c.high for c in rates if c.high > 0), default=1.0)
        more = max((c.requests_per_second / c.low for c in rates if c.low > 0), default=1.0)
        low += (min(count, max(least, math.ceil(count * less - 1e-9))) - count) * month
        high += (max(count, math.ceil(count * more - 1e-9)) - count) * month
    return dollars(low), dollars(high)


def _nodes(solved: Solved) -> list[CostLine]:
    disk = solved.catalog.prices.price(disk_key(solved.region))
    assert disk is not None  # asked for before anything was chosen
    lines = []
    for group, pools in solved.groups.items():
        count, offering = solved.nodes_of(group), pools[0].offering
        hours = count * HOURS_PER_MONTH
        lines.append(line(f"{offering.instance_type} on-demand", group, "fixed", hours, pools[0].price))
        lines.append(line("root volumes", group, "fixed", count * NODE_DISK_GB, disk))
    return lines


def _tokens(solved: Solved) -> list[CostLine]:
    apis = {api.row.key: api for api in solved.apis}
    tokens: dict[tuple[str, str, PricePart], float] = {}
    for (key, name), shares in sorted(solved.choice.answer.spilled.items()):
        requests = solved.requests_to(key, shares)
        for part, count in apis[name].tokens_by_part(solved.route(key[0]), key[1]).items():
            entry = (key[0], name, part)
            tokens[entry] = tokens.get(entry, 0.0) + requests * count / MILLION
    return [
        line(f"{name} {WORDS[part]}", route, "usage", amount, apis[name].prices[part])
        for (route, name, part), amount in sorted(tokens.items())
        if amount > 0
    ]
