"""The schedule: every arrival is sent at `arrival ÷ speed` after the start, whatever became of those before it.

Outcomes are given back scaled to real time: a wall millisecond at ten-fold speed counts as ten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from twin.replay.exchange import BrokenAnswer, Connection, TimedAnswer
from twin.replay.workload import ReplayWorkload, request_body

SERVED_BY = "x-spillway-served-by"
SPILL_REASON = "x-spillway-spill-reason"


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """An outcome tells what became of one request. Times are real milliseconds.

    arrival_ms, ended_ms: times since the start of the replay.
    lag_ms: how late the request left.
    status: HTTP status, 0 for no answer.
    ok: whether the answer was whole and without an error.
    ttft_ms, e2e_ms: times since the send, None if it did not come so far.
    tokens: tokens of the answer, None where it stated no usage.
    problem: why `ok` is false, in short.
    """

    route: str
    arrival_ms: float
    lag_ms: float
    status: int
    ok: bool
    ttft_ms: float | None
    e2e_ms: float | None
    ended_ms: float
    input_tokens: int
    tokens: int | None
    served_by: str
    spill_reason: str
    problem: str


@dataclass(frozen=True)
class Target:
    """The target is where requests go.

    url: the gateway's root URL.
    """

    url: str

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port. Raises ValueError for a URL of another form."""
        parts = urlsplit(self.url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{self.url!r} is not http://HOST:PORT")
        return parts.hostname, parts.port or 80

    def head(self, body: bytes) -> bytes:
        """Return the head of the request that carries `body`."""
        host, port = self.address
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()


async def replay(
    workload: ReplayWorkload, target: Target, speed: float, drain_s: float, on_start: Callable[[], None] = lambda: None
) -> list[ReplayOutcome]:
    """Send the whole workload and wait for the answers, at most `drain_s` real seconds after the last arrival.

    Outcomes come in the order of arrivals. What had not ended by then has status 0 and the problem `unfinished`.
    """
    loop = asyncio.get_running_loop()
    sender = _Sender(target, speed)
    # Bodies are made before the clock starts, so that making them cannot delay a send.
    bodies = [
        request_body(route, workload.routes[route], index, input_tokens, output_tokens)
        for index, (_, route, input_tokens, output_tokens) in enumerate(workload.arrivals)
    ]
    on_start()
    start_s = time.monotonic()
    tasks: list[asyncio.Task[ReplayOutcome]] = []
    for (arrival_ms, route, input_tokens, _), body in zip(workload.arrivals, bodies, strict=True):
        due_s = start_s + arrival_ms / 1000.0 / speed
        if (wait_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(loop.create_task(sender.send(route, arrival_ms, due_s, input_tokens, body)))
    await asyncio.wait(tasks, timeout=drain_s / speed)
    given_up_ms = (time.monotonic() - start_s) * 1000.0 * speed
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    sender.close()
    outcomes: list[ReplayOutcome] = []
    for outcome, (arrival_ms, route, input_tokens, _) in zip(results, workload.arrivals, strict=True):
        if isinstance(outcome, ReplayOutcome):
            outcomes.append(outcome)
        elif isinstance(outcome, asyncio.CancelledError):
            outcomes.append(_unfinished_outcome(route, arrival_ms, given_up_ms, input_tokens))
        else:
            raise outcome
    return outcomes


def _unfinished_outcome(route: str, arrival_ms: float, given_up_ms: float, input_tokens: int) -> ReplayOutcome:
    return ReplayOutcome(
        route=route,
        arrival_ms=arrival_ms,
        lag_ms=0.0,
        status=0,
        ok=False,
        ttft_ms=None,
        e2e_ms=None,
        ended_ms=given_up_ms,
        input_tokens=input_tokens,
        tokens=None,
        served_by="",
        spill_reason="",
        problem="unfinished",
    )


class _Sender:
    def __init__(self, target: Target, speed: float) -> None:
        self._target = target
        self._scale = 1000.0 * speed
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._loop = asyncio.get_running_loop()

    async def send(self, route: str, arrival_ms: float, due_s: float, input_tokens: int, body: bytes) -> ReplayOutcome:
        sent_s = time.monotonic()
        answer, problem = TimedAnswer(), ""
        try:
            connection = await self._connection()
        except OSError as error:
            problem = f"cannot connect: {error.strerror or error}"
        else:
            try:
                answer = await connection.post(self._target.head(body), body)
            except BrokenAnswer as broken:
                problem, answer = broken.args
            finally:
                self._give_back(connection)
        ok = answer.whole and not problem
        if not ok and not problem:
            problem = answer.tail[:300].decode("utf-8", "replace").strip()
        return ReplayOutcome(
            route=route,
            arrival_ms=arrival_ms,
            lag_ms=(sent_s - due_s) * self._scale,
            status=answer.status,
            ok=ok,
            ttft_ms=None if answer.first_event_s is None else (answer.first_event_s - sent_s) * self._scale,
            e2e_ms=None if answer.last_byte_s is None else (answer.last_byte_s - sent_s) * self._scale,
            ended_ms=arrival_ms + (time.monotonic() - due_s) * self._scale,
            input_tokens=input_tokens,
            tokens=answer.completion_tokens,
            served_by=answer.headers.get(SERVED_BY, ""),
            spill_reason=answer.headers.get(SPILL_REASON, ""),
            problem=problem,
        )

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            self._all.discard(connection)
        _, connection = await self._loop.create_connection(Connection, *self._target.address)
        self._all.add(connection)
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.reusable and connection.at_rest:
            self._idle.append(connection)
        else:
            connection.close()
            self._all.discard(connection)
