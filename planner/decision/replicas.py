"""What one replica could serve: model, precision, GPUs and batch cap, with its capacity in every band of every route.

For each accepted model: every precision × GPU × tensor-parallel size that loads, its step clock with the margin of its
provenance, and one or two batch caps. Which machine carries the GPUs, and what that costs, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from planner.decision.demand import RouteDemand
from planner.decision.omissions import Omission
from planner.decision.question import BandKey
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity, capacities, with_interval
from planner.performance.coefficients import Coefficients
from planner.performance.memory import MemoryFit, NoFit, memory_fit
from planner.performance.precision import Unsupported, quantization_support
from planner.performance.step_time import StepClock, ideal_step, step_clock

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
CAPS = (16, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`) that are tried; a route wants the smallest that loses less than 1 % of throughput."""
WORTH = 0.99
LARGE_GPU_GB = 70


Tenancy = Literal["shared", "solo", "private"]
"""Who stands on a pool and its nodes: `shared` routes whose reserve is an API; `solo` routes without an API; `private`
routes with restricted data, which mix with no other."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A model in a precision on so many GPUs, for routes of one kind. Equal by identity.

    routes: those that accept it. max_model_len: tokens of context that they need, or the most that the model reads.
    """

    model: Model
    quantization: Quantization
    gpu: Gpu
    tensor_parallel_size: int
    tenancy: Tenancy
    routes: tuple[RouteDemand, ...]

    @property
    def subject(self) -> str:
        return f"{self.model.key} ({self.quantization.name}) on {self.tensor_parallel_size} × {self.gpu.key}"

    @property
    def max_model_len(self) -> int:
        return min(max(route.max_model_len for route in self.routes), self.model.max_context)

    @property
    def max_num_batched_tokens(self) -> int:
        """vLLM's defaults by the size of the GPU."""
        return 8192 if self.gpu.memory_gb >= LARGE_GPU_GB else 2048

    def memory(self, cap: int) -> MemoryFit | NoFit:
        """Whether it loads with that batch cap."""
        return memory_fit(
            self.model,
            self.quantization,
            self.gpu,
            tensor_parallel_size=self.tensor_parallel_size,
            max_num_seqs=cap,
            max_model_len=self.max_model_len,
            max_num_batched_tokens=self.max_num_batched_tokens,
        )


@dataclass(frozen=True)
class Replica:
    """A shape with one batch cap, and what it can take. variant: `` for the widest cap of its shape, else `capN`."""

    shape: Shape
    max_num_seqs: int
    variant: str
    memory: MemoryFit
    clock: StepClock
    capacities: Mapping[BandKey, Capacity]


@dataclass(frozen=True)
class Ruler:
    """How step times are judged: the fit, and the factor on step time by GPU (1 without a margin)."""

    coefficients: Coefficients
    margins: Mapping[str, float]

    def clock(self, shape: Shape) -> StepClock:
        """Step clock of a shape, at the mean context of the routes that share it, with the margin."""
        context = max(1.0, sum(route.lengths.mean_context for route in shape.routes) / len(shape.routes))
        architecture, size = shape.model.architecture, shape.tensor_parallel_size
        ideal = ideal_step(architecture, shape.quantization, shape.gpu, size, context_tokens=context)
        return step_clock(ideal, self.coefficients).slowed(self.margins[shape.gpu.key])

    def question(
        self, shape: Shape, clock: StepClock, memory: MemoryFit, route: RouteDemand, band: int | None, cap: int
    ) -> CapacityQuestion:
        """What the performance model is asked; band None: the whole route."""
        return CapacityQuestion(
            clock=clock,
            memory=memory,
            lengths=route.lengths if band is None else route.band_lengths[band],
            target=route.target,
            max_num_seqs=cap,
            max_num_batched_tokens=shape.max_num_batched_tokens,
            burst_ratio=route.burst_ratio,
            first_token_overhead_ms=self.coefficients.first_token_overhead_ms,
            provenance=self.coefficients.provenance(shape.gpu.key),
        )


def replicas(
    routes: Sequence[RouteDemand], catalog: Catalog, gpus: Iterable[Gpu], ruler: Ruler, tenancy: Mapping[str, Tenancy]
) -> tuple[tuple[Replica, ...], tuple[Omission, ...]]:
    """All replicas that can serve some band, and what fell. tenancy: by route."""
    omitted: list[Omission] = []
    shapes = []
    for shape in _shapes(routes, catalog, gpus, tenancy):
        refusal = _refusal(shape)
        if refusal is None:
            shapes.append(shape)
        else:
            omitted.append(refusal)
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    return _rated(_caps(clocks, ruler, omitted), clocks, ruler, omitted), tuple(omitted)


