"""Plans on what a team has agreed: discounts, own prices, an own provider and own machines, from files to the lock."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest

from gateway.policy import Policy
from infra.values import gateway
from planner.documents.lock import Lock
from planner.documents.routing import policy
from planner.domain.agreements import Agreements
from planner.domain.discounts import OwnPrice, as_own
from planner.domain.price_lists import PRICE_LIST
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from planner.edges.workspace import Workspace
from planner.faces.terminal import plan_view
from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from planner.words.numbers import dollars
from tests.planner import small
from tests.planner.edges.test_own_prices import EC2, G6E, worked_files, write
from tests.planner.faces.shown import assert_folds, shown
from tests.planner.test_where_to_add import GPU, INSTANCES

pytestmark = pytest.mark.usefixtures("alone")

DAY = date(2026, 12, 1)
EDP = "discounts:\n  - {on: ec2, percent: 12, source: EDP 2026, as_of: 2026-10-01}\n...\n"
ENDING = EDP.replace("as_of", "until: 2027-03-31, as_of")
ACCOUNTS = "openai: {limits: {tpm: 2M, rpm: 5k}}"
CHEAP_API = """\
unit: Mtok
sources:
  contract: {source: private offer 12, as_of: 2026-11-02}
prices:
  gpt-5.4-mini:
    cached-input: {usd: 0.01, source: contract}
    input: {usd: 0.0123456, source: contract}
    output: {usd: 0.02, source: contract}
