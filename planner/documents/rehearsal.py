"""A rehearsal as values: the script (what is staged, and what the plan promised) and the result (what was seen).

The script is a plain description that programs can act on: arrivals, clocks of the pools, offers of the APIs, a policy.
The result is computed from one row for each request and from the API stand-in's own ledger. It knows whether it may be
believed: on a machine that is too slow for the replay, every latency is the machine's and not the plan's.

Times are those of real traffic. The replay itself takes less time, by its speed.

SLO attainment counts each request against its own limit, and a request without a whole answer has missed. "The p95 is
within the target" means the same as "at least 95 % of the requests are within it".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from planner.documents.machine import Machine, machine_doubts
from planner.documents.scenes import AFTER_THE_KILL, STEADY, Phase, Plot, Scene
from planner.domain.arrivals import Arrival

ATTAINED = 0.95
"""Share of requests within a target that makes it met: targets are 95th percentiles."""


@dataclass(frozen=True)
class PoolCast:
    """A cast is a pool on stage.

    clock: coefficients of its engine twins, as `twin/engine` reads them.
    replicas: number of engine twins.
    planned_replicas: number of replicas that they stand for.
    """

    name: str
    clock: Mapping[str, Any]
    replicas: int
    planned_replicas: int


@dataclass(frozen=True)
class RoutePromise:
    """A promise is what the plan promises a route.

    ttft_base_ms, ttft_per_1k_input_ms: limit of the time to the first token: its base, and what every 1,000 input
    tokens add, ms. This limit and the next two are infinite where the plan promises nothing.
    tpot_ms: limit of the time per output token, ms.
    e2e_ms: limit of the time to the last token, ms.
    bytes_per_token: factor by which the gateway guesses a prompt's tokens.
    share: share of the route's traffic that is on stage.
    spill_share: share of the route's requests that the plan sends to APIs.
    usd_per_mtok: price of a million input and output tokens, USD, by API; it tells the route's part of the bill.
    """

    name: str
    privacy: Literal["public", "internal", "restricted"]
    ttft_base_ms: float
    ttft_per_1k_input_ms: float
    tpot_ms: float
    e2e_ms: float
    bytes_per_token: float
    share: float
    spill_share: float
    usd_per_mtok: Mapping[str, tuple[Decimal, Decimal]]

    def ttft_limit_ms(self, input_tokens: int) -> float:
        """Return the limit of the time to the first token for a prompt of this length, ms."""
        return self.ttft_base_ms + self.ttft_per_1k_input_ms * input_tokens / 1000


@dataclass(frozen=True)
class RehearsalStage:
    """The stage says where the imitations listen.

    replicas: URLs of engine twins, by pool.
    api_base: base URL of the API stand-in; a provider's is `BASE/PROVIDER/v1`.
    """

    replicas: Mapping[str, Sequence[str]]
    api_base: str


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script is everything that a rehearsal needs.

    level: name of the load level.
    speed: how many times faster than real time the replay runs.
    duration_s: length of the traffic, seconds.
    arrivals: all requests, in the order of time.
    policy: makes the gateway's policy for a stage, with durations divided by `speed`.
    offers: what the API stand-in sells.
    key_names: environment variables from which the gateway reads the providers' keys.
    kill: pool that dies, with all its replicas, in the middle; None when none dies.
    plot: how replicas come and go; None where all of them are there from the beginning to the end.
    slow_down: factor on every engine step; 1 is as planned.
    stream_interval: tokens in one event of a stream.
    fixed_usd_per_hour, api_usd_per_hour: what the plan costs at this load with its whole fleet, USD an hour.
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
    plot: Plot | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases in order."""
        if self.plot is not None:
            return tuple(scene.phase for scene in self.plot.scenes)
        return (STEADY, AFTER_THE_KILL) if self.kill else (STEADY,)

    @property
    def promised(self) -> tuple[Phase, ...]:
        """Return the phases in which latencies are promised."""
        if self.plot is not None:
            return tuple(scene.phase for scene in self.plot.scenes if scene.promised)
        return (STEADY,)

    def phase_at(self, at_ms: float) -> Phase:
        """Return the phase at a moment, ms after the start."""
        if self.plot is not None:
            return self.plot.scene_at(at_ms).phase
        return AFTER_THE_KILL if at_ms >= self.kill_ms else STEADY

    def scene(self, phase: Phase) -> Scene | None:
        """Return the scene of a phase; None where replicas neither come nor go."""
        return next((scene for scene in self.plot.scenes if scene.phase == phase), None) if self.plot else None

    def planned_spill(self, route: str, phase: Phase) -> float | None:
        """Return the share of a route's requests that the plan sends to APIs in a phase; None where it plans none."""
        if phase not in self.promised:
            return None
        scene = self.scene(phase)
        if scene is not None:
            return scene.spill_shares[route]
        return next(promise.spill_share for promise in self.routes if promise.name == route)

    def hours(self, phase: Phase) -> Decimal:
        """Return how long a phase lasts, hours."""
        ends_ms = self.duration_s * 1000
        if self.plot is None:
            split_ms = min(self.kill_ms, ends_ms)
            lasts_ms = split_ms if phase == STEADY else ends_ms - split_ms
        else:
            begins = [*(scene.begins_ms for scene in self.plot.scenes), ends_ms]
            index = self.phases.index(phase)
            lasts_ms = begins[index + 1] - begins[index]
        return Decimal(lasts_ms) / 3_600_000

    @property
    def kill_ms(self) -> float:
        """Return when the pool dies, ms after the start; infinity when none does."""
        return self.duration_s * 500 if self.kill else math.inf


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
        """Return the bill at APIs of the steady phase, brought to an hour of the whole fleet, USD."""
        return self.whole_api_usd(STEADY) / self.script.hours(STEADY)

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
    struck = not row.ok or row.spill_reason in _BY_DEATH
    if row.arrival_ms >= script.kill_ms or not struck:
        return script.phase_at(row.arrival_ms)
    return script.phase_at(row.ended_ms)


def _is_cut(script: Script, row: ReplayedRequest) -> bool:
    """Say whether an answer broke off because it was longer than the drain of its replica."""
    pool = row.served_by.removeprefix("pool/")
    if script.plot is None or row.ok or row.status != 200 or pool == row.served_by:
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
