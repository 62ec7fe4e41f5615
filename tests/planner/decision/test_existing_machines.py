"""Machines that a team pays for already: filled first, on the bill whole, and named where nothing stands on them."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest

from planner.decision.answer.existing_fleet import UNUSED, existing_fleet
from planner.decision.candidates.existing import stated_machines
from planner.documents.arithmetic import arithmetic
from planner.domain.environment import ExistingMachines, Hardware
from planner.edges.planning import Planned, plan
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.planner import small
from tests.planner.plans import bent

pytestmark = pytest.mark.usefixtures("alone")

ONE, TWO = "g6e.xlarge", "g6.xlarge"
"""What the small environment runs on: one for chat, two for the restricted route."""
NOT_SOLD = "p4de.24xlarge"
"""A type that is sold in other zones of the region than the environment's."""


@lru_cache(maxsize=8)
def planned(existing: str, quotas: str = "{G: 192, P: 384}") -> Planned:
    text = small.text().replace("quotas: {G: 192, P: 384}", f"quotas: {quotas}")
    assert quotas in text
    with tempfile.TemporaryDirectory() as folder:
        return plan(small.workspace(Path(folder), f"{text}\nhardware: {{existing: [{existing}]}}\n"), "small")


def machines(instance_type: str, count: int, usd: str = "0.50") -> str:
    return f"{{instance_type: {instance_type}, count: {count}, usd_per_hour: ${usd}}}"


def own_price(count: int, usd: str = "0.50") -> Decimal:
    return count * Decimal(usd) * 730


def verdicts(of: Plan) -> list[str]:
    return [verdict.message for verdict in of.verdicts if verdict.name == "existing machines"]


def test_machines_that_are_there_are_filled_and_billed_at_the_price_that_is_stated() -> None:
    made = planned(machines(TWO, 2)).lock.plan
    group = next(group for group in made.node_groups if group.instance_type == TWO)
    assert (group.max_nodes, group.existing) == (2, 2)
    (line,) = [line for line in made.cost.lines if line.component == group.name and line.unit == "hour"]
    assert [line.quantity, line.unit_price, line.usd_per_month] == [1460, Decimal("0.50"), 730]
    assert line.source == "stated in the environment"
    assert verdicts(made) == []
    before = small.planned().lock.plan
    listed = next(line for line in before.cost.lines if line.component == group.name and line.unit == "hour")
    assert made.cost.usd_per_month == before.cost.usd_per_month - listed.usd_per_month + 730


def test_what_is_lacking_is_bought_and_said() -> None:
    made = planned(machines(TWO, 1)).lock.plan
    group = next(group for group in made.node_groups if group.instance_type == TWO)
    assert (group.max_nodes, group.existing) == (2, 1)
    names = {line.name: line.quantity for line in made.cost.lines if line.component == group.name}
    assert [names[f"{TWO} existing"], names[f"{TWO} on-demand"]] == [730, 730]
    reasons = next(route.reasons for route in made.routes if route.name == "extraction")
    told = f"1 × {TWO} are paid for already, used or not, and are filled first; 1 more must be bought"
    assert told in reasons


def test_machines_that_carry_nothing_are_named_with_their_price() -> None:
    """One T4 is too little for what is asked, and its price is paid all the same."""
    made = planned(machines("g4dn.xlarge", 1, "0.40")).lock.plan
    assert all(group.existing == 0 for group in made.node_groups)
    told = "1 × g4dn.xlarge are paid for and not used: $292 a month"
    assert verdicts(made) == [f"{told}; a pool that no API may help needs two nodes of its type"]
    (line,) = [line for line in made.cost.lines if line.component == UNUSED]
    assert line.usd_per_month == own_price(1, "0.40")
    assert made.cost.usd_per_month == small.planned().lock.plan.cost.usd_per_month + own_price(1, "0.40")


