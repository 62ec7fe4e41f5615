"""A plan that stands the loss of a zone, with all nodes that are there."""

from __future__ import annotations

import math
import re
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.edges.planning import Planned, plan
from planner.words.diagnostics import Problems
from tests.examples import ROOT
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")


def text(reserve: str = "reserve: {zone: true}", nat: str = "per-zone", extraction: str = "12") -> str:
    """The small environment with a restricted route that needs several machines."""
    whole = small.text().replace("requests_per_second: {mean: 0.2}", f"requests_per_second: {{mean: {extraction}}}")
    whole = whole.replace("network: {cidr", f"nat: {nat}\n  network: {{cidr")
    whole = whole.replace("zones: [use1-az1, use1-az5]", "zones: [use1-az4, use1-az6]")
    whole = whole.replace("budget: {monthly: $20000}", "budget: {monthly: $60000}")
    return f"{whole}\n{reserve}\n"


@lru_cache(maxsize=4)
def planned(reserve: str = "reserve: {zone: true}") -> Planned:
    with tempfile.TemporaryDirectory() as folder:
        return plan(small.workspace(Path(folder), text(reserve)), "small")


def carried(made: Planned, gone: int) -> bool:
    """Whether the private pool still carries its peak when its fullest nodes are away, counted by hand."""
    whole = made.lock.plan
    (pool,) = [pool for pool in whole.pools if pool.privacy == "restricted"]
    (group,) = [group for group in whole.node_groups if group.name == pool.node_group]
    on_nodes = sorted((p.replicas[pool.name] for p in group.placement for _ in range(p.nodes)), reverse=True)
    busy = pool.peak_utilization * pool.replicas.max
    return float(busy) <= sum(on_nodes[gone:]) + 1e-6


def nodes(made: Planned) -> int:
    return sum(group.max_nodes for group in made.lock.plan.node_groups if group.exclusive)


def test_what_is_left_after_a_zone_carries_the_route_that_no_api_helps() -> None:
    with_zone, with_node = planned(), planned("reserve: {node: true}")
    assert carried(with_zone, math.ceil(nodes(with_zone) / 2))
    assert carried(with_node, 1)
    assert not carried(with_node, math.ceil(nodes(with_node) / 2))
    assert with_zone.lock.plan.cost.usd_per_month > with_node.lock.plan.cost.usd_per_month


def test_the_check_sees_a_lock_that_does_not_stand_it() -> None:
    made = planned("reserve: {node: true}").lock.plan
    wanted, _ = parse(text(), "small")
    (found,) = [problem for problem in arithmetic(made, wanted) if problem.code == "CHK004"]
    assert "after losing a zone" in found.message
    assert [p for p in arithmetic(planned().lock.plan, wanted) if p.code == "CHK004"] == []


def test_a_single_way_out_contradicts_it() -> None:
    with pytest.raises(Problems) as refusal:
        parse(text(nat="single"), "small.yaml")
    (problem,) = refusal.value.problems
    assert (problem.code, problem.hint) == ("ENV005", "write `nat: per-zone` under `platform`")
    assert problem.where is not None
    assert "zone: true" in problem.where.source


def test_a_machine_of_one_zone_serves_no_route_that_no_api_helps() -> None:
    whole = text().replace("zones: [use1-az4, use1-az6]", "zones: [use1-az1, use1-az5]")
    made = small.planned_text(whole)
    told = [o for o in made.outcome.omissions if o.cause.kind == "one-zone"]
    assert told
    for group in made.lock.plan.node_groups:
        assert len(group.zones) == 2 or not group.exclusive


def test_an_account_holds_what_all_nodes_of_a_zone_served() -> None:
    """Sixty requests a minute are enough when a node is lost, and too few when a zone is."""
    few = text(extraction="0.2").replace("rpm: 5k", "rpm: 60").replace("$60000", "$20000")
    assert small.planned_text(few.replace("zone: true", "node: true")).lock.plan.pools
    with pytest.raises(Problems) as refusal:
        small.planned_text(few)
    message = refusal.value.problems[0].message
    found = re.search(r"requests a minute of openai, after a loss, would have to be (\d+), not 60", message)
    assert found is not None
    assert small.planned_text(few.replace("rpm: 60", f"rpm: {found[1]}")).lock.plan.pools


def test_zones_of_a_cluster_that_is_there_are_not_known() -> None:
    berlin = (ROOT / "examples" / "existing-cluster" / "berlin.yaml").read_text()
    with pytest.raises(Problems) as refusal:
        parse(f"{berlin}\nreserve: {{zone: true}}\n", "berlin.yaml")
    (problem,) = refusal.value.problems
    assert problem.code == "ENV005"
    assert problem.hint == "leave it out; `reserve.node` counts there too"
