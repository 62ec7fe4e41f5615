"""Commitments that a plan counts on are looked for in the account, and what is missing is said with its price."""

from __future__ import annotations

import json
import os
import stat
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from infra import reservations
from infra.commitments import Reserved, problems
from infra.deploy_policy import documents, kinds_of
from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.conftest import Run
from twin.aws import reservations as of_the_twin
from twin.aws.store import Store
from twin.stage import PLUGINS

NO_UPFRONT, ALL_UPFRONT = "reserved-1y/no-upfront", "reserved-3y/all-upfront"
COMMITTED = {NO_UPFRONT: 2}
TYPE = "g6e.xlarge"
MORE = (locks.HOURLY[TYPE] * 1000 - locks.HOURLY[TYPE] * 650) / 1000 * 730


def plan(**changes: object) -> Plan:
    planned = locks.plan(vault_nodes=3, committed=COMMITTED)
    return locks.replaced(planned, "node_groups", "vault", **changes) if changes else planned


def told(planned: Plan, *reserved: Reserved, price: Decimal | None = locks.HOURLY[TYPE]) -> list[str]:
    found = list(problems(planned, reserved, {TYPE: price}.get))
    assert {(problem.code, problem.severity) for problem in found} <= {("DEP092", "warning")}
    return [problem.message for problem in found]


def test_what_is_bought_is_not_told() -> None:
    assert told(plan(), Reserved(TYPE, NO_UPFRONT, 2)) == []
    assert told(plan(), Reserved(TYPE, NO_UPFRONT, 1), Reserved(TYPE, NO_UPFRONT, 1)) == []
    assert told(locks.plan()) == []


@pytest.mark.parametrize(("there", "missing"), [((), 2), ((Reserved(TYPE, NO_UPFRONT, 1),), 1)])
def test_what_is_missing_is_told_with_what_it_costs(there: tuple[Reserved, ...], missing: int) -> None:
    assert told(plan(), *there) == [
        f"{missing} × {TYPE} reserved 1y, no upfront are not bought: AWS bills ${MORE * missing:,.2f} a month more "
        "until they are"
    ]


def test_another_type_covers_nothing() -> None:
    assert len(told(plan(), Reserved("g6e.2xlarge", NO_UPFRONT, 9))) == 1


def test_another_term_covers_at_its_own_price() -> None:
    (message,) = told(plan(), Reserved(TYPE, ALL_UPFRONT, 5))
    assert message == (
        f"2 × {TYPE} reserved 1y, no upfront are planned, and the account has reserved 3y, all upfront: AWS bills that"
    )


def test_existing_machines_stand_on_reservations_first() -> None:
    there = Reserved(TYPE, NO_UPFRONT, 2)
    assert told(plan(existing=1), there)[0].startswith("1 × ")
    assert told(plan(existing=1), there, Reserved(TYPE, ALL_UPFRONT, 1)) == []


