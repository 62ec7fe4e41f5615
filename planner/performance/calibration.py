"""A team's own calibration of one GPU, and what it says about the speed of one deployment class.

`spillway perf calibrate` (package `measurement`) makes a calibration from a team's own benchmark runs, and plans read
it. A class counts as `measured` when it was run with its own number of GPUs. It counts as `calibrated` when its GPU was
measured in another class, or by a micro-benchmark. Every other GPU keeps the shipped coefficients, provenance and
margins. Runs with an fp8 KV cache are another class than runs without. Runs with copies of the attention or with expert
parallelism calibrate nothing yet, so that such layouts keep their own provenance.

The range of a measured class joins the range that it had without its own runs and the range of the residuals of these
runs, each of which was predicted by the others. For each end, with k independent conditions that were run:

    ln²(end) = 3/(k + 3) · ln²(end without the runs) + k/(k + 3) · ln²(end of the residuals)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from planner.performance.coefficients import Coefficients, Metric, Quantiles
from planner.performance.precision import ComputeType, KvFormat
from planner.plan.parts import Provenance

MEASURED_FROM = 3
"""Number of conditions from which a class counts as `measured`: one run alone says little about other loads."""
SIGMAS_OF_P90 = 1.2815515655446004
"""Standard deviations of a normal distribution below which 90 % of it lies."""
SHRINK = 3.0
"""Number of runs that the belief in the shipped model is worth. The micro-benchmark of a GPU is worth as many."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds that a micro-benchmark of one GPU puts on the coefficients; None where nothing was measured.

    bandwidth: share of the datasheet's memory bandwidth that is reached.
    compute: share of the datasheet's peak that products reach, by type; a type that was not measured is absent.
    link_latency_ms: time of one hop, ms; for NVLink at the reference rate for which coefficients are given.
    link_bandwidth: share of the datasheet's link rate that an all-reduce reaches.
    """

    bandwidth: float | None = None
    compute: Mapping[ComputeType, float] = field(default_factory=dict)
    link_latency_ms: float | None = None
    link_bandwidth: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no bound at all, so that the GPU is as unknown as before."""
        return not self.compute and (self.bandwidth, self.link_latency_ms, self.link_bandwidth) == (None, None, None)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a team's own runs say about one model in one form on one GPU, whatever the number of GPUs.

    step: measured step time ÷ the step time by the calibrated coefficients.
    first_token: measured TTFT ÷ the TTFT that the corrected steps give.
    conditions: number of independent conditions, the k of the formula above.
    tensor_parallel_sizes: numbers of GPUs that were run.
    residuals: actual ÷ predicted of each condition, predicted by the other conditions alone. p10 and p90 are widened
    when there are few conditions; with a single one there are no residuals.
    """

    step: float
    first_token: float
    conditions: int
    tensor_parallel_sizes: tuple[int, ...]
    residuals: Mapping[Metric, Quantiles]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a team's own measurements say about one GPU.

    coefficients: the shipped ones, corrected for this GPU.
    corrections: what remains to correct, by class (`weights_class`).
    caps: bounds by the micro-benchmark of the GPU; None without one.
    """

    coefficients: Coefficients
    corrections: Mapping[str, Correction]
    caps: Caps | None = None

    @property
    def conditions(self) -> float:
        """Number of runs that the whole calibration is worth."""
        return sum(each.conditions for each in self.corrections.values()) + (
            SHRINK if self.caps and not self.caps.is_empty else 0.0
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the speed of one deployment class, and how well.

    coefficients: those that the clock is made of.
    provenance: how they are known.
    interval: (p10, p90) of actual ÷ predicted step time.
    margin: factor on step time that covers its p90; at least 1.
    step: factor on the step time of the clock.
    first_token: factor on TTFT.
    """

    coefficients: Coefficients
    provenance: Provenance
    interval: tuple[float, float]
    margin: float
    step: float = 1.0
    first_token: float = 1.0

    def slower_by_sigmas(self, sigmas: float) -> float:
        """Return the factor on step time of an error that is some standard deviations away; below 1 where faster.

        The logarithm of the error is taken as normal on each side of what is expected, with the quantile that is known
        there: p90 = exp(1.28·σ) on the slower side, p10 = exp(−1.28·σ) on the faster one.
        """
        low, high = self.interval
        end = math.log(max(1.0, high)) if sigmas > 0 else -math.log(min(1.0, low))
        return math.exp(sigmas * end / SIGMAS_OF_P90)


def weights_class(model: str, quantization: str, kv_format: KvFormat, layout: str = "") -> str:
    """Return the name of a class in a calibration: `MODEL/QUANTIZATION`, and what else keeps it apart.

    layout: word for a layout other than tensor parallelism (`Parallelism.word`).
    """
    cache = "" if kv_format == "bf16" else f"kv-{kv_format}"
    return "/".join(part for part in (model, quantization, cache, layout) if part)


def evidence(
    shipped: Coefficients,
    calibration: Calibration | None,
    gpu: str,
    weights: str,
    tensor_parallel_size: int,
    few_runs: bool = False,
) -> Evidence:
    """Return what is known about `weights` on `tensor_parallel_size` of a GPU.

    calibration: that of the GPU, None without one. weights: name of the class.
    few_runs: whether few published runs are of this kind. It is `analytic` then, and a calibration of other runs on the
    GPU gives its coefficients alone.
    """
    if calibration is None or not calibration.conditions or few_runs:
        coefficients = calibration.coefficients if calibration is not None and calibration.conditions else shipped
        said = shipped.provenance(gpu, few_runs)
        return Evidence(coefficients, said, shipped.interval(gpu, few_runs), shipped.margin(gpu, few_runs))
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
    """Return (p10, p90) without the class's own runs.

    The more runs there are on the GPU, the further the range moves from that of `analytic` to that of `calibrated`.
    """
    near, far = (shipped.residuals[each]["step"] for each in ("calibrated", "analytic"))
    share = 1.0 if shipped.provenance(gpu) == "calibrated" else conditions / (conditions + SHRINK)
    low = near.p10**share * min(near.p10, far.p10) ** (1.0 - share)
    high = near.p90**share * max(near.p90, far.p90) ** (1.0 - share)
    return min(1.0, low), max(1.0, high)


def _blend(without: float, held_out: float, conditions: int) -> float:
    """Return the length of the joint range on one side, as a logarithm."""
    share = conditions / (conditions + SHRINK)
    return math.sqrt((1.0 - share) * without**2 + share * held_out**2)
