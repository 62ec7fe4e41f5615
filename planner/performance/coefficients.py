"""The few fitted numbers between a datasheet and a running engine, each with a physical reading.

Bandwidth and compute coefficients are the share of the datasheet figure that is reached, so they lie in (0, 1]; a fit
that leaves this range has the wrong form. Overheads are launch and scheduling time that no bandwidth explains. Links
have a latency for one all-reduce hop and a share of their rate. Another engine's steps take a factor of vLLM's, so that
its rows inform the hardware terms; plans are made for vLLM, whose factor is 1.

Residual quantiles of actual/predicted come with them: a margin is read from these, never typed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.domain.offerings import Link
from planner.performance.precision import FP4, PACKED, ComputeType
from planner.plan.parts import Provenance

Metric = Literal["step", "tpot", "ttft", "throughput"]
"""`step` pools TPOT and throughput, which both tell how long steps are."""
LinkClass = Literal["nvlink", "pcie"]
NVLINK_REFERENCE_GB_PER_S = 900.0
"""Rate of the NVLink generation that the latency is given for."""
CALIBRATED_FROM_ROWS = 20
"""A GPU with fewer measured vLLM rows than this is `analytic`: its figures come from the datasheet and other
silicon."""


def link_class(link: Link) -> LinkClass:
    """NVLink of any generation, or PCIe of any."""
    return "nvlink" if link.startswith("nvlink") else "pcie"


@dataclass(frozen=True, slots=True)
class LinkCoefficients:
    """One class of link between the GPUs of a node."""

    latency_ms: float
    """Of one hop of one all-reduce, launch included; NVLink's at 900 GB/s, and the less the faster its generation."""
    bandwidth: float
    """Share of the datasheet rate that an all-reduce reaches."""


@dataclass(frozen=True, slots=True)
class EngineCoefficients:
    """How an engine differs from vLLM: its steps, and what a request spends before its first one."""

    step_factor: float
    """Step time over vLLM's; carries the settings and years of its rows as well."""
    entry_ms: float
    """HTTP, tokenizing and scheduling of one request on an idle engine; part of TTFT."""
    entry_ms_per_request: float
    """The same for every other request in flight, whose tokens the same server process sends."""


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
    dense_packed_bandwidth: float
    """4-bit weights, which kernels unpack on the way."""
    expert_bandwidth: float
    expert_fp4_bandwidth: float
    expert_int4_bandwidth: float
    kv_bandwidth: float
    compute: Mapping[ComputeType, float]
    expert_compute: float
    """Grouped products of experts over plain ones, for wide experts."""
    expert_half_width: float
    """Inner width of an expert on one rank at which its products reach half of that."""
    attention: float
    power_exponent: float
    """How much the share of the peak falls with the power that a GPU has for each FLOP/s of its datasheet."""
    overhead_ms: float
    overhead_per_layer_ms: float
    overhead_per_sequence_ms: float
    links: Mapping[LinkClass, LinkCoefficients]
    socket_crossing: float
    """Share of the PCIe rate that is left where an all-reduce crosses from one socket to the other."""
    engines: Mapping[str, EngineCoefficients]
    residuals: Mapping[Provenance, Mapping[Metric, Quantiles]]
    """Of fitted rows for `calibrated`; of rows whose whole GPU was left out of the fit for `analytic`."""
    measured_rows: Mapping[str, int]
    """vLLM rows by GPU, which decide provenance."""
    sources: tuple[str, ...]

    @property
    def first_token_overhead_ms(self) -> float:
        """What a request to vLLM spends before its first step on an idle engine."""
        return self.engines["vllm"].entry_ms

    def dense_share(self, form: str) -> float:
        """Share of the bandwidth at which weights of a format that every token touches are read."""
        return self.dense_packed_bandwidth if form in PACKED else self.dense_bandwidth

    def expert_share(self, form: str) -> float:
        """The same for routed experts."""
        if form in PACKED:
            return self.expert_fp4_bandwidth if form in FP4 else self.expert_int4_bandwidth
        return self.expert_bandwidth

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
