"""Reads request traces: the summaries that ship with the planner, and CSV files of a user's own.

    TIMESTAMP,ContextTokens,GeneratedTokens      Azure LLM inference trace: 2023-11-16 18:15:46.6805900,374,44
    arrival_ms,input_tokens,output_tokens        our own: milliseconds after any origin

A CSV is streamed twice, once to add up and once for the excerpt, so that a trace of any length is read in bounded
memory. All bad rows are counted, and the first twenty are told. TRC001: no such file or trace. TRC002: an unknown
header. TRC003: a bad row. TRC004: time runs backwards. TRC005: too few requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from planner.domain.gaps import did_you_mean
from planner.domain.tally import Tally
from planner.domain.traces import EXCERPT_S, Excerpt, TraceSummary
from planner.edges.catalog_files import package_folder
from planner.words.diagnostics import Problem, Problems, Span

SHOWN = 20
"""Number of problems of one file that are told in full."""

YEAR_US = 366 * 86_400 * 1_000_000
"""The longest trace that is read, microseconds. A longer time is in another unit than the header says."""

TraceRequest = tuple[int, int, int]
"""(arrival in microseconds, input tokens, output tokens) of a request."""


@dataclass(frozen=True)
class CsvFormat:
    """A layout of CSV files.

    header: the first line.
    time_us: turns the first column into microseconds; raises ValueError when it cannot.
    time_form: what the first column should be, for people.
    """

    header: str
    time_us: Callable[[str], int]
    time_form: str


def _azure_time_us(text: str) -> int:
    """Turn `2023-11-16 18:15:46.6805900` into microseconds since 1970, without the seventh digit and without zones."""
    seconds, _, fraction = text.partition(".")
    moment = datetime.fromisoformat(seconds)
    if moment.tzinfo is not None or (fraction and not fraction.isdigit()):
        raise ValueError(text)
    return (moment - _EPOCH) // _SECOND * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0)


_EPOCH = datetime(1970, 1, 1)
_SECOND = datetime(1970, 1, 1, 0, 0, 1) - _EPOCH

FORMATS = (
    CsvFormat("TIMESTAMP,ContextTokens,GeneratedTokens", _azure_time_us, "a time like 2023-11-16 18:15:46.6805900"),
    CsvFormat("arrival_ms,input_tokens,output_tokens", lambda text: round(float(text) * 1000), "milliseconds"),
)


def load_trace(reference: str, base: Path) -> TraceSummary:
    """Return the trace that an environment names: one that ships (`azure-conv-2023`), or a CSV file below `base`.

    Raises `Problems` (TRC001 …).
    """
    shipped = shipped_traces()
    if reference in shipped:
        return shipped_trace(reference)
    path = base / reference
    if not path.is_file():
        known = did_you_mean(reference, shipped)
        message = f"no trace {reference!r}: it neither ships with the planner nor is a file under {base}"
        raise Problems([Problem("TRC001", message, hint=f"{known} or give the path of a CSV file")])
    return read_csv(path)


def shipped_traces() -> tuple[str, ...]:
    """Return the names of the traces that ship with the planner, sorted."""
    entries = _traces_folder().iterdir()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")))


@lru_cache(maxsize=8)
def shipped_trace(name: str) -> TraceSummary:
    """Return a trace that ships with the planner. Raises `Problems` TRC001 when there is none of that name."""
    if name not in shipped_traces():
        raise Problems([Problem("TRC001", f"no trace {name!r} ships", hint=did_you_mean(name, shipped_traces()))])
    return parse_summary(_traces_folder().joinpath(f"{name}.json").read_text(encoding="utf-8"), f"{name}.json")


def read_csv(path: Path) -> TraceSummary:
    """Summarise a trace file. The trace takes the name of the file.

    Raises `Problems`, exit code 2, with the first twenty bad rows and the number of all.
    """
    layout = _layout(path)
    tally, problems, bad = Tally(), list[Problem](), 0
    first = last = -1
    for number, row in _ordered_rows(path, layout):
        if isinstance(row, Problem):
            bad, last_bad = bad + 1, number
            if bad <= SHOWN:
                problems.append(row)
        elif not bad:
            first, last = row[0] if first < 0 else first, row[0]
            tally.add(row[0] - first, *row[1:])
    if bad > SHOWN:
        message = f"{bad - SHOWN} more rows of {path.name} are bad, {bad} in all; this is the last"
        problems.append(Problem("TRC003", message, Span(str(path), last_bad)))
    if not problems and last - first < 1_000_000:
        hint = "a trace needs at least a second of requests, better an hour"
        message = f"{path.name} holds {tally.requests} requests within less than a second"
        problems.append(Problem("TRC005", message, Span(str(path), 1), hint))
    if problems:
        raise Problems(problems)
    return tally.summary(path.stem, path.name, "", _excerpt(path, layout, first, tally.excerpt_start_s()))


def dump_summary(trace: TraceSummary) -> str:
    """Write a summary as JSON text, with one line for each field; the inverse of `parse_summary`.

    What a trace does not tell has no line, so that the digest of an older summary stays.
    """
    fields = {key: value for key, value in asdict(trace).items() if key not in _OPTIONAL or value}
    fields["cells"] = [list(cell.values()) for cell in fields["cells"]]
    fields["excerpt"] = {"start_s": trace.excerpt.start_s, "requests": _deltas(trace.excerpt.requests)}
    lines = (f" {json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse_summary(text: str, file: str) -> TraceSummary:
    """Read a summary from JSON text. Raises `Problems` TRC002 when the text is no summary."""
    try:
        fields: dict[str, Any] = json.loads(text)
        names = ("input_bin", "output_bin", "requests", "input_tokens", "output_tokens")
        fields["cells"] = [dict(zip(names, row, strict=True)) for row in fields["cells"]]
        fields["excerpt"]["requests"] = _undeltas(fields["excerpt"]["requests"])
        return _SUMMARY.validate_python(fields)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        hint = "restore the file from the release"
        raise Problems([Problem("TRC002", f"{file} is no trace summary: {error}", Span(file, 1), hint)]) from error


_SUMMARY = TypeAdapter(TraceSummary)
_OPTIONAL = frozenset({"within_hour", "week", "prefix", "unknown"})


def _traces_folder() -> Traversable:
    return package_folder().joinpath("traces")


def _layout(path: Path) -> CsvFormat:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Problems([Problem("TRC001", f"cannot read {path}: {error}", hint="give a CSV file in UTF-8")]) from error
    for layout in FORMATS:
        if header == layout.header:
            return layout
    hint = "formats that are read: " + " | ".join(layout.header for layout in FORMATS)
    where = Span(str(path), 1, 1, max(1, len(header)), header)
    raise Problems([Problem("TRC002", "this header is of no trace format", where, hint)])


def _rows(path: Path, layout: CsvFormat) -> Iterator[tuple[int, TraceRequest | Problem]]:
    """Yield (line number, request or what is wrong with it) for every row that is not blank."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        next(lines)
        for number, line in enumerate(lines, start=2):
            if text := line.strip():
                yield number, _request(text, layout, path, number)


