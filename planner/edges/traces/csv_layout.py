"""Tables of requests: a header, and a row each. Columns are read whole, and row by row only where something is odd.

Both ways give the same requests. The quick one takes blocks in which every line is a row with all its cells and every
cell is plain; one bad cell sends a block the other way.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.edges.traces.blocks import MOST_LINE_BYTES, LineBlock
from planner.edges.traces.rows import (
    UNKNOWN_TOKENS,
    BadLine,
    BadRow,
    Batch,
    TraceRow,
    batch_of,
    believable,
    checked,
    whole,
)
from planner.edges.traces.times import Cells, NoTime, TimeReader

SHOWN_CHARACTERS = 80
"""Characters of a bad row that are shown."""
_NEWLINE = 10


@dataclass
class CsvLayout:
    """A table. See `LogLayout` for the other fields.

    header: names of the columns.
    delimiter: what stands between cells.
    at, inputs, outputs, session: places of the columns; None for those that the table lacks.
    failures: place of a column and the words in it that say that a request was not served.
    """

    name: str
    header: tuple[str, ...]
    delimiter: str
    times: TimeReader
    at: int
    inputs: int
    outputs: int | None
    session: int | None
    dated: bool
    form: str
    failures: tuple[int, Mapping[str, str]] | None = None
    quotes: bool = field(default=True, init=False)
    stateful: bool = field(default=False, init=False)
    block_tokens: int = field(default=0, init=False)

    def batch(self, block: LineBlock) -> Batch:
        """Return the requests of a block; the header is no row, wherever it stands."""
        skip = 1 if block.first_line == 1 else 0
        try:
            columns = self._quoted(block.text, skip) if b'"' in block.text else self._columns(block.text, skip)
            if columns is not None:
                return self._quick(columns, block.first_line + skip)
        except (ValueError, OverflowError, csv.Error):
            pass  # some cell is odd: the other way says which
        return self._by_row(block)

    def rest(self) -> Batch:
        """Return nothing: every row stands for itself."""
        return batch_of(())

    def _columns(self, text: bytes, skip: int) -> list[Cells] | None:
        """Return the cells by column; None where lines differ in their number of cells."""
        text = text.replace(b"\r\n", b"\n")
        if not text.endswith(b"\n"):
            text += b"\n"
        if skip:
            text = text[text.index(b"\n") + 1 :]
        delimiter, wide = self.delimiter.encode(), len(self.header)
        letters = np.frombuffer(text, np.uint8)
        ends = letters[(letters == _NEWLINE) | (letters == delimiter[0])] == _NEWLINE
        if not len(ends) or len(ends) % wide or not ends[wide - 1 :: wide].all() or ends.sum() * wide != len(ends):
            return None
        cells = text.replace(b"\n", delimiter).split(delimiter)
        wanted = self._wanted()
        return [np.array(cells[k : len(ends) : wide] if k in wanted else [], dtype=np.bytes_) for k in range(wide)]

    def _quoted(self, text: bytes, skip: int) -> list[Cells] | None:
        """Return the cells by column of a block with quotes; None where rows differ or have several lines."""
        csv.field_size_limit(MOST_LINE_BYTES)
        reader = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=self.delimiter)
        rows = list(reader)[skip:]
        if reader.line_num != len(rows) + skip or any(len(row) != len(self.header) for row in rows):
            return None
        wanted = self._wanted()
        return [
            np.array([row[k].encode() for row in rows] if k in wanted else [], dtype=np.bytes_)
            for k in range(len(self.header))
        ]

    def _wanted(self) -> set[int | None]:
        """Return the places of the columns that are read."""
        return {self.at, self.inputs, self.outputs, self.session, self.failures[0] if self.failures else None}

    def _quick(self, columns: Sequence[Cells], first_line: int) -> Batch:
        """Return whole columns. Raises ValueError when a cell needs a closer look."""
        inputs = columns[self.inputs].astype(np.int64)
        outputs = np.full(len(inputs), UNKNOWN_TOKENS) if self.outputs is None else columns[self.outputs].astype(int)
        if self.outputs is not None and outputs.min() < 0:
            raise ValueError
        if not believable(inputs, outputs):
            raise ValueError
        if self.failures is not None:
            place, words = self.failures
            if np.isin(columns[place], np.array([word.encode() for word in words])).any():
                raise ValueError
        sessions = None
        if self.session is not None:
            sessions = [hash(cell) if cell else None for cell in columns[self.session].tolist()]
        lines = np.arange(first_line, first_line + len(inputs))
        return Batch(lines, self.times.column(columns[self.at]), inputs, outputs.astype(np.int64), sessions)

    def _by_row(self, block: LineBlock) -> Batch:
        bad, left_out = list[BadLine](), Counter[str]()

        def rows() -> Iterator[tuple[int, TraceRow]]:
            csv.field_size_limit(MOST_LINE_BYTES)
            text = block.text.decode(errors="replace")
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=False)
            while True:
                line = block.first_line + reader.line_num
                try:
                    cells = next(reader, None)
                    if cells is None:
                        return
                    if not cells or tuple(cell.strip() for cell in cells) == self.header:
                        if cells and line > 1:
                            left_out["repeated headers"] += 1
                        continue
                    if failure := self._failure(cells):
                        left_out[failure] += 1
                        continue
                    yield line, self._row(cells)
                except (BadRow, NoTime, csv.Error) as error:
                    shown = self.delimiter.join(cells or ()).partition("\n")[0][:SHOWN_CHARACTERS]
                    bad.append(BadLine(line, str(error), shown))

        listed = list(rows())
        batch = batch_of(listed, bad, left_out)
        if self.session is not None and batch.sessions is None:
            return Batch(
                batch.lines, batch.at_us, batch.inputs, batch.outputs, [None] * len(listed), None, batch.bad, left_out
            )
        return batch

    def _failure(self, cells: Sequence[str]) -> str:
        """Return what a row is that no one served; empty when it was served."""
        if self.failures is None or self.failures[0] >= len(cells):
            return ""
        return self.failures[1].get(cells[self.failures[0]].strip(), "")

    def _row(self, cells: Sequence[str]) -> TraceRow:
        if len(cells) != len(self.header):
            doubt = "; is a quote not closed?" if any("\n" in cell for cell in cells) else ""
            raise BadRow(f"{len(cells)} cells and not {len(self.header)}{doubt}")
        return checked(
            TraceRow(
                self.times.one(cells[self.at]),
                whole(cells[self.inputs], "input tokens"),
                UNKNOWN_TOKENS if self.outputs is None else _outputs(cells[self.outputs]),
                None if self.session is None or not cells[self.session] else hash(cells[self.session].encode()),
            )
        )


def _outputs(cell: str) -> int:
    tokens = whole(cell, "output tokens")
    if tokens < 0:
        raise BadRow(f"{tokens:,} output tokens: an answer has 0 or more")
    return tokens


def delimiter_of(line: str) -> str:
    """Return the delimiter of a header: the one that cuts it into most cells."""
    counts = {mark: len(next(csv.reader([line], delimiter=mark), [])) for mark in (",", ";", "\t", "|")}
    return max(counts, key=lambda mark: counts[mark])


def cells_of(line: str, delimiter: str) -> tuple[str, ...]:
    """Return the cells of one line."""
    return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), []))
