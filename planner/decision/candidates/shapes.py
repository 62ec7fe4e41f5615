"""Shapes: every accepted model in each of its precisions on each GPU, in each layout on several, as far as it loads.

The module does not know which batch cap a shape runs with, what it can serve, or which machine carries it. Routes that
hold different settings of the engine do not share a shape, because a pool has one value of each. A route has shapes of
each form of the KV cache that it allows, and shares each with the routes that allow it too. So it is with drafters: a
route that allows speculative decoding has shapes with and without each drafter of a model.

Routes that accept a model or any of its LoRA adapters share a shape that holds these adapters. Adapters slow every
step, so that routes which accept the model itself have a shape without them as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Literal

from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hardware_rules import MachineRules
from planner.decision.candidates.hosting_rights import HostingRights
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import (
    AdaptersNotPlanned,
    CacheNotRun,
    DoesNotLoad,
    DrafterNotPlanned,
    FormatNotRun,
    Omission,
)
from planner.decision.candidates.reach import NARROWEST_CAP, context_held, drafters_of
from planner.decision.choice.question import BandKey
from planner.domain.adapters import Adapter, max_lora_rank
from planner.domain.catalog import Catalog
from planner.domain.environment import ModelFacts
from planner.domain.gaps import Gap
from planner.domain.hardware import HardwareChoice
from planner.domain.model_facts import token_counts
from planner.domain.models import Drafter, Model, Quantization
from planner.domain.offerings import Gpu
from planner.domain.route import HeldSettings, KvCacheDtype
from planner.performance.adapters import unplanned_adapters
from planner.performance.drafters import unplanned_drafter
from planner.performance.engine.defaults import default_batched_tokens
from planner.performance.memory import MemoryFit, NoFit, memory_fit, weights_bytes
from planner.performance.parallelism import Parallelism, offered
from planner.performance.precision import KV_FORMATS, KvFormat, unplanned_cache, unsupported_weights

Tenancy = Literal["shared", "solo", "private", "batch"]
"""Tenancy says which routes may use a pool and its nodes. `shared`: routes whose reserve is an API, or that need none.
`solo`: routes without an API, which need one. `private`: routes with restricted data, which mix with no others.
`batch`: routes that may wait, whose pool is kept full, on nodes that are shared."""
OWN_NODES: frozenset[Tenancy] = frozenset({"solo", "private"})
"""Tenancies whose nodes hold nothing else, so that one of two is left when the other is lost."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape is a model in a precision on the GPUs of one replica, for routes of one tenancy.

    parallelism: how these GPUs share the model.
    routes: the routes that accept the model in this precision, with their lengths in its own tokens.
    held: settings of the engine that all of them hold.
    kv_cache_dtype: form of the KV cache, which all of them allow.
    drafter: what proposes tokens, which all of them allow; None without speculative decoding.
    accepted: for each route the adapters that it accepts, and None for the model itself, in the order of its list; it
    is empty in a shape without adapters.

    Two shapes are equal only if they are the same object, so that they can be keys without comparing their routes.
    """

    model: Model
    quantization: Quantization
    gpu: Gpu
    parallelism: Parallelism
    tenancy: Tenancy
    routes: tuple[RouteDemand, ...]
    held: HeldSettings = field(default_factory=HeldSettings)
    kv_cache_dtype: KvCacheDtype = "auto"
    drafter: Drafter | None = None
    accepted: Mapping[str, tuple[Adapter | None, ...]] = field(default_factory=dict)

    @cached_property
    def identity(self) -> Candidate:
        """Return the shape as a candidate without a machine."""
        return Candidate(
            self.model.key,
            self.quantization.name,
            self.gpu.key,
            self.parallelism.tensor_parallel_size,
            kv_cache_dtype=self.kv_cache_dtype,
            data_parallel_size=self.copies,
            enable_expert_parallel=self.parallelism.enable_expert_parallel,
            drafter=self.drafter.word if self.drafter else "",
            adapters=tuple(adapter.key for adapter in self.adapters),
        )

    @cached_property
    def adapters(self) -> tuple[Adapter, ...]:
        """Return the adapters that each replica holds, sorted by name."""
        return self.adapters_of(route.name for route in self.routes)

    def adapters_of(self, routes: Iterable[str]) -> tuple[Adapter, ...]:
        """Return the adapters that some routes accept, sorted by name.

        A replica holds all of them, so that a route can come to ask for another one without a moment of errors.
        """
        found = {a.key: a for route in routes for a in self.accepted.get(route, ()) if a is not None}
        return tuple(found[name] for name in sorted(found))

    def asked(self, route: str) -> Adapter | None:
        """Return the adapter that a route asks for: the first of its list. None is the model itself."""
        return self.accepted[route][0] if route in self.accepted else None

    @property
    def gpus(self) -> int:
        """Return the GPUs of one replica."""
        return self.parallelism.gpus

    @property
    def copies(self) -> int:
        """Return the copies of the attention in one replica. Each has the batch cap and the tokens of a step."""
        return self.parallelism.data_parallel_size

    @property
    def kv_format(self) -> KvFormat:
        """Return the format of the KV cache as the performance model names it."""
        return KV_FORMATS[self.kv_cache_dtype]

    @property
    def drafted(self) -> int:
        """Return the tokens that are proposed for each sequence in one step; 0 without a drafter."""
        return self.drafter.num_speculative_tokens if self.drafter else 0

    @property
    def own_nodes(self) -> str:
        """Return the tenancy of a shape whose nodes hold nothing else; it is empty where they are shared."""
        return "" if self.tenancy == "shared" else self.tenancy

    @property
    def hardware(self) -> HardwareChoice:
        """Return what a rule may name of the shape. It has no machine yet."""
        layout = self.parallelism
        return HardwareChoice(
            self.gpu.key,
            self.quantization.name,
            layout.tensor_parallel_size,
            data_parallel_size=layout.data_parallel_size,
            enable_expert_parallel=layout.enable_expert_parallel,
        )

    @cached_property
    def stored(self) -> Quantization:
        """Return what the model bucket holds: the native weights where the engine quantizes them while it loads."""
        native = self.model.precision(self.model.native)
        return native if self.quantization.at_load and native is not None else self.quantization

    @cached_property
    def checkpoint(self) -> str:
        """Return the name of the weights in the bucket: their repository and format."""
        return f"{self.stored.checkpoint or self.model.hf_id}/{self.stored.name}"

    @cached_property
    def checkpoint_gb(self) -> float:
        """Return the size of the weights in the bucket, 10⁹ bytes."""
        return weights_bytes(self.model, self.stored, 1) / 1e9

    @cached_property
    def max_model_len(self) -> int:
        """Return the tokens of context that the routes hold or need, or the most that model and memory hold."""
        if self.held.max_model_len is not None:
            return self.held.max_model_len
        wanted = min(max(route.max_model_len for route in self.routes), self.model.max_context)
        way = self.model, self.quantization, self.gpu, self.parallelism, self.kv_format
        slots = len(self.adapters), max_lora_rank(self.adapters)
        return context_held(*way, wanted, self.drafter, *slots) or wanted

    @cached_property
    def reads(self) -> frozenset[BandKey]:
        """Return the bands whose prompts are not too long for it, or may be cut."""
        return frozenset(
            (route.name, i)
            for route in self.routes
            for i in range(len(route.bands))
            if route.serves(i, self.max_model_len)
        )

    @property
    def narrowest_cap(self) -> int:
        """Return the smallest batch cap that is tried, sequences: the one that the routes hold, if they do."""
        return self.held.max_num_seqs or NARROWEST_CAP

    def first_batched_tokens(self, cap: int) -> int:
        """Return the most tokens of one step that are tried first: what the routes hold, or vLLM's default.

        The default follows memory and name of the GPU. A step holds one token of each of the `cap` sequences at least,
        and the tokens that are proposed for it.
        """
        return self.held.max_num_batched_tokens or max(default_batched_tokens(self.gpu), (1 + self.drafted) * cap)

    def route(self, name: str) -> RouteDemand:
        """Return one of its routes. Raises StopIteration where the route does not accept the shape."""
        return next(route for route in self.routes if route.name == name)

    def memory(self, cap: int, batched_tokens: int) -> MemoryFit | NoFit:
        """Say whether a replica loads, and what memory it leaves for the KV cache.

        cap: its batch cap, sequences. batched_tokens: most tokens of one step. Both are of one copy of the attention.
        """
        return memory_fit(
            self.model,
            self.quantization,
            self.gpu,
            tensor_parallel_size=self.parallelism.tensor_parallel_size,
            expert_parallel_size=self.parallelism.expert_parallel_size,
            max_num_seqs=cap,
            max_model_len=self.max_model_len,
            max_num_batched_tokens=batched_tokens,
            kv_format=self.kv_format,
            drafter=self.drafter,
            max_loras=len(self.adapters),
            max_lora_rank=max_lora_rank(self.adapters),
        )


def shapes(
    routes: Sequence[RouteDemand],
    catalog: Catalog,
    gpus: Iterable[Gpu],
    tenancy: Mapping[str, Tenancy],
    rights: HostingRights,
    rules: MachineRules,
    known: Known,
    facts: Mapping[str, ModelFacts] | None = None,
) -> tuple[tuple[Shape, ...], tuple[Omission, ...]]:
    """Return all shapes that load, and an omission for each that does not.

    tenancy: that of each route. rights: what a route may be hosted with. rules: which hardware may serve it.
    known: what was found before. facts: what the environment measured of models.
    """
    numbers = known.numbers(routes)
    loading, omissions = [], list[Omission]()
    for accepted in _accepted_shapes(routes, catalog, gpus, tenancy, rights, facts or {}):
        users, ruled_out = rules.allowed(accepted.routes, accepted.hardware, accepted.identity)
        omissions += ruled_out
        if not users or (accepted.accepted and not any(accepted.asked(user.name) for user in users)):
            continue
        shape = accepted if users == accepted.routes else replace(accepted, routes=users)
        key = (shape.identity, *(numbers[route.name] for route in shape.routes), *(r.counts for r in shape.routes))
        if key not in known.loading:
            known.loading[key] = _omission_cause(shape)
        cause = known.loading[key]
        if cause is None:
            loading.append(shape)
        else:
            routes_held = ("",) if shape.held.is_free else tuple(route.name for route in shape.routes)
            omissions += [Omission(shape.identity, cause, name) for name in routes_held]
    return tuple(loading), tuple(omissions)


def _accepted_shapes(
    routes: Sequence[RouteDemand],
    catalog: Catalog,
    gpus: Iterable[Gpu],
    tenancy: Mapping[str, Tenancy],
    rights: HostingRights,
    facts: Mapping[str, ModelFacts],
) -> Iterator[Shape]:
    accepted: dict[_Kind, _Users] = {}
    for route in routes:
        for model, quantization, adapters in _accepted(route, catalog):
            if not rights.allows(route, model, quantization):
                continue
            for cache, drafter in product(route.route.quality.kv_cache_dtype, drafters_of(route.route, model)):
                held = held_words(route.route.engine)
                word = drafter.word if drafter else ""
                for kind in _kinds(route, tenancy[route.name]):
                    key = (model.key, quantization.name, kind, held, cache, word, bool(adapters))
                    users = accepted.setdefault(key, _Users(model, quantization, drafter))
                    users.routes[route.name] = route.counted(token_counts(model.key, facts, catalog))
                    if adapters:
                        users.accepted[route.name] = adapters
    accepted = {key: users for key, users in accepted.items() if not _stands_twice(key, accepted)}
    listed = tuple(gpus)
    for (_, _, kind, _, cache, _, is_adapted), users in sorted(accepted.items(), key=lambda item: item[0]):
        if is_adapted and not any(each[0] for each in users.accepted.values()):
            continue
        model, quantization, named = users.model, users.quantization, tuple(users.routes.values())
        for gpu in listed:
            for layout in offered(model, quantization, gpu):
                way = model, quantization, gpu, layout
                yield Shape(*way, kind, named, named[0].route.engine, cache, users.drafter, users.accepted)


_Kind = tuple[str, str, Tenancy, tuple[str, ...], KvCacheDtype, str, bool]
"""(model, precision, tenancy, held settings in words, form of the KV cache, word of the drafter, whether replicas hold
adapters): routes of one kind share a shape."""


def _kinds(route: RouteDemand, tenancy: Tenancy) -> tuple[Tenancy, ...]:
    """Return the tenancies of a route.

    One that may wait needs no reserve, so that it may also stand beside routes which have one on nodes of their own.
    And it may have pools without others, which are kept full.
    """
    return (tenancy, "solo", "batch") if route.route.may_wait and tenancy == "shared" else (tenancy,)


def _stands_twice(key: _Kind, accepted: Mapping[_Kind, _Users]) -> bool:
    """Say whether a kind of pool would serve nothing but what may wait, as another one does."""
    model, precision, tenancy, held, cache, word, is_adapted = key
    if tenancy == "solo":
        return all(route.route.may_wait for route in accepted[key].routes.values())
    shared = accepted.get((model, precision, "shared", held, cache, word, is_adapted)) if tenancy == "batch" else None
    return shared is not None and shared.routes.keys() == accepted[key].routes.keys()


@dataclass(frozen=True)
class _Users:
    """The users of a shape are its routes, by name, and what each accepts where replicas hold adapters."""

    model: Model
    quantization: Quantization
    drafter: Drafter | None
    routes: dict[str, RouteDemand] = field(default_factory=dict)
    accepted: dict[str, tuple[Adapter | None, ...]] = field(default_factory=dict)


def held_words(held: HeldSettings) -> tuple[str, ...]:
    """Name the settings that are held, like `seqs64`, `batch2048` and `context32768`; nothing where none is."""
    named = {"seqs": held.max_num_seqs, "batch": held.max_num_batched_tokens, "context": held.max_model_len}
    return tuple(f"{name}{value}" for name, value in named.items() if value is not None)


def _accepted(route: RouteDemand, catalog: Catalog) -> Iterator[tuple[Model, Quantization, tuple[Adapter | None, ...]]]:
    """Yield each model in each precision that a route accepts.

    It comes as it is, with an empty third value, where the model itself is accepted. It comes again with its adapters,
    and None for the model itself, in the order of the accept list.
    """
    ways: dict[tuple[str, str], tuple[Model, Quantization, list[Adapter | None]]] = {}
    for entry in route.route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if isinstance(accepted, Gap) or accepted.model is None:
            continue
        for quantization in accepted.precisions:
            found = ways.setdefault((accepted.model.key, quantization.name), (accepted.model, quantization, []))[2]
            if accepted.adapter not in found:
                found.append(accepted.adapter)
    for model, quantization, adapters in ways.values():
        if None in adapters:
            yield model, quantization, ()
        yield model, quantization, tuple(adapters)


def _omission_cause(
    shape: Shape,
) -> FormatNotRun | CacheNotRun | DrafterNotPlanned | AdaptersNotPlanned | DoesNotLoad | None:
    if unsupported := unsupported_weights(shape.model, shape.quantization, shape.gpu):
        return FormatNotRun(unsupported)
    if unsupported := unplanned_cache(shape.model, shape.gpu, shape.kv_cache_dtype):
        return CacheNotRun(unsupported)
    if shape.drafter and (unsupported := unplanned_drafter(shape.model, shape.quantization, shape.drafter)):
        return DrafterNotPlanned(unsupported)
    if shape.adapters and (unsupported := unplanned_adapters(shape.model, shape.quantization, shape.drafter)):
        return AdaptersNotPlanned(unsupported)
    cap = shape.narrowest_cap
    memory = shape.memory(cap, shape.first_batched_tokens(cap))
    return DoesNotLoad(memory) if isinstance(memory, NoFit) else None
