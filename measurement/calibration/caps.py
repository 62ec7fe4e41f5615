"""What a micro-benchmark says of one GPU: shares of the datasheet that no engine on it can exceed.

    bandwidth       = most bytes read or copied per second / rate of the datasheet
    compute         = 2·m·n·k / time of the fastest product / peak of its type
    link latency    = time of the smallest all-reduce / hops
    link bandwidth  = ring volume of the largest all-reduce / (its time − time of the smallest) / rate of the link

Where several numbers of ranks were timed, the least latency and the largest share count.

A kernel alone is the best case of the same kernel inside an engine. So shares bound the coefficients of this GPU from
above and latency bounds them from below. Latency does so on PCIe alone: behind NVLink the engine has its own
all-reduce, which is faster than NCCL's for small messages. Micro-benchmarks say nothing about overheads between
kernels; only a benchmark run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from planner.domain.offerings import Gpu
from planner.performance.calibration import Caps
from planner.performance.coefficients import NVLINK_REFERENCE_GB_PER_S, Coefficients, LinkCoefficients, link_class
from planner.performance.precision import ComputeType, peak_flops
from planner.performance.roofline import power_headroom

COMPUTE_TYPES: Mapping[str, ComputeType] = {
    "bf16": "16-bit",
    "bfloat16": "16-bit",
    "fp16": "16-bit",
    "float16": "16-bit",
    "fp8": "fp8",
    "float8_e4m3fn": "fp8",
    "int8": "int8",
    "fp4": "fp4",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
}
"""The type of the computation by the type of the operands, in the spellings of PyTorch and of formats."""
LEAST_SHARE = 0.05
"""Share of the datasheet below which a benchmark went wrong and bounds nothing."""


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """One timed matrix product, m × k by k × n.

    ms: time of one product, ms.
    """

    dtype: str
    m: int
    n: int
    k: int
    ms: float


@dataclass(frozen=True, slots=True)
class AllReduce:
    """One timed all-reduce.

    ranks: number of GPUs.
    bytes: size of the message on each GPU.
    ms: time of one all-reduce, ms.
    """

    ranks: int
    bytes: int
    ms: float


def caps(
    gpu: Gpu, gb_per_s: Iterable[float], products: Iterable[MatrixProduct], all_reduces: Iterable[AllReduce]
) -> tuple[Caps, tuple[str, ...]]:
    """(the bounds, one sentence for each share that is too low to be believed and was left out).

    gb_per_s: rates at which memory was read or copied, GB/s.
    """
    doubts: list[str] = []
    fastest = max(gb_per_s, default=None)
    bandwidth = None if fastest is None else _share("bandwidth", fastest / gpu.bandwidth_gb_per_s, doubts)
    reached: dict[ComputeType, float] = {}
    for product in products:
        kind = COMPUTE_TYPES.get(product.dtype)
        if kind is not None and product.ms > 0.0:
            flops = 2.0 * product.m * product.n * product.k / product.ms * 1e3
            reached[kind] = max(reached.get(kind, 0.0), flops / peak_flops(gpu, kind))
    compute = {kind: _share(f"compute in {kind}", share, doubts) for kind, share in sorted(reached.items())}
    latency, share = _link(gpu, tuple(all_reduces), doubts)
    believed = {kind: share for kind, share in compute.items() if share is not None}
    return Caps(bandwidth, believed, latency, share), tuple(doubts)


def capped_coefficients(coefficients: Coefficients, bounds: Caps, gpu: Gpu) -> Coefficients:
    """The coefficients of this GPU, none of them better than what was measured."""
    c = coefficients
    if bounds.bandwidth is not None:
        most = bounds.bandwidth
        c = replace(c, **{f.name: min(getattr(c, f.name), most) for f in fields(c) if f.name.endswith("_bandwidth")})
    power = power_headroom(gpu) ** c.power_exponent
    most_of = {kind: share / power for kind, share in bounds.compute.items()}
    compute = {kind: min(share, most_of.get(kind, 1.0)) for kind, share in c.compute.items()}
    c = replace(c, compute=compute, attention=min(c.attention, most_of.get("16-bit", 1.0)))
    name = link_class(gpu.link)
    link = c.links[name]
    least = bounds.link_latency_ms or 0.0 if name == "pcie" else 0.0
    slower = LinkCoefficients(max(link.latency_ms, least), min(link.bandwidth, bounds.link_bandwidth or 1.0))
    return replace(c, links={**c.links, name: slower})


def _share(what: str, share: float, doubts: list[str]) -> float | None:
    """The share as a bound, at most 1; None for one that is too low, which becomes a doubt."""
    if share < LEAST_SHARE:
        doubts.append(f"{what} reached {share:.1%} of the datasheet, too little to be believed")
        return None
    return min(share, 1.0)


def _link(gpu: Gpu, timed: tuple[AllReduce, ...], doubts: list[str]) -> tuple[float | None, float | None]:
    """(latency of a hop in ms, share of the rate of the link), each the best over the numbers of ranks."""
    nvlink = gpu.link.startswith("nvlink")
    rate = (gpu.link_gb_per_s / 2.0 if nvlink else float(gpu.pcie_gb_per_s)) * 1e9
    latencies, shares = [], []
    for ranks in sorted({each.ranks for each in timed if each.ranks > 1}):
        sizes = sorted((each.bytes, each.ms) for each in timed if each.ranks == ranks)
        hops = NVLINK_REFERENCE_GB_PER_S / gpu.link_gb_per_s if nvlink else ranks - 1.0
        smallest, (largest, slowest) = sizes[0][1], sizes[-1]
        latencies.append(smallest / hops)
        if len(sizes) > 1 and slowest > smallest:
            volume = 2.0 * (ranks - 1.0) / ranks * largest
            shares.append(volume / rate / ((slowest - smallest) / 1e3))
    share = _share("the link", max(shares), doubts) if shares else None
    return min(latencies, default=None), share
