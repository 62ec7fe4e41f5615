"""A team's own runs as corrections of the shipped model, for the GPUs that they were made on.

    coefficients   the shipped ones, fitted again with the GPU's own rows weighing more, none above its micro-benchmark
    step           exp(k/(k + 3) · mean ln(measured TPOT ÷ expected)), one for each (model, quantization)
    first token    the same of TTFT, expected with corrected steps; 1 unless it is off by over 10 % and its own noise
    range          ln² of its ends = 3/(k + 3) of the range without these runs + k/(k + 3) of the held-out residuals'

k counts independent conditions: repetitions are averaged first. A handful of runs is a small sample, so a factor is
drawn towards 1 and a range never falls below what the held-out residuals and the number of runs support: each run is
predicted from the others alone, on the shipped coefficients, and the deviation is widened by √((k + 1)/(k − 1)).

Own runs speak for their GPU only. A class counts as `measured` where it was run with its own number of GPUs, and as
`calibrated` where the GPU was measured in another class or by the micro-benchmark; every other GPU keeps the shipped
coefficients, provenance and margins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median, stdev

from measurement.calibration.caps import within
from measurement.calibration.runs import FigureName, OwnRun, foreseen
from measurement.evidence.benchmarks import Subject
from planner.domain.offerings import Gpu
from planner.performance.calibration import SHRINK, Calibration, Caps, Correction
from planner.performance.coefficients import Coefficients, Metric, Quantiles

Refine = Callable[[Coefficients, Sequence[Subject]], Coefficients]
"""A fit that starts at the first argument and lets the rows of the second weigh more."""

MATTERS = 0.1
"""ln of the factor on TTFT below which it is left at 1."""
TAIL = 1.2816
"""Standard deviations of a normal distribution at its p90."""


def calibrate(
    own: Sequence[OwnRun], caps: Mapping[str, Caps], gpus: Mapping[str, Gpu], shipped: Coefficients, refine: Refine
) -> dict[str, Calibration]:
    """A calibration for every GPU with runs or a micro-benchmark, by key. caps: by GPU; gpus: the catalog's.

    Caps that bound nothing are no micro-benchmark.
    """
    found = {}
    caps = {key: bounds for key, bounds in caps.items() if not bounds.is_empty}
    for key in sorted({each.deployment.gpu.key for each in own} | set(caps)):
        runs = [each for each in own if each.deployment.gpu.key == key]
        bounds = caps.get(key)
        refined = refine(shipped, [row for each in runs for row in each.subjects()]) if runs else shipped
        start = shipped
        if bounds is not None:
            refined, start = within(refined, bounds, gpus[key]), within(shipped, bounds, gpus[key])
        classes: dict[str, list[OwnRun]] = {}
        for each in sorted(runs, key=lambda run: (run.deployment.weights, run.digest)):
            classes.setdefault(each.deployment.weights, []).append(each)
        corrections = {name: _correction(of_class, refined, start) for name, of_class in classes.items()}
        found[key] = Calibration(refined, corrections, bounds)
    return found


def shrunk(logs: Sequence[float]) -> float:
    """The factor that k logarithms of measured/expected support: exp(k/(k + 3) · mean); 1 for none."""
    k = len(logs)
    return math.exp(k / (k + SHRINK) * fmean(logs)) if logs else 1.0


def _correction(runs: Sequence[OwnRun], refined: Coefficients, shipped: Coefficients) -> Correction:
    steps = _off(runs, refined, "tpot", 1.0)
    step = shrunk(steps)
    firsts = _off(runs, refined, "ttft", step)
    held_steps = _held_out(_off(runs, shipped, "tpot", 1.0))
    held_firsts = _held_out(_off(runs, shipped, "ttft", shrunk(_off(runs, shipped, "tpot", 1.0))))
    residuals: dict[Metric, Quantiles] = {}
    if held_steps is not None:
        residuals["step"] = held_steps
    if held_firsts is not None:
        residuals["ttft"] = held_firsts
    return Correction(
        step=step,
        first_token=shrunk(firsts) if _matters(firsts) else 1.0,
        conditions=len({each.condition for each in runs}),
        tensor_parallel_sizes=tuple(sorted({each.deployment.tensor_parallel_size for each in runs})),
        residuals=residuals,
    )


def _off(runs: Sequence[OwnRun], c: Coefficients, figure: FigureName, step_factor: float) -> list[float]:
    """ln(measured ÷ expected) of TPOT or TTFT, one for each condition that has it."""
    by_condition: dict[object, list[float]] = {}
    for each, expected in zip(runs, foreseen(runs, c, [step_factor] * len(runs)), strict=True):
        measured = each.figures().get(figure)
        if measured is not None:
            told = expected.tpot_ms if figure == "tpot" else expected.ttft_ms
            by_condition.setdefault(each.condition, []).append(math.log(measured / told))
    return [fmean(logs) for logs in by_condition.values()]


def _matters(logs: Sequence[float]) -> bool:
    if not logs or abs(fmean(logs)) <= MATTERS:
        return False
    return len(logs) == 1 or abs(fmean(logs)) > stdev(logs) / math.sqrt(len(logs))


def _held_out(logs: Sequence[float]) -> Quantiles | None:
    """Quantiles of each condition's deviation from what the others' factor predicts; None where there is no other."""
    k = len(logs)
    if k < 2:
        return None
    off = [each - math.log(shrunk([*logs[:i], *logs[i + 1 :]])) for i, each in enumerate(logs)]
    wide = TAIL * math.sqrt(fmean(each**2 for each in off) * (k + 1) / (k - 1))
    return Quantiles(k, math.exp(-wide), math.exp(median(off)), math.exp(wide))
