"""The solver's answer as a plan: pools, node groups, routes with their weights and reasons, the bill, the verdicts.

No decision is taken here. Planned spill: the smallest share that a band sends to the API at every level goes straight
there; what it sends beyond that happens at the gate, when the pools are full.
"""

from __future__ import annotations

import platform as machine
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from planner.decision.answer.alternatives import Other, Scaled, fleet_words, gpus
from planner.decision.answer.routes import API_FEATURES, priced, routes
from planner.decision.answer.spend import lines, range_usd, unserved
from planner.decision.answer.verdicts import verdicts
from planner.decision.candidates.demand import Demand
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import Answer, Question
from planner.decision.choice.sizing import Fleet, fleet, peak_load
from planner.decision.choice.solve import SearchLimits, solver_version
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.money.cost import bill
from planner.performance.admission import gate, load_seconds, queued_requests, queued_tokens
from planner.performance.memory import GPU_MEMORY_UTILIZATION
from planner.performance.precision import engine_dtype
from planner.plan.cost import Cost, CostLine
from planner.plan.fleet import EngineSettings, NodeGroup, NodePlacement, Pool, PoolCapacity, PoolClock, Replicas
from planner.plan.plan import Plan
from planner.plan.platform import PlannedPlatform
from planner.plan.review import Alternative, OmissionCount, ScalePoint, Solver
from planner.plan.traffic import FallbackApi, PlanLevel
from planner.words.numbers import dollars


@dataclass(frozen=True)
class Solved:
    """A question, its answer, and what stands behind the names in them."""

    environment: Environment
    catalog: Catalog
    demand: Demand
    question: Question
    answer: Answer
    hostings: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]

    def chosen(self) -> tuple[SelfHosted, ...]:
        """The classes that are bought, sorted by name."""
        return tuple(h for h in self.hostings if h.replica_class.name in self.answer.replicas)


def assemble(
    solved: Solved,
    platform: Sequence[CostLine],
    gaps: Sequence[Gap],
    omitted: Iterable[tuple[str, int]],
    baselines: Sequence[Other],
    runners_up: Sequence[Other],
    break_even: Sequence[Scaled],
    limits: SearchLimits,
) -> Plan:
    """The plan. `platform`: the lines that any self-hosting pays; they are billed only if something is self-hosted."""
    machines = fleet(solved.question, solved.answer)
    chosen = solved.chosen()
    paths = routes(solved.demand, solved.question, solved.answer, chosen, solved.apis)
    used = {name for route in paths for name in route.fallback}
    region = solved.environment.platform.region
    spent = lines(region, solved.catalog, solved.demand, solved.answer, chosen, solved.apis)
    cost = bill([*spent, *(platform if chosen else ())], *range_usd(chosen, solved.answer))
    return Plan(
        platform=_platform(solved.environment),
        levels=_levels(solved.demand),
        node_groups=_node_groups(chosen, machines),
        pools=tuple(_pool(h, solved, machines) for h in chosen),
        routes=priced(paths, cost.lines, solved.demand, chosen, solved.answer),
        apis=tuple(
            _api(option, solved.environment)
            for option in sorted(solved.apis, key=lambda o: o.row.key)
            if option.row.key in used
        ),
        cost=cost,
        verdicts=verdicts(solved.environment, solved.catalog, cost, chosen, gaps, unserved(chosen, solved.answer)),
        overrides=(),
        baselines=_alternatives(baselines),
        runners_up=_alternatives(runners_up),
        break_even=tuple(_point(solved.question, point) for point in break_even),
        omitted=tuple(OmissionCount(reason=reason, count=count) for reason, count in omitted),
        solver=_solver(solved, cost, limits),
    )


def _platform(environment: Environment) -> PlannedPlatform:
    p = environment.platform
    return PlannedPlatform(
        account=p.account,
        region=p.region,
        zones=tuple(sorted(p.zones)),
        nat=p.nat,
        cidr=p.network.cidr,
        public_cidrs=p.endpoint.public_cidrs,
        deploy_role=p.roles.deploy,
        admin_roles=p.roles.admin,
        kubernetes=p.kubernetes,
    )


def _levels(demand: Demand) -> tuple[PlanLevel, ...]:
    return tuple(
        PlanLevel(
            name=level.name,
            hours=level.hours,
            mean_requests_per_second=dict(level.rates),
            planned_requests_per_second=dict(level.planned),
        )
        for level in demand.levels
    )


def _node_groups(chosen: Sequence[SelfHosted], machines: Fleet) -> tuple[NodeGroup, ...]:
    found: dict[str, NodeGroup] = {}
    for h in chosen:
        k, instance = h.replica_class, h.offering.instance
        nodes = machines.nodes[k.node_group]
        found[h.group_name] = NodeGroup(
            name=h.group_name,
            instance_type=k.instance_type,
            gpu=h.shape.gpu.key,
            gpus_per_node=k.gpus_per_node,
            vcpus_per_node=k.vcpus_per_node,
            memory_gib_per_node=int(instance.ram_gib),
            allocatable_cpu_m=instance.allocatable_cpu_m,
            allocatable_memory_mib=instance.allocatable_memory_mib,
            quota_family=k.quota_family,
            capacity_type="on-demand",
            zones=tuple(sorted(h.offering.zones)),
            min_nodes=len(nodes),
            max_nodes=len(nodes),
            exclusive=k.exclusive,
            placement=_placement(nodes),
        )
    return tuple(found[name] for name in sorted(found))


def _placement(nodes: Sequence[Mapping[str, int]]) -> tuple[NodePlacement, ...]:
    """Equal nodes together, the fullest first."""
    counts: dict[tuple[tuple[str, int], ...], int] = {}
    for node in nodes:
        key = tuple(sorted(node.items()))
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts, key=lambda key: (-sum(n for _, n in key), key))
    return tuple(NodePlacement(nodes=counts[key], replicas=dict(key)) for key in ordered)


