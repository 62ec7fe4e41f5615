"""Capacity blocks and reservations: paid for whether they are used or not, filled first, and gone on their day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

import pytest

from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.planner.plans import bent

KEPT: CapacitiesByDigest = {}
TEXT = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 6}
routes:
  vault:
    traffic: {profile: flat, requests_per_second: {mean: 0.02}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: restricted
    quality: {accept: [gpt-oss-20b], source: a test, date: 2026-11-01}
quotas: {G: 16, P: 0}
hardware: {only: [g6.xlarge]}
purchase: {PURCHASE}
"""
BLOCK = (
    "{reservation: cr-0123456789abcdef0, instance_type: g6.xlarge, count: 2, start: 2026-12-01, end: 2027-01-10, "
    "upfront: $960}"
)
RESERVATION = "{reservation: cr-0fedcba9876543210, instance_type: g6.xlarge, count: 3}"


def environment_text(purchase: str, quotas: str = "{G: 16, P: 0}") -> str:
    return TEXT.replace("{PURCHASE}", purchase).replace("{G: 16, P: 0}", quotas)


@lru_cache(maxsize=8)
def planned(purchase: str, quotas: str = "{G: 16, P: 0}") -> Plan:
    environment, document = parse(environment_text(purchase, quotas), "prod.yaml")
    span = document.at(("purchase", "capacity_blocks", 0))
    assert span is not None
    places = {"purchase.capacity_blocks[0]": f"prod.yaml:{span.line}"}
    inputs = Inputs(environment, load_catalog(), load_coefficients(), {}, places=places)
    made = optimize(inputs, kept=KEPT).plan
    assert arithmetic(made, environment) == ()
    return made


def test_a_block_is_filled_first_uses_no_quota_and_its_end_begins_a_phase() -> None:
    """$960 for two machines and 40 days are 50 cents an hour; then the two are bought on demand, as the quota lets."""
    made = planned(f"{{capacity_blocks: [{BLOCK}]}}")
    (group,) = made.node_groups
    assert (group.max_nodes, group.blocks) == (2, {"cr-0123456789abcdef0": 2})
    assert group.ways == "capacity block"
    (line,) = [line for line in made.cost.lines if line.component == group.name and line.unit == "hour"]
    assert [line.name, line.quantity, line.unit_price] == ["g6.xlarge capacity block", 1460, Decimal("0.5")]
    first, then = made.phases
    assert (first.end, then.start) == (date(2027, 1, 10), date(2027, 1, 10))
    assert then.repriced == ("capacity block cr-0123456789abcdef0 (prod.yaml:13) ends",)
    assert then.usd_per_month is not None
    assert first.usd_per_month is not None
    assert then.usd_per_month > first.usd_per_month
    (told,) = [v for v in made.verdicts if v.name == "capacity blocks"]
    assert told.message.startswith("prod.yaml:13: cr-0123456789abcdef0, 2 × g6.xlarge, costs $960 at once")


def test_a_block_after_which_nothing_serves_denies_the_plan_with_its_line_and_the_fix() -> None:
    made = planned(f"{{capacity_blocks: [{BLOCK}]}}", "{G: 0, P: 0}")
    (denied,) = [v for v in made.verdicts if v.state == "deny"]
    assert (
        "from 2027-01-10, when capacity block cr-0123456789abcdef0 (prod.yaml:13) ends, there is no plan"
        in denied.message
    )
    assert "state what serves then in `purchase.capacity_blocks`" in denied.message


def test_a_block_that_begins_later_is_no_part_of_the_first_phase() -> None:
    later = BLOCK.replace("2026-12-01", "2027-02-01").replace("2027-01-10", "2027-03-13")
    made = planned(f"{{capacity_blocks: [{later}]}}")
    (group,) = made.node_groups
    assert group.blocks == {}
    starts = [phase.start for phase in made.phases]
    assert starts == [date(2026, 12, 1), date(2027, 2, 1), date(2027, 3, 13)]
    assert made.phases[0].usd_per_month == made.phases[2].usd_per_month


def test_a_reservation_costs_what_it_costs_on_demand_whether_it_is_used_or_not() -> None:
    made = planned(f"{{capacity_blocks: [{BLOCK}], reservations: [{RESERVATION}]}}", "{G: 12, P: 0}")
    (group,) = made.node_groups
    assert (group.blocks, group.reservations) == ({"cr-0123456789abcdef0": 2}, {})
    listed = load_catalog().prices.price("ec2/us-east-1/g6.xlarge/on-demand")
    assert listed is not None
    (line,) = [line for line in made.cost.lines if line.name.startswith("g6.xlarge reserved capacity")]
    assert [line.name, line.quantity] == ["g6.xlarge reserved capacity, not used", 3 * 730]
    assert (line.unit_price, line.price, line.source) == (listed.usd, listed.key, listed.source)
    wanted, _ = parse(environment_text(f"{{capacity_blocks: [{BLOCK}], reservations: [{RESERVATION}]}}"), "prod.yaml")
    index = made.cost.lines.index(line)
    assert "CHK007" in {p.code for p in arithmetic(bent(made, {f"cost/lines/{index}/name": "x"}), wanted)}
    assert "CHK007" in {p.code for p in arithmetic(bent(made, {"node_groups/0/blocks": {"cr-00000000": 2}}), wanted)}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (BLOCK.replace("2027-01-10", "2026-12-01"), "`cr-0123456789abcdef0` ends on 2026-12-01, before it begins"),
        (BLOCK.replace("2026-12-01", "2027-06-01").replace("2027-01-10", "2027-06-15"), "outside the horizon"),
        (f"{BLOCK}, {BLOCK}", "`cr-0123456789abcdef0` stands twice"),
        (BLOCK.replace("cr-0123456789abcdef0", "i-0123456789abcdef0"), "does not have the form"),
    ],
)
def test_a_block_that_cannot_be_is_one_error_with_its_line(block: str, message: str) -> None:
    with pytest.raises(Problems) as told:
        parse(environment_text(f"{{capacity_blocks: [{block}]}}"), "prod.yaml")
    (problem,) = told.value.problems
    assert message in problem.message
    assert problem.where is not None
    assert problem.where.line == 13
    assert problem.hint
