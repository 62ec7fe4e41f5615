"""Subnets: one a zone, apart from each other, and never moved by another zone."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from infra.addressing import private_cidr, public_cidr

ZONES = [f"use1-az{number}" for number in range(1, 16)]


@pytest.mark.parametrize("network", ["10.64.0.0/16", "10.0.0.0/20", "172.16.128.0/18"])
def test_subnets_are_apart_and_inside(network: str) -> None:
    whole = ipaddress.ip_network(network)
    subnets = [ipaddress.ip_network(f(network, zone)) for zone in ZONES for f in (private_cidr, public_cidr)]
    assert all(subnet.subnet_of(whole) for subnet in subnets)  # type: ignore[arg-type]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(subnets, 2))


def test_figures_that_a_reader_can_check() -> None:
    assert private_cidr("10.64.0.0/16", "use1-az4") == "10.64.64.0/20"
    assert public_cidr("10.64.0.0/16", "use1-az4") == "10.64.4.0/24"


@pytest.mark.parametrize("zone", ["us-east-1a", "use1-az0", "use1-az16", "usw2-lax1-az1", ""])
def test_only_ids_of_regular_zones(zone: str) -> None:
    with pytest.raises(ValueError, match="zone id"):
        private_cidr("10.64.0.0/16", zone)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.0.0.0/21", "10.64.0.1/16"])
def test_networks_that_cannot_hold_a_cluster(network: str) -> None:
    with pytest.raises(ValueError, match=network.replace(".", r"\.")):
        private_cidr(network, "use1-az4")
