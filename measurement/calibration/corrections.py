"""A team's own runs as corrections of the shipped model, for the GPUs that they were made on.

A GPU's coefficients are the shipped ones, fitted again with the GPU's own rows weighing more. None of them exceeds what
a micro-benchmark of the GPU reached. Each (model, quantization) then has two factors of its own:

    step         = exp(k/(k + 3) · mean of ln(measured TPOT / expected TPOT))
    first token  = exp(k/(k + 3) · mean of ln(measured TTFT / TTFT that is expected with corrected steps))

k is the number of independent conditions; repetitions are averaged first. The factor on the first token stays 1 unless
TTFT is off by more than 10 % and by more than its own noise.

A handful of runs is a small sample, so a factor is drawn towards 1. For the same reason the range about a prediction is
a blend of the range that holds without these runs and of the held-out residuals:

    ln²(end)     = 3/(k + 3)·ln²(end without these runs) + k/(k + 3)·ln²(end of the held-out residuals)

For the residuals, each run is predicted from the other runs alone, on the shipped coefficients, and the deviation is
widened by √((k + 1)/(k − 1)). `planner.performance.calibration` makes the blend, and says what counts as `measured` and
as `calibrated`. Own runs speak for their own GPU only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median, stdev

from measurement.calibration.caps import capped_coefficients
from measurement.calibration.runs import FigureName, OwnRun, expected_figures
from measurement.evidence.deployed_runs import DeployedRun
from planner.domain.offerings import Gpu
from planner.performance.calibration import SHRINK, Calibration, Caps, Correction
from planner.performance.coefficients import Coefficients, Metric, Quantiles

Refine = Callable[[Coefficients, Sequence[DeployedRun]], Coefficients]
"""A fit that begins at the first argument and gives more weight to the rows of the second."""

MATTERS = 0.1
"""Mean of ln(measured/expected TTFT) up to which the factor on the first token stays 1."""
TAIL = 1.2816
"""Standard deviations of a normal distribution at its p90."""


def calibrations(
    own: Sequence[OwnRun], caps: Mapping[str, Caps], gpus: Mapping[str, Gpu], shipped: Coefficients, refine: Refine
) -> dict[str, Calibration]:
    """The calibration of every GPU with runs or with a micro-benchmark, by the GPU's key.

    caps: bounds by GPU. Bounds that bound nothing do not count as a micro-benchmark.
    gpus: the GPUs of the catalog.
    """
    by_gpu = {}
    caps = {key: bounds for key, bounds in caps.items() if not bounds.is_empty}
    for key in sorted({each.deployment.gpu.key for each in own} | set(caps)):
        runs = [each for each in own if each.deployment.gpu.key == key]
        bounds = caps.get(key)
        refined = refine(shipped, [row for each in runs for row in each.fitted_runs()]) if runs else shipped
        start = shipped
        if bounds is not None:
            refined, start = (capped_coefficients(each, bounds, gpus[key]) for each in (refined, shipped))
        classes: dict[str, list[OwnRun]] = {}
        for each in sorted(runs, key=lambda run: (run.deployment.weights, run.digest)):
            classes.setdefault(each.deployment.weights, []).append(each)
        corrections = {name: _correction(of_class, refined, start) for name, of_class in classes.items()}
        by_gpu[key] = Calibration(refined, corrections, bounds)
    return by_gpu


def shrunk_factor(logs: Sequence[float]) -> float:
    """The factor that k logarithms of measured/expected support, exp(k/(k + 3) · mean); 1 for none."""
    k = len(logs)
    return math.exp(k / (k + SHRINK) * fmean(logs)) if logs else 1.0


def _correction(runs: Sequence[OwnRun], refined: Coefficients, shipped: Coefficients) -> Correction:
    """The factors of one class and their residuals.

    refined: coefficients that were fitted with these runs.
    shipped: coefficients that were fitted without them.
    """
    step = shrunk_factor(_log_ratios(runs, refined, "tpot", 1.0))
    first_logs = _log_ratios(runs, refined, "ttft", step)
    shipped_logs = _log_ratios(runs, shipped, "tpot", 1.0)
    by_metric: dict[Metric, Quantiles | None] = {
        "step": _held_out_quantiles(shipped_logs),
        "ttft": _held_out_quantiles(_log_ratios(runs, shipped, "ttft", shrunk_factor(shipped_logs))),
    }
    residuals: dict[Metric, Quantiles] = {name: each for name, each in by_metric.items() if each is not None}
    return Correction(
        step=step,
        first_token=shrunk_factor(first_logs) if _matters(first_logs) else 1.0,
        conditions=len({each.condition for each in runs}),
        tensor_parallel_sizes=tuple(sorted({each.deployment.tensor_parallel_size for each in runs})),
        residuals=residuals,
    )


def _log_ratios(runs: Sequence[OwnRun], c: Coefficients, figure: FigureName, step_factor: float) -> list[float]:
    """ln(measured/expected) of TPOT or TTFT, one for each condition that has the figure."""
    by_condition: dict[object, list[float]] = {}
    for each, expected in zip(runs, expected_figures(runs, c, [step_factor] * len(runs)), strict=True):
        measured = each.figures().get(figure)
        if measured is not None:
            prediction = expected.tpot_ms if figure == "tpot" else expected.ttft_ms
            by_condition.setdefault(each.condition, []).append(math.log(measured / prediction))
    return [fmean(logs) for logs in by_condition.values()]


def _matters(logs: Sequence[float]) -> bool:
    """Whether the mean of these logarithms is large, and larger than its own noise."""
    if not logs or abs(fmean(logs)) <= MATTERS:
        return False
    return len(logs) == 1 or abs(fmean(logs)) > stdev(logs) / math.sqrt(len(logs))


def _held_out_quantiles(logs: Sequence[float]) -> Quantiles | None:
    """Quantiles of how far each condition is off the factor of the other conditions; None where there is no other."""
    k = len(logs)
    if k < 2:
        return None
    off = [each - math.log(shrunk_factor([*logs[:i], *logs[i + 1 :]])) for i, each in enumerate(logs)]
    wide = TAIL * math.sqrt(fmean(each**2 for each in off) * (k + 1) / (k - 1))
    return Quantiles(k, math.exp(-wide), math.exp(median(off)), math.exp(wide))
