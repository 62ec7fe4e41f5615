"""The order of a request: local pools by weight, then one other replica, then the route's chain of APIs.

This module knows the sequence only. `eligibility` says who may serve, `gate` which replica does, `spill` what an
outcome means; `forward` makes the call, and `relay` passes the bytes on after the commit. A leg either answers the
client or returns None; the triggers that it met are then on the exchange.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import aiohttp
from aiohttp import web

from gateway import pool_tls
from gateway.account import estimated_stream_usage, full_reserve
from gateway.choose import weighted_draw
from gateway.eligibility import EligibleBackends, admitted_band, eligible_backends, no_backend_fits
from gateway.exchange import Attempt, Exchange, monotonic_s
from gateway.forward import OpenStream, Patience, UpstreamAnswer, UpstreamCall, ask_stream, ask_whole, signal_of
from gateway.gate import Gate, GatedReplica, QueueFull
from gateway.metrics import Metrics
from gateway.policy import BandPolicy, Policy, RoutePolicy
from gateway.relay import answer_whole, relay_stream
from gateway.request import ChatRequest
from gateway.settings import GatewaySettings
from gateway.spill import Decision, Lost, NextStep, Origin, Trigger, before_commit, no_backend_left
from gateway.upstreams import ApiClient, replica_call

_log = logging.getLogger("spillway.gateway")


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """A turn holds what stays the same through all attempts of one request.

    eligible: the pools and APIs that may serve the request.
    chain: clients of the eligible APIs, in order; empty when no API may be asked.
    output_cap: tokens of output to allow, None for no cap.
    """

    http: web.Request
    exchange: Exchange
    request: ChatRequest
    route: RoutePolicy
    eligible: EligibleBackends
    chain: tuple[ApiClient, ...]
    output_cap: int | None
    drawn_pool: str | None
    """The pool that the band's weights drew; None where no pool may serve."""

    @property
    def overflow(self) -> Literal["refuse", "api"]:
        """Return the route's rule for inputs that a pool finds too long. Without a chain to take them, the rule is to
        refuse."""
        return self.route.overflow if self.chain else "refuse"


