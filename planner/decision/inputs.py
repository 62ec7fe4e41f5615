"""The inputs of a plan stand in one value. Nothing else decides what is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.reserved_capacity import there_on
from planner.domain.traces import TraceSummary
from planner.performance.calibration import Calibration
from planner.performance.coefficients import Coefficients
from planner.plan.plan import Plan


@dataclass(frozen=True)
class Exemption:
    """An exemption lets one thing in that a rule of a route keeps out, so that a plan can say what the rule costs.

    kind: the rule: `region` or `hardware` for machines of one's own, `residency`, `terms` or `latency` for a provider.
    provider: the provider that is let in; empty for machines.
    rule: path of the rule of `hardware:` that does not hold for the route, like (`hardware`, `only`); empty elsewhere.
    """

    kind: Literal["region", "hardware", "residency", "terms", "latency"]
    route: str
    provider: str = ""
    rule: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """The inputs are all that a plan depends on.

    catalog: facts and prices of one day.
    coefficients: the fit of step times that is shipped.
    traces: summaries of traces, by the name that the environment uses.
    prior: the plan that is locked now, whose pools are kept where that costs little; None for a first plan.
    calibrations: the team's own measurements, by GPU.
    name: name of the environment. It decides the addresses of a network that states none, and nothing else.
    exemptions: what is let in although a rule keeps it out, in plans that price a rule; there are none in any other.
    step_sigmas: standard deviations of the performance model's error by which steps are slower than it expects, beside
    the planning margin, in plans that price that error; 0 in any other.
    places: where entries of lists stand in the environment's file, as `FILE:LINE` by their path, for messages.
    """

    environment: Environment
    catalog: Catalog
    coefficients: Coefficients
    traces: Mapping[str, TraceSummary]
    prior: Plan | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    exemptions: frozenset[Exemption] = frozenset()
    name: str = ""
    step_sigmas: float = 0.0
    places: Mapping[str, str] = field(default_factory=dict)

    def changed(self, change: str, environment: Environment) -> Changed:
        """Return the inputs of another environment, without a lock. change: what differs, in words."""
        return Changed(change, replace(self, environment=environment, prior=None))

    def on_first_day(self) -> Inputs:
        """Return the inputs with those capacity blocks alone that are there when the horizon starts."""
        environment = with_blocks_of(self.environment, self.environment.horizon.start)
        return self if environment is self.environment else replace(self, environment=environment)

    @property
    def locked_pools(self) -> frozenset[str]:
        """Return the names of the prior plan's pools."""
        return frozenset(pool.name for pool in self.prior.pools) if self.prior else frozenset()


def with_blocks_of(environment: Environment, day: date) -> Environment:
    """Return the environment with those capacity blocks alone that are there on a day."""
    blocks = environment.purchase.capacity_blocks
    if len(there := there_on(day, blocks)) == len(blocks):
        return environment
    purchase = environment.purchase.model_copy(update={"capacity_blocks": there})
    return environment.model_copy(update={"purchase": purchase})


@dataclass(frozen=True)
class Changed:
    """Changed inputs differ from those of a plan in one thing, so that a plan of them says what the thing costs.

    change: what differs, in words.
    """

    change: str
    inputs: Inputs
