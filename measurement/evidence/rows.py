"""The published runs that a fit reads, each with a figure that it can hold a prediction against.

A fit learns from medians or means of TPOT and TTFT, and from output tokens/s, of loads that keep a number of requests
in flight or offer everything at once. The same figure in another unit is turned into one of these:

    output tokens/s = requests/s · O = total tokens/s · O/(S + O) = tokens/s of a GPU · GPUs
    TPOT            = 1000 / tokens/s of one user

S are the tokens in and O the tokens out of a request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.words import QuotedFigure
from planner.domain.gaps import Gap
from planner.domain.models import Model
from planner.domain.offerings import Gpu

FIGURES: dict[Literal["tpot", "ttft", "throughput"], QuotedFigure] = {
    "tpot": QuotedFigure("tpot", 0.5),
    "ttft": QuotedFigure("ttft", 0.5),
    "throughput": QuotedFigure("output_rate"),
}
"""What a run of the fit reports, by its metric. Medians and means are not told apart."""


def fit_run(run: PublishedRun) -> PublishedRun | None:
    """The run with one of `FIGURES`, or None.

    It is None for a run without a value, for a run of weak quality, and for figures that a fit does not read: other
    percentiles than the median, end-to-end times, tokens/s of prompts alone, and figures at an offered rate.
    """
    asked = run.figure
    typical = asked.percentile is None or (asked.percentile == 0.5 and asked.quantity != "itl")
    if not typical or asked.quantity in ("e2e", "input_rate") or run.rate_per_s is not None:
        return None
    if run.value is None or run.quality not in ("A", "B"):
        return None
    value = 1e3 / run.value if asked.inverse else run.value
    value *= (run.gpus if asked.per_gpu else 1) / asked.per_ours
    if asked.quantity == "request_rate":
        value *= run.output_tokens
    if asked.quantity == "total_rate":
        value *= run.output_tokens / (run.input_tokens + run.output_tokens)
    metric: Literal["tpot", "ttft", "throughput"]
    metric = "ttft" if asked.kind == "ttft" else "tpot" if asked.kind == "tpot" else "throughput"
    return replace(run, figure=FIGURES[metric], value=value)


def fit_runs(runs: Iterable[PublishedRun]) -> tuple[PublishedRun, ...]:
    """The runs that a fit reads among these, in their order.

    Other rates are left out where the same run has output tokens/s too, for they are the same figure in another unit.
    """
    listed = list(runs)
    with_tokens = {_conditions(run) for run in listed if run.figure == FIGURES["throughput"]}
    made = (
        fit_run(run)
        for run in listed
        if run.figure.kind != "throughput" or run.figure == FIGURES["throughput"] or _conditions(run) not in with_tokens
    )
    return tuple(run for run in made if run is not None)


def deployed_runs(
    runs: Iterable[PublishedRun], models: Mapping[str, Model], gpus: Mapping[str, Gpu]
) -> tuple[tuple[DeployedRun, ...], tuple[Gap, ...]]:
    """(the runs that some engine could have served, one gap for each reason that left others out)."""
    usable: list[DeployedRun] = []
    missing: Counter[tuple[str, str, str, str]] = Counter()
    for run in runs:
        model, gpu = models.get(run.model), gpus.get(run.gpu)
        if model is None or gpu is None:
            kind, key = ("model", run.model) if model is None else ("gpu", run.gpu)
            missing[kind, key, f"{key} is not in the catalog", "add the row"] += 1
            continue
        deployed = deployed_run(run, model, gpu)
        if isinstance(deployed, Unpredictable):
            missing["gpu", run.gpu, deployed.reason, deployed.hint] += 1
        else:
            usable.append(deployed)
    gaps = tuple(
        Gap(kind, key, f"{count} measured rows are left out: {why}", hint)
        for (kind, key, why, hint), count in sorted(missing.items())
    )
    return tuple(usable), gaps


def _conditions(run: PublishedRun) -> PublishedRun:
    """The run with its figure and id blanked: equal for runs under the same conditions."""
    return replace(run, id="", figure=FIGURES["throughput"], value=None)
