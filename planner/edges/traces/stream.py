"""Several files as one stream of requests in the order of time, in bounded memory.

Files may follow each other or overlap. Logs are written when a request ends, so that rows may stand a little out of
order: those of `WINDOW_S`, or of `WINDOW_ROWS` where there are very many, are sorted. A row that comes later than that
is a bad row (TRC004), because what it belongs to was counted already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from planner.edges.traces.blocks import blocks
from planner.edges.traces.rows import BadLine, Batch, LogLayout
from planner.edges.traces.times import same_kind
from planner.words.arrays import Ints
from planner.words.diagnostics import Problem, Problems, Span

WINDOW_S = 900
"""How late a row may stand, seconds."""
WINDOW_ROWS, WINDOW_CHAINS = 400_000, 40_000
"""Rows that wait to be sorted, at most: those without and those with hashes of their prompts."""
SHOWN = 20
"""BadLine rows that are told in full."""
YEAR_US = 366 * 86_400 * 1_000_000
"""The longest trace that is read, microseconds. A longer time is in another unit than it is taken for."""
_PEEK_BYTES = 1 << 16
_MOST_LEAPS = 0.01
"""Share of the rows of a block that may stand far ahead of those below them, as a wrong clock makes them. Where more
do, it is the order of the file."""
_AHEAD = "the request arrives over 15 min after rows below it"
_FAR = "the request arrives over a year after the first"
_LATE = "the request arrives over {} min before a row above it, or before {:,} rows"


@dataclass(frozen=True)
class Source:
    """A file and its format."""

    path: Path
    layout: LogLayout


@dataclass
class Complaints:
    """What was wrong with rows, and which were left out.

    rows: rows that were looked at, good and bad ones.
    bad: number of bad rows.
    shown: the first `SHOWN` of them.
    left_out: how many rows are no served request, by what they are.
    """

    rows: int = 0
    bad: int = 0
    shown: list[Problem] = field(default_factory=list)
    last: Span | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, source: Source, bad: BadLine, code: str = "TRC003") -> None:
        """Note a bad row."""
        self.bad += 1
        where = Span(str(source.path), bad.line, 1, max(1, len(bad.text)), bad.text)
        self.last = where
        if len(self.shown) < SHOWN:
            hint = {
                _FAR: "check the unit of its time, as in --map at=COLUMN:ms",
                _AHEAD: "check the clock that wrote it",
            }.get(bad.reason, "sort the rows by time")
            message = bad.reason
            if code == "TRC003":
                hint, message = _cell_hint(bad.reason), f"not a request: {bad.reason}"
                if not self.shown:  # once is enough
                    hint = f"{hint}; rows have {source.layout.form}"
            self.shown.append(Problem(code, message, where, hint))


def _cell_hint(reason: str) -> str:
    """Say what to do about a row by the reason for which it is bad."""
    if "time zone" in reason:
        return "write all times with a zone, or all without one"
    if "JSON" in reason:
        return "write one whole JSON object a line; a log that is still written may end in half a line"
    if reason.startswith("no "):
        return "fill it in, or take the row out"
    if reason.startswith("`"):
        return "mend this value, or take the row out"
    return "mend the row, or take it out"


@dataclass(frozen=True)
class BlockTimes:
    """A block of a file whose rows lie between two times.

    source: number of the file. first_line: of the block. first_us, last_us: earliest and latest arrival.
    """

    source: int
    first_line: int
    first_us: int
    last_us: int


@dataclass(frozen=True)
class Ordered:
    """Requests in the order of time; arrays of shape (requests,), as in `Batch`."""

    at_us: Ints
    inputs: Ints
    outputs: Ints
    sessions: Sequence[int | None] | None
    chains: Sequence[tuple[int, ...] | None] | None


class _File:
    """One file that is being read.

    reached_us: latest arrival that was read, or before that its earliest one near the beginning; None when its first
    lines hold no request.
    """

    def __init__(self, number: int, source: Source) -> None:
        self.number, self.source = number, source
        peek = next(blocks(source.path, source.layout.quotes, _PEEK_BYTES), None)
        begins = [source.layout.batch(peek), source.layout.rest()] if peek else []
        self.reached_us: int | None = min((int(b.at_us.min()) for b in begins if len(b.at_us)), default=None)
        self._batches = self._read()

    def next_batch(self) -> tuple[int, Batch] | None:
        """Return the next batch with the number of its block's first line; None at the end."""
        return next(self._batches, None)

    def _read(self) -> Iterator[tuple[int, Batch]]:
        layout = self.source.layout
        for block in blocks(self.source.path, layout.quotes):
            yield block.first_line, layout.batch(block)
        yield 0, layout.rest()


