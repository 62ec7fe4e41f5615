"""A plan for a cluster that is there already: its nodes and no others, and a bill of them and of APIs alone."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from planner.documents.arithmetic import arithmetic, cluster_bill
from planner.documents.finance import finance_of
from planner.documents.focus import OWN, focus_rows
from planner.edges.planning import Planned
from planner.edges.planning import plan as made_plan
from planner.words.diagnostics import Problems
from tests.planner import small
from tests.planner.plans import bent

pytestmark = pytest.mark.usefixtures("alone")

MACHINES = {"g6e.xlarge": 1, "g6.xlarge": 2}
"""What the small environment runs on when it may buy: one for chat, two for the restricted route."""


def text(machines: dict[str, int]) -> str:
    """The small environment on a cluster with these machines, in its region."""
    lines = small.text().splitlines(keepends=True)
    begin = next(i for i, line in enumerate(lines) if line.startswith("platform:"))
    end = next(i for i, line in enumerate(lines) if i > begin and not line.startswith((" ", "#")))
    kept = [line for line in (*lines[:begin], *lines[end:]) if not line.startswith("quotas:")]
    nodes = "".join(f"      {name}: {{labels: {{machine: {name}}}}}\n" for name in machines)
    entries = "".join(
        f"    - {{instance_type: {name}, count: {count}, usd_per_hour: $0.50, source: books, as_of: 2026-10-05}}\n"
        for name, count in machines.items()
    )
    cluster = f"  cluster:\n    context: lab\n    network_policies: enforced\n    nodes:\n{nodes}"
    return "".join(kept) + f"\nplatform:\n  region: us-east-1\n{cluster}hardware:\n  existing:\n{entries}"


@lru_cache(maxsize=2)
def planned(g6e: int, g6: int) -> Planned:
    with tempfile.TemporaryDirectory() as folder:
        return made_plan(small.workspace(Path(folder), text({"g6e.xlarge": g6e, "g6.xlarge": g6})), "small")


def test_only_nodes_that_are_there_are_used() -> None:
    plan = planned(1, 2).lock.plan
    assert {g.instance_type: (g.max_nodes, g.existing) for g in plan.node_groups} == {
        name: (count, count) for name, count in MACHINES.items()
    }
    assert {(g.zones, g.disk_gb, g.quota_family) for g in plan.node_groups} == {((), 0, "")}


def test_the_bill_has_nodes_and_tokens_and_says_what_it_leaves_out() -> None:
    plan = planned(1, 2).lock.plan
    kinds = {line.price.partition("/")[0] for line in plan.cost.lines}
    assert kinds <= {"environment", "api"}
    nodes = [line for line in plan.cost.lines if line.price.startswith("environment/")]
    assert {(line.source, line.as_of) for line in nodes} == {("books", "2026-10-05")}
    assert sum(line.quantity for line in nodes) == 3 * 730
    told = [verdict.message for verdict in plan.verdicts if verdict.name == "existing cluster"]
    assert len(told) == 1
    assert "control plane" in told[0]
    assert not [verdict for verdict in plan.verdicts if verdict.name.startswith("quota")]


def test_the_lock_states_the_cluster_and_no_account() -> None:
    platform = planned(1, 2).lock.plan.platform.model_dump(mode="json")
    assert platform.keys() & {"account", "zones", "cidr", "kubernetes"} == set()
    assert platform["existing"]["context"] == "lab"
    assert platform["cluster"] is None


def test_the_arithmetic_adds_up_and_a_bought_node_does_not() -> None:
    made = planned(1, 2)
    plan, environment = made.lock.plan, made.wanted.environment
    assert arithmetic(plan, environment) == ()
    assert list(cluster_bill(plan)) == []
    more = bent(plan, {"node_groups/0/max_nodes": plan.node_groups[0].max_nodes + 1})
    told = [problem.message for problem in arithmetic(more, environment)]
    assert any("in a cluster that is there already" in message for message in told)


def test_a_number_of_nodes_that_is_too_small_has_its_own_sentence() -> None:
    with pytest.raises(Problems) as refused:
        planned(1, 1)
    (problem, *_) = refused.value.problems
    assert problem.code == "INF002"
    assert "there would have to be 2 machines" in problem.message
    assert "add machines and their number in `hardware.existing`" in problem.hint
    assert problem.where is not None


def test_finance_sees_own_machines_and_not_aws() -> None:
    rows = focus_rows(finance_of(planned(1, 2).lock))
    nodes = [row for row in rows if str(row["SkuId"]).startswith("environment/")]
    assert len(nodes) == 2 * 12
    assert {(row["ProviderName"], row["ServiceName"], row["BillingAccountId"]) for row in nodes} == {(OWN, None, None)}
