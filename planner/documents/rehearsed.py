"""A rehearsal as values, after it was held: what was seen, and whether the plan held.

The result is computed from one row for each request and from the API stand-in's own ledger. It knows whether it may be
believed: on a machine that is too slow for the replay, every latency is the machine's and not the plan's.

SLO attainment counts each request against its own limit, and a request without a whole answer has missed. "The p95 is
within the target" means the same as "at least 95 % of the requests are within it".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from planner.documents.machine import Machine, machine_doubts
from planner.documents.rehearsal import RoutePromise, Script
from planner.documents.scenes import STEADY, Phase

ATTAINED = 0.95
"""Share of requests within a target that makes it met: targets are 95th percentiles."""


class ReplayedRequest(NamedTuple):
    """A replayed request is what is judged of one request, as its client saw it (columns of `twin/replay`'s report).

    arrival_ms, ended_ms: when it was sent and when it ended, ms after the start of the traffic.
    status: HTTP status of the answer; 0 when none came.
    ok: whether a whole answer came.
    ttft_ms, e2e_ms: time from sending to the first and to the last token, ms; None where nothing came.
    input_tokens, tokens: tokens of the prompt and of the answer; None where no answer came.
    served_by: the backend; APIs begin with `api/`.
    spill_reason: why it went to an API; empty when it did not.
    """

    route: str
    arrival_ms: float
    status: int
    ok: bool
    ttft_ms: float | None
    e2e_ms: float | None
    ended_ms: float
    input_tokens: int
    tokens: int | None
    served_by: str
    spill_reason: str

    @property
    def tpot_ms(self) -> float | None:
        """Return the mean time between tokens after the first, ms; None for answers of one token."""
        if self.ttft_ms is None or self.e2e_ms is None or self.tokens is None or self.tokens < 2:
            return None
        return (self.e2e_ms - self.ttft_ms) / (self.tokens - 1)


@dataclass(frozen=True, kw_only=True)
class RouteOutcome:
    """An outcome is what was seen of one route in one phase.

    requests, ok: number of requests, and of those with a whole answer.
    spilled: number of requests that an API served, by reason.
    problems: number of requests without a whole answer, by HTTP status.
    cut: number of those that were answers longer than the drain of the replicas on which they ran.
    api_usd: cost at APIs, USD.
    spill_share: share of the requests that an API served.
    ttft_attained, tpot_attained, e2e_attained: share of the requests within their limit.
    ttft_p50_ms … e2e_p95_ms: percentiles over whole answers, ms; NaN without any.
    """

    route: str
    phase: Phase
    requests: int
    ok: int
    spilled: Mapping[str, int]
    problems: Mapping[str, int]
    cut: int
    api_usd: Decimal
    spill_share: float
    ttft_attained: float
    tpot_attained: float
    e2e_attained: float
    ttft_p50_ms: float
    ttft_p95_ms: float
    tpot_p50_ms: float
    tpot_p95_ms: float
    e2e_p95_ms: float

    @property
    def lost(self) -> int:
        """Return how many requests were lost: no whole answer came, and no drain explains it."""
        return self.requests - self.ok - self.cut

    @property
    def slo_met(self) -> bool:
        """Say whether enough requests were within each limit."""
        return min(self.ttft_attained, self.tpot_attained, self.e2e_attained) >= ATTAINED


@dataclass(frozen=True)
class Result:
    """A result is what was seen in a rehearsal.

    restricted_at_api: requests with a restricted canary that reached the API stand-in; there must be none.
    requests_at_api: all requests that reached it.
    api_usd: its bill, USD.
    doubts: reasons not to believe the latencies; there are none when the run is valid.
    """

    script: Script
    outcomes: tuple[RouteOutcome, ...]
    machine: Machine
    restricted_at_api: int
    requests_at_api: int
    api_usd: Decimal
    doubts: tuple[str, ...]

    def outcome(self, route: str, phase: Phase = STEADY) -> RouteOutcome:
        """Return the outcome of a route in a phase. Raises KeyError when there is none."""
        for outcome in self.outcomes:
            if (outcome.route, outcome.phase) == (route, phase):
                return outcome
        raise KeyError((route, phase))

    @property
    def api_usd_per_hour(self) -> Decimal:
        """Return the bill at APIs of the first phase, brought to an hour of the whole fleet, USD."""
        first = self.script.phases[0]
        return self.whole_api_usd(first) / self.script.hours(first)

    def whole_api_usd(self, phase: Phase) -> Decimal:
        """Return the bill at APIs of a phase, brought to the traffic of the whole fleet, USD."""
        scene = self.script.scene(phase)
        shares = scene.shares if scene else {promise.name: promise.share for promise in self.script.routes}
        return sum((each.api_usd / Decimal(shares[each.route]) for each in self._of(phase)), Decimal(0))

    @property
    def lost(self) -> int:
        """Return how many requests were lost."""
        return sum(outcome.lost for outcome in self.outcomes)

    @property
    def held(self) -> bool:
        """Say whether a valid run showed that the promises held: privacy always, and latencies where they are promised.

        Where replicas come and go, no request may be lost either; a killed pool takes what it holds with it.
        """
        kept = all(outcome.slo_met for phase in self.script.promised for outcome in self._of(phase))
        whole = self.script.plot is None or self.lost == 0
        return not self.doubts and self.restricted_at_api == 0 and kept and whole

    def _of(self, phase: Phase) -> list[RouteOutcome]:
        return [outcome for outcome in self.outcomes if outcome.phase == phase]


def judge(script: Script, rows: Sequence[ReplayedRequest], ledger: Mapping[str, Any], machine: Machine) -> Result:
    """Return the result of a run. `ledger` is the API stand-in's own document."""
    outcomes = [
        _outcome(
            script, promise, phase, [row for row in rows if row.route == promise.name and _phase(script, row) == phase]
        )
        for promise in script.routes
        for phase in script.phases
    ]
    return Result(
        script=script,
        outcomes=tuple(outcomes),
        machine=machine,
        restricted_at_api=int(ledger["classes"]["restricted"]["requests"]),
        requests_at_api=int(ledger["requests"]),
        api_usd=Decimal(ledger["usd"]),
        doubts=(*machine_doubts(machine), *_missing(script, rows)),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of the values; NaN where there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


_BY_DEATH = ("connect", "reset", "no_replica")
"""Reasons of the gateway for a spill that a pool's death causes."""


def _phase(script: Script, row: ReplayedRequest) -> Phase:
    """Return the phase that a request counts for: that of its arrival, or that whose change struck it."""
    if script.plot is not None:
        struck_ms = row.arrival_ms if row.ok else script.plot.struck_ms(_pool(row), row.arrival_ms, row.ended_ms)
        return script.phase_at(struck_ms)
    struck = not row.ok or row.spill_reason in _BY_DEATH
    return script.phase_at(max(row.arrival_ms, row.ended_ms) if struck else row.arrival_ms)


def _pool(row: ReplayedRequest) -> str | None:
    """Return the pool that answered, in part at least; None where it was none."""
    return row.served_by.removeprefix("pool/") if row.served_by.startswith("pool/") else None


def _is_cut(script: Script, row: ReplayedRequest) -> bool:
    """Say whether an answer broke off because it was longer than the drain of its replica."""
    pool = _pool(row)
    if script.plot is None or row.ok or row.status != 200 or pool is None:
        return False
    return script.plot.was_cut_by_the_drain(pool, row.arrival_ms, row.ended_ms)


def _outcome(script: Script, promise: RoutePromise, phase: Phase, rows: Sequence[ReplayedRequest]) -> RouteOutcome:
    whole = [row for row in rows if row.ok]
    ttft = [row.ttft_ms for row in whole if row.ttft_ms is not None]
    tpot = [row.tpot_ms for row in whole if row.tpot_ms is not None]
    e2e = [row.e2e_ms for row in whole if row.e2e_ms is not None]
    # A whole answer of one token has no time between tokens, and cannot miss its limit.
    in_ttft = sum(row.ttft_ms is not None and row.ttft_ms <= promise.ttft_limit_ms(row.input_tokens) for row in whole)
    in_tpot = sum(row.tpot_ms is None or row.tpot_ms <= promise.tpot_ms for row in whole)
    in_e2e = sum(row.e2e_ms is not None and row.e2e_ms <= promise.e2e_ms for row in whole)
    spilled = Counter(row.spill_reason or "unknown" for row in rows if row.served_by.startswith("api/"))
    return RouteOutcome(
        route=promise.name,
        phase=phase,
        requests=len(rows),
        ok=len(whole),
        ttft_p50_ms=percentile(ttft, 0.5),
        ttft_p95_ms=percentile(ttft, 0.95),
        tpot_p50_ms=percentile(tpot, 0.5),
        tpot_p95_ms=percentile(tpot, 0.95),
        e2e_p95_ms=percentile(e2e, 0.95),
        ttft_attained=in_ttft / len(rows) if rows else 1.0,
        tpot_attained=in_tpot / len(rows) if rows else 1.0,
        e2e_attained=in_e2e / len(rows) if rows else 1.0,
        spill_share=spilled.total() / len(rows) if rows else 0.0,
        spilled=dict(sorted(spilled.items())),
        problems=dict(sorted(Counter(f"{row.status}" for row in rows if not row.ok).items())),
        cut=sum(_is_cut(script, row) for row in rows),
        api_usd=sum((_usd(promise, row) for row in rows), Decimal(0)),
    )


def _usd(promise: RoutePromise, row: ReplayedRequest) -> Decimal:
    """Return what the answer cost at the API that gave it, USD; 0 for a local one."""
    price = promise.usd_per_mtok.get(row.served_by.removeprefix("api/"))
    if price is None or not row.served_by.startswith("api/"):
        return Decimal(0)
    return (price[0] * row.input_tokens + price[1] * (row.tokens or 0)) / 1_000_000


def _missing(script: Script, rows: Sequence[ReplayedRequest]) -> Iterator[str]:
    if len(rows) != len(script.arrivals):
        yield f"{len(script.arrivals)} requests were planned and {len(rows)} are on record"