class LogStream:
    """The requests of all files in order. Where they stand is kept, so that some can be read again.

    complaints: what was wrong so far.
    places: blocks that were read.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self.complaints = Complaints()
        self.places: list[BlockTimes] = []
        self._pool: list[tuple[int, int, Batch]] = []  # (number of the file, of its batch, rows that wait)
        self._first_us: int | None = None
        self._window = WINDOW_ROWS
        self._cut = -1  # rows before this time were given out

    def __iter__(self) -> Iterator[Ordered]:
        files = [_File(number, source) for number, source in enumerate(self._sources)]
        if not same_kind(source.layout.times for source in self._sources):
            raise Problems([_mixed(self._sources)])
        self._first_us = min((file.reached_us for file in files if file.reached_us is not None), default=None)
        waiting, order = 0, 0
        while files:
            file = min(files, key=lambda each: (_frontier(each), each.number))
            found = file.next_batch()
            if found is None:
                files.remove(file)
            else:
                line, batch = found
                batch = self._taken(file, line, batch)
                if len(batch.at_us):
                    self._pool.append((file.number, order, batch))
                    waiting, order = waiting + len(batch.at_us), order + 1
            safe = min((_frontier(each) for each in files), default=None)
            if waiting and (safe is None or waiting > self._window // 2):
                given, waiting = self._given_out(safe)
                if given is not None:
                    yield given

    def again(self, first_us: int, end_us: int) -> Iterator[tuple[int, Batch]]:
        """Read the requests between two times once more, file by file; others may be among them."""
        wanted = {
            (place.source, place.first_line)
            for place in self.places
            if place.last_us >= first_us and place.first_us < end_us
        }
        for number, source in enumerate(self._sources):
            lines = {line for each, line in wanted if each == number}
            if not lines:
                continue
            if source.layout.stateful:
                source.layout.rest()
            for block in blocks(source.path, source.layout.quotes):
                if source.layout.stateful or block.first_line in lines:
                    yield number, source.layout.batch(block)
            if source.layout.stateful:
                yield number, source.layout.rest()

    def _taken(self, file: _File, line: int, batch: Batch) -> Batch:
        """Note what is wrong with a batch, and return its rows that are not too late."""
        told = self.complaints
        told.rows += len(batch.at_us) + len(batch.bad)
        told.left_out.update(batch.left_out)
        if batch.chains is not None:
            self._window = min(self._window, WINDOW_CHAINS)
        problems = [(bad, "TRC003") for bad in batch.bad]
        if len(batch.at_us):
            self._first_us = int(batch.at_us.min()) if self._first_us is None else self._first_us
            far = batch.at_us > self._first_us + YEAR_US
            if far.any():
                problems += [(BadLine(int(batch.lines[row]), _FAR, ""), "TRC004") for row in np.flatnonzero(far)]
                batch = _chosen(batch, np.flatnonzero(~far))
            ahead = _leaps(batch.at_us)
            if len(ahead):
                problems += [(BadLine(int(batch.lines[row]), _AHEAD, ""), "TRC004") for row in ahead]
                batch = _chosen(batch, np.setdiff1d(np.arange(len(batch.at_us)), ahead))
        if len(batch.at_us):
            latest = int(batch.at_us.max())
            file.reached_us = latest if file.reached_us is None else max(file.reached_us, latest)
        late = batch.at_us < self._cut
        if late.any():
            reason = _LATE.format(WINDOW_S // 60, self._window)
            problems += [(BadLine(int(batch.lines[row]), reason, ""), "TRC004") for row in np.flatnonzero(late)]
            batch = _chosen(batch, np.flatnonzero(~late))
        for bad, code in sorted(problems, key=lambda problem: problem[0].line):
            told.add(file.source, bad, code)
        if len(batch.at_us):
            self.places.append(BlockTimes(file.number, line, int(batch.at_us.min()), int(batch.at_us.max())))
        return batch

    def _given_out(self, safe: int | None) -> tuple[Ordered | None, int]:
        """Return the rows before a time in order, all of them without one, and how many still wait."""
        self._pool.sort(key=lambda entry: entry[:2])
        batches = [batch for _, _, batch in self._pool]
        at = np.concatenate([batch.at_us for batch in batches])
        if safe is not None and len(at) > self._window:
            safe = max(safe, int(np.partition(at, -self._window // 2)[-self._window // 2]))
        everything = _joined(batches)
        order = np.argsort(at, kind="stable") if (np.diff(at) < 0).any() else np.arange(len(at))
        upto = len(at) if safe is None else int(np.searchsorted(at[order], safe))
        if not upto:
            return None, len(at)
        given, kept = _chosen(everything, order[:upto]), _chosen(everything, np.sort(order[upto:]))
        self._cut = max(self._cut, int(given.at_us[-1]) if safe is None else safe)
        self._pool = [(-1, -1, kept)] if len(kept.at_us) else []
        return Ordered(given.at_us, given.inputs, given.outputs, given.sessions, given.chains), len(kept.at_us)


def _leaps(at_us: Ints) -> Ints:
    """Return the few rows that arrive later than rows below them by more than the window; none where they are many."""
    following = np.minimum.accumulate(at_us[::-1])[::-1]
    ahead = np.flatnonzero(at_us > following + WINDOW_S * 1_000_000)
    return ahead if len(ahead) <= _MOST_LEAPS * len(at_us) else ahead[:0]


def _mixed(sources: Sequence[Source]) -> Problem:
    kinds: dict[str, str] = {}
    for source in sources:
        times = source.layout.times
        kind = "numbers" if times.unit else "dates with a time zone" if times.aware else "dates without a time zone"
        kinds.setdefault(kind, source.path.name)
    told = ", ".join(f"{kind} ({name})" for kind, name in sorted(kinds.items()))
    hint = "write all times in the same way, or summarize the files apart"
    return Problem("TRC008", f"the files have times of different kinds: {told}", hint=hint)


def _frontier(file: _File) -> int:
    """Return the time before which a file has no more rows, but for late ones."""
    if file.reached_us is None:
        return -1
    return file.reached_us - WINDOW_S * 1_000_000


def _joined(batches: Sequence[Batch]) -> Batch:
    """Return one batch with the rows of all."""

    def lists(name: str) -> list[Any] | None:
        if all(getattr(batch, name) is None for batch in batches):
            return None
        return [row for batch in batches for row in (getattr(batch, name) or [None] * len(batch.at_us))]

    def array(name: str) -> Ints:
        return np.concatenate([getattr(batch, name) for batch in batches])

    return Batch(array("lines"), array("at_us"), array("inputs"), array("outputs"), lists("sessions"), lists("chains"))


def _chosen(batch: Batch, rows: Ints) -> Batch:
    """Return the batch's rows in this order."""

    def lists(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [values[row] for row in rows.tolist()]

    return Batch(
        batch.lines[rows],
        batch.at_us[rows],
        batch.inputs[rows],
        batch.outputs[rows],
        lists(batch.sessions),
        lists(batch.chains),
    )
