"""A rehearsal as values: the script (what is staged, and what the plan promised) and the result (what was seen).

The script is a plain description that programs can act on: arrivals, clocks of the pools, offers of the APIs, a policy.
The result is computed from one row a request and the API side's own ledger, and knows whether it may be believed: on a
machine too slow for the replay every latency is the machine's, not the plan's.

SLO attainment counts each request against its own limit; a request without a whole answer has missed. "p95 within the
target" is the same as "at least 95 % of the requests within it".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from planner.domain.arrivals import Arrival

ATTAINED = 0.95
"""Share of requests within a target that makes it met: targets are 95th percentiles."""
MAX_BUSY_SHARE = 0.75
"""Share of one core above which a program's own queueing shows in the latencies (the gateway's first)."""
MAX_LAG_MS = 150.0
"""Lateness of the machine (95th percentile, real ms) beyond which a run says nothing about the plan."""

Phase = Literal["steady", "after the kill"]


@dataclass(frozen=True)
class PoolCast:
    """A pool on stage: `replicas` engine twins for `planned_replicas`; `clock` is their coefficients file."""

    name: str
    clock: Mapping[str, Any]
    replicas: int
    planned_replicas: int


@dataclass(frozen=True)
class RoutePromise:
    """What the plan promises a route. Times in ms, `share` of its traffic on stage, `spill_share` as planned.

    usd_per_mtok: API name → (input, output) price, to tell a route's share of the bill.
    """

    name: str
    privacy: Literal["public", "internal", "restricted"]
    ttft_base_ms: float
    ttft_per_1k_input_ms: float
    tpot_ms: float
    bytes_per_token: float
    share: float
    spill_share: float
    usd_per_mtok: Mapping[str, tuple[Decimal, Decimal]]

    def ttft_limit_ms(self, input_tokens: int) -> float:
        return self.ttft_base_ms + self.ttft_per_1k_input_ms * input_tokens / 1000


@dataclass(frozen=True)
class RehearsalStage:
    """Where the imitations listen: replica URLs by pool, one base URL for every provider (`BASE/PROVIDER/v1`)."""

    replicas: Mapping[str, Sequence[str]]
    api_base: str


@dataclass(frozen=True)
class Script:
    """Everything a rehearsal needs.

    policy: gateway policy for a stage (durations already divided by `speed`). offers: what the API stand-in sells.
    key_names: environment variables from which the gateway reads the providers' keys. kill: pool that dies, with all
    its replicas, in the middle. slow_down: factor on every engine step (1: as planned). usd figures: the plan's own,
    whole fleet, at the rehearsed load.
    """

    environment: str
    level: str
    speed: float
    duration_s: float
    pools: tuple[PoolCast, ...]
    routes: tuple[RoutePromise, ...]
    arrivals: tuple[Arrival, ...]
    policy: Callable[[RehearsalStage], Mapping[str, Any]]
    offers: Mapping[str, Any]
    key_names: tuple[str, ...]
    kill: str | None
    slow_down: float
    stream_interval: int
    fixed_usd_per_hour: Decimal
    api_usd_per_hour: Decimal

    @property
    def kill_ms(self) -> float:
        """When the pool dies; infinity when none does."""
        return self.duration_s * 500 if self.kill else math.inf


class ReplayedRequest(NamedTuple):
    """What is judged of one request, as its client saw it: columns of the replay's report (`twin/replay`).

    Times are in real ms since the start of the replay, or since the request was sent (ttft_ms, e2e_ms); they are None
    where nothing came.
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
        """Mean time between tokens after the first; None for answers of one token."""
        if self.ttft_ms is None or self.e2e_ms is None or self.tokens is None or self.tokens < 2:
            return None
        return (self.e2e_ms - self.ttft_ms) / (self.tokens - 1)


@dataclass(frozen=True)
class RouteOutcome:
    """One route in one phase. Percentiles in real ms over whole answers (NaN without any); shares of all requests."""

    route: str
    phase: Phase
    requests: int
    ok: int
    ttft_p50_ms: float
    ttft_p95_ms: float
    tpot_p50_ms: float
    tpot_p95_ms: float
    ttft_attained: float
    tpot_attained: float
    spill_share: float
    spilled: Mapping[str, int]
    problems: Mapping[str, int]
    api_usd: Decimal

    @property
    def slo_met(self) -> bool:
        return self.ttft_attained >= ATTAINED and self.tpot_attained >= ATTAINED


@dataclass(frozen=True)
class Machine:
    """How the machine fared: times are 95th percentiles in real ms, processor shares are in 0–1.

    lag: how late requests were sent. timer_lag: how late engine twins woke. probe: how long the gateway took to say
    that it lives, which is the wait for its event loop.
    processor_share: of all cores together. busiest_share: of one core, by the program that used most; each program is
    one event loop and can use no more than one. requests_per_wall_second: what the replay really pushed.
    """

    lag_p95_ms: float
    timer_lag_p95_ms: float
    probe_p95_ms: float
    processor_share: float
    busiest_program: str
    busiest_share: float
    cores: int
    wall_s: float
    requests_per_wall_second: float


