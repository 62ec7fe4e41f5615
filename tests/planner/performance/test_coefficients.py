"""The shipped coefficients: physical, told apart by format, link and engine, and the source of every margin."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from measurement.evidence.fit import ENGINE_KEYS, UNKNOWNS
from planner.domain.offerings import Link
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.coefficients import CALIBRATED_FROM_ROWS, Quantiles, link_class

C = load_coefficients()


def test_no_share_of_the_datasheet_exceeds_one() -> None:
    shares = [C.dense_bandwidth, C.dense_packed_bandwidth, C.kv_bandwidth, C.attention, C.socket_crossing]
    shares += [C.expert_bandwidth, C.expert_fp4_bandwidth, C.expert_int4_bandwidth, C.expert_compute]
    shares += [*C.compute.values(), *(link.bandwidth for link in C.links.values())]
    assert all(0 < share <= 1 for share in shares)


def test_no_time_is_negative() -> None:
    times = [C.overhead_ms, C.overhead_per_layer_ms, C.overhead_per_sequence_ms]
    times += [link.latency_ms for link in C.links.values()]
    times += [engine.entry_ms for engine in C.engines.values()]
    times += [engine.entry_ms_per_request for engine in C.engines.values()]
    assert all(time >= 0 for time in times)
    assert C.expert_half_width >= 0
    assert C.power_exponent >= 0


def test_vllm_is_the_reference_of_every_engine() -> None:
    assert set(C.engines) == set(ENGINE_KEYS)
    assert C.engines["vllm"].step_factor == 1.0
    assert all(engine.step_factor > 0 for engine in C.engines.values())
    assert C.first_token_overhead_ms == C.engines["vllm"].entry_ms


def test_old_releases_were_slower_than_today_s() -> None:
    """Early vLLM's server ran in the process of its engine: without the server it was faster, and slower than today."""
    assert C.engines["vllm<0.6"].step_factor > C.engines["vllm<0.6 offline"].step_factor > 1.0


def test_rows_decided_every_share() -> None:
    """None is where physics alone would have put it: the table says something of each."""
    names = [unknown.name for unknown in UNKNOWNS if "bandwidth" in unknown.name and hasattr(C, unknown.name)]
    expected = {unknown.name: unknown.expected for unknown in UNKNOWNS}
    assert len(names) == 6
    assert all(abs(getattr(C, name) - expected[name]) > 1e-3 for name in names)


@pytest.mark.parametrize(
    ("form", "dense", "expert"),
    [
        ("bf16", "dense_bandwidth", "expert_bandwidth"),
        ("fp8", "dense_bandwidth", "expert_bandwidth"),
        ("int8", "dense_bandwidth", "expert_bandwidth"),
        ("awq", "dense_packed_bandwidth", "expert_int4_bandwidth"),
        ("gptq", "dense_packed_bandwidth", "expert_int4_bandwidth"),
        ("mxfp4", "dense_packed_bandwidth", "expert_fp4_bandwidth"),
        ("nvfp4", "dense_packed_bandwidth", "expert_fp4_bandwidth"),
    ],
)
def test_a_format_is_read_at_the_share_of_its_kernel(form: str, dense: str, expert: str) -> None:
    assert C.dense_share(form) == getattr(C, dense)
    assert C.expert_share(form) == getattr(C, expert)


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        ("nvlink-ampere", "nvlink"),
        ("nvlink-hopper", "nvlink"),
        ("nvlink-blackwell", "nvlink"),
        ("pcie3", "pcie"),
        ("pcie4", "pcie"),
        ("pcie5-p2p", "pcie"),
    ],
)
def test_there_is_one_law_for_nvlink_and_one_for_pcie(link: Link, kind: str) -> None:
    assert link_class(link) == kind
    assert set(C.links) == {"nvlink", "pcie"}


def test_every_link_of_the_catalog_has_a_class() -> None:
    assert {link_class(gpu.link) for gpu in load_catalog().gpus.values()} == set(C.links)


# Margins


def test_a_gpu_is_calibrated_by_its_vllm_rows() -> None:
    for gpu in ("H100", "H200", "B200", "RTX-PRO-6000"):
        assert C.measured_rows[gpu] >= CALIBRATED_FROM_ROWS
        assert C.provenance(gpu) == "calibrated"
    for gpu in ("T4", "L4", "A10G", "L40S", "A100-80GB"):
        assert C.provenance(gpu) == "analytic"


def test_margins_come_from_residuals() -> None:
    assert C.margin("H100") == max(1.0, C.residuals["calibrated"]["step"].p90)
    low, high = C.interval("L40S")
    assert low == C.residuals["analytic"]["step"].p10 < 1 < high


def test_less_knowledge_is_no_reason_to_buy_less() -> None:
    """Also where the residuals of the GPUs that were left out happen to be the smaller ones."""
    small, large = Quantiles(100, 0.9, 1.0, 1.1), Quantiles(100, 0.7, 1.0, 1.5)
    for known, unknown in itertools.product((small, large), repeat=2):
        c = replace(C, residuals={"calibrated": {"step": known}, "analytic": {"step": unknown}})
        assert c.margin("L40S") == max(known.p90, unknown.p90)
        assert c.margin("H100") == known.p90
        assert c.interval("L40S")[1] >= c.interval("H100")[1]


def test_a_model_that_is_too_slow_takes_no_margin_back() -> None:
    fast = replace(C, residuals={"calibrated": {"step": Quantiles(100, 0.5, 0.7, 0.9)}})
    assert fast.margin("H100") == 1.0