def _request(text: str, layout: CsvFormat, path: Path, number: int) -> TraceRequest | Problem:
    cells = text.split(",")
    if len(cells) == 3:
        try:
            request = layout.time_us(cells[0].strip()), int(cells[1]), int(cells[2])
        except (ValueError, OverflowError):
            pass
        else:
            if request[0] >= 0 and request[1] >= 1 and request[2] >= 0:
                return request
    expected = f"{layout.time_form}, input tokens (1 or more) and output tokens (0 or more)"
    where = Span(str(path), number, 1, min(len(text), 80), text[:80])
    return Problem("TRC003", f"not a request: {text[:80]}", where, f"write {expected}")


def _ordered_rows(path: Path, layout: CsvFormat) -> Iterator[tuple[int, TraceRequest | Problem]]:
    """Yield the rows. One that comes before the row above it, or more than a year after the first, is a problem."""
    first = last = -1
    for number, row in _rows(path, layout):
        where = Span(str(path), number)
        if isinstance(row, Problem):
            yield number, row
        elif row[0] < last:
            yield (
                number,
                Problem("TRC004", "this request arrives before the one above it", where, "sort the rows by time"),
            )
        elif first >= 0 and row[0] - first > YEAR_US:
            yield number, Problem("TRC004", "this request arrives over a year after the first", where, "check its unit")
        else:
            first, last = row[0] if first < 0 else first, row[0]
            yield number, row


def _excerpt(path: Path, layout: CsvFormat, origin: int, start_s: int) -> Excerpt:
    """Read the requests of the chosen five minutes, in a second pass."""
    first = origin + start_s * 1_000_000
    chosen = []
    for _, row in _rows(path, layout):
        if isinstance(row, tuple) and row[0] >= first:
            if row[0] >= first + EXCERPT_S * 1_000_000:
                break
            chosen.append(((row[0] - first) // 1000, row[1], row[2]))
    return Excerpt(start_s, tuple(chosen))


def _deltas(requests: tuple[tuple[int, int, int], ...]) -> list[int]:
    """Return the flat list of (ms since the request before, input, output) that a file keeps."""
    flat, last = list[int](), 0
    for at, input_tokens, output_tokens in requests:
        flat += [at - last, input_tokens, output_tokens]
        last = at
    return flat


def _undeltas(flat: list[int]) -> list[tuple[int, int, int]]:
    """Return the requests of such a flat list."""
    requests, at = [], 0
    for delta, input_tokens, output_tokens in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        at += delta
        requests.append((at, input_tokens, output_tokens))
    return requests
