"""The inputs of a plan stand in one value. Nothing else decides what is planned."""

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
    """The inputs are all that a plan depends on.

    catalog: facts and prices of one day.
    coefficients: the fit of step times that is shipped.
    traces: summaries of traces, by the name that the environment uses.
    prior: the plan that is locked now, whose pools are kept where that costs little; None for a first plan.
    calibrations: the team's own measurements, by GPU.
    """

    environment: Environment
    catalog: Catalog
    coefficients: Coefficients
    traces: Mapping[str, TraceSummary]
    prior: Plan | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def locked_pools(self) -> frozenset[str]:
        """Return the names of the prior plan's pools."""
        return frozenset(pool.name for pool in self.prior.pools) if self.prior else frozenset()
