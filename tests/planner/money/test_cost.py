"""The bill: lines that a reader can check by hand, sums without a residual, and no line where a price is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.environment_file import parse
from planner.domain.environment import Platform
from planner.domain.gaps import Gap
from planner.domain.prices import Price, PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.money.cost import SYSTEM_NODES, bill, disk_usd_per_hour, line, platform_lines
from planner.plan.cost import CostLine
from planner.words.numbers import dollars
from tests.planner.plans import ENVIRONMENT

PRICES = load_catalog().prices


def platform(nat: str = "single") -> Platform:
    environment, _ = parse(ENVIRONMENT, "prod.yaml")
    return environment.platform.model_copy(update={"nat": nat})


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


def test_the_range_is_counted_from_the_total() -> None:
    made = bill([entry("a", "fixed", "10", "1")], Decimal("-2"), Decimal("3.5"))
    assert (made.low_usd_per_month, made.usd_per_month, made.high_usd_per_month) == (8, 10, Decimal("13.5"))
    assert bill([]).usd_per_month == 0


def test_the_platform_pays_for_its_gateways_by_zone() -> None:
    hours = {}
    for nat in ("none", "single", "per-zone"):
        lines, gaps = platform_lines(platform(nat), PRICES)
        assert not gaps
        assert {e.kind for e in lines} == {"fixed"}
        assert {e.component for e in lines} == {"platform"}
        hours[nat] = {e.name: e.quantity for e in lines}
    assert "NAT gateways" not in hours["none"]
    assert hours["single"]["NAT gateways"] == 730
    assert hours["per-zone"]["NAT gateways"] == hours["per-zone"]["public addresses of NAT"] == 2 * 730
    assert hours["none"]["EKS control plane"] == 730
    assert any(name.startswith("system nodes") and n == 730 * SYSTEM_NODES for name, n in hours["none"].items())


def test_a_missing_platform_price_is_a_gap_and_no_line() -> None:
    key = "platform/us-east-1/eks-control-plane"
    lines, gaps = platform_lines(platform(), without(key))
    assert [gap.key for gap in gaps] == [f"price/{key}"]
    assert "EKS control plane" not in {e.name for e in lines}
    assert len(lines) == len(platform_lines(platform(), PRICES)[0]) - 1


def test_the_disk_of_a_node_costs_its_gigabytes() -> None:
    assert disk_usd_per_hour("us-east-1", PRICES) == pytest.approx(0.08 * 200 / 730)
    assert isinstance(disk_usd_per_hour("us-east-1", without("platform/us-east-1/ebs-gp3-storage")), Gap)
    assert isinstance(disk_usd_per_hour("mars-north-1", PRICES), Gap)
