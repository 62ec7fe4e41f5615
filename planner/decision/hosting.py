"""Self-hosted candidates: which model, in which precision, on which GPUs, could serve which route, and how much.

For each accepted model: every precision × GPU × tensor-parallel size that loads, its step clock with the margin of its
provenance, one batch cap, and its capacity in each input band. Capacity depends on the GPU alone; the instance types
that carry it are joined afterwards. A class that several routes share has one cap and one context length for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.demand import RouteDemand
from planner.decision.omissions import Omission
from planner.decision.question import BandKey, ReplicaClass
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu, Offering, Offerings
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity, capacities, with_interval
from planner.performance.coefficients import Coefficients
from planner.performance.memory import MemoryFit, NoFit, memory_fit
from planner.performance.precision import Unsupported, quantization_support
from planner.performance.step_time import StepClock, ideal_step, step_clock

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
CAPS = (16, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`) that are tried; the smallest that loses less than 1 % of throughput is taken."""
WORTH = 0.99
HOST_MEMORY_MIB_PER_GPU = 12_000
HOST_CPU_M_PER_GPU = 3_000
"""What a vLLM worker needs beside its GPU: one busy core and its shared memory, and room for the weight loader. An
assumption; instance types with less for each GPU are left out."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A model in a precision on so many GPUs; `private`: for routes that no API may help. Equal by identity."""

    model: Model
    quantization: Quantization
    gpu: Gpu
    tensor_parallel_size: int
    private: bool

    @property
    def subject(self) -> str:
        return f"{self.model.key} ({self.quantization.name}) on {self.tensor_parallel_size} × {self.gpu.key}"


@dataclass(frozen=True)
class Hosting:
    """A replica class and what it was computed from."""

    replica_class: ReplicaClass
    shape: Shape
    offering: Offering
    memory: MemoryFit
    clock: StepClock
    max_num_seqs: int
    max_model_len: int
    max_num_batched_tokens: int
    capacities: Mapping[BandKey, Capacity]


def hostings(
    routes: Sequence[RouteDemand],
    catalog: Catalog,
    offerings: Offerings,
    coefficients: Coefficients,
    private: Mapping[str, bool],
    margin: bool,
    node_extra_usd_per_hour: float,
) -> tuple[tuple[Hosting, ...], tuple[Omission, ...]]:
    """All classes that could serve some route, and what fell on the way.

    offerings: what may be bought, already in the region and its zones. private: by route, whether no API may help it.
    margin: apply the p90 of the residuals to step times. node_extra_usd_per_hour: disk and the like of every node.
    """
    omitted: list[Omission] = []
    wanted = _shapes(routes, catalog, offerings.gpus(), private)
    loaded: dict[Shape, tuple[list[RouteDemand], int]] = {}
    for shape, users in wanted.items():
        context = min(max(route.max_model_len for route in users), shape.model.max_context)
        refusal = _refusal(shape, context)
        if refusal is not None:
            omitted.append(refusal)
        else:
            loaded[shape] = (users, context)
    clocks = {shape: _clock(shape, users, coefficients, margin) for shape, (users, _) in loaded.items()}
    caps = _caps(loaded, clocks, coefficients, omitted)
    rated = _rated(loaded, clocks, caps, coefficients, omitted)
    hosts = _hosts(offerings, omitted)
    found = []
    for shape, by_band in rated.items():
        for offering in hosts.get(shape.gpu.key, ()):
            count = offering.instance.gpu_count
            if shape.tensor_parallel_size <= count and count % shape.tensor_parallel_size == 0:
                memory = _memory(shape, loaded[shape][1], caps[shape])
                assert isinstance(memory, MemoryFit)
                found.append(
                    Hosting(
                        _replica_class(shape, offering, by_band, node_extra_usd_per_hour),
                        shape,
                        offering,
                        memory,
                        clocks[shape],
                        caps[shape],
                        loaded[shape][1],
                        batched_tokens(shape.gpu),
                        by_band,
                    )
                )
    return tuple(sorted(found, key=lambda h: h.replica_class.name)), tuple(omitted)


def batched_tokens(gpu: Gpu) -> int:
    """`max_num_batched_tokens`: vLLM's defaults by the size of the GPU, 8192 from 70 GiB on, 2048 below."""
    return 8192 if gpu.memory_gb >= 70 else 2048


