"""The catalog: every dated fact that a plan may rest on, looked up by name.

Look-ups return a value or a named gap. A plan's digests cover exactly the rows that it consulted: facts
(`model/…`, `gpu/…`, `instance/…`, `api/…`, `provider/…`) without prices, and prices apart, so that a new price and a
new fact make a lock stale for different reasons. No file is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from planner.domain.apis import ApiModel, ApiModels, Provider
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.models import Model, Quantization, split_entry
from planner.domain.offerings import Gpu, InstanceType, Offerings, all_offerings
from planner.domain.prices import PriceSnapshot

FactRow = Mapping[str, Any]


@dataclass(frozen=True)
class AcceptedEntry:
    """What one entry of an accept list stands for.

    entry: the entry as it was written.
    model: the open-weight model; None when the entry names a model whose weights are closed.
    precisions: ways to run it that the entry admits; empty without a model.
    apis: hosted copies; empty when the entry asks for a quantization by name.
    """

    entry: str
    model: Model | None
    precisions: tuple[Quantization, ...]
    apis: ApiModels


@dataclass(frozen=True)
class Catalog:
    """All facts of one day and one price snapshot.

    models, instances, providers: rows by key.
    all_gpus: GPUs by key. Plans know `gpus` alone; publications also measure GPUs that no instance type carries.
    apis: hosted models.
    prices: the price snapshot.
    rows, price_rows: rows as they were read, by `KIND/KEY` and by the key of the price, for digests.
    """

    models: Mapping[str, Model]
    all_gpus: Mapping[str, Gpu]
    instances: Mapping[str, InstanceType]
    providers: Mapping[str, Provider]
    apis: ApiModels
    prices: PriceSnapshot
    rows: Mapping[str, FactRow] = field(repr=False)
    price_rows: Mapping[str, FactRow] = field(repr=False)

    @cached_property
    def gpus(self) -> Mapping[str, Gpu]:
        """The GPUs that can be rented: some instance type carries them."""
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
        """Zone ids of a region in which at least one GPU instance type is sold, sorted."""
        return tuple(sorted({zone for row in self.instances.values() for zone in row.zones.get(region, ())}))

    def model(self, name: str) -> Model | Gap:
        """An open-weight model by its key."""
        return self.models.get(name) or _unknown("model", name, self.models)

    def gpu(self, name: str) -> Gpu | Gap:
        """A GPU that can be rented, by its key."""
        return self.gpus.get(name) or _unknown("gpu", name, self.gpus)

    def instance(self, name: str) -> InstanceType | Gap:
        """An instance type by its name."""
        return self.instances.get(name) or _unknown("instance", name, self.instances)

    def provider(self, name: str) -> Provider | Gap:
        """An API provider by its key."""
        return self.providers.get(name) or _unknown("provider", name, self.providers)

    def api(self, key: str) -> ApiModel | Gap:
        """A hosted model by its key, `PROVIDER/SLUG`."""
        return next((row for row in self.apis if row.key == key), None) or _unknown("api", key, self.apis.keys())

    def accepted_entry(self, entry: str) -> AcceptedEntry | Gap:
        """What an accept-list entry stands for: `llama-3.3-70b-instruct`, `gpt-4.1-mini`, `qwen3-32b@awq`.

        A plain name admits the native precision and those made from it while loading; AWQ and GPTQ need the `@` form.
        """
        name, quantization = split_entry(entry)
        model, apis = self.models.get(name), self.apis.named(name)
        if model is None and not apis:
            return _unknown("model", name, [*self.models, *(row.slug for row in self.apis)])
        if quantization is None:
            ways = tuple(way for way in model.precisions() if not way.own_entry) if model else ()
            return AcceptedEntry(entry, model, ways, apis)
        way = model.precision(quantization) if model else None
        if way is None:
            known = [f"{name}@{other.name}" for other in model.precisions()] if model else [name]
            return Gap("model", name, f"{name} does not come in {quantization!r}", did_you_mean(entry, known))
        return AcceptedEntry(entry, model, (way,), ApiModels(()))

    def facts_digest(self, keys: Iterable[str]) -> str:
        """SHA-256 of the fact rows behind a plan, as `sha256:…`; a row that is gone counts as null, so it shows."""
        return _digest(keys, self.rows)

    def prices_digest(self, keys: Iterable[str]) -> str:
        """SHA-256 of the price rows behind a plan, as `sha256:…`."""
        return _digest(keys, self.price_rows)


def _unknown(kind: str, name: str, known: Iterable[str]) -> Gap:
    return Gap(kind, name, f"the catalog has no {kind} {name!r}", did_you_mean(name, known))


def _digest(keys: Iterable[str], rows: Mapping[str, FactRow]) -> str:
    chosen = [[key, rows.get(key)] for key in sorted(set(keys))]
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
