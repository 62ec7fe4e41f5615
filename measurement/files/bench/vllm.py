"""Reads results of `vllm bench serve --save-result`: one object a run, or with --append-result one object a line.

Latency statistics are in ms. `latencies`, `ttfts` and `queue_times` are lists in seconds, in the order in which
requests were sent. Whatever `--metadata KEY=VALUE` added stands at the top level, so that a file can state its own
deployment. With `--max-concurrency`, `queue_times` are waits for a place; without it, they are the client's own delay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from measurement.calibration.deployment import deployment_facts
from measurement.calibration.runs import BenchRun, Latency
from measurement.files.bench.sheet import MissingFigure, Sheet, numbers


def read(document: Mapping[str, Any], _: Mapping[str, Any] | None, missing: list[MissingFigure]) -> list[BenchRun]:
    """The one run of a result. `missing` receives the figures that are needed and not there."""
    sheet = Sheet(document, missing)
    completed, duration = sheet.maybe("completed") or 0.0, sheet.number("duration")
    inputs, outputs = sheet.number("total_input_tokens"), sheet.number("total_output_tokens")
    failed = sheet.maybe("failed")
    if failed is None:
        failed = max((sheet.maybe("num_prompts") or completed) - completed, 0.0)
    first, step = _latency(sheet, "ttft"), _latency(sheet, "tpot")
    if first.typical is None or (step.typical is None and outputs > 1.5 * completed):
        sheet.number("median_ttft_ms")
        sheet.number("median_tpot_ms")
    latencies = [value for value in numbers(document.get("latencies")) if value > 0.0]
    e2e = _latency(sheet, "e2el")
    if e2e.average is None and latencies:
        e2e = Latency(mean=1e3 * fmean(latencies))
    cap = sheet.maybe("max_concurrency")
    queued = numbers(document.get("queue_times")) if cap is None else []
    order = [value for value in numbers(document.get("ttfts")) if value > 0.0] or latencies
    date = sheet.text("date") or ""
    return [
        BenchRun(
            tool="vllm bench serve",
            part="",
            date=f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) >= 8 else "",
            model_name=sheet.text("model_id"),
            stated=deployment_facts(document),
            input_tokens=inputs / max(completed, 1.0),
            output_tokens=outputs / max(completed, 1.0),
            concurrency=int(cap) if cap else None,
            rate_per_s=sheet.maybe("request_rate"),
            completed=int(completed),
            failed=int(failed),
            duration_s=duration,
            ttft_ms=first,
            tpot_ms=step,
            e2e_ms=e2e,
            in_order_ms=tuple(1e3 * value for value in order),
            same_lengths=_same(document, "input", inputs, completed) and _same(document, "output", outputs, completed),
            client_delay_ms=1e3 * fmean(queued) if queued else None,
            strange=tuple(_strange(document)),
        )
    ]


def _latency(sheet: Sheet, name: str) -> Latency:
    return Latency(sheet.maybe(f"median_{name}_ms") or None, sheet.maybe(f"mean_{name}_ms") or None)


def _same(document: Mapping[str, Any], side: str, total: float, completed: float) -> bool:
    """Whether all requests had one length.

    A detailed file lists the lengths. For any other file, the total must be a multiple of the number of requests.
    """
    listed = numbers(document.get(f"{side}_lens"))
    return len(set(listed)) == 1 if listed else completed > 1.0 and total % completed == 0.0


def _strange(document: Mapping[str, Any]) -> Iterator[str]:
    """Conditions that the performance model does not describe."""
    backend = str(document.get("backend") or document.get("endpoint_type") or "")
    if backend and backend.split("-")[0] not in ("vllm", "openai"):
        yield f"the backend is {backend}, not vLLM"
    if document.get("ramp_up_strategy"):
        yield "the rate was ramped up during the run"
    if any(key.startswith("spec_decode_") for key in document):
        yield "tokens were drafted by speculative decoding"
    burstiness = document.get("burstiness")
    if document.get("request_rate") not in ("inf", None) and isinstance(burstiness, int | float) and burstiness < 1.0:
        yield f"arrivals were burstier than Poisson (burstiness {burstiness:g})"
