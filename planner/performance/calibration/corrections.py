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
from dataclasses import dataclass
from statistics import fmean, median, stdev

from planner.domain.offerings import Gpu
from planner.performance.calibration.caps import Caps, within
from planner.performance.calibration.runs import Figure, OwnRun, foreseen
from planner.performance.coefficients import Coefficients, Metric, Provenance, Quantiles
from planner.performance.evidence.benchmarks import Subject

Refine = Callable[[Coefficients, Sequence[Subject]], Coefficients]
"""A fit that starts at the first argument and lets the rows of the second weigh more."""

MEASURED_FROM = 3
"""Conditions from which a class counts as `measured`: one run alone says little of the loads beside its own."""
SHRINK = 3.0
"""Runs that the belief in the shipped model is worth; a GPU's micro-benchmark is worth as many."""
MATTERS = 0.1
"""ln of the factor on TTFT below which it is left at 1."""
TAIL = 1.2816
"""Standard deviations of a normal distribution at its p90."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What own runs say of one model in one quantization on one GPU, whatever the number of GPUs."""

    step: float
    """Step time over the calibrated coefficients'."""
    first_token: float
    """TTFT over what the corrected steps give."""
    conditions: int
    """Independent ones: k."""
    tensor_parallel_sizes: tuple[int, ...]
    """Those that were run."""
    residuals: Mapping[Metric, Quantiles]
    """actual/predicted of each condition by the others alone, p10 and p90 widened for few; empty with one condition."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One GPU. corrections: by `MODEL/QUANTIZATION`; caps: of its micro-benchmark, None without one."""

    coefficients: Coefficients
    corrections: Mapping[str, Correction]
    caps: Caps | None = None

    @property
    def conditions(self) -> float:
        """How many runs the whole is worth."""
        return sum(each.conditions for each in self.corrections.values()) + (
            SHRINK if self.caps and not self.caps.is_empty else 0.0
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the speed of one deployment class, and how well.

    step, first_token: factors on the clock and on TTFT. interval: (p10, p90) of actual/predicted step time. margin:
    factor on step time that covers its p90, at least 1.
    """

    coefficients: Coefficients
    provenance: Provenance
    interval: tuple[float, float]
    margin: float
    step: float = 1.0
    first_token: float = 1.0


def evidence(
    shipped: Coefficients, calibration: Calibration | None, gpu: str, weights: str, tensor_parallel_size: int
) -> Evidence:
    """What holds for `weights` (`MODEL/QUANTIZATION`) on so many of a GPU, whose calibration is given if it has one."""
    if calibration is None or not calibration.conditions:
        return Evidence(shipped, shipped.provenance(gpu), shipped.interval(gpu), shipped.margin(gpu))
    own = calibration.corrections.get(weights)
    low, high = _range_of_the_gpu(shipped, gpu, calibration.conditions)
    provenance: Provenance = "calibrated"
    if own is not None and tensor_parallel_size in own.tensor_parallel_sizes and own.conditions >= MEASURED_FROM:
        provenance = "measured"
        if held_out := own.residuals.get("step"):
            low = math.exp(-_blend(math.log(low), math.log(held_out.p10), own.conditions))
            high = math.exp(_blend(math.log(high), math.log(held_out.p90), own.conditions))
    factors = (own.step, own.first_token) if own else (1.0, 1.0)
    return Evidence(calibration.coefficients, provenance, (low, high), max(1.0, high), *factors)


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


def _off(runs: Sequence[OwnRun], c: Coefficients, figure: Figure, step_factor: float) -> list[float]:
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


def _range_of_the_gpu(shipped: Coefficients, gpu: str, conditions: float) -> tuple[float, float]:
    """(p10, p90) without the class's own runs: from `analytic` towards `calibrated` with the runs on the GPU."""
    near, far = (shipped.residuals[each]["step"] for each in ("calibrated", "analytic"))
    share = 1.0 if shipped.provenance(gpu) == "calibrated" else conditions / (conditions + SHRINK)
    low = near.p10**share * min(near.p10, far.p10) ** (1.0 - share)
    high = near.p90**share * max(near.p90, far.p90) ** (1.0 - share)
    return min(1.0, low), max(1.0, high)


def _blend(without: float, held_out: float, conditions: int) -> float:
    """Length of the combined range on one side, in logarithms."""
    share = conditions / (conditions + SHRINK)
    return math.sqrt((1.0 - share) * without**2 + share * held_out**2)
