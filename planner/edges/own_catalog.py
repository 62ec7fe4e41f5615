"""The team's own catalog: `catalog/` beside its environments, whose rows win over the shipped ones.

    catalog/models/KEY.yaml           one open-weight model, as in the shipped catalog
    catalog/adapters/NAME.yaml        one LoRA adapter of a model
    catalog/gpus/KEY.yaml             one GPU, and catalog/instances/FAMILY.yaml the machines that carry it
    catalog/regions/REGION.yaml       one AWS region: which of its zones sell which families of GPU machines
    catalog/providers/KEY.yaml        one API provider with its hosted models; of a shipped one, further models alone
    catalog/prices/KIND/GROUP.yaml    prices that the team pays; KIND is api, ec2 or platform
    catalog/discounts.yaml            what is taken off list prices
    catalog/scores/METRIC.yaml        what models reached in a metric; `score_files` reads it
    catalog/currency.yaml             the currency in which bills are read too; `own_currency` reads it

A model may name a shipped one as its `base` and state only what differs: own weights of the same shape. Rows have the
same form as shipped ones and are checked in the same way; the digest of a plan covers them as it covers those, so that
a lock is stale when an own row changes. Prices and discounts are the business of `own_prices`.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from planner.domain.adapters import Adapter
from planner.domain.apis import ApiModel, Provider
from planner.domain.catalog import Catalog, OwnRow
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType, Region
from planner.edges.catalog_entries import SUFFIX, CatalogReading, Entry
from planner.edges.catalog_files import (
    UNREAD,
    dangling_families,
    dangling_models,
    dangling_names,
    dangling_places,
    load_catalog,
    without_price,
)
from planner.edges.catalog_tables import FactTable, fact_table, stated_problems
from planner.edges.catalog_yaml import read
from planner.edges.own_adapters import ADAPTERS, own_adapters
from planner.edges.own_prices import own_prices, with_own_prices
from planner.edges.price_entries import PRICE_KINDS
from planner.edges.score_files import SCORES, metric_problems
from planner.words.diagnostics import Problem, Problems, Span

FOLDER = "catalog"
"""Name of the folder beside the environments."""
MODELS = "models"
FOLDERS = (MODELS, "gpus", "instances", "regions", "providers", "prices", SCORES, ADAPTERS)
"""Folders of an own catalog."""
DISCOUNTS = f"discounts{SUFFIX}"
CURRENCY = "currency"
FILES = [DISCOUNTS, f"{CURRENCY}{SUFFIX}"]
"""Files of an own catalog."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""What the name of a file or block may be, because it becomes a part of names that others read."""
_OF_THE_CHECKPOINT = frozenset(
    {"revision", "weights", "released", "source", "as_of", "note", "same_shape", "quantizations", "drafters"}
)
"""Columns of a base that say something of its own weights, which a model with its shape does not share."""


def catalog_beside(folder: Path, snapshot: str | None = None) -> Catalog:
    """Return the shipped catalog of that price snapshot with the team's own rows over it.

    folder: the folder of the environments. Raises `Problems` when a row of either catalog is damaged.
    """
    shipped = load_catalog() if snapshot is None else load_catalog(snapshot)  # one entry of its cache for the newest
    own = folder / FOLDER
    return _with_own(shipped, own) if own.is_dir() else shipped


def own_model_path(folder: Path, key: str) -> Path:
    """Return the path of an own model's row."""
    return folder / FOLDER / MODELS / f"{key}{SUFFIX}"


def read_own_model(key: str, text: str, file: str, shipped: Catalog) -> Model:
    """Return the model of the text of an own row, before it is written. Raises `Problems`.

    file: path at which it will stand. shipped: the catalog that its base is from, as when plans read the row.
    """
    problems: list[Problem] = []
    document = read(text, file)
    entry = _from_base(Entry(key, {"key": key, **document.value}, document), shipped, problems)
    models = fact_table([entry], Model, problems)
    if problems:
        raise Problems(dict.fromkeys(problems))
    return models.values[key]