class Dispatcher:
    """The dispatcher serves requests that were read and judged, by one policy.

    chains: route -> API -> client, for routes that are not restricted.
    """

    def __init__(
        self,
        policy: Policy,
        settings: GatewaySettings,
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
        """Answer one request of a known route. Raises Refusal when nobody could answer it."""
        turn = self._turn(http, exchange, request)
        band = exchange.band
        assert band is not None
        reason = self._spills_at_once(turn, band)
        if reason is not None:
            exchange.triggers.append(reason)
            # The pools are what remains when the chain failed, so they are asked as if there were none.
            response = await self._chain_leg(turn) or await self._local_leg(replace(turn, chain=()))
        else:
            with self._metrics.demand_of(turn.drawn_pool):
                response = await self._local_leg(turn) or await self._chain_leg(turn)
        if response is None:
            raise no_backend_left(exchange.triggers, max(self._settings.retry_after_s, exchange.retry_after_s))
        return response

    def _turn(self, http: web.Request, exchange: Exchange, request: ChatRequest) -> _Turn:
        route = self._policy.routes[request.route]
        exchange.input_tokens = request.input_tokens(route.bytes_per_token)
        exchange.band = band = admitted_band(route, exchange.input_tokens)
        eligible = eligible_backends(self._policy, route, band, request)
        clients = self._chains.get(request.route, {})
        chain = tuple(clients[name] for name in eligible.chain)
        drawn_pool = weighted_draw(eligible.weights, self._rng) if eligible.weights else None
        return _Turn(
            http=http,
            exchange=exchange,
            request=request,
            route=route,
            eligible=eligible,
            chain=chain,
            output_cap=request.output_limit(route.max_output_tokens),
            drawn_pool=drawn_pool,
        )

    def _spills_at_once(self, turn: _Turn, band: BandPolicy) -> Trigger | None:
        """Say why the request goes to the chain first; None means that the local pools are asked. Raises Refusal if
        nobody fits."""
        local, chain = bool(turn.eligible.weights), bool(turn.chain)
        if not local and not chain:
            raise no_backend_fits(turn.eligible.exclusions)
        if not band.keeps_traffic_local:
            return Trigger.PLANNED
        if not local:
            if not turn.eligible.pools_lack_length_only:
                return Trigger.FIELD
            if turn.route.overflow == "refuse":
                raise no_backend_fits(turn.eligible.exclusions)
            return Trigger.LENGTH
        goes_to_api = chain and band.api_share > 0 and self._rng.random() < band.api_share
        return Trigger.PLANNED if goes_to_api else None

    async def _local_leg(self, turn: _Turn) -> web.StreamResponse | None:
        tried: list[GatedReplica] = []
        while turn.eligible.weights and len(tried) < self._settings.local_attempts:
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
            if result.step is not NextStep.OTHER_REPLICA:
                return None
        return None

    async def _place(self, turn: _Turn, tried: list[GatedReplica]) -> GatedReplica | None:
        """Take a place at a replica that was not tried yet. A request that has a chain does not wait for a place."""
        exchange, weights = turn.exchange, turn.eligible.weights
        if exchange.seconds_left() <= 0:
            exchange.triggers.append(Trigger.DEADLINE)
            return None
        if tried and not self._others(weights, tried):
            return None
        drawn_pool = None if tried else turn.drawn_pool
        if turn.chain:
            replica = self._gate.take(weights, tried, drawn_pool, turn.route.most_full)
        else:
            limit_s = min(turn.route.queue_ms / 1000, exchange.seconds_left())
            began_s = monotonic_s()
            try:
                replica = await self._gate.wait(
                    exchange.route_name, weights, limit_s, tried, drawn_pool, turn.route.most_full
                )
            except QueueFull:
                replica = None
            exchange.queued_s += monotonic_s() - began_s
        if replica is None:
            exchange.triggers.append(Trigger.GATE_FULL if self._others(weights, tried) else Trigger.NO_REPLICA)
        return replica

    def _others(self, weights: Mapping[str, float], tried: list[GatedReplica]) -> set[GatedReplica]:
        return {replica for pool in weights for replica in self._gate.replicas(pool)}.difference(tried)

    async def _try_replica(self, turn: _Turn, replica: GatedReplica) -> web.StreamResponse | Decision:
        pool = self._policy.pools[replica.pool]
        attempt = turn.exchange.open_attempt(f"pool/{replica.pool}", price=None)
        return await self._try(
            turn,
            Origin.LOCAL,
            self._local,
            attempt,
            replica_call(
                replica.url,
                turn.route.models.get(replica.pool, pool.model),
                turn.request,
                turn.output_cap,
                turn.http.headers,
                turn.exchange.request_id,
                turn.exchange.band.cut_to_tokens if turn.exchange.band else None,
                pool_tls.name_of(pool),
            ),
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
            reserved_tokens = self._tokens_reserved(turn)
            if not client.limiter.admit(reserved_tokens):
                exchange.triggers.append(Trigger.API_LIMIT)
                continue
            if exchange.spill_reason is None:
                exchange.spill_reason = exchange.triggers[0]
                self._metrics.count_spill(exchange, exchange.spill_reason)
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
                usage = attempt.usage
                # A stated cap stays as it was reserved, for providers count it so; an assumption gives way to facts.
                if turn.output_cap is None and usage is not None and not usage.estimated:
                    client.limiter.settle(reserved_tokens, usage.input_tokens + usage.output_tokens)
            if isinstance(result, web.StreamResponse):
                return result
        return None

    def _tokens_reserved(self, turn: _Turn) -> int:
        """Count what a request takes from an account's tokens per minute when it is sent."""
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
        call: UpstreamCall,
        patience: Patience,
        context_tokens: int,
    ) -> web.StreamResponse | Decision:
        """Make one attempt, and return its answer if it is the client's, else what to do next. Usage is recorded in
        every case."""
        reserve = full_reserve(turn.exchange.input_tokens, turn.output_cap, turn.request.choices, context_tokens)
        # Whatever happens from here on, the backend may have worked and may bill; what is learned replaces this.
        attempt.usage = estimated_stream_usage(turn.exchange.input_tokens, 0) if turn.request.stream else reserve
        try:
            ask = ask_stream if turn.request.stream else ask_whole
            outcome = await ask(session, call, patience, self._settings)
            del call  # the last reference to the body that was sent; a stream may live for minutes
            decision = before_commit(origin, signal_of(outcome), turn.overflow)
            if isinstance(outcome, UpstreamAnswer):
                attempt.status = outcome.status
            if _costs_nothing(outcome, decision):
                attempt.usage = None
            if decision.step is NextStep.ANSWER:
                turn.exchange.served_by = attempt.backend
                if isinstance(outcome, OpenStream):
                    attempt.status = 200
                    return await relay_stream(turn.http, turn.exchange, attempt, outcome, self._settings)
                assert isinstance(outcome, UpstreamAnswer)
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
            if decision.trigger is Trigger.SATURATED and origin is Origin.API and isinstance(outcome, UpstreamAnswer):
                asked_s = min(_seconds(outcome.retry_after), self._settings.retry_after_most_s)
                turn.exchange.retry_after_s = max(turn.exchange.retry_after_s, asked_s)
            return decision
        finally:
            attempt.ended_s = monotonic_s()


def _costs_nothing(outcome: UpstreamAnswer | OpenStream | Lost, decision: Decision) -> bool:
    """Tell whether the backend did no work that it could bill: there was no connection, or its answer was an error."""
    if isinstance(outcome, Lost):
        return outcome.trigger is Trigger.CONNECT
    if isinstance(outcome, UpstreamAnswer) and outcome.status != 200:
        return True
    return decision.trigger is Trigger.ERROR_EVENT


def _seconds(retry_after: str | None) -> float:
    """Read a `Retry-After` header in seconds; a missing one, and one that is a date, count as 0."""
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else 0.0
