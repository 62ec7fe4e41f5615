"""`traces summarize`: a team's own logs become a summary that plans read and that ships no text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from planner.cli.output import note, report, show, show_text
from planner.domain.gaps import did_you_mean
from planner.edges.files import write_text
from planner.edges.trace_files import SUMMARY_ENDING, dump_summary
from planner.edges.traces.layouts import options_of
from planner.edges.traces.summarize import summarize
from planner.faces.traces import trace_view
from planner.words.diagnostics import Problem, Problems
from planner.words.units import share


def summarize_files(files: Sequence[Path], form: str, mapping: str, timezone: str, out: str, max_bad: str) -> None:
    """Summarise the files, show it, and write it where `out` says. A fault is told before anything is written."""
    options = options_of(form, mapping, _zone(timezone))
    borne = _share(max_bad)
    target = Path(out) if out not in ("", "-") else None
    if target is not None and not target.name.endswith(SUMMARY_ENDING):
        hint = f"write -o {target.stem}{SUMMARY_ENDING}: by that ending a plan knows a summary from a log"
        raise Problems(
            [Problem("TRC002", f"a summary is called NAME{SUMMARY_ENDING}, and not {target.name}", hint=hint)]
        )
    name = target.name.removesuffix(SUMMARY_ENDING) if target else files[0].name.split(".")[0]
    reading = summarize(files, options, name, borne)
    report(reading.warnings)
    trace = reading.trace
    if out == "-":
        show_text(dump_summary(trace))
        return
    show(trace_view(trace, reading.formats, reading.left_out, reading.holes))
    if target is None:
        note(f"nothing is written; -o {name}{SUMMARY_ENDING} writes the summary")
        return
    write_text(target, dump_summary(trace))
    rate = f"{trace.burst.mean_rps:.3g}"
    traffic = f"traffic: {{trace: {target.name}, requests_per_second: {{mean: {rate}}}}}"
    note(f"wrote {target}; a route in that folder reads it with `{traffic}`, which is its own rate")


def _zone(name: str) -> ZoneInfo | None:
    """Return a time zone. Raises `Problems` TRC008 when there is none of that name."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones())
        raise Problems([Problem("TRC008", f"there is no time zone `{name}`", hint=hint)]) from None


def _share(text: str) -> float:
    """Return the share of rows that may be bad. Raises `Problems` TRC009."""
    try:
        return float(share(text))
    except ValueError as error:
        raise Problems([Problem("TRC009", f"--max-bad: {error}", hint="write --max-bad 1%")]) from None