def _with_own(shipped: Catalog, own: Path) -> Catalog:
    problems = list(_unread(own))
    reading = CatalogReading(own, problems, f"{own}/")
    hosts, hosted = reading.providers(shipped.providers) if reading.has("providers") else ([], [])
    bases = [_from_base(entry, shipped, problems) for entry in reading.models()] if reading.has(MODELS) else []
    models = fact_table(bases, Model, problems)
    gpus = fact_table(reading.gpus() if reading.has("gpus") else [], Gpu, problems)
    machines = reading.instances() if reading.has("instances") else []
    instances = fact_table(machines, InstanceType, problems)
    providers = fact_table(_whole(hosts, shipped, problems), Provider, problems)
    apis = fact_table(hosted, ApiModel, problems)
    regions = fact_table(reading.regions() if reading.has("regions") else [], Region, problems)
    known_models = {*shipped.models, *models.entries}
    slugs = {key.partition("/")[2] for key in (*(row.key for row in shipped.apis), *apis.entries)}
    adapters = own_adapters(reading, known_models, slugs) if reading.has(ADAPTERS) else FactTable[Adapter]({}, {})
    tables: dict[str, FactTable[Any]] = {
        "adapter": adapters,
        "api": apis,
        "gpu": gpus,
        "instance": instances,
        "model": models,
        "provider": providers,
        "region": regions,
    }
    prices = own_prices(reading)
    for kind, table in tables.items():
        problems.extend(
            _misnamed(table.entries.values()) if kind != "adapter" else ()
        )  # an adapter's own rule is stricter
    problems.extend(dangling_places(models, shipped.places.rows, providers))
    unread = _unread_folders(problems, own)
    if not unread & {MODELS, "gpus"}:
        known_gpus = {*shipped.all_gpus, *gpus.entries}
        problems.extend(dangling_names(instances, apis, known_gpus, known_models))
    if "prices/api" not in unread:
        priced: ChainMap[str, object] = ChainMap(dict(prices.entries), _kept(load_catalog().price_rows))
        hosts_known = {**shipped.providers, **providers.values}
        problems.extend(without_price(apis, hosts_known, priced, f"{own}/prices"))
    if apis.entries.keys() == apis.values.keys() and "providers" not in unread:
        problems.extend(dangling_models(providers, [*shipped.apis, *apis.values.values()]))
    if instances.entries.keys() == instances.values.keys() and "instances" not in unread:
        problems.extend(dangling_families(regions, {**shipped.instances, **instances.values}.values()))
    problems.extend(_zones_elsewhere(regions, shipped.regions))
    catalog = with_own_prices(_with_facts(shipped, tables), reading, prices, {*apis.entries, *instances.entries})
    metrics = reading.names(SCORES) if reading.has(SCORES) else ()
    is_whole = all(table.entries.keys() == table.values.keys() for table in tables.values())
    problems.extend(metric_problems(metrics, own, catalog if is_whole else None))
    if problems:
        raise Problems(dict.fromkeys(problems))
    return catalog


def _with_facts(shipped: Catalog, tables: Mapping[str, FactTable[Any]]) -> Catalog:
    """Return the catalog with the own rows of each kind over the shipped ones."""
    apis = {row.key: row for row in shipped.apis} | dict(tables["api"].values)
    rows = {f"{kind}/{key}": row for kind, table in tables.items() for key, row in table.rows.items()}
    own = {
        f"{kind}/{key}": OwnRow(value.as_of, f"{kind}/{key}" in shipped.rows, table.entries[key].span())
        for kind, table in tables.items()
        for key, value in table.values.items()
    }
    regions = {key: _over(row, shipped.regions.get(key)) for key, row in tables["region"].values.items()}
    for key, row in tables["region"].values.items():
        alone = (regions[key].families, regions[key].types) == (row.families, row.types)
        own[f"region/{key}"] = replace(own[f"region/{key}"], replaces=alone and key in shipped.regions, adds=not alone)
    return replace(
        shipped,
        models=ChainMap(dict(tables["model"].values), _kept(shipped.models)),
        all_gpus={**shipped.all_gpus, **tables["gpu"].values},
        instances={**shipped.instances, **tables["instance"].values},
        regions=ChainMap(regions, _kept(shipped.regions)),
        providers={**shipped.providers, **tables["provider"].values},
        apis=tuple(apis[key] for key in sorted(apis)),
        adapters=tables["adapter"].values,
        rows=ChainMap(rows, _kept(shipped.rows)),
        own=dict(sorted(own.items())),
    )


def _over(own: Region, shipped: Region | None) -> Region:
    """Return an own region over the shipped one of its name, which keeps families that the own one does not state."""
    if shipped is None:
        return own
    kept = {name: zones for name, zones in shipped.types.items() if name.partition(".")[0] not in own.families}
    return replace(own, families={**shipped.families, **own.families}, types={**kept, **own.types})


