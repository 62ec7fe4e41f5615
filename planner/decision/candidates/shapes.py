"""Models in a precision on so many GPUs: everything that loads for the routes that accept it.

Which batch cap such a shape runs with, what it can serve and which machine carries it is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import Candidate, DoesNotLoad, FormatNotRun, Omission
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.engine.scheduler import default_batched_tokens
from planner.performance.memory import MemoryFit, NoFit, memory_fit, weights_bytes
from planner.performance.precision import Unsupported, quantization_support

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
NARROWEST_CAP = 16
"""The smallest batch cap (`max_num_seqs`) that is tried; a shape that does not load with it never loads."""

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


def shapes(
    routes: Sequence[RouteDemand], catalog: Catalog, gpus: Iterable[Gpu], tenancy: Mapping[str, Tenancy]
) -> tuple[tuple[Shape, ...], tuple[Omission, ...]]:
    """All shapes that load, and those that do not. tenancy: by route."""
    able, omissions = [], []
    for shape in _accepted_shapes(routes, catalog, gpus, tenancy):
        refusal = _refusal(shape)
        if refusal is None:
            able.append(shape)
        else:
            omissions.append(refusal)
    return tuple(able), tuple(omissions)


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
    for entry in route.route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if not isinstance(accepted, Gap) and accepted.model is not None:
            for quantization in accepted.precisions:
                yield accepted.model, quantization


def _refusal(shape: Shape) -> Omission | None:
    support = quantization_support(shape.model.key, shape.quantization, shape.gpu)
    if isinstance(support, Unsupported):
        return Omission(shape.identity, FormatNotRun(support))
    memory = shape.memory(NARROWEST_CAP)
    return Omission(shape.identity, DoesNotLoad(memory)) if isinstance(memory, NoFit) else None
