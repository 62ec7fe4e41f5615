"""All that a plan depends on, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.traces import TraceSummary
from planner.performance.calibration import Calibration
from planner.performance.coefficients import Coefficients
from planner.plan.plan import Plan


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on.

    traces: by the name that the environment uses. prior: the plan that is locked now, for least churn; None for the
    first one. calibrations: the team's own, by GPU.
    """

    environment: Environment
    catalog: Catalog
    coefficients: Coefficients
    traces: Mapping[str, TraceSummary]
    prior: Plan | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def locked_pools(self) -> frozenset[str]:
        """Names of the pools of the prior plan."""
        return frozenset(pool.name for pool in self.prior.pools) if self.prior else frozenset()
