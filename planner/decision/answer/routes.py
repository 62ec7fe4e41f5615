"""Where the requests of each route go, in the words of the lock: weights and planned spill by band, triggers, reasons.

The planned spill of a band is the smallest share that it sends to the API at any level. That share goes straight there
at every hour. What a band sends beyond it is decided at the gate, when the pools are full.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from planner.decision.answer.reasons import reasons
from planner.decision.answer.solved import Solved
from planner.decision.candidates.demand import RouteDemand
from planner.plan.cost import Cost
from planner.plan.traffic import PlannedRoute, PlannedSlo, RouteBand, Triggers
from planner.words.numbers import dollars, figure

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes of English text per token, by which the gateway guesses the input band. No tokenizer ratio is in the
catalog; measure it on your own prompts."""
PATIENCE = 1.5
"""A stream without a first event after this multiple of its TTFT target is given up and spilled."""
DEADLINE_MS = 120_000
"""Time after which the gateway gives a request up, ms, whoever serves it."""


def routes(solved: Solved, cost: Cost) -> tuple[PlannedRoute, ...]:
    """Return all routes. A route costs its lines of APIs, and of each node group the part that its load takes."""
    shares = _group_shares(solved)
    return tuple(_route(solved, route, cost, shares) for route in solved.demand.routes)


def _route(solved: Solved, route: RouteDemand, cost: Cost, shares: Mapping[tuple[str, str], float]) -> PlannedRoute:
    models = sorted({pool.shape.model.key for pool in solved.pools_of(route.name)})
    apis = solved.apis_of(route.name)
    longest = route.prompt_p95
    ttft_ms = route.target.ttft_ms + route.target.ttft_ms_per_1k_input * longest / 1000
    slo = route.route.slo
    usd = _usd(route.name, cost, shares)
    requests = sum(level.rates[route.name] * float(level.hours) * 3600 for level in solved.demand.levels)
    tokens = requests * (route.workload.mix.mean_input + route.workload.mix.mean_output)
    return PlannedRoute(
        name=route.name,
        task=route.route.task,
        privacy=route.route.data,
        residency=route.route.residency,
        slo=PlannedSlo(
            ttft_p95_base_ms=route.target.ttft_ms,
            ttft_p95_per_1k_input_ms=route.target.ttft_ms_per_1k_input,
            tpot_p95_ms=route.target.tpot_ms,
            availability=slo.availability,
        ),
        model=models[0] if models else None,
        bytes_per_token=BYTES_PER_TOKEN,
        bands=tuple(_band(solved, route, index) for index in range(len(route.bands))),
        fallback=tuple(api.row.key for api in apis),
        triggers=Triggers(
            spill_after_ms=math.ceil(PATIENCE * ttft_ms),
            deadline_ms=DEADLINE_MS,
            queue_ms=0 if apis else math.ceil(ttft_ms),
        ),
        spill_share=solved.choice.api_share(route.name),
        usd_per_month=dollars(usd),
        usd_per_million_tokens=figure(float(usd) / tokens * 1e6),
        binding=_binding(solved, route),
        reasons=reasons(solved, route),
        p95_input_tokens=longest,
    )


def _band(solved: Solved, route: RouteDemand, index: int) -> RouteBand:
    band, key = route.bands[index], (route.name, index)
    pools = solved.choice.classes_of(key)
    spilled = [0.0 if share < 1e-4 else min(1.0, share) for share in solved.choice.spilled(key)]
    levels = solved.demand.levels
    return RouteBand(
        max_input_tokens=None if band.below_tokens is None else band.below_tokens - 1,
        share_of_requests=band.share,
        mean_input_tokens=band.mix.mean_input,
        mean_output_tokens=band.mix.mean_output,
        weights=dict.fromkeys(pools, 1),
        api_share=min(spilled) if pools else 1,
        spill_by_level={level.name: share for level, share in zip(levels, spilled, strict=True) if share},
    )


def _binding(solved: Solved, route: RouteDemand) -> str:
    """Return what limits the route's pool: the resource that gives way first in its largest band."""
    for index in sorted(range(len(route.bands)), key=lambda i: -route.bands[i].share):
        for pool in solved.pools_of(route.name):
            if index in solved.bands_of(route.name, pool):
                return pool.replica.capacities[(route.name, index)].binding
    return "api"


def _usd(route: str, cost: Cost, shares: Mapping[tuple[str, str], float]) -> Decimal:
    """Return the cost of a route, USD a month: its own lines, and its part of those of node groups."""
    usd = Decimal(0)
    for entry in cost.lines:
        part = Decimal(1) if entry.component == route else Decimal(shares.get((route, entry.component), 0.0))
        usd += entry.usd_per_month * part
    return usd


def _group_shares(solved: Solved) -> dict[tuple[str, str], float]:
    """Return for each (route, node group) the part of the group's replica-hours that the route's load takes."""
    busy: dict[tuple[str, str], float] = {}
    for pool in solved.pools:
        k = pool.replica_class
        for key in solved.choice.bands_of(pool.name):
            requests = solved.requests_to(key, solved.choice.served(key, pool.name))
            entry = (key[0], pool.group_name)
            busy[entry] = busy.get(entry, 0.0) + requests / k.capacity[key] * k.tensor_parallel_size
    total: dict[str, float] = {}
    for (_, group), load in busy.items():
        total[group] = total.get(group, 0.0) + load
    return {entry: load / total[entry[1]] for entry, load in busy.items() if total[entry[1]]}
