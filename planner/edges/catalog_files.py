"""Reads the catalog files that ship with the planner: JSON lines, one row a fact, checked before anything is believed.

    facts/gpus.jsonl  instances.jsonl  models.jsonl  providers.jsonl  apis.jsonl
    prices/YYYY-MM-DD.jsonl                              one file a snapshot; the newest unless a lock pins one

The first line of a file says what it holds and how many rows follow, so that a truncated file cannot pass. All problems
of all files are reported in one run, with file and line: CAT001 file or snapshot not found, CAT002 header, CAT003 row,
CAT004 duplicate, CAT005 a price that is not above zero, CAT006 a row that names a row which is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from planner.domain.apis import ApiModel, ApiModels, Provider
from planner.domain.catalog import Catalog
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType
from planner.domain.prices import Price, PriceSnapshot, earliest_day
from planner.words.diagnostics import Problem, Problems, Span

FORMAT = 1
"""Version of the file format, in every header."""

T = TypeVar("T", Gpu, InstanceType, Model, Provider, ApiModel, Price)


@dataclass(frozen=True)
class FactTable(Generic[T]):
    """One file's rows: as values and as they were read, both by key, and the line of each."""

    file: str
    values: Mapping[str, T]
    rows: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, int]

    def span(self, key: str) -> Span:
        """Where the row of `key` stands."""
        return Span(self.file, self.lines[key])


@lru_cache(maxsize=4)
def load_catalog(snapshot: str | None = None) -> Catalog:
    """The catalog that ships with this version, with the price snapshot of that day (the newest if None).

    Errors: `Problems` (CAT001 …) when the snapshot is unknown or a file is damaged.
    """
    return read_catalog(package_folder(), snapshot)


def package_folder() -> Traversable:
    """Where the shipped catalog files lie."""
    return files("planner").joinpath("catalog").joinpath("data")


