"""What an attempt's outcome means: the decision table of spilling.

These are the rules of the spillway, and they are pure: signals go in, steps come out. Until a byte is committed to the
client, a failure of a backend moves the request on, to one other local replica and then to the route's chain. A mistake
of the client goes back to the client; a mistake of ours at a backend is never shown. After a committed byte nothing
moves: the stream ends well, or it ends with an error event. This module opens no connection and does not know which
    backend is next.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from gateway.errors import Refusal


class Origin(StrEnum):
    """The origin says where an attempt went."""

    LOCAL = "pool"
    API = "api"


class Trigger(StrEnum):
    """A trigger says why a request left, or passed over, the place it was meant for.

    Its value is also that of the header `x-spillway-spill-reason`.
    """

    PLANNED = "planned"
    """The band plans an API share, or the route has no local pool."""
    FIELD = "field"
    """No local pool supports a field of the request."""
    LENGTH = "length"
    """The request is too long for the local pools, and the route's overflow is `api`."""
    NO_REPLICA = "no_replica"
    """The band's pools have no replica."""
    GATE_FULL = "gate_full"
    """Every replica of the band's pools holds as many requests as it may."""
    CONNECT = "connect"
    """No connection could be made."""
    RESET = "reset"
    """The connection broke before an answer."""
    SERVER_ERROR = "server_error"
    """The answer was a 5xx other than 503."""
    SATURATED = "saturated"
    """The answer was 429 or 503: the engine's own gate has the last word."""
    ERROR_EVENT = "error_event"
    """The first event of a stream was an error."""
    SLOW = "slow_first_event"
    """No first event came in time."""
    BAD_ANSWER = "bad_answer"
    """The answer was none: it had no event, was no JSON, or was too large."""
    MISCONFIGURED = "misconfigured"
    """The answer was 401 to 404, a redirect, or any other 4xx: the fault is ours, not the client's."""
    API_LIMIT = "api_limit"
    """The account's requests or tokens per minute at this API are used up."""
    DEADLINE = "deadline"
    """The end-to-end deadline has passed."""


class NextStep(StrEnum):
    """The next step says what happens to the request now."""

    ANSWER = "answer"
    """The attempt's answer is the client's answer."""
    OTHER_REPLICA = "other_replica"
    """One other local replica is tried if there was none yet, else the chain."""
    NEXT = "next"
    """The next backend of the chain is tried."""
    GIVE_UP = "give_up"
    """No time is left for anybody."""


@dataclass(frozen=True)
class Status:
    """A backend answered with this HTTP status.

    too_long: true for a 400 that speaks of the context length.
    """

    code: int
    too_long: bool = False


@dataclass(frozen=True)
class FirstEvent:
    """The first event of a stream is here.

    error_code: None for a good event, else the HTTP status that it claims; 0 if it claims none.
    """

    error_code: int | None = None


@dataclass(frozen=True)
class Lost:
    """No answer came, and `trigger` says why."""

    trigger: Literal[
        Trigger.CONNECT, Trigger.RESET, Trigger.SLOW, Trigger.BAD_ANSWER, Trigger.DEADLINE, Trigger.API_LIMIT
    ]


Signal = Status | FirstEvent | Lost


@dataclass(frozen=True)
class Decision:
    """A decision is the next step, with the trigger if the request moves on."""

    step: NextStep
    trigger: Trigger | None = None


CLIENT_MISTAKES = frozenset({400, 413, 422})


def before_commit(origin: Origin, signal: Signal, overflow: Literal["refuse", "api"]) -> Decision:
    """Decide what a signal means while the client has not seen a byte. `overflow` is the route's."""
    elsewhere = NextStep.OTHER_REPLICA if origin is Origin.LOCAL else NextStep.NEXT
    match signal:
        case Lost(trigger=Trigger.DEADLINE):
            return Decision(NextStep.GIVE_UP, Trigger.DEADLINE)
        case Lost(trigger=Trigger.SLOW):
            # The first-event budget is spent: a second local wait would spend it again.
            return Decision(NextStep.NEXT, Trigger.SLOW)
        case Lost(trigger=trigger):
            return Decision(elsewhere, trigger)
        case FirstEvent(error_code=None) | Status(code=200):
            return Decision(NextStep.ANSWER)
        case FirstEvent(error_code=code) if code in CLIENT_MISTAKES:
            return Decision(NextStep.ANSWER)
        case FirstEvent():
            return Decision(elsewhere, Trigger.ERROR_EVENT)
        case Status(code=400, too_long=True) if origin is Origin.LOCAL and overflow == "api":
            return Decision(NextStep.NEXT, Trigger.LENGTH)
        case Status(code=code) if code in CLIENT_MISTAKES:
            return Decision(NextStep.ANSWER)
        case Status(code=429 | 503):
            return Decision(elsewhere, Trigger.SATURATED)
        case Status(code=code) if code >= 500:
            return Decision(elsewhere, Trigger.SERVER_ERROR)
        case Status(code=code) if 200 < code < 300:
            return Decision(elsewhere, Trigger.BAD_ANSWER)
        case _:
            return Decision(elsewhere, Trigger.MISCONFIGURED)


class StreamEnd(StrEnum):
    """The end of a committed stream says how it stopped."""

    DONE = "done"
    """`[DONE]` came, and no error event before it."""
    ERROR_EVENT = "error_event"
    """The backend itself sent an error event."""
    CUT = "cut"
    """The connection ended or broke without `[DONE]`."""
    IDLE = "idle"
    """The silence exceeded the limit."""
    BAD_EVENT = "bad_event"
    """An event exceeded the size limit."""


def closing_event(end: StreamEnd) -> Refusal | None:
    """Return the error event to add to a committed stream.

    The answer is None if the stream ended well, or if the backend's own error was passed on.
    """
    match end:
        case StreamEnd.DONE | StreamEnd.ERROR_EVENT:
            return None
        case StreamEnd.IDLE:
            return Refusal(504, "stream_stalled", "the backend went silent; the answer is incomplete")
        case StreamEnd.CUT | StreamEnd.BAD_EVENT:
            return Refusal(502, "stream_cut", "the backend broke off; the answer is incomplete")


_MAY_PASS_SOON = frozenset({Trigger.SATURATED, Trigger.GATE_FULL, Trigger.NO_REPLICA, Trigger.API_LIMIT})


def no_backend_left(triggers: Collection[Trigger], retry_after_s: float) -> Refusal:
    """Build the answer for a request that nobody served before a byte was committed. It quotes no backend."""
    if Trigger.DEADLINE in triggers:
        return Refusal(504, "deadline_exceeded", "no backend answered before the route's deadline")
    if _MAY_PASS_SOON.intersection(triggers):
        message = "every backend of this route is at its limit; try again"
        return Refusal(503, "overloaded", message, retry_after_s=retry_after_s)
    if Trigger.SLOW in triggers:
        return Refusal(504, "first_event_late", "no backend of this route answered in time")
    return Refusal(502, "no_backend", "no backend of this route could answer", retry_after_s=retry_after_s)
