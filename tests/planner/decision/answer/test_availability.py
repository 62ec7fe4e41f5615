"""The expected availability in a plan, by the example `prod` and the shipped failures."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import pytest

from planner.decision.answer.availability import availability_verdict, failures_behind, with_availability
from planner.documents.lock import load
from planner.domain.environment import Environment
from planner.domain.failures import FailureRow
from planner.edges.catalog_files import load_catalog
from planner.edges.workspace import workspace_of
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.plan.traffic import PlannedRoute
from tests.examples import ENVIRONMENTS


@cache
def prod() -> tuple[Plan, Environment]:
    workspace, name = workspace_of("prod", ENVIRONMENTS)
    lock = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json")
    return lock.plan, workspace.wanted(name).environment


def shipped() -> dict[str, FailureRow]:
    return dict(load_catalog().failures)


def told(failures: Mapping[str, FailureRow]) -> tuple[dict[str, PlannedRoute], Verdict]:
    """Return the routes of prod with these failures, by name, and the verdict on them."""
    plan, environment = prod()
    routes = with_availability(plan.routes, plan.levels, plan.node_groups, plan.pools, plan.apis, failures)
    return {route.name: route for route in routes}, availability_verdict(
        routes, environment, plan.node_groups, failures
    )


def expected(failures: Mapping[str, FailureRow], route: str) -> Decimal | None:
    planned = told(failures)[0][route].availability
    assert planned is not None
    return planned.share


def test_the_lock_says_what_is_computed_from_it() -> None:
    routes, verdict = told(shipped())
    assert list(routes.values()) == list(prod()[0].routes)
    assert verdict in prod()[0].verdicts


def test_an_account_takes_its_downtime_of_what_it_serves() -> None:
    share = expected(shipped(), "chat")
    down = 1 - (shipped()["apis/google"].uptime or 0)
    assert share is not None
    assert 1 - float(share) == pytest.approx(float(prod()[0].routes[0].spill_share) * down, rel=0.02)


def test_without_a_row_of_the_account_nothing_is_claimed() -> None:
    failures = shipped()
    del failures["apis/google"]
    routes, verdict = told(failures)
    assert expected(failures, "chat") is None
    assert routes["chat"].availability.not_known == ("the availability of google",)  # type: ignore[union-attr]
    assert verdict.state == "warn"
    assert "chat is not known (99.9% asked): nobody publishes the availability of google" in verdict.message
    assert expected(failures, "extraction") == expected(shipped(), "extraction")


def test_without_any_row_of_machines_nothing_is_claimed() -> None:
    failures = {key: row for key, row in shipped().items() if not key.startswith("nodes/")}
    assert expected(failures, "extraction") is None


def test_a_warning_names_what_costs_most_and_what_helps() -> None:
    message = told(shipped())[1].message
    assert "the account at google costs most (0.24%); a fallback at another provider would help" in message


def test_machines_that_nobody_counted_are_told() -> None:
    message = told(shipped())[1].message
    assert message.endswith(
        "nobody publishes how often RTX-PRO-6000 machines fail, and A100-40GB machines stand for them"
    )


def test_only_what_the_team_asks_for_is_warned_of() -> None:
    plan, environment = prod()
    silent = {}
    for name, route in environment.routes.items():
        stated = {key: value for key, value in route.slo if key != "availability"}
        silent[name] = route.model_copy(update={"slo": route.slo.model_construct(**stated)})
    verdict = availability_verdict(
        plan.routes, environment.model_copy(update={"routes": silent}), plan.node_groups, shipped()
    )
    assert verdict.state == "pass"
    assert "chat 99.758% of 99.9% by default: the account at google costs most" in verdict.message


def test_restricted_data_is_never_advised_to_use_an_api() -> None:
    failures = shipped()
    worse = failures["aws/region"]
    failures["aws/region"] = FailureRow(
        key=worse.key, basis="promised", uptime=0.99, source=worse.source, as_of=worse.as_of
    )
    extraction = told(failures)[1].message.partition("extraction ")[2]
    assert extraction.startswith("99% of 99.9% asked: ")
    assert "the loss of the region costs most (1%); a plan in a second region would help" in extraction
    assert "quality.accept" not in extraction


def test_the_plan_rests_on_the_rows_that_it_used_and_on_those_that_are_missing() -> None:
    keys = failures_behind(prod()[0], shipped())
    assert {"failure/apis/google", "failure/aws/zone", "failure/aws/region", "failure/nodes/RTX-PRO-6000"} <= keys
    lock = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json")
    assert keys <= set(lock.consulted.facts)
