"""A team's own calibration of one GPU as a value, and what it says of the speed of one deployment class.

`spillway perf calibrate` (package `measurement`) makes calibrations of a team's own benchmark runs; plans read them.
A class counts as `measured` where it was run with its own number of GPUs, and as `calibrated` where the GPU was
measured in another class or by a micro-benchmark. Every other GPU keeps the shipped coefficients, provenance and
margins.

    range of a class    ln² of its ends = 3/(k + 3) of the range without its runs + k/(k + 3) of its held-out residuals'

k counts the independent conditions that were run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from planner.performance.coefficients import Coefficients, Metric, Quantiles
from planner.performance.precision import ComputeType
from planner.plan.parts import Provenance

MEASURED_FROM = 3
"""Conditions from which a class counts as `measured`: one run alone says little of the loads beside its own."""
SHRINK = 3.0
"""Number of runs that the belief in the shipped model is worth. A GPU's micro-benchmark is worth as many."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds of one GPU; None, or a type that is absent, where nothing was measured."""

    bandwidth: float | None = None
    compute: Mapping[ComputeType, float] = field(default_factory=dict)
    link_latency_ms: float | None = None
    """Of one hop; for NVLink at the reference rate that coefficients are given for."""
    link_bandwidth: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is bounded, so that the GPU is as unknown as before."""
        return not self.compute and (self.bandwidth, self.link_latency_ms, self.link_bandwidth) == (None, None, None)


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
