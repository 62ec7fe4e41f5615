"""Reads tables of published benchmark rows and writes predictions of them: CSV both ways.

    in   columns of `measurement.evidence.published.COLUMNS`, others as they come; `value` may be missing
    out  id,predicted,low,high,provenance,reason        one line a row, in its order; written aside, then renamed

What is wrong with a table is told in one run with file and line: PERF030 no CSV with a header and rows, PERF031 columns
that are missing or stand twice, PERF032 ids that are missing or stand twice, PERF033 rows of another width, PERF034
values that are no numbers. Rows that can be read and not predicted are no problem of the file.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measurement.evidence.figures import Predicted
from measurement.evidence.published import COLUMNS, Unreadable
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span

SHOWN = 20
"""Problems of one code that are shown; how many more there are stands in the last."""


@dataclass(frozen=True)
class PublishedTable:
    """Rows of words by column. Each has an id of its own, and a `value` that is a number above 0 or empty."""

    file: str
    rows: tuple[Mapping[str, str], ...]

    @property
    def measured(self) -> int:
        """Rows with a value."""
        return sum(bool(row.get("value")) for row in self.rows)


def read_published(path: Path) -> PublishedTable:
    """The table in a CSV file. Errors: `Problems` (IO001, PERF030 …), all of the file in one run."""
    text = read_text(path, "give a CSV with one benchmark figure a row").removeprefix("\ufeff")
    name = str(path)
    records = _records(name, text)
    if not records:
        raise Problems([Problem("PERF030", f"{name} is empty", Span(name, 1), "the first line names the columns")])
    (_, cells), *rest = records
    header = [cell.strip().lower() for cell in cells]
    problems = [*_header_problems(name, header)]
    if problems:
        raise Problems(problems)
    if not rest:
        hint = "write one benchmark figure a line below it"
        raise Problems([Problem("PERF030", f"{name} has a header and no rows", Span(name, 1), hint)])
    width = len(header)
    problems += _few(
        Problem("PERF033", f"{len(row)} cells under {width} columns", Span(name, line), "quote cells with commas")
        for line, row in rest
        if len(row) != width
    )
    rows = [
        (line, {column: cell.strip() for column, cell in zip(header, row, strict=True)})
        for line, row in rest
        if len(row) == width
    ]
    problems += _few(_id_problems(name, rows))
    problems += _few(_value_problems(name, rows))
    if problems:
        raise Problems(problems)
    return PublishedTable(name, tuple(row for _, row in rows))


def predictions_text(answers: Sequence[Predicted | Unreadable]) -> str:
    """Predictions as CSV text; figures with six significant digits."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("id", "predicted", "low", "high", "provenance", "reason"))
    for answer in answers:
        if isinstance(answer, Predicted):
            figures = (digits(answer.value), digits(answer.low), digits(answer.high))
            lines.writerow((answer.id, *figures, answer.provenance, ""))
        else:
            lines.writerow((answer.id, "", "", "", "", answer.reason))
    return text.getvalue()


def digits(value: float) -> str:
    """Six significant digits without an exponent up to a billion."""
    return f"{float(f'{value:.6g}'):.10g}"


def _records(name: str, text: str) -> list[tuple[int, list[str]]]:
    """(line where it begins, cells) of each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "the file may be cut off, or a quote in a cell is not doubled"
        raise Problems([Problem("PERF030", f"this is not CSV: {error}", Span(name, line), hint)]) from error
    return found


def _header_problems(name: str, header: Sequence[str]) -> Iterator[Problem]:
    where = Span(name, 1)
    if len(header) == 1:
        hint = f"separate columns by commas; it begins {header[0][:40]!r}"
        yield Problem("PERF030", f"{name} is not a CSV table with a header", where, hint)
        return
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        hint = f"needed: {', '.join(COLUMNS)}"
        yield Problem("PERF031", f"no column {', '.join(missing)}", where, hint)
    for column in sorted({column for column in header if column and header.count(column) > 1}):
        yield Problem("PERF031", f"the column {column} stands twice", where, "keep one of them")


def _id_problems(name: str, rows: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for line, row in rows:
        key = row["id"]
        if not key:
            yield Problem("PERF032", "a row has no id", Span(name, line), "give each row an id of its own")
        elif key in first:
            message = f"the id {key} stands twice, first in line {first[key]}"
            yield Problem("PERF032", message, Span(name, line), "give each row an id of its own")
        first.setdefault(key, line)


def _value_problems(name: str, rows: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Problem]:
    for line, row in rows:
        value = row.get("value", "")
        if value and not _number(value) > 0:
            message = f"value {value!r} of {row['id']} is not a number above 0"
            yield Problem("PERF034", message, Span(name, line), "leave it empty where nothing was measured")


def _number(text: str) -> float:
    """A finite number, else nan."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _few(problems: Iterator[Problem]) -> Iterator[Problem]:
    """The first of them, and how many more there are."""
    listed = list(problems)
    yield from listed[:SHOWN]
    if len(listed) > SHOWN:
        where = listed[SHOWN].where
        yield Problem(listed[0].code, f"and {len(listed) - SHOWN} more like this from here on", where)
