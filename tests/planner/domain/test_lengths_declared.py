"""Declared lengths: they have what is stated of them, and nothing is longer than the longest."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planner.domain.lengths_declared import NOTHING, Declared, cells, histogram, lognormal, longest
from planner.domain.workload import lengths_workload, poisson_burst

MEANS = st.floats(50, 20_000)
RATIOS = st.floats(1.05, 3.8)


def mean_of(lengths: Declared) -> float:
    return math.fsum(tokens * share for tokens, share in cells(lengths))


@given(mean=MEANS, ratio=RATIOS, room=st.floats(1.0, 20))
def test_below_a_longest_length_the_mean_and_the_percentile_hold(mean: float, ratio: float, room: float) -> None:
    p95 = mean * ratio
    most = math.ceil(p95 * room)
    lengths = lognormal(mean, p95, most)
    assert mean_of(lengths) == pytest.approx(mean, rel=1e-6)
    assert math.fsum(share for _, share in cells(lengths)) == pytest.approx(1)
    assert lengths.quantile(0.95) == pytest.approx(p95, rel=1e-6)
    assert max(tokens for tokens, _ in cells(lengths)) <= most * (1 + 1e-9)
    assert longest(lengths) == most


@given(mean=MEANS, ratio=RATIOS)
def test_a_longest_length_far_away_changes_nothing(mean: float, ratio: float) -> None:
    free, far = lognormal(mean, mean * ratio), lognormal(mean, mean * ratio, 10**8)
    assume(free.quantile(1 - 1e-9) < 10**8)
    assert (far.mu, far.sigma) == pytest.approx((free.mu, free.sigma), rel=1e-3)


def test_prompts_at_the_limit_of_a_model_have_lengths() -> None:
    """Uncapped, a p95 of six times the mean fits no lognormal; with a longest length it does."""
    with pytest.raises(ValueError, match="between 1 and"):
        lognormal(20_000, 120_000)
    lengths = lognormal(20_000, 120_000, 125_000)
    assert mean_of(lengths) == pytest.approx(20_000, rel=1e-6)
    assert 1 - lengths.share_below(125_000) > 0.04, "what would be longer is as long as the longest"


@pytest.mark.parametrize(
    ("mean", "p95", "most", "message"),
    [
        (100, 900, 800, "95th percentile 900 is above the longest length, 800"),
        (900, 1000, 800, "95th percentile 1000 is above the longest length, 800"),
        (900, 700, 800, "mean 900 is above the longest length, 800"),
        (700, 600, 800, "p95 must lie between"),
        (10, 790, 800, "a mean of 53 or more would do"),
    ],
)
def test_what_no_distribution_has_is_refused(mean: float, p95: float, most: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lognormal(mean, p95, most)


def test_an_invented_tail_ends_where_next_to_nothing_is_left() -> None:
    lengths = lognormal(1000, 3000)
    assert 1 - lengths.share_below(longest(lengths)) == pytest.approx(NOTHING, rel=0.01)


def test_a_histogram_has_its_shares_and_spreads_them_evenly() -> None:
    lengths = histogram({1000: 0.5, 3000: 0.3, 8000: 0.2})
    assert mean_of(lengths) == pytest.approx(0.5 * 500.5 + 0.3 * 2000.5 + 0.2 * 5500.5)
    assert [lengths.share_below(top + 1) for top in (1000, 3000, 8000)] == pytest.approx([0.5, 0.8, 1.0])
    assert lengths.quantile(0.9) == pytest.approx(5500)
    assert longest(lengths) == 8000


def test_one_length_alone_can_be_said() -> None:
    assert cells(histogram({511: 0.0, 512: 1.0})) == [(512, 1.0)]


def test_a_histogram_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to 90 %"):
        histogram({1000: 0.5, 2000: 0.4})
    assert histogram({1000: 0.5004, 2000: 0.5}).shares == pytest.approx((0.5002, 0.4998), abs=1e-4)


@given(
    lengths=st.one_of(
        st.builds(lognormal, st.just(3000), st.floats(4000, 11_000)),
        st.builds(lognormal, st.just(3000), st.floats(4000, 9000), st.integers(10_000, 90_000)),
        st.just(histogram({700: 0.25, 9000: 0.7, 40_000: 0.05})),
    ),
    cut=st.integers(500, 60_000),
)
def test_a_cut_parts_cells_exactly_where_it_stands(lengths: Declared, cut: int) -> None:
    parted = cells(lengths, [cut + 1])
    assert math.fsum(s for t, s in parted if t >= cut + 1) == pytest.approx(1 - lengths.share_below(cut + 1), abs=1e-9)
    assert math.fsum(t * s for t, s in parted) == pytest.approx(mean_of(lengths))


def test_bands_end_at_a_cut_and_say_what_their_prompts_exceed() -> None:
    work = lengths_workload(lognormal(3000, 9000), lognormal(200, 400), poisson_burst(1), cuts=(30_000,))
    last = work.bands[-1]
    assert (last.name, last.from_tokens, last.over_tokens) == ("over-30000", 30_001, 30_000)
    assert work.bands[-2].below_tokens == 30_001
    assert work.bands[-2].name == "long"
    assert min(last.mix.input_tokens) > 30_000 >= max(work.bands[-2].mix.input_tokens)
