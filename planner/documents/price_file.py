"""A file of own prices: what it holds, what a refresh makes of it, and its text.

    unit: hour
    sources:
      price-list: {source: 'AWS Price List Query API, get_products', as_of: 2026-11-30}
    prices:
      g6e.xlarge:
        on-demand: {usd: 1.861, source: price-list}
    ...

A refresh owns the rows of its own source and no others. A row that somebody wrote by hand, under the name of another
source, stays as it is and wins over what the refresh found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

PLAIN = re.compile(r"[A-Za-z0-9$][A-Za-z0-9 ._/$%+-]*(?<! )")
"""Text that YAML reads as it stands, within braces too."""

Names = tuple[str, ...]
"""The names on the way to a price within its file, like `(g6e.xlarge, on-demand)`."""


@dataclass(frozen=True)
class PriceFile:
    """One file of own prices; every value is the text that stands there.

    unit: unit of the rows that state none; empty without one.
    sources: `source` and `as_of` by the name that rows use.
    rows: columns of each price by its names.
    head: lines of remarks above all.
    """

    unit: str = ""
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rows: Mapping[Names, Mapping[str, str]] = field(default_factory=dict)
    head: tuple[str, ...] = ()


@dataclass(frozen=True)
class FreshPrices:
    """What one source says of the prices of one file.

    name: name of the source within the file, by which a refresh knows its own rows.
    source: where the prices were read.
    as_of: the day that holds for all of them.
    unit: unit of the prices.
    usd: the prices by their names.
    notes: what a reader should know of some of them, by name.
    """

    name: str
    source: str
    as_of: str
    unit: str
    usd: Mapping[Names, Decimal]
    notes: Mapping[Names, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refreshed:
    """What became of a file.

    file: the new file.
    by_hand: rows of other sources, which stay.
    gone: rows of the refresh's own source of which it found no price any more.
    """

    file: PriceFile
    by_hand: tuple[Names, ...]
    gone: tuple[Names, ...]


def refreshed(file: PriceFile, fresh: FreshPrices, held: frozenset[Names] = frozenset()) -> Refreshed:
    """Return the file with the fresh prices in it.

    held: rows of the refresh's own source that stay as they were, with their day.
    """
    own = {names: row for names, row in file.rows.items() if row.get("source") == fresh.name}
    others = {names: row for names, row in file.rows.items() if names not in own}
    before = file.sources.get(fresh.name, {}).get("as_of", "")
    kept = {names: _dated(row, before) for names, row in own.items() if names in held}
    new = {
        names: _row(usd, fresh, file.unit, fresh.notes.get(names, ""))
        for names, usd in fresh.usd.items()
        if names not in others and names not in kept
    }
    rows = {**others, **kept, **new}
    sources = dict(file.sources)
    sources.pop(fresh.name, None)
    if new or kept:
        sources[fresh.name] = {"source": fresh.source, "as_of": fresh.as_of}
    changed = replace(file, unit=file.unit or fresh.unit, sources=sources, rows=rows)
    gone = sorted(own.keys() - rows.keys())
    return Refreshed(changed, tuple(sorted(others.keys() & fresh.usd.keys())), tuple(gone))


def file_text(file: PriceFile) -> str:
    """Return the text of a file. Rows and sources are sorted, so that a review sees only what changed."""
    lines = [*file.head]
    if file.unit:
        lines.append(f"unit: {_scalar(file.unit)}")
    lines.append("sources:" if file.sources else "sources: {}")
    lines.extend(f"  {_scalar(name)}: {_columns(row)}" for name, row in sorted(file.sources.items()))
    lines.append("prices:" if file.rows else "prices: {}")
    lines.extend(_tree(file.rows))
    return "\n".join([*lines, "..."]) + "\n"


def plain_usd(usd: Decimal) -> str:
    """Write a price without an exponent and without zeros at its end."""
    text = f"{usd:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _row(usd: Decimal, fresh: FreshPrices, unit: str, note: str) -> Mapping[str, str]:
    stated = {"unit": fresh.unit} if unit and unit != fresh.unit else {}
    return {"usd": plain_usd(usd), **stated, "source": fresh.name, **({"note": note} if note else {})}


def _dated(row: Mapping[str, str], as_of: str) -> Mapping[str, str]:
    return row if "as_of" in row or not as_of else {**row, "as_of": as_of}


def _tree(rows: Mapping[Names, Mapping[str, str]]) -> Iterator[str]:
    above: Names = ()
    for names, row in sorted(rows.items()):
        for depth, name in enumerate(names[:-1]):
            if names[: depth + 1] != above[: depth + 1]:
                yield f"{'  ' * (depth + 1)}{_scalar(name)}:"
        yield f"{'  ' * len(names)}{_scalar(names[-1])}: {_columns(row)}"
        above = names


def _columns(row: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {_scalar(value)}" for name, value in row.items()) + "}"


def _scalar(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "''") + "'"
