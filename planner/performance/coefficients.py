"""The few fitted numbers between a datasheet and a running engine, each with a physical reading.

Bandwidth and compute coefficients are the share of the datasheet figure that is reached, so they lie in (0, 1]; a fit
that leaves this range has the wrong form. Overheads are launch and scheduling time that no bandwidth explains. Links
have a latency for one all-reduce hop and a share of their rate. An engine factor tells how long a step of another
engine takes relative to vLLM's, so that its rows inform the hardware terms; plans are made for vLLM, whose factor is
1.

Residual quantiles of actual/predicted come with them: a margin is read from these, never typed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.domain.offerings import Link
from planner.performance.precision import ComputeType

Provenance = Literal["measured", "calibrated", "analytic"]
Metric = Literal["step", "tpot", "ttft", "throughput"]
"""`step` pools TPOT and throughput, which both tell how long steps are."""
CALIBRATED_FROM_ROWS = 20
"""A GPU with fewer measured vLLM rows than this is `analytic`: its figures come from the datasheet and other
silicon."""


@dataclass(frozen=True, slots=True)
class LinkCoefficients:
    """One class of link between the GPUs of a node."""

    latency_ms: float
    """Of one hop of one all-reduce, launch included."""
    bandwidth: float
    """Share of the datasheet rate that an all-reduce reaches."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of actual/predicted over the measured rows of one metric (1 = exact, 1.3 = 30 % slower than
    predicted)."""

    rows: int
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Coefficients:
    """One fit of the step-time model."""

    as_of: str
    dense_bandwidth: float
    packed_bandwidth: float
    expert_bandwidth: float
    kv_bandwidth: float
    compute: Mapping[ComputeType, float]
    attention: float
    overhead_ms: float
    overhead_per_layer_ms: float
    overhead_per_moe_layer_ms: float
    links: Mapping[Link, LinkCoefficients]
    first_token_overhead_ms: float
    """From the request's arrival to its first step: HTTP, tokenizing, scheduling."""
    closed_loop_crowding: float
    """Of benchmark clients, not of engines: share of the others in flight that start in the same moment."""
    engine_factors: Mapping[str, float]
    residuals: Mapping[Provenance, Mapping[Metric, Quantiles]]
    """Of fitted rows for `calibrated`; of rows whose whole GPU was left out of the fit for `analytic`."""
    measured_rows: Mapping[str, int]
    """vLLM rows by GPU, which decide provenance."""
    sources: tuple[str, ...]

    def provenance(self, gpu: str) -> Provenance:
        """`calibrated` where enough vLLM rows were measured on the GPU, otherwise `analytic`.

        `measured` belongs to a team's own benchmark of the very deployment class, which this fit never claims.
        """
        return "calibrated" if self.measured_rows.get(gpu, 0) >= CALIBRATED_FROM_ROWS else "analytic"

    def margin(self, gpu: str, metric: Metric = "step") -> float:
        """Factor on step time that covers 90 % of the residuals of the GPU's provenance; at least 1.

        An `analytic` GPU never gets a smaller one than a `calibrated` GPU: less knowledge is no reason to buy less.
        """
        bound = self.residuals["calibrated"][metric].p90
        if self.provenance(gpu) == "analytic":
            bound = max(bound, self.residuals["analytic"][metric].p90)
        return max(1.0, bound)

    def interval(self, gpu: str, metric: Metric = "step") -> tuple[float, float]:
        """(p10, p90) of actual/predicted: the range of step time relative to the prediction."""
        quantiles = self.residuals[self.provenance(gpu)][metric]
        return quantiles.p10, max(quantiles.p90, self.margin(gpu, metric))
