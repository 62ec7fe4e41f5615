"""Charts and the tables behind them: the plan's own values, sums that add up, and gaps that are no zeros."""

from __future__ import annotations

from decimal import Decimal

import pytest

from planner.documents.hours import levels_of_pool
from planner.faces.figures import money
from planner.faces.report.chart import Chart, Column, Table, filled
from planner.faces.report.charts.alternatives import ABSENT, alternatives
from planner.faces.report.charts.bill_range import bill_range
from planner.faces.report.charts.break_even import OWN_ONLY, break_even, switches
from planner.faces.report.charts.causes import causes
from planner.faces.report.charts.components import MOST, components
from planner.faces.report.charts.latency import latency
from planner.faces.report.charts.pool_hours import pool_hours
from planner.faces.report.charts.week import week
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from planner.plan.review import Alternative, ScalePoint, ScaleWithoutPlan
from planner.plan.schedule import schedule
from tests.planner.faces.report.reports import charts, everything, lock_of, planned


def _plan(name: str = "prod") -> Plan:
    return lock_of(name).plan


def _column(chart: Chart, name: str) -> list[str]:
    (place,) = [i for i, column in enumerate(chart.table.columns) if column.name.startswith(name)]
    return [row[place] for row in chart.table.rows]


def _made(chart: Chart | None) -> Chart:
    assert chart is not None
    return chart


def test_every_chart_has_a_picture_and_a_table_that_fits_its_columns() -> None:
    for name in ("prod", "staging", "dev"):
        for each in charts(planned(name)).all():
            assert each.says.endswith((".", "`"))
            assert each.table.rows
            assert all(len(row) == len(each.table.columns) for row in each.table.rows)
            assert each.wide is None or each.wide.title == each.title


def test_the_names_of_charts_are_unique() -> None:
    names = [each.name for each in charts(planned("prod")).all()]
    assert len(names) == len(set(names)) == 10


def test_the_cost_over_load_is_the_plans_and_a_gap_is_no_zero() -> None:
    plan = _plan()
    chart = _made(break_even(plan))
    assert _column(chart, "plan, USD") == [money(point.usd_per_month) for point in plan.break_even]
    assert _column(chart, "APIs") == [
        "none" if p.all_api_usd_per_month is None else money(p.all_api_usd_per_month) for p in plan.break_even
    ]
    holed = plan.model_copy(update={"no_plan_at": (ScaleWithoutPlan(scale=Decimal(3), why_not="the quota"),)})
    row = _made(break_even(holed)).table.rows[-1]
    assert (row[0], row[1], row[-1]) == ("3 ×", "no plan", "the quota")
    assert "$0" not in row


def test_a_switch_lies_between_the_points_at_which_a_route_differs() -> None:
    found = [(each.low, each.high, each.words) for each in switches(_plan().break_even)]
    assert found == [
        (0.2, 0.35, "chat api → hybrid, code api → hybrid"),
        (0.35, 0.5, "code hybrid → api"),
        (0.5, 1.0, "code api → hybrid"),
    ]
    assert "(2) between 0.35 × and 0.5 ×: code hybrid → api" in _made(break_even(_plan())).says


def test_without_a_switch_that_is_said() -> None:
    assert "No route changes who serves it" in _made(break_even(_plan("staging"))).says


def test_one_point_is_no_curve() -> None:
    plan = _plan()
    assert break_even(plan.model_copy(update={"break_even": plan.break_even[:1]})) is None


@pytest.mark.parametrize("low", [Decimal("0.001"), Decimal("1")])
def test_other_multiples_can_be_drawn(low: Decimal) -> None:
    plan = _plan()
    points: tuple[ScalePoint, ...] = tuple(
        point.model_copy(update={"scale": low + place, "all_api_usd_per_month": None})
        for place, point in enumerate(plan.break_even)
    )
    assert _made(break_even(plan.model_copy(update={"break_even": points}))).wide is not None


@pytest.mark.parametrize(("own", "drawn"), [("20000", True), ("60000", False), ("14681.74", False), (None, False)])
def test_own_machines_alone_are_drawn_where_the_curve_stays_one(own: str | None, drawn: bool) -> None:
    plan = _plan()
    alone = Alternative(name=OWN_ONLY, usd_per_month=None if own is None else Decimal(own), description="")
    wide = _made(break_even(plan.model_copy(update={"baselines": (alone,)}))).wide
    assert wide is not None
    assert ("own machines alone" in wide.body) is drawn


def test_causes_lead_from_the_base_to_the_plan_without_a_rest() -> None:
    told = everything().review
    chart = _made(causes(told.attribution, told.base_usd_per_month, told.usd_per_month))
    bills = _column(chart, "bill after it")
    assert told.base_usd_per_month is not None
    assert (bills[0], bills[-1]) == (money(told.base_usd_per_month), money(told.usd_per_month))
    assert len(bills) == 2 + sum(cause.usd_per_month is not None for cause in told.attribution.causes)


