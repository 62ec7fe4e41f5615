"""The arithmetic of a plan: does it add up? Packing, capacity, reserve, quotas, budgets and bill are computed again.

No solver is needed for it. Each rule is one function that yields problems (CHK…): it computes its figure from the parts
of the plan and compares. The only tolerance is that of figures which are written with six digits; money is exact to the
cent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from planner.documents.adapter_rules import adapters_held
from planner.documents.engine_rules import canaries_held
from planner.documents.paid_rules import TOLERANCE, close, paid_held
from planner.documents.purchase_rules import purchases_held
from planner.documents.schedule_rules import carries, following_bill, node_hours, schedules_held
from planner.domain.buying import SPOT_QUOTA
from planner.domain.environment import Environment, monthly_budget
from planner.money.cost import PLATFORM, UNPRICED, cluster_items, disk_key, is_needed
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.phases import mean_usd_per_month
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute
from planner.words.diagnostics import Problem
from planner.words.numbers import dollars
from planner.words.units import HOURS_PER_MONTH


def arithmetic(plan: Plan, environment: Environment) -> tuple[Problem, ...]:
    """Return all problems of a plan's own arithmetic, in the order of the rules. There are none when it adds up."""
    rules = (
        _references,
        adapters_held,
        canaries_held,
        _packing,
        _served,
        _too_long,
        _capacity,
        _context,
        _input_limits,
        _reserve,
        _quota,
        privacy,
        _bill,
        paid_held,
        purchases_held,
        schedules_held,
        _budget,
        _phases,
    )
    return tuple(problem for rule in rules for problem in rule(plan, environment))


