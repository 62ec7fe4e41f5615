"""Every row of the decision table."""

import pytest

from gateway.spill import (
    Decision,
    FirstEvent,
    Lost,
    NextStep,
    Origin,
    Status,
    StreamEnd,
    Trigger,
    before_commit,
    closing_event,
    no_backend_left,
)

ANSWER = Decision(NextStep.ANSWER)
BOTH = (Origin.LOCAL, Origin.API)

# origin -> where a failure that may pass moves the request
ELSEWHERE = {Origin.LOCAL: NextStep.OTHER_REPLICA, Origin.API: NextStep.NEXT}

ROWS = [
    # signal, trigger; the step is ELSEWHERE for both origins
    (Lost(Trigger.CONNECT), Trigger.CONNECT),
    (Lost(Trigger.RESET), Trigger.RESET),
    (Lost(Trigger.BAD_ANSWER), Trigger.BAD_ANSWER),
    (Lost(Trigger.API_LIMIT), Trigger.API_LIMIT),
    (FirstEvent(error_code=0), Trigger.ERROR_EVENT),
    (FirstEvent(error_code=500), Trigger.ERROR_EVENT),
    (FirstEvent(error_code=503), Trigger.ERROR_EVENT),
    (FirstEvent(error_code=429), Trigger.ERROR_EVENT),
    (FirstEvent(error_code=404), Trigger.ERROR_EVENT),
    (Status(500), Trigger.SERVER_ERROR),
    (Status(501), Trigger.SERVER_ERROR),
    (Status(502), Trigger.SERVER_ERROR),
    (Status(504), Trigger.SERVER_ERROR),
    (Status(529), Trigger.SERVER_ERROR),
    (Status(429), Trigger.SATURATED),
    (Status(503), Trigger.SATURATED),
    (Status(401), Trigger.MISCONFIGURED),
    (Status(402), Trigger.MISCONFIGURED),
    (Status(403), Trigger.MISCONFIGURED),
    (Status(404), Trigger.MISCONFIGURED),
    (Status(405), Trigger.MISCONFIGURED),
    (Status(415), Trigger.MISCONFIGURED),
    (Status(301), Trigger.MISCONFIGURED),
    (Status(307), Trigger.MISCONFIGURED),
    (Status(204), Trigger.BAD_ANSWER),
]


@pytest.mark.parametrize("origin", BOTH)
@pytest.mark.parametrize("overflow", ["refuse", "api"])
@pytest.mark.parametrize(("signal", "trigger"), ROWS)
def test_failures_move_the_request_on(origin: Origin, overflow, signal, trigger: Trigger) -> None:  # type: ignore[no-untyped-def]
    assert before_commit(origin, signal, overflow) == Decision(ELSEWHERE[origin], trigger)


@pytest.mark.parametrize("origin", BOTH)
@pytest.mark.parametrize("overflow", ["refuse", "api"])
@pytest.mark.parametrize(
    "signal",
    [
        Status(200),
        FirstEvent(),
        Status(400),
        Status(413),
        Status(422),
        Status(422, too_long=True),
        FirstEvent(error_code=400),
        FirstEvent(error_code=413),
        FirstEvent(error_code=422),
    ],
)
def test_good_answers_and_the_clients_mistakes_are_the_answer(origin: Origin, overflow, signal) -> None:  # type: ignore[no-untyped-def]
    assert before_commit(origin, signal, overflow) == ANSWER


@pytest.mark.parametrize("origin", BOTH)
def test_a_slow_first_event_never_waits_at_a_second_replica(origin: Origin) -> None:
    assert before_commit(origin, Lost(Trigger.SLOW), "refuse") == Decision(NextStep.NEXT, Trigger.SLOW)


@pytest.mark.parametrize("origin", BOTH)
def test_the_deadline_ends_everything(origin: Origin) -> None:
    assert before_commit(origin, Lost(Trigger.DEADLINE), "api") == Decision(NextStep.GIVE_UP, Trigger.DEADLINE)


@pytest.mark.parametrize(
    ("origin", "overflow", "expected"),
    [
        (Origin.LOCAL, "api", Decision(NextStep.NEXT, Trigger.LENGTH)),
        (Origin.LOCAL, "refuse", ANSWER),
        (Origin.API, "api", ANSWER),
        (Origin.API, "refuse", ANSWER),
    ],
)
def test_a_context_length_400_spills_only_from_a_pool_and_by_overflow(origin: Origin, overflow, expected) -> None:  # type: ignore[no-untyped-def]
    assert before_commit(origin, Status(400, too_long=True), overflow) == expected


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (StreamEnd.DONE, None),
        (StreamEnd.ERROR_EVENT, None),
        (StreamEnd.CUT, "stream_cut"),
        (StreamEnd.BAD_EVENT, "stream_cut"),
        (StreamEnd.IDLE, "stream_stalled"),
    ],
)
def test_a_committed_stream_ends_with_an_error_event_unless_it_ended_itself(end: StreamEnd, code: str | None) -> None:
    closing = closing_event(end)
    assert (closing.code if closing else None) == code
    if closing:
        assert closing.event().startswith(b'data: {"error": ')
        assert closing.event().endswith(b"\n\n")


@pytest.mark.parametrize(
    ("triggers", "status", "code", "retry_after_s"),
    [
        ([Trigger.CONNECT, Trigger.DEADLINE], 504, "deadline_exceeded", None),
        ([Trigger.SATURATED, Trigger.DEADLINE], 504, "deadline_exceeded", None),
        ([Trigger.GATE_FULL], 503, "overloaded", 3),
        ([Trigger.NO_REPLICA], 503, "overloaded", 3),
        ([Trigger.SATURATED, Trigger.SERVER_ERROR], 503, "overloaded", 3),
        ([Trigger.SERVER_ERROR, Trigger.API_LIMIT], 503, "overloaded", 3),
        ([Trigger.SLOW, Trigger.SERVER_ERROR], 504, "first_event_late", None),
        ([Trigger.CONNECT, Trigger.MISCONFIGURED], 502, "no_backend", 3),
        ([Trigger.ERROR_EVENT], 502, "no_backend", 3),
    ],
)
def test_what_the_client_reads_when_nobody_served(
    triggers: list[Trigger], status: int, code: str, retry_after_s: float | None
) -> None:
    refusal = no_backend_left(triggers, 3)
    assert (refusal.status, refusal.code, refusal.retry_after_s) == (status, code, retry_after_s)


def test_every_trigger_that_a_signal_may_carry_has_a_row() -> None:
    before_any_attempt = {Trigger.PLANNED, Trigger.FIELD, Trigger.NO_REPLICA, Trigger.GATE_FULL}
    shown = {trigger for _, trigger in ROWS} | {Trigger.SLOW, Trigger.DEADLINE, Trigger.LENGTH}
    assert shown == set(Trigger) - before_any_attempt