@dataclass(frozen=True)
class Result:
    """What was seen. `doubts`: reasons not to believe the latencies; empty when the run is valid.

    restricted_at_api: requests with a restricted canary that reached the API stand-in; must be 0. api_usd: its bill.
    api_usd_per_hour: the steady phase's bill, brought to an hour of the whole fleet.
    """

    script: Script
    outcomes: tuple[RouteOutcome, ...]
    machine: Machine
    restricted_at_api: int
    requests_at_api: int
    api_usd: Decimal
    api_usd_per_hour: Decimal
    doubts: tuple[str, ...]

    def outcome(self, route: str, phase: Phase = "steady") -> RouteOutcome:
        """The outcome of a route in a phase. Raises KeyError."""
        for outcome in self.outcomes:
            if (outcome.route, outcome.phase) == (route, phase):
                return outcome
        raise KeyError((route, phase))

    @property
    def held(self) -> bool:
        """Whether the plan's promises held in the steady phase, privacy always; False also for an invalid run."""
        steady = [outcome for outcome in self.outcomes if outcome.phase == "steady"]
        return not self.doubts and self.restricted_at_api == 0 and all(outcome.slo_met for outcome in steady)


def judge(script: Script, rows: Sequence[ReplayedRequest], ledger: Mapping[str, Any], machine: Machine) -> Result:
    """The result of a run. `ledger` is the API stand-in's own document."""
    outcomes = []
    phases: tuple[Phase, ...] = ("steady", "after the kill") if script.kill else ("steady",)
    for promise in script.routes:
        mine = [row for row in rows if row.route == promise.name]
        for phase in phases:
            chosen = [row for row in mine if _phase(row, script.kill_ms) == phase]
            outcomes.append(_outcome(promise, phase, chosen))
    return Result(
        script=script,
        outcomes=tuple(outcomes),
        machine=machine,
        restricted_at_api=int(ledger["classes"]["restricted"]["requests"]),
        requests_at_api=int(ledger["requests"]),
        api_usd=Decimal(ledger["usd"]),
        api_usd_per_hour=_per_hour(script, outcomes),
        doubts=tuple(_doubts(script, rows, machine)),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


_BY_DEATH = ("connect", "reset", "no_replica")
"""Spill reasons of the gateway that a pool's death causes."""


def _phase(row: ReplayedRequest, kill_ms: float) -> Phase:
    """A request that was under way at the kill and was lost or moved by it is the kill's; else its arrival decides."""
    struck = row.ended_ms >= kill_ms and (not row.ok or row.spill_reason in _BY_DEATH)
    return "after the kill" if row.arrival_ms >= kill_ms or struck else "steady"


def _outcome(promise: RoutePromise, phase: Phase, rows: Sequence[ReplayedRequest]) -> RouteOutcome:
    whole = [row for row in rows if row.ok]
    ttft = [row.ttft_ms for row in whole if row.ttft_ms is not None]
    tpot = [row.tpot_ms for row in whole if row.tpot_ms is not None]
    # A whole answer of one token has no TPOT and cannot miss it.
    in_ttft = sum(row.ttft_ms is not None and row.ttft_ms <= promise.ttft_limit_ms(row.input_tokens) for row in whole)
    in_tpot = sum(row.tpot_ms is None or row.tpot_ms <= promise.tpot_ms for row in whole)
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
        ttft_attained=in_ttft / len(rows) if rows else 1.0,
        tpot_attained=in_tpot / len(rows) if rows else 1.0,
        spill_share=spilled.total() / len(rows) if rows else 0.0,
        spilled=dict(sorted(spilled.items())),
        problems=dict(sorted(Counter(f"{row.status}" for row in rows if not row.ok).items())),
        api_usd=sum((_usd(promise, row) for row in rows), Decimal(0)),
    )


def _usd(promise: RoutePromise, row: ReplayedRequest) -> Decimal:
    """What the answer cost at the API that gave it; 0 for a local one."""
    price = promise.usd_per_mtok.get(row.served_by.removeprefix("api/"))
    if price is None or not row.served_by.startswith("api/"):
        return Decimal(0)
    return (price[0] * row.input_tokens + price[1] * (row.tokens or 0)) / 1_000_000


def _per_hour(script: Script, outcomes: Sequence[RouteOutcome]) -> Decimal:
    hours = Decimal(min(script.kill_ms, script.duration_s * 1000)) / 3_600_000
    shares = {promise.name: Decimal(promise.share) for promise in script.routes}
    steady = [outcome for outcome in outcomes if outcome.phase == "steady"]
    return sum((outcome.api_usd / shares[outcome.route] for outcome in steady), Decimal(0)) / hours


def _doubts(script: Script, rows: Sequence[ReplayedRequest], machine: Machine) -> list[str]:
    advice = "this machine was too slow: lower --speed or rehearse a smaller share of the fleet"
    late = {
        "requests left": machine.lag_p95_ms,
        "engine twins woke": machine.timer_lag_p95_ms,
        "the gateway answered a knock": machine.probe_p95_ms,
    }
    found = [
        f"{what} {value:.0f} ms late at the 95th percentile (at most {MAX_LAG_MS:.0f} real ms); {advice}"
        for what, value in late.items()
        if not value <= MAX_LAG_MS  # NaN, no measurement at all, is a doubt too
    ]
    if machine.busiest_share > MAX_BUSY_SHARE:
        found.append(
            f"{machine.busiest_program} used {machine.busiest_share:.0%} of a core (at most {MAX_BUSY_SHARE:.0%}): its "
            f"queueing is in every latency; {advice}"
        )
    if len(rows) != len(script.arrivals):
        found.append(f"{len(script.arrivals)} requests were planned and {len(rows)} are on record")
    return found