def _references(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that every name which is used is defined, once."""
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
    for group in plan.node_groups:
        for name in sorted({name for placement in group.placement for name in placement.replicas} - set(pools)):
            yield Problem("CHK001", f"node group `{group.name}` names pool `{name}`, which is not in the plan")
    for route in plan.routes:
        for name in sorted({name for band in route.bands for name in band.weights} - set(pools)):
            yield Problem("CHK001", f"route `{route.name}` names pool `{name}`, which is not in the plan")
        for api in route.fallback:
            if api not in apis:
                yield Problem("CHK001", f"route `{route.name}` names API `{api}`, which is not in the plan")
        for api in sorted(route.api_max_input_tokens.keys() - set(route.fallback)):
            yield Problem("CHK001", f"route `{route.name}` limits the prompts of API `{api}`, which it may not ask")
        for level in plan.levels:
            if route.name not in level.mean_requests_per_second or route.name not in level.planned_requests_per_second:
                yield Problem("CHK001", f"level {level.name} has no rate of route `{route.name}`")
    if {r.name for r in plan.routes} != set(environment.routes):
        yield Problem("CHK001", "the plan's routes are not the environment's")


def _packing(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that the placement holds all replicas, and that no node holds more GPUs than it has."""
    pools = {p.name: p for p in plan.pools}
    for group in plan.node_groups:
        if sum(p.nodes for p in group.placement) != group.max_nodes:
            yield Problem(
                "CHK002", f"node group `{group.name}`: the placement does not use its {group.max_nodes} nodes"
            )
        for placement in group.placement:
            used = sum(pools[name].engine.gpus * count for name, count in placement.replicas.items() if name in pools)
            if used > group.gpus_per_node:
                message = f"node group `{group.name}`: {used} GPUs are placed on a node of {group.gpus_per_node}"
                yield Problem("CHK002", message)
    for pool in plan.pools:
        placed = sum(_on_nodes(group, pool) for group in plan.node_groups if group.name == pool.node_group)
        if placed != pool.replicas.max:
            message = f"pool `{pool.name}` has {pool.replicas.max} replicas, of which {placed} are placed"
            yield Problem("CHK002", f"{message} on its node group")


def _served(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that every request of every hour of the month has a place to go."""
    hours = sum((level.hours for level in plan.levels), Decimal(0))
    if not close(hours, Decimal(HOURS_PER_MONTH)):
        yield Problem("CHK009", f"the levels have {hours} hours; a month has {HOURS_PER_MONTH}")
    for route in plan.routes:
        total = sum((band.share_of_requests for band in route.bands), Decimal(0))
        if not close(total, Decimal(1)):
            yield Problem(
                "CHK009", f"route `{route.name}`: its bands hold {total:.4f} of its requests, not all of them"
            )
        for index, band in enumerate(route.bands):
            place = f"route `{route.name}`, band {index}"
            local = sum(band.weights.values(), Decimal(0))
            if local and not close(local, Decimal(1)):
                yield Problem("CHK009", f"{place}: the weights of its pools sum to {local:.4f}, not 1")
            away = [(band.spilled(level.name), band.refused(level.name)) for level in plan.levels]
            placed = all(spilled + refused >= 1 - TOLERANCE for spilled, refused in away)
            whole = all(refused > 1 - TOLERANCE for _, refused in away)
            if not local and placed and band.api_share != (0 if whole else 1):
                message = "without a pool the API takes all of it, or it is refused whole"
                yield Problem("CHK009", f"{place}: {message}; {band.api_share:.0%} goes there")
            for level in plan.levels:
                spilled, refused = band.spilled(level.name), band.refused(level.name)
                if spilled + refused < 1 - TOLERANCE and not local:
                    lacking = f"{1 - spilled - refused:.0%}"
                    yield Problem("CHK009", f"{place}: {lacking} of it has no pool at level {level.name}")
                if spilled + refused > 1 + TOLERANCE:
                    message = f"{spilled + refused:.2%} of it goes to the API or is refused at level {level.name}"
                    yield Problem("CHK009", f"{place}: {message}")
                if spilled > 0 and not route.hosted:
                    yield Problem("CHK009", f"{place}: {spilled:.0%} of it has no API at level {level.name}")
                if band.api_share > spilled * (1 + TOLERANCE):
                    message = (
                        f"{band.api_share:.0%} goes to the API at every hour, but at level {level.name} {spilled:.0%}"
                    )
                    yield Problem("CHK009", f"{place}: {message}")


def _too_long(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that no more requests are refused or cut for their length than the plan says, and the route allows."""
    for route in plan.routes:
        rates = {level.name: level.hours * level.mean_requests_per_second.get(route.name, 0) for level in plan.levels}
        month = sum(rates.values(), Decimal(0)) or Decimal(1)
        refused = cut = Decimal(0)
        for band in route.bands:
            away = sum((rates[name] * band.refused(name) for name in rates), Decimal(0)) / month
            refused += band.share_of_requests * away
            cut += band.share_of_requests * (1 - away) if band.cut_to_tokens is not None else 0
        told = route.too_long
        for what, share, said in (
            ("refused", refused, told.refused_share if told else Decimal(0)),
            ("cut", cut, told.cut_share if told else Decimal(0)),
        ):
            if not close(said, share):
                message = f"{share:.4%} of its requests are {what} for their length; the plan says {said:.4%}"
                yield Problem("CHK009", f"route `{route.name}`: {message}")
        declared = environment.routes.get(route.name)
        most = Decimal(str(declared.too_long.most)) if declared else Decimal(1)
        if refused + cut > most * (1 + TOLERANCE):
            message = f"{refused + cut:.2%} of its requests are refused or cut for their length"
            yield Problem("CHK009", f"route `{route.name}`: {message}; `too_long.most` allows {most:.2%}")


def _capacity(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that pools are asked to serve no more than their replicas can take, at every level."""
    for pool in plan.pools:
        with_capacity = {(c.route, c.band) for c in pool.capacity if c.requests_per_second > 0}
        for route in _routes_of(plan, pool):
            for index, band in enumerate(route.bands):
                if band.weights.get(pool.name, 0) > 0 and (route.name, index) not in with_capacity:
                    message = f"pool `{pool.name}` serves route `{route.name}`, band {index}, with no capacity for it"
                    yield Problem("CHK003", message)
        if pool.replicas.week:
            short = carries(plan, pool, partial(_load, plan, pool), lambda _: 0)
            if short is not None:
                need = f"needs {_load(plan, pool, short):.2f} replicas at level {short}"
                yield Problem("CHK003", f"pool `{pool.name}` {need}; by the clock it has fewer in some of its hours")
            continue
        for level in plan.levels:
            load = _load(plan, pool, level.name)
            if load > pool.replicas.min * (1 + TOLERANCE):
                message = (
                    f"pool `{pool.name}` needs {load:.2f} replicas at level {level.name}, it has {pool.replicas.min}"
                )
                yield Problem("CHK003", message)


def _context(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that a pool reads the prompts of the bands that it serves, with room for their mean answer."""
    contexts = {pool.name: pool.engine.max_model_len for pool in plan.pools}
    for route in plan.routes:
        for index, band in enumerate(route.bands):
            longest = Decimal(band.max_input_tokens or 0)
            input_tokens = band.cut_to_tokens or max(longest, band.mean_input_tokens)
            needed = input_tokens + band.mean_output_tokens
            for name, weight in band.weights.items():
                if weight > 0 and name in contexts and needed > contexts[name]:
                    message = f"route `{route.name}` band {index + 1} needs {needed:.0f} tokens of context"
                    yield Problem("CHK010", f"{message}; pool `{name}` reads {contexts[name]}")


def _input_limits(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that some API may be sent the mean prompt of each band that goes to APIs."""
    for route in plan.routes:
        limits = [route.api_max_input_tokens.get(api) for api in route.fallback]
        stated = [limit for limit in limits if limit is not None]
        if not stated or len(stated) < len(limits):
            continue
        most = max(stated)
        for index, band in enumerate(route.bands):
            # The limit is a whole number and may lie up to a token below the threshold of the price.
            if any(band.spilled(level.name) > 0 for level in plan.levels) and band.mean_input_tokens >= most + 1:
                message = f"route `{route.name}` band {index + 1} sends prompts of {band.mean_input_tokens:.0f} tokens"
                yield Problem("CHK010", f"{message} to APIs that may be sent no more than {most}")


def _reserve(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that a pool whose routes have no API carries its load after losing a node or a zone, as is asked for.

    What may wait waits for the node that replaces a lost one, but for restricted data, whose nodes are its own.
    """
    if not environment.reserve.node and not environment.reserve.zone:
        return
    for pool in plan.pools:
        waiting = frozenset(route.name for route in plan.routes if route.deferred is not None)
        alone = [route for route in _routes_of(plan, pool) if route.fallback == ()]
        if all(route.deferred is not None and route.privacy != "restricted" for route in alone):
            continue
        group = next((g for g in plan.node_groups if g.name == pool.node_group), None)
        if group is None:
            continue
        if pool.replicas.week:
            load = partial(_load, plan, pool, without=waiting)
            short = carries(plan, pool, load, partial(_lost, environment, group, pool))
            if short is not None:
                need = f"needs {load(short):.2f} replicas at level {short}"
                message = f"pool `{pool.name}` {need}; after losing a {_loss(environment)} fewer remain by the clock"
                yield Problem("CHK004", f"{message}, and no API may help")
            continue
        gone = math.ceil(group.max_nodes / len(group.zones)) if environment.reserve.zone and group.zones else 1
        on_nodes = (p.replicas.get(pool.name, 0) for p in group.placement for _ in range(p.nodes))
        lost = sum(sorted(on_nodes, reverse=True)[:gone])
        peak = max((_load(plan, pool, level.name, waiting) for level in plan.levels), default=Decimal(0))
        left = pool.replicas.min - lost
        if peak > left * (1 + TOLERANCE):
            yield Problem(
                "CHK004",
                f"pool `{pool.name}` needs {peak:.2f} replicas; after losing a {_loss(environment)} {left} remain, and "
                "no API may help",
            )


def _lost(environment: Environment, group: NodeGroup, pool: Pool, replicas: int) -> int:
    """Return how many of a pool's replicas a loss takes, of so many that stand on nodes as its placement says."""
    each = max((placement.replicas.get(pool.name, 0) for placement in group.placement), default=0)
    if not each:
        return 0
    nodes = math.ceil(replicas / each)
    gone = math.ceil(nodes / len(group.zones)) if environment.reserve.zone and group.zones else min(1, nodes)
    return gone * each


def _loss(environment: Environment) -> str:
    return "zone" if environment.reserve.zone else "node"


def _quota(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that the vCPUs of each family are within the account's quota."""
    for family, quota in environment.quotas.items():
        plain = family.removesuffix(SPOT_QUOTA)
        own = [g for g in plan.node_groups if g.quota_family == plain]
        used = sum(g.vcpus_per_node * (g.spot if plain != family else g.quota_nodes) for g in own)
        if used > quota:
            yield Problem("CHK005", f"the plan runs {used} vCPUs of family {family}; the quota is {quota}")


def privacy(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that restricted data has no API, and that its pools share neither replicas nor nodes with other data."""
    groups = {g.name: g for g in plan.node_groups}
    for route in plan.routes:
        declared = environment.routes.get(route.name)
        if declared is not None and declared.data != route.privacy:
            yield Problem("CHK006", f"route `{route.name}` is {declared.data} in the environment, {route.privacy} here")
        if route.privacy == "restricted" and (route.hosted or any(b.api_share > 0 for b in route.bands)):
            yield Problem("CHK006", f"route `{route.name}` is restricted and names an API")
    for pool in plan.pools:
        kinds = {route.privacy for route in _routes_of(plan, pool)}
        if "restricted" in kinds and pool.privacy != "restricted":
            yield Problem("CHK006", f"pool `{pool.name}` serves restricted data and is marked {pool.privacy}")
        if "restricted" in kinds and kinds != {"restricted"}:
            yield Problem("CHK006", f"pool `{pool.name}` serves restricted data beside other data")
        if "restricted" in kinds and pool.node_group in groups and not groups[pool.node_group].exclusive:
            yield Problem("CHK006", f"pool `{pool.name}` serves restricted data on shared nodes")
    for group in plan.node_groups:
        on_it = sorted({name for placement in group.placement for name in placement.replicas})
        if group.exclusive and len(on_it) > 1:
            yield Problem("CHK006", f"node group `{group.name}` is for one pool alone and holds {', '.join(on_it)}")


def _bill(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that each line is its quantity × its unit price, and that the lines sum to the totals, exactly."""
    cost = plan.cost
    for line in cost.lines:
        if dollars(line.quantity * line.unit_price) != line.usd_per_month:
            message = f"cost line `{line.name}`: {line.quantity} × {line.unit_price} is not {line.usd_per_month}"
            yield Problem("CHK007", message)
    for kind, total in (("fixed", cost.fixed_usd_per_month), ("usage", cost.usage_usd_per_month)):
        summed = sum((line.usd_per_month for line in cost.lines if line.kind == kind), Decimal(0))
        if summed != total:
            yield Problem("CHK007", f"the {kind} lines sum to {summed}, the plan says {total}")
    if cost.fixed_usd_per_month + cost.usage_usd_per_month != cost.usd_per_month:
        yield Problem("CHK007", "fixed and usage do not sum to the total")
    if not cost.low_usd_per_month <= cost.usd_per_month <= cost.high_usd_per_month:
        yield Problem("CHK007", "the total is not between its low and high estimates")
    yield from following_bill(plan)
    following = {group.instance_type for group in plan.node_groups if group.follows_the_clock}
    for group in plan.node_groups:
        if group.instance_type in following:  # what is paid for otherwise covers nodes of all its groups
            continue
        bought = sum(
            (line.quantity for line in cost.lines if line.component == group.name and line.unit == "hour"), Decimal(0)
        )
        if not close(bought, Decimal(group.max_nodes) * HOURS_PER_MONTH):
            yield Problem(
                "CHK007", f"node group `{group.name}` runs {group.max_nodes} nodes, {bought} hours are billed"
            )


def _phases(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that the phases cover the horizon without a gap, begin with the plan itself, and give its mean."""
    if not plan.phases:
        return
    ends = [environment.horizon.start, *(phase.end for phase in plan.phases)]
    if [phase.start for phase in plan.phases] != ends[:-1] or ends[-1] != environment.horizon.end:
        yield Problem("CHK011", "the phases do not cover the horizon from its first day to its last")
    if plan.phases[0].usd_per_month != plan.cost.usd_per_month:
        message = f"the first phase costs {plan.phases[0].usd_per_month}, the plan {plan.cost.usd_per_month}"
        yield Problem("CHK011", message)
    mean = mean_usd_per_month(plan.phases)
    if mean != plan.mean_usd_per_month:
        yield Problem("CHK011", f"the phases cost {mean} on average, the plan says {plan.mean_usd_per_month}")


def cluster_bill(plan: Plan) -> Iterator[Problem]:
    """Require that the lines of the platform and of node disks are those of what is built, in the same quantities.

    A small part may have no line where the plan says by name that it has no price.
    """
    told = " ".join(verdict.message for verdict in plan.verdicts if verdict.name == UNPRICED)
    unpriced = told.replace(";", " ").split()
    parts, disks = plan.platform.cluster, disk_key(plan.platform.region)
    built: dict[str, Decimal] = {}
    for _, key, quantity in cluster_items(plan.platform.region, parts) if parts else ():
        built[key] = built.get(key, Decimal(0)) + quantity
    billed: dict[str, Decimal] = {}
    for line in plan.cost.lines:
        if line.component == PLATFORM:
            billed[line.price] = billed.get(line.price, Decimal(0)) + line.quantity
    for key in sorted({*built, *billed}):
        if key in unpriced and key not in billed and not is_needed(key):
            continue
        if not close(billed.get(key, Decimal(0)), built.get(key, Decimal(0))):
            message = f"the platform has {built.get(key, 0)} of {key}; {billed.get(key, 0)} are billed"
            yield Problem("CHK007", message)
    for group in plan.node_groups:
        lines = (line for line in plan.cost.lines if line.component == group.name and line.price == disks)
        billed_gb = sum((line.quantity for line in lines), Decimal(0))
        built_gb = group.disk_gb * (node_hours(group) / HOURS_PER_MONTH - group.owned)
        if not close(billed_gb, built_gb):
            message = f"the disks of node group `{group.name}` have {float(built_gb):g} GB; {billed_gb} are billed"
            yield Problem("CHK007", message)


def _budget(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that the bill of every phase is within the budget, and that APIs are within theirs."""
    budget = monthly_budget(environment)
    if budget is not None and plan.cost.usd_per_month > budget:
        yield Problem("CHK008", f"the plan costs ${plan.cost.usd_per_month:,} a month; the budget is ${budget:,}")
    for phase in plan.phases[1:]:
        if budget is not None and phase.usd_per_month is not None and phase.usd_per_month > budget:
            message = f"from {phase.start} the plan costs ${phase.usd_per_month:,} a month; the budget is ${budget:,}"
            yield Problem("CHK008", message)
    api_budget = environment.api.monthly_budget
    spend = sum((line.usd_per_month for line in plan.cost.lines if line.kind == "usage"), Decimal(0))
    if api_budget is not None and spend > api_budget:
        yield Problem("CHK008", f"the plan spends ${spend:,} a month on APIs; their budget is ${api_budget:,}")


def _on_nodes(group: NodeGroup, pool: Pool) -> int:
    return sum(p.nodes * p.replicas.get(pool.name, 0) for p in group.placement)


def _routes_of(plan: Plan, pool: Pool) -> list[PlannedRoute]:
    return [r for r in plan.routes if any(band.weights.get(pool.name, 0) > 0 for band in r.bands)]


def _load(plan: Plan, pool: Pool, level: str, without: frozenset[str] = frozenset()) -> Decimal:
    """Return the number of replicas of a pool that are busy at a level.

    Σ over its bands: planned rate × share of the band × share served locally × weight / capacity

    without: routes that are not counted.
    """
    rates = next(entry for entry in plan.levels if entry.name == level).planned_requests_per_second
    capacities = {(c.route, c.band): c.requests_per_second for c in pool.capacity}
    load = Decimal(0)
    for route in (each for each in _routes_of(plan, pool) if each.name not in without):
        for index, band in enumerate(route.bands):
            weight = band.weights.get(pool.name, Decimal(0))
            capacity = capacities.get((route.name, index), Decimal(0))
            if weight > 0 and capacity > 0:  # the lack of either is a problem of its own
                local = 1 - band.spilled(level) - band.refused(level)
                load += rates.get(route.name, Decimal(0)) * band.share_of_requests * local * weight / capacity
    return load
