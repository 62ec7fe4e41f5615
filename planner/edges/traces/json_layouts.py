"""Logs with one JSON value a line: Mooncake, LiteLLM, OpenTelemetry spans, this gateway's audit, and keys of one's own.

    {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}                Mooncake, ms
    {"startTime": 1763280000.1, "prompt_tokens": 512, "completion_tokens": 64, "end_user": "u1", …}      LiteLLM
    {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "…", "attributes": […]}]}]}]}    OTLP
    {"time": 1763280000.1, "total_ms": 910.5, "attempts": [{"input_tokens": 512, "output_tokens": 64}], …}  the gateway

No text of a prompt is looked at, and ids of sessions are kept as numbers for as long as the log is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.edges.traces.blocks import LineBlock
from planner.edges.traces.csv_layout import SHOWN_CHARACTERS
from planner.edges.traces.rows import UNKNOWN_TOKENS, BadLine, BadRow, Batch, TraceRow, batch_of, checked, whole
from planner.edges.traces.times import NoTime, TimeReader

MOONCAKE_BLOCK_TOKENS = 512
"""Tokens that one hash of a Mooncake trace stands for."""

Rows = Callable[["JsonLayout", Mapping[str, Any]], Iterator[TraceRow]]
"""Finds the requests of one line. It raises `BadRow`, `NoTime` or `LeftOut`."""


class LeftOut(Exception):
    """A line is no served request. The message says what it is, in the plural."""


@dataclass
class JsonLayout:
    """A log of JSON lines. See `LogLayout` for the other fields.

    rows: finds the requests of a line.
    keys: paths of one's own keys by their role; empty for known formats.
    """

    name: str
    rows: Rows
    times: TimeReader
    dated: bool
    form: str
    keys: Mapping[str, str] = field(default_factory=dict)
    block_tokens: int = 0
    quotes: bool = field(default=False, init=False)
    stateful: bool = field(default=False, init=False)

    def batch(self, block: LineBlock) -> Batch:
        """Return the requests of a block of lines."""
        found, bad, left_out = list[tuple[int, TraceRow]](), list[BadLine](), Counter[str]()
        for number, line in enumerate(block.text.split(b"\n"), start=block.first_line):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise BadRow("this line is no JSON object")
                found += [(number, checked(row)) for row in self.rows(self, value)]
            except LeftOut as row:
                left_out[str(row)] += 1
            except (BadRow, NoTime) as error:
                bad.append(BadLine(number, str(error), _shown(line)))
            except (ValueError, RecursionError):
                bad.append(BadLine(number, "this line is no JSON", _shown(line)))
        return batch_of(found, bad, left_out)

    def rest(self) -> Batch:
        """Return nothing: every line stands for itself."""
        return batch_of(())


def mooncake(layout: JsonLayout, line: Mapping[str, Any]) -> Iterator[TraceRow]:
    """Find the request of a Mooncake line."""
    hashes = line.get("hash_ids")
    if hashes is not None and not (isinstance(hashes, list) and all(type(block) is int for block in hashes)):
        raise BadRow("`hash_ids` is no list of whole numbers")
    yield TraceRow(
        layout.times.one(_moment(line.get("timestamp"), "timestamp")),
        whole(line.get("input_length"), "`input_length`"),
        _output(line.get("output_length"), "`output_length`"),
        chain=None if hashes is None else tuple(hashes),
    )


def litellm(layout: JsonLayout, line: Mapping[str, Any]) -> Iterator[TraceRow]:
    """Find the request of a line of LiteLLM: its standard payload, alone or within a log line, or a spend log."""
    payload = line.get("standard_logging_object", line)
    if not isinstance(payload, Mapping):
        raise BadRow("`standard_logging_object` is no JSON object")
    if payload.get("status") == "failure":
        raise LeftOut("failed requests")
    session = payload.get("session_id") or payload.get("trace_id") or payload.get("end_user")
    yield TraceRow(
        layout.times.one(_moment(payload.get("startTime"), "startTime")),
        whole(payload.get("prompt_tokens"), "`prompt_tokens`"),
        _output(payload.get("completion_tokens"), "`completion_tokens`"),
        _session(session),
    )


def spans(layout: JsonLayout, line: Mapping[str, Any]) -> Iterator[TraceRow]:
    """Find the requests among the OTLP spans of a line: those that say how many input tokens they used."""
    found = 0
    for span in _spans(line):
        attributes = _attributes(span.get("attributes"))
        tokens = attributes.get("gen_ai.usage.input_tokens", attributes.get("gen_ai.usage.prompt_tokens"))
        if tokens is None:
            continue
        found += 1
        output = attributes.get("gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens"))
        yield TraceRow(
            layout.times.one(_moment(span.get("startTimeUnixNano"), "startTimeUnixNano")),
            whole(tokens, "`gen_ai.usage.input_tokens`"),
            _output(output, "`gen_ai.usage.output_tokens`"),
            _session(attributes.get("gen_ai.conversation.id")),
        )
    if not found:
        raise LeftOut("lines without a span that used input tokens")


def audit(layout: JsonLayout, line: Mapping[str, Any]) -> Iterator[TraceRow]:
    """Find the request of a line of the gateway's audit. It arrived when it ended, less the time that it took."""
    attempts = line.get("attempts")
    if not isinstance(attempts, list):
        raise BadRow("no `attempts`")
    used = [a for a in attempts if isinstance(a, Mapping) and a.get("input_tokens") is not None]
    served = [a for a in used if a.get("outcome") == "ok"] or used
    if not served:
        raise LeftOut("requests that no backend answered")
    ended = layout.times.one(_moment(line.get("time"), "time"))
    took = line.get("total_ms")
    yield TraceRow(
        max(0, ended - round(1000 * (took if isinstance(took, int | float) else 0.0))),
        whole(served[-1].get("input_tokens"), "`input_tokens`"),
        _output(served[-1].get("output_tokens"), "`output_tokens`"),
    )


