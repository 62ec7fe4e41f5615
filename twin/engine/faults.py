"""Faults that a replica shows on request. What is asked for is a frozen value; what is left of it is counted down.

Over HTTP, `POST /twin/faults` changes only the keys that it gives, and `DELETE` heals everything but a death.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Requests = Annotated[int, Field(ge=1, description="how many coming requests it strikes")]


class _Fault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusedRequests(_Fault):
    """Coming requests are answered with an error status before any byte, as a dead engine core (500) does."""

    status: Literal[500, 502, 503, 504, 429, 400, 401, 404] = 500
    requests: Requests = 1


class BrokenStreams(_Fault):
    """Coming answers end after `after_tokens`: `reset` drops the connection, `error` sends vLLM's error event."""

    manner: Literal["reset", "error"] = "reset"
    after_tokens: Annotated[int, Field(ge=0)] = 8
    requests: Requests = 1


class ReplicaFaults(_Fault):
    """The faults say everything that may be wrong with a replica at once.

    slow_down: factor on step times, in place of the one that the replica was started with.
    hang: requests are accepted, and no step ends.
    die: the port closes and every connection is reset, for good.
    """

    slow_down: Annotated[float, Field(gt=0, le=1000)] | None = None
    hang: bool | None = None
    die: bool | None = None
    refuse: RefusedRequests | None = None
    cut: BrokenStreams | None = None


class ReplicaFaultState:
    """This object holds the faults in force on one replica. Counted faults are spent one request at a time."""

    def __init__(self) -> None:
        self._refuse: RefusedRequests | None = None
        self._refusals_left = 0
        self._cut: BrokenStreams | None = None
        self._cuts_left = 0

    def apply(self, faults: ReplicaFaults) -> None:
        """Take over the counted faults that `faults` names."""
        if faults.refuse is not None:
            self._refuse, self._refusals_left = faults.refuse, faults.refuse.requests
        if faults.cut is not None:
            self._cut, self._cuts_left = faults.cut, faults.cut.requests

    def clear(self) -> None:
        """End the counted faults."""
        self._refusals_left = self._cuts_left = 0

    def spend_refusal(self) -> int | None:
        """Count one request, and return the status that strikes it, or None."""
        if self._refuse is None or self._refusals_left == 0:
            return None
        self._refusals_left -= 1
        return self._refuse.status

    def spend_cut(self) -> BrokenStreams | None:
        """Count one answer, and return how it will break, or None."""
        if self._cut is None or self._cuts_left == 0:
            return None
        self._cuts_left -= 1
        return self._cut
