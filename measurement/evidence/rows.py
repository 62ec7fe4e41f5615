"""Published runs as rows of the fit's table, and rows of that table as published runs.

The table holds what a fit learns from: medians or means of TPOT and TTFT, and output tokens/s, of loads that keep a
number of requests in flight or offer everything at once. What a run says beyond that (percentiles, copies of an engine,
limits of its batch) has no column there. So a run that goes through the table and comes back says less than before.

Where a source gives requests/s and no tokens/s beside them, the row holds

    output tokens/s = requests/s · output tokens of a request
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
"""What a row of the table reports, by its metric. The table does not tell medians from means."""


def fit_row(run: PublishedRun) -> Measurement | None:
    """The run as a row of the fit's table, or None.

    It is None for a run without a value, for a run of weak quality, and for figures that the table does not hold: other
    percentiles than the median, end-to-end times, tokens/s that count prompts too, and figures at an offered rate.
    """
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


def fit_rows(runs: Iterable[PublishedRun]) -> tuple[Measurement, ...]:
    """The rows of the fit's table among these runs, in their order.

    Requests/s are left out where the same run has tokens/s too, for they are the same figure in another unit.
    """
    listed = list(runs)
    with_tokens = {_conditions(run) for run in listed if run.figure == FIGURES["throughput"]}
    repeated = {run.id for run in listed if run.figure.quantity == "request_rate" and _conditions(run) in with_tokens}
    return tuple(row for run in listed if run.id not in repeated and (row := fit_row(run)) is not None)


def published_run(row: Measurement, family: str) -> PublishedRun:
    """The run of one engine that reported this row of the fit's table.

    family: the model's family, which the table does not hold.
    """
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
        attention_data_parallel=False,
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
        eager=False,
        figure=FIGURES[row.metric],
        value=row.value,
        regime=row.regime,
        quality=row.quality,
        family=family,
        source=row.source,
        assumed=(),
    )


def _conditions(run: PublishedRun) -> PublishedRun:
    """The run with its figure and id blanked: equal for runs under the same conditions."""
    return replace(run, id="", figure=FIGURES["throughput"], value=None)
