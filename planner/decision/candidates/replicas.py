"""What one replica could serve: model, precision, GPUs and batch cap, with its capacity in every band of every route.

For each accepted model: every precision × GPU × tensor-parallel size that loads, its step clock with the margin of its
provenance, and one or two batch caps. Which machine carries the GPUs, and what that costs, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import (
    Candidate,
    DoesNotLoad,
    FormatNotRun,
    MissesSlo,
    Omission,
    TooLittleContext,
)
from planner.decision.choice.question import BandKey
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.calibration import Calibration, Evidence, evidence
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity, capacities, rate_factors, with_interval
from planner.performance.coefficients import Coefficients
from planner.performance.engine.scheduler import default_batched_tokens
from planner.performance.memory import MemoryFit, NoFit, memory_fit, weights_bytes
from planner.performance.precision import Unsupported, quantization_support
from planner.performance.roofline import ideal_step, step_clock
from planner.performance.step_time import StepClock

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
CAPS = (16, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`) that are tried; a route wants the smallest that loses less than 1 % of throughput."""
WORTH = 0.99


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
    def identity(self) -> Candidate:
        """The shape by its catalog keys, without a machine."""
        return Candidate(self.model.key, self.quantization.name, self.gpu.key, self.tensor_parallel_size)

    @property
    def stored(self) -> Quantization:
        """What the model bucket holds: the native weights where the engine quantizes them while it loads."""
        native = self.model.precision(self.model.native)
        return native if self.quantization.at_load and native is not None else self.quantization

    @property
    def checkpoint(self) -> str:
        """Name of the weights in the bucket: repository and format."""
        return f"{self.stored.checkpoint or self.model.hf_id}/{self.stored.name}"

    @property
    def checkpoint_gb(self) -> float:
        """Size of the weights in the bucket, in 10⁹ bytes."""
        return weights_bytes(self.model, self.stored, 1) / 1e9

    @property
    def max_model_len(self) -> int:
        return min(max(route.max_model_len for route in self.routes), self.model.max_context)

    @property
    def max_num_batched_tokens(self) -> int:
        """vLLM's defaults by the size of the GPU."""
        return default_batched_tokens(self.gpu.memory_gb)

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
    """How step times are judged: the fit, and the factor on step time by GPU (1 without a margin).

    calibrations: the team's own, by GPU; there they replace the fit, its margins and its provenance. quantile: of the
    residuals that a margin covers.
    """

    coefficients: Coefficients
    margins: Mapping[str, float]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    quantile: Literal["p50", "p90"] = "p90"

    def evidence(self, shape: Shape) -> Evidence:
        """What is known of the speed of a shape."""
        weights, gpu = f"{shape.model.key}/{shape.quantization.name}", shape.gpu.key
        calibration = self.calibrations.get(gpu)
        return evidence(self.coefficients, calibration, gpu, weights, shape.tensor_parallel_size)

    def margin(self, shape: Shape) -> float:
        """Factor on the step time of a shape."""
        if shape.gpu.key not in self.calibrations:
            return self.margins[shape.gpu.key]
        return self.evidence(shape).margin if self.quantile == "p90" else 1.0

    def clock(self, shape: Shape) -> StepClock:
        """Step clock of a shape, at the mean context of the routes that share it, with the margin."""
        context = max(1.0, sum(route.lengths.mean_context for route in shape.routes) / len(shape.routes))
        architecture, size = shape.model.architecture, shape.tensor_parallel_size
        ideal = ideal_step(architecture, shape.quantization, shape.gpu, size, context_tokens=context)
        known = self.evidence(shape)
        return step_clock(ideal, known.coefficients).slowed(known.step * self.margin(shape)).as_written()

    def question(
        self, shape: Shape, clock: StepClock, memory: MemoryFit, route: RouteDemand, band: int | None, cap: int
    ) -> CapacityQuestion:
        """What the performance model is asked; band None: the whole route.

        A factor on TTFT is asked for by a target that is as much nearer; `answered` gives the times back.
        """
        known = self.evidence(shape)
        return CapacityQuestion(
            clock=clock,
            memory=memory,
            lengths=route.lengths if band is None else route.band_lengths[band],
            target=route.target.nearer(known.first_token),
            max_num_seqs=cap,
            max_num_batched_tokens=shape.max_num_batched_tokens,
            burst_ratio=route.burst_ratio,
            first_token_overhead_ms=known.coefficients.first_token_overhead_ms,
            provenance=known.provenance,
        )

    def answered(self, shape: Shape, answer: Capacity) -> Capacity:
        """The same capacity with TTFT as it will be measured."""
        factor = self.evidence(shape).first_token
        if factor == 1.0:
            return answer
        return replace(answer, ttft_ms_p50=answer.ttft_ms_p50 * factor, ttft_ms_p95=answer.ttft_ms_p95 * factor)


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
    fast, slow = (edge / ruler.margin(shape) for edge in ruler.evidence(shape).interval)
    by_name = {route.name: route for route in shape.routes}
    ranged = {}
    for (name, band), answer in replica.capacities.items():
        question = ruler.question(shape, replica.clock, replica.memory, by_name[name], band, replica.max_num_seqs)
        ranged[(name, band)] = with_interval(answer, question, (fast, slow))
    return replace(replica, capacities=ranged)


def without_margin(replicas: Sequence[Replica], ruler: Ruler) -> list[dict[BandKey, float]]:
    """Requests/s of each by band if every step took what the fit expects, instead of that and a margin."""
    questions, slowness = [], []
    for replica in replicas:
        shape, cap = replica.shape, replica.max_num_seqs
        by_name = {route.name: route for route in shape.routes}
        for name, band in replica.capacities:
            questions.append(ruler.question(shape, replica.clock, replica.memory, by_name[name], band, cap))
            slowness.append(1.0 / ruler.margin(shape))
    factors = iter(rate_factors(questions, slowness))
    return [
        {key: answer.requests_per_second * max(1.0, next(factors)) for key, answer in replica.capacities.items()}
        for replica in replicas
    ]


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
        return Omission(shape.identity, FormatNotRun(support))
    memory = shape.memory(CAPS[0])
    return Omission(shape.identity, DoesNotLoad(memory)) if isinstance(memory, NoFit) else None


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
    misses: dict[tuple[Shape, str], NoCapacity] = {}
    for (shape, route, cap), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name), {})[cap] = answer.requests_per_second
        else:
            misses.setdefault((shape, route.name), answer)
    for (shape, name), miss in misses.items():
        if (shape, name) not in rates:
            omitted.append(Omission(shape.identity, MissesSlo(miss), name))
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
                    lacks = TooLittleContext(needed, shape.model.max_context, route.bands[band].name)
                    omitted.append(Omission(shape.identity, lacks, route.name))
                    continue
                asked.append((index, route, band))
                questions.append(ruler.question(shape, clocks[shape], memory, route, band, cap))
    rated: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, NoCapacity):
            miss = MissesSlo(answer, route.bands[band].name)
            omitted.append(Omission(capped[index][0].identity, miss, route.name))
        else:
            rated.setdefault(index, {})[(route.name, band)] = ruler.answered(capped[index][0], answer)
    return tuple(
        Replica(shape, cap, variant, memory, clocks[shape], rated[index])
        for index, (shape, cap, variant, memory) in enumerate(capped)
        if index in rated
    )
