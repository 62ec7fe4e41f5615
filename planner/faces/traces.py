"""A summary of a trace for the terminal: what it tells, and in one line each what it could not tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType

from planner.domain.traces import UNKNOWN, PrefixReuse, TraceSummary
from planner.faces.figures import share
from planner.faces.layout import figures, names
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CACHE_TOKENS = (1_000_000, 10_000_000)
"""Caches of which the view tells the share that they find, tokens."""


def trace_view(
    trace: TraceSummary, formats: Mapping[str, str], left_out: Mapping[str, int], holes: tuple[int, float, float]
) -> Iterator[RenderableType]:
    """Yield what a trace tells.

    formats: what each file was taken for. left_out: rows that are no served request, by what they are. holes: times
    without a request of over an hour: their number, the longest and all of them, seconds.
    """
    yield Group(*(Prose(line, rest="  ") for line in _head_lines(trace, formats)))
    lengths = [("input tokens", trace.input_tokens, trace.input_quantiles)]
    if "no-outputs" not in trace.unknown:
        lengths.append(("output tokens", trace.output_tokens, trace.output_quantiles))
    yield FoldingTable(
        "",
        (*names("lengths"), *figures("mean", *trace.input_quantiles)),
        [
            (name, f"{total / trace.requests:,.0f}", *(f"{tokens:,}" for tokens in quantiles.values()))
            for name, total, quantiles in lengths
        ],
        (),
    )
    yield Group(*(Prose(line, rest="  ") for line in (*_rate_lines(trace), *_prefix_lines(trace.prefix))))
    unknown = [*_unknown_lines(trace, holes), *(f"left out: {what} ({count:,})" for what, count in left_out.items())]
    if unknown:
        yield Group(Prose("Not told:"), *(Prose(line, first="· ", rest="  ") for line in unknown))


def _head_lines(trace: TraceSummary, formats: Mapping[str, str]) -> Iterator[str]:
    yield f"Trace {trace.name}: {trace.requests:,} requests in {_span(trace.duration_s)}"
    by_format: dict[str, list[str]] = {}
    for file, form in formats.items():
        by_format.setdefault(form, []).append(file)
    for form, files in by_format.items():
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        yield f"read as {form}: {', '.join(files[:3])}{more}"


def _rate_lines(trace: TraceSummary) -> Iterator[str]:
    burst, inner = trace.burst, trace.within_hour
    yield f"rate: {burst.mean_rps:.3g} requests/s in the mean, {burst.peak_10s_rps:.3g} in the highest ten seconds"
    beside = "the mean" if inner is None else "the mean of its hour"
    shown = trace.within_week or inner or burst
    yield (
        f"bursts: {shown.p95_300s:.2f} × {beside} in 5 min (p95), {shown.peak_60s:.2f} × in the highest minute"
        f"{' of busy hours' if inner else ''}; "
        f"gaps vary {burst.interarrival_cv:.1f} × their mean (1: independent arrivals)"
    )
    if trace.week:
        zone = "local time" if "no-zone" in trace.unknown else "UTC"
        hours = trace.week if trace.has_own_week else trace.week[:24]
        high, low = max(hours), min(hours)
        period = "week" if trace.has_own_week else "day"
        yield (
            f"{period}: busiest at {_hour(hours, high)} ({high:.2f} × the mean), "
            f"quietest at {_hour(hours, low)} ({low:.2f} ×), {zone}"
        )


def _prefix_lines(prefix: PrefixReuse | None) -> Iterator[str]:
    if prefix is None:
        return
    if prefix.measured == "sessions":
        yield (
            f"prefix reuse: about {share(prefix.session_share)} of the prompt tokens were sent before in their "
            f"session, guessed from prompts that grow"
        )
        return
    yield (
        f"prefix reuse: {prefix.shared_tokens or 0:,.0f} tokens begin nearly every prompt; of the others "
        f"{share(prefix.session_share)} were sent before, which a cache without bounds would find"
    )
    found = [
        f"{share(max((s for tokens, s in prefix.curve if tokens <= size), default=0.0))} of {size:,} tokens"
        for size in _CACHE_TOKENS
    ]
    yield f"one cache for all of it would find {', '.join(found)}"


def _unknown_lines(trace: TraceSummary, holes: tuple[int, float, float]) -> Iterator[str]:
    for code in trace.unknown:
        more = ""
        if code == "holes":
            more = f" ({holes[0]:,} of them, the longest {_span(holes[1])}, {_span(holes[2])} in all)"
        yield f"{UNKNOWN[code]}{more}"


def _hour(hours: tuple[float, ...], load: float) -> str:
    index = hours.index(load)
    day = f"{_DAYS[index // 24]} " if len(hours) > 24 else ""
    return f"{day}{index % 24:02}:00"


def _span(seconds: float) -> str:
    """Write a time like `6 d 23 h`, `58 min 21 s` or `12.5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
