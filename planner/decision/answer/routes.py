"""Where the requests of each route go, in the words of the lock: weights and planned spill by band, triggers, reasons.

Reasons are sentences with the arithmetic that a reader can check by hand: what a request costs on the pool at its
planned use, what it costs at the API, and why the mix stops where it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from planner.decision.answer.alternatives import api_share
from planner.decision.candidates.demand import Demand, RouteDemand
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import Answer, Question, ranked
from planner.plan.cost import CostLine
from planner.plan.traffic import PlannedRoute, PlannedSlo, RouteBand, Triggers
from planner.words.numbers import dollars, figure
from planner.words.units import HOURS_PER_MONTH

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes of English text per token, by which the gateway guesses the input band. No tokenizer ratio is in the
catalog; measure it on your own prompts."""
PATIENCE = 1.5
"""A stream without a first event after this multiple of its TTFT target is given up and spilled."""
DEADLINE_MS = 120_000
API_FEATURES: Mapping[str, tuple[str, ...]] = {
    "tools": ("tools", "functions"),
    "json-schema": ("response_format",),
    "vision": ("image",),
    "logprobs": ("logprobs",),
}
"""The catalog's words for what a hosted model can do → the gateway's request features."""


def routes(
    demand: Demand,
    question: Question,
    answer: Answer,
    chosen: Sequence[SelfHosted],
    apis: Sequence[HostedApi],
) -> tuple[PlannedRoute, ...]:
    """All routes, without their cost, which the bill gives them afterwards."""
    return tuple(_route(route, demand, question, answer, chosen, apis) for route in demand.routes)


def priced(
    paths: Sequence[PlannedRoute],
    lines: Sequence[CostLine],
    demand: Demand,
    chosen: Sequence[SelfHosted],
    answer: Answer,
) -> tuple[PlannedRoute, ...]:
    """The same routes with what they cost: their API lines, and of each node group the part that their load takes."""
    share = _group_shares(demand, chosen, answer)
    hours = {level.name: float(level.hours) for level in demand.levels}
    found = []
    for path, route in zip(paths, demand.routes, strict=True):
        usd = Decimal(0)
        for entry in lines:
            if entry.component == path.name:
                usd += entry.usd_per_month
            usd += entry.usd_per_month * Decimal(share.get((path.name, entry.component), 0.0))
        requests = sum(level.rates[route.name] * hours[level.name] * 3600 for level in demand.levels)
        tokens = requests * (route.workload.mix.mean_input + route.workload.mix.mean_output)
        found.append(
            path.model_copy(
                update={"usd_per_month": dollars(usd), "usd_per_million_tokens": figure(float(usd) / tokens * 1e6)}
            )
        )
    return tuple(found)


def _route(
    route: RouteDemand,
    demand: Demand,
    question: Question,
    answer: Answer,
    chosen: Sequence[SelfHosted],
    apis: Sequence[HostedApi],
) -> PlannedRoute:
    models = sorted(
        {
            h.shape.model.key
            for h in chosen
            for key, name in answer.served
            if key[0] == route.name and name == h.replica_class.name
        }
    )
    by_name = {o.row.key: o for o in apis}
    options = [by_name[option.name] for option in ranked([o.option for o in apis], route.name)]
    longest = route.workload.mix.input_quantile(0.95)
    ttft_ms = route.target.ttft_ms + route.target.ttft_ms_per_1k_input * longest / 1000
    slo = route.route.slo
    return PlannedRoute(
        name=route.name,
        task=route.route.task,
        privacy=route.route.data,
        residency=route.route.residency,
        slo=PlannedSlo(
            ttft_p95_base_ms=slo.ttft_p95.base,
            ttft_p95_per_1k_input_ms=slo.ttft_p95.per_1k_input,
            tpot_p95_ms=slo.tpot_p95,
            availability=slo.availability,
        ),
        model=models[0] if models else None,
        bytes_per_token=BYTES_PER_TOKEN,
        bands=tuple(_band(route, index, demand, question, answer) for index in range(len(route.bands))),
        fallback=tuple(option.row.key for option in options),
        triggers=Triggers(
            spill_after_ms=math.ceil(PATIENCE * ttft_ms),
            deadline_ms=DEADLINE_MS,
            queue_ms=0 if options else math.ceil(ttft_ms),
        ),
        spill_share=api_share(question, answer, route.name),
        usd_per_month=0,
        usd_per_million_tokens=0,
        binding=_binding(route, answer, chosen),
        reasons=_reasons(route, demand, question, answer, chosen, options),
    )


def _band(route: RouteDemand, index: int, demand: Demand, question: Question, answer: Answer) -> RouteBand:
    band, key = route.bands[index], (route.name, index)
    pools = [name for k, name in answer.served if k == key]
    spilled = [0.0] * len(demand.levels)
    for (k, _), shares in answer.spilled.items():
        if k == key:
            spilled = [have + more for have, more in zip(spilled, shares, strict=True)]
    spilled = [0.0 if value < 1e-4 else min(1.0, value) for value in spilled]
    return RouteBand(
        max_input_tokens=None if band.below_tokens is None else band.below_tokens - 1,
        share_of_requests=band.share,
        mean_input_tokens=band.mix.mean_input,
        mean_output_tokens=band.mix.mean_output,
        weights=dict.fromkeys(pools, 1),
        api_share=min(spilled) if pools else 1,
        spill_by_level={level.name: value for level, value in zip(demand.levels, spilled, strict=True) if value},
    )


