"""Nodes that are given back and had again: sizes by the clock in the lock, their bill, and what holds for any."""

from __future__ import annotations

import math
import tempfile
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from planner.decision.candidates import self_hosted
from planner.documents.arithmetic import arithmetic, cluster_bill
from planner.documents.diff import compare
from planner.documents.environment_file import parse
from planner.documents.lock import Lock, render
from planner.domain.demand import local_hours
from planner.edges.planning import plan
from planner.faces.terminal import plan_view
from planner.money.cost import STARTING
from planner.plan.fleet import NodeGroup
from planner.plan.plan import Plan
from planner.plan.schedule import DAYS
from planner.words.diagnostics import Problems
from tests.planner import small
from tests.planner.faces.shown import shown
from tests.planner.plans import bent

G = "elastic: {G: true, P: false}"
EXTRACTION = "    traffic:\n      requests_per_second: {mean: 0.2}"
NIGHTLY = "profile: batch-nightly\n      timezone: Europe/Berlin\n      requests_per_second: {mean: 0.2}"
WEEK_TO_MONTH = Decimal(730) / 168


def text(elastic: str = G, mean: str = "6", extraction: str = "") -> str:
    """The small environment at several times its load."""
    whole = small.text().replace("requests_per_second: {mean: 1}", f"requests_per_second: {{mean: {mean}}}")
    if "spot" in elastic:  # two of the zones have spot prices
        whole = whole.replace("zones: [use1-az1, use1-az5]", "zones: [use1-az4, use1-az6]")
    if extraction:
        assert EXTRACTION in whole
        whole = whole.replace(EXTRACTION, f"    traffic:\n      {extraction}")
    return f"{whole}\n{elastic}\n"


@lru_cache(maxsize=8)
def locked(elastic: str = G, mean: str = "6", extraction: str = "") -> Lock:
    with tempfile.TemporaryDirectory() as folder:
        return plan(small.workspace(Path(folder), text(elastic, mean, extraction)), "small").lock


def planned(elastic: str = G, mean: str = "6", extraction: str = "") -> Plan:
    return locked(elastic, mean, extraction).plan


def following(of: Plan) -> list[NodeGroup]:
    return [group for group in of.node_groups if group.schedule is not None]


def told(of: Plan, name: str = "elastic") -> str:
    (message,) = [verdict.message for verdict in of.verdicts if verdict.name == name]
    return message


def test_nodes_follow_the_clock_of_the_routes() -> None:
    made = planned()
    (group,) = following(made)
    assert group.schedule is not None
    assert group.schedule.timezone == "Europe/Berlin"
    hours = group.schedule.by_hour
    assert (min(hours), max(hours)) == (group.min_nodes, group.max_nodes)
    assert hours[DAYS.index("tue") * 24 + 10] == group.max_nodes
    assert hours[DAYS.index("tue") * 24 + 3] < group.max_nodes
    (pool,) = [pool for pool in made.pools if pool.node_group == group.name]
    assert pool.replicas.week is not None
    each = group.gpus_per_node // pool.engine.gpus
    assert pool.replicas.week.by_hour == tuple(count * each for count in hours)
    assert (pool.replicas.min, pool.replicas.max) == (group.min_nodes * each, group.max_nodes * each)
    assert group.warm_seconds == 900 + math.ceil(pool.load_seconds)
    assert f"{group.name} has " in told(made)
    assert "paid for and waited for" in told(made)


def test_the_bill_is_that_of_the_hours_and_of_the_nodes_that_start() -> None:
    """Counted by hand from the schedule, hour by hour."""
    made = planned()
    (group,) = following(made)
    assert group.schedule is not None
    hours = group.schedule.by_hour
    lines = {line.name: line for line in made.cost.lines if line.component == group.name}
    (starting,) = [line for name, line in lines.items() if STARTING in name]
    serving = lines[f"{group.instance_type} on-demand"]
    started = sum(max(0, hours[h] - hours[h - 1]) for h in range(168)) * WEEK_TO_MONTH
    assert started > 20
    assert serving.quantity == pytest.approx(sum(hours) * WEEK_TO_MONTH, rel=Decimal("0.0005"))
    assert starting.quantity == pytest.approx(started * group.warm_seconds / 3600, rel=Decimal("0.0005"))
    assert starting.name.endswith(f"{STARTING}{started:.0f} a month")
    assert starting.unit_price == serving.unit_price
    disks = lines["root volumes"].quantity
    assert disks == pytest.approx((serving.quantity + starting.quantity) * group.disk_gb / 730, rel=Decimal("0.0005"))
    assert not [*arithmetic(made, parse(text(), "small")[0]), *cluster_bill(made)]


def test_more_freedom_is_never_dearer() -> None:
    for mean in ("1", "6"):
        fixed, free = planned("elastic: {G: false}", mean), planned(G, mean)
        assert free.cost.usd_per_month <= fixed.cost.usd_per_month
    assert planned().cost.usd_per_month < planned("elastic: {G: false}").cost.usd_per_month * Decimal("0.9")


@pytest.mark.parametrize(
    "bought",
    [
        "purchase: {spot: {max_share: 60%}}",
        "purchase: {reserved_1y: true}",
        "hardware: {existing: [{instance_type: g6e.xlarge, count: 2, usd_per_hour: $0.9}]}",
    ],
)
def test_every_way_to_buy_adds_up_beside_it_and_is_no_dearer(bought: str) -> None:
    """A plan whose bill or sizes do not add up is refused as a defect."""
    free, fixed = planned(f"{G}\n{bought}"), planned(f"elastic: {{G: false}}\n{bought}")
    assert free.cost.usd_per_month <= fixed.cost.usd_per_month
    assert following(free)
    for group in following(free):
        assert group.schedule is not None
        paid = group.existing + sum(group.committed.values())
        assert min(group.schedule.by_hour) >= min(paid, 1), "what is paid for in any case stays"
    if "existing" in bought:
        assert "2 × g6e.xlarge are paid for whether they run or not" in told(free)


