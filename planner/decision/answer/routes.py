"""Where the requests of each route go, in the words of the lock: weights and planned spill by band, triggers, reasons.

The planned spill of a band is the smallest share that it sends to the API at any level. That share goes straight there
at every hour. What a band sends beyond it is decided at the gate, when the pools are full.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from planner.decision.answer.deferred_work import deferred_work
from planner.decision.answer.loads import planned_load
from planner.decision.answer.reasons import reasons
from planner.decision.answer.solved import Solved
from planner.decision.answer.too_long import too_long
from planner.decision.candidates.demand import RouteDemand
from planner.performance.capacity import LatencyTarget
from planner.plan.cost import Cost
from planner.plan.traffic import PlannedRoute, PlannedSlo, RouteBand, Triggers
from planner.words.numbers import dollars, figure

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes of English text per token, by which the gateway guesses the input band. No tokenizer ratio is in the
catalog; measure it on your own prompts."""
PATIENCE = 1.5
"""A stream without a first event after this multiple of its TTFT target is given up and spilled. Where only E2E is
promised, it is given up when a mean answer could no longer end in time."""
DEADLINE_MS = 120_000
"""Time after which the gateway gives a request up, ms, whoever serves it; more where `PATIENCE` × E2E is more."""

QUEUE_MS = 60_000
"""Longest wait of a request that may wait at the gateway, ms; then its client asks again (`Retry-After`)."""


def routes(solved: Solved, cost: Cost) -> tuple[PlannedRoute, ...]:
    """Return all routes. A route costs its lines of APIs, and of each node group the part that its load takes."""
    shares = _group_shares(solved)
    return tuple(_route(solved, route, cost, shares) for route in solved.demand.routes)


def _route(solved: Solved, route: RouteDemand, cost: Cost, shares: Mapping[tuple[str, str], float]) -> PlannedRoute:
    models = sorted({pool.shape.model.key for pool in solved.pools_of(route.name)})
    apis = solved.apis_of(route.name)
    first_token_ms = route.target.first_token_ms(route.prompt_p95, _answer_ms(solved, route))
    promised_ms = route.target.e2e_ms if route.target.e2e_ms < math.inf else 0.0
    usd = _usd(route.name, cost, shares)
    tokens = sum(
        solved.served_requests((route.name, index)) * (band.mix.mean_input + band.mix.mean_output)
        for index, band in enumerate(route.bands)
    )
    return PlannedRoute(
        name=route.name,
        task=route.route.task,
        privacy=route.route.data,
        residency=route.route.residency,
        slo=_slo(route),
        model=models[0] if models else None,
        bytes_per_token=BYTES_PER_TOKEN,
        bands=tuple(_band(solved, route, index) for index in range(len(route.bands))),
        fallback=tuple(api.row.key for api in apis),
        api_max_input_tokens={
            api.row.key: api.max_input_tokens[route.name] for api in apis if route.name in api.max_input_tokens
        },
        triggers=_when_it_waits(solved, route)
        if route.route.may_wait
        else Triggers(
            spill_after_ms=math.ceil(first_token_ms * (PATIENCE if route.target.has_ttft else 1.0)),
            deadline_ms=max(DEADLINE_MS, math.ceil(PATIENCE * promised_ms)),
            queue_ms=0 if apis else math.ceil(first_token_ms),
        ),
        deferred=deferred_work(solved, route),
        spill_share=solved.choice.api_share(route.name),
        too_long=too_long(solved, route),
        usd_per_month=dollars(usd),
        usd_per_million_tokens=figure(float(usd) / tokens * 1e6),
        binding=_binding(solved, route),
        reasons=reasons(solved, route),
        load=planned_load(route),
        adapters={
            pool.name: adapter.key
            for pool in solved.pools_of(route.name)
            if (adapter := pool.shape.asked(route.name)) is not None
        },
    )


def _when_it_waits(solved: Solved, route: RouteDemand) -> Triggers:
    """Return the triggers of a route that may wait: a request waits a minute at the gateway, and is then told to come
    again. Its deadline is the client's; that of one try is what a full replica takes for an answer."""
    answers = [
        pool.replica.capacities[(route.name, index)].e2e_ms_p95 or 0.0
        for pool in solved.pools_of(route.name)
        for index in solved.bands_of(route.name, pool)
    ]
    deadline_ms = max(DEADLINE_MS + QUEUE_MS, math.ceil(PATIENCE * max(answers, default=0.0)) + QUEUE_MS)
    return Triggers(spill_after_ms=deadline_ms - 1, deadline_ms=deadline_ms, queue_ms=QUEUE_MS)


def _slo(route: RouteDemand) -> PlannedSlo:
    """Return the SLO in the words of the lock. What is not promised has no limit there, and not an infinite one."""
    target = LatencyTarget() if route.route.may_wait else route.target
    return PlannedSlo(
        ttft_p95_base_ms=target.ttft_ms if target.has_ttft else None,
        ttft_p95_per_1k_input_ms=target.ttft_ms_per_1k_input if target.has_ttft else None,
        tpot_p95_ms=target.tpot_ms if target.tpot_ms < math.inf else None,
        e2e_p95_ms=target.e2e_ms if target.e2e_ms < math.inf else None,
        availability=route.route.slo.availability,
    )


def _answer_ms(solved: Solved, route: RouteDemand) -> float:
    """Return the time of a mean answer after its first token, ms: on the slowest of the route's pools at capacity."""
    times = [
        pool.replica.capacities[(route.name, index)].tpot_ms_p50
        for pool in solved.pools_of(route.name)
        for index in solved.bands_of(route.name, pool)
    ]
    return route.lengths.mean_decode_steps * max(times, default=0.0)


def _band(solved: Solved, route: RouteDemand, index: int) -> RouteBand:
    band, key = route.bands[index], (route.name, index)
    pools = solved.choice.classes_of(key)
    spilled = [0.0 if share < 1e-4 else min(1.0, share) for share in solved.choice.spilled(key)]
    refused = [0.0 if share < 1e-4 else min(1.0, share) for share in solved.choice.turned_away(key)]
    levels = solved.demand.levels
    whole = not pools and all(one + other > 1 - 1e-6 for one, other in zip(spilled, refused, strict=True))
    api_share = min(spilled) if pools else 0.0 if solved.choice.refuses(key) else 1.0
    return RouteBand(
        max_input_tokens=None if band.below_tokens is None else band.below_tokens - 1,
        share_of_requests=band.share,
        mean_input_tokens=band.mix.mean_input,
        mean_output_tokens=band.mix.mean_output,
        weights=dict.fromkeys(pools, 1),
        api_share=api_share,
        spill_by_level={}
        if whole and api_share == 1
        else {level.name: share for level, share in zip(levels, spilled, strict=True) if share},
        refused_by_level={level.name: share for level, share in zip(levels, refused, strict=True) if share},
        cut_to_tokens=solved.cut_to(key),
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
            busy[entry] = busy.get(entry, 0.0) + requests / k.capacity[key] * k.gpus_per_replica
    total: dict[str, float] = {}
    for (_, group), load in busy.items():
        total[group] = total.get(group, 0.0) + load
    return {entry: load / total[entry[1]] for entry, load in busy.items() if total[entry[1]]}
