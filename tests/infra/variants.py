"""Variants of the worked environment, each of which registers something that the others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.plan.plan import Plan
from tests.infra import locks

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
}
"""Name → plan."""
