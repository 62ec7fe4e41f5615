"""What a choice costs, as cost lines: nodes by group, disks, tokens by route and API, and the parts of the cluster.

Nodes run every hour of the month, and machines that are paid for already are on the bill whether they are used or not.
The nodes of a group whose size follows its load run for the hours of their levels; and those that start are paid for
until their replicas serve, which is a line of its own:

    hours of starting = starts a month · warm seconds / 3600

Tokens are counted by the price part that they are billed at:

    tokens a month = Σ over levels: mean rate · hours · 3600 · share sent to the API · mean tokens of the band
"""

from __future__ import annotations

from decimal import Decimal

from planner.decision.answer.ranges import cost_ranges, whole_range
from planner.decision.answer.sizes import (
    counted_by_level,
    firm_by_level,
    hours_of,
    nodes_by_level,
    on_demand_by_level,
    spot_by_level,
    starts_of,
    warm_seconds,
)
from planner.decision.answer.solved import Solved
from planner.decision.candidates.hosted_apis import MILLION
from planner.decision.candidates.platform import NODE_DISK_GB
from planner.domain.apis import PricePart
from planner.domain.load import uncertainty
from planner.money.cost import STARTING, bill, cluster_lines, disk_key, line
from planner.plan.cost import Cost, CostLine
from planner.words.units import HOURS_PER_MONTH

WORDS: dict[PricePart, str] = {
    "input": "input tokens",
    "cached-input": "cached input tokens",
    "output": "output tokens",
    "batch-input": "input tokens in batches",
    "batch-output": "output tokens in batches",
    "long-input": "input tokens of long prompts",
    "long-cached-input": "cached input tokens of long prompts",
    "long-output": "output tokens of long prompts",
}


def cost_of(solved: Solved) -> Cost:
    """Return the bill of the month."""
    plain = bill(_lines(solved))
    environment = solved.environment
    uncertain = {name: uncertainty(environment, name) for name in environment.routes}
    ranges = cost_ranges(solved, plain.usd_per_month, uncertain)
    low, high = whole_range(plain.usd_per_month, ranges)
    return plain.model_copy(update={"low_usd_per_month": low, "high_usd_per_month": high, "ranges": ranges})


def usd_of(solved: Solved) -> Decimal:
    """Return the sum of the bill, USD a month."""
    return bill(_lines(solved)).usd_per_month


def bands_without_place(solved: Solved) -> tuple[str, ...]:
    """Return the bands, as `route band`, whose pool misses the SLO if steps are as slow as the p90 residual."""
    lost = {
        f"{key[0]} {key[1] + 1}"
        for pool in solved.pools
        for key in solved.choice.bands_of(pool.name)
        if pool.replica.capacities[key].low <= 0
    }
    return tuple(sorted(lost))


def _lines(solved: Solved) -> list[CostLine]:
    lines = [*_nodes(solved), *solved.existing.lines(), *_tokens(solved)]
    if solved.cluster is not None:
        lines += cluster_lines(solved.region, solved.cluster, solved.catalog.prices)[0]
    return lines


def _nodes(solved: Solved) -> list[CostLine]:
    disk = solved.catalog.prices.price(disk_key(solved.region))
    lines = []
    for group, pools in solved.groups.items():
        if counted_by_level(solved, group):
            lines += _by_level(solved, group)
            continue
        offering, count = pools[0].offering, solved.nodes_of(group)
        ways = [("on-demand", solved.on_demand(group), offering.price), ("spot", solved.spot_of(group), offering.spot)]
        prices = dict(offering.committed)
        ways += [(each.words, taken, prices[each]) for each, taken in solved.committed[group].items()]
        for words, bought, price in ways:
            if bought:
                assert price is not None  # what has none is not bought in that way
                name = f"{offering.instance_type} {words}"
                lines.append(line(name, group, "fixed", bought * HOURS_PER_MONTH, price))
        if solved.environment.platform.cluster is None:
            assert disk is not None  # asked for before anything was chosen
            disks = count - solved.existing.count(group, "owned")
            if disks:
                lines.append(line("root volumes", group, "fixed", disks * NODE_DISK_GB, disk))
    return lines


def _by_level(solved: Solved, group: str) -> list[CostLine]:
    """Return the lines of a node group whose machines are counted by level."""
    offering, warm_hours = solved.groups[group][0].offering, warm_seconds(solved, group) / 3600
    firm, spot = firm_by_level(solved, group), spot_by_level(solved, group)
    node_hours = hours_of(solved, nodes_by_level(solved, group))
    bought = hours_of(solved, on_demand_by_level(solved, group))
    lines, prices = [], dict(offering.committed)
    for each, taken in solved.committed[group].items():
        name = f"{offering.instance_type} {each.words}"
        lines.append(line(name, group, "fixed", taken * HOURS_PER_MONTH, prices[each]))
    for words, hours, sizes, price in (
        ("on-demand", bought, firm, offering.price),
        ("spot", hours_of(solved, spot), spot, offering.spot),
    ):
        if hours:
            assert price is not None  # what has none is not bought in that way
            lines.append(line(f"{offering.instance_type} {words}", group, "fixed", hours, price))
        if count := starts_of(solved, sizes):
            assert price is not None
            name = f"{offering.instance_type} {words}{STARTING}{count:.0f} a month"
            lines.append(line(name, group, "fixed", count * warm_hours, price))
            node_hours += count * warm_hours
    disk = solved.catalog.prices.price(disk_key(solved.region))
    assert disk is not None
    lines.append(line("root volumes", group, "fixed", NODE_DISK_GB * node_hours / HOURS_PER_MONTH, disk))
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
