"""Variants of the worked environment, each of which registers something that the others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.plan.ingress import PlannedIngress
from planner.plan.plan import Plan
from tests.infra import clocks, locks
from tests.infra.programs import Account
from tests.infra.test_existing_network import answering, answers, there

BOUNDARY = f"arn:aws:iam::{locks.ACCOUNT}:policy/workloads"
TOPIC = f"arn:aws:sns:us-east-1:{locks.ACCOUNT}:costs"

VARIANTS: Mapping[str, Callable[[], Plan]] = {
    "plain": locks.plan,
    "public endpoint, boundary and alarm": lambda: locks.on_platform(
        locks.plan(), public_cidrs=("203.0.113.7/32",), boundary=BOUNDARY, alerts=locks.ALERTS
    ),
    "an alarm on the tag": lambda: locks.on_platform(
        locks.plan(), alerts=locks.ALERTS.model_copy(update={"sns": TOPIC, "tags_active": True})
    ),
    "a NAT gateway a zone": lambda: locks.on_cluster(nat_zones=locks.ZONES),
    "the caller deploys": lambda: locks.on_platform(locks.plan(), deploy_role=None, admin_roles=()),
    "own weights": lambda: locks.replaced(locks.plan(), "pools", "chat-1xl40s", weights="s3://acme-models/support/v3/"),
    "images and keys at Amazon": lambda: locks.on_platform(locks.plan(cluster=locks.SUPPLIED), image_mirror="ecr"),
    "internal, with a certificate": locks.behind_balancer,
    "from the Internet, with a hosted zone": lambda: locks.on_platform(
        locks.behind_balancer(**locks.FROM_INTERNET), boundary=BOUNDARY
    ),
    "a network that is there": there,
    "by the clock": clocks.elastic,
}
"""Name → plan."""


def account() -> Account:
    """The account of every variant, which knows the network that is there."""
    return Account(answer=answering(answers()))


def everything(hosted_zone: str = "Z1", boundary: str | None = BOUNDARY) -> Plan:
    """The plan that registers every type."""
    cluster = locks.behind_balancer(**{**locks.FROM_INTERNET, "hosted_zone": hosted_zone}).platform.cluster
    assert cluster is not None
    cluster = locks.SUPPLIED.model_copy(update={"load_balancer": cluster.load_balancer})
    return locks.on_platform(
        clocks.elastic(locks.plan(cluster=cluster, shared_nodes=3), nodes=(3, 2)),
        alerts=locks.ALERTS,
        boundary=boundary,
        public_cidrs=("203.0.113.7/32",),
        image_mirror="ecr",
        ingress=PlannedIngress(hostname="llm.example.com"),
    )
