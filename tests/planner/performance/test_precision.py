"""Which GPU runs which format, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.edges.catalog_files import load_catalog
from planner.performance.precision import (
    Native,
    Unsupported,
    WeightOnly,
    bytes_per_weight,
    engine_dtype,
    peak_flops,
    support,
    unsupported_cache,
)

GPUS = load_catalog().gpus
BF16 = load_catalog().models["llama-3.1-8b-instruct"].precisions()[0]


@pytest.mark.parametrize(
    ("form", "gpu", "way"),
    [
        ("fp8", "H100", Native("fp8")),
        ("fp8", "L4", Native("fp8")),  # compute capability 8.9 is the first
        ("fp8", "A100-80GB", WeightOnly()),
        ("fp8", "A10G", WeightOnly()),
        ("mxfp4", "H100", WeightOnly()),
        ("mxfp4", "B200", Native("fp4")),
        ("bf16", "T4", Native("16-bit")),  # runs as fp16
        ("awq", "T4", Native("16-bit")),
    ],
)
def test_how_a_format_runs(form: str, gpu: str, way: Native | WeightOnly) -> None:
    assert support(form, GPUS[gpu]) == way


@pytest.mark.parametrize(("form", "gpu"), [("mxfp4", "T4"), ("fp8-block", "RTX-PRO-6000"), ("int3", "H100")])
def test_what_does_not_run_has_a_reason(form: str, gpu: str) -> None:
    way = support(form, GPUS[gpu])
    assert isinstance(way, Unsupported)
    assert form in way.reason


def test_turing_serves_bf16_models_as_float16() -> None:
    assert engine_dtype(BF16, GPUS["T4"]) == "float16"
    assert engine_dtype(BF16, GPUS["L4"]) == "auto"


def test_fp8_cache_needs_ampere() -> None:
    assert isinstance(unsupported_cache("fp8", GPUS["T4"]), Unsupported)
    assert unsupported_cache("fp8", GPUS["A10G"]) is None
    assert unsupported_cache("bf16", GPUS["T4"]) is None


def test_scales_weigh_something() -> None:
    assert bytes_per_weight("fp8", 4096) == pytest.approx(1.0 + 4 / 4096)
    assert bytes_per_weight("mxfp4", 4096) == 0.53125
    assert bytes_per_weight("nvfp4", 4096) == 0.5625
    assert bytes_per_weight("bf16", 4096) == 2.0


def test_peak_falls_back_to_a_wider_type_only() -> None:
    assert peak_flops(GPUS["H100"], "fp4") == peak_flops(GPUS["H100"], "fp8") == 1978e12
    assert peak_flops(GPUS["T4"], "16-bit") == 65e12
    with pytest.raises(ValueError, match="no bf16 or fp16"):
        peak_flops(replace(GPUS["T4"], tflops={"int8": 130.0}), "16-bit")