def with_error(hosting: Hosting, routes: Sequence[RouteDemand], coefficients: Coefficients, margin: bool) -> Hosting:
    """The same class with the low and high of its capacities: asked again at the p10 and p90 of the residuals."""
    gpu = hosting.shape.gpu.key
    applied = coefficients.margin(gpu) if margin else 1.0
    fast, slow = (edge / applied for edge in coefficients.interval(gpu))
    by_name = {route.name: route for route in routes}
    ranged = {}
    for key, answer in hosting.capacities.items():
        question = _question(
            hosting.shape, hosting.clock, hosting.memory, by_name[key[0]], key[1], hosting.max_num_seqs, coefficients
        )
        ranged[key] = with_interval(answer, question, (fast, slow))
    return replace(hosting, capacities=ranged)


def group_name(hosting: Hosting) -> str:
    """Name of the node group that a class stands on: shared by instance type, or the class's own."""
    k = hosting.replica_class
    return k.name if k.exclusive else f"{k.instance_type.replace('.', '-')}-on-demand"


def slug(text: str) -> str:
    """A name as Kubernetes wants it: lower-case letters, digits, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _shapes(
    routes: Sequence[RouteDemand], catalog: Catalog, gpus: Iterable[Gpu], private: Mapping[str, bool]
) -> dict[Shape, list[RouteDemand]]:
    found: dict[tuple[str, str, str, int, bool], tuple[Shape, list[RouteDemand]]] = {}
    gpus = tuple(gpus)
    for route in routes:
        for model, quantization in _accepted(route, catalog):
            for gpu in gpus:
                for size in TENSOR_PARALLEL_SIZES:
                    shape = Shape(model, quantization, gpu, size, private[route.name])
                    key = (model.key, quantization.name, gpu.key, size, shape.private)
                    users = found.setdefault(key, (shape, []))[1]
                    if route not in users:
                        users.append(route)
    return dict(found.values())


def _accepted(route: RouteDemand, catalog: Catalog) -> Iterator[tuple[Model, Quantization]]:
    for entry in route.route.quality.accept:
        accepted = catalog.accepted(entry)
        if not isinstance(accepted, Gap) and accepted.model is not None:
            for quantization in accepted.precisions:
                yield accepted.model, quantization


def _refusal(shape: Shape, context: int) -> Omission | None:
    support = quantization_support(shape.model.key, shape.quantization, shape.gpu)
    if isinstance(support, Unsupported):
        return Omission("format", shape.subject, support.reason)
    memory = _memory(shape, context, CAPS[0])
    return Omission("memory", shape.subject, memory.reason) if isinstance(memory, NoFit) else None


def _memory(shape: Shape, context: int, cap: int) -> MemoryFit | NoFit:
    return memory_fit(
        shape.model,
        shape.quantization,
        shape.gpu,
        tensor_parallel_size=shape.tensor_parallel_size,
        max_num_seqs=cap,
        max_model_len=context,
        max_num_batched_tokens=batched_tokens(shape.gpu),
    )


def _clock(shape: Shape, users: Sequence[RouteDemand], coefficients: Coefficients, margin: bool) -> StepClock:
    context = max(1.0, sum(route.lengths.mean_context for route in users) / len(users))
    ideal = ideal_step(
        shape.model.architecture, shape.quantization, shape.gpu, shape.tensor_parallel_size, context_tokens=context
    )
    clock = step_clock(ideal, coefficients)
    return clock.slowed(coefficients.margin(shape.gpu.key)) if margin else clock


def _question(
    shape: Shape,
    clock: StepClock,
    memory: MemoryFit,
    route: RouteDemand,
    band: int | None,
    cap: int,
    coefficients: Coefficients,
) -> CapacityQuestion:
    return CapacityQuestion(
        clock=clock,
        memory=memory,
        lengths=route.lengths if band is None else route.band_lengths[band],
        target=route.target,
        max_num_seqs=cap,
        max_num_batched_tokens=batched_tokens(shape.gpu),
        burst_ratio=route.burst_ratio,
        provenance=coefficients.provenance(shape.gpu.key),
    )


def _caps(
    loaded: Mapping[Shape, tuple[list[RouteDemand], int]],
    clocks: Mapping[Shape, StepClock],
    coefficients: Coefficients,
    omitted: list[Omission],
) -> dict[Shape, int]:
    """One cap a shape: of the smallest caps worth it to each route the smallest, which serves the strictest."""
    asked: list[tuple[Shape, RouteDemand, int]] = []
    questions = []
    for shape, (users, context) in loaded.items():
        for cap in CAPS:
            memory = _memory(shape, context, cap)
            if isinstance(memory, MemoryFit):
                for route in users:
                    asked.append((shape, route, cap))
                    questions.append(_question(shape, clocks[shape], memory, route, None, cap, coefficients))
    rates: dict[tuple[Shape, str], dict[int, float]] = {}
    reasons: dict[tuple[Shape, str], str] = {}
    for (shape, route, cap), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name), {})[cap] = answer.requests_per_second
        else:
            reasons.setdefault((shape, route.name), answer.reason)
    caps: dict[Shape, int] = {}
    for (shape, _), by_cap in rates.items():
        best = max(by_cap.values())
        cap = min(c for c, rate in by_cap.items() if rate >= WORTH * best)
        caps[shape] = min(cap, caps.get(shape, cap))
    for (shape, name), reason in reasons.items():
        if (shape, name) not in rates:
            omitted.append(Omission("slo", shape.subject, reason, name))
    return caps


def _rated(
    loaded: Mapping[Shape, tuple[list[RouteDemand], int]],
    clocks: Mapping[Shape, StepClock],
    caps: Mapping[Shape, int],
    coefficients: Coefficients,
    omitted: list[Omission],
) -> dict[Shape, dict[BandKey, Capacity]]:
    """Capacity of each shape in each band of the routes that may use it; a band that misses its SLO is left out."""
    asked: list[tuple[Shape, RouteDemand, int]] = []
    questions = []
    for shape, cap in caps.items():
        users, context = loaded[shape]
        memory = _memory(shape, context, cap)
        assert isinstance(memory, MemoryFit)
        for route in users:
            for band in range(len(route.bands)):
                asked.append((shape, route, band))
                questions.append(_question(shape, clocks[shape], memory, route, band, cap, coefficients))
    found: dict[Shape, dict[BandKey, Capacity]] = {}
    for (shape, route, band), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, NoCapacity):
            omitted.append(
                Omission("slo", shape.subject, f"{route.bands[band].name} prompts: {answer.reason}", route.name)
            )
        else:
            found.setdefault(shape, {})[(route.name, band)] = answer
    return found


def _hosts(offerings: Offerings, omitted: list[Omission]) -> dict[str, list[Offering]]:
    """By GPU, the cheapest instance type of each number of GPUs that has enough CPU and memory beside them."""
    best: dict[tuple[str, int], Offering] = {}
    for offering in offerings:
        instance = offering.instance
        small = instance.allocatable_memory_mib < HOST_MEMORY_MIB_PER_GPU * instance.gpu_count
        if small or instance.allocatable_cpu_m < HOST_CPU_M_PER_GPU * instance.gpu_count or instance.bare_metal:
            omitted.append(Omission("host", instance.key, "too little CPU or memory for each GPU, or bare metal"))
            continue
        assert offering.price is not None  # `available()` dropped the others
        key = (offering.gpu.key, instance.gpu_count)
        held = best.get(key)
        if held is None or (offering.price.usd, instance.key) < (_usd(held), held.instance.key):
            if held is not None:
                omitted.append(Omission("dominated", held.instance.key, f"{instance.key} has the same GPUs for less"))
            best[key] = offering
        else:
            omitted.append(Omission("dominated", instance.key, f"{held.instance.key} has the same GPUs for less"))
    hosts: dict[str, list[Offering]] = {}
    for (gpu, _), offering in sorted(best.items()):
        hosts.setdefault(gpu, []).append(offering)
    return hosts


def _usd(offering: Offering) -> object:
    assert offering.price is not None
    return offering.price.usd


def _replica_class(shape: Shape, offering: Offering, by_band: Mapping[BandKey, Capacity], extra: float) -> ReplicaClass:
    assert offering.price is not None
    instance = offering.instance
    place = f"{slug(shape.gpu.key)}-{shape.tensor_parallel_size}of{instance.gpu_count}"
    name = f"{slug(shape.model.key)}-{slug(shape.quantization.name)}-{place}"
    return ReplicaClass(
        name=f"{name}-private" if shape.private else name,
        model=shape.model.key,
        instance_type=instance.key,
        gpus_per_node=instance.gpu_count,
        tensor_parallel_size=shape.tensor_parallel_size,
        vcpus_per_node=instance.vcpu,
        quota_family=instance.quota,
        usd_per_node_hour=float(offering.price.usd) + extra,
        exclusive=shape.private,
        capacity={key: answer.requests_per_second for key, answer in by_band.items()},
    )
