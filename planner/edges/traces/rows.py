"""What a format makes of lines: requests as columns, bad rows with their reasons, rows that are no served request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from planner.edges.traces.blocks import LineBlock
from planner.edges.traces.times import TimeReader
from planner.words.arrays import Ints

MOST_TOKENS = 100_000_000
"""Longest prompt or answer that is believed, tokens."""
UNKNOWN_TOKENS = -1


class BadRow(ValueError):
    """A row is no request. The message says why."""


@dataclass(frozen=True)
class BadLine:
    """A bad row. line: its number. reason: what is wrong. text: its beginning."""

    line: int
    reason: str
    text: str


class TraceRow(NamedTuple):
    """One request of a log.

    at_us: its arrival, microseconds. input_tokens: its prompt. output_tokens: its answer, or `UNKNOWN_TOKENS`.
    session: a number that stands for its session; None without one.
    chain: hashes of its prompt's blocks; None without them.
    """

    at_us: int
    input_tokens: int
    output_tokens: int
    session: int | None = None
    chain: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Batch:
    """The requests of some lines as columns, in the order of the file; arrays have shape (requests,).

    lines: number of each request's line.
    at_us, inputs, outputs: as in `TraceRow`.
    sessions, chains: of each request, or None where the format has none.
    bad: rows that are no requests.
    left_out: how many rows are no served request, by what they are.
    """

    lines: Ints
    at_us: Ints
    inputs: Ints
    outputs: Ints
    sessions: Sequence[int | None] | None = None
    chains: Sequence[tuple[int, ...] | None] | None = None
    bad: tuple[BadLine, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


class LogLayout(Protocol):
    """A format of one file.

    name: as `--format` has it.
    times: how its times are read.
    dated: whether its times are moments and not counted from an unknown one.
    quotes: whether a field may be quoted and hold ends of lines.
    stateful: whether a line means something only after the lines before it.
    form: what a row must hold, for people.
    block_tokens: tokens of a hashed block.
    """

    name: str
    times: TimeReader
    dated: bool
    quotes: bool
    stateful: bool
    form: str
    block_tokens: int

    def batch(self, block: LineBlock) -> Batch:
        """Return what lines hold."""
        ...

    def rest(self) -> Batch:
        """Return what was waiting for more lines when the file ended."""
        ...


def checked(row: TraceRow) -> TraceRow:
    """Return the row if its tokens can be believed. Raises `BadRow`."""
    if 1 <= row.input_tokens <= MOST_TOKENS and UNKNOWN_TOKENS <= row.output_tokens <= MOST_TOKENS:
        return row
    if row.input_tokens < 1:
        raise BadRow(f"{row.input_tokens:,} input tokens: a prompt has 1 or more")
    if row.output_tokens < UNKNOWN_TOKENS:
        raise BadRow(f"{row.output_tokens:,} output tokens: an answer has 0 or more")
    raise BadRow(f"{max(row.input_tokens, row.output_tokens):,} tokens: over {MOST_TOKENS:,} are not believed")


def believable(inputs: Ints, outputs: Ints) -> bool:
    """Whether `checked` finds nothing wrong in whole columns."""
    lowest = inputs.min() >= 1 and outputs.min() >= UNKNOWN_TOKENS
    return bool(lowest and max(inputs.max(), outputs.max()) <= MOST_TOKENS)


def whole(value: object, what: str) -> int:
    """Return a whole number of tokens. Raises `BadRow`."""
    if type(value) is int:
        return value
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        raise BadRow(f"no {what}")
    try:
        number = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else float("nan")
        if number == int(number):
            return int(text) if isinstance(text, int) else int(number)
    except (ValueError, OverflowError):
        pass
    raise BadRow(f"`{str(value)[:40]}` is no whole number of {what}")


def batch_of(
    rows: Iterable[tuple[int, TraceRow]], bad: Iterable[BadLine] = (), left_out: Counter[str] | None = None
) -> Batch:
    """Return a batch of single rows with their lines."""
    listed = list(rows)
    table = [(line, row.at_us, row.input_tokens, row.output_tokens) for line, row in listed]
    lines, at_us, inputs, outputs = np.array(table, dtype=np.int64).reshape(len(listed), 4).T
    sessions = [row.session for _, row in listed]
    chains = [row.chain for _, row in listed]
    return Batch(
        lines,
        at_us,
        inputs,
        outputs,
        sessions if any(session is not None for session in sessions) else None,
        chains if any(chain is not None for chain in chains) else None,
        tuple(bad),
        left_out or Counter(),
    )
