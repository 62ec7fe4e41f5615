"""The few fitted numbers between a datasheet and a running engine, each with a physical meaning.

Coefficients of bandwidth and compute are the share of the datasheet figure that is reached, so they lie in (0, 1]; a
fit that leaves this range has the wrong form. Overheads are launch and scheduling times that no bandwidth explains. A
link has a latency for one all-reduce hop, and a share of its rate. The steps of another engine are those of vLLM times
a factor, so that its rows inform the terms of the hardware; plans are made for vLLM, whose factor is 1.

The quantiles of the residuals come with the coefficients: a margin is read from them and never typed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.domain.offerings import Link
from planner.performance.precision import FP4, PACKED, ComputeType
from planner.plan.parts import Provenance

Metric = Literal["step", "tpot", "ttft", "throughput"]
"""What is predicted. `step` pools TPOT and throughput, which both tell how long steps are."""
LinkClass = Literal["nvlink", "pcie"]
NVLINK_REFERENCE_GB_PER_S = 900.0
"""Rate of the NVLink generation for which the latency of a hop is given, GB/s."""
CALIBRATED_FROM_ROWS = 20
"""Number of measured vLLM rows from which a GPU is `calibrated`. With fewer rows it is `analytic`: its figures come
from its datasheet and from other GPUs."""


def link_class(link: Link) -> LinkClass:
    """Return the class of a link, whatever its generation."""
    return "nvlink" if link.startswith("nvlink") else "pcie"


@dataclass(frozen=True, slots=True)
class LinkCoefficients:
    """One class of link between the GPUs of a node.

    latency_ms: time of one hop of one all-reduce with its launch, ms. For NVLink it holds at 900 GB/s; a faster
    generation takes less.
    bandwidth: share of the datasheet rate that an all-reduce reaches.
    """

    latency_ms: float
    bandwidth: float


@dataclass(frozen=True, slots=True)
class EngineCoefficients:
    """How an engine differs from vLLM in its steps, and how long a request takes to enter it.

    step_factor: step time ÷ that of vLLM; the settings and the years of its rows are in it as well.
    entry_ms: HTTP, tokenizing and scheduling of one request on an idle engine, ms; it is a part of TTFT.
    entry_ms_per_request: what each other request in flight adds to that, because the same server process sends its
    tokens, ms.
    server_ms_per_token: time that one server process takes to send one token to its client, ms. It works beside the
    engine, and holds it up where it is the slower of the two.
    """

    step_factor: float
    entry_ms: float
    entry_ms_per_request: float
    server_ms_per_token: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of actual ÷ predicted over the measured rows of one metric; 1.3 means 30 % slower than predicted.

    rows: number of rows.
    p10, p50, p90: the quantiles.
    """

    rows: int
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """One fit of the step-time model. A share is a share of the datasheet figure.

    as_of: day of the fit.
    dense_bandwidth: share of the bandwidth at which weights that every token uses are read.
    dense_packed_bandwidth: the same for weights of 4 bit, which kernels unpack on the way.
    expert_bandwidth, expert_fp4_bandwidth, expert_int4_bandwidth: the same for routed experts, by format.
    kv_bandwidth: share of the bandwidth at which the KV cache is read.
    compute: share of the peak that plain products reach, by type.
    expert_compute: products of wide experts ÷ plain products.
    expert_half_width: inner width of an expert on one rank at which its products reach half of that.
    attention: share of the peak that attention reaches.
    power_exponent: how strongly the share of the peak falls with the power that a GPU has for each FLOP/s.
    overhead_ms, overhead_per_layer_ms: launches and scheduling of one step, and of each layer in it, ms.
    overhead_per_sequence_ms: sampling and bookkeeping of one sequence in one step, ms.
    eager_ms_per_layer: what launching a layer takes more where an engine runs without CUDA graphs, ms. Plans use them.
    links: by class of link.
    socket_crossing: share of the PCIe rate that is left where an all-reduce crosses from one socket to the other.
    engines: by engine.
    residuals: for `calibrated`, of the rows that were fitted; for `analytic`, of rows whose whole GPU was left out.
    measured_rows: number of vLLM rows by GPU, which decides the provenance.
    sources: where the rows were published.
    """

    as_of: str
    dense_bandwidth: float
    dense_packed_bandwidth: float
    expert_bandwidth: float
    expert_fp4_bandwidth: float
    expert_int4_bandwidth: float
    kv_bandwidth: float
    compute: Mapping[ComputeType, float]
    expert_compute: float
    expert_half_width: float
    attention: float
    power_exponent: float
    overhead_ms: float
    overhead_per_layer_ms: float
    overhead_per_sequence_ms: float
    eager_ms_per_layer: float
    links: Mapping[LinkClass, LinkCoefficients]
    socket_crossing: float
    engines: Mapping[str, EngineCoefficients]
    residuals: Mapping[Provenance, Mapping[Metric, Quantiles]]
    measured_rows: Mapping[str, int]
    sources: tuple[str, ...]

    @property
    def first_token_overhead_ms(self) -> float:
        """Time that a request to an idle vLLM takes before its first step, ms."""
        return self.engines["vllm"].entry_ms

    def dense_share(self, form: str) -> float:
        """Return the share of the bandwidth at which weights that every token uses are read, by their format."""
        return self.dense_packed_bandwidth if form in PACKED else self.dense_bandwidth

    def expert_share(self, form: str) -> float:
        """Return the share of the bandwidth at which routed experts are read, by their format."""
        if form in PACKED:
            return self.expert_fp4_bandwidth if form in FP4 else self.expert_int4_bandwidth
        return self.expert_bandwidth

    def provenance(self, gpu: str, few_runs: bool = False) -> Provenance:
        """Return `calibrated` when enough vLLM rows were measured on the GPU, otherwise `analytic`.

        few_runs: whether few of these rows are of the kind that is asked about, which is `analytic` on every GPU.
        Only a team's own benchmark of the same deployment class is `measured`; a fit never claims that.
        """
        measured = self.measured_rows.get(gpu, 0) >= CALIBRATED_FROM_ROWS
        return "calibrated" if measured and not few_runs else "analytic"

    def margin(self, gpu: str, few_runs: bool = False) -> float:
        """Return the factor on the step time that covers 90 % of the residuals of this provenance; at least 1.

        What is `analytic` never gets a smaller factor than what is `calibrated`: to know less is no reason to buy less.
        """
        bound = self.residuals["calibrated"]["step"].p90
        if self.provenance(gpu, few_runs) == "analytic":
            bound = max(bound, self.residuals["analytic"]["step"].p90)
        return max(1.0, bound)

    def interval(self, gpu: str, few_runs: bool = False) -> tuple[float, float]:
        """Return (p10, p90) of actual ÷ predicted step time."""
        quantiles = self.residuals[self.provenance(gpu, few_runs)]["step"]
        return quantiles.p10, max(quantiles.p90, self.margin(gpu, few_runs))
