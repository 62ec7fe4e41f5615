"""The catalog: every dated fact on which a plan may rest, looked up by name.

A look-up returns a value or a named gap. The digests of a plan cover exactly the rows that it consulted. They are kept
apart for facts (`model/…`, `adapter/…`, `gpu/…`, `instance/…`, `api/…`, `place/…`, `provider/…`) and for prices, so
that a new price and a new fact make a lock stale for different reasons. No file is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from planner.domain.adapters import Adapter
from planner.domain.apis import ApiModel, Provider
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.models import Model, Quantization, split_entry
from planner.domain.offerings import Gpu, InstanceType, Offerings, all_offerings
from planner.domain.places import Places
from planner.domain.prices import PriceSnapshot

FactRow = Mapping[str, Any]


KINDS = ("gpu", "instance", "model", "adapter", "api", "place", "provider")
"""First parts of the keys of fact rows."""
NOT_PLANNED_WITH: Mapping[str, frozenset[str]] = {
    "gpu": frozenset({"assumed_for", "runtime_names", "spellings"}),
    "model": frozenset({"same_shape"}),
}
"""Columns that only measurements read, by kind of row: a new spelling makes no lock stale."""


@dataclass(frozen=True)
class AcceptedEntry:
    """What one entry of an accept list stands for.

    entry: the entry as it was written.
    model: the open-weight model; None when the entry names a model whose weights are closed.
    precisions: ways to run the model that the entry admits; empty without a model.
    apis: hosted copies, sorted by key; empty when the entry asks for a quantization or an adapter by name.
    adapter: the adapter of that model that the entry names; None when it names the model itself.
    """

    entry: str
    model: Model | None
    precisions: tuple[Quantization, ...]
    apis: tuple[ApiModel, ...]
    adapter: Adapter | None = None


@dataclass(frozen=True)
class OwnRow:
    """A row that the team wrote beside its environments.

    as_of: its day.
    replaces: whether it stands for a shipped row of the same key.
    """

    as_of: str
    replaces: bool


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All facts of one day and one price snapshot.

    models, instances, providers: rows by key.
    all_gpus: GPUs by key. Plans know only `gpus`; publications also measure GPUs that no instance type carries.
    places: places where data is processed.
    apis: hosted models, sorted by key.
    prices: the price snapshot.
    rows, price_rows: rows as they were read, by `KIND/KEY` and by the key of the price, for digests.
    adapters: LoRA adapters of models, by name; they stand in a team's own catalog alone.
    own: rows of the team's own catalog, by `KIND/KEY`: their day, and whether each stands for a shipped one.
    """

    models: Mapping[str, Model]
    all_gpus: Mapping[str, Gpu]
    instances: Mapping[str, InstanceType]
    providers: Mapping[str, Provider]
    places: Places
    apis: tuple[ApiModel, ...]
    prices: PriceSnapshot
    rows: Mapping[str, FactRow] = field(repr=False)
    price_rows: Mapping[str, FactRow] = field(repr=False)
    own: Mapping[str, OwnRow] = field(default_factory=dict)
    adapters: Mapping[str, Adapter] = field(default_factory=dict)

    @cached_property
    def gpus(self) -> Mapping[str, Gpu]:
        """The GPUs that can be rented, because some instance type carries them, by key."""
        carried = {instance.gpu for instance in self.instances.values()}
        return {key: gpu for key, gpu in self.all_gpus.items() if key in carried}

    @cached_property
    def offerings(self) -> Offerings:
        """Every instance type in every region, on demand."""
        return all_offerings(self.instances, self.gpus, self.prices, "on-demand")

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Regions that the catalog knows, sorted."""
        return tuple(sorted({region for instance in self.instances.values() for region in instance.zones}))

    def zones(self, region: str) -> tuple[str, ...]:
        """Return the zone ids of a region in which at least one GPU instance type is sold, sorted."""
        return tuple(sorted({zone for row in self.instances.values() for zone in row.zones.get(region, ())}))

    def model(self, name: str) -> Model | Gap:
        """Return an open-weight model by its key."""
        return self.models.get(name) or _unknown("model", name, self.models)

    def gpu(self, name: str) -> Gpu | Gap:
        """Return a GPU that can be rented, by its key."""
        return self.gpus.get(name) or _unknown("gpu", name, self.gpus)

    def provider(self, name: str) -> Provider | Gap:
        """Return an API provider by its key."""
        return self.providers.get(name) or _unknown("provider", name, self.providers)

    def on(self, day: date) -> Catalog:
        """Return the catalog as it will be on a day: hosted models that have ended by then are no longer listed."""
        apis = tuple(row if row.serves_on(day) else replace(row, status="delisted") for row in self.apis)
        return replace(self, apis=apis)

    def accepted_entry(self, entry: str) -> AcceptedEntry | Gap:
        """Return what an accept-list entry stands for, like `gpt-4.1-mini` or `qwen3-32b@awq`.

        A plain name admits the native precision and those that are made from it while loading. Another checkpoint in
        AWQ, GPTQ, INT8 or NVFP4 needs the form with `@`. The name of an adapter stands for its base with it, which
        nobody else hosts.
        """
        name, quantization = split_entry(entry)
        if (adapter := self.adapters.get(name)) is not None:
            base = self.accepted_entry(entry.replace(name, adapter.base, 1))
            return base if isinstance(base, Gap) else replace(base, entry=entry, apis=(), adapter=adapter)
        model, apis = self.models.get(name), tuple(row for row in self.apis if row.slug == name)
        if model is None and not apis:
            return _unknown("model", name, [*self.models, *self.adapters, *(row.slug for row in self.apis)])
        if quantization is None:
            ways = tuple(w for w in model.precisions() if w.name == model.native or not w.own_entry) if model else ()
            return AcceptedEntry(entry, model, ways, apis)
        way = model.precision(quantization) if model else None
        if way is None:
            known = [f"{name}@{other.name}" for other in model.precisions()] if model else [name]
            return Gap("model", name, f"{name} does not come in {quantization!r}", did_you_mean(entry, known))
        return AcceptedEntry(entry, model, (way,), ())

    def adapters_of(self, model: str) -> tuple[str, ...]:
        """Return the names of all adapters of a model, sorted."""
        return tuple(sorted(name for name, adapter in self.adapters.items() if adapter.base == model))

    def facts_digest(self, keys: Iterable[str], without: Mapping[str, Collection[str]] | None = None) -> str:
        """Return the SHA-256 of the fact rows behind a plan, as `sha256:…`.

        A row that is gone counts as null, so that the digest shows it. Columns that only measurements read are left
        out. without: further columns to leave out, by kind of row.
        """
        keys = tuple(keys)
        left_out = {kind: {*NOT_PLANNED_WITH.get(kind, ()), *(without or {}).get(kind, ())} for kind in KINDS}
        named = sorted(set(keys) & self.rows.keys())
        rows = {key: _columns(self.rows[key], left_out[key.partition("/")[0]]) for key in named}
        return _digest(keys, rows)

    def prices_digest(self, keys: Iterable[str]) -> str:
        """Return the SHA-256 of the price rows behind a plan, as `sha256:…`."""
        return _digest(keys, self.price_rows)


def _columns(row: FactRow, left_out: Collection[str]) -> FactRow:
    return {name: value for name, value in row.items() if name not in left_out}


def _unknown(kind: str, name: str, known: Iterable[str]) -> Gap:
    return Gap(kind, name, f"the catalog has no {kind} {name!r}", did_you_mean(name, known))


def _digest(keys: Iterable[str], rows: Mapping[str, FactRow]) -> str:
    chosen = [[key, rows.get(key)] for key in sorted(set(keys))]
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