def test_a_price_that_nobody_knows_is_no_zero() -> None:
    (message,) = told(plan(), price=None)
    assert "$" not in message
    assert "not known" in message


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The imitated account, which the `aws` on the PATH answers for."""
    for name, value in {
        "PATH": f"{PLUGINS}{os.pathsep}{os.environ['PATH']}",
        "SPILLWAY_TWIN_PYTHON": sys.executable,
        "SPILLWAY_TWIN_AWS": str(tmp_path / "account"),
        "PYTHONPATH": str(PLUGINS.parents[1]),
    }.items():
        monkeypatch.setenv(name, value)
    return Store(tmp_path / "account")


def asked(planned: Plan) -> list[str]:
    return [problem.message for problem in reservations.problems(planned, "prod", lambda _: locks.HOURLY[TYPE])]


def test_the_account_is_asked(account: Store) -> None:
    assert asked(plan())[0].startswith("2 × ")
    of_the_twin.buy(account, "us-east-1", TYPE, 1, "1y", "No Upfront")
    of_the_twin.buy(account, "eu-west-1", TYPE, 9, "1y", "No Upfront")
    assert asked(plan())[0].startswith("1 × ")
    of_the_twin.buy(account, "us-east-1", TYPE, 1, "1y", "No Upfront")
    assert asked(plan()) == []
    assert account.is_empty()  # nothing that a program made


def aws(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Another `aws` on the PATH; what it was called with, a line a call."""
    command = folder / "aws"
    command.write_text(f'#!/bin/sh\necho "$AWS_ACCESS_KEY_ID $@" >> {folder}/calls\n{body}\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "calls"


def test_no_plan_without_commitments_asks_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = aws(tmp_path, monkeypatch, "exit 1")
    assert asked(locks.plan()) == []
    assert not calls.exists()


def test_what_cannot_be_asked_is_said_to_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws(tmp_path, monkeypatch, 'echo "An error occurred (UnauthorizedOperation)" >&2; exit 254')
    (message,) = asked(plan())
    assert message.startswith(f"whether the account has bought 2 × {TYPE} reserved 1y, no upfront is not known: ")
    assert "UnauthorizedOperation" in message
    assert "$" not in message


def test_the_role_that_deploys_is_asked_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AccessKeyId": "ASIAROLE", "SecretAccessKey": "s", "SessionToken": "t"}
    rows = [
        {"InstanceType": TYPE, "InstanceCount": 2, "Duration": 31536000, "OfferingType": "No Upfront", **more}
        for more in (
            {"Scope": "Region", "ProductDescription": "Windows"},
            {"Scope": "Availability Zone", "ProductDescription": "Linux/UNIX"},
            {"Scope": "Region", "ProductDescription": "Linux/UNIX", "OfferingClass": "convertible"},
        )
    ]
    answers = (json.dumps({"Credentials": keys}), json.dumps({"ReservedInstances": rows}))
    body = f"case $1 in sts) echo '{answers[0]}';; *) echo '{answers[1]}';; esac"
    calls = aws(tmp_path, monkeypatch, body)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACALLER")
    (message,) = asked(plan())
    assert "the account has convertible reservations of 365 days, no upfront" in message
    role = f"--role-arn arn:aws:iam::{locks.ACCOUNT}:role/deploy"
    assume, describe = calls.read_text().splitlines()
    assert assume.startswith("AKIACALLER sts assume-role ")
    assert role in assume
    assert describe.startswith("ASIAROLE ec2 describe-reserved-instances --filters Name=state,Values=active")


def test_a_run_warns_and_goes_on(run: Run, account: Store) -> None:
    text = locks.environment_text(purchase="{reserved_1y: true}")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.program.warn", lambda problem: said.append(f"{problem.code} {problem.message}"))
        made = run(locks.plan(committed=COMMITTED), environment=text)
    assert made.names("eks/nodeGroup:NodeGroup") == ["gpu-shared", "gpu-vault", "system"]
    assert [
        one for one in said if one.startswith(f"DEP092 2 × {TYPE} reserved 1y, no upfront are not bought: AWS bills $")
    ]


def test_the_deploy_role_may_ask() -> None:
    platform = locks.plan().platform
    statements = documents(platform, "prod", kinds_of(platform))["network"]["Statement"]
    (read,) = [one for one in statements if reservations.PERMISSION in one["Action"]]
    assert read["Condition"] == {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}


def test_the_alarm_spreads_what_is_paid_at_once_as_the_plan_does(run: Run, account: Store) -> None:
    text = locks.environment_text(purchase="{reserved_1y: true}")
    alarmed = {"alerts": locks.ALERTS}
    budget = run(locks.on_platform(locks.plan(committed=COMMITTED), **alarmed), environment=text).one(":Budget").inputs
    assert budget["costTypes"] == {"useAmortized": True}
    assert "costTypes" not in run(locks.on_platform(locks.plan(), **alarmed)).one(":Budget").inputs
