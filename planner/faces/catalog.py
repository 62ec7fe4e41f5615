"""The catalog for the terminal: lists, one entry, ages, price changes, and the quotas of an account."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from planner.documents.catalog_entry import Named
from planner.documents.price_file import plain_usd
from planner.domain.price_ages import PriceAges
from planner.domain.price_changes import PriceChange
from planner.domain.prices import Price
from planner.faces.figures import count_words
from planner.faces.layout import Kind, Step, TableColumn, below, figures, left_out, names, sentences
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

OWN = "own"
UNKNOWN = "–"
"""What stands where the catalog does not know."""
MOST_TOO_OLD = 3
"""Keys of prices that are named in one line of ages."""


@dataclass(frozen=True)
class Column:
    """A column of a list: its label, what its cells hold, and the cell of a row."""

    label: str
    kind: Kind
    cell: Callable[[Mapping[str, Any]], str]


def _name(label: str, key: str) -> Column:
    return Column(label, Kind.NAME, lambda row: _words(row[key]))


def _figure(label: str, key: str, written: Callable[[Any], str] = str) -> Column:
    return Column(label, Kind.FIGURE, lambda row: UNKNOWN if row[key] is None else written(row[key]))


def _prose(label: str, key: str) -> Column:
    return Column(label, Kind.PROSE, lambda row: _words(row[key]))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or UNKNOWN
    return UNKNOWN if value in (None, "") else str(value)


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f} B"


def _grouped(count: float) -> str:
    return f"{count:,g}"


def _tokens(count: int) -> str:
    return f"{count:,}"


def _usd(amount: float) -> str:
    digits = f"{amount:,.4g}" if amount < 10 else f"{amount:,.2f}"
    decimals = len(digits.partition(".")[2])
    return f"${digits}" if decimals >= 2 else f"${amount:,.2f}"


_KEY = _name("key", "key")
COLUMNS: Mapping[str, tuple[tuple[Column, ...], tuple[Step, ...]]] = {
    "models": (
        (
            _KEY,
            _figure("parameters", "parameters", _billions),
            _figure("active", "active", _billions),
            _name("precision", "precision"),
            _figure("context", "context", _tokens),
            _prose("licence", "licence"),
            _prose("not served, because", "not_served"),
        ),
        (left_out("active"), left_out("not served, because"), below("licence")),
    ),
    "gpus": (
        (
            _KEY,
            _figure("memory, GB", "memory_gb"),
            _figure("GB/s", "bandwidth_gb_per_s", _grouped),
            _figure("bf16 TFLOP/s", "bf16_tflops", _grouped),
            _prose("weights in", "formats"),
            _name("link", "link"),
            _figure("$/GPU-hour", "usd_per_hour", _usd),
            _name("region", "in_region"),
        ),
        (left_out("link"), left_out("bf16 TFLOP/s"), below("weights in")),
    ),
    "instances": (
        (
            _KEY,
            Column("GPUs", Kind.NAME, lambda row: f"{row['gpu_count']} × {row['gpu']}"),
            _figure("vCPU", "vcpu"),
            _figure("memory, GiB", "ram_gib", _grouped),
            _name("quota", "quota"),
            _figure("$/hour", "usd_per_hour", _usd),
            _name("region", "in_region"),
            _prose("zones", "zones"),
        ),
        (left_out("memory, GiB"), left_out("quota"), below("zones")),
    ),
    "providers": (
        (
            _KEY,
            _figure("models", "models"),
            _name("processes in", "processes_in"),
            Column("trains", Kind.NAME, lambda row: _verified(row["trains"])),
            _figure("kept, days", "retention_days", _grouped),
            Column("HIPAA", Kind.NAME, lambda row: _verified(row["hipaa"])),
            _prose("no plan uses it, because", "not_planned"),
        ),
        (below("no plan uses it, because"),),
    ),
    "apis": (
        (
            _KEY,
            _figure("$/M in", "input_usd", _usd),
            _figure("$/M out", "output_usd", _usd),
            _figure("context", "context", _tokens),
            Column("ends", Kind.NAME, lambda row: row["retires"] or row["state"]),
            _name("hosts", "hosts"),
        ),
        (left_out("hosts"),),
    ),
    "places": ((_KEY, _name("name", "name"), _name("within", "within"), _prose("AWS regions", "aws_regions")), ()),
    "prices": (
        (
            _KEY,
            Column("USD", Kind.FIGURE, lambda row: f"{row['usd']:.10g}"),
            _name("a", "unit"),
            _name("as of", "as_of"),
            _prose("source", "source"),
        ),
        (left_out("source"),),
    ),
    "regions": (
        (
            _KEY,
            _name("place", "place"),
            _figure("types sold", "types_sold"),
            _figure("with a price", "types_with_price"),
            _prose("zones", "zones"),
            _prose("GPUs", "gpus"),
            _prose("what is missing", "missing"),
        ),
        (below("zones"), below("GPUs"), below("what is missing")),
    ),
}
"""Columns of the list of each kind, and how they give way on a narrow terminal."""


def _verified(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "not verified"}[value]


def list_view(kind: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Yield the rows of one kind; a row of the team is marked."""
    columns, steps = COLUMNS[kind]
    columns = tuple(column for column in columns if any(column.cell(row) != UNKNOWN for row in rows)) or columns
    labels = {column.label for column in columns}
    steps = tuple(step for step in steps if labels.issuperset(step.labels))
    shown = [TableColumn(column.label, column.kind) for column in columns]
    own = any(row["own"] for row in rows)
    cells = [[*(column.cell(row) for column in columns), *([OWN if row["own"] else ""] if own else [])] for row in rows]
    marks = names("whose") if own else ()
    yield FoldingTable(count_words(len(rows), kind.removesuffix("s")), (*shown, *marks), cells, steps)


