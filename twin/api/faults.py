"""Faults that a provider shows on request, each for a number of requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from twin.api.manners import RefusalKind

Stroke = Literal["refuse", "cut", "hang"]


class ProviderFault(BaseModel):
    """A fault makes `provider` fail its next `requests` requests.

    stroke: `refuse` answers with `refusal`, `cut` resets a stream after `after_tokens`, `hang` never answers.
    retry_after_s: what a refusal says in `Retry-After`, seconds; None leaves the header out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    stroke: Stroke = "refuse"
    refusal: RefusalKind = "server_error"
    retry_after_s: Annotated[float, Field(gt=0)] | None = None
    after_tokens: Annotated[int, Field(ge=0)] = 8
    requests: Annotated[int, Field(ge=1)] = 1


class ProviderFaultState:
    """This object holds the fault in force at each provider, and how often it will still strike."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[ProviderFault, int]] = {}

    def apply(self, fault: ProviderFault) -> None:
        """Put a fault in force in place of the provider's last one."""
        self._faults[fault.provider] = (fault, fault.requests)

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def spend(self, provider: str) -> ProviderFault | None:
        """Count one request and return the fault that strikes it, or None."""
        fault, requests_left = self._faults.get(provider, (None, 0))
        if fault is None or requests_left == 0:
            return None
        self._faults[provider] = (fault, requests_left - 1)
        return fault
