"""Arrivals at a rate: exact counts, gaps of the trace, the declared lengths, the same seed the same stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.arrivals import Arrival, all_arrivals, arrivals
from planner.domain.traces import Excerpt
from planner.domain.workload import Mix

EXCERPT = Excerpt(0, tuple((index * 1000, 100 + index, 10 + index % 7) for index in range(300)))  # one a second
MIX = Mix(input_tokens=(100.0, 1000.0), output_tokens=(10.0, 50.0), weights=(0.75, 0.25))


@given(st.floats(0, 8), st.integers(0, 99))
def test_an_excerpt_gives_exactly_the_wanted_number(rate: float, seed: int) -> None:
    found = arrivals(EXCERPT, "chat", rate, 300, seed)
    assert len(found) == round(rate * 300)
    assert list(found) == sorted(found)
    assert all(0 <= arrival.at_ms < 300_000 for arrival in found)
    lengths = {(i, o) for _, i, o in EXCERPT.requests}
    assert {(arrival.input_tokens, arrival.output_tokens) for arrival in found} <= lengths


def test_at_its_own_rate_the_excerpt_is_itself() -> None:
    assert [arrival.at_ms for arrival in arrivals(EXCERPT, "chat", 1.0, 300, 5)] == [
        at for at, _, _ in EXCERPT.requests
    ]


def test_time_is_never_squeezed() -> None:
    """Two copies: each keeps its one-second gaps, the second turned round the clock."""
    phases = {round(arrival.at_ms % 1000, 6) for arrival in arrivals(EXCERPT, "chat", 2.0, 300, 5)}
    assert len(phases) == 2


def test_a_shorter_window_takes_the_beginning() -> None:
    found = arrivals(EXCERPT, "chat", 1.0, 60, 5)
    assert len(found) == 60
    with pytest.raises(ValueError, match="lasts 300 s"):
        arrivals(EXCERPT, "chat", 1.0, 301, 5)


def test_declared_lengths_come_as_a_poisson_stream() -> None:
    found = arrivals(MIX, "extraction", 10.0, 300, 5)
    assert 2800 < len(found) < 3200  # 3,000 ± 3.7 standard deviations
    short = sum(arrival.input_tokens == 100 for arrival in found) / len(found)
    assert 0.71 < short < 0.79
    gaps = [later.at_ms - earlier.at_ms for earlier, later in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert 0.9 < variance**0.5 / mean < 1.1


def test_seeds_and_routes_have_streams_of_their_own() -> None:
    one = arrivals(MIX, "a", 2.0, 60, 1)
    assert one == arrivals(MIX, "a", 2.0, 60, 1)
    assert one != arrivals(MIX, "a", 2.0, 60, 2)
    assert [a.at_ms for a in one] != [b.at_ms for b in arrivals(MIX, "b", 2.0, 60, 1)]


def test_no_traffic_and_no_negative_traffic() -> None:
    assert arrivals(MIX, "a", 0, 60, 1) == arrivals(EXCERPT, "a", 0, 60, 1) == ()
    with pytest.raises(ValueError, match="cannot be negative"):
        arrivals(MIX, "a", -1, 60, 1)


def test_merged_is_in_order_of_time() -> None:
    streams = [arrivals(EXCERPT, "chat", 1.0, 60, 1), arrivals(MIX, "extraction", 2.0, 60, 1)]
    both = all_arrivals(streams)
    assert len(both) == sum(map(len, streams))
    assert [a.at_ms for a in both] == sorted(a.at_ms for a in both)
    assert isinstance(both[0], Arrival)
