"""A rehearsal as values, before it is held: what is staged, and what the plan promised.

The script is a plain description that programs can act on: arrivals, clocks of the pools, offers of the APIs, a policy,
and, where replicas come and go, a plot. Times are those of real traffic. The replay itself takes less time, by its
speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from planner.documents.scenes import AFTER_THE_KILL, STEADY, Phase, Plot, Scene
from planner.domain.arrivals import Arrival


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
    left_out: routes of which nothing reaches the gateway, because their clients send batches to a provider.
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
    left_out: tuple[str, ...] = ()

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
