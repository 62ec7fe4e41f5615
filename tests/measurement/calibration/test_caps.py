"""Bounds from a micro-benchmark: what it reached, and coefficients that are none better."""

from __future__ import annotations

import pytest

from measurement.calibration.caps import AllReduce, MatrixProduct, capped_coefficients, caps
from measurement.calibration.corrections import calibrations
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.calibration import Calibration, Caps, evidence
from planner.performance.roofline import power_headroom
from tests.measurement.calibration.own_runs import unrefined

GPUS = load_catalog().gpus
L4, H100 = GPUS["L4"], GPUS["H100"]


def test_shares_are_of_the_datasheet() -> None:
    products = [
        MatrixProduct("bf16", 8192, 4096, 28672, 31.2),
        MatrixProduct("bf16", 1, 4096, 28672, 0.9),
        MatrixProduct("fp8", 8192, 4096, 28672, 16.4),
        MatrixProduct("int7", 1, 1, 1, 1.0),
    ]
    found, doubts = caps(L4, [249.1, 264.5], products, [])
    flops = 2 * 8192 * 4096 * 28672
    assert found.bandwidth == pytest.approx(264.5 / 300)
    assert found.compute["16-bit"] == pytest.approx(flops / 31.2e-3 / 121e12)
    assert found.compute["fp8"] == pytest.approx(flops / 16.4e-3 / 242e12)
    assert (found.link_latency_ms, found.link_bandwidth, doubts) == (None, None, ())


def test_an_all_reduce_is_a_latency_and_a_share() -> None:
    """Two ranks over PCIe 4: one hop, and a ring that carries the payload once over 32 GB/s."""
    timed = [AllReduce(2, 8192, 0.03), AllReduce(2, 2**26, 0.03 + 2**26 / (0.4 * 32e9) * 1e3)]
    found, _ = caps(L4, [], [], timed)
    assert found.link_latency_ms == pytest.approx(0.03)
    assert found.link_bandwidth == pytest.approx(0.4)
    four = [AllReduce(4, 8192, 0.06), AllReduce(4, 2**26, 5.0)]
    better, _ = caps(L4, [], [], [*timed, *four])
    assert better.link_latency_ms == pytest.approx(0.02)  # three hops
    assert better.link_bandwidth == pytest.approx(max(0.4, 1.5 * 2**26 / 32e9 / 4.94e-3))


def test_one_size_tells_no_share() -> None:
    found, _ = caps(H100, [], [], [AllReduce(8, 8192, 0.02)])
    assert found.link_bandwidth is None
    assert found.link_latency_ms is not None


def test_a_datasheet_that_is_beaten_bounds_nothing_and_a_broken_run_is_doubted() -> None:
    found, doubts = caps(L4, [305.0], [MatrixProduct("bf16", 8192, 4096, 28672, 3000.0)], [])
    assert found.bandwidth == 1.0
    assert found.compute == {}
    assert len(doubts) == 1
    assert "16-bit" in doubts[0]


def test_coefficients_are_never_better_than_what_was_measured() -> None:
    c = load_coefficients()
    bounds = Caps(0.5, {"16-bit": 0.3, "fp8": 0.2}, 0.5, 0.1)
    capped = capped_coefficients(c, bounds, L4)
    assert capped.dense_bandwidth == min(c.dense_bandwidth, 0.5)
    assert capped.kv_bandwidth == min(c.kv_bandwidth, 0.5)
    power = power_headroom(L4) ** c.power_exponent
    assert capped.compute["16-bit"] * power == pytest.approx(0.3)
    assert capped.compute["fp8"] * power == pytest.approx(0.2)
    assert capped.compute["fp4"] == c.compute["fp4"]
    assert capped.attention * power <= 0.3 + 1e-9
    assert capped.links["pcie"].latency_ms == 0.5
    assert capped.links["pcie"].bandwidth == min(c.links["pcie"].bandwidth, 0.1)
    assert capped.links["nvlink"] == c.links["nvlink"]
    assert (
        capped_coefficients(c, bounds, H100).links["nvlink"].latency_ms == c.links["nvlink"].latency_ms
    )  # NCCL's says nothing
    assert capped.overhead_ms == c.overhead_ms


def test_bounds_that_are_not_reached_change_nothing() -> None:
    c = load_coefficients()
    assert capped_coefficients(c, Caps(), L4) == c
    assert capped_coefficients(c, Caps(1.0, {"16-bit": 1.0}, 0.0, 1.0), H100) == c


def test_caps_that_bound_nothing_change_no_gpu() -> None:
    shipped, gpus = load_coefficients(), load_catalog().gpus
    assert Caps().is_empty
    assert not Caps(link_latency_ms=0.01).is_empty
    assert calibrations([], {"H100": Caps()}, gpus, shipped, unrefined) == {}
    empty = Calibration(shipped, {}, Caps())
    assert empty.conditions == 0.0
    for key in gpus:
        said = evidence(shipped, empty, key, "qwen3-8b/fp8", 1)
        assert said == evidence(shipped, None, key, "qwen3-8b/fp8", 1)