def with_error(replica: Replica, ruler: Ruler) -> Replica:
    """The same replica with the low and high of its capacities: asked again at the p10 and p90 of the residuals."""
    shape = replica.shape
    fast, slow = (edge / ruler.margins[shape.gpu.key] for edge in ruler.coefficients.interval(shape.gpu.key))
    by_name = {route.name: route for route in shape.routes}
    ranged = {}
    for (name, band), answer in replica.capacities.items():
        question = ruler.question(shape, replica.clock, replica.memory, by_name[name], band, replica.max_num_seqs)
        ranged[(name, band)] = with_interval(answer, question, (fast, slow))
    return replace(replica, capacities=ranged)


def _shapes(
    routes: Sequence[RouteDemand], catalog: Catalog, gpus: Iterable[Gpu], tenancy: Mapping[str, Tenancy]
) -> Iterator[Shape]:
    accepted: dict[tuple[str, str, Tenancy], tuple[Model, Quantization, list[RouteDemand]]] = {}
    for route in routes:
        for model, quantization in _accepted(route, catalog):
            key = (model.key, quantization.name, tenancy[route.name])
            users = accepted.setdefault(key, (model, quantization, []))[2]
            if route not in users:
                users.append(route)
    listed = tuple(gpus)
    for (_, _, kind), (model, quantization, users) in sorted(accepted.items()):
        for gpu in listed:
            for size in TENSOR_PARALLEL_SIZES:
                yield Shape(model, quantization, gpu, size, kind, tuple(users))


def _accepted(route: RouteDemand, catalog: Catalog) -> Iterator[tuple[Model, Quantization]]:
    for entry in route.route.quality.accept:
        accepted = catalog.accepted(entry)
        if not isinstance(accepted, Gap) and accepted.model is not None:
            for quantization in accepted.precisions:
                yield accepted.model, quantization


def _refusal(shape: Shape) -> Omission | None:
    support = quantization_support(shape.model.key, shape.quantization, shape.gpu)
    if isinstance(support, Unsupported):
        return Omission("format", shape.subject, support.reason)
    memory = shape.memory(CAPS[0])
    return Omission("memory", shape.subject, memory.reason) if isinstance(memory, NoFit) else None


def _caps(
    clocks: Mapping[Shape, StepClock], ruler: Ruler, omitted: list[Omission]
) -> list[tuple[Shape, int, str, MemoryFit]]:
    """For each shape the narrowest and the widest of the caps that its routes want: one when they agree."""
    asked, questions = [], []
    fits: dict[tuple[Shape, int], MemoryFit] = {}
    for shape, clock in clocks.items():
        for cap in CAPS:
            memory = shape.memory(cap)
            if isinstance(memory, MemoryFit):
                fits[(shape, cap)] = memory
                for route in shape.routes:
                    asked.append((shape, route, cap))
                    questions.append(ruler.question(shape, clock, memory, route, None, cap))
    rates: dict[tuple[Shape, str], dict[int, float]] = {}
    reasons: dict[tuple[Shape, str], str] = {}
    for (shape, route, cap), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name), {})[cap] = answer.requests_per_second
        else:
            reasons.setdefault((shape, route.name), answer.reason)
    for (shape, name), reason in reasons.items():
        if (shape, name) not in rates:
            omitted.append(Omission("slo", shape.subject, reason, name))
    wanted: dict[Shape, set[int]] = {}
    for (shape, _), by_cap in rates.items():
        best = max(by_cap.values())
        wanted.setdefault(shape, set()).add(min(cap for cap, rate in by_cap.items() if rate >= WORTH * best))
    return [
        (shape, cap, "" if cap == max(caps) else f"cap{cap}", fits[(shape, cap)])
        for shape, caps in wanted.items()
        for cap in sorted({min(caps), max(caps)})
    ]


def _rated(
    capped: Sequence[tuple[Shape, int, str, MemoryFit]],
    clocks: Mapping[Shape, StepClock],
    ruler: Ruler,
    omitted: list[Omission],
) -> tuple[Replica, ...]:
    """Capacity in each band of the routes that may use the shape; a band that misses its SLO is left out."""
    asked, questions = [], []
    for index, (shape, cap, _, memory) in enumerate(capped):
        for route in shape.routes:
            for band, needed in enumerate(route.band_context):
                if needed > shape.model.max_context:
                    reason = f"{route.bands[band].name} prompts and answers reach {needed} tokens; it reads "
                    omitted.append(Omission("context", shape.subject, f"{reason}{shape.model.max_context}", route.name))
                    continue
                asked.append((index, route, band))
                questions.append(ruler.question(shape, clocks[shape], memory, route, band, cap))
    rated: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, NoCapacity):
            reason = f"{route.bands[band].name} prompts: {answer.reason}"
            omitted.append(Omission("slo", capped[index][0].subject, reason, route.name))
        else:
            rated.setdefault(index, {})[(route.name, band)] = answer
    return tuple(
        Replica(shape, cap, variant, memory, clocks[shape], rated[index])
        for index, (shape, cap, variant, memory) in enumerate(capped)
        if index in rated
    )
