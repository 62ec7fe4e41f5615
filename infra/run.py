"""What one run of the program knows before it registers anything, and what it tells the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi

from infra import moved
from infra.deployed import USD, Recorded
from infra.image_rules import RunningImages
from infra.inputs import DeployableLock
from infra.naming import stack_prefix
from infra.settings import StackSettings
from planner.documents import routing
from planner.plan.engine import PoolCanary
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan


@dataclass(frozen=True)
class Run:
    """A run is one call of the program.

    chosen: settings of the stack.
    granted: the lock that may be deployed.
    images: what containers run, each where it is published.
    outputs: those of the last run that ended well.
    state: resources that the engine knows.
    """

    chosen: StackSettings
    granted: DeployableLock
    images: RunningImages
    outputs: Mapping[str, Any]
    state: Recorded

    @property
    def plan(self) -> Plan:
        """Return the plan of the lock."""
        return self.granted.lock.plan

    @property
    def prefix(self) -> str:
        """Return the beginning of every physical name of the environment."""
        return stack_prefix(self.chosen.environment)

    @cached_property
    def canaries(self) -> Mapping[str, PoolCanary]:
        """Return the canary of each pool that has one, by pool."""
        return routing.canaries(self.plan)

    def group_of(self, pool: Pool) -> NodeGroup:
        """Return the node group of a pool. Preflight has found it."""
        return next(group for group in self.plan.node_groups if group.name == pool.node_group)


def export_plan(run: Run) -> None:
    """Export what is deployed, where, and what it costs: of a plan, and not of the secrets that come before it."""
    pulumi.export("lock", run.granted.lock.digests.content)
    pulumi.export(USD, str(run.plan.cost.usd_per_month))
    for name, value in moved.place(run.plan.platform, run.chosen.environment).items():
        pulumi.export(name, value)
