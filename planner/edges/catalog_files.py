"""Reads the catalog that ships with the planner, and believes nothing before it is checked.

`catalog_entries` knows the layout of the folder. Here its entries become values. A row must have exactly the columns of
its type, a source and a date, and what it names must exist. Snapshots of prices are folders that are named by their
day. The newest one counts unless a lock names another.

All problems of all files are reported in one run, with file and line. CAT001: a file or a snapshot that is missing.
CAT002: a file that is not YAML or was cut off. CAT003: a row of the wrong form. CAT004: an entry that stands twice.
CAT005: a price that is not above zero. CAT006: a row that names what does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from planner.domain.adapters import Adapter
from planner.domain.apis import ApiModel, Provider
from planner.domain.catalog import Catalog
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType
from planner.domain.places import CALLED_REGION, EVERYWHERE, KnownPlace, Places
from planner.domain.prices import Price, PriceSnapshot, earliest_day
from planner.edges.catalog_entries import CatalogReading, Entry
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import Path

T = TypeVar("T", Gpu, InstanceType, Model, KnownPlace, Provider, ApiModel, Price, Adapter)

UNREAD = frozenset({"CAT001", "CAT002"})
"""Problems that hide a whole file. While there is one, nobody can say whether a name is missing elsewhere."""


@dataclass(frozen=True)
class FactTable(Generic[T]):
    """All entries of one kind, by key.

    values: values of the entries that are right.
    entries: all entries.
    """

    values: Mapping[str, T]
    entries: Mapping[str, Entry]

    @property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """Columns of each row by key, for digests."""
        return {key: entry.row for key, entry in self.entries.items() if entry.row is not None}


@lru_cache(maxsize=4)
def load_catalog(snapshot: str | None = None) -> Catalog:
    """Return the catalog that ships with this version, with the price snapshot of that day (the newest if None).

    Raises `Problems` (CAT001 …) when the snapshot is unknown or a file is damaged.
    """
    return read_catalog(package_folder(), snapshot)


def package_folder() -> Traversable:
    """Return the folder of the shipped catalog files."""
    return files("planner").joinpath("catalog").joinpath("data")


def snapshots(folder: Traversable) -> tuple[str, ...]:
    """Return the days of the price snapshots in a catalog folder, oldest first."""
    prices = folder.joinpath("prices")
    return tuple(sorted(entry.name for entry in prices.iterdir() if entry.is_dir())) if prices.is_dir() else ()


def read_catalog(folder: Traversable, snapshot: str | None = None) -> Catalog:
    """Read and check a catalog folder. Raises `Problems`, exit code 2, with every problem of every file."""
    known = snapshots(folder)
    day = snapshot or (known[-1] if known else "")
    if day not in known:
        message = f"no price snapshot {snapshot!r}" if snapshot else f"no price snapshot in {folder}"
        raise Problems([Problem("CAT001", message, hint=did_you_mean(day, known))])
    problems: list[Problem] = []
    reading = CatalogReading(folder, problems)
    hosts, hosted = reading.providers()
    gpus = fact_table(reading.gpus(), TypeAdapter(Gpu), problems)
    instances = fact_table(reading.instances(), TypeAdapter(InstanceType), problems)
    models = fact_table(reading.models(), TypeAdapter(Model), problems)
    places = fact_table(reading.places(), TypeAdapter(KnownPlace), problems)
    providers = fact_table(hosts, TypeAdapter(Provider), problems)
    apis = fact_table(hosted, TypeAdapter(ApiModel), problems)
    prices = fact_table(reading.prices(day), TypeAdapter(Price), problems)
    if not UNREAD & {problem.code for problem in problems}:
        problems.extend(_dangling_names(gpus, instances, models, apis, prices, day))
        problems.extend(dangling_places(models, places.entries, providers))
    if problems:
        raise Problems(dict.fromkeys(problems))
    kinds: dict[str, FactTable[Any]] = {
        "gpu": gpus,
        "instance": instances,
        "model": models,
        "place": places,
        "provider": providers,
        "api": apis,
    }
    return Catalog(
        models=models.values,
        all_gpus=gpus.values,
        instances=instances.values,
        places=Places(places.values),
        providers=providers.values,
        apis=tuple(apis.values[key] for key in sorted(apis.values)),
        prices=PriceSnapshot(day, prices.values),
        rows={f"{kind}/{key}": row for kind, table in kinds.items() for key, row in table.rows.items()},
        price_rows=prices.rows,
    )


def fact_table(entries: Iterable[Entry], adapter: TypeAdapter[T], problems: list[Problem]) -> FactTable[T]:
    """Turn entries into values. Whatever is wrong with them goes to `problems`."""
    values: dict[str, T] = {}
    known: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.key):
        if entry.key in known:
            first = known[entry.key].span()
            message = f"{entry.key} stands twice, first in {first.file}:{first.line}"
            problems.append(Problem("CAT004", message, entry.span(), "keep one of them"))
        known[entry.key] = entry
        if entry.row is None:
            continue
        try:
            value = adapter.validate_json(json.dumps(entry.row), strict=True)
        except ValidationError as error:
            problems.extend(_row_problems(error, entry))
            continue
        doubts = chain(_row_doubts(value, entry.row), _contradictions(value))
        problems.extend(Problem("CAT003", message, entry.span(*place)) for place, message in doubts)
        if isinstance(value, Price) and value.usd <= 0:
            hint = "leave the price out: what is not known is a gap, and nothing is free"
            problems.append(Problem("CAT005", f"the price of {value.key} is {value.usd}", entry.span("usd"), hint))
        values[entry.key] = value
    return FactTable(values, known)


def _row_problems(error: ValidationError, entry: Entry) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        yield Problem("CAT003", f"{place}: {detail['msg']}" if place else detail["msg"], entry.span(*detail["loc"]))


def _row_doubts(value: Any, row: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield what the type cannot refuse, and where: unknown keys, rows without a source, dates that are none."""
    known = {field.name for field in fields(value)}
    for key in row:
        place = (*above, key)
        inner = getattr(value, key, None)
        if key not in known:
            yield place, f"unknown key {key!r}; {did_you_mean(key, known)}"
        elif is_dataclass(inner):
            yield from _row_doubts(inner, row[key], place)
        elif isinstance(inner, Mapping | tuple):
            for name, part in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
                if is_dataclass(part):
                    yield from _row_doubts(part, row[key][name], (*place, name))
    if "source" in known and not value.source:
        yield (*above, "source"), "no source"
    if "as_of" in known:
        try:
            earliest_day(value.as_of)
        except ValueError as error:
            yield (*above, "as_of"), str(error)