def _zones_elsewhere(own: FactTable[Region], shipped: Mapping[str, Region]) -> Iterator[Problem]:
    """Yield a problem for each zone of an own region that is not of the region of the shipped zones."""
    for key, region in own.values.items():
        known = shipped.get(key)
        zones = (
            [zone for row in (known.families, known.types) for some in row.values() for zone in some] if known else []
        )
        here = {zone.rpartition("-")[0] for zone in zones}
        for column, rows in (("families", region.families), ("types", region.types)):
            for name, stated in rows.items():
                for zone in stated:
                    if here and zone.rpartition("-")[0] not in here:
                        message, hint = f"{zone!r} is no zone of {key}", f"ids of its zones read like `{zones[0]}`"
                        yield Problem("CAT003", message, own.entries[key].span(column, name), hint)


def _kept(shipped: Mapping[str, Any]) -> MutableMapping[str, Any]:
    """Return shipped rows as a further map of a `ChainMap`, which writes to its first one alone."""
    return cast("MutableMapping[str, Any]", shipped)


def _unread(own: Path) -> Iterable[Problem]:
    """Yield a problem for whatever stands in the folder and is not read."""
    prices = own / "prices"
    for path in sorted([*own.iterdir(), *(prices.iterdir() if prices.is_dir() else ())]):
        inside = path.parent == prices
        folders = PRICE_KINDS if inside else FOLDERS
        is_read = path.name in folders if path.is_dir() else path.name in FILES and not inside
        if not is_read and not path.name.startswith("."):
            known = [f"{name}/" for name in folders] + ([] if inside else FILES)
            hint = f"{path.parent} holds {', '.join(known)}; move it away"
            yield Problem("CAT007", f"{path} is not read", Span(str(path), 1), hint)


def _unread_folders(problems: Iterable[Problem], own: Path) -> set[str]:
    """Return the folders of which some file could not be read, like `models` and `prices/api`.

    Nobody can say which names are missing there.
    """
    files = [Path(problem.where.file) for problem in problems if problem.code in UNREAD and problem.where]
    parts = [file.relative_to(own).parts for file in files if file.is_relative_to(own)]
    return {"/".join(each[:depth]) for each in parts for depth in (1, 2)}


def _misnamed(entries: Iterable[Entry]) -> Iterable[Problem]:
    """Yield a problem for each row whose name cannot be a part of other names."""
    for entry in entries:
        if not all(NAME.fullmatch(part) for part in entry.key.split("/", 1)):
            hint = "letters, digits, dots, hyphens and _, a letter or digit first"
            yield Problem("CAT003", f"{entry.key!r} cannot be a name", entry.span(), hint)


def _whole(hosts: Iterable[Entry], shipped: Catalog, problems: list[Problem]) -> Iterable[Entry]:
    """Yield the providers, without shipped ones and without those of which a file adds models and which there are not.

    Nobody puts own facts under the name of a shipped provider, such as whether it trains on requests.
    """
    for entry in hosts:
        stated = [name for name in entry.row or () if name != "key"]
        if not stated:
            message = f"there is no shipped provider {entry.key!r} to add models to"
            problems.append(Problem("CAT006", message, entry.span(), did_you_mean(entry.key, shipped.providers)))
        elif entry.key in shipped.providers:
            message = f"{entry.key} is a shipped provider: an own file of it holds `sources` and `models` alone"
            hint = "call the file otherwise for a provider of your own, or leave out all else"
            problems.append(Problem("CAT003", message, entry.span(stated[0]), hint))
        else:
            yield entry


def _from_base(entry: Entry, shipped: Catalog, problems: list[Problem]) -> Entry:
    """Return the entry with the columns of the model that it names as its base."""
    if entry.row is None or "base" not in entry.row:
        return entry
    name = entry.row["base"]
    base = shipped.rows.get(f"model/{name}")
    if base is None:
        message = f"there is no shipped model {name!r} to take the shape of"
        problems.append(Problem("CAT006", message, entry.span("base"), did_you_mean(str(name), shipped.models)))
        problems.extend(stated_problems(Model, entry, {"base"}))
        return replace(entry, row=None)
    return replace(entry, row=_merged(base, entry.row, shipped.models[name]))


def _merged(base: Mapping[str, Any], own: Mapping[str, Any], model: Model) -> dict[str, Any]:
    shared = {name: value for name, value in base.items() if name not in _OF_THE_CHECKPOINT}
    made = {name: way for name, way in model.quantizations.items() if way == "at-load"}
    fresh = {"revision": None, "released": None, "quantizations": made}
    return {**shared, **fresh, **{name: value for name, value in own.items() if name != "base"}}
