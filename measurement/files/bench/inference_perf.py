"""Reads reports of inference-perf: `summary_lifecycle_metrics.json`, or `stage_N_lifecycle_metrics.json` for each load.

All times are in seconds. A report does not say its model, and a summary does not say its load: both stand in the
`config.yaml` that is saved beside it. TPOT goes by the client's count of tokens (`output_len`); the server's count is
`output_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from measurement.calibration.runs import BenchRun, Latency
from measurement.files.bench.sheet import MissingFigure, Sheet, milliseconds, tpot_by_server


def read(document: Mapping[str, Any], config: Mapping[str, Any] | None, missing: list[MissingFigure]) -> list[BenchRun]:
    """The one run of a report. `missing` receives the figures that are needed and not there."""
    sheet, asked = Sheet(document, missing), Sheet(config, [])
    completed = sheet.maybe("successes", "count") or 0.0
    served = sheet.number("successes", "output_tokens", "mean")
    client = sheet.maybe("successes", "output_len", "mean") or served
    first = _latency(sheet, "time_to_first_token")
    if first.typical is None:
        sheet.number("successes", "latency", "time_to_first_token", "median")
    concurrency, rate = _load(sheet, asked, missing)
    cached = sheet.maybe("successes", "prompt_tokens", "cached")
    prefix = asked.at("data", "shared_prefix")
    return [
        BenchRun(
            tool="inference-perf",
            part="",
            date="",
            model_name=asked.text("server", "model_name"),
            stated={},
            input_tokens=sheet.number("successes", "prompt_tokens", "mean"),
            output_tokens=served,
            concurrency=concurrency,
            rate_per_s=rate,
            completed=int(completed),
            failed=int(sheet.maybe("failures", "count") or 0.0),
            duration_s=sheet.number("benchmark_time_seconds"),
            ttft_ms=first,
            tpot_ms=tpot_by_server(_latency(sheet, "time_per_output_token"), client, served),
            e2e_ms=_latency(sheet, "request_latency"),
            same_lengths=all(_same(sheet, name) for name in ("prompt_tokens", "output_tokens")),
            cached_tokens=None if cached is None else cached / max(completed, 1.0),
            repeated_prompts="prompts shared a beginning (data.shared_prefix)" if prefix else "",
            client_delay_ms=milliseconds(sheet.maybe("load_summary", "schedule_delay", "mean")),
        )
    ]


def _same(sheet: Sheet, name: str) -> bool:
    """Whether all requests had one length."""
    least, most = (sheet.maybe("successes", name, end) for end in ("min", "max"))
    return least is not None and least == most


def _latency(sheet: Sheet, name: str) -> Latency:
    figures = (sheet.maybe("successes", "latency", name, each) or None for each in ("median", "mean"))
    return Latency(*figures).times(1e3)


def _load(sheet: Sheet, asked: Sheet, missing: list[MissingFigure]) -> tuple[int | None, float | None]:
    """(concurrency, rate) of a stage report, or of the only stage of the configuration."""
    rate, held = sheet.maybe("load_summary", "requested_rate"), sheet.maybe("load_summary", "concurrency")
    if rate is not None or held is not None:
        return (int(held), None) if held else (None, rate)
    stages = asked.at("load", "stages")
    if not isinstance(stages, list):
        message = "how requests were offered stands in no report of inference-perf: its config.yaml is not beside it"
        missing.append(MissingFigure("load_summary", message))
        return None, None
    if len(stages) != 1:
        message = f"this report mixes {len(stages)} stages: give the stage_N_lifecycle_metrics.json files instead"
        missing.append(MissingFigure("load_summary", message))
        return None, None
    stage = Sheet(stages[0], [])
    held = stage.maybe("concurrency_level")
    return (int(held), None) if held else (None, stage.maybe("rate"))