def _contradictions(value: Any) -> Iterator[tuple[Path, str]]:
    """Yield where the columns of a row contradict each other, or name a place in a form that no place has."""
    if isinstance(value, ApiModel) and (message := value.contradiction()):
        yield ("lifecycle", "state"), message
    if isinstance(value, Model | Adapter):
        yield from value.malformed()
    if isinstance(value, Model):
        for place, drafter in enumerate(value.drafters):
            if wrong := drafter.contradiction():
                yield ("drafters", place, wrong[0]), wrong[1]


def _dangling_names(
    gpus: FactTable[Gpu],
    instances: FactTable[InstanceType],
    models: FactTable[Model],
    apis: FactTable[ApiModel],
    prices: FactTable[Price],
    day: str,
) -> Iterator[Problem]:
    """Yield a problem for each row that names a row which does not exist, and for each hosted model without prices."""
    for key, instance in instances.values.items():
        if instance.gpu not in gpus.entries:
            hint = did_you_mean(instance.gpu, gpus.entries)
            yield Problem("CAT006", f"there is no GPU {instance.gpu!r}", instances.entries[key].span("gpu"), hint)
    for key, api in apis.values.items():
        if api.hosts is not None and api.hosts not in models.entries:
            hint = did_you_mean(api.hosts, models.entries)
            yield Problem("CAT006", f"there is no model {api.hosts!r}", apis.entries[key].span("hosts"), hint)
        for part in ("input", "output"):
            if f"api/{key}/{part}" not in prices.entries:
                message = f"{key} has no {part} price in the snapshot of {day}"
                hint = f"add it to prices/{day}/api/{api.provider}.yaml"
                yield Problem("CAT006", message, apis.entries[key].span(), hint)


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
