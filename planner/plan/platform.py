"""Where a plan runs, and everything beside its GPU nodes that is built and billed for it."""

from __future__ import annotations

from typing import Literal

from planner.plan.parts import PlanPart


class PlannedPlatform(PlanPart):
    """Where the plan runs; copied from the environment, as infra reads nothing else."""

    account: str
    region: str
    zones: tuple[str, ...]
    nat: Literal["none", "single", "per-zone"]
    cidr: str
    public_cidrs: tuple[str, ...]
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    kubernetes: str