def snapshots(folder: Traversable) -> tuple[str, ...]:
    """Names of the price snapshots in a catalog folder, oldest first."""
    prices = folder.joinpath("prices")
    names = (entry.name for entry in prices.iterdir()) if prices.is_dir() else iter(())
    return tuple(sorted(name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl")))


def read_catalog(folder: Traversable, snapshot: str | None = None) -> Catalog:
    """Read and check a catalog folder.

    Errors: `Problems`, exit code 2, with every problem of every file.
    """
    known = snapshots(folder)
    name = snapshot or (known[-1] if known else "")
    if name not in known:
        message = f"no price snapshot {snapshot!r}" if snapshot else f"no price snapshot in {folder}"
        raise Problems([Problem("CAT001", message, hint=did_you_mean(name, known))])
    problems: list[Problem] = []
    gpus = _table(folder, "facts/gpus.jsonl", "gpus", TypeAdapter(Gpu), problems)
    instances = _table(folder, "facts/instances.jsonl", "instances", TypeAdapter(InstanceType), problems)
    models = _table(folder, "facts/models.jsonl", "models", TypeAdapter(Model), problems)
    providers = _table(folder, "facts/providers.jsonl", "providers", TypeAdapter(Provider), problems)
    apis = _table(folder, "facts/apis.jsonl", "apis", TypeAdapter(ApiModel), problems)
    prices = _table(folder, f"prices/{name}.jsonl", "prices", TypeAdapter(Price), problems)
    problems.extend(_dangling(gpus, instances, models, providers, apis, prices))
    if problems:
        raise Problems(problems)
    kinds: dict[str, FactTable[Any]] = {
        "gpu": gpus,
        "instance": instances,
        "model": models,
        "provider": providers,
        "api": apis,
    }
    return Catalog(
        models=models.values,
        gpus=gpus.values,
        instances=instances.values,
        providers=providers.values,
        apis=ApiModels(tuple(apis.values[key] for key in sorted(apis.values))),
        prices=PriceSnapshot(name, prices.values),
        rows={f"{kind}/{key}": row for kind, table in kinds.items() for key, row in table.rows.items()},
        price_rows=prices.rows,
    )


def _table(folder: Traversable, path: str, kind: str, adapter: TypeAdapter[T], problems: list[Problem]) -> FactTable[T]:
    """Read one file; whatever is wrong with it goes to `problems`, and the good rows are returned."""
    table: dict[str, T] = {}
    rows: dict[str, Mapping[str, Any]] = {}
    lines: dict[str, int] = {}
    try:
        text = folder.joinpath(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        problems.append(
            Problem("CAT001", f"cannot read the catalog file {path}: {error}", hint="reinstall the planner")
        )
        return FactTable(path, table, rows, lines)
    problems.extend(_header_problems(path, kind, text))
    for number, line in enumerate(text[1:], start=2):
        where = Span(path, number)
        try:
            value, row = adapter.validate_json(line, strict=True), json.loads(line)
        except ValidationError as error:
            problems.extend(_row_problems(error, where))
            continue
        problems.extend(Problem("CAT003", message, where) for message in _row_doubts(value, row))
        if isinstance(value, Price) and value.usd <= 0:
            hint = "leave the row out: what is not known is a gap, and nothing is free"
            problems.append(Problem("CAT005", f"the price of {value.key} is {value.usd}", where, hint))
        if value.key in table:
            problems.append(Problem("CAT004", f"{value.key} stands twice, first in line {lines[value.key]}", where))
        table[value.key], rows[value.key], lines[value.key] = value, row, number
    return FactTable(path, table, rows, lines)


def _header_problems(path: str, kind: str, text: list[str]) -> Iterator[Problem]:
    try:
        header = json.loads(text[0])
        found = (header["catalog"], header["format"], header["rows"])
    except (IndexError, ValueError, KeyError, TypeError):
        yield Problem(
            "CAT002", f"{path} has no header line", Span(path, 1), 'write {"catalog": …, "format": 1, "rows": …}'
        )
        return
    if found != (kind, FORMAT, len(text) - 1):
        message = f"the header says {found[2]} rows of {found[0]}, format {found[1]}; the file has {len(text) - 1}"
        hint = f"this planner reads {kind} in format {FORMAT}; a file that lacks rows was cut off"
        yield Problem("CAT002", message, Span(path, 1), hint)


def _row_problems(error: ValidationError, where: Span) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        yield Problem("CAT003", f"{place}: {detail['msg']}" if place else detail["msg"], where)


def _row_doubts(value: Any, row: Mapping[str, Any]) -> Iterator[str]:
    """What the type cannot say: keys that nobody reads, rows without source, dates that are none."""
    known = {field.name for field in fields(value)}
    for key in row:
        if key not in known:
            yield f"unknown key {key!r}; {did_you_mean(key, known)}"
        elif is_dataclass(inner := getattr(value, key)):
            yield from _row_doubts(inner, row[key])
    if "source" in known and not value.source:
        yield "no source"
    if "as_of" in known:
        try:
            earliest_day(value.as_of)
        except ValueError as error:
            yield str(error)


def _dangling(
    gpus: FactTable[Gpu],
    instances: FactTable[InstanceType],
    models: FactTable[Model],
    providers: FactTable[Provider],
    apis: FactTable[ApiModel],
    prices: FactTable[Price],
) -> Iterator[Problem]:
    """Rows that name a row which is not there, and listed hosted models without their two prices."""
    for key, instance in instances.values.items():
        if instance.gpu not in gpus.values:
            yield _missing(f"instance {key} has the GPU {instance.gpu!r}", instance.gpu, gpus, instances.span(key))
    for key, api in apis.values.items():
        if api.provider not in providers.values:
            yield _missing(f"{key} is at {api.provider!r}", api.provider, providers, apis.span(key))
        if api.hosts is not None and api.hosts not in models.values:
            yield _missing(f"{key} hosts {api.hosts!r}", api.hosts, models, apis.span(key))
        for part in ("input", "output") if prices.values else ():
            if f"api/{key}/{part}" not in prices.values:
                yield Problem(
                    "CAT006", f"{key} has no {part} price in {prices.file}", apis.span(key), "add the price row"
                )


def _missing(what: str, name: str, table: FactTable[Any], where: Span) -> Problem:
    return Problem("CAT006", f"{what}, which {table.file} does not have", where, did_you_mean(name, table.values))
