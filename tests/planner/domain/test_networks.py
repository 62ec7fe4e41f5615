"""Derived networks: private, of one size, the same for the same names, and never those that clusters use inside."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.networks import SECOND_NUMBERS, derived_cidr, free_cidr, overlap

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,29}", fullmatch=True)


@given(NAMES, st.sampled_from(["us-east-1", "eu-central-1"]))
def test_a_derived_network_is_a_private_one_of_its_own(name: str, region: str) -> None:
    cidr = derived_cidr(name, region)
    network = ipaddress.IPv4Network(cidr)
    assert network.is_private
    assert network.prefixlen == 16
    assert derived_cidr(name, region) == cidr
    assert not any(overlap(cidr, taken) for taken in ("10.42.0.0/15", "10.96.0.0/16", "10.100.0.0/16", "10.0.0.0/12"))


def test_names_and_regions_spread() -> None:
    names = [f"team-{number}" for number in range(400)]
    assert len({derived_cidr(name, "us-east-1") for name in names}) > len(SECOND_NUMBERS) * 0.7
    assert derived_cidr("prod", "us-east-1") != derived_cidr("prod", "eu-central-1")
    assert len({derived_cidr(name, "us-east-1") for name in ("dev", "staging", "prod")}) == 3


@given(st.sets(st.sampled_from(SECOND_NUMBERS)))
def test_a_free_network_is_free(taken: set[int]) -> None:
    networks = frozenset(f"10.{number}.0.0/16" for number in taken)
    free = free_cidr(networks)
    assert (free is None) == (len(taken) == len(SECOND_NUMBERS))
    assert free is None or not any(overlap(free, other) for other in networks)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("10.64.0.0/16", "10.64.0.0/16", True),
        ("10.64.0.0/16", "10.64.128.0/20", True),
        ("10.64.0.0/16", "10.65.0.0/16", False),
    ],
)
def test_networks_that_share_addresses(one: str, other: str, shared: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is shared
