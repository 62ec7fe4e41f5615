"""Reads the catalog that ships with the planner, and believes nothing before it is checked.

`catalog_entries` knows the layout of the folder, `catalog_tables` what a row must hold. Here the tables become a
catalog, and what a row names must exist. Snapshots of prices are folders that are named by their day. The newest one
counts unless a lock names another.

`load_catalog` leaves models, regions, prices, their cuts and releases of the engine in their files until somebody asks
for them (`catalog_later`). `read_catalog` reads everything and reports all problems of all files in one run, with file
and line.

CAT001: a file or a snapshot that is missing. CAT002: a file that is not YAML or was cut off. CAT006: a row that names
what does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from operator import attrgetter
from typing import Any

from planner.domain.apis import ApiModel, Provider
from planner.domain.catalog import Catalog
from planner.domain.engine import EngineRelease
from planner.domain.failures import APIS, NODES, FailureRow
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType, Region, UnplannedHardware
from planner.domain.owning import OwningRow
from planner.domain.places import CALLED_REGION, EVERYWHERE, KnownPlace, Places
from planner.domain.prices import FamilyCut, Price, PriceSnapshot, file_of
from planner.edges.catalog_entries import CatalogReading
from planner.edges.catalog_later import LaterTables, OneRowEach, RowsByGroup, RowsByKind, RowsOfOneFile
from planner.edges.catalog_tables import FactTable, fact_table
from planner.edges.price_entries import price_groups, price_sources, prices_of
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import Path

ENGINE_FILE = "vllm"
"""Name of the file with the releases of the engine."""
UNREAD = frozenset({"CAT001", "CAT002"})
"""Problems that hide a whole file. While there is one, nobody can say whether a name is missing elsewhere."""


@lru_cache(maxsize=4)
def load_catalog(snapshot: str | None = None) -> Catalog:
    """Return the catalog that ships with this version, with the price snapshot of that day (the newest if None).

    Raises `Problems` (CAT001 …) when the snapshot is unknown or a file is damaged; for a file that is read later, then.
    """
    opened = _open(package_folder(), snapshot)
    if opened.problems:
        raise Problems(dict.fromkeys(opened.problems))
    return opened.catalog


def package_folder() -> Traversable:
    """Return the folder of the shipped catalog files."""
    return files("planner").joinpath("catalog").joinpath("data")


def snapshots(folder: Traversable) -> tuple[str, ...]:
    """Return the days of the price snapshots in a catalog folder, oldest first."""
    prices = folder.joinpath("prices")
    return tuple(sorted(entry.name for entry in prices.iterdir() if entry.is_dir())) if prices.is_dir() else ()


def read_catalog(folder: Traversable, snapshot: str | None = None) -> Catalog:
    """Read and check a whole catalog folder. Raises `Problems`, exit code 2, with every problem of every file."""
    opened = _open(folder, snapshot)
    problems = list(opened.problems)
    for tables in opened.later:
        for name in tables.names:
            try:
                tables.table(name)
            except Problems as damaged:
                problems.extend(damaged.problems)
    if problems:
        hidden = UNREAD & {problem.code for problem in problems}
        raise Problems(dict.fromkeys(p for p in problems if not (hidden and p.code == "CAT006" and p.where)))
    return opened.catalog


@dataclass(frozen=True)
class _Opened:
    """A catalog folder whose small tables are read.

    catalog: the catalog.
    later: the tables of the files that are not read yet.
    problems: what was wrong until now.
    """

    catalog: Catalog
    later: tuple[LaterTables[Any], ...]
    problems: tuple[Problem, ...]


def _open(folder: Traversable, snapshot: str | None) -> _Opened:
    """Open a catalog folder. Raises `Problems` when there is no such snapshot."""
    known = snapshots(folder)
    day = snapshot or (known[-1] if known else "")
    if day not in known:
        message = f"no price snapshot {snapshot!r}" if snapshot else f"no price snapshot in {folder}"
        raise Problems([Problem("CAT001", message, hint=did_you_mean(day, known))])
    problems: list[Problem] = []
    reading = CatalogReading(folder, problems)
    hosts, hosted = reading.providers()
    gpus = fact_table(reading.gpus(), Gpu, problems)
    instances = fact_table(reading.instances(), InstanceType, problems)
    unplanned = fact_table(reading.unplanned(), UnplannedHardware, problems)
    places = fact_table(reading.places(), KnownPlace, problems)
    failures = fact_table(reading.failures(), FailureRow, problems)
    owning = fact_table(reading.owning(), OwningRow, problems)
    providers = fact_table(hosts, Provider, problems)
    apis = fact_table(hosted, ApiModel, problems)
    model_names, region_names = reading.names("models"), reading.names("regions")
    groups, sources = price_groups(reading, day), price_sources(reading, day)

    def read_model(name: str) -> FactTable[Model]:
        later = CatalogReading(folder, [])
        table = fact_table(later.models((name,)), Model, later.problems)
        return _checked(table, later, dangling_places(table, places.entries, FactTable({}, {})))

    def read_region(name: str) -> FactTable[Region]:
        later = CatalogReading(folder, [])
        table = fact_table(later.regions((name,)), Region, later.problems)
        return _checked(table, later, dangling_families(table, instances.values.values()))

    def read_engine(name: str) -> FactTable[EngineRelease]:
        later = CatalogReading(folder, [])
        return _checked(fact_table(later.engine_releases(name), EngineRelease, later.problems), later, ())

    def read_cut(name: str) -> FactTable[FamilyCut]:
        later = CatalogReading(folder, [])
        table = fact_table(later.cuts(name), FamilyCut, later.problems)
        return _checked(table, later, _cut_families(table, instances.values.values()))

    def read_prices(group: str) -> FactTable[Price]:
        later = CatalogReading(folder, [])
        table = fact_table(prices_of(later, day, group, sources), Price, later.problems)
        lacking = without_price(_of_group(apis, group), providers.values, table.entries, f"prices/{day}")
        return _checked(table, later, lacking if day == known[-1] else ())

    if not UNREAD & {problem.code for problem in problems}:
        problems.extend(dangling_names(instances, apis, gpus.entries, model_names))
        problems.extend(dangling_models(providers, apis.values.values()))
        problems.extend(dangling_failures(failures, gpus.entries, providers.entries))
        problems.extend(dangling_places(FactTable({}, {}), places.entries, providers))
        for provider in sorted({row.provider for row in apis.values.values()}) if day == known[-1] else ():
            if f"api/{provider}" not in groups:
                unpriced = _of_group(apis, f"api/{provider}")
                problems.extend(without_price(unpriced, providers.values, (), f"prices/{day}"))
    models = LaterTables(model_names, read_model)
    regions = LaterTables(region_names, read_region)
    prices = LaterTables(groups, read_prices)
    cuts = LaterTables(reading.names("cuts"), read_cut)
    engines = LaterTables((ENGINE_FILE,), read_engine)
    values, rows = attrgetter("values"), attrgetter("rows")
    kinds: dict[str, FactTable[Any]] = {
        "gpu": gpus,
        "instance": instances,
        "unplanned": unplanned,
        "place": places,
        "failure": failures,
        "owning": owning,
        "provider": providers,
        "api": apis,
    }
    catalog = Catalog(
        models=OneRowEach(models, values),
        all_gpus=gpus.values,
        instances=instances.values,
        regions=OneRowEach(regions, values),
        places=Places(places.values),
        providers=providers.values,
        apis=tuple(apis.values[key] for key in sorted(apis.values)),
        prices=PriceSnapshot(day, RowsByGroup(prices, values, file_of), OneRowEach(cuts, values)),
        rows=RowsByKind({**{kind: table.rows for kind, table in kinds.items()}, "model": OneRowEach(models, rows)}),
        price_rows=RowsByGroup(prices, rows, file_of),
        unplanned=unplanned.values,
        failures=failures.values,
        owning=owning.values,
        engine_releases=RowsOfOneFile(engines, ENGINE_FILE),
    )
    return _Opened(catalog, (models, regions, prices, cuts, engines), tuple(problems))


def _checked(table: FactTable[Any], reading: CatalogReading, dangling: Iterable[Problem]) -> FactTable[Any]:
    """Return the table of a file that was read later. Raises `Problems` with what is wrong with it."""
    if not UNREAD & {problem.code for problem in reading.problems}:
        reading.problems.extend(dangling)
    if reading.problems:
        raise Problems(dict.fromkeys(reading.problems))
    return table


def dangling_names(
    instances: FactTable[InstanceType], apis: FactTable[ApiModel], gpus: Collection[str], models: Collection[str]
) -> Iterator[Problem]:
    """Yield a problem for each row that names a row which does not exist. gpus, models: the keys that there are."""
    for key, instance in instances.values.items():
        if instance.gpu not in gpus:
            hint = did_you_mean(instance.gpu, gpus)
            yield Problem("CAT006", f"there is no GPU {instance.gpu!r}", instances.entries[key].span("gpu"), hint)
    for key, api in apis.values.items():
        if api.hosts is not None and api.hosts not in models:
            hint = did_you_mean(api.hosts, models)
            yield Problem("CAT006", f"there is no model {api.hosts!r}", apis.entries[key].span("hosts"), hint)


def dangling_models(providers: FactTable[Provider], apis: Iterable[ApiModel]) -> Iterator[Problem]:
    """Yield a problem for each model that a provider names as served or answered and does not host."""
    models = list(apis)
    for key, provider in providers.values.items():
        hosted = [api.slug for api in models if api.provider == key]
        named: list[tuple[Path, tuple[str, ...]]] = [(("stated_models",), provider.stated_models or ())]
        named += [(("endpoints", name), endpoint.served or ()) for name, endpoint in provider.endpoints.items()]
        for path, slugs in named:
            for slug in slugs:
                if slug not in hosted:
                    message = f"{key} hosts no model {slug!r}"
                    yield Problem("CAT006", message, providers.entries[key].span(*path), did_you_mean(slug, hosted))


def dangling_failures(
    failures: FactTable[FailureRow], gpus: Collection[str], providers: Collection[str]
) -> Iterator[Problem]:
    """Yield a problem for each row of failures of a GPU or a provider that is not there."""
    for key, entry in failures.entries.items():
        kind, _, name = key.partition("/")
        for first, words, known in ((NODES, "GPU", gpus), (APIS, "provider", providers)):
            if kind == first and name not in known:
                yield Problem("CAT006", f"there is no {words} {name!r}", entry.span(), did_you_mean(name, known))


def without_price(
    apis: FactTable[ApiModel], providers: Mapping[str, Provider], priced: Container[str], folder: str
) -> Iterator[Problem]:
    """Yield a problem for each hosted model without prices at an address of its provider that has prices of its own.

    Only the newest snapshot has them all: an older one does not know what was listed later.

    priced: keys of the prices that there are. folder: where a missing price would stand.
    """
    for key, api in apis.values.items():
        provider = providers.get(api.provider)
        own = provider.priced_apart(api.slug) if provider else ()
        for listed in (key, *(f"{key}@{name}" for name in own)):
            for part in ("input", "output"):
                if f"api/{listed}/{part}" not in priced:
                    hint = f"add it to {folder}/api/{api.provider}.yaml"
                    yield Problem("CAT006", f"{listed} has no {part} price", apis.entries[key].span(), hint)


def _of_group(apis: FactTable[ApiModel], group: str) -> FactTable[ApiModel]:
    """Return the hosted models whose prices stand in a group."""
    values = {key: api for key, api in apis.values.items() if group == f"api/{api.provider}"}
    return FactTable(values, {key: apis.entries[key] for key in values})


def dangling_families(regions: FactTable[Region], instances: Iterable[InstanceType]) -> Iterator[Problem]:
    """Yield a problem for each family and each type that a region sells and that no instance type is of."""
    types = {row.key: row.family for row in instances}
    for key, region in regions.values.items():
        named = (("families", region.families, set(types.values())), ("types", region.types, set(types)))
        for column, words, known in named:
            for word in sorted(words.keys() - known):
                where = regions.entries[key].span(column, word)
                yield Problem("CAT006", f"there is no instance type of {word!r}", where, did_you_mean(word, known))


def _cut_families(cuts: FactTable[FamilyCut], instances: Iterable[InstanceType]) -> Iterator[Problem]:
    """Yield a problem for each cut of a family that no instance type is of."""
    families = {row.family for row in instances}
    for key in sorted(cuts.values.keys() - families):
        hint = did_you_mean(key, families)
        yield Problem("CAT006", f"there is no family {key!r}", cuts.entries[key].span(), hint)


def dangling_places(
    models: FactTable[Model], places: Iterable[str], providers: FactTable[Provider]
) -> Iterator[Problem]:
    """Yield a problem for each place that a provider or a licence names and that is not there.

    places: the places that there are.
    """
    known = {*places, EVERYWHERE, CALLED_REGION}
    named = [
        *((providers.entries[key], ("residency",), row.residency or ()) for key, row in providers.values.items()),
        *(
            (providers.entries[key], ("endpoints", name, "residency"), endpoint.residency)
            for key, row in providers.values.items()
            for name, endpoint in row.endpoints.items()
        ),
        *(
            (models.entries[key], ("licence_terms", "excluded_places"), row.licence_terms.excluded_places)
            for key, row in models.values.items()
            if row.licence_terms is not None
        ),
    ]
    for entry, path, words in named:
        for word in words:
            if word not in known:
                yield Problem("CAT006", f"there is no place {word!r}", entry.span(*path), did_you_mean(word, known))