def _pool(h: SelfHosted, solved: Solved, machines: Fleet) -> Pool:
    k, model = h.replica_class, h.shape.model
    count = machines.replicas[k.name]
    served = {key[0] for key, name in solved.answer.served if name == k.name}
    kinds = {solved.environment.routes[route].data for route in served}
    targets = [route for route in solved.demand.routes if route.name in served]
    context = max(t.lengths.mean_context for t in targets)
    in_flight = _gate(h, solved)
    return Pool(
        name=k.name,
        model=model.key,
        hf_id=h.shape.quantization.checkpoint or model.hf_id,
        revision=model.revision,
        format=h.shape.quantization.name,
        gpu=h.shape.gpu.key,
        node_group=h.group_name,
        privacy="restricted" if "restricted" in kinds else "internal" if "internal" in kinds else "public",
        replicas=Replicas(min=count, max=count),
        max_in_flight=in_flight,
        engine=EngineSettings(
            tensor_parallel_size=k.tensor_parallel_size,
            max_model_len=h.shape.max_model_len,
            max_num_seqs=h.replica.max_num_seqs,
            max_num_batched_tokens=h.shape.max_num_batched_tokens,
            max_num_queued_reqs=queued_requests(in_flight),
            max_num_queued_tokens=queued_tokens(
                h.replica.clock,
                [t.lengths for t in targets],
                [t.target for t in targets],
                h.shape.max_num_batched_tokens,
            ),
            gpu_memory_utilization=Decimal(str(GPU_MEMORY_UTILIZATION)),
            quantization=_vllm_quantization(h),
            dtype=engine_dtype(h.shape.quantization, h.shape.gpu),
        ),
        clock=PoolClock(**{name: getattr(h.replica.clock, name) for name in PoolClock.model_fields}),
        kv_tokens=int(h.replica.memory.kv_tokens(context)),
        weights_gib_per_gpu=Decimal(h.replica.memory.weights_bytes / 2**30),
        load_seconds=load_seconds(h.replica.memory.weights_bytes),
        capacity=tuple(
            PoolCapacity(
                route=route,
                band=band,
                requests_per_second=c.requests_per_second,
                low=c.low,
                high=c.high,
                provenance=c.provenance,
                binding=c.binding,
                ttft_p95_ms=c.ttft_ms_p95,
                tpot_p95_ms=c.tpot_ms_p95,
            )
            for (route, band), c in sorted(h.replica.capacities.items())
            if ((route, band), k.name) in solved.answer.served
        ),
        peak_utilization=peak_load(solved.question, solved.answer, k.name) / count,
    )


def _gate(h: SelfHosted, solved: Solved) -> int:
    """The gate for the bands that the pool serves, weighted by the time of a replica that each takes at its busiest."""
    flows = {flow.key: flow for flow in solved.question.flows}
    times = []
    for (key, name), shares in solved.answer.served.items():
        if name == h.replica_class.name:
            answer = h.replica.capacities[key]
            busiest = max(rate * share for rate, share in zip(flows[key].planned, shares, strict=True))
            times.append((busiest / answer.requests_per_second, answer.concurrency))
    return gate(times, h.replica.max_num_seqs)


def _vllm_quantization(h: SelfHosted) -> str | None:
    """vLLM reads the precision of a published checkpoint by itself; only quantizing while loading is asked for."""
    return h.shape.quantization.name if h.shape.quantization.at_load else None


def _api(option: HostedApi, environment: Environment) -> FallbackApi:
    limits = environment.api.providers[option.row.provider].limits
    provider = option.row.provider
    cached = option.prices.get("cached-input")
    return FallbackApi(
        name=option.row.key,
        provider=provider,
        model=option.row.wire_model,
        base_url=option.base_url,
        api_key_env=f"{provider.upper()}_API_KEY",
        supports=tuple(sorted(f for name in option.row.features for f in API_FEATURES.get(name, ()))),
        renames={"max_tokens": "max_completion_tokens"} if provider == "openai" else {},
        context_tokens=option.row.context_tokens or 0,
        usd_per_million_input_tokens=option.prices["input"].usd,
        usd_per_million_cached_input_tokens=cached.usd if cached else None,
        usd_per_million_output_tokens=option.prices["output"].usd,
        tokens_per_minute=limits.tpm,
        requests_per_minute=limits.rpm,
    )


def _alternatives(others: Iterable[Other]) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            name=o.name,
            usd_per_month=None if o.usd_per_month is None else dollars(o.usd_per_month),
            description=o.description,
        )
        for o in others
    )


def _point(question: Question, point: Scaled) -> ScalePoint:
    return ScalePoint(
        scale=point.scale,
        usd_per_month=point.answer.usd_per_month,
        all_api_usd_per_month=point.all_api_usd,
        gpus=gpus(question, point.answer),
        api_share=point.api_share,
        fleet=fleet_words(question, point.answer),
        routes=dict(point.routes),
    )


def _solver(solved: Solved, cost: Cost, limits: SearchLimits) -> Solver:
    bound = min(dollars(solved.answer.bound_usd), cost.usd_per_month)  # whose lines are rounded to the cent
    return Solver(
        status=solved.answer.status,
        gap=round(solved.answer.gap, 6),
        bound_usd_per_month=bound,
        classes=len(solved.question.classes),
        levels=len(solved.question.level_hours),
        versions={"highs": solver_version(), "python": ".".join(machine.python_version_tuple()[:2])},
        options={
            "mip_rel_gap": str(limits.gap),
            "mip_max_nodes": str(limits.nodes),
            "threads": "1",
            "random_seed": "0",
        },
    )