def test_a_type_that_is_not_sold_there_serves_with_what_is_there_alone() -> None:
    """One carries chat and two the restricted route; the quota counts them as all others."""
    made = planned(machines(NOT_SOLD, 3, "0.10")).lock.plan
    groups = [group for group in made.node_groups if group.instance_type == NOT_SOLD]
    assert sorted((group.exclusive, group.max_nodes, group.existing) for group in groups) == [(0, 1, 1), (1, 2, 2)]
    assert {group.zones for group in groups} == {("use1-az1", "use1-az5")}
    assert not any(line.name == f"{NOT_SOLD} on-demand" for line in made.cost.lines)
    within = planned(machines(NOT_SOLD, 2, "0.10"), quotas="{G: 192, P: 96}").lock.plan
    assert sum(group.max_nodes for group in within.node_groups if group.instance_type == NOT_SOLD) == 1
    told = "1 × p4de.24xlarge are paid for and not used: $73 a month"
    assert verdicts(within) == [f"{told}; a pool that no API may help needs two nodes of its type"]


@pytest.mark.parametrize(("instance_type", "count"), [(ONE, 1), (TWO, 3), ("g6e.4xlarge", 2), (NOT_SOLD, 1)])
def test_they_never_make_a_plan_dearer_but_for_their_own_price(instance_type: str, count: int) -> None:
    usd = planned(machines(instance_type, count)).lock.plan.cost.usd_per_month
    assert usd - own_price(count) <= small.planned().lock.plan.cost.usd_per_month * Decimal("1.0001")


def test_a_sibling_of_the_cheapest_machine_is_filled_too() -> None:
    """The cheapest machine with one L40S is another; both may stand in one plan under names of their own."""
    made = planned(machines("g6e.4xlarge", 1, "0.01")).lock.plan
    assert [group.existing for group in made.node_groups if group.instance_type == "g6e.4xlarge"] == [1]
    assert arithmetic(made, planned(machines("g6e.4xlarge", 1, "0.01")).wanted.environment) == ()


def test_an_unknown_machine_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(Problems) as raised:
        planned(machines("g6e.xlrge", 1))
    (problem,) = raised.value.problems
    assert (problem.code, problem.message) == ("ENV006", "the catalog has no GPU machine `g6e.xlrge`")
    assert "g6e.xlarge" in problem.hint


def test_a_bill_that_forgets_them_does_not_add_up() -> None:
    made = planned(machines(TWO, 2))
    wanted, groups = made.wanted.environment, [group.name for group in made.lock.plan.node_groups]
    more = bent(made.lock.plan, {f"node_groups/{groups.index(_of(made, TWO))}/existing": 3})
    assert [p.code for p in arithmetic(more, wanted)] == ["CHK007", "CHK007"]
    others = wanted.model_copy(update={"hardware": wanted.hardware.model_copy(update={"existing": ()})})
    assert {p.code for p in arithmetic(made.lock.plan, others)} == {"CHK007"}
    dearer = tuple(entry.model_copy(update={"usd_per_hour": Decimal(1)}) for entry in wanted.hardware.existing)
    others = wanted.model_copy(update={"hardware": wanted.hardware.model_copy(update={"existing": dearer})})
    assert {p.code for p in arithmetic(made.lock.plan, others)} == {"CHK007"}


def _of(made: Planned, instance_type: str) -> str:
    return next(group.name for group in made.lock.plan.node_groups if group.instance_type == instance_type)


def test_groups_take_entries_in_order() -> None:
    entries = [
        ExistingMachines(instance_type="a", count=count, usd_per_hour=usd) for count, usd in ((1, "$1"), (3, "$2"))
    ]
    first, second = there = tuple(stated_machines(Hardware(existing=tuple(entries))))
    shared = existing_fleet(there, {"g1": ("a", 2), "g2": ("b", 4), "g3": ("a", 1)})
    assert [(m.entry, m.count) for m in shared.groups["g1"]] == [(first, 1), (second, 1)]
    assert [(m.entry, m.count) for m in shared.groups["g3"]] == [(second, 1)]
    assert [(m.entry, m.count) for m in shared.unused] == [(second, 1)]
    assert (shared.count("g1"), shared.count("g2"), shared.unused_count("a")) == (2, 0, 1)
    assert sum(line.usd_per_month for line in shared.lines()) == (1 + 3 * 2) * 730
