"""The bill: lines that a reader can check by hand, sums without a residual, and no line where a price is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.decision.candidates.platform import cluster_parts
from planner.documents.environment_file import parse
from planner.domain.prices import Price, PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.money.cost import (
    bill,
    cluster_items,
    cluster_lines,
    disk_key,
    is_needed,
    line,
    storage_key,
    unpriced_items,
)
from planner.plan.cost import CostLine
from planner.plan.platform import ClusterParts, SystemNodes
from planner.words.numbers import dollars
from tests.planner.plans import ENVIRONMENT

REGION = "us-east-1"
_USD = {
    f"ec2/{REGION}/m6a.large/on-demand": ("hour", "0.0864"),
    f"ec2/{REGION}/c7i.2xlarge/on-demand": ("hour", "0.357"),
    f"platform/{REGION}/eks-control-plane": ("hour", "0.10"),
    f"platform/{REGION}/nat-gateway": ("hour", "0.045"),
    f"platform/{REGION}/public-ipv4": ("hour", "0.005"),
    f"platform/{REGION}/logs-ingest": ("GB", "0.50"),
    f"platform/{REGION}/logs-storage": ("GB-month", "0.03"),
    f"platform/{REGION}/kms-key": ("month", "1"),
    f"platform/{REGION}/s3-storage": ("GB-month", "0.023"),
    f"platform/{REGION}/ebs-gp3-storage": ("GB-month", "0.08"),
}
PRICES = PriceSnapshot(
    "2026-11-21",
    {key: Price(key, Decimal(usd), unit, "list", "2026-11-20") for key, (unit, usd) in _USD.items()},
)

PARTS = ClusterParts.model_validate(
    {
        "system_nodes": {"instance_type": "m6a.large", "nodes": 2, "disk_gb": 30},
        "nat_zones": ["use1-az4"],
        "keys": [{"name": "secrets", "deletion_days": 30}],
        "log_groups": [
            {"name": "control-plane", "retention_days": 90, "gb_per_month": "12"},
            {"name": "network-flows", "retention_days": 30, "gb_per_month": "8"},
        ],
        "model_bucket": {"weights_gb": "100", "old_version_days": 30},
    }
)


def without(*keys: str) -> PriceSnapshot:
    return PriceSnapshot(PRICES.name, {key: row for key, row in PRICES.rows.items() if key not in keys})


def entry(name: str, kind: str, quantity: str, usd: str, component: str = "chat") -> CostLine:
    return line(name, component, kind, Decimal(quantity), Price("api/x", Decimal(usd), "Mtok", "list", "2026-11-20"))  # type: ignore[arg-type]


def test_a_line_is_the_written_quantity_times_the_price() -> None:
    made = entry("input tokens", "usage", "1234.56789", "0.75")
    assert made.quantity == Decimal("1234.57")
    assert made.usd_per_month == Decimal("925.93")  # 1234.57 × 0.75 = 925.9275
    assert (made.unit, made.source, made.as_of, made.price) == ("Mtok", "list", "2026-11-20", "api/x")


LINES = st.lists(
    st.builds(
        entry,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["fixed", "usage"]),
        st.decimals(0, 10**7, places=3).map(str),
        st.decimals("0.0001", 100, places=6).map(str),
        st.sampled_from(["chat", "code", "platform"]),
    ),
    max_size=20,
)


@given(LINES)
def test_totals_are_the_sums_of_their_lines_to_the_cent(lines: list[CostLine]) -> None:
    made = bill(lines)
    assert made.fixed_usd_per_month == sum((e.usd_per_month for e in lines if e.kind == "fixed"), Decimal(0))
    assert made.usage_usd_per_month == sum((e.usd_per_month for e in lines if e.kind == "usage"), Decimal(0))
    assert made.usd_per_month == made.fixed_usd_per_month + made.usage_usd_per_month
    assert [(e.component, e.name) for e in made.lines] == sorted((e.component, e.name) for e in lines)
    for e in made.lines:
        assert e.usd_per_month == dollars(e.quantity * e.unit_price)


def test_the_range_is_the_total_until_somebody_sets_it() -> None:
    made = bill([entry("a", "fixed", "10", "1")])
    assert made.low_usd_per_month == made.usd_per_month == made.high_usd_per_month == 10
    assert bill([]).usd_per_month == 0


def lines_of(parts: ClusterParts) -> dict[str, CostLine]:
    """The lines of a cluster in us-east-1, by name; all prices are known."""
    lines, gaps = cluster_lines(REGION, parts, PRICES)
    assert not gaps
    return {e.name: e for e in lines}


def test_a_cluster_is_billed_part_by_part() -> None:
    """Kept logs: 12 GB a month for 90 days and 8 GB for 30, which are 1320 GB-days of months of 30.4167 days."""
    lines = lines_of(PARTS)
    assert {name: (e.quantity, e.unit, e.usd_per_month) for name, e in lines.items()} == {
        "EKS control plane": (730, "hour", Decimal("73.00")),
        "NAT gateways": (730, "hour", Decimal("32.85")),
        "public addresses of NAT": (730, "hour", Decimal("3.65")),
        "logs written": (20, "GB", Decimal("10.00")),
        "logs kept": (Decimal("43.3973"), "GB-month", Decimal("1.30")),
        "encryption keys": (1, "month", Decimal("1.00")),
        "model weights in the bucket": (100, "GB-month", Decimal("2.30")),
        "system node volumes": (60, "GB-month", Decimal("4.80")),
        "system nodes (2 × m6a.large)": (1460, "hour", Decimal("126.14")),
    }
    assert {(e.kind, e.component) for e in lines.values()} == {("fixed", "platform")}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"system_nodes": {"instance_type": "c7i.2xlarge", "nodes": 3, "disk_gb": 30}},
            {
                "system nodes (2 × m6a.large)": None,
                "system nodes (3 × c7i.2xlarge)": (2190, Decimal("781.83")),
                "system node volumes": (90, Decimal("7.20")),
            },
        ),
        (
            {"system_nodes": {"instance_type": "m6a.large", "nodes": 2, "disk_gb": 100}},
            {"system node volumes": (200, Decimal("16.00"))},
        ),
        (
            {"nat_zones": ["use1-az4", "use1-az6"]},
            {"NAT gateways": (1460, Decimal("65.70")), "public addresses of NAT": (1460, Decimal("7.30"))},
        ),
        ({"nat_zones": []}, {"NAT gateways": None, "public addresses of NAT": None}),
        (
            {"keys": [{"name": "secrets", "deletion_days": 30}, {"name": "secrets", "deletion_days": 7}]},
            {"encryption keys": (2, Decimal("2.00"))},
        ),
        ({"keys": []}, {"encryption keys": None}),
        (
            {"log_groups": [{"name": "control-plane", "retention_days": 365, "gb_per_month": "20"}]},
            {"logs kept": (Decimal("240"), Decimal("7.20"))},
        ),
        (
            {"log_groups": [{"name": "network-flows", "retention_days": 66, "gb_per_month": "40"}]},
            {"logs written": (40, Decimal("20.00")), "logs kept": (Decimal("86.7945"), Decimal("2.60"))},
        ),
        (
            {"model_bucket": {"weights_gb": "1000", "old_version_days": 30}},
            {"model weights in the bucket": (1000, Decimal("23.00"))},
        ),
    ],
    ids=[
        "three c7i.2xlarge",
        "bigger disks",
        "another NAT zone",
        "no NAT",
        "a second key",
        "no key",
        "longer retention",
        "more logs",
        "more weights",
    ],
)
def test_each_part_of_a_cluster_changes_its_own_lines(
    changes: dict[str, Any], told: dict[str, tuple[Decimal, Decimal] | None]
) -> None:
    """And nothing but them: a line that is None is gone."""
    before = lines_of(PARTS)
    after = lines_of(ClusterParts.model_validate({**PARTS.model_dump(), **changes}))
    moved = {
        name: (after[name].quantity, after[name].usd_per_month) if name in after else None
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
    assert moved == told


def test_what_is_told_of_a_part_but_not_billed_changes_no_line() -> None:
    changes = {
        "keys": [{"name": "secrets", "deletion_days": 7}],
        "model_bucket": {"weights_gb": "100", "old_version_days": 60},
    }
    assert lines_of(ClusterParts.model_validate({**PARTS.model_dump(), **changes})) == lines_of(PARTS)


@pytest.mark.parametrize("key", sorted({key for _, key, _ in cluster_items(REGION, PARTS)}))
def test_a_missing_price_is_a_gap_and_no_line(key: str) -> None:
    lines, gaps = cluster_lines(REGION, PARTS, without(key))
    assert [gap.key for gap in gaps] == [f"price/{key}"]
    assert key not in {e.price for e in lines}
    assert len(lines) == len(lines_of(PARTS)) - 1


def test_a_price_is_asked_for_even_where_nothing_is_bought_now() -> None:
    """A gap that appears only with the first key would be news on the wrong day."""
    keyless = PARTS.model_copy(update={"keys": ()})
    _, gaps = cluster_lines(REGION, keyless, without(f"platform/{REGION}/kms-key"))
    assert [gap.key for gap in gaps] == [f"price/platform/{REGION}/kms-key"]


def test_the_shipped_snapshot_prices_all_that_a_plan_needs_in_every_open_region() -> None:
    catalog = load_catalog()
    for name, region in catalog.regions.items():
        parts = PARTS.model_copy(update={"system_nodes": cheapest_nodes(name)})
        gaps = cluster_lines(name, parts, catalog.prices)[1]
        if not region.missing:
            assert not [gap for gap in gaps if is_needed(gap.subject)], name
            assert catalog.prices.price(disk_key(name)) is not None
        if name in ("us-east-1", "us-west-2"):
            assert not gaps
            assert catalog.prices.price(storage_key(name)) is not None
    assert len(cluster_lines("mars-north-1", PARTS, catalog.prices)[1]) == len(cluster_items("mars-north-1", PARTS))


def cheapest_nodes(region: str) -> SystemNodes:
    """The system nodes that a plan would take in a region."""
    found, _ = parse(ENVIRONMENT, "prod.yaml")
    platform = found.platform.model_copy(update={"region": region})
    return cluster_parts(platform, 0.0, load_catalog().prices).system_nodes


@pytest.mark.parametrize(
    ("item", "needed"),
    [("eks-control-plane", True), ("ebs-gp3-storage", True), ("nat-gateway", False), ("s3-storage", False)],
)
def test_machines_disks_and_control_planes_need_a_price_and_the_rest_does_not(item: str, needed: bool) -> None:
    assert is_needed(f"platform/{REGION}/{item}") is needed
    assert is_needed(f"ec2/{REGION}/m6a.large/on-demand")


def test_what_is_used_without_a_price_is_named_with_its_quantity() -> None:
    assert unpriced_items(REGION, PARTS, PRICES) == ()
    key = f"platform/{REGION}/logs-ingest"
    assert unpriced_items(REGION, PARTS, without(key)) == (("logs written", key, Decimal(20)),)
    nothing = PARTS.model_copy(update={"log_groups": ()})
    assert unpriced_items(REGION, nothing, without(key)) == ()


BALANCER = {"scheme": "internet-facing", "cidrs": ["203.0.113.0/24"], "public_addresses": 2, "capacity_units": "1"}


def test_a_load_balancer_is_billed_with_its_capacity_and_its_addresses() -> None:
    prices = load_catalog().prices
    parts = ClusterParts.model_validate({**PARTS.model_dump(), "load_balancer": BALANCER})
    (before, _), (after, _) = cluster_lines(REGION, PARTS, prices), cluster_lines(REGION, parts, prices)
    added = {line.name: line for line in after if line.name not in {old.name for old in before}}
    assert {(line.price.rpartition("/")[2], line.quantity) for line in added.values()} == {
        ("nlb", Decimal(730)),
        ("nlb-lcu", Decimal(730)),
        ("public-ipv4", Decimal(1460)),
    }
    assert sum(line.usd_per_month for line in added.values()) == Decimal("16.42") + Decimal("4.38") + Decimal("7.30")
    inside = ClusterParts.model_validate({**PARTS.model_dump(), "load_balancer": {**BALANCER, "public_addresses": 0}})
    assert "public addresses of the load balancer" not in {
        line.name for line in cluster_lines(REGION, inside, prices)[0]
    }


def test_a_load_balancer_without_a_price_is_named_and_never_free() -> None:
    prices = load_catalog().prices
    key = f"platform/{REGION}/nlb"
    without_price = PriceSnapshot(prices.name, {name: row for name, row in prices.rows.items() if name != key})
    parts = ClusterParts.model_validate({**PARTS.model_dump(), "load_balancer": BALANCER})
    assert [gap.subject for gap in cluster_lines(REGION, parts, without_price)[1]] == [key]
    assert ("load balancer", key, Decimal(730)) in unpriced_items(REGION, parts, without_price)
    assert unpriced_items(REGION, PARTS, without_price) == unpriced_items(REGION, PARTS, prices)
