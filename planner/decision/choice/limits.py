"""What can stand in the way of any plan, as values: which limit, how much it allows, how much would be needed.

A row of the program that a team can do something about carries one of these limits. Each limit knows the key of the
environment that sets it (`about`). `answer.sentences` makes sentences of them, last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

RateUnit = Literal["tpm", "rpm"]


@dataclass(frozen=True, order=True)
class ServedRoute:
    """All requests of a route must be served. Its amounts are shares of one input band, 0 to 1."""

    route: str

    @property
    def about(self) -> tuple[str, ...]:
        return ("routes", self.route)


@dataclass(frozen=True, order=True)
class VcpuQuota:
    """The AWS account may run only so many vCPUs of a family of instance types."""

    family: str

    @property
    def about(self) -> tuple[str, ...]:
        return ("quotas", self.family)


@dataclass(frozen=True, order=True)
class ExistingNodes:
    """There are only so many machines of an instance type, and no more can be bought."""

    instance_type: str

    @property
    def about(self) -> tuple[str, ...]:
        return ("hardware", "existing")


@dataclass(frozen=True, order=True)
class ApiRate:
    """A provider's account admits only so many tokens (tpm) or requests (rpm) a minute.

    after_loss: whether the account must also take what a lost node served, because the plan survives the loss of one.
    It does not tell limits apart: the environment sets one number for both cases.
    """

    provider: str
    unit: RateUnit
    after_loss: bool = field(default=False, compare=False)

    @property
    def about(self) -> tuple[str, ...]:
        return ("api", "providers", self.provider, "limits", self.unit)


@dataclass(frozen=True, order=True)
class TotalBudget:
    """The whole plan may cost only so many USD a month."""

    @property
    def about(self) -> tuple[str, ...]:
        return ("budget", "monthly")


@dataclass(frozen=True, order=True)
class ApiBudget:
    """All APIs together may cost only so many USD a month."""

    @property
    def about(self) -> tuple[str, ...]:
        return ("api", "monthly_budget")


Limit = ServedRoute | VcpuQuota | ExistingNodes | ApiRate | TotalBudget | ApiBudget


@dataclass(frozen=True)
class BrokenLimit:
    """No plan can keep this limit beside the others.

    allowed: what the limit admits now, in its own unit.
    needed: what it would have to admit, in its own unit.

    For a served route, `needed` is the share of a band that finds no place, and `allowed` is 0.
    """

    limit: Limit
    allowed: float
    needed: float


@dataclass(frozen=True)
class NoCandidates:
    """No model and no API may serve any route."""


@dataclass(frozen=True)
class Contradiction:
    """The limits exclude each other, and no single one can be named."""


@dataclass(frozen=True)
class SearchEnded:
    """The search ended before it found a plan or ruled one out.

    nodes: branch-and-bound nodes that it was allowed.
    """

    nodes: int


Cause = BrokenLimit | NoCandidates | Contradiction | SearchEnded
