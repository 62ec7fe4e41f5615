"""Reads request traces: the summaries that ship with the planner, and CSV files of a user's own.

    TIMESTAMP,ContextTokens,GeneratedTokens      Azure LLM inference trace: 2023-11-16 18:15:46.6805900,374,44
    arrival_ms,input_tokens,output_tokens        our own: milliseconds after any origin

A CSV is streamed twice (once to add up, once for the excerpt), so a trace of any length is read in bounded memory. Bad
rows are all counted and the first twenty told: TRC001 no such file or trace, TRC002 header, TRC003 row, TRC004 time
runs backwards, TRC005 too few requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from planner.domain.gaps import did_you_mean
from planner.domain.traces import EXCERPT_S, Excerpt, Tally, TraceSummary
from planner.edges.catalog_files import package_folder
from planner.words.diagnostics import Problem, Problems, Span

SHOWN = 20
"""Problems of one file that are told in full."""

YEAR_US = 366 * 86_400 * 1_000_000
"""The longest trace that is read; beyond that a time is in another unit than the header says."""

TraceRequest = tuple[int, int, int]
"""Arrival in microseconds, input tokens, output tokens."""


@dataclass(frozen=True)
class CsvFormat:
    """A CSV layout: its header, and how the first column becomes microseconds (ValueError when it cannot)."""

    header: str
    time_us: Callable[[str], int]
    time_form: str


def _azure_time_us(text: str) -> int:
    """`2023-11-16 18:15:46.6805900` → microseconds since 1970; the seventh digit is dropped, zones are not read."""
    whole, _, fraction = text.partition(".")
    moment = datetime.fromisoformat(whole)
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
    """The trace that an environment names: one that ships (`azure-conv-2023`), or a CSV path relative to `base`.

    Errors: `Problems` (TRC001 …).
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
    """Names of the traces that ship with the planner, sorted."""
    entries = _traces_folder().iterdir()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")))


@lru_cache(maxsize=8)
def shipped_trace(name: str) -> TraceSummary:
    """A trace that ships with the planner. Errors: `Problems` TRC001 when there is none of that name."""
    if name not in shipped_traces():
        raise Problems([Problem("TRC001", f"no trace {name!r} ships", hint=did_you_mean(name, shipped_traces()))])
    return parse_summary(_traces_folder().joinpath(f"{name}.json").read_text(encoding="utf-8"), f"{name}.json")


def read_csv(path: Path) -> TraceSummary:
    """Summarise a trace file; its name becomes the trace's.

    Errors: `Problems`, exit code 2, with the first twenty bad rows and the count of all.
    """
    layout = _layout(path)
    tally, problems, bad = Tally(), list[Problem](), 0
    first = last = -1
    for number, found in _in_order(path, layout):
        if isinstance(found, Problem):
            bad, last_bad = bad + 1, number
            if bad <= SHOWN:
                problems.append(found)
        elif not bad:
            first, last = found[0] if first < 0 else first, found[0]
            tally.add(found[0] - first, *found[1:])
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
    """A summary as JSON text, one line a fact and one a table; the inverse of `parse_summary`."""
    fields = asdict(trace)
    fields["cells"] = [list(cell.values()) for cell in fields["cells"]]
    fields["excerpt"] = {"start_s": trace.excerpt.start_s, "requests": _deltas(trace.excerpt.requests)}
    lines = (f" {json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse_summary(text: str, file: str) -> TraceSummary:
    """A summary from JSON text. Errors: `Problems` TRC002 when the text is no summary."""
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


def renamed(trace: TraceSummary, name: str, source: str, licence: str) -> TraceSummary:
    """The same trace under a name, a source and a licence of its own."""
    return replace(trace, name=name, source=source, licence=licence)


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
    """(line number, request or what is wrong with it) for every row that is not blank."""
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


def _in_order(path: Path, layout: CsvFormat) -> Iterator[tuple[int, TraceRequest | Problem]]:
    """The rows, with those refused that come before the row above them or more than a year after the first."""
    first = last = -1
    for number, found in _rows(path, layout):
        where = Span(str(path), number)
        if isinstance(found, Problem):
            yield number, found
        elif found[0] < last:
            yield (
                number,
                Problem("TRC004", "this request arrives before the one above it", where, "sort the rows by time"),
            )
        elif first >= 0 and found[0] - first > YEAR_US:
            yield number, Problem("TRC004", "this request arrives over a year after the first", where, "check its unit")
        else:
            first, last = found[0] if first < 0 else first, found[0]
            yield number, found


def _excerpt(path: Path, layout: CsvFormat, origin: int, start_s: int) -> Excerpt:
    """Second pass: the requests of the chosen five minutes."""
    first = origin + start_s * 1_000_000
    chosen = []
    for _, found in _rows(path, layout):
        if isinstance(found, tuple) and found[0] >= first:
            if found[0] >= first + EXCERPT_S * 1_000_000:
                break
            chosen.append(((found[0] - first) // 1000, found[1], found[2]))
    return Excerpt(start_s, tuple(chosen))


def _deltas(requests: tuple[tuple[int, int, int], ...]) -> list[int]:
    """Flat list of (ms since the request before, input, output), which is what a file keeps."""
    flat, last = list[int](), 0
    for at, input_tokens, output_tokens in requests:
        flat += [at - last, input_tokens, output_tokens]
        last = at
    return flat


def _undeltas(flat: list[int]) -> list[tuple[int, int, int]]:
    found, at = [], 0
    for delta, input_tokens, output_tokens in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        at += delta
        found.append((at, input_tokens, output_tokens))
    return found
