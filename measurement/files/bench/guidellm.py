"""Reads reports of GuideLLM, version 2.

A report has one benchmark for each rate or number of streams. Latencies are in ms, but `request_latency` is in seconds.
Our TPOT is its `inter_token_latency_ms`; its `time_per_output_token_ms` includes the time to the first token. A report
may list a sample of the requests only. Then their order says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from measurement.calibration.deployment import deployment_facts
from measurement.calibration.runs import BenchRun, Latency
from measurement.files.bench.sheet import MissingFigure, Sheet, milliseconds

YEAR_3000 = 32503680000.0
LENGTHS = ("prompt_token_count", "output_token_count")
LISTED = 0.9
"""Share of the requests that a report lists at least, if their order is to say something."""


def read(document: Mapping[str, Any], _: Mapping[str, Any] | None, missing: list[MissingFigure]) -> list[BenchRun]:
    """The runs of a report. `missing` receives the figures that are needed and not there."""
    benchmarks = [each for each in document["benchmarks"] if isinstance(each, Mapping)]
    if not benchmarks:
        missing.append(MissingFigure("benchmarks", "benchmarks is empty: no run was completed"))
    runs = []
    for index, benchmark in enumerate(benchmarks):
        part = f"benchmark {index + 1}" if len(benchmarks) > 1 else ""
        runs.append(_run(Sheet(benchmark, missing), part, deployment_facts(_labels(document))))
    return runs


def _labels(document: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = Sheet(document, []).at("config", "metadata", "labels")
    return labels if isinstance(labels, Mapping) else {}


def _run(sheet: Sheet, part: str, stated: Mapping[str, str]) -> BenchRun:
    strategy = str(sheet.at("config", "strategy", "type_"))
    streams = sheet.maybe("config", "strategy", "streams") or sheet.maybe("config", "strategy", "max_concurrency")
    concurrency = {"synchronous": 1.0, "concurrent": streams}.get(strategy)
    requests = sheet.at("requests", "successful")
    listed = [each for each in requests if isinstance(each, Mapping)] if isinstance(requests, Sequence) else []
    completed = sheet.maybe("metrics", "request_totals", "successful") or 0.0
    in_order = sorted(listed, key=lambda each: Sheet(each, []).maybe("request_start_time") or 0.0)
    times = [Sheet(each, []).maybe("time_to_first_token_ms") for each in in_order]
    stated_cached = [Sheet(each, []).maybe("input_metrics", "cached_tokens") for each in listed]
    cached = [value for value in stated_cached if value is not None]
    start = sheet.maybe("start_time")
    first, step = _latency(sheet, "time_to_first_token_ms"), _latency(sheet, "inter_token_latency_ms")
    if first.typical is None:
        sheet.number("metrics", "time_to_first_token_ms", "successful", "median")
    return BenchRun(
        tool="GuideLLM",
        part=part,
        date=datetime.fromtimestamp(start, UTC).date().isoformat() if start and start < YEAR_3000 else "",
        model_name=sheet.text("config", "backend", "model"),
        stated=stated,
        input_tokens=sheet.number("metrics", "prompt_token_count", "successful", "mean"),
        output_tokens=sheet.number("metrics", "output_token_count", "successful", "mean"),
        concurrency=int(concurrency) if concurrency else None,
        rate_per_s=sheet.maybe("config", "strategy", "rate") if strategy in ("constant", "poisson") else None,
        completed=int(completed),
        failed=int(sheet.maybe("metrics", "request_totals", "errored") or 0.0),
        duration_s=sheet.number("duration"),
        ttft_ms=first,
        tpot_ms=step,
        e2e_ms=_latency(sheet, "request_latency").times(1e3),
        in_order_ms=tuple(t for t in times if t) if len(listed) >= LISTED * completed else (),
        same_lengths=all(sheet.at("metrics", name, "successful", "std_dev") == 0.0 for name in LENGTHS),
        cached_tokens=fmean(cached) if cached else None,
        repeated_prompts=_repetition(sheet, listed),
        client_delay_ms=milliseconds(sheet.maybe("metrics", "request_dispatch_delay", "successful", "mean")),
        strange=tuple(_strange(sheet, strategy)),
        doubts=tuple(_warnings(sheet.at("warnings"))),
    )


def _latency(sheet: Sheet, name: str) -> Latency:
    figures = (sheet.maybe("metrics", name, "successful", each) or None for each in ("median", "mean"))
    return Latency(*figures)


def _repetition(sheet: Sheet, listed: Sequence[Mapping[str, Any]]) -> str:
    """How prompts repeat each other, in words; empty when they do not."""
    prompts = [str(each.get("request_args")) for each in listed if each.get("request_args")]
    if len(prompts) >= 10 and len(set(prompts)) < LISTED * len(prompts):
        return f"{len(prompts) - len(set(prompts))} of {len(prompts)} listed prompts were sent before"
    turns = sheet.maybe("metrics", "turns", "successful", "mean")
    return f"conversations had {turns:.1f} turns" if turns and turns > 1.0 else ""


def _strange(sheet: Sheet, strategy: str) -> Iterator[str]:
    """Conditions that the performance model does not describe."""
    if strategy not in ("synchronous", "concurrent", "throughput", "constant", "poisson"):
        yield f"requests were scheduled by the strategy {strategy}"
    ramp, duration = sheet.maybe("config", "strategy", "rampup_duration") or 0.0, sheet.maybe("duration") or 1.0
    if ramp > 0.1 * duration:
        yield f"the load was ramped up over {ramp:g} s of {duration:g} s"


def _warnings(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else []:
        warning = each.get("note") or each.get("code") if isinstance(each, Mapping) else each
        yield str(warning)
