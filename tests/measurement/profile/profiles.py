"""A small profile of an L4 with plausible figures, as values and as text, to be spoilt by tests."""

from __future__ import annotations

import copy
import json
from typing import Any


def timing(ms: float, *, graph: bool = True) -> dict[str, Any]:
    """The fields that every row has; the spread is 2 %."""
    return {"ms": ms, "ms_p10": 0.99 * ms, "ms_p90": 1.01 * ms, "repeats": 20, "graph": graph}


_VALUES: dict[str, Any] = {
    "schema": "spillway.profile/1",
    "date": "2026-11-21",
    "gpu": "NVIDIA L4",
    "gpus": 4,
    "device": "cuda",
    "torch": "2.15.0+cu132",
    "cuda": "13.2",
    "driver": "595.10.01",
    "compute_capability": "8.9",
    "memory_bytes": 23_831_808_835,
    "multiprocessors": 58,
    "l2_bytes": 50_331_648,
    "under_load": {"sm_mhz": 1530.0, "watt": 71.8, "limit_watt": 72.0},
    "grid": "full",
    "seconds": 171.2,
    "bandwidth": [
        {"kind": "read", "bytes": 2**30, **timing(4.0), "gb_per_s": 268.435},
        {"kind": "copy", "bytes": 2**30, **timing(4.2), "gb_per_s": 255.652},
    ],
    "launch": [
        {"kind": "stream", "kernels": 64, **timing(0.0062, graph=False)},
        {"kind": "graph", "kernels": 64, **timing(0.0021)},
    ],
    "gemm": [
        {"dtype": "bf16", "m": 1, "n": 4096, "k": 4096, **timing(0.13)},
        {"dtype": "bf16", "m": 2048, "n": 4096, "k": 4096, **timing(1.15)},
        {"dtype": "fp8", "m": 2048, "n": 4096, "k": 4096, **timing(0.66)},
    ],
    "attention": [
        {
            "phase": "decode",
            "dtype": "bf16",
            "heads": 32,
            "kv_heads": 8,
            "head_dim": 128,
            "batch": 32,
            "context": 2048,
            **timing(1.1),
        }
    ],
    "all_reduce": [
        {"ranks": 4, "bytes": 2**13, **timing(0.031)},
        {"ranks": 4, "bytes": 2**26, **timing(13.0)},
    ],
    "gaps": [
        {
            "what": "gemm int8",
            "why": "self.size(0) needs to be greater than 16, but got 1",
            "cases": 24,
            "example": {"dtype": "int8", "m": 1, "n": 4096, "k": 4096},
        }
    ],
}


def values(**changes: Any) -> dict[str, Any]:
    """The profile with some of its keys replaced."""
    return {**copy.deepcopy(_VALUES), **changes}


def text(**changes: Any) -> str:
    """The same as a file's content."""
    return json.dumps(values(**changes), indent=1)
