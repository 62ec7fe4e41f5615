"""The order of a request: local pools by weight, one other replica, then the route's chain.

It stands for the sequence only. Who may serve is `eligibility`, which replica is `gate`, what an outcome means is
`spill`, the call itself is `forward`, the bytes after the commit are `relay`. A leg answers the client or returns None,
and the triggers that it met are on the exchange.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import aiohttp
from aiohttp import web

from gateway.account import estimated_stream_usage, full_reserve
from gateway.choose import weighted
from gateway.eligibility import Fit, fit, nobody_fits
from gateway.exchange import Attempt, Clock, Exchange
from gateway.forward import Answer, Call, OpenStream, Patience, ask_stream, ask_whole, signal_of
from gateway.gate import Gate, QueueFull, Replica
from gateway.metrics import Metrics
from gateway.policy import Band, Policy, Route
from gateway.relay import answer_whole, relay_stream
from gateway.request import ChatRequest
from gateway.settings import Settings
from gateway.spill import Decision, Lost, Origin, Step, Trigger, before_commit, exhausted
from gateway.upstreams import ApiClient, replica_call

_log = logging.getLogger("spillway.gateway")


@dataclass(frozen=True)
class _Turn:
    """What stays the same through all attempts of one request."""

    http: web.Request
    exchange: Exchange
    request: ChatRequest
    route: Route
    fit: Fit
    chain: tuple[ApiClient, ...]
    output_cap: int | None
    wanted: str | None
    """The pool that the band's weights drew; None where no pool may serve."""

    @property
    def overflow(self) -> Literal["refuse", "api"]:
        """The route's rule for inputs that a pool finds too long, as far as there is a chain to take them."""
        return self.route.overflow if self.chain else "refuse"


