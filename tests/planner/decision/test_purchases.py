"""Machines that are bought otherwise than on demand: spot within its share, and commitments of a term."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest

from planner.decision.candidates.known import Known
from planner.decision.inputs import Inputs
from planner.decision.sensitivity import worth_of
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.planning import plan
from planner.plan.plan import Plan
from planner.plan.worth import Worth
from planner.words.diagnostics import Problems
from tests.planner import small
from tests.planner.plans import bent

pytestmark = pytest.mark.usefixtures("alone")

SPOT = "spot: {max_share: 60%}"


def text(purchase: str = "", months: int = 12) -> str:
    """The small environment at six times its load, in zones of which two have spot prices."""
    whole = small.text().replace("requests_per_second: {mean: 1}", "requests_per_second: {mean: 6}")
    whole = whole.replace("zones: [use1-az1, use1-az5]", "zones: [use1-az4, use1-az6]")
    whole = whole.replace("months: 12", f"months: {months}")
    return f"{whole}\npurchase: {{{purchase}}}\n" if purchase else whole


@lru_cache(maxsize=8)
def planned(purchase: str = "", months: int = 12) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        return plan(small.workspace(Path(folder), text(purchase, months)), "small").lock.plan


def told(of: Plan, name: str) -> str:
    (message,) = [verdict.message for verdict in of.verdicts if verdict.name == name]
    return message


def test_spot_stays_within_its_share_and_off_nodes_that_no_api_helps() -> None:
    made = planned(SPOT)
    spot = {group.name: group.spot for group in made.node_groups if group.spot}
    assert spot, told(made, "spot")
    for gpu in {group.gpu for group in made.node_groups}:
        own = [g for g in made.node_groups if g.gpu == gpu and not g.exclusive]
        assert sum(g.spot * g.gpus_per_node for g in own) <= 0.6 * sum(g.max_nodes * g.gpus_per_node for g in own)
    assert all(group.spot == 0 for group in made.node_groups if group.exclusive)
    for name, count in spot.items():
        (line,) = [line for line in made.cost.lines if line.component == name and line.name.endswith(" spot")]
        assert line.quantity == count * 730
        assert "75th percentile over use1-az4, use1-az6" in line.source
    assert "AWS takes them back at two minutes' notice" in told(made, "spot")
    assert "quota G-spot" in {verdict.name for verdict in made.verdicts}
    assert "spot 3" in told(made, "prices")
    assert "how often AWS takes them back is not known" in told(made, "availability")


def test_a_commitment_covers_nodes_and_is_told_as_what_to_buy() -> None:
    made = planned("reserved_1y: true")
    assert all(group.committed == {"reserved-1y/no-upfront": group.max_nodes} for group in made.node_groups)
    names = {line.name for line in made.cost.lines if line.unit == "hour" and line.component != "platform"}
    assert all(name.endswith("reserved 1y, no upfront") for name in names)
    message = told(made, "commitments")
    assert message.startswith("buy before the machines start: ")
    for group in made.node_groups:
        assert f"{group.max_nodes} × {group.instance_type} reserved 1y, no upfront" in message


def test_the_month_from_which_a_commitment_is_cheaper_is_that_of_its_prices() -> None:
    message = told(planned("reserved_1y: true"), "commitments")
    on_demand, committed = Decimal("1.861"), Decimal("1.17243")
    assert 7 * on_demand < 12 * committed < 8 * on_demand
    assert "cheaper from 8 of 12 months on" in message


def test_what_is_paid_at_once_is_told() -> None:
    made = planned("reserved_1y: [all-upfront]")
    group = next(group for group in made.node_groups if group.instance_type == "g6e.xlarge")
    line = next(line for line in made.cost.lines if line.component == group.name and "reserved" in line.name)
    upfront = line.unit_price * 8760 * group.max_nodes
    assert f"all upfront, ${upfront:,.0f} at once" in told(made, "commitments")


def test_another_way_to_buy_never_makes_a_plan_dearer() -> None:
    usd = [
        planned().cost.usd_per_month,
        planned(SPOT).cost.usd_per_month,
        planned(f"{SPOT}, reserved_1y: true").cost.usd_per_month,
        planned(f"{SPOT}, reserved_1y: [no-upfront, all-upfront]").cost.usd_per_month,
        planned(f"{SPOT}, reserved_1y: [no-upfront, all-upfront], reserved_3y: true", 36).cost.usd_per_month,
    ]
    assert usd == sorted(usd, reverse=True)
    assert usd[0] > usd[1]
    assert usd[2] < usd[0] * Decimal("0.75")


def test_prices_and_quotas_of_spot_are_moved_by_planning_anew() -> None:
    wanted, _ = parse(text(SPOT).replace("quotas: {G: 192,", "quotas: {G: 192, G-spot: 4,"), "small")
    found = worth_of(Inputs(wanted, load_catalog(), load_coefficients(), {}), Known({}))
    assert isinstance(found, Worth)
    (swing,) = [swing for swing in found.swings if swing.cause == "prices of spot"]
    low, high = swing.low.usd_per_month, swing.high.usd_per_month
    assert low is not None
    assert high is not None
    assert low <= found.usd_per_month <= high
    (quota,) = [limit for limit in found.limits if limit.limit == "quotas.G-spot"]
    assert quota.stated == 4
    assert quota.used <= 4
    more = quota.moved[0].more_usd_per_month
    assert more is not None
    assert more <= 0


def test_what_brings_nothing_is_said_once() -> None:
    made = planned("spot: {max_share: 1%}")
    assert told(made, "spot").startswith("none is bought: ")
    assert made.cost.lines == planned().cost.lines


def test_a_commitment_longer_than_the_horizon_is_refused_with_its_line() -> None:
    with pytest.raises(Problems) as refusal:
        parse(text("reserved_3y: true"), "small.yaml")
    (problem,) = refusal.value.problems
    assert problem.code == "ENV005"
    assert problem.message == "`purchase.reserved_3y` binds for 36 months, and the horizon ends after 12"
    assert problem.hint == "write `horizon: {months: 36}`, or leave `reserved_3y` out"
    assert problem.where is not None
    assert "reserved_3y" in problem.where.source


@pytest.mark.parametrize(
    "purchase",
    ["spot: {max_share: 120%}", "spot: 50%", "spot: {}", "reserved_1y: no-upfront", "reserved_1y: [monthly]"],
)
def test_what_is_written_wrong_is_one_problem_with_its_line(purchase: str) -> None:
    with pytest.raises(Problems) as refusal:
        parse(text(purchase), "small.yaml")
    (problem,) = refusal.value.problems
    assert problem.where is not None
    assert "purchase" in problem.where.source
    assert problem.hint or "write" in problem.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spot": 0}, "has 0 nodes spot"),
        ({"spot": 99}, "of them spot, committed or existing"),
        ({"exclusive": True}, "no API helps its pool"),
        ({"committed": {"reserved-3y/no-upfront": 1}}, "which the environment does not allow"),
    ],
)
def test_a_lock_that_buys_otherwise_than_it_says_does_not_add_up(change: dict[str, object], words: str) -> None:
    made = planned(SPOT)
    index = next(i for i, group in enumerate(made.node_groups) if group.spot)
    wanted, _ = parse(text(SPOT), "small")
    assert arithmetic(made, wanted) == ()
    found = arithmetic(bent(made, {f"node_groups/{index}/{key}": value for key, value in change.items()}), wanted)
    assert any(problem.code == "CHK013" and words in problem.message for problem in found), found


def test_a_share_that_the_environment_has_lowered_is_told() -> None:
    wanted, _ = parse(text("spot: {max_share: 1%}"), "small")
    assert "CHK013" in {problem.code for problem in arithmetic(planned(SPOT), wanted)}
