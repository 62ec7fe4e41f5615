"""Request traces by the name that an environment gives them: those that ship with the planner, and a team's own.

A team's own trace is a summary that `spillway traces summarize` wrote, or a log that it reads (`edges/traces`). A log
that an environment names must be without fault: whoever bears bad rows summarises it and says so. TRC001: no such file
or trace. TRC002: no summary, or an unknown format.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from planner.domain.gaps import did_you_mean
from planner.domain.traces import TraceSummary
from planner.edges.catalog_files import package_folder
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span

SUMMARY_ENDING = ".trace.json"
"""How the name of a summary's file ends."""


def load_trace(reference: str, base: Path) -> TraceSummary:
    """Return the trace that an environment names: one that ships (`azure-conv-2023`), or a file below `base`.

    Raises `Problems` (TRC001 …).
    """
    shipped = shipped_traces()
    if reference in shipped:
        return shipped_trace(reference)
    path = base / reference
    if not path.is_file():
        ships = did_you_mean(reference, shipped)
        hint = f"{ships}{'' if ships.endswith('?') else ';'} or name a summary or a log below the environment's folder"
        message = f"no trace {reference!r}: it neither ships with the planner nor is a file under {base}"
        raise Problems([Problem("TRC001", message, hint=hint)])
    return read_trace(path)


def is_raw_log(path: Path) -> bool:
    """Say whether there is a file that is no summary, so that it is read as a log; of odd names too, which none has."""
    return os.path.isfile(path) and not path.name.endswith(SUMMARY_ENDING)


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


def read_trace(path: Path) -> TraceSummary:
    """Read a summary, or summarise a log. The trace takes the name of the file.

    What reads logs is loaded only for a log, because a lock is opened without one. Raises `Problems`, exit code 2, with
    the first twenty bad rows and the number of all.
    """
    if path.name.endswith(SUMMARY_ENDING):
        return parse_summary(read_text(path), str(path))
    from planner.edges.traces.layouts import TraceOptions
    from planner.edges.traces.summarize import summarize

    return summarize([path], TraceOptions(), path.name.removesuffix(".gz").rsplit(".", 1)[0]).trace


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
        hint = "make it anew with `spillway traces summarize`"
        raise Problems([Problem("TRC002", f"{file} is no trace summary: {error}", Span(file, 1), hint)]) from error


_SUMMARY = TypeAdapter(TraceSummary)
_OPTIONAL = frozenset({"within_hour", "within_week", "week", "prefix", "unknown"})


def _traces_folder() -> Traversable:
    return package_folder().joinpath("traces")


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