def test_a_first_plan_has_no_causes() -> None:
    told = planned("prod").review
    assert causes(told.attribution, None, told.usd_per_month) is None


def test_parts_of_the_bill_add_up_to_it() -> None:
    told = planned("prod").review
    chart = _made(components(told.lines, first=True, routes=["chat", "code", "extraction"]))
    assert chart.table.rows[-1] == ("total", money(told.usd_per_month))
    drawn = components(
        [told.lines[0].model_copy(update={"component": f"part-{place:02}"}) for place in range(MOST + 5)],
        first=True,
        routes=[],
    )
    assert drawn is not None
    assert drawn.wide is not None
    assert "6 smaller parts" in drawn.wide.body
    assert len(drawn.table.rows) == MOST + 6


def test_latencies_are_told_against_their_targets() -> None:
    chart = _made(latency(everything().review.routes[:1]))
    assert chart.table.rows == (
        ("chat", "TTFT", "1.20 s", "1.30 s", "1.00 s", "900 ms"),
        ("chat", "TPOT", "60 ms", "30 ms", "60 ms", "none"),
        ("chat", "end to end", "9.00 s", "not known", "none", "none"),
    )
    assert chart.says.startswith("1 of 2 miss their target; the worst is TTFT of chat at 108 %; 1 of 3 are not known.")


def test_a_route_without_a_target_has_no_bar() -> None:
    route = everything().review.routes[0]
    none = tuple(promise.model_copy(update={"target_ms": None}) for promise in route.promises)
    assert latency([route.model_copy(update={"promises": none})]) is None


def test_latencies_that_nobody_measured_are_a_table_alone() -> None:
    chart = _made(latency(planned("dev").review.routes))
    if all(p.expected_ms is None for route in planned("dev").review.routes for p in route.promises):
        assert chart.wide is None
        assert chart.says == "No latency is known before somebody measures it."


def test_the_range_of_the_bill_is_the_plans() -> None:
    cost = _plan().cost
    chart = _made(bill_range(cost))
    assert chart.table.rows[-1][:3] == ("all together", money(cost.low_usd_per_month), money(cost.high_usd_per_month))
    assert sorted(_column(chart, "cause")[:-1]) == sorted(each.cause for each in cost.ranges)
    assert bill_range(cost.model_copy(update={"ranges": ()})) is None


def test_a_plan_that_does_not_exist_has_no_dollars() -> None:
    chart = _made(alternatives(_plan()))
    rows = {row[0]: row for row in chart.table.rows}
    assert rows["all API"][1:3] == ("none", "")
    assert chart.wide is not None
    assert ABSENT in chart.wide.body
    bare = _plan().model_copy(update={"baselines": (), "runners_up": ()})
    assert alternatives(bare) is None


def test_a_week_has_all_its_hours() -> None:
    chart = week("chat", planned("prod").hours["chat"])
    assert len(chart.table.rows) == 24
    assert [column.name for column in chart.table.columns][1:] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert chart.table.rows[9][1] == "10.5 (41 %)"


def test_a_flat_week_has_no_busiest_hour() -> None:
    hour = planned("prod").hours["chat"][0]
    assert week("chat", [hour] * 168).says.startswith("Every hour has the same load, ")


def test_a_pools_month_is_told_in_its_own_replicas() -> None:
    plan = _plan()
    chart = pool_hours(plan.pools[0], levels_of_pool(plan, plan.pools[0]))
    assert "in 196 of 730 hours some requests go to APIs" in chart.says
    assert chart.table.rows[0] == ("peak", "21.73", "1.86", "1", "0.857", "100 %")


def test_the_line_of_capacity_follows_the_clock() -> None:
    """Its replicas are there for 40 hours of the week; the levels that want less have none."""
    plan = _plan()
    most = plan.pools[0].replicas.max
    hours = tuple(most if hour < 40 else 0 for hour in range(168))
    pool = plan.pools[0].model_copy(update={"replicas": Replicas(min=0, max=most, week=schedule("UTC", hours))})
    chart = pool_hours(pool, levels_of_pool(plan, pool))
    assert chart.says.startswith(f"Of 0 to {most} replicas ")
    assert {row[5] for row in chart.table.rows if row[5] == "none"}


def test_an_empty_column_is_left_out() -> None:
    table = Table("t", (Column("a"), Column("b"), Column("c", True)), (("x", "", "1"), ("y", "", "")))
    assert filled(table) == Table("t", (Column("a"), Column("c", True)), (("x", "1"), ("y", "")))
