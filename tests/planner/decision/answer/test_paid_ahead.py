"""Machines under a commitment stay paid for in the later phases of a plan, until the term ends."""

from __future__ import annotations

from datetime import date

import pytest

from planner.decision.answer.paid_ahead import with_paid_ahead
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.domain.environment import Environment
from planner.domain.environment_part import months_later
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.plan.plan import Plan
from tests.planner import plans

pytestmark = pytest.mark.usefixtures("alone")

KEY = "reserved-1y/no-upfront"
START = date(2026, 12, 1)
TEXT = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 24}
routes:
  chat:
    traffic: {profile: flat, requests_per_second: {mean: 0.02}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: internal
    quality: {accept: [gpt-4o-mini, qwen3-8b], source: a test, date: 2026-11-01}
  vault:
    traffic: {profile: flat, requests_per_second: {mean: 0.1}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: restricted
    quality: {accept: [qwen3-8b], source: a test, date: 2026-11-01}
api: {providers: {openai: {}}}
quotas: {G: 64, P: 0}
purchase: {reserved_1y: true}
"""


@pytest.fixture(scope="module")
def environment() -> Environment:
    return parse(TEXT, "test.yaml")[0]


@pytest.fixture(scope="module")
def plan(environment: Environment) -> Plan:
    return optimize(Inputs(environment, load_catalog(), load_coefficients(), {})).plan


def test_committed_machines_are_paid_for_until_their_term_ends(environment: Environment, plan: Plan) -> None:
    (group,) = [group for group in plan.node_groups if group.committed]
    assert group.committed == {KEY: group.max_nodes}
    soon = with_paid_ahead(environment, [(START, plan)], date(2027, 1, 14))
    (entry,) = soon.hardware.existing
    assert (entry.instance_type, entry.count) == (group.instance_type, group.max_nodes)
    (line,) = [line for line in plan.cost.lines if line.price.endswith(KEY)]
    assert entry.usd_per_hour == line.unit_price
    assert entry.source is not None
    assert entry.source.startswith(f"{KEY} from 2026-12-01 on; ")
    assert with_paid_ahead(environment, [(START, plan)], date(2027, 11, 30)).hardware.existing == (entry,)
    assert with_paid_ahead(environment, [(START, plan)], date(2027, 12, 1)).hardware.existing == ()


def test_no_later_commitment_outlasts_the_horizon(environment: Environment, plan: Plan) -> None:
    assert with_paid_ahead(environment, [(START, plan)], date(2027, 12, 1)).purchase.commitments != ()
    assert with_paid_ahead(environment, [(START, plan)], date(2027, 12, 2)).purchase.commitments == ()


def test_the_phase_after_a_model_ends_still_pays_for_them(plan: Plan) -> None:
    """The hosted model of chat ends on 2027-01-14; the machines of the vault are there, and are on the bill whole."""
    first, then = plan.phases[:2]
    assert then.start == date(2027, 1, 14)
    assert first.usd_per_month is not None
    assert then.usd_per_month is not None
    (line,) = [line for line in plan.cost.lines if line.price.endswith(KEY)]
    assert then.usd_per_month > line.usd_per_month
    (group,) = [group for group in plan.node_groups if group.committed]
    assert group.instance_type in then.fleet


def test_the_end_of_a_term_begins_a_phase_where_no_second_one_fits() -> None:
    """The year that is reserved ends in a horizon of eighteen months: then the machines are bought on demand."""
    environment, _ = parse(TEXT.replace("months: 24", "months: 18"), "test.yaml")
    made = optimize(Inputs(environment, load_catalog(), load_coefficients(), {})).plan
    (last,) = [phase for phase in made.phases if phase.start == date(2027, 12, 1)]
    before = next(phase for phase in made.phases if phase.end == last.start)
    assert last.repriced == (f"{KEY} ends",)
    assert before.usd_per_month is not None
    assert last.usd_per_month is not None
    assert last.usd_per_month > before.usd_per_month


def test_an_environment_without_commitments_is_as_it_was(plan: Plan) -> None:
    environment, _ = parse(TEXT.replace("purchase: {reserved_1y: true}", ""), "test.yaml")
    assert with_paid_ahead(environment, [(START, plans.plan())], date(2027, 1, 14)) == environment


@pytest.mark.parametrize(
    ("day", "months", "wanted"),
    [
        (date(2026, 12, 1), 12, date(2027, 12, 1)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 1, 31), 36, date(2029, 1, 31)),
    ],
)
def test_a_month_later(day: date, months: int, wanted: date) -> None:
    assert months_later(day, months) == wanted
