"""Prices and discounts of a catalog folder, taken apart into entries: one for each price and each discount.

    prices/DAY/KIND/GROUP.yaml    `prices`: one line for each price; the names on the way to it are its key
    prices/DAY/purchases/REGION.yaml    the same for machines that are not bought on demand: keys of `ec2/REGION/`
    prices/DAY/sources.yaml       the table of sources of that snapshot
    prices/KIND/GROUP.yaml        prices of a team's own, which are of no day; each file has its own `sources`
    discounts.yaml                discounts of a team's own, a line each

Scalars are read as the text that stands there, so that a price keeps its digits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from planner.domain.prices import PURCHASES, file_of
from planner.edges.catalog_entries import SUFFIX, CatalogReading, Entry, SourceRow
from planner.edges.catalog_yaml import CatalogDocument, TextLoader
from planner.words.spans import Path

PRICE_KINDS = ("api", "ec2", "platform")
"""Folders of a snapshot: the first part of a price's key. A snapshot may also have the folder of `PURCHASES`."""


def price_groups(reading: CatalogReading, day: str) -> tuple[str, ...]:
    """Return the files of one snapshot as `FOLDER/GROUP`."""
    folders = (*PRICE_KINDS, *([PURCHASES] if reading.has(f"prices/{day}/{PURCHASES}") else []))
    return tuple(f"{folder}/{group}" for folder in folders for group in reading.names(f"prices/{day}/{folder}"))


def price_sources(reading: CatalogReading, day: str) -> Mapping[str, SourceRow | None]:
    """Return the table of sources of one snapshot."""
    table = reading.document(f"prices/{day}", "sources", TextLoader)
    return reading.sources(table, table.value, ()) if table else {}


def prices_of(reading: CatalogReading, day: str, name: str, sources: Mapping[str, SourceRow | None]) -> list[Entry]:
    """Return all prices of one file of a snapshot. name: the file, as `FOLDER/GROUP`.

    A price in another file than its key tells would never be found, which is a problem.
    """
    folder, _, group = name.partition("/")
    document = reading.document(f"prices/{day}/{folder}", group, TextLoader)
    if document is None:
        return []
    kind = "ec2" if folder == PURCHASES else folder
    entries = list(_priced(reading, document, kind, group, sources, {"unit", "prices"}))
    for entry in entries:
        if file_of(entry.key) != name:
            hint = f"move it to prices/{day}/{file_of(entry.key)}{SUFFIX}"
            reading.note("CAT003", f"{entry.key} stands in the wrong file", entry.span(), hint)
    return entries


def own_price_entries(reading: CatalogReading) -> list[Entry]:
    """Return the prices of a team's own, which are of no day: each file of `prices/KIND/` has its own sources."""
    entries: list[Entry] = []
    for kind in PRICE_KINDS:
        if not reading.has(f"prices/{kind}"):
            continue
        for group in reading.names(f"prices/{kind}"):
            if (document := reading.document(f"prices/{kind}", group, TextLoader)) is None:
                continue
            sources = reading.sources(document, reading.mapping(document, "sources"), ("sources",))
            entries += _priced(reading, document, kind, group, sources, {"unit", "sources", "prices"})
    return entries


def discount_entries(reading: CatalogReading) -> list[Entry]:
    """Return the discounts of a team's own: one entry for each line of `discounts.yaml`.

    Its key is what the discount is given for; of one that follows another on the same thing, with its first day.
    """
    document = reading.document("", "discounts", TextLoader) if reading.has(f"discounts{SUFFIX}") else None
    if document is None:
        return []
    for name in sorted(document.value.keys() - {"discounts"}):
        reading.note("CAT003", f"unknown key {name!r} beside `discounts`", document.span((name,)))
    lines = document.value.get("discounts")
    if not isinstance(lines, list):
        reading.note("CAT003", f"{document.file} has no list `discounts`", document.span(("discounts",)))
        return []
    entries: dict[str, Entry] = {}
    for index, line in enumerate(lines):
        path: Path = ("discounts", index)
        if isinstance(line, dict) and isinstance(line.get("on"), str):
            name = line["on"]
            key = f"{name} of {line.get('as_of')}" if name in entries else name
            entries[key if key not in entries else f"{key}, line {index + 1}"] = Entry(key, line, document, path)
        else:
            message = "a discount is written {on: NAME, percent: NUMBER, source: TEXT, as_of: DATE}"
            reading.note("CAT003", message, document.span(path))
    return list(entries.values())


def _priced(
    reading: CatalogReading,
    document: CatalogDocument,
    kind: str,
    group: str,
    sources: Mapping[str, SourceRow | None],
    known: Collection[str],
) -> Iterator[Entry]:
    """Yield all prices of one file. known: keys that may stand at its head."""
    for name in sorted(document.value.keys() - set(known)):
        beside = " and ".join(f"`{key}`" for key in sorted(known))
        reading.note("CAT003", f"unknown key {name!r} beside {beside}", document.span((name,)))
    unit = {"unit": document.value["unit"]} if "unit" in document.value else {}
    for path, block in _tree(reading, document, reading.mapping(document, "prices"), ("prices",)):
        key = "/".join((kind, group, *path[1:]))
        row = reading.with_source(unit | block, sources, document, path)
        whole = row and reading.with_implied(document, path, {"key": key}, row)
        yield Entry(key, whole, document, path)


def _tree(
    reading: CatalogReading, document: CatalogDocument, tree: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield (path, columns) of every price in a tree of names."""
    for name, value in tree.items():
        path = (*above, name)
        if not isinstance(value, dict):
            reading.note("CAT003", f"{name}: a price is written {{usd: …, source: …}}", document.span(path))
        elif any(isinstance(inner, dict) for inner in value.values()):
            yield from _tree(reading, document, value, path)
        else:
            yield path, value
