"""Which format a file has: told from its first lines, or forced; columns and keys by one's own names.

TRC002: a format that nobody knows, or not the forced one. TRC007: a column or key that is not there, or stands twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from planner.domain.gaps import did_you_mean
from planner.edges.traces import json_layouts as lines
from planner.edges.traces.blocks import head
from planner.edges.traces.csv_layout import CsvLayout, cells_of, delimiter_of
from planner.edges.traces.rows import LogLayout
from planner.edges.traces.times import UNITS, TimeReader, Unit, unit_of
from planner.edges.traces.vllm_log import MARK, VllmLog
from planner.words.diagnostics import Problem, Problems, Span

FORMATS: Mapping[str, str] = {
    "azure": "Azure LLM inference trace, 2023 or 2024",
    "mooncake": "Mooncake trace, JSON lines with prefix hashes",
    "burstgpt": "BurstGPT trace",
    "vllm": "vLLM's request log",
    "litellm": "LiteLLM's log or spend log",
    "otel": "OpenTelemetry GenAI spans, OTLP as JSON lines",
    "gateway": "the audit of Spillway's gateway",
    "csv": "CSV with columns in milliseconds and tokens, or mapped ones",
    "jsonl": "JSON lines with mapped keys",
}
"""What each format is, by its name."""
AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
OWN = ("arrival_ms", "input_tokens", "output_tokens")
ROLES = ("at", "input", "output", "session")
_BURSTGPT = ("Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type")
_AZURE_FORM = "a time like 2023-11-16 18:15:46.6805900"
_USUAL: Mapping[str, str] = {
    "at": "timestamp time ts arrival arrivaltime when starttime createdat date requesttime",
    "input": "inputtokens prompttokens inputlength contexttokens requesttokens numprefilltokens prompt in nin",
    "output": "outputtokens completiontokens outputlength generatedtokens responsetokens numdecodetokens completion "
    "out nout",
    "session": "sessionid session conversationid userid user enduser threadid",
}
"""Usual names of the columns of each role, without marks and capitals; the first that is there is proposed."""
_SUFFIXES: Mapping[str, Unit] = {"_ms": "ms", "_us": "us", "_ns": "ns", "_s": "s", "_seconds": "s", "nano": "ns"}


@dataclass(frozen=True)
class TraceOptions:
    """What the caller says of the files.

    form: name of the format; empty tells it from the first lines.
    columns: name of the column or key by its role (`ROLES`).
    unit: of the mapped times; None tells it from the name and the first value.
    zone: of dates without a zone; None takes them for UTC.
    """

    form: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    unit: Unit | None = None
    zone: ZoneInfo | None = None


def options_of(form: str, mapping: str, zone: ZoneInfo | None) -> TraceOptions:
    """Return the options of `--format` and of `--map at=col,input=col,output=col,session=col`.

    A unit may follow the time: `at=ts:ms`. Raises `Problems` TRC007 and TRC002.
    """
    if form and form not in FORMATS:
        hint = did_you_mean(form, FORMATS) + f"; formats: {', '.join(FORMATS)}"
        raise Problems([Problem("TRC002", f"there is no format `{form}`", hint=hint)])
    columns: dict[str, str] = {}
    unit: Unit | None = None
    problems = []
    for part in filter(None, (part.strip() for part in mapping.split(","))):
        role, equals, name = part.partition("=")
        if not equals or not name or role not in ROLES:
            hint = "write --map at=COLUMN,input=COLUMN,output=COLUMN,session=COLUMN; the last two may be missing"
            problems.append(Problem("TRC007", f"`{part}` in --map names no column for {', '.join(ROLES)}", hint=hint))
            continue
        stem, colon, ending = name.rpartition(":")
        if role == "at" and colon and ending in UNITS:
            unit = next(each for each in UNITS if each == ending)
            name = stem
        columns[role] = name
    if columns and not problems and not {"at", "input"} <= set(columns):
        problems.append(Problem("TRC007", "--map needs `at` and `input` at least", hint="add them to --map"))
    if problems:
        raise Problems(problems)
    return TraceOptions(form, columns, unit, zone)


def layout_of(path: Path, options: TraceOptions) -> LogLayout:
    """Return the format of a file. Raises `Problems`."""
    text = head(path)
    first = next((line for line in text.split(b"\n") if line.strip()), b"")
    if not first:
        raise Problems([Problem("TRC005", f"{path.name} is empty", Span(str(path), 1), "give a file with requests")])
    guess = options.form or _guess(first, text, options)
    if guess == "vllm":
        if not MARK.search(text):
            raise _not_that(path, "vllm", "no line of vLLM's request logger in its first megabyte")
        return VllmLog(TimeReader(None, options.zone))
    if guess in ("mooncake", "litellm", "otel", "gateway", "jsonl") and first.lstrip()[:1] in (b"{", b"["):
        return _json(path, guess, first, options)
    return _csv(path, guess, first, text, options)


def _guess(first: bytes, text: bytes, options: TraceOptions) -> str:
    """Return the name of the format that the first lines have; empty when none is known."""
    if first.lstrip()[:1] in (b"{", b"["):
        if options.columns:
            return "jsonl"
        try:
            line = json.loads(first)
        except ValueError:
            return "jsonl"
        if not isinstance(line, dict):
            return "jsonl"
        payload = line.get("standard_logging_object", line)
        if "input_length" in line and "timestamp" in line:
            return "mooncake"
        if "resourceSpans" in line or "startTimeUnixNano" in line:
            return "otel"
        if "attempts" in line and "input_tokens_estimate" in line:
            return "gateway"
        if isinstance(payload, dict) and "startTime" in payload and "prompt_tokens" in payload:
            return "litellm"
        return "jsonl"
    if MARK.search(text) and not options.columns:
        return "vllm"
    return ""


def _json(path: Path, name: str, first: bytes, options: TraceOptions) -> LogLayout:
    try:
        line: Any = json.loads(first)
    except ValueError:
        line = {}
    if not isinstance(line, dict) or not line:
        raise _not_that(
            path, name, "its first line is no JSON object", "write one object a line: jq -c '.[]' FILE, or jq -c . FILE"
        )
    known: dict[str, tuple[lines.Rows, str, str, int]] = {
        "mooncake": (lines.mooncake, "timestamp", "timestamp (ms), input_length, output_length, hash_ids", 512),
        "litellm": (lines.litellm, "startTime", "startTime, prompt_tokens and completion_tokens", 0),
        "otel": (lines.spans, "startTimeUnixNano", "spans with gen_ai.usage.input_tokens and output_tokens", 0),
        "gateway": (lines.audit, "time", "time, total_ms and attempts with their tokens", 0),
    }
    if name in known:
        rows, time, form, block = known[name]
        value = line.get("standard_logging_object", line)
        sample = value.get(time) if isinstance(value, dict) else None
        unit: Unit | None = {"mooncake": "ms", "otel": "ns", "gateway": "s"}.get(name)  # type: ignore[assignment]
        if name == "litellm":
            unit = _number_unit(sample, "s")
        return lines.JsonLayout(name, rows, TimeReader(unit, options.zone), name != "mooncake", form, {}, block)
    if not options.columns:
        paths = lines.paths_of(line)
        hint = _proposal(paths, "keys")
        raise Problems([Problem("TRC002", f"{path.name} has JSON lines of no known log", Span(str(path), 1), hint)])
    missing = [path_ for path_ in options.columns.values() if lines.value_at(line, path_) is None]
    if missing:
        raise _missing(path, missing, lines.paths_of(line), "key")
    sample = lines.value_at(line, options.columns["at"])
    unit, dated = _times(options, sample)
    form = " and ".join(f"`{key}`" for key in options.columns.values())
    return lines.JsonLayout(
        "jsonl", lines.own_keys, TimeReader(unit, options.zone), dated, form, dict(options.columns), 0
    )


def _csv(path: Path, name: str, first: bytes, text: bytes, options: TraceOptions) -> LogLayout:
    line = first.decode(errors="replace").rstrip("\r\n")
    delimiter = delimiter_of(line)
    header = cells_of(line, delimiter)
    sample = _second_row(text, delimiter)
    if options.columns and name in ("", "csv"):
        return _mapped(path, header, delimiter, sample, options)
    for each, wanted, build in _TABLES:
        if set(wanted) <= set(header) and name in ("", each):
            if doubled := sorted({column for column in wanted if header.count(column) > 1}):
                raise _doubled(path, doubled)
            return build(header, delimiter, sample, options)
    if name:
        needed = " or ".join(",".join(wanted) for each, wanted, _ in _TABLES if each == name)
        raise _not_that(path, name, f"it has the columns {', '.join(header)[:200]}", f"{name} needs {needed}")
    known = " | ".join((",".join(AZURE), ",".join(OWN)))
    hint = f"{_proposal(header, 'columns')}. Headers that are known: {known}, those of BurstGPT and of LiteLLM"
    where = Span(str(path), 1, 1, max(1, min(len(line), 120)), line[:120])
    raise Problems([Problem("TRC002", "this header is of no trace format", where, hint)])


def _azure(header: Sequence[str], delimiter: str, _: Sequence[str], options: TraceOptions) -> CsvLayout:
    form = f"{_AZURE_FORM}, input tokens (1 or more) and output tokens (0 or more)"
    return _table("azure", header, delimiter, AZURE, TimeReader(None, options.zone), True, form)


def _own(header: Sequence[str], delimiter: str, _: Sequence[str], options: TraceOptions) -> CsvLayout:
    form = "milliseconds, input tokens (1 or more) and output tokens (0 or more)"
    return _table("csv", header, delimiter, OWN, TimeReader("ms"), False, form)


def _burstgpt(header: Sequence[str], delimiter: str, _: Sequence[str], options: TraceOptions) -> CsvLayout:
    session = next((name for name in ("Session ID", "SessionID") if name in header), None)
    wanted = ("Timestamp", "Request tokens", "Response tokens", *([session] if session else []))
    return _table("burstgpt", header, delimiter, wanted, TimeReader("s"), False, "seconds and tokens, as BurstGPT does")


def _litellm(header: Sequence[str], delimiter: str, sample: Sequence[str], options: TraceOptions) -> CsvLayout:
    session = next((name for name in ("session_id", "end_user") if name in header), None)
    wanted = ("startTime", "prompt_tokens", "completion_tokens", *([session] if session else []))
    at = header.index("startTime")
    unit = _number_unit(sample[at] if at < len(sample) else None, "s")
    table = _table("litellm", header, delimiter, wanted, TimeReader(unit, options.zone), True, ", ".join(wanted))
    if "status" in header:
        table.failures = (header.index("status"), {"failure": "failed requests"})
    return table


_TABLES: tuple[
    tuple[str, tuple[str, ...], Callable[[Sequence[str], str, Sequence[str], TraceOptions], CsvLayout]], ...
] = (
    ("azure", AZURE, _azure),
    ("csv", OWN, _own),
    ("burstgpt", ("Timestamp", "Request tokens", "Response tokens"), _burstgpt),
    ("litellm", ("startTime", "prompt_tokens", "completion_tokens"), _litellm),
)


def _table(
    name: str, header: Sequence[str], delimiter: str, wanted: Sequence[str], times: TimeReader, dated: bool, form: str
) -> CsvLayout:
    places = [header.index(column) for column in wanted]
    session = places[3] if len(places) > 3 else None
    return CsvLayout(name, tuple(header), delimiter, times, places[0], places[1], places[2], session, dated, form)


def _mapped(
    path: Path, header: Sequence[str], delimiter: str, sample: Sequence[str], options: TraceOptions
) -> CsvLayout:
    wanted = options.columns
    if missing := [column for column in wanted.values() if column not in header]:
        raise _missing(path, missing, header, "column")
    if doubled := sorted({column for column in wanted.values() if header.count(column) > 1}):
        raise _doubled(path, doubled)
    places = {role: header.index(column) for role, column in wanted.items()}
    unit, dated = _times(options, sample[places["at"]] if places["at"] < len(sample) else None)
    form = ", ".join(f"`{column}` as {role}" for role, column in wanted.items())
    return CsvLayout(
        "csv",
        tuple(header),
        delimiter,
        TimeReader(unit, options.zone),
        places["at"],
        places["input"],
        places.get("output"),
        places.get("session"),
        dated,
        form,
    )


def _times(options: TraceOptions, sample: Any) -> tuple[Unit | None, bool]:
    """Return the unit of mapped times, None for dates, and whether they are moments."""
    number = _number(sample)
    if number is None:
        return None, True
    named = next((unit for end, unit in _SUFFIXES.items() if options.columns["at"].lower().endswith(end)), None)
    unit = options.unit or unit_of(number) or named or "s"
    return unit, unit_of(number) == unit


def _number_unit(sample: Any, usual: Unit) -> Unit | None:
    """Return the unit of a time that may be a date; None for dates."""
    number = _number(sample)
    return None if number is None else unit_of(number) or usual


def _number(sample: Any) -> float | None:
    try:
        return float(sample)
    except (TypeError, ValueError):
        return None


def _second_row(text: bytes, delimiter: str) -> tuple[str, ...]:
    found: Iterator[bytes] = (line for line in text.split(b"\n") if line.strip())
    next(found, None)
    return cells_of(next(found, b"").decode(errors="replace").rstrip("\r"), delimiter)


def _plain(name: str) -> str:
    return "".join(c for c in name.rsplit(".", 1)[-1].lower() if c.isalnum())


def _proposal(names: Sequence[str], what: str) -> str:
    """Propose a mapping of columns or keys whose names are usual ones, or say which there are."""
    found = {
        role: next((name for usual_ in usual.split() for name in names if _plain(name) == usual_), None)
        for role, usual in _USUAL.items()
    }
    if found["at"] and found["input"]:
        mapping = ",".join(f"{role}={name}" for role, name in found.items() if name)
        return f"say which {what} they are, perhaps --map {mapping}"
    return f"say which {what} to read with --map at=…,input=…,output=…; there are {', '.join(names)[:300]}"


def _missing(path: Path, missing: Sequence[str], there: Sequence[str], what: str) -> Problems:
    return Problems(
        Problem(
            "TRC007",
            f"{path.name} has no {what} `{name}`",
            Span(str(path), 1),
            _near(name, there) + f"there are {', '.join(there)[:300]}",
        )
        for name in missing
    )


def _near(name: str, there: Sequence[str]) -> str:
    """Return the question for a name that nearly stands there, as the beginning of a hint that lists all names."""
    asked = did_you_mean(name, there)
    return f"{asked} " if asked.startswith("did you mean") else ""


def _doubled(path: Path, names: Sequence[str]) -> Problems:
    hint = "rename one of them: which is meant cannot be told"
    return Problems(
        Problem("TRC007", f"the column `{name}` stands twice in the header", Span(str(path), 1), hint) for name in names
    )


def _not_that(path: Path, name: str, why: str, hint: str = "") -> Problems:
    message = f"{path.name} is no {name}: {why}"
    return Problems([Problem("TRC002", message, Span(str(path), 1), hint or "leave out --format to have it told")])
