"""A result of `spillway perf profile`, as bounds of the GPU that it ran on.

Only three of its tables bound a coefficient: bandwidth, matrix products, all-reduces. Reads of less than LARGE bytes
may be served by a cache and are used only where there is nothing larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from measurement.calibration.caps import AllReduce, Product, caps
from measurement.profile.document import SCHEMA, GpuProfile, doubts
from planner.domain.offerings import Gpu
from planner.performance.calibration import Caps

LARGE = 2**28


def is_profile(document: Any) -> bool:
    """Whether this is a result of `spillway perf profile`, of whatever version."""
    return isinstance(document, Mapping) and str(document.get("schema", "")).startswith(SCHEMA.partition("/")[0])


def bounds(profile: GpuProfile, gpu: Gpu) -> tuple[Caps, tuple[str, ...]]:
    """What the GPU cannot exceed, and reasons to doubt it; a quick run's small shapes bound nothing.

    Caps that are empty are no calibration: who reads the file refuses it for these reasons.
    """
    if profile.grid == "quick":
        return Caps(), ("made with --quick, whose small shapes say nothing of the GPU: run it without",)
    rates = [row.gb_per_s for row in profile.bandwidth if row.bytes >= LARGE]
    found, left_out = caps(
        gpu,
        rates or [row.gb_per_s for row in profile.bandwidth],
        [Product(row.dtype, row.m, row.n, row.k, row.ms) for row in profile.gemm],
        [AllReduce(row.ranks, row.bytes, row.ms) for row in profile.all_reduce],
    )
    return found, (*doubts(profile, gpu), *left_out)
