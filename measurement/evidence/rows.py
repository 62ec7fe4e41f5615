"""Published runs as rows of the fit's table, and rows of that table as published runs.

    requests/s · O → output tokens/s        where a source gives no tokens/s beside them

The table holds what a fit learns from: medians or means of TPOT and TTFT, and output tokens/s, of loads that keep a
number of requests in flight or offer everything at once. What a run says beyond that (percentiles, copies of an engine,
limits of its batch) has no column there, so that a run that went through the table says less than before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, cast

from measurement.evidence.benchmarks import Measurement
from measurement.evidence.published import PublishedRun
from measurement.evidence.words import QuotedFigure

FIGURES: dict[Literal["tpot", "ttft", "throughput"], QuotedFigure] = {
    "tpot": QuotedFigure("tpot", 0.5),
    "ttft": QuotedFigure("ttft", 0.5),
    "throughput": QuotedFigure("output_rate"),
}
"""What a row of the table reports. Medians and means stand in one column there."""


def measurement(run: PublishedRun) -> Measurement | None:
    """The run as a row of the fit's table; None without a value, for weak quality, and for figures that it does not
    hold: percentiles other than the median, end-to-end times, tokens/s with the prompts', offered rates."""
    asked = run.figure
    plain = asked.per_ours == 1.0 and not asked.per_gpu and not asked.inverse
    typical = asked.percentile is None or (asked.percentile == 0.5 and asked.quantity != "itl")
    if not (plain and typical) or asked.quantity in ("e2e", "total_rate", "input_rate") or run.rate_per_s is not None:
        return None
    if run.value is None or run.quality not in ("A", "B"):
        return None
    return Measurement(
        id=run.id,
        model=run.model,
        dense=run.dense,
        experts=run.experts,
        kv=run.kv,
        gpu=run.gpu,
        tensor_parallel_size=run.tensor_parallel_size,
        engine=run.engine,
        engine_version=run.engine_version,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        lengths="fixed" if run.lengths == "fixed" else "spread",
        concurrency=run.concurrency,
        max_num_batched_tokens=run.max_num_batched_tokens,
        offline=run.offline,
        metric=cast(Any, asked.kind),
        value=run.value * (run.output_tokens if asked.quantity == "request_rate" else 1.0),
        regime=cast(Any, run.regime),
        quality=cast(Any, run.quality),
        date=run.date,
    )


def measurements(runs: Iterable[PublishedRun]) -> tuple[Measurement, ...]:
    """The rows of the fit's table among these runs, in order. Requests/s that repeat a run's tokens/s are left out."""
    listed = list(runs)
    told = {_conditions(run) for run in listed if run.figure == FIGURES["throughput"]}
    repeated = {run.id for run in listed if run.figure.quantity == "request_rate" and _conditions(run) in told}
    return tuple(row for run in listed if run.id not in repeated and (row := measurement(run)) is not None)


def published(row: Measurement, family: str) -> PublishedRun:
    """A row of the fit's table as the run of one engine that reported it."""
    return PublishedRun(
        id=row.id,
        model=row.model,
        dense=row.dense,
        experts=row.experts,
        kv=row.kv,
        gpu=row.gpu,
        gpus=row.tensor_parallel_size,
        tensor_parallel_size=row.tensor_parallel_size,
        data_parallel_size=1,
        expert_parallel_size=1,
        engine=row.engine,
        engine_version=row.engine_version,
        date=row.date,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        length_low=1.0,
        length_high=1.0,
        lengths="fixed" if row.lengths == "fixed" else "not stated",
        concurrency=row.concurrency,
        rate_per_s=None,
        prompts=None,
        max_num_seqs=None,
        max_num_batched_tokens=row.max_num_batched_tokens,
        offline=row.offline,
        gpu_memory_utilization=None,
        prefix_cache=False,
        eager=False,
        chunked_prefill=True,
        remote_client=False,
        figure=FIGURES[row.metric],
        value=row.value,
        regime=row.regime,
        quality=row.quality,
        family=family,
        source=row.source,
        assumed=(),
    )


def _conditions(run: PublishedRun) -> PublishedRun:
    return replace(run, id="", figure=FIGURES["throughput"], value=None)
