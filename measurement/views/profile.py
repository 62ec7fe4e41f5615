"""A profile as lines for people: the best of each kind beside the datasheet, and what is missing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from measurement.profile.document import GpuProfile, ProfileRow
from planner.domain.offerings import Gpu


def profile_lines(profile: GpuProfile, gpu: Gpu | None) -> Iterator[str]:
    """The summary of a profile.

    gpu: the GPU in the catalog. Without one (None) there are no shares of a datasheet.
    """
    versions = [f"torch {profile.torch}"] + ([f"driver {profile.driver}"] if profile.driver else [])
    count = f"{profile.gpus} × " if profile.gpus > 1 else ""
    yield f"{count}{profile.gpu}, {', '.join(versions)}, measured in {profile.seconds:.0f} s"
    for kind in ("read", "copy"):
        rate = max((row.gb_per_s for row in profile.bandwidth if row.kind == kind), default=None)
        if rate is not None:
            yield f"memory {kind}: {rate:,.1f} GB/s" + _share(rate, gpu.bandwidth_gb_per_s if gpu else None)
    for dtype in ("bf16", "fp16", "fp8", "int8"):
        products = [row for row in profile.gemm if row.dtype == dtype]
        if products:
            best = max(products, key=lambda row: row.tflops)
            share = _share(best.tflops, gpu.tflops.get(dtype) if gpu else None)
            yield f"{dtype} products: {best.tflops:,.3g} TFLOP/s{share} at {best.m} × {best.n} × {best.k}"
    for launch in profile.launch:
        yield f"small kernels as a {launch.kind}: {1000 * launch.ms:.2g} µs each"
    for ranks in sorted({row.ranks for row in profile.all_reduce}):
        sums = sorted((row for row in profile.all_reduce if row.ranks == ranks), key=lambda row: row.bytes)
        least, most = sums[0], sums[-1]
        latency = f"{1000 * least.ms:.3g} µs at {_size(least.bytes)}"
        yield f"all-reduce over {ranks}: {latency}, {most.bytes / most.ms / 1e6:.3g} GB/s at {_size(most.bytes)}"
    yield f"spread (p90 − p10 over the median): {_spread(profile)}"
    for gap in profile.gaps:
        cases = f" ({gap.cases} cases)" if gap.cases > 1 else ""
        yield f"not measured: {gap.what}: {gap.why}{cases}"


def _share(value: float, of: float | None) -> str:
    return f" ({value / of:.0%} of the datasheet)" if of else ""


def _size(count: int) -> str:
    return f"{count / 2**20:g} MiB" if count >= 2**20 else f"{count / 2**10:g} KiB"


def _spread(profile: GpuProfile) -> str:
    rows: tuple[ProfileRow, ...] = (*profile.bandwidth, *profile.gemm, *profile.attention, *profile.all_reduce)
    ordered = sorted(row.spread for row in rows)
    most = ordered[int(0.9 * (len(ordered) - 1))]
    return f"{statistics.median(ordered):.1%} for half of the rows, {most:.1%} for 90 %"
