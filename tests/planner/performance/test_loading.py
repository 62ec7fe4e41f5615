"""A replica loads as fast as the streamer or its share of the network lets it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.edges.catalog_files import load_catalog
from planner.performance.loading import START_SECONDS, STREAM_BYTES_PER_SECOND, load_seconds, stream_bytes_per_second

INSTANCES = load_catalog().instances


def test_the_measured_load_is_met() -> None:
    """8 B parameters in bf16 on one GPU of g5.12xlarge in 4.24 s; the network's lasting rate would be less for four."""
    assert load_seconds(8.03e9 * 2, 40.0, 1) - START_SECONDS == pytest.approx(4.24, rel=0.05)


@pytest.mark.parametrize(("key", "rate"), [("g6.xlarge", 2.5e9 / 8), ("g5.12xlarge", 1.25e9), ("p5.48xlarge", None)])
def test_a_small_machine_is_bound_by_its_network(key: str, rate: float | None) -> None:
    machine = INSTANCES[key]
    found = stream_bytes_per_second(machine.network_baseline_gbps, machine.gpu_count)
    assert found == pytest.approx(rate or STREAM_BYTES_PER_SECOND)


@given(st.floats(1e6, 1e13), st.floats(0.5, 6400.0), st.sampled_from([1, 2, 4, 8]))
def test_more_bytes_take_longer_and_a_faster_network_never_does(size: float, gbps: float, gpus: int) -> None:
    seconds = load_seconds(size, gbps, gpus)
    assert seconds >= START_SECONDS + size / STREAM_BYTES_PER_SECOND
    assert load_seconds(size * 2, gbps, gpus) > seconds
    assert load_seconds(size, gbps * 2, gpus) <= seconds


def test_every_machine_of_the_catalog_has_a_network() -> None:
    assert all(machine.network_baseline_gbps > 0 for machine in INSTANCES.values())
