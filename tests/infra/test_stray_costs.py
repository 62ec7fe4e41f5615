"""A stray's cost is an amount, nothing for a reason, or unknown: missing is never zero."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.billing import BILLED, FREE
from infra.stray_costs import told, usd_per_month
from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.variants import everything

NAT, BUCKET = "aws:ec2/natGateway:NatGateway", "aws:s3/bucket:Bucket"
GROUP = "aws:eks/nodeGroup:NodeGroup"


def without(price: str) -> Plan:
    """The plan without the bill's lines of a price, of a component, or of system nodes."""
    plan = everything()
    lines = [
        line
        for line in plan.cost.lines
        if price not in (line.price.rpartition("/")[2], line.component) and not line.name.startswith(price)
    ]
    return plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": tuple(lines)})})


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        (NAT, "n", "it costs about $33 a month"),
        ("aws:kms/key:Key", "k", "it costs about $1 a month"),
        ("aws:secretsmanager/secret:Secret", "s", "it costs about $0.40 a month"),
        (BUCKET, "b", "it is billed by use, $0.023 a GB-month"),
        ("aws:ec2/vpc:Vpc", "v", f"it costs nothing by itself ({FREE['aws:ec2/vpc:Vpc']})"),
        ("aws:new/thing:Thing", "t", "what it costs is not known: the plan's bill has no line for it"),
        (GROUP, "gpu-gone", "what it costs is not known: the plan's bill has no line for it"),
    ],
)
def test_the_cost_is_said_as_far_as_it_is_known(token: str, name: str, said: str) -> None:
    assert told(everything(), token, name) == said


@pytest.mark.parametrize("token", sorted(BILLED))
def test_a_bill_without_the_line_is_no_bill_of_zero(token: str) -> None:
    plan = locks.plan()
    plan = plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": ()})})
    assert usd_per_month(plan, token, "gpu-vault") is None
    assert "not known" in told(plan, token, "gpu-vault")


def test_a_price_of_zero_is_an_amount() -> None:
    plan = everything()
    lines = tuple(line.model_copy(update={"unit_price": Decimal(0)}) for line in plan.cost.lines)
    free = plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": lines})})
    assert usd_per_month(free, NAT, "n") == 0
    assert told(free, NAT, "n") == "it costs about $0 a month"


def test_groups_of_nodes_have_the_bill_of_their_machines() -> None:
    plan = everything()
    system = sum(line.usd_per_month for line in plan.cost.lines if line.name.startswith("system node"))
    assert usd_per_month(plan, GROUP, "system") == pytest.approx(float(system))
    assert system > 100
    assert (usd_per_month(plan, GROUP, "gpu-vault") or 0) > 2700
    assert usd_per_month(without("vault"), GROUP, "gpu-vault") is None
