"""Shapes: every accepted model in each of its precisions on each GPU and number of GPUs, as far as it loads.

The module does not know which batch cap a shape runs with, what it can serve, or which machine carries it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hardware_rules import allows
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import Candidate, DoesNotLoad, FormatNotRun, Omission
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.engine.scheduler import default_batched_tokens
from planner.performance.memory import MemoryFit, NoFit, memory_fit, weights_bytes
from planner.performance.precision import unsupported_weights

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
NARROWEST_CAP = 16
"""The smallest batch cap (`max_num_seqs`, sequences) that is tried; a shape that does not load with it never loads."""

Tenancy = Literal["shared", "solo", "private"]
"""Tenancy says which routes may use a pool and its nodes. `shared`: routes whose reserve is an API. `solo`: routes
without an API. `private`: routes with restricted data, which mix with no others."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape is a model in a precision on a number of GPUs, for routes of one tenancy.

    tensor_parallel_size: GPUs of one replica.
    routes: the routes that accept the model in this precision.

    Two shapes are equal only if they are the same object, so that they can be keys without comparing their routes.
    """

    model: Model
    quantization: Quantization
    gpu: Gpu
    tensor_parallel_size: int
    tenancy: Tenancy
    routes: tuple[RouteDemand, ...]

    @property
    def identity(self) -> Candidate:
        """Return the shape as a candidate without a machine."""
        return Candidate(self.model.key, self.quantization.name, self.gpu.key, self.tensor_parallel_size)

    @property
    def stored(self) -> Quantization:
        """Return what the model bucket holds: the native weights where the engine quantizes them while it loads."""
        native = self.model.precision(self.model.native)
        return native if self.quantization.at_load and native is not None else self.quantization

    @property
    def checkpoint(self) -> str:
        """Return the name of the weights in the bucket: their repository and format."""
        return f"{self.stored.checkpoint or self.model.hf_id}/{self.stored.name}"

    @property
    def checkpoint_gb(self) -> float:
        """Return the size of the weights in the bucket, 10⁹ bytes."""
        return weights_bytes(self.model, self.stored, 1) / 1e9

    @property
    def max_model_len(self) -> int:
        """Return the tokens of context that the routes need, or the most that the model reads."""
        return min(max(route.max_model_len for route in self.routes), self.model.max_context)

    @property
    def max_num_batched_tokens(self) -> int:
        """Return the most tokens of one step: vLLM's default for the size of the GPU."""
        return default_batched_tokens(self.gpu.memory_gb)

    def route(self, name: str) -> RouteDemand:
        """Return one of its routes. Raises StopIteration where the route does not accept the shape."""
        return next(route for route in self.routes if route.name == name)

    def memory(self, cap: int) -> MemoryFit | NoFit:
        """Say whether a replica loads with this batch cap (sequences), and what memory it leaves for the KV cache."""
        return memory_fit(
            self.model,
            self.quantization,
            self.gpu,
            tensor_parallel_size=self.tensor_parallel_size,
            max_num_seqs=cap,
            max_model_len=self.max_model_len,
            max_num_batched_tokens=self.max_num_batched_tokens,
        )


def shapes(
    routes: Sequence[RouteDemand], catalog: Catalog, gpus: Iterable[Gpu], tenancy: Mapping[str, Tenancy], known: Known
) -> tuple[tuple[Shape, ...], tuple[Omission, ...]]:
    """Return all shapes that load, and an omission for each that does not. `tenancy` is that of each route."""
    numbers = known.numbers(routes)
    loading, omissions = [], []
    for shape in _accepted_shapes(routes, catalog, gpus, tenancy):
        key = (shape.identity, *(numbers[route.name] for route in shape.routes))
        if key not in known.loading:
            known.loading[key] = _omission(shape)
        omission = known.loading[key]
        if omission is None:
            loading.append(shape)
        else:
            omissions.append(omission)
    return tuple(loading), tuple(omissions)


def _accepted_shapes(
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
    for entry in route.route.quality.accept if allows(route.route.hardware) else ():
        accepted = catalog.accepted_entry(entry)
        if not isinstance(accepted, Gap) and accepted.model is not None:
            for quantization in accepted.precisions:
                yield accepted.model, quantization


def _omission(shape: Shape) -> Omission | None:
    if unsupported := unsupported_weights(shape.model.key, shape.quantization, shape.gpu):
        return Omission(shape.identity, FormatNotRun(unsupported))
    memory = shape.memory(NARROWEST_CAP)
    return Omission(shape.identity, DoesNotLoad(memory)) if isinstance(memory, NoFit) else None
