"""Faults that a provider shows on request, each for a number of requests; `down` resets every connection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from twin.api.manners import RefusalKind

Stroke = Literal["refuse", "cut", "hang"]


class Fault(BaseModel):
    """`provider` fails the next `requests` requests.

    `refuse` answers with `refusal`; `cut` resets a stream after `after_tokens`; `hang` never answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    stroke: Stroke = "refuse"
    refusal: RefusalKind = "server_error"
    retry_after_s: Annotated[float, Field(gt=0)] | None = None
    after_tokens: Annotated[int, Field(ge=0)] = 8
    requests: Annotated[int, Field(ge=1)] = 1


class FaultState:
    """The fault in force at each provider and how often it will still strike."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[Fault, int]] = {}

    def apply(self, fault: Fault) -> None:
        self._faults[fault.provider] = (fault, fault.requests)

    def clear(self) -> None:
        self._faults.clear()

    def spend(self, provider: str) -> Fault | None:
        """The fault that strikes the request at hand, or None."""
        fault, left = self._faults.get(provider, (None, 0))
        if fault is None or left == 0:
            return None
        self._faults[provider] = (fault, left - 1)
        return fault