def _binding(route: RouteDemand, answer: Answer, chosen: Sequence[SelfHosted]) -> str:
    """What limits the route's pool: the resource that gives way first in its largest band."""
    for index in sorted(range(len(route.bands)), key=lambda i: -route.bands[i].share):
        for h in chosen:
            if ((route.name, index), h.replica_class.name) in answer.served:
                return h.replica.capacities[(route.name, index)].binding
    return "api"


def _reasons(
    route: RouteDemand,
    demand: Demand,
    question: Question,
    answer: Answer,
    chosen: Sequence[SelfHosted],
    options: Sequence[HostedApi],
) -> tuple[str, ...]:
    found = []
    if not options and route.route.data == "restricted":
        found.append(
            "restricted data: no API may see it, so nodes of its own must carry it even after one of them is lost"
        )
    api = options[0] if options else None
    for h in chosen:
        bands = [i for i in range(len(route.bands)) if ((route.name, i), h.replica_class.name) in answer.served]
        if bands:
            found.append(_pool_reason(route, demand, answer, h, bands))
    if api is not None:
        cost = sum(band.share * api.option.usd_per_request[(route.name, i)] for i, band in enumerate(route.bands))
        found.append(f"at {api.row.key} a request costs ${cost:.6f}")
    share = api_share(question, answer, route.name)
    if api is not None and chosen and 0.001 <= share < 0.999:
        found.append(_spill_reason(route, demand, answer, chosen, options, share))
    elif api is not None and share >= 0.999:
        able = any(key[0] == route.name for k in question.classes for key in k.capacity)
        found.append(
            "the API takes all of it: at this load no machine is used enough to be cheaper"
            if able
            else "the API takes all of it: no machine serves its models within the SLO; the API's latency is not known"
        )
    return tuple(found)


def _pool_reason(route: RouteDemand, demand: Demand, answer: Answer, h: SelfHosted, bands: Sequence[int]) -> str:
    """$/h of a replica ÷ requests/h it serves when full."""
    k = h.replica_class
    hourly = k.usd_per_node_hour * k.tensor_parallel_size / k.gpus_per_node
    share = sum(route.bands[i].share for i in bands)
    rate = share / sum(route.bands[i].share / k.capacity[(route.name, i)] for i in bands)
    names = " and ".join(route.bands[i].name for i in bands)
    return (
        f"{names} prompts on {k.name}: a replica costs ${hourly:.4f}/h and serves {rate:.3g} requests/s within "
        f"the SLO, so ${hourly / rate / 3600:.6f} a request when full"
    )


def _spill_reason(
    route: RouteDemand,
    demand: Demand,
    answer: Answer,
    chosen: Sequence[SelfHosted],
    options: Sequence[HostedApi],
    share: float,
) -> str:
    """What the spilled requests cost, and what one more node would."""
    spilled = {level.name: 0.0 for level in demand.levels}
    prices, usd = {o.row.key: o.option.usd_per_request for o in options}, 0.0
    for (key, api), shares in answer.spilled.items():
        if key[0] == route.name:
            part = route.bands[key[1]].share
            for level, value in zip(demand.levels, shares, strict=True):
                spilled[level.name] += value * part
                usd += level.rates[route.name] * part * value * float(level.hours) * 3600 * prices[api][key]
    where = ", ".join(f"{name} {value:.0%}" for name, value in spilled.items() if value >= 0.005)
    told = f"{share:.1%} of its requests go to the API ({where}) for ${usd:,.0f} a month"
    nodes = [
        h.replica_class
        for h in chosen
        if any(key[0] == route.name and n == h.replica_class.name for key, n in answer.served)
    ]
    if not nodes:
        return told
    cheapest = min(nodes, key=lambda k: (k.usd_per_node_hour, k.name))
    return f"{told}; one more {cheapest.instance_type} would cost ${cheapest.usd_per_node_hour * HOURS_PER_MONTH:,.0f}"


def _group_shares(demand: Demand, chosen: Sequence[SelfHosted], answer: Answer) -> dict[tuple[str, str], float]:
    """(route, node group) → the part of the group's replica-hours that the route's load takes."""
    busy: dict[tuple[str, str], float] = {}
    for h in chosen:
        k = h.replica_class
        for (key, name), shares in answer.served.items():
            if name != k.name:
                continue
            band = next(r for r in demand.routes if r.name == key[0]).bands[key[1]]
            for level, share in zip(demand.levels, shares, strict=True):
                load = level.rates[key[0]] * band.share * share / k.capacity[key] * k.tensor_parallel_size
                entry = (key[0], h.group_name)
                busy[entry] = busy.get(entry, 0.0) + load * float(level.hours)
    total: dict[str, float] = {}
    for (_, group), value in busy.items():
        total[group] = total.get(group, 0.0) + value
    return {key: value / total[key[1]] for key, value in busy.items() if total[key[1]]}
