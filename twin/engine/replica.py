"""One replica on the wall clock: the pure scheduler, woken when it asks, and a stream of tokens for every request.

    virtual time = (wall time − start) · speed

It is always taken from the start, so that late timers never add up. uvloop's timers count whole milliseconds and round,
so a token leaves up to half a wall millisecond early or late. A busy machine adds lag, which is measured
(`ReplicaMetrics.timer_lag`). Lateness shifts a token, never the schedule: the scheduler then runs every step that
should have ended by then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from twin.engine.clock import EngineClock
from twin.engine.faults import ReplicaFaults, ReplicaFaultState
from twin.engine.metrics import ReplicaMetrics
from twin.engine.scheduler import Emission, Rejection, Scheduler, Sequence


class ReplicaQueueFull(Exception):
    """A queue limit turned the request away. vLLM answers 503 before any byte."""

    def __init__(self, rejection: Rejection, limit: int) -> None:
        self.rejection = rejection
        super().__init__(f"The server is overloaded: {rejection.value} of {limit} is reached. Please retry later.")


class Ticket:
    """A ticket is a request inside a replica. Iterate it for its emissions, and `leave` when the client has gone."""

    def __init__(self, replica: EngineReplica, sequence: Sequence) -> None:
        self.sequence = sequence
        self._replica = replica
        self._arrived: list[Emission] = []
        self._waiter: asyncio.Future[None] | None = None

    async def __aiter__(self) -> AsyncIterator[Emission]:
        finished = False
        while not finished:
            if not self._arrived:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            arrived, self._arrived = self._arrived, []
            for emission in arrived:
                finished = emission.finished
                yield emission

    def put(self, emission: Emission) -> None:
        """Hand over an emission to whoever iterates the ticket."""
        self._arrived.append(emission)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """Abort the request if it has not finished."""
        self._replica.abort(self)


class EngineReplica:
    """A replica is a vLLM engine at `speed` times real time.

    slow_down: factor on every step's time of the clock file.
    stream_interval: vLLM's own setting, the tokens gathered into one emission after the first token, which leaves at
        once.
    """

    def __init__(
        self, clock: EngineClock, speed: float = 1.0, slow_down: float = 1.0, stream_interval: int = 1
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.stream_interval = stream_interval
        self.scheduler = Scheduler(clock, slow_down)
        self.metrics = ReplicaMetrics(clock.model, self.scheduler)
        self.faults = ReplicaFaultState()
        self.hanging = False
        self.on_death: Callable[[], None] = lambda: None
        self._planned_slow_down = slow_down
        self._loop = asyncio.get_running_loop()
        self._start_s = time.monotonic()
        self._frozen_ms = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tickets: dict[Sequence, Ticket] = {}

    @property
    def now_ms(self) -> float:
        """Return the virtual milliseconds since the replica started. They stand still while the replica hangs."""
        if self.hanging:
            return self._frozen_ms
        return (time.monotonic() - self._start_s) * 1000.0 * self.speed

    def submit(self, prompt_tokens: int, output_tokens: int, streamed: bool) -> Ticket:
        """Let a request in now. Raises ReplicaQueueFull when a queue limit turns it away."""
        self._catch_up()
        # A whole answer needs no emission between its first and last token.
        interval = self.stream_interval if streamed else max(1, output_tokens)
        outcome = self.scheduler.submit(prompt_tokens, output_tokens, self.now_ms, interval)
        if isinstance(outcome, Rejection):
            self.metrics.count_rejection(outcome)
            limits = {
                Rejection.QUEUED_REQUESTS: self.clock.max_num_queued_reqs,
                Rejection.QUEUED_TOKENS: self.clock.max_num_queued_tokens,
            }
            raise ReplicaQueueFull(outcome, limits[outcome] or 0)
        self.metrics.prompt_tokens.inc(prompt_tokens)
        ticket = self._tickets[outcome] = Ticket(self, outcome)
        self._set_timer()
        return ticket

    def abort(self, ticket: Ticket) -> None:
        """Take a request out, unless it has finished."""
        if self._tickets.pop(ticket.sequence, None) is None:
            return
        self._catch_up()
        if not ticket.sequence.gone:
            self.scheduler.cancel(ticket.sequence)
            self.metrics.count_finish(ticket.sequence, "abort")
        self._set_timer()

    def strike(self, faults: ReplicaFaults) -> None:
        """Make these faults true from now on."""
        self._catch_up()
        self.faults.apply(faults)
        if faults.slow_down is not None:
            self.scheduler.slow_down = faults.slow_down
        if faults.hang is True and not self.hanging:
            self._frozen_ms, self.hanging = self.now_ms, True
        elif faults.hang is False:
            self._wake_up()
        if faults.die:
            self.on_death()
        self._set_timer()

    def heal(self) -> None:
        """End every fault but a death. A hang resumes where it stopped."""
        self.faults.clear()
        self.scheduler.slow_down = self._planned_slow_down
        self._wake_up()
        self._set_timer()

    def _wake_up(self) -> None:
        if self.hanging:
            self.hanging = False
            self._start_s = time.monotonic() - self._frozen_ms / (1000.0 * self.speed)

    def _catch_up(self, at_least_ms: float = 0.0) -> None:
        now_ms = self.now_ms
        emissions = self.scheduler.advance(max(now_ms, at_least_ms))
        if emissions:
            self.metrics.timer_lag.observe(max(0.0, now_ms - emissions[0].at_ms) / (1000.0 * self.speed))
        for emission in emissions:
            ticket = self._tickets.get(emission.sequence)
            if ticket is None:
                continue
            if emission.finished:
                del self._tickets[emission.sequence]
            ticket.put(emission)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_ms = self.scheduler.next_ms()
        if next_ms is not None and not self.hanging:
            delay_s = (next_ms - self.now_ms) / (1000.0 * self.speed)
            self._timer = self._loop.call_later(max(0.0, delay_s), self._tick, next_ms)

    def _tick(self, due_ms: float) -> None:
        self._timer = None
        self._catch_up(due_ms)
        self._set_timer()
