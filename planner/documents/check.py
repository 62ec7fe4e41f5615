"""Does a plan add up? Plain arithmetic over a lock, with no solver: packing, capacity, reserve, quotas, budgets, bill.

Each rule is one function that yields problems (CHK…); a rule recomputes its figure from the parts of the plan and
compares. A shared machine rounding of the six digits that are written is the only tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from planner.domain.environment import Environment, monthly_budget
from planner.money.plan import NodeGroup, Plan, Pool, Route
from planner.words.diagnostics import Problem

TOLERANCE = Decimal("0.001")
"""Relative: six significant digits are written, and a sum of dozens of them is compared."""


def arithmetic(plan: Plan, environment: Environment) -> tuple[Problem, ...]:
    """All problems of a plan's own arithmetic, in the order of the rules; empty when it adds up."""
    rules = (_references, _packing, _capacity, _reserve, _quota, _privacy, _bill, _budget)
    return tuple(problem for rule in rules for problem in rule(plan, environment))


def _references(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Every name that is used is defined, once."""
    groups, pools = [g.name for g in plan.node_groups], [p.name for p in plan.pools]
    apis = {a.name for a in plan.apis}
    for kind, names in (("node group", groups), ("pool", pools), ("route", [r.name for r in plan.routes])):
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield Problem("CHK001", f"{kind} `{name}` stands twice in the plan")
    for pool in plan.pools:
        if pool.node_group not in groups:
            yield Problem(
                "CHK001", f"pool `{pool.name}` names node group `{pool.node_group}`, which is not in the plan"
            )
    for route in plan.routes:
        for band in route.bands:
            for pool_name in band.weights:
                if pool_name not in pools:
                    yield Problem("CHK001", f"route `{route.name}` names pool `{pool_name}`, which is not in the plan")
        for api in route.fallback:
            if api not in apis:
                yield Problem("CHK001", f"route `{route.name}` names API `{api}`, which is not in the plan")
    if {r.name for r in plan.routes} != set(environment.routes):
        yield Problem("CHK001", "the plan's routes are not the environment's")


def _packing(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """The placement holds all replicas, and no node holds more GPUs than it has."""
    pools = {p.name: p for p in plan.pools}
    for group in plan.node_groups:
        if sum(p.nodes for p in group.placement) != group.max_nodes:
            yield Problem(
                "CHK002", f"node group `{group.name}`: the placement does not use its {group.max_nodes} nodes"
            )
        for placement in group.placement:
            used = sum(
                pools[name].engine.tensor_parallel_size * count
                for name, count in placement.replicas.items()
                if name in pools
            )
            if used > group.gpus_per_node:
                message = f"node group `{group.name}`: {used} GPUs are placed on a node of {group.gpus_per_node}"
                yield Problem("CHK002", message)
    for pool in plan.pools:
        placed = sum(_on_nodes(group, pool) for group in plan.node_groups)
        if placed != pool.replicas.max:
            message = f"pool `{pool.name}` has {pool.replicas.max} replicas, of which {placed} are placed"
            yield Problem("CHK002", message)


def _capacity(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """At every level, what the pools are asked to serve is within what their replicas can take."""
    for pool in plan.pools:
        for level in plan.levels:
            load = _load(plan, pool, level.name)
            if load > pool.replicas.min * (1 + TOLERANCE):
                message = (
                    f"pool `{pool.name}` needs {load:.2f} replicas at level {level.name}, it has {pool.replicas.min}"
                )
                yield Problem("CHK003", message)


def _reserve(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """A pool whose routes have no API still carries its load after losing one node."""
    for pool in plan.pools:
        if not any(route.fallback == () for route in _routes_of(plan, pool)):
            continue
        group = next((g for g in plan.node_groups if g.name == pool.node_group), None)
        if group is None:
            continue
        lost = max((p.replicas.get(pool.name, 0) for p in group.placement), default=0)
        peak = max((_load(plan, pool, level.name) for level in plan.levels), default=Decimal(0))
        left = pool.replicas.min - lost
        if peak > left * (1 + TOLERANCE):
            yield Problem(
                "CHK004",
                f"pool `{pool.name}` needs {peak:.2f} replicas; after losing a node {left} remain, and no API may help",
            )


def _quota(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """vCPUs by family are within the account's quota."""
    for family, quota in environment.quotas.items():
        used = sum(g.vcpus_per_node * g.max_nodes for g in plan.node_groups if g.quota_family == family)
        if used > quota:
            yield Problem("CHK005", f"the plan runs {used} vCPUs of family {family}; the quota is {quota}")


def _privacy(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Restricted data has no API, and its pools share neither replicas nor nodes with other data."""
    groups = {g.name: g for g in plan.node_groups}
    for route in plan.routes:
        declared = environment.routes.get(route.name)
        if declared is not None and declared.data != route.privacy:
            yield Problem("CHK006", f"route `{route.name}` is {declared.data} in the environment, {route.privacy} here")
        if route.privacy == "restricted" and (route.fallback or any(b.api_share > 0 for b in route.bands)):
            yield Problem("CHK006", f"route `{route.name}` is restricted and names an API")
    for pool in plan.pools:
        kinds = {route.privacy for route in _routes_of(plan, pool)}
        if "restricted" in kinds and kinds != {"restricted"}:
            yield Problem("CHK006", f"pool `{pool.name}` serves restricted data beside other data")
        if "restricted" in kinds and pool.node_group in groups and not groups[pool.node_group].exclusive:
            yield Problem("CHK006", f"pool `{pool.name}` serves restricted data on shared nodes")


def _bill(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """quantity × unit price = amount on each line; the lines sum to the totals, exactly."""
    cost = plan.cost
    for line in cost.lines:
        product = line.quantity * line.unit_price
        if abs(product - line.usd_per_month) > max(Decimal("0.01"), product * TOLERANCE):
            message = f"cost line `{line.name}`: {line.quantity} × {line.unit_price} is not {line.usd_per_month}"
            yield Problem("CHK007", message)
    for kind, total in (("fixed", cost.fixed_usd_per_month), ("usage", cost.usage_usd_per_month)):
        summed = sum((line.usd_per_month for line in cost.lines if line.kind == kind), Decimal(0))
        if summed != total:
            yield Problem("CHK007", f"the {kind} lines sum to {summed}, the plan says {total}")
    if cost.fixed_usd_per_month + cost.usage_usd_per_month != cost.usd_per_month:
        yield Problem("CHK007", "fixed and usage do not sum to the total")
    for group in plan.node_groups:
        bought = sum(
            (line.quantity for line in cost.lines if line.component == group.name and line.unit == "hour"), Decimal(0)
        )
        if bought != Decimal(group.max_nodes) * 730:
            yield Problem(
                "CHK007", f"node group `{group.name}` runs {group.max_nodes} nodes, {bought} hours are billed"
            )


def _budget(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """The bill is within the budget."""
    budget = monthly_budget(environment)
    if budget is not None and plan.cost.usd_per_month > budget:
        yield Problem("CHK008", f"the plan costs ${plan.cost.usd_per_month:,} a month; the budget is ${budget:,}")
    api_budget = environment.api.monthly_budget
    spend = sum((line.usd_per_month for line in plan.cost.lines if line.kind == "usage"), Decimal(0))
    if api_budget is not None and spend > api_budget:
        yield Problem("CHK008", f"the plan spends ${spend:,} a month on APIs; their budget is ${api_budget:,}")


def _on_nodes(group: NodeGroup, pool: Pool) -> int:
    return sum(p.nodes * p.replicas.get(pool.name, 0) for p in group.placement)


def _routes_of(plan: Plan, pool: Pool) -> list[Route]:
    return [r for r in plan.routes if any(band.weights.get(pool.name, 0) > 0 for band in r.bands)]


def _load(plan: Plan, pool: Pool, level: str) -> Decimal:
    """Replicas of `pool` that are busy at a level: Σ planned rate × share of band × local share × weight / capacity."""
    rates = next(entry for entry in plan.levels if entry.name == level).planned_requests_per_second
    capacities = {(c.route, c.band): c.requests_per_second for c in pool.capacity}
    load = Decimal(0)
    for route in _routes_of(plan, pool):
        for index, band in enumerate(route.bands):
            weight = band.weights.get(pool.name, Decimal(0))
            if weight > 0:
                local = 1 - band.spill_by_level.get(level, Decimal(0))
                load += rates[route.name] * band.share_of_requests * local * weight / capacities[(route.name, index)]
    return load