...
"""


def planned_in(folder: Path, files: Mapping[str, str], text: str = "", lock: Lock | None = None) -> Lock:
    """The plan of the small environment, or of another, beside an own catalog."""
    workspace = small.workspace(folder, text, lock)
    write(folder, dict(files))
    return planning.plan(workspace, "small").lock


@lru_cache(maxsize=4)
def with_discounts(text: str) -> Lock:
    """The plan of the small environment with a file of discounts."""
    with tempfile.TemporaryDirectory() as folder:
        return planned_in(Path(folder), {"discounts.yaml": text})


def told(plan: Plan) -> tuple[str, str]:
    """State and words of the verdict on the own catalog."""
    (verdict,) = [verdict for verdict in plan.verdicts if verdict.name == "own catalog"]
    return verdict.state, verdict.message


def nodes(plan: Plan) -> list[CostLine]:
    """The lines of machines."""
    return [line for line in plan.cost.lines if line.price.startswith("ec2/")]


def test_an_edp_takes_its_percent_off_each_machine_exactly_and_the_plan_is_no_worse() -> None:
    listed, plan = small.planned().lock.plan, with_discounts(EDP).plan
    rows = load_catalog().prices.rows
    assert len(nodes(plan)) == 3
    for line in nodes(plan):
        assert line.unit_price == rows[line.price].usd * Decimal("0.88")
        assert line.usd_per_month == dollars(line.quantity * line.unit_price)
        assert line.own_terms == f"12 % off ${rows[line.price].usd} (EDP 2026)"
        assert line.as_of == rows[line.price].as_of
    others = [line for line in plan.cost.lines if line not in nodes(plan)]
    assert {line.own_terms for line in others} == {""}
    saved = sum(line.usd_per_month for line in nodes(listed)) * Decimal("0.12")
    assert plan.cost.usd_per_month <= listed.cost.usd_per_month - saved + Decimal("0.02")
    assert told(plan) == ("pass", "12 % off ec2 (EDP 2026, of 2026-10-01)")


def test_the_bill_names_what_was_agreed_and_only_then() -> None:
    lock = with_discounts(EDP)
    assert "12 % off $1.861 (EDP 2026)" in shown(*plan_view(lock))
    assert_folds(lambda: plan_view(lock))
    assert "own catalog" not in shown(*plan_view(small.planned().lock))


def test_a_lock_ages_when_a_discount_changes_and_its_facts_stay(tmp_path: Path) -> None:
    lock = with_discounts(EDP)
    workspace = small.workspace(tmp_path, lock=lock)
    for discounts, aged in ((EDP, False), (EDP.replace("12", "13"), True), (EDP.replace("ec2,", "ec2/p5,"), True)):
        write(tmp_path, {"discounts.yaml": discounts})
        found = {problem.code: problem.severity for problem in workspace.judgement("small", DAY)[1]}
        assert found == ({"LOCK020": "warning"} if aged else {})


def mean_of(plan: Plan) -> Decimal:
    """The mean cost of the phases, weighted by days, USD a month."""
    whole = sum((phase.usd_per_month or 0) * phase.days for phase in plan.phases)
    return dollars(Decimal(whole) / sum(phase.days for phase in plan.phases))


def changes(plan: Plan) -> list[tuple[str, str]]:
    """States and words of the verdicts on prices that change."""
    return [(verdict.state, verdict.message) for verdict in plan.verdicts if verdict.name == "price change"]


def test_a_discount_that_ends_within_the_horizon_begins_a_phase_at_the_prices_of_that_day(tmp_path: Path) -> None:
    lock = with_discounts(ENDING)
    plan, listed = lock.plan, small.planned().lock.plan
    assert nodes(plan)[0].unit_price == nodes(listed)[0].unit_price * Decimal("0.88")
    first, then = plan.phases
    ends = date(2027, 4, 1)
    assert (first.start, first.end, then.start, then.end) == (DAY, ends, ends, date(2027, 12, 1))
    assert (first.repriced, then.ended, then.repriced) == ((), (), ("12 % off ec2 (EDP 2026) ends",))
    assert first.usd_per_month == plan.cost.usd_per_month
    assert then.usd_per_month == listed.cost.usd_per_month
    assert plan.mean_usd_per_month == mean_of(plan) > plan.cost.usd_per_month
    more = listed.cost.usd_per_month - plan.cost.usd_per_month
    (verdict,) = changes(plan)
    assert verdict[0] == "warn"
    assert verdict[1] == (
        f"from 2027-04-01, when 12 % off ec2 (EDP 2026) ends: ${then.usd_per_month:,} a month, ${more:,} more"
    )
    assert told(plan) == ("pass", "12 % off ec2 (EDP 2026, of 2026-10-01, until 2027-03-31)")
    assert "until 2027-04-01" in shown(*plan_view(lock))
    assert_folds(lambda: plan_view(lock))
    workspace = small.workspace(tmp_path, lock=lock)
    write(tmp_path, {"discounts.yaml": ENDING})
    assert workspace.judgement("small", DAY)[1] == ()


def test_a_discount_that_begins_within_the_horizon_is_taken_off_from_its_day_on() -> None:
    plan, listed, whole = (
        with_discounts(EDP.replace("2026-10-01", "2027-03")).plan,
        small.planned().lock.plan,
        with_discounts(EDP).plan,
    )
    assert plan.cost == listed.cost
    assert [(phase.start, phase.repriced) for phase in plan.phases] == [
        (DAY, ()),
        (date(2027, 3, 1), ("12 % off ec2 (EDP 2026) begins",)),
    ]
    assert plan.phases[1].usd_per_month == whole.cost.usd_per_month
    assert plan.mean_usd_per_month == mean_of(plan) < plan.cost.usd_per_month
    less = listed.cost.usd_per_month - whole.cost.usd_per_month
    assert [(state, f"${less:,} less" in words) for state, words in changes(plan)] == [("pass", True)]


def test_a_discount_that_is_followed_by_another_makes_two_prices_and_one_phase() -> None:
    renewed = EDP.replace("12", "15").replace("2026-10-01", "2027-04-01").replace("discounts:\n", "")
    plan = with_discounts(ENDING.replace("...\n", renewed)).plan
    assert [phase.repriced for phase in plan.phases] == [
        (),
        ("12 % off ec2 (EDP 2026) ends", "15 % off ec2 (EDP 2026) begins"),
    ]
    assert [state for state, _ in changes(plan)] == ["pass"]


@pytest.mark.parametrize(("rest", "phases"), [("25", 2), ("12", 0)])
def test_a_discount_that_hid_another_ends_without_a_warning(rest: str, phases: int) -> None:
    """Where the bill stays as it is, there is no phase."""
    small_ones = "".join(
        f"  - {{on: ec2/{name}, percent: 12, source: old order, as_of: 2026-10-01, until: 2027-03-31}}\n"
        for name in ("g5", "g6", "g6e")
    )
    plan = with_discounts(EDP.replace("percent: 12", f"percent: {rest}").replace("...", small_ones + "...")).plan
    assert len(plan.phases) == phases
    assert {state for state, _ in changes(plan)} <= {"pass"}
    assert told(plan)[0] == "pass"


def test_an_own_price_that_ends_is_the_list_price_from_then_on(tmp_path: Path) -> None:
    (machine,) = {line.price.split("/")[2] for line in nodes(small.planned().lock.plan)[:1]}
    own = EC2.replace("g6e.xlarge", machine).replace("usd: 1.70", "usd: 0.60, until: 2027-01-31")
    plan = planned_in(tmp_path, {"prices/ec2/us-east-1.yaml": own}).plan
    first, then = plan.phases
    assert then.start == date(2027, 2, 1)
    assert then.repriced == (f"the own price of ec2/us-east-1/{machine}/on-demand (contract 4711) ends",)
    assert first.usd_per_month is not None
    assert then.usd_per_month is not None
    assert then.usd_per_month > first.usd_per_month
    assert then.usd_per_month == small.planned().lock.plan.cost.usd_per_month


def test_the_budget_is_judged_on_the_dearest_phase(tmp_path: Path) -> None:
    plan, listed = with_discounts(ENDING).plan, small.planned().lock.plan
    budgets = {"over": plan.cost.usd_per_month + 1, "within": listed.cost.usd_per_month + 1}
    for name, usd in budgets.items():
        text = re.sub(r"monthly: \S+?(?=[,}\s])", f"monthly: ${usd}", small.text(), count=1)
        assert str(usd) in text
        found = planned_in(tmp_path / name, {"discounts.yaml": ENDING}, text).plan
        assert found.cost.usd_per_month == plan.cost.usd_per_month
        (verdict,) = [verdict for verdict in found.verdicts if verdict.name == "budget"]
        ((state, words),) = changes(found)
        if name == "over":
            assert (state, found.phases[1].usd_per_month, found.mean_usd_per_month) == ("deny", None, None)
            assert "there is no plan" in words
        else:
            assert (state, verdict.state) == ("warn", "pass")
            assert verdict.message.endswith(f"at most ${listed.cost.usd_per_month:,}, from 2027-04-01")


def test_a_discount_that_ended_before_the_horizon_is_named_and_not_taken_off(tmp_path: Path) -> None:
    lock = planned_in(tmp_path, {"discounts.yaml": ENDING.replace("2027-03-31", "2026-11-30")})
    assert lock.plan.cost == small.planned().lock.plan.cost
    assert lock.plan.phases == ()
    assert told(lock.plan) == ("pass", "12 % off ec2 (EDP 2026) ended on 2026-11-30, before the horizon")
    workspace = small.workspace(tmp_path, lock=lock)
    assert workspace.judgement("small", DAY)[1] == ()


def test_a_private_rate_of_an_api_changes_the_plan_and_reaches_the_gateway(tmp_path: Path) -> None:
    lock = planned_in(tmp_path, {"prices/api/openai.yaml": CHEAP_API})
    before, plan = small.planned().lock.plan, lock.plan
    (chat,), (listed,) = ([route for route in each.routes if route.name == "chat"] for each in (plan, before))
    assert chat.spill_share > listed.spill_share + Decimal("0.5")
    assert plan.cost.usd_per_month < before.cost.usd_per_month
    lines = [line for line in plan.cost.lines if line.price.startswith("api/")]
    assert {line.own_terms.partition("; list price $")[0] for line in lines} == {"private offer 12"}
    assert told(plan) == ("pass", "2 own prices (api), the oldest of 2026-11-02")
    assert "prices" not in {each.cause for each in plan.cost.ranges}
    document = policy(lock)
    assert document["apis"]["openai.gpt-5.4-mini"]["usd_per_mtok"]["input"] == "0.012346"
    Policy.model_validate(document)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("contract 4711", "list prices of APIs 30% lower or higher; agreed prices and machines as they are"),
        (f"'{PRICE_LIST}'", "prices of APIs 30% lower or higher; machines at AWS's list prices"),
    ],
    ids=["agreed", "refreshed"],
)
def test_the_range_speaks_of_agreed_prices_only_where_some_are_agreed(tmp_path: Path, source: str, words: str) -> None:
    files = {"prices/ec2/us-east-1.yaml": EC2.replace("contract 4711", source)}
    plan = planned_in(tmp_path, files, small.text().replace("{mean: 1}", "{mean: 6}")).plan
    assert {each.cause: each.assumption for each in plan.cost.ranges}["prices"] == words


def doubted(plan: Plan) -> list[str]:
    """The warnings of own prices that are far from the list prices."""
    found = [verdict for verdict in plan.verdicts if verdict.name == "own prices"]
    assert {verdict.state for verdict in found} <= {"warn"}
    return [verdict.message for verdict in found]


@pytest.mark.parametrize(
    ("usd", "words"),
    [("1861", "1,000 times the list price of $1.861"), ("0.0018", "one 1,034th of the list price of $1.861")],
)
def test_an_own_price_far_from_the_list_price_is_a_warning_with_both_though_nobody_pays_it(
    tmp_path: Path, usd: str, words: str
) -> None:
    plan = planned_in(tmp_path, {"prices/ec2/us-east-1.yaml": EC2.replace("1.70", usd)}).plan
    (message,) = doubted(plan)
    assert message.startswith(f"ec2/us-east-1/g6e.xlarge/on-demand is ${usd} for one hour, {words}")
    elsewhere = {"prices/ec2/us-west-2.yaml": EC2.replace("1.70", usd)}
    assert doubted(planned_in(tmp_path / "elsewhere", elsewhere).plan) == []


@pytest.mark.parametrize(("usd", "is_far"), [("9.31", True), ("9.30", False), ("0.38", False), ("0.37", True)])
def test_five_times_the_list_price_are_too_far(usd: str, is_far: bool) -> None:
    listed = load_catalog().prices.rows
    own = as_own(OwnPrice(G6E, Decimal(usd), "hour", "contract 4711", "2026-11-01"))
    found = list(Agreements(listed, {G6E: own}).far_off(DAY, date(2027, 12, 1)))
    assert found == ([(own, listed[G6E])] if is_far else [])


def test_an_own_price_holds_for_a_lock_on_an_older_snapshot(tmp_path: Path) -> None:
    first = small.planned().lock
    older = first.model_copy(update={"consulted": first.consulted.model_copy(update={"snapshot": "2026-11-21"})})
    own = EC2.replace("g6e.xlarge:\n    on-demand: {usd: 1.70,", "g6.xlarge:\n    on-demand: {usd: 0.7001,")
    lock = planned_in(tmp_path, {"prices/ec2/us-east-1.yaml": own}, lock=older)
    assert lock.consulted.snapshot == "2026-11-21"
    assert Decimal("0.7001") in {line.unit_price for line in nodes(lock.plan)}


def test_an_own_provider_is_a_fallback_and_deploys_from_the_lock_alone(tmp_path: Path) -> None:
    files = {path: text for path, text in worked_files().items() if "acme" in path}
    text = small.text().replace(ACCOUNTS, f"{ACCOUNTS}\n    acme: {{limits: {{tpm: 20M, rpm: 50k}}}}")
    with pytest.raises(Problems, match="no API provider `acme`"):
        planned_in(tmp_path, {}, text)
    lock = planned_in(tmp_path, files, text)
    (chat,) = [route for route in lock.plan.routes if route.name == "chat"]
    assert chat.fallback[0] == "acme/qwen3-8b"
    assert {"provider/acme", "api/acme/qwen3-8b"} <= set(lock.consulted.facts)
    assert "hosted model acme/qwen3-8b of 2026-11-20; provider acme of 2026-11-20" in told(lock.plan)[1]
    document = policy(lock)
    Policy.model_validate(document)
    spoken = document["apis"]["acme.qwen3-8b"]
    assert (spoken["base_url"], spoken["model"]) == ("https://api.acme.example/v1", "acme/qwen3-8b")
    assert spoken["api_key_env"] == "ACME_API_KEY"
    values = gateway(lock, image=None, client_keys="clients", provider_keys="keys")
    assert "ACME_API_KEY" in {key["env"] for key in values["providerKeys"]}
    (extraction,) = [route for route in lock.plan.routes if route.name == "extraction"]
    assert extraction.fallback == ()


def test_machines_of_an_own_type_are_bought_and_those_that_are_there_are_used(tmp_path: Path) -> None:
    sold = "families: {g9z: [use1-az1, use1-az5]}\ntypes: {}\nsource: our account\nas_of: 2026-11-01\n...\n"
    prices = EC2.replace("g6e.xlarge", "g9z.2xlarge").replace("1.70", "0.10")
    hardware = {"gpus/Z9.yaml": GPU, "instances/g9z.yaml": INSTANCES, "regions/us-east-1.yaml": sold}
    bought = planned_in(tmp_path, {**hardware, "prices/ec2/us-east-1.yaml": prices})
    assert {group.instance_type for group in bought.plan.node_groups} == {"g9z.2xlarge"}
    assert "machine g9z.2xlarge of 2026-11-21" in told(bought.plan)[1]
    existing = "\nhardware: {existing: [{instance_type: g9z.2xlarge, count: 4, usd_per_hour: $0.20}]}\n"
    kept = planned_in(tmp_path / "there", hardware, small.text() + existing)
    assert {group.instance_type for group in kept.plan.node_groups if group.existing} == {"g9z.2xlarge"}


def test_a_price_of_a_day_after_the_start_stops_the_plan_at_its_line(tmp_path: Path) -> None:
    later = EC2.replace("2026-11-01", "2026-12-02")
    with pytest.raises(Problems) as refused:
        planned_in(tmp_path, {"prices/ec2/us-east-1.yaml": later})
    (problem,) = refused.value.problems
    assert problem.code == "CAT008"
    assert problem.where is not None
    assert problem.where.line == 6
    assert Workspace(tmp_path).catalog().prices.name == load_catalog().prices.name
