"""The gateway's figures for Prometheus.

An operator and the scaler read them: requests and attempts by outcome, spills by reason, demand per pool, tokens,
dollars and times. Labels are names of the policy and words of the decision table, so their number is bounded; an
unknown route counts as `-`. Restricted and other routes differ by the label `route` only.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.account import NANO_PER_USD, Usage
from gateway.exchange import Attempt, Exchange
from gateway.gate import Gate
from gateway.policy import Policy

_TTFT_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 40, 80)
_E2E_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
_OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)


_Metric = TypeVar("_Metric", Counter, Histogram)


class Metrics:
    """The metrics are the counters of one gateway, in a registry of its own."""

    def __init__(self, policy: Policy, digest: str, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self.demand: Tally[str] = Tally()
        """Pool -> requests in the gateway whose first draw was that pool, wherever they wait or are served."""

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"spillway_{name}", what, labels, registry=self.registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"spillway_{name}", what, labels, buckets=buckets, registry=self.registry)

        self._requests = counter("requests", "Requests by what became of them.", "route", "backend", "outcome")
        self._attempts = counter("attempts", "Calls of backends by outcome.", "route", "backend", "outcome")
        self._spills = counter("spill", "Requests sent to an API instead of a local pool.", "route", "reason")
        self._tokens = counter("tokens", "Tokens by backend and kind.", "route", "backend", "kind")
        self._estimates = counter("estimated_usage", "Attempts whose usage is our estimate.", "route", "backend")
        self._usd = counter("usd", "Dollars owed to APIs.", "route", "backend")
        self._ttft = histogram("ttft_seconds", "Arrival to first event of a stream.", _TTFT_SECONDS, "route", "backend")
        self._late = counter("late", "Streams whose first event came after its promise.", "route", "backend")
        _begin_at_zero(self._late, policy)
        self._e2e = histogram("e2e_seconds", "Arrival to last byte of an answer.", _E2E_SECONDS, "route", "backend")
        self._overhead = histogram("overhead_seconds", "The gateway's own time before a call.", _OVERHEAD_SECONDS)
        self._children: dict[Any, Any] = {}
        build = Gauge("spillway_policy", "1 for the policy in force.", ("digest", "lock"), registry=self.registry)
        build.labels(digest, policy.lock_digest).set(1)
        self.registry.register(_GateCollector(policy, gate, self.demand))

    @contextmanager
    def demand_of(self, pool: str | None) -> Iterator[None]:
        """Count a request as demand of `pool` while it is in the gateway."""
        if pool is not None:
            self.demand[pool] += 1
        try:
            yield
        finally:
            if pool is not None:
                self.demand[pool] -= 1

    def count_spill(self, exchange: Exchange, reason: str) -> None:
        """Count a request that is on its way to an API for the first time."""
        self._spills.labels(exchange.route_name, reason).inc()

    def count_request(self, exchange: Exchange) -> None:
        """Count a request whose last byte is out."""
        route, backend = exchange.route_name, exchange.served_by or "-"
        self._child(self._requests, route, backend, exchange.outcome).inc()
        for attempt in exchange.attempts:
            self._child(self._attempts, route, attempt.backend, attempt.outcome).inc()
            if attempt.usage is not None:
                self._count_usage(route, attempt, attempt.usage)
        overhead = exchange.overhead_s()
        if overhead is not None:
            self._overhead.observe(overhead)
        if exchange.outcome == "ok" and exchange.ended_s is not None:
            self._child(self._e2e, route, backend).observe(exchange.ended_s - exchange.started_s)
        if exchange.request is not None and exchange.request.stream and exchange.first_byte_s is not None:
            self._child(self._ttft, route, backend).observe(exchange.first_byte_s - exchange.started_s)
            if exchange.first_token_is_late():
                self._child(self._late, route, backend).inc()

    def _count_usage(self, route: str, attempt: Attempt, usage: Usage) -> None:
        backend = attempt.backend
        self._child(self._tokens, route, backend, "input").inc(usage.input_tokens - usage.cached_tokens)
        self._child(self._tokens, route, backend, "output").inc(usage.output_tokens)
        if usage.cached_tokens:
            self._child(self._tokens, route, backend, "cached_input").inc(usage.cached_tokens)
        if usage.estimated:
            self._child(self._estimates, route, backend).inc()
        if attempt.price is not None:
            self._child(self._usd, route, backend).inc(attempt.nano_usd / NANO_PER_USD)

    def _child(self, metric: _Metric, *labels: str) -> _Metric:
        """Return `metric.labels(*labels)`, and remember it: the library takes a lock and builds a key each time."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def render(self) -> bytes:
        """Return the figures in Prometheus's text format."""
        return generate_latest(self.registry)


def _begin_at_zero(late: Counter, policy: Policy) -> None:
    """Make a series for each backend of each route with a promise: a rate would miss a late stream that begins one."""
    for name, route in policy.routes.items():
        if route.first_token is not None:
            for pool in sorted({pool for band in route.bands for pool in band.weights}):
                late.labels(name, f"pool/{pool}")
            for api in route.fallback:
                late.labels(name, f"api/{api}")


class _GateCollector(Collector):
    """The collector reads the gate when Prometheus asks, so that requests pay nothing for it."""

    def __init__(self, policy: Policy, gate: Gate, demand: Tally[str]) -> None:
        self._policy = policy
        self._gate = gate
        self._demand = demand

    def collect(self) -> Iterable[GaugeMetricFamily]:
        in_flight = GaugeMetricFamily("spillway_in_flight", "Requests held by a pool.", labels=["pool"])
        places = GaugeMetricFamily("spillway_places", "Requests a pool may hold.", labels=["pool"])
        replicas = GaugeMetricFamily("spillway_replicas", "Replicas found.", labels=["pool"])
        demand = GaugeMetricFamily(
            "spillway_demand", "Requests meant for a pool, wherever they are served.", labels=["pool"]
        )
        for name, pool in self._policy.pools.items():
            pool_replicas = self._gate.replicas(name)
            in_flight.add_metric([name], sum(replica.in_flight for replica in pool_replicas))
            places.add_metric([name], pool.max_in_flight * len(pool_replicas))
            replicas.add_metric([name], len(pool_replicas))
            demand.add_metric([name], self._demand[name])
        queued = GaugeMetricFamily("spillway_queued", "Requests waiting for a local place.", labels=["route"])
        for name in self._policy.routes:
            queued.add_metric([name], self._gate.requests_waiting(name))
        return [in_flight, places, replicas, demand, queued]
