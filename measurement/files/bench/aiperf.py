"""Reads reports of AIPerf, schema 1.x.

A report has each metric with its unit, `avg` and percentiles, and the load in `input_config`. AIPerf counts output
tokens by its own tokenizer (`output_sequence_length`) and by the server (`usage_completion_tokens`, where the server
reports usage); the server's count is believed. `request_count` counts valid requests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from measurement.calibration.runs import BenchRun, Latency
from measurement.files.bench.sheet import MissingFigure, Sheet, nested_values, tpot_by_server

LENGTHS = (("usage_prompt_tokens", "input_sequence_length"), ("usage_completion_tokens", "output_sequence_length"))
"""Metrics of the lengths in and out: the server's, then the client's."""


def read(document: Mapping[str, Any], _: Mapping[str, Any] | None, missing: list[MissingFigure]) -> list[BenchRun]:
    """The one run of a report. `missing` receives the figures that are needed and not there."""
    sheet = Sheet(document, missing)
    config = Sheet(document.get("input_config"), [])
    completed = sheet.maybe("request_count", "avg") or 0.0
    all_done = sheet.maybe("completed_request_count", "avg") or completed
    failed = sheet.maybe("error_request_count", "avg")
    client = sheet.number("output_sequence_length", "avg")
    served = sheet.maybe("usage_completion_tokens", "avg") or client
    concurrency, rate, strange = _load(config)
    if document.get("was_cancelled"):
        strange.append("the run was cancelled")
    first = _latency(sheet, "time_to_first_token")
    if first.typical is None:
        sheet.number("time_to_first_token", "p50")
    models = config.at("models", "items") or config.at("endpoint", "model_names")
    name = models[0] if isinstance(models, list) and models else None
    return [
        BenchRun(
            tool="AIPerf",
            part="",
            date=(sheet.text("start_time") or "")[:10],
            model_name=str(name.get("name") if isinstance(name, Mapping) else name) if name else None,
            stated={},
            input_tokens=sheet.maybe("usage_prompt_tokens", "avg") or sheet.number("input_sequence_length", "avg"),
            output_tokens=served,
            concurrency=concurrency,
            rate_per_s=rate,
            completed=int(completed),
            failed=int(max(all_done - completed, 0.0) if failed is None else failed),
            duration_s=sheet.number("benchmark_duration", "avg"),
            ttft_ms=first,
            tpot_ms=tpot_by_server(_latency(sheet, "inter_token_latency"), client, served),
            e2e_ms=_latency(sheet, "request_latency"),
            same_lengths=all(_spread(sheet, *names) == 0.0 for names in LENGTHS),
            cached_tokens=sheet.maybe("usage_prompt_cache_read_tokens", "avg"),
            repeated_prompts=_repetition(config),
            client_delay_ms=sheet.maybe("credit_to_start_latency", "avg"),
            strange=tuple(strange),
        )
    ]


def _spread(sheet: Sheet, *names: str) -> float | None:
    """Standard deviation of the first of these metrics that the report has."""
    return next((sheet.maybe(name, "std") for name in names if sheet.at(name)), None)


def _latency(sheet: Sheet, name: str) -> Latency:
    return Latency(sheet.maybe(name, "p50") or None, sheet.maybe(name, "avg") or None)


def _load(config: Sheet) -> tuple[int | None, float | None, list[str]]:
    """(concurrency, rate, conditions that the model does not describe), from `phases` (schema 1.4) or `loadgen`."""
    phases = config.at("phases")
    listed = [each for each in phases if isinstance(each, Mapping)] if isinstance(phases, list) else []
    profiling = [each for each in listed if "warmup" not in (each.get("kind"), each.get("name"))]
    if listed and len(profiling) != 1:
        return None, None, [f"the report mixes {len(profiling)} phases of load"]
    load = Sheet(profiling[0] if profiling else config.at("loadgen"), [])
    kind, strange = load.text("type") or "", []
    if kind in ("user_centric", "fixed_schedule"):
        strange.append(f"the load was of type {kind}")
    if any(load.at(name) for name in ("concurrency_ramp", "rate_ramp", "rate_series", "cancellation")):
        strange.append("the load changed during the run")
    concurrency = load.maybe("concurrency")
    rate = load.maybe("rate") or load.maybe("request_rate")
    return int(concurrency) if concurrency else None, rate or None, strange


def _repetition(config: Sheet) -> str:
    """How prompts repeat each other, in words; empty when they do not."""
    for name, value in nested_values(config.at("datasets") or config.at("input")):
        if ("prefix" in name or "shared_system" in name) and isinstance(value, int | float) and value > 0:
            return f"prompts shared a beginning ({name} {value:g})"
    return ""