def counts_view(rows: Sequence[Mapping[str, Any]], snapshot: str) -> Iterator[RenderableType]:
    """Yield how many rows of each kind there are."""
    cells = [(row["kind"], f"{row['rows']:,}", f"{row['own']:,}" if row["own"] else "") for row in rows]
    columns = (*names("kind"), *figures("rows", OWN))
    yield FoldingTable("The catalog", columns, cells, caption=f"prices of the snapshot of {snapshot}")


def entry_view(found: Named) -> Iterator[RenderableType]:
    """Yield everything that is known of one thing. Sources are numbered in the order in which they are named."""
    whose = " (your own)" if found.own else ""
    stated = [fact.source for fact in found.facts] + [price.source for price in found.prices]
    numbers = {source: number for number, source in enumerate(dict.fromkeys(stated), 1)}
    columns = (*names("fact"), *sentences("value"), *names("as of"))
    rows = [(fact.name, _value(fact.value), f"{fact.as_of} [{numbers[fact.source]}]") for fact in found.facts]
    yield FoldingTable(f"{found.kind} {found.key}{whose}", columns, rows)
    if found.prices:
        yield _prices(found.prices, found.own_prices, numbers)
    yield Group(*(Prose(source, first=f"[{number}] ", rest="    ") for source, number in numbers.items()))
    if found.gaps:
        yield Group(Prose("Not known:"), *(Prose(gap, first="· ", rest="  ") for gap in found.gaps))


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _words(value)


def _prices(prices: Sequence[Price], own: frozenset[str], numbers: Mapping[str, int]) -> FoldingTable:
    marks = [OWN if price.key in own else "" for price in prices]
    doubted = any(map(_doubt, prices))
    rows = [
        (
            price.key,
            plain_usd(price.usd),
            price.unit,
            f"{price.as_of} [{numbers[price.source]}]",
            *([mark] if any(marks) else []),
            *([_doubt(price)] if doubted else []),
        )
        for price, mark in zip(prices, marks, strict=True)
    ]
    further = (*(names("whose") if any(marks) else ()), *(sentences("to know") if doubted else ()))
    steps = (below("to know"),) if doubted else ()
    return FoldingTable("Prices", (*names("price"), *figures("USD"), *names("a", "as of"), *further), rows, steps)


def _doubt(price: Price) -> str:
    """Return what else a reader should know of a price: a second source, a region that it stands in from, its note."""
    disputed = f"a second source says {price.disputed}" if price.disputed else ""
    stands_in = f"stands in from {price.stands_in}" if price.stands_in else ""
    return "; ".join(filter(None, (disputed, stands_in, price.note)))


def ages_view(
    ages: Sequence[PriceAges], day: str, snapshot: str, commands: Mapping[str, str]
) -> Iterator[RenderableType]:
    """Yield how old prices are on a day, and what makes each kind young again.

    commands: the command that refreshes prices of a kind, or what to do where there is none.
    """
    rows = [
        (
            row.kind,
            row.publisher,
            f"{row.rows:,}",
            f"{row.youngest:,} / {row.median:,} / {row.oldest:,}",
            f"{row.limit:,}",
            Text(f"{len(row.too_old):,}", "yellow" if row.too_old else ""),
        )
        for row in ages
    ]
    columns = (
        *names("prices", "source"),
        *figures("rows", "age, days", "limit", "too old"),
    )
    title = f"Ages on {day} of the prices of {snapshot}: youngest / median / oldest"
    yield FoldingTable(title, columns, rows, (below("age, days"),))
    for kind in sorted({row.kind for row in ages if row.too_old}):
        keys = [key for row in ages if row.kind == kind for key in row.too_old]
        more = f" and {len(keys) - MOST_TOO_OLD:,} more" if len(keys) > MOST_TOO_OLD else ""
        shown = ", ".join(keys[:MOST_TOO_OLD])
        yield Prose(f"Too old: {shown}{more}\n{commands.get(kind, '')}".rstrip())


def changes_view(changes: Sequence[PriceChange], title: str, before: str, after: str) -> Iterator[RenderableType]:
    """Yield what differs between two sets of prices. before, after: labels of the two sides."""
    if not changes:
        yield Prose(f"{title}: none is another")
        return
    rows = [
        (change.kind, change.key, _amount(change.before), _amount(change.after), _percent(change.share))
        for change in changes
    ]
    columns = (*names("what", "price"), *figures(before, after, "change"))
    counted = [(kind, sum(change.kind == kind for change in changes)) for kind in ("changed", "gone", "added")]
    caption = ", ".join(f"{count:,} {kind}" for kind, count in counted if count)
    yield FoldingTable(title, columns, rows, (left_out("what"),), caption)


def _amount(price: Price | None) -> str:
    return UNKNOWN if price is None else f"${plain_usd(price.usd)}/{price.unit}"


def _percent(share: Decimal | None) -> str:
    if share is None:
        return ""
    return f"{share * 100:+.1f} %".replace("-", "−")


def quotas_view(region: str, block: str, told: Sequence[str]) -> Iterator[RenderableType]:
    """Yield the block to paste into an environment, and how environments differ from it."""
    yield Prose(f"Quotas of the account in {region}, to paste into an environment there:\n{textwrap.dedent(block)}")
    for sentence in told:
        yield Prose(sentence, first="· ", rest="  ")