class Dispatcher:
    """Serves judged requests of one policy. `chains` holds API clients of unrestricted routes only."""

    def __init__(
        self,
        policy: Policy,
        settings: Settings,
        gate: Gate,
        local: aiohttp.ClientSession,
        chains: Mapping[str, Mapping[str, ApiClient]],
        metrics: Metrics,
        rng: random.Random,
    ) -> None:
        self._policy = policy
        self._settings = settings
        self._gate = gate
        self._local = local
        self._chains = chains
        self._metrics = metrics
        self._rng = rng

    async def serve(self, http: web.Request, exchange: Exchange, request: ChatRequest) -> web.StreamResponse:
        """Answer one request of a known route. Raises Refusal when nobody could."""
        turn = self._turn(http, exchange, request)
        band = exchange.band
        assert band is not None
        reason = self._spills_at_once(turn, band)
        if reason is not None:
            exchange.triggers.append(reason)
            # The pools are what remains when the chain failed, so they are asked as if there were none.
            answered = await self._chain_leg(turn) or await self._local_leg(replace(turn, chain=()))
        else:
            with self._metrics.demanding(turn.wanted):
                answered = await self._local_leg(turn) or await self._chain_leg(turn)
        if answered is None:
            raise exhausted(exchange.triggers, max(self._settings.retry_after_s, exchange.retry_after_s))
        return answered

    def _turn(self, http: web.Request, exchange: Exchange, request: ChatRequest) -> _Turn:
        route = self._policy.routes[request.route]
        exchange.input_tokens = request.input_tokens(route.bytes_per_token)
        exchange.band = band = route.bands[route.band_index_of(exchange.input_tokens)]
        fitting = fit(self._policy, route, band, request)
        clients = self._chains.get(request.route, {})
        chain = tuple(clients[name] for name in fitting.chain)
        wanted = weighted(fitting.weights, self._rng) if fitting.weights else None
        return _Turn(http, exchange, request, route, fitting, chain, request.capped(route.max_output_tokens), wanted)

    def _spills_at_once(self, turn: _Turn, band: Band) -> Trigger | None:
        """Why the request goes to the chain first, or None for the local pools. Raises Refusal if nobody fits."""
        local, chain = bool(turn.fit.weights), bool(turn.chain)
        if not local and not chain:
            raise nobody_fits(turn.fit.unfit)
        if not band.keeps_traffic_local:
            return Trigger.PLANNED
        if not local:
            if not turn.fit.pools_lack_length_only:
                return Trigger.FIELD
            if turn.route.overflow == "refuse":
                raise nobody_fits(turn.fit.unfit)
            return Trigger.LENGTH
        planned = chain and band.api_share > 0 and self._rng.random() < band.api_share
        return Trigger.PLANNED if planned else None

    async def _local_leg(self, turn: _Turn) -> web.StreamResponse | None:
        tried: list[Replica] = []
        while turn.fit.weights and len(tried) < self._settings.local_attempts:
            replica = await self._place(turn, tried)
            if replica is None:
                return None
            tried.append(replica)
            try:
                result = await self._try_replica(turn, replica)
            finally:
                self._gate.give_back(replica)
            if isinstance(result, web.StreamResponse):
                return result
            if result.trigger is Trigger.CONNECT:
                self._gate.cool(replica, self._settings.replica_cooling_s)
            if result.step is not Step.OTHER_REPLICA:
                return None
        return None

    async def _place(self, turn: _Turn, tried: list[Replica]) -> Replica | None:
        """A place at a replica that was not tried yet. Requests with a chain do not wait for one."""
        exchange, weights = turn.exchange, turn.fit.weights
        if exchange.seconds_left() <= 0:
            exchange.triggers.append(Trigger.DEADLINE)
            return None
        if tried and not self._others(weights, tried):
            return None
        wanted = None if tried else turn.wanted
        if turn.chain:
            replica = self._gate.take(weights, tried, wanted)
        else:
            limit_s = min(turn.route.queue_ms / 1000, exchange.seconds_left())
            began = Clock()
            try:
                replica = await self._gate.wait(exchange.route_name, weights, limit_s, tried, wanted)
            except QueueFull:
                replica = None
            exchange.queued_s += Clock() - began
        if replica is None:
            exchange.triggers.append(Trigger.GATE_FULL if self._others(weights, tried) else Trigger.NO_REPLICA)
        return replica

    def _others(self, weights: Mapping[str, float], tried: list[Replica]) -> set[Replica]:
        return {replica for pool in weights for replica in self._gate.replicas(pool)}.difference(tried)

    async def _try_replica(self, turn: _Turn, replica: Replica) -> web.StreamResponse | Decision:
        pool = self._policy.pools[replica.pool]
        attempt = turn.exchange.open_attempt(f"pool/{replica.pool}", price=None)
        return await self._try(
            turn,
            Origin.LOCAL,
            self._local,
            attempt,
            replica_call(replica.url, pool, turn.request, turn.output_cap, turn.http.headers, turn.exchange.request_id),
            self._patience(turn, self._local_limit_s(turn)),
            pool.max_model_len,
        )

    def _local_limit_s(self, turn: _Turn) -> float:
        # Without a chain a late answer is better than none; a whole answer that spilled late would be paid twice.
        return turn.route.spill_after_ms / 1000 if turn.chain and turn.request.stream else float("inf")

    async def _chain_leg(self, turn: _Turn) -> web.StreamResponse | None:
        exchange = turn.exchange
        for index, client in enumerate(turn.chain):
            if Trigger.DEADLINE in exchange.triggers:
                return None
            if exchange.seconds_left() <= 0:
                exchange.triggers.append(Trigger.DEADLINE)
                return None
            reserved = self._tokens_reserved(turn)
            if not client.limiter.admit(reserved):
                exchange.triggers.append(Trigger.API_LIMIT)
                continue
            if exchange.spill_reason is None:
                exchange.spill_reason = exchange.triggers[0]
                self._metrics.spilled(exchange, exchange.spill_reason)
            more_follow = index + 1 < len(turn.chain)
            limit_s = self._settings.api_first_event_s if more_follow and turn.request.stream else float("inf")
            attempt = exchange.open_attempt(f"api/{client.name}", client.api.usd_per_mtok)
            try:
                result = await self._try(
                    turn,
                    Origin.API,
                    client.session,
                    attempt,
                    client.call_for(turn.request, turn.output_cap, exchange.api_request_id),
                    self._patience(turn, limit_s),
                    client.api.context_tokens,
                )
            finally:
                used = attempt.usage
                # A stated cap stays as it was reserved, for providers count it so; an assumption gives way to facts.
                if turn.output_cap is None and used is not None and not used.estimated:
                    client.limiter.settle(reserved, used.input_tokens + used.output_tokens)
            if isinstance(result, web.StreamResponse):
                return result
        return None

    def _tokens_reserved(self, turn: _Turn) -> int:
        """What a request counts against an account's tokens per minute when it is sent."""
        output = self._settings.assumed_output_tokens if turn.output_cap is None else turn.output_cap
        return turn.exchange.input_tokens + turn.request.choices * output

    def _patience(self, turn: _Turn, limit_s: float) -> Patience:
        left_s = turn.exchange.seconds_left()
        return Patience(limit_s, Trigger.SLOW) if limit_s < left_s else Patience(left_s, Trigger.DEADLINE)

    async def _try(
        self,
        turn: _Turn,
        origin: Origin,
        session: aiohttp.ClientSession,
        attempt: Attempt,
        call: Call,
        patience: Patience,
        context_tokens: int,
    ) -> web.StreamResponse | Decision:
        """One attempt: its answer if it is the client's, else what to do next. Records usage in every case."""
        reserve = full_reserve(turn.exchange.input_tokens, turn.output_cap, turn.request.choices, context_tokens)
        # Whatever happens from here on, the backend may have worked and may bill; what is learned replaces this.
        attempt.usage = estimated_stream_usage(turn.exchange.input_tokens, 0) if turn.request.stream else reserve
        try:
            ask = ask_stream if turn.request.stream else ask_whole
            outcome = await ask(session, call, patience, self._settings)
            del call  # the last reference to the body that was sent; a stream may live for minutes
            decision = before_commit(origin, signal_of(outcome), turn.overflow)
            if isinstance(outcome, Answer):
                attempt.status = outcome.status
            if _costs_nothing(outcome, decision):
                attempt.usage = None
            if decision.step is Step.ANSWER:
                turn.exchange.served_by = attempt.backend
                if isinstance(outcome, OpenStream):
                    attempt.status = 200
                    return await relay_stream(turn.http, turn.exchange, attempt, outcome, self._settings)
                assert isinstance(outcome, Answer)
                return answer_whole(turn.exchange, attempt, outcome, reserve)
            if isinstance(outcome, OpenStream):
                outcome.close()
            assert decision.trigger is not None
            attempt.outcome = decision.trigger.value
            turn.exchange.triggers.append(decision.trigger)
            if decision.trigger is Trigger.MISCONFIGURED:
                _log.error(
                    "backend %s refuses us (status %s): check its key, model and address",
                    attempt.backend,
                    attempt.status,
                )
            if decision.trigger is Trigger.SATURATED and origin is Origin.API and isinstance(outcome, Answer):
                asked_s = min(_seconds(outcome.retry_after), self._settings.retry_after_most_s)
                turn.exchange.retry_after_s = max(turn.exchange.retry_after_s, asked_s)
            return decision
        finally:
            attempt.ended = Clock()


def _costs_nothing(outcome: Answer | OpenStream | Lost, decision: Decision) -> bool:
    """Whether the backend did no work that it could bill: no connection, or an error as its answer."""
    if isinstance(outcome, Lost):
        return outcome.trigger is Trigger.CONNECT
    if isinstance(outcome, Answer) and outcome.status != 200:
        return True
    return decision.trigger is Trigger.ERROR_EVENT


def _seconds(retry_after: str | None) -> float:
    """`Retry-After` in seconds; 0 for none and for a date."""
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else 0.0
