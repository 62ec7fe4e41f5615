"""What one run of the program knows before it registers anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.deployed import Recorded
from infra.image_rules import RunningImages
from infra.inputs import DeployableLock
from infra.naming import stack_prefix
from infra.settings import StackSettings
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

    def group_of(self, pool: Pool) -> NodeGroup:
        """Return the node group of a pool. Preflight has found it."""
        return next(group for group in self.plan.node_groups if group.name == pool.node_group)
