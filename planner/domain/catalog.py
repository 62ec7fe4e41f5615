"""The catalog: every dated fact on which a plan may rest, looked up by name.

A look-up returns a value or a named gap. The digests of a plan cover exactly the rows that it consulted. They are kept
apart for facts (`model/…`, `adapter/…`, `gpu/…`, `instance/…`, `offering/…`, `api/…`, `place/…`, `provider/…`,
`failure/…`, `owning/…`) and for prices, so that a new price and a new fact make a lock stale for different reasons. An
`offering/REGION/TYPE` is the list of zones that sell a type: a new zone in another region, or of another type, makes no
lock stale. No file is read here, but the mappings of regions and of prices may read one when a key of it is first asked
for.
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
from planner.domain.agreements import Agreements
from planner.domain.apis import ApiModel, Provider
from planner.domain.discounts import Discount
from planner.domain.engine import Engine, EngineRelease
from planner.domain.engine_minimum import EngineMinimum, engine_minimum, unserved
from planner.domain.failures import FailureRow
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.models import Model, Quantization, split_entry
from planner.domain.offerings import (
    Gpu,
    InstanceType,
    Offerings,
    Region,
    UnplannedHardware,
    all_offerings,
    offerings_in,
)
from planner.domain.owning import OwningRow
from planner.domain.places import Places
from planner.domain.prices import PriceSnapshot
from planner.words.diagnostics import Span
from planner.words.layered import Layered

FactRow = Mapping[str, Any]


KINDS = ("gpu", "instance", "model", "adapter", "api", "place", "provider", "unplanned", "failure", "owning")
"""First parts of the keys of fact rows."""
OFFERING = "offering"
"""First part of the keys of what a region sells, which are read from its row."""
NOT_PLANNED_WITH: Mapping[str, frozenset[str]] = {
    "gpu": frozenset({"assumed_for", "runtime_names", "spellings"}),
    "model": frozenset({"same_shape", "model_class", "engine_minimum"}),
}
"""Columns that only measurements read, by kind of row: a new spelling makes no lock stale. Of what a model needs of the
engine a plan reads one thing alone, whether the engine serves it; digests hold that where it does not."""


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
    replaces: whether it stands for a shipped row of the same key, of which nothing is left.
    where: its place, for a message about it.
    row: its columns, of prices and discounts alone, for the digest of prices.
    adds: whether a shipped row of the same key holds in what it does not state.
    """

    as_of: str
    replaces: bool
    where: Span | None = field(default=None, compare=False)
    row: FactRow = field(default_factory=dict, repr=False)
    adds: bool = False


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All facts of one day and one price snapshot.

    models, instances, providers: rows by key.
    regions: AWS regions by name, those included of which too little is known to plan there.
    unplanned: hardware that people ask for and that no plan uses, by its word.
    all_gpus: GPUs by key. Plans know only `gpus`; publications also measure GPUs that no instance type carries.
    places: places where data is processed.
    apis: hosted models, sorted by key.
    prices: the price snapshot.
    rows, price_rows: rows as they were read, by `KIND/KEY` and by the key of the price, for digests.
    own: rows of the team's own catalog, by `KIND/KEY`, with its prices and discounts as `price/KEY` and `discount/ON`:
    their day, and whether each stands for a shipped one.
    agreements: own prices and discounts with the days on which they hold; None without any. `prices` are net of them.
    adapters: LoRA adapters of models, by name; they stand in a team's own catalog alone.
    engine_releases: what is new in each release of the engine, by its number.
    failures: how often machines, zones, regions and accounts fail, by the key of the row.
    owning: what it costs to own machines as others published it, by the key of the row.
    """

    models: Mapping[str, Model]
    all_gpus: Mapping[str, Gpu]
    instances: Mapping[str, InstanceType]
    regions: Mapping[str, Region]
    providers: Mapping[str, Provider]
    places: Places
    apis: tuple[ApiModel, ...]
    prices: PriceSnapshot
    rows: Mapping[str, FactRow] = field(repr=False)
    price_rows: Mapping[str, FactRow] = field(repr=False)
    own: Mapping[str, OwnRow] = field(default_factory=dict)
    agreements: Agreements | None = None
    unplanned: Mapping[str, UnplannedHardware] = field(default_factory=dict)
    adapters: Mapping[str, Adapter] = field(default_factory=dict)
    engine_releases: Mapping[str, EngineRelease] = field(default_factory=dict, repr=False)
    failures: Mapping[str, FailureRow] = field(default_factory=dict)
    owning: Mapping[str, OwningRow] = field(default_factory=dict)

    @cached_property
    def engine(self) -> Engine:
        """The engine that serves open-weight models, with its releases."""
        return Engine(self.engine_releases.values())

    @cached_property
    def gpus(self) -> Mapping[str, Gpu]:
        """The GPUs that can be rented, because some instance type carries them, by key."""
        carried = {instance.gpu for instance in self.instances.values()}
        return {key: gpu for key, gpu in self.all_gpus.items() if key in carried}

    @property
    def discounts(self) -> tuple[Discount, ...]:
        """What is taken off list prices, whether it holds on the day of the prices or not."""
        return self.agreements.discounts if self.agreements else ()

    @property
    def has_own_prices(self) -> bool:
        """Whether the team's own catalog has prices, agreed or refreshed, or discounts."""
        return bool(self.discounts) or any(key.startswith("price/") for key in self.own)

    def has_agreed_prices(self, day: date) -> bool:
        """Return whether discounts hold on a day, or own prices that are no list prices."""
        return self.agreements is not None and self.agreements.hold_on(day)

    @cached_property
    def offerings(self) -> Offerings:
        """Every instance type in every region, on demand. It reads every region; a plan asks for `offered_in`."""
        return all_offerings(self.regions, self.instances, self.gpus, self.prices, "on-demand")

    def offered_in(self, region: str) -> Offerings:
        """Return every instance type that a region sells, on demand; none in a region that is not known."""
        known = self.regions.get(region)
        return offerings_in(known, self.instances, self.gpus, self.prices, "on-demand") if known else Offerings(())

    def zones(self, region: str) -> tuple[str, ...]:
        """Return the zone ids of a region in which at least one GPU instance type is sold, sorted."""
        return tuple(sorted({zone for row in self.offered_in(region) for zone in row.zones}))

    def why_unplanned(self, word: str) -> UnplannedHardware | None:
        """Return what is known of hardware that no plan uses: a word for it, or an instance type of its family."""
        spoken = word.casefold()
        return next(
            (
                row
                for key, row in sorted(self.unplanned.items())
                if spoken in {name.casefold() for name in (key, *row.words)} or spoken.startswith(f"{key.casefold()}.")
            ),
            None,
        )

    def model(self, name: str) -> Model | Gap:
        """Return an open-weight model by its key."""
        return self.models.get(name) or _unknown("model", name, self.models)

    def engine_minimum(self, model: Model) -> EngineMinimum | None:
        """Return the first release of the engine that is known to serve a model; None where none is known."""
        return engine_minimum(model, self.engine)

    def gpu(self, name: str) -> Gpu | Gap:
        """Return a GPU that can be rented, by its key."""
        return self.gpus.get(name) or _unknown("gpu", name, self.gpus)

    def provider(self, name: str) -> Provider | Gap:
        """Return an API provider by its key."""
        return self.providers.get(name) or _unknown("provider", name, self.providers)

    def on(self, day: date) -> Catalog:
        """Return the catalog as it will be on a day: hosted models that have ended by then are no longer listed.

        Prices are those of that day.
        """
        apis = tuple(row if row.serves_on(day) else replace(row, status="delisted") for row in self.apis)
        return replace(self.priced_on(day), apis=apis)

    def on_list(self) -> Catalog:
        """Return the catalog without any discount."""
        if self.agreements is None:
            return self
        agreements = replace(self.agreements, discounts=())
        return replace(self, agreements=agreements, prices=replace(self.prices, rows=agreements.on_some_day()))

    def priced_on(self, day: date) -> Catalog:
        """Return the catalog with the prices of a day: what is agreed for other days does not count."""
        if self.agreements is None:
            return self
        return replace(self, prices=replace(self.prices, rows=self.agreements.on(day)))

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
        named = sorted(key for key in set(keys) if key in self.rows)
        rows = {key: _columns(self.rows[key], left_out[key.partition("/")[0]]) for key in named}
        refused = {key: {**rows[key], "unserved": why} for key in named if (why := self._unserved_ways(key))}
        return _digest(keys, {**rows, **refused, **self._zone_rows(keys)})

    def _unserved_ways(self, key: str) -> dict[str, str]:
        """Return why the engine does not serve a model, by precision; nothing for a row of another kind."""
        kind, _, name = key.partition("/")
        if kind != "model":
            return {}
        model = self.models[name]
        found = {way.name: unserved(model, self.engine, way) for way in model.precisions()}
        return {way: why.reason for way, why in found.items() if why is not None}

    def _zone_rows(self, keys: Iterable[str]) -> dict[str, FactRow]:
        """Return the zones behind each `offering/REGION/TYPE` among some keys, where region and type are known."""
        rows: dict[str, FactRow] = {}
        for key in keys:
            kind, _, rest = key.partition("/")
            name, _, instance_type = rest.partition("/")
            region = self.regions.get(name) if kind == OFFERING else None
            if region is not None and instance_type in self.instances:
                rows[key] = {"zones": sorted(region.zones_of(instance_type))}
        return rows

    def prices_digest(self, keys: Iterable[str]) -> str:
        """Return the SHA-256 of the price rows behind a plan, as `sha256:…`.

        All prices and discounts of the team's own count: what was too dear to be weighed could be the plan at another
        price, and the team has just written that price.
        """
        own = {key: row.row for key, row in self.own.items() if key.startswith(("price/", "discount/"))}
        return _digest((*keys, *own), Layered(own, self.price_rows, lambda _, row: row) if own else self.price_rows)


def offering_key(region: str, instance_type: str) -> str:
    """Return the key of the fact row that says which zones of a region sell an instance type."""
    return f"{OFFERING}/{region}/{instance_type}"


def _columns(row: FactRow, left_out: Collection[str]) -> FactRow:
    return {name: value for name, value in row.items() if name not in left_out}


def _unknown(kind: str, name: str, known: Iterable[str]) -> Gap:
    return Gap(kind, name, f"the catalog has no {kind} {name!r}", did_you_mean(name, known))


def _digest(keys: Iterable[str], rows: Mapping[str, FactRow]) -> str:
    chosen = [[key, rows.get(key)] for key in sorted(set(keys))]
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
