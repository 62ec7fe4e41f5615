"""Reads tables of published benchmark rows and makes the text of their predictions. Both are CSV.

    read    columns of `measurement.evidence.published.COLUMNS`; more columns may follow, and `value` may be missing
    made    id,predicted,low,high,provenance,reason        one line for each row, in the order of the rows

Everything that is wrong with a table is reported in one run, with file and line:

    PERF030  the file is no CSV with a header and rows
    PERF031  a column is missing or stands twice
    PERF032  an id is missing or stands twice
    PERF033  a row has another width than the header
    PERF034  a value is not a number

A row that can be read and not predicted is no problem of the file.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import COLUMNS, Unpredictable
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span

SHOWN = 20
"""Problems of one code that are shown. One more problem counts the others."""


@dataclass(frozen=True)
class PublishedTable:
    """The rows of a table, each as words by column.

    Each row has an id of its own, and a `value` that is empty or a number above 0.
    """

    file: str
    rows: tuple[Mapping[str, str], ...]

    @property
    def measured_rows(self) -> int:
        """Number of rows with a value."""
        return sum(bool(row.get("value")) for row in self.rows)


def read_published(path: Path) -> PublishedTable:
    """The table in a CSV file.

    Errors: `Problems` (IO001, PERF030 to PERF034) with everything that is wrong in the file.
    """
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


def predictions_text(answers: Sequence[PredictedFigure | Unpredictable]) -> str:
    """Predictions as CSV text. Figures have six significant digits."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("id", "predicted", "low", "high", "provenance", "reason"))
    for answer in answers:
        if isinstance(answer, PredictedFigure):
            figures = (six_digits(answer.value), six_digits(answer.low), six_digits(answer.high))
            lines.writerow((answer.id, *figures, answer.provenance, ""))
        else:
            lines.writerow((answer.id, "", "", "", "", answer.reason))
    return text.getvalue()


def six_digits(value: float) -> str:
    """A number with six significant digits, without an exponent up to ten billion."""
    return f"{float(f'{value:.6g}'):.10g}"


def _records(name: str, text: str) -> list[tuple[int, list[str]]]:
    """(line where a record begins, its cells) for each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "the file may be cut off, or a quote in a cell is not doubled"
        raise Problems([Problem("PERF030", f"this is not CSV: {error}", Span(name, line), hint)]) from error
    return records


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
    """The number that a text says; nan where it says none or an infinite one."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _few(problems: Iterator[Problem]) -> Iterator[Problem]:
    """The first problems, and one that counts the others."""
    listed = list(problems)
    yield from listed[:SHOWN]
    if len(listed) > SHOWN:
        where = listed[SHOWN].where
        yield Problem(listed[0].code, f"and {len(listed) - SHOWN} more like this from here on", where)
