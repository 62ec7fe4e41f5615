"""The step clock: its formula, its limits, and what the fit gives to real classes."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.step_time import StepClock, clock_table, ideal_step, step_clock

CATALOG = load_catalog()
FITTED = load_coefficients()
DENSE = StepClock(10.0, 0.0, 0.0, 0.0001, 0.05, 1e-6, 1.0, 0.001, 0.5)
SPARSE = StepClock(1.0, 20.0, 4 / 128, 0.0001, 0.01, 1e-6, 1.0, 0.0, 0.0)

times = st.floats(0.0, 10.0)
clocks = st.builds(StepClock, times, times, st.floats(0.0, 0.9), *[st.floats(0.0, 0.1)] * 3, times, times, times)


def clock(model: str, form: str, gpu: str, ranks: int, context: float = 2048.0) -> StepClock:
    found = CATALOG.models[model]
    precision = found.precision(form)
    assert precision is not None
    ideal = ideal_step(found.architecture, precision, CATALOG.gpus[gpu], ranks, context_tokens=context)
    return step_clock(ideal, FITTED)


def test_the_formula_by_hand() -> None:
    assert DENSE.step_ms(4, 8000) == pytest.approx(max(10 + 0.8, 0.05 * 4) + 1 + 0.5 + 0.001 * 4)
    mixed = max(10 + 0.8, 0.05 * 1004 + 1e-6 * 1000 * 500) + 1 + 0.5 + 0.001 * 1004
    assert DENSE.step_ms(4, 8000, 1000, 500) == pytest.approx(mixed)


def test_experts_are_read_as_tokens_visit_them() -> None:
    reads = [SPARSE.step_ms(n, 0) - 1.0 - 1.0 for n in (1, 8, 64, 512)]
    assert reads[0] == pytest.approx(20 * 4 / 128)
    assert reads == sorted(reads)
    assert reads[-1] == pytest.approx(20.0, rel=1e-3)
    assert reads[1] < 8 * reads[0]  # tokens share experts


def test_the_fields_are_the_twin_s_contract() -> None:
    assert [f.name for f in fields(StepClock)] == [
        "dense_read_ms",
        "expert_read_ms",
        "expert_hit_fraction",
        "kv_read_ms_per_token",
        "compute_ms_per_token",
        "attention_ms_per_token_pair",
        "overhead_ms",
        "comm_ms_per_token",
        "comm_ms_per_step",
    ]


def test_tpot_counts_the_others_prompts() -> None:
    alone = DENSE.tpot_ms(1, 1000, 100)
    assert alone == pytest.approx(DENSE.step_ms(1, 1050))
    added = DENSE.prefill_added_ms(11, 11 * 1050, 1000)
    assert DENSE.tpot_ms(11, 1000, 100) == pytest.approx(DENSE.step_ms(11, 11 * 1050) + 10 / 100 * added)


def test_long_prompts_come_in_chunks() -> None:
    assert DENSE.prefill_ms(8192) == pytest.approx(DENSE.step_ms(0, 0, 8192, 4096))
    assert DENSE.prefill_ms(16384) == pytest.approx(2 * DENSE.step_ms(0, 0, 8192, 8192))


@given(clocks, st.floats(1.0, 3.0), st.integers(0, 300), st.integers(0, 10**6), st.integers(0, 8192))
def test_slowed_scales_every_step(step: StepClock, factor: float, n: int, context: int, prompt: int) -> None:
    slow = step.slowed(factor).step_ms(n, context, prompt, prompt / 2)
    assert slow == pytest.approx(factor * step.step_ms(n, context, prompt, prompt / 2), rel=1e-9, abs=1e-9)


@given(st.lists(clocks, min_size=1, max_size=4), st.integers(0, 300), st.integers(0, 10**6), st.integers(0, 8192))
def test_the_table_is_the_clock(steps: list[StepClock], n: int, context: int, prompt: int) -> None:
    zero = np.zeros((1, 1))
    found = clock_table(steps, 2).step_ms(zero + n, zero + context, zero + prompt, zero + prompt / 2)
    one_by_one = [[step.step_ms(n, context, prompt, prompt / 2)] for step in steps]
    assert found == pytest.approx(np.array(one_by_one), rel=1e-9, abs=1e-9)


def test_no_class_is_faster_than_its_datasheet() -> None:
    """Batch 1 decoding can never beat reading the weights at the datasheet's bandwidth."""
    for model, form, gpu in (("llama-3.1-8b-instruct", "bf16", "L4"), ("llama-3.3-70b-instruct", "fp8", "B200")):
        bytes_read = CATALOG.models[model].architecture.params_active * (2 if form == "bf16" else 1)
        floor = bytes_read / (CATALOG.gpus[gpu].bandwidth_gb_per_s * 1e9) * 1e3
        assert floor < clock(model, form, gpu, 1).step_ms(1, 1) < 2 * floor