def test_without_leave_nothing_changes() -> None:
    off, without = planned("elastic: {G: false, P: false}"), planned("")
    assert off.model_dump() == without.model_dump()
    assert not following(off)
    assert "elastic" not in {verdict.name for verdict in off.verdicts}


def test_the_same_environment_has_the_same_lock() -> None:
    again = locked.__wrapped__(G)
    assert render(again) == render(locked(G))


def test_nodes_that_take_long_to_come_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that takes a day to come would have to start before it was given back."""
    monkeypatch.setattr(self_hosted, "NODE_SECONDS", 24 * 3600.0)
    made = locked.__wrapped__(G).plan
    assert all(min(group.schedule.by_hour) == group.max_nodes for group in following(made) if group.schedule)
    assert not following(made)
    assert "no node is given back: the load asks for as many machines all week" in told(made)


def test_a_route_without_requests_at_night_has_no_node_then() -> None:
    """No API could stand in for restricted data: the verdict says what a request meets that comes all the same."""
    made = planned(G, "1", NIGHTLY)
    (group,) = [group for group in made.node_groups if group.exclusive]
    assert group.schedule is not None
    assert (group.min_nodes, group.max_nodes) == (0, 2)
    assert group.schedule.words == "0 from 6:00, 2 from 22:00 (mon to sun, Europe/Berlin)"
    assert "answered 503 with Retry-After" in told(made)
    (route,) = [route for route in made.routes if route.name == "extraction"]
    assert route.availability is not None
    assert route.availability.share is not None
    assert route.availability.share > Decimal("0.999")


def test_local_hours_of_a_week_with_a_change_of_clocks_are_all_there() -> None:
    """Clocks go forward on the last Sunday of March; the representative week begins on Monday before."""
    hours = local_hours(ZoneInfo("Europe/Berlin"), date(2027, 3, 22))
    assert len(set(hours)) == 167


def test_a_cluster_that_is_there_already_gives_nothing_back() -> None:
    whole = text().replace("  network: {cidr: 10.64.0.0/16}\n", "  cluster: {context: lab}\n")
    with pytest.raises(Problems) as refusal:
        parse(whole, "small")
    (problem,) = [p for p in refusal.value.problems if "elastic" in p.message]
    assert problem.code == "ENV005"
    assert problem.where is not None
    assert whole.splitlines()[problem.where.line - 1].startswith("elastic:")
    assert problem.hint == "leave it out, or leave out `platform.cluster`"


@pytest.mark.parametrize(
    ("elastic", "words"),
    [
        ("elastic: {X: true}", "`X` is not known here; write G or P"),
        ("elastic: {G: maybe}", "elastic.G: `maybe` is neither true nor false"),
        ("elastic: true", "elastic"),
    ],
)
def test_what_is_written_wrong_is_one_problem_with_its_line(elastic: str, words: str) -> None:
    with pytest.raises(Problems) as refusal:
        parse(text(elastic), "small")
    (problem,) = refusal.value.problems
    assert problem.where is not None
    assert text(elastic).splitlines()[problem.where.line - 1].startswith("elastic:")
    assert words in problem.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"min_nodes": 0}, "by the clock"),
        ({"schedule": None}, "has no schedule, and says how long"),
        ({"warm_seconds": 0}, "says nothing of how long they take to come"),
        ({"warm_seconds": 9000}, "starting by the clock"),
        ({"quota_family": "P"}, "`elastic` does not allow it of P"),
    ],
)
def test_a_lock_whose_sizes_contradict_does_not_add_up(change: dict[str, object], words: str) -> None:
    made = planned()
    index = made.node_groups.index(following(made)[0])
    broken = bent(made, {f"node_groups/{index}/{key}": value for key, value in change.items()})
    assert words in " ".join(problem.message for problem in arithmetic(broken, parse(text(), "small")[0]))


def test_a_pool_that_sleeps_through_its_load_does_not_add_up() -> None:
    made = planned()
    (pool,) = [pool for pool in made.pools if pool.replicas.week is not None]
    assert pool.replicas.week is not None
    sizes = [{**size.model_dump(), "count": 1 + index % 2} for index, size in enumerate(pool.replicas.week.sizes)]
    index = made.pools.index(pool)
    broken = bent(made, {f"pools/{index}/replicas/week/sizes": sizes})
    messages = " ".join(problem.message for problem in arithmetic(broken, parse(text(), "small")[0]))
    assert "by the clock it has fewer in some of its hours" in messages


def test_a_reader_sees_the_least_and_the_most() -> None:
    (group,) = following(planned())
    text_shown = shown(*plan_view(locked(G)), width=200)
    assert f"up to {sum(each.max_nodes for each in planned().node_groups)} GPU nodes" in text_shown
    assert f"{group.min_nodes} to {group.max_nodes} × {group.instance_type}" in text_shown
    assert "starting nodes, " in text_shown


def test_a_difference_tells_sizes_by_the_clock() -> None:
    found = compare(locked("elastic: {G: false}", "1", NIGHTLY), locked(G, "1", NIGHTLY))
    (group,) = [part for part in found.parts if part.kind == "node group" and part.change == "changed"]
    (nodes,) = [change for change in group.details if change.path == ("nodes",)]
    assert (nodes.old, nodes.new) == (2, "0 from 6:00, 2 from 22:00 (mon to sun, Europe/Berlin)")
