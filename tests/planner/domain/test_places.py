"""Places: what holds what, where AWS regions lie, and that a part never stands for the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.places import EVERYWHERE
from planner.edges.catalog_files import load_catalog

PLACES = load_catalog().places
words = st.sampled_from(PLACES.words)


@pytest.mark.parametrize(
    ("allowed", "place", "held"),
    [
        (["eu"], "de", True),
        (["de"], "eu", False),
        (["de"], "fr", False),
        (["eu"], "uk", False),
        (["eu"], "ch", False),
        (["eu", "efta"], "ch", True),
        (["ap"], "jp", True),
        (["us"], "global", False),
        (["global"], "us", True),
        ([], "us", False),
        (["eu"], "atlantis", False),
    ],
)
def test_a_place_holds_its_parts_and_nothing_else(allowed: list[str], place: str, held: bool) -> None:
    assert PLACES.holds(allowed, place) is held


def test_what_is_not_known_is_held_by_nothing() -> None:
    assert not PLACES.holds_all([EVERYWHERE], None)
    assert not PLACES.holds_all([EVERYWHERE], ()), "who states no place promises none"
    assert PLACES.holds_all(["eu", "us"], ("de", "us"))
    assert not PLACES.holds_all(["eu"], ("de", "us"))


@pytest.mark.parametrize(
    ("region", "place"),
    [("us-east-1", "us"), ("us-west-2", "us"), ("eu-central-1", "de"), ("eu-central-2", "ch"), ("eu-west-2", "uk")],
)
def test_a_region_lies_in_its_country(region: str, place: str) -> None:
    """The name of a region is not its place: `eu-west-2` is London and `eu-central-2` is Zurich."""
    assert PLACES.of_region(region) == place


def test_every_region_of_the_catalog_has_a_place_and_no_region_has_two() -> None:
    assert all(PLACES.of_region(region) for region in load_catalog().regions)
    listed = [region for row in PLACES.rows.values() for region in row.aws_regions]
    assert len(listed) == len(set(listed))
    assert PLACES.of_region("mars-north-1") is None


def test_regions_are_named_in_their_order() -> None:
    regions = ("eu-west-2", "eu-north-1", "us-east-1", "eu-central-1", "mars-north-1")
    assert PLACES.regions_in(["eu"], regions) == ("eu-north-1", "eu-central-1")
    assert PLACES.words_for("eu-central-1") == "eu-central-1 (Germany)"
    assert PLACES.words_for("mars-north-1") == "mars-north-1 (its place is not known)"


@given(words, words, words)
def test_holding_is_an_order(a: str, b: str, c: str) -> None:
    assert PLACES.holds([a], a)
    assert PLACES.holds([EVERYWHERE], a)
    if PLACES.holds([a], b) and PLACES.holds([b], c):
        assert PLACES.holds([a], c)
    if a != b and PLACES.holds([a], b):
        assert not PLACES.holds([b], a)
