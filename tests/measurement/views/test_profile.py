"""A profile in words: the best of each kind beside the datasheet, and every gap."""

from __future__ import annotations

from measurement.profile.document import parse
from measurement.views.profile import profile_lines
from planner.edges.catalog_files import load_catalog
from tests.measurement.profile.profiles import text, timing

L4 = load_catalog().gpus["L4"]


def test_the_summary_of_a_gpu() -> None:
    assert list(profile_lines(parse(text(), "L4.json"), L4)) == [
        "4 × NVIDIA L4, torch 2.15.0+cu132, driver 595.10.01, measured in 171 s",
        "memory read: 268.4 GB/s (89% of the datasheet)",
        "memory copy: 255.7 GB/s (85% of the datasheet)",
        "bf16 products: 59.8 TFLOP/s (49% of the datasheet) at 2048 × 4096 × 4096",
        "fp8 products: 104 TFLOP/s (43% of the datasheet) at 2048 × 4096 × 4096",
        "small kernels as a stream: 6.2 µs each",
        "small kernels as a graph: 2.1 µs each",
        "all-reduce over 4: 31 µs at 8 KiB, 5.16 GB/s at 64 MiB",
        "spread (p90 − p10 over the median): 2.0% for half of the rows, 2.0% for 90 %",
        "not measured: gemm int8: self.size(0) needs to be greater than 16, but got 1 (24 cases)",
    ]


def test_without_a_datasheet_there_are_no_shares() -> None:
    told = list(profile_lines(parse(text(gpu="NVIDIA H100 PCIe"), "x.json"), None))
    assert told[1] == "memory read: 268.4 GB/s"
    assert not any("datasheet" in line for line in told)


def test_what_was_not_measured_is_not_told_as_zero() -> None:
    rows = [{"kind": "read", "bytes": 2**30, **timing(4.0), "gb_per_s": 268.435}]
    told = list(profile_lines(parse(text(bandwidth=rows, gemm=[], all_reduce=[], launch=[]), "x.json"), L4))
    assert [line.split(":")[0] for line in told[1:]] == [
        "memory read",
        "spread (p90 − p10 over the median)",
        "not measured",
    ]
