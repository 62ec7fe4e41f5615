"""The bounds of a GPU that a result of `spillway perf profile` gives.

Only three of its tables bound a coefficient: bandwidth, matrix products and all-reduces. A cache may serve reads of
less than `LARGE` bytes, so these count only where there are no larger ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from measurement.calibration.caps import AllReduce, MatrixProduct, caps
from measurement.profile.document import SCHEMA, GpuProfile, doubts
from planner.domain.offerings import Gpu
from planner.performance.calibration import Caps

LARGE = 2**28
"""Bytes of a read from which on no cache serves it."""


def is_profile(document: Any) -> bool:
    """Whether a document is a result of `spillway perf profile`, in any version."""
    return isinstance(document, Mapping) and str(document.get("schema", "")).startswith(SCHEMA.partition("/")[0])


def bounds(profile: GpuProfile, gpu: Gpu) -> tuple[Caps, tuple[str, ...]]:
    """(what the GPU cannot exceed, reasons to doubt it in words).

    The small shapes of a quick run bound nothing.
    """
    if profile.grid == "quick":
        return Caps(), ("made with --quick, whose small shapes say nothing of the GPU: run it without",)
    rates = [row.gb_per_s for row in profile.bandwidth if row.bytes >= LARGE]
    bounds_of_gpu, left_out = caps(
        gpu,
        rates or [row.gb_per_s for row in profile.bandwidth],
        [MatrixProduct(row.dtype, row.m, row.n, row.k, row.ms) for row in profile.gemm],
        [AllReduce(row.ranks, row.bytes, row.ms) for row in profile.all_reduce],
    )
    return bounds_of_gpu, (*doubts(profile, gpu), *left_out)