def test_fp8_on_ampere_saves_reading_and_no_arithmetic() -> None:
    small, plain = (clock("llama-3.1-8b-instruct", form, "A10G", 1) for form in ("fp8", "bf16"))
    assert small.dense_read_ms < 0.6 * plain.dense_read_ms
    assert small.compute_ms_per_token == pytest.approx(plain.compute_ms_per_token)
    ada, ada_plain = (clock("llama-3.1-8b-instruct", form, "L40S", 1) for form in ("fp8", "bf16"))
    assert ada.compute_ms_per_token < 0.6 * ada_plain.compute_ms_per_token


def test_pcie_eats_what_more_gpus_bring_to_a_long_prompt() -> None:
    """A prompt of 2,000 tokens of a 70B in FP8: over PCIe 8 L40S take longer than 4, over NVLink 8 H100 take less."""
    pcie4, pcie8 = (clock("llama-3.3-70b-instruct", "fp8", "L40S", ranks).prefill_ms(2000) for ranks in (4, 8))
    assert pcie8 > pcie4
    nvlink4, nvlink8 = (clock("llama-3.3-70b-instruct", "fp8", "H100", ranks).prefill_ms(2000) for ranks in (4, 8))
    assert nvlink8 < 0.9 * nvlink4


def test_decoding_over_pcie_is_optimistic_at_eight_gpus() -> None:
    """A weakness that docs/performance.md names: published runs of a 70B in FP8 decode slower on 8 L40S than on 4.

    Should the form learn of shared host bridges, this fails: then the page must change too.
    """
    four, eight = (clock("llama-3.3-70b-instruct", "fp8", "L40S", ranks) for ranks in (4, 8))
    assert eight.step_ms(32, 32000) < four.step_ms(32, 32000)
    page = (Path(__file__).resolve().parents[3] / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "Eight GPUs over PCIe are optimistic" in page


@pytest.mark.parametrize(("gpu", "hops"), [("L40S", 3), ("H100", 1)])
def test_an_all_reduce_has_a_ring_s_volume_on_every_link(gpu: str, hops: int) -> None:
    model = CATALOG.models["llama-3.3-70b-instruct"]
    four, eight = (ideal_step(model.architecture, model.precisions()[0], CATALOG.gpus[gpu], n) for n in (4, 8))
    assert four.volume_ms_per_token / eight.volume_ms_per_token == pytest.approx((3 / 4) / (7 / 8))
    assert four.hops == hops


def test_one_gpu_has_no_communication() -> None:
    found = clock("llama-3.1-8b-instruct", "bf16", "L4", 1)
    assert found.comm_ms_per_token == 0
    assert found.comm_ms_per_step == 0


def test_windowed_layers_are_read_once_the_window_is_full() -> None:
    """A sequence of 16k tokens costs a windowed model far less than 8 × one of 2k."""
    short, long = (clock("gemma-3-27b-it", "bf16", "H100", 2, c) for c in (2048.0, 16384.0))
    assert 16384 * long.kv_read_ms_per_token < 4 * 2048 * short.kv_read_ms_per_token


def test_a_format_that_does_not_run_has_no_clock() -> None:
    with pytest.raises(ValueError, match="does not run"):
        clock("gpt-oss-20b", "mxfp4", "T4", 1)


def test_slower_memory_is_never_faster() -> None:
    model = CATALOG.models["llama-3.1-8b-instruct"]
    gpu = CATALOG.gpus["L4"]
    faster, slower = (
        step_clock(ideal_step(model.architecture, model.precisions()[0], each, 1), FITTED).step_ms(8, 8000)
        for each in (gpu, replace(gpu, bandwidth_gb_per_s=gpu.bandwidth_gb_per_s // 2))
    )
    assert slower > 1.5 * faster