def own_keys(layout: JsonLayout, line: Mapping[str, Any]) -> Iterator[TraceRow]:
    """Find the request of a line by the paths of one's own keys."""
    keys = layout.keys
    yield TraceRow(
        layout.times.one(_moment(value_at(line, keys["at"]), keys["at"])),
        whole(value_at(line, keys["input"]), f"`{keys['input']}`"),
        _output(value_at(line, keys["output"]), f"`{keys['output']}`") if "output" in keys else UNKNOWN_TOKENS,
        _session(value_at(line, keys["session"])) if "session" in keys else None,
    )


def value_at(line: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path like `usage.prompt_tokens`; a key may hold dots itself. None where nothing does."""
    if path in line:
        return line[path]
    value: Any = line
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def paths_of(line: Mapping[str, Any], before: str = "") -> list[str]:
    """Return the paths of all single values of a line."""
    paths = []
    for key, value in line.items():
        path = f"{before}{key}"
        paths += paths_of(value, f"{path}.") if isinstance(value, Mapping) else [path]
    return paths


def _spans(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "startTimeUnixNano" in line:
        yield line
        return
    for resource in _list(line, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            yield from _list(scope, "spans")


def _list(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise BadRow(f"`{key}` is no list of objects")
    return found


def _attributes(value: Any) -> dict[str, Any]:
    """Return attributes as OTLP writes them, `{"key": …, "value": {"intValue": "512"}}`, or as a plain object."""
    if isinstance(value, Mapping):
        return dict(value)
    found = {}
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("value"), Mapping):
            found[str(entry.get("key"))] = next(iter(entry["value"].values()), None)
    return found


def _moment(value: Any, what: str) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(f"no `{what}`" if value is None else f"`{what}` is no time")
    return value


def _output(value: Any, what: str) -> int:
    if value is None:
        return UNKNOWN_TOKENS
    tokens = whole(value, what)
    if tokens < 0:
        raise BadRow(f"{tokens:,} output tokens: an answer has 0 or more")
    return tokens


def _session(value: Any) -> int | None:
    return hash(str(value)) if isinstance(value, str | int) and value != "" else None


def _shown(line: bytes) -> str:
    return line[:SHOWN_CHARACTERS].decode(errors="replace")
