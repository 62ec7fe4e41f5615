"""Joint lengths, bands and declared workloads: tokens are conserved whatever is cut."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.domain.workload import Mix, band_bounds, declared_workload, input_bands, poisson_burst, trace_workload
from planner.edges.trace_files import shipped_trace

BURST = poisson_burst(10)


@pytest.mark.parametrize("name", ["azure-conv-2023", "azure-code-2023"])
def test_a_traces_workload_keeps_its_means(name: str) -> None:
    trace = shipped_trace(name)
    work = trace_workload(trace)
    assert work.mix.mean_input == pytest.approx(trace.input_tokens / trace.requests)
    assert work.mix.mean_output == pytest.approx(trace.output_tokens / trace.requests)
    assert work.burst == trace.burst
    assert work.origin == name


@pytest.mark.parametrize("name", ["azure-conv-2023", "azure-code-2023"])
def test_bands_part_the_requests_and_keep_all_tokens(name: str) -> None:
    work = trace_workload(shipped_trace(name))
    assert [band.name for band in work.bands] == ["short", "medium", "long"]
    assert [band.from_tokens for band in work.bands[1:]] == [band.below_tokens for band in work.bands[:-1]]
    assert work.bands[-1].below_tokens is None
    assert math.fsum(band.share for band in work.bands) == pytest.approx(1)
    for side in ("mean_input", "mean_output"):
        whole = math.fsum(band.share * getattr(band.mix, side) for band in work.bands)
        assert whole == pytest.approx(getattr(work.mix, side))
    for band in work.bands:
        assert math.fsum(band.mix.weights) == pytest.approx(1)
        assert all(band.from_tokens <= tokens for tokens in band.mix.input_tokens)
        assert band.below_tokens is None or max(band.mix.input_tokens) < band.below_tokens


def test_bands_of_the_conversation_trace_hold_a_third_of_the_tokens_each_as_far_as_round_bounds_allow() -> None:
    work = trace_workload(shipped_trace("azure-conv-2023"))
    assert [band.below_tokens for band in work.bands] == [1024, 3072, None]
    for band in work.bands:
        assert 0.15 < band.share * band.mix.mean_input / work.mix.mean_input < 0.5


def test_the_conditional_mix_of_a_band_is_not_the_routes() -> None:
    work = trace_workload(shipped_trace("azure-conv-2023"))
    outputs = [band.mix.mean_output for band in work.bands]
    assert max(outputs) > 3 * min(outputs)


@given(
    mean_in=st.floats(20, 20_000),
    ratio_in=st.floats(1.0, 3.8),
    mean_out=st.floats(8, 4_000),
    ratio_out=st.floats(1.0, 3.8),
)
@settings(max_examples=60, deadline=None)
def test_declared_means_are_exact_and_percentiles_within_a_bin(
    mean_in: float, ratio_in: float, mean_out: float, ratio_out: float
) -> None:
    work = declared_workload(mean_in, mean_in * ratio_in, mean_out, mean_out * ratio_out, BURST)
    assert work.mix.mean_input == pytest.approx(mean_in, rel=1e-6)
    assert work.mix.mean_output == pytest.approx(mean_out, rel=1e-6)
    assert work.mix.input_quantile(0.95) == pytest.approx(mean_in * ratio_in, rel=0.26, abs=2)
    assert work.mix.output_quantile(0.95) == pytest.approx(mean_out * ratio_out, rel=0.26, abs=2)
    assert math.fsum(work.mix.weights) == pytest.approx(1)
    assert 1 <= len(work.bands) <= 3
    assert math.fsum(band.share * band.mix.mean_input for band in work.bands) == pytest.approx(mean_in, rel=1e-6)


@pytest.mark.parametrize(("mean", "p95"), [(1000, 900), (1000, 4000)])
def test_impossible_lengths_are_refused_with_the_range(mean: float, p95: float) -> None:
    with pytest.raises(ValueError, match=r"must lie between 1 and 3\.87"):
        declared_workload(mean, p95, 100, 200, BURST)


def test_declared_workloads_are_deterministic() -> None:
    assert declared_workload(1155, 4000, 211, 600, BURST) == declared_workload(1155, 4000, 211, 600, BURST)


def test_equal_lengths_have_one_band() -> None:
    mix = Mix((100.0,), (10.0,), (1.0,))
    assert band_bounds(mix) == ()
    assert [band.name for band in input_bands(mix, ())] == ["all"]


def test_bands_that_nobody_falls_into_are_left_out() -> None:
    mix = Mix((100.0, 5000.0), (10.0, 20.0), (0.9, 0.1))
    bands = input_bands(mix, (64, 1024, 4096))
    assert [(band.name, band.from_tokens, band.below_tokens) for band in bands] == [
        ("short", 64, 1024),
        ("long", 4096, None),
    ]


def test_any_function_of_the_lengths_has_a_mean() -> None:
    mix = Mix((100.0, 200.0), (10.0, 30.0), (0.5, 0.5))
    assert mix.mean(lambda inputs, outputs: inputs * outputs) == 3500
    assert mix.input_quantile(0.5) == 100
    assert mix.output_quantile(0.51) == 30


def test_assumed_bursts_say_so_and_shrink_with_the_rate() -> None:
    slow, fast = poisson_burst(1), poisson_burst(100)
    assert not slow.measured
    assert slow.p95_300s > fast.p95_300s > 1
    assert slow.peak_60s > slow.p95_300s
    assert trace_workload(shipped_trace("azure-conv-2023")).burst.measured
