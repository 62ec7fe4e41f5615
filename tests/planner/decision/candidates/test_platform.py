"""What a cluster needs beside GPU nodes: the environment decides its NAT gateways, the models its bucket."""

from __future__ import annotations

from typing import Any

import pytest

from planner.decision.candidates.platform import cluster_parts, network_cidr, planned_ingress, planned_pool_tls
from planner.decision.inputs import Inputs
from planner.documents.environment_file import parse
from planner.domain.environment import Network, Platform
from planner.domain.ingress import Ingress
from planner.domain.networks import derived_cidr
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.money.cost import cluster_items
from tests.planner.plans import ENVIRONMENT, plan

PRICES = load_catalog().prices


def platform(nat: str, *zones: str) -> Platform:
    environment, _ = parse(ENVIRONMENT, "prod.yaml")
    return environment.platform.model_copy(update={"nat": nat, "zones": zones})


@pytest.mark.parametrize(
    ("nat", "zones"), [("none", ()), ("single", ("use1-az4",)), ("per-zone", ("use1-az4", "use1-az6"))]
)
def test_the_zones_with_a_gateway_do_not_depend_on_the_order_of_the_file(nat: str, zones: tuple[str, ...]) -> None:
    assert cluster_parts(platform(nat, "use1-az4", "use1-az6"), 1.0, PRICES).nat_zones == zones
    assert cluster_parts(platform(nat, "use1-az6", "use1-az4"), 1.0, PRICES).nat_zones == zones


def test_the_bucket_holds_the_weights() -> None:
    assert (
        str(cluster_parts(platform("single", "use1-az4", "use1-az6"), 98.1, PRICES).model_bucket.weights_gb) == "98.1"
    )


def test_each_part_is_found_by_its_name() -> None:
    parts = cluster_parts(platform("single", "use1-az4", "use1-az6"), 1.0, PRICES)
    assert parts.log_group("control-plane").retention_days == 90
    assert parts.log_group("network-flows").retention_days == 30
    assert parts.key("secrets").deletion_days == 30
    with pytest.raises(StopIteration):
        parts.key("spare")


@pytest.mark.parametrize(
    ("region", "instance_type"),
    [
        ("us-east-1", "m6a.large"),
        ("eu-north-1", "m6i.large"),
        ("eu-south-2", "m7i.large"),
        ("mars-north-1", "m6a.large"),
    ],
)
def test_system_nodes_are_of_the_first_type_that_has_a_price(region: str, instance_type: str) -> None:
    there = platform("single", "use1-az4", "use1-az6").model_copy(update={"region": region})
    nodes = cluster_parts(there, 1.0, PRICES).system_nodes
    assert (nodes.instance_type, nodes.nodes, nodes.disk_gb) == (instance_type, 2, 30)


def test_without_any_price_system_nodes_are_of_the_first_choice() -> None:
    parts = cluster_parts(platform("single", "use1-az4", "use1-az6"), 1.0, PriceSnapshot("x", {}))
    assert parts.system_nodes.instance_type == "m6a.large"


def inputs(network: dict[str, Any], prior: str | None = None, **elsewhere: str) -> Inputs:
    environment, _ = parse(ENVIRONMENT, "prod.yaml")
    where = environment.platform.model_copy(update={"network": Network.model_validate(network)})
    former = plan()
    stood = former.platform.model_copy(update={"cidr": prior, **elsewhere})
    locked = former.model_copy(update={"platform": stood}) if prior else None
    asked = environment.model_copy(update={"platform": where})
    return Inputs(asked, load_catalog(), load_coefficients(), {}, locked, name="prod")


@pytest.mark.parametrize(
    ("network", "prior", "elsewhere", "cidr"),
    [
        ({"cidr": "10.9.0.0/16"}, "10.7.0.0/16", {}, "10.9.0.0/16"),
        ({}, "10.7.0.0/16", {}, "10.7.0.0/16"),
        ({}, "10.7.0.0/16", {"account": "210987654321"}, derived_cidr("prod", "us-east-1")),
        ({}, "10.7.0.0/16", {"region": "eu-central-1"}, derived_cidr("prod", "us-east-1")),
        ({}, None, {}, derived_cidr("prod", "us-east-1")),
        ({"vpc": "vpc-0a1b2c3d"}, "10.7.0.0/16", {}, None),
    ],
)
def test_a_network_stays_where_it_is_unless_somebody_states_another(
    network: dict[str, Any], prior: str | None, elsewhere: dict[str, str], cidr: str | None
) -> None:
    assert network_cidr(inputs(network, prior, **elsewhere)) == cidr


def test_a_network_that_is_there_brings_its_ways_out_and_its_logs() -> None:
    there = platform("single", "use1-az4", "use1-az6").model_copy(update={"network": Network(vpc="vpc-0a1b2c3d")})
    parts = cluster_parts(there, 1.0, PRICES)
    assert parts.nat_zones == ()
    assert [group.name for group in parts.log_groups] == ["control-plane"]
    assert {name for name, _, quantity in cluster_items("us-east-1", parts) if not quantity} == {
        "NAT gateways",
        "public addresses of NAT",
    }


def behind(**stated: Any) -> Platform:
    ingress = Ingress.model_validate({"hostname": "llm.example.com", "load_balancer": stated})
    return platform("single", "use1-az4", "use1-az6").model_copy(update={"ingress": ingress})


def test_a_load_balancer_has_an_address_a_zone_where_the_internet_sees_it() -> None:
    assert cluster_parts(platform("single", "use1-az4", "use1-az6"), 1.0, PRICES).load_balancer is None
    inside = cluster_parts(behind(cidrs=["10.1.0.0/16", "10.0.0.0/16"]), 1.0, PRICES).load_balancer
    assert inside is not None
    assert (inside.scheme, inside.cidrs, inside.public_addresses) == ("internal", ("10.0.0.0/16", "10.1.0.0/16"), 0)
    assert not inside.encrypted
    stated = {"scheme": "internet-facing", "cidrs": ["203.0.113.0/24"], "hosted_zone": "Z1"}
    outside = cluster_parts(behind(**stated), 1.0, PRICES).load_balancer
    assert outside is not None
    assert (outside.public_addresses, outside.encrypted) == (2, True)


def test_an_environment_that_says_nothing_of_a_way_in_plans_none() -> None:
    assert planned_ingress(Ingress()) is None
    assert planned_pool_tls(None) is None
    way = planned_ingress(Ingress.model_validate({"namespaces": ["b", "a", "b"]}))
    assert way is not None
    assert way.model_dump(mode="json") == {"namespaces": ["a", "b"]}
    own = {"name": "nginx", "namespace": "edge", "annotations": {"a/b": "c"}}
    way = planned_ingress(Ingress.model_validate({"ingress_class": own}))
    assert way is not None
    assert way.model_dump(mode="json") == {"ingress_class": own}


def test_a_plan_without_a_way_in_is_written_as_before() -> None:
    parts = cluster_parts(platform("single", "use1-az4", "use1-az6"), 1.0, PRICES)
    assert "load_balancer" not in parts.model_dump(mode="json")
