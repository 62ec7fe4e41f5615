"""Entries of catalog files as values: what a row of each kind must hold.

A row must have exactly the columns of its type, a source and a date. Whatever is wrong is a problem with file and line.
CAT003: a row of the wrong form. CAT004: an entry that stands twice. CAT005: a price that is not above zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from planner.domain.adapters import Adapter
from planner.domain.apis import ApiModel, Provider
from planner.domain.discounts import Discount, OwnPrice
from planner.domain.engine import EngineRelease
from planner.domain.failures import FailureRow
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType, Region, UnplannedHardware
from planner.domain.owning import OwningRow
from planner.domain.places import KnownPlace
from planner.domain.prices import FamilyCut, Price, earliest_day
from planner.edges.catalog_entries import Entry
from planner.words.diagnostics import Problem
from planner.words.spans import Path

if TYPE_CHECKING:
    from planner.domain.currency import Currency

V = TypeVar("V")
T = TypeVar(
    "T",
    Gpu,
    InstanceType,
    Region,
    UnplannedHardware,
    Model,
    KnownPlace,
    Provider,
    ApiModel,
    Price,
    OwnPrice,
    Discount,
    Adapter,
    EngineRelease,
    FamilyCut,
    FailureRow,
    OwningRow,
    "Currency",
)


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


_READERS: dict[type, TypeAdapter[Any]] = {}
"""The readers of types that were needed until now, because it takes some milliseconds to make one."""


def reader_of(kind: type[V]) -> TypeAdapter[V]:
    """Return the reader of a type, made when it is first needed."""
    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


def fact_table(entries: Iterable[Entry], kind: type[T], problems: list[Problem]) -> FactTable[T]:
    """Turn entries into values of a type. Whatever is wrong with them goes to `problems`."""
    reader = reader_of(kind)
    values: dict[str, T] = {}
    known: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.key):
        if entry.key in known:
            first = known[entry.key].span()
            message = f"{entry.key} stands twice, first in {first.file}:{first.line}"
            problems.append(Problem("CAT004", message, entry.span(), "keep one of them"))
        known.setdefault(entry.key, entry)
        if entry.row is None:
            continue
        try:
            value = reader.validate_json(json.dumps(entry.row), strict=True)
        except ValidationError as error:
            problems.extend(_row_problems(error, entry))
            refused = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
            if (partial := _without_missing(reader, entry, error)) is None:
                problems.extend(stated_problems(kind, entry, refused))
                continue
            value = partial
        doubts = chain(row_doubts(value, entry.row), _contradictions(value))
        problems.extend(Problem("CAT003", message, entry.span(*place)) for place, message in doubts)
        if isinstance(value, Price) and value.usd <= 0:
            problems.append(_not_above_zero(value.key, value.usd, entry))
        if isinstance(value, Discount) and (wrong := value.contradiction()):
            problems.append(Problem("CAT010", wrong[1], entry.span(wrong[0])))
        values.setdefault(entry.key, value)
    return FactTable(values, known)


def _row_problems(error: ValidationError, entry: Entry) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        yield Problem("CAT003", f"{place}: {detail['msg']}" if place else detail["msg"], entry.span(*detail["loc"]))


def _without_missing(reader: TypeAdapter[V], entry: Entry, error: ValidationError) -> V | None:
    """Return the value of a row that lacks only columns which may be unknown, so that the others are looked at.

    None where there is no such value. That the columns are missing is a problem that was noted already.
    """
    missing = {str(detail["loc"][0]): None for detail in error.errors() if detail["type"] == "missing"}
    try:
        return reader.validate_json(json.dumps({**(entry.row or {}), **missing}), strict=True)
    except ValidationError:
        return None


def stated_problems(kind: type[T], entry: Entry, told: Collection[str] = ()) -> Iterator[Problem]:
    """Yield what can be said of the columns of a row that makes no value, so that one run tells it all.

    told: columns of which a problem is noted already.
    """
    row, refused = entry.row or {}, set(told)
    known = {field.name for field in fields(kind)}
    for key in row:
        if key not in known and key not in refused:
            yield Problem("CAT003", f"unknown key {key!r}; {did_you_mean(key, known)}", entry.span(key))
    if "as_of" in row and "as_of" not in refused:
        try:
            earliest_day(str(row["as_of"]))
        except ValueError as wrong:
            yield Problem("CAT003", str(wrong), entry.span("as_of"))
    if issubclass(kind, Price) and "usd" in row and "usd" not in refused and Decimal(str(row["usd"])) <= 0:
        yield _not_above_zero(entry.key, row["usd"], entry)


def _not_above_zero(key: str, usd: object, entry: Entry) -> Problem:
    hint = "leave the price out: what is not known is a gap, and nothing is free"
    return Problem("CAT005", f"the price of {key} is {usd}", entry.span("usd"), hint)


def row_doubts(
    value: Any, row: Mapping[str, Any], above: Path = (), implied: Collection[str] = ()
) -> Iterator[tuple[Path, str]]:
    """Yield what the type cannot refuse, and where: unknown keys, rows without a source, dates that are none.

    implied: columns of the type that follow from where the row stands, so that it may not state them.
    """
    known = {field.name for field in fields(value)} - set(implied)
    for key in row:
        place = (*above, key)
        inner = getattr(value, key, None)
        if key not in known:
            yield place, f"unknown key {key!r}; {did_you_mean(key, known)}"
        elif is_dataclass(inner):
            yield from row_doubts(inner, row[key], place)
        elif isinstance(inner, Mapping | tuple):
            for name, part in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
                if is_dataclass(part):
                    yield from row_doubts(part, row[key][name], (*place, name))
    if "source" in known and not value.source.strip():
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
    if isinstance(value, Provider) and (message := value.contradiction()):
        yield ("not_called",), message
    if isinstance(value, FailureRow) and (failed := value.contradiction()):
        yield (failed[0],), failed[1]
    if isinstance(value, OwningRow) and (failed := value.contradiction()):
        yield (failed[0],), failed[1]
    if isinstance(value, Region):
        yield from _zone_doubts(value)
    if isinstance(value, Model | Provider | Adapter):
        yield from value.malformed()
    if isinstance(value, Model):
        for place, drafter in enumerate(value.drafters):
            if wrong := drafter.contradiction():
                yield ("drafters", place, wrong[0]), wrong[1]


def _zone_doubts(region: Region) -> Iterator[tuple[Path, str]]:
    """Yield each zone that is no id of a zone, or that belongs to another region than the first."""
    places = [(("families", name), zones) for name, zones in region.families.items()]
    places += [(("types", name), zones) for name, zones in region.types.items()]
    first = next((zone.rpartition("-")[0] for _, zones in places for zone in zones), "")
    for place, zones in places:
        for zone in zones:
            if not re.fullmatch(r"[a-z0-9]+-az[0-9]+", zone):
                yield place, f"{zone!r} is no id of a zone; ids read like `euc1-az2`"
            elif zone.rpartition("-")[0] != first:
                yield place, f"{zone!r} is no zone of the region of `{first}`"
