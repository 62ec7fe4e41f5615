"""What each route asks for: its lengths by input band, its week in levels, its targets.

The module joins the environment with the traces that it names. A level has two rates. Its mean over the plan's months
is billed. Its planned rate decides sizes: it is the 95th percentile of the rate over the scale-up window in the highest
of those months, as the trace's own windows show it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from planner.decision.candidates.reach import NO_CUTS, Cuts, bands_read, context_wanted, reach_of, room_counted
from planner.decision.candidates.weeks import RouteWeek, week_of
from planner.decision.choice.question import BandKey
from planner.domain.demand import Level, hourly_rates, level_of_each_hour, levels
from planner.domain.environment import Environment, Horizon
from planner.domain.load import Load, load_of
from planner.domain.model_facts import AS_STATED, TokenCounts
from planner.domain.prompts import NOTHING_REPEATED, RepeatedPrompts, repeated_prompts
from planner.domain.route import Route, Slo
from planner.domain.traces import TraceSummary
from planner.domain.workload import InputBand, Mix, Workload, joined, poisson_burst, route_workload
from planner.performance.capacity import LatencyTarget
from planner.performance.capacity_search import CYCLE_MINUTES
from planner.performance.lengths import Lengths, lengths_of
from planner.words.units import HOURS_PER_MONTH, HOURS_PER_WEEK, MS_PER_HOUR

LEVELS = 6
"""Number of load levels that a week is reduced to; each of them adds columns to the program."""


@dataclass(frozen=True)
class RouteDemand:
    """The demand of one route is its workload and its targets.

    load: how many requests come.
    week: when they come.
    lengths: token lengths of all its requests, coarse enough to be screened thousands of times.
    band_lengths: the same of each input band.
    first_lengths: the same of the first band, of the first two bands together, and so on.
    target: what its SLO promises.
    burst_ratio: rate of the highest minute ÷ planned rate; screened capacities are divided by it.
    minutes: rates of the trace's busiest five minutes ÷ their mean; capacities are simulated with them.
    cuts: the input lengths behind which a band begins because some candidate reads no further, in stated tokens.
    repeated: what its prompts repeat of earlier ones.
    spread: number of replicas among which the requests of a session are spread.
    counts: how the model counts for which the lengths stand here.
    """

    name: str
    route: Route
    workload: Workload
    load: Load
    week: RouteWeek
    lengths: Lengths
    band_lengths: tuple[Lengths, ...]
    first_lengths: tuple[Lengths, ...]
    target: LatencyTarget
    burst_ratio: float
    minutes: tuple[float, ...]
    cuts: Cuts
    repeated: RepeatedPrompts = NOTHING_REPEATED
    spread: float = 1.0
    counts: TokenCounts = AS_STATED

    @property
    def max_model_len(self) -> int:
        """Return the tokens of context that hold every request of the route: the next power of two."""
        longest = math.ceil(self.workload.longest_input * self.counts.ratio)
        return context_wanted(replace(self.workload, longest_input=longest))

    @property
    def tail_is_assumed(self) -> bool:
        """Say whether nobody stated how long the longest prompts are."""
        lengths = self.route.lengths
        return lengths is not None and lengths[0].max is None and not lengths[0].histogram

    def reads(self, context: int) -> int:
        """Return how many bands, from the shortest prompts on, a candidate with this context reads whole."""
        return bands_read(self.workload, self.cuts, reach_of(context, self.workload.room, self.counts))

    def lengths_read(self, context: int) -> Lengths:
        """Return the lengths of all requests that a candidate with this context reads; of all where it reads none."""
        read = self.reads(context)
        return self.lengths if read in (0, len(self.bands)) else self.first_lengths[read - 1]

    def serves(self, index: int, context: int) -> bool:
        """Say whether a pool with this context may serve a band: it reads it, or the route lets its prompts be cut."""
        read = self.reads(context)
        cut = self.route.too_long.rule == "truncate" and read > 0 and self.may_turn_away(index)
        return index < read or cut

    def cut_to(self, index: int, context: int) -> int | None:
        """Return the tokens, as the model counts them, to which a pool with this context cuts the prompts of a band.

        They are the longest prompt that it reads whole, and leave room for the answer. None means that it reads all.
        """
        read = self.reads(context)
        if index < read:
            return None
        return min(math.floor(self.bands[read].over_tokens * self.counts.ratio), context - self.workload.room)

    def mix_for(self, index: int, context: int) -> Mix:
        """Return the lengths that decide how much of a band a pool with this context serves.

        They are those of all that it serves between two bounds, of which the band may be a part that a cut set apart:
        the few longest prompts are judged among the others, as the SLO is a percentile of them all.
        """
        first = last = index
        while self.bands[first].behind_cut:
            first -= 1
        while last + 1 < len(self.bands) and self.bands[last + 1].behind_cut and self.serves(last + 1, context):
            last += 1
        if first == last:
            return self.bands[index].mix
        key = (first, last, self.cut_to(last, context))
        if key not in self._joined:
            self._joined[key] = joined((self.bands[i].share, self._cut(i, context)) for i in range(first, last + 1))
        return self._joined[key]

    def _cut(self, index: int, context: int) -> Mix:
        """Return the lengths of a band after a pool with this context has cut its prompts."""
        mix, most = self.bands[index].mix, self.cut_to(index, context)
        if most is None:
            return mix
        return replace(mix, input_tokens=tuple(min(tokens, most) for tokens in mix.input_tokens))

    def lengths_for(self, index: int, context: int) -> Lengths:
        """Return the same on few points."""
        mix = self.mix_for(index, context)
        if mix is self.bands[index].mix:
            return self.band_lengths[index]
        if id(mix) not in self._joined_lengths:
            self._joined_lengths[id(mix)] = _lengths(mix)
        return self._joined_lengths[id(mix)]

    @cached_property
    def _joined(self) -> dict[tuple[int, int, int | None], Mix]:
        return {}

    @cached_property
    def _joined_lengths(self) -> dict[int, Lengths]:
        return {}

    def context(self, index: int) -> int:
        """Return the tokens that the longest prompt of a band takes together with its answer."""
        below = self.bands[index].below_tokens
        longest = self.workload.longest_input
        stated = longest if below is None else min(longest, below - 1)
        return math.ceil(stated * self.counts.ratio) + self.workload.room

    def may_turn_away(self, index: int) -> bool:
        """Say whether a band may be left without a place: some candidate reads no prompt that long, and they are few.

        The longer bands go with it, so that together they are no more than the route allows.
        """
        if not index or self.cuts.least is None or index < bands_read(self.workload, self.cuts, self.cuts.least):
            return False
        return self.share_from(index) <= self.route.too_long.most

    def share_from(self, index: int) -> float:
        """Return the share of the requests in a band and in the longer ones."""
        return math.fsum(band.share for band in self.bands[index:])

    @property
    def prompt_p95(self) -> float:
        """Return the prompt that 95 % of the route's requests do not exceed, tokens."""
        return self.workload.mix.input_quantile(0.95)

    def counted(self, counts: TokenCounts) -> RouteDemand:
        """Return the demand in the tokens of a model. Its bands are cut at the same prompts as before."""
        if counts.change_nothing:
            return self
        bands = tuple(replace(band, mix=counts.mix(band.mix)) for band in self.bands)
        room = room_counted(self.workload.room, counts)
        workload = replace(self.workload, mix=counts.mix(self.workload.mix), bands=bands, room=room)
        slope = self.target.ttft_ms_per_1k_input / counts.ratio
        return replace(
            self,
            workload=workload,
            lengths=_lengths(workload.mix),
            band_lengths=tuple(_lengths(band.mix) for band in bands),
            first_lengths=tuple(_first_lengths(bands)),
            target=replace(self.target, ttft_ms_per_1k_input=slope),
            repeated=self.repeated.times(counts.ratio),
            counts=counts,
        )

    @property
    def bands(self) -> tuple[InputBand, ...]:
        """Return the input bands of the workload."""
        return self.workload.bands


@dataclass(frozen=True)
class Demand:
    """The demand is what all routes ask for together.

    routes: the routes, sorted by name.
    levels: the load levels, whose hours sum to a month.
    weeks: requests/s of each route in each UTC hour of the week, from Monday 00:00; they decide which level comes when.
    worked: routes whose rates in the levels say when they are worked on; those of all others say when they come.
    """

    routes: tuple[RouteDemand, ...]
    levels: tuple[Level, ...]
    weeks: Mapping[str, Sequence[float]] = field(default_factory=dict)
    worked: frozenset[str] = frozenset()

    def route(self, name: str) -> RouteDemand:
        """Return the demand of a route. Raises StopIteration where there is none of this name."""
        return next(route for route in self.routes if route.name == name)

    @cached_property
    def level_of_hour(self) -> tuple[int, ...]:
        """Return the index of the level of each UTC hour of the week, from Monday 00:00."""
        places = {level.name: index for index, level in enumerate(self.levels)}
        return tuple(places[name] for name in level_of_each_hour(self.weeks, LEVELS))

    @cached_property
    def changes(self) -> tuple[tuple[int, int, float], ...]:
        """Return how often a month one level follows another one: (the earlier, the later, times), sorted."""
        hours = self.level_of_hour
        counts = Counter((hours[hour - 1], hours[hour]) for hour in range(len(hours)) if hours[hour - 1] != hours[hour])
        return tuple((a, z, n * HOURS_PER_MONTH / HOURS_PER_WEEK) for (a, z), n in sorted(counts.items()))

    @cached_property
    def shares(self) -> dict[BandKey, float]:
        """Return the share of its route's requests that each band has."""
        return {(route.name, i): band.share for route in self.routes for i, band in enumerate(route.bands)}


def demand(
    environment: Environment,
    traces: Mapping[str, TraceSummary],
    cuts: Mapping[str, Cuts] | None = None,
    spread: Mapping[str, float] | None = None,
    known: dict[Hashable, RouteLengths] | None = None,
) -> Demand:
    """Return what an environment asks for. `traces` are those that it names, and `cuts` are by route.

    spread: number of replicas among which the requests of a session are spread, by route; 1 where it is not given.
    known: lengths that were cut before, for the same traces; they are added to.
    Raises ValueError when declared token lengths fit no distribution, or a profile is not a week.
    """
    found = {} if known is None else known
    routes = tuple(
        replace(
            _route(name, environment.routes[name], environment.horizon, traces, (cuts or {}).get(name, NO_CUTS), found),
            spread=(spread or {}).get(name, 1.0),
        )
        for name in sorted(environment.routes)
    )
    weeks = {r.name: hourly_rates(r.load.mean * r.load.usage_factor, r.week.profile) for r in routes}
    burst = {r.name: r.workload.burst.p95_300s * r.load.capacity_factor / r.load.usage_factor for r in routes}
    return Demand(routes, levels(weeks, LEVELS, burst), weeks)


@dataclass(frozen=True)
class RouteLengths:
    """The lengths of a route's requests, whatever their rate. `RouteDemand` says what the fields are."""

    workload: Workload
    lengths: Lengths
    band_lengths: tuple[Lengths, ...]
    first_lengths: tuple[Lengths, ...]


def _route_lengths(
    route: Route, trace: TraceSummary | None, cuts: Cuts, known: dict[Hashable, RouteLengths]
) -> RouteLengths:
    stated = None if route.tokens is None else route.tokens.model_dump_json()
    key = (stated, route.traffic.trace, cuts.reaches)
    if key not in known:
        workload = route_workload(route, trace, 1.0, cuts.reaches)
        known[key] = RouteLengths(
            workload=workload,
            lengths=_lengths(workload.mix),
            band_lengths=tuple(_lengths(band.mix) for band in workload.bands),
            first_lengths=tuple(_first_lengths(workload.bands)),
        )
    return known[key]


def _route(
    name: str,
    route: Route,
    horizon: Horizon,
    traces: Mapping[str, TraceSummary],
    cuts: Cuts,
    known: dict[Hashable, RouteLengths],
) -> RouteDemand:
    trace = traces.get(route.traffic.trace or "")
    found = _route_lengths(route, trace, cuts, known)
    workload = found.workload
    week = week_of(route, trace, horizon.start)
    load = load_of(route, workload.mix, week.profile, horizon)
    if week.burst is not None:
        workload = replace(workload, burst=week.burst)
    elif not workload.burst.measured:
        workload = replace(workload, burst=poisson_burst(load.mean * load.capacity_factor))
    return RouteDemand(
        name=name,
        route=route,
        workload=workload,
        load=load,
        week=week,
        lengths=found.lengths,
        band_lengths=found.band_lengths,
        first_lengths=found.first_lengths,
        target=_target(route.slo),
        burst_ratio=_burst_ratio(workload),
        minutes=_busiest_minutes(traces[route.traffic.trace]) if route.traffic.trace else (1.0,),
        cuts=cuts,
        repeated=repeated_prompts(route, trace),
    )


def _first_lengths(bands: Sequence[InputBand]) -> Iterator[Lengths]:
    for count in range(1, len(bands) + 1):
        yield _lengths(joined((band.share, band.mix) for band in bands[:count]))


def _target(slo: Slo) -> LatencyTarget:
    """Return what an SLO promises; a part that it does not state has no limit.

    The last hour of a deadline is that of the answer itself: work that waits is begun an hour before.
    """
    ttft = slo.ttft_p95
    if slo.deadline is not None:
        return LatencyTarget(e2e_ms=MS_PER_HOUR)
    return LatencyTarget(
        ttft_ms=math.inf if ttft is None else ttft.base,
        ttft_ms_per_1k_input=0.0 if ttft is None else ttft.per_1k_input,
        tpot_ms=math.inf if slo.token_ms is None else slo.token_ms,
        e2e_ms=math.inf if slo.e2e_p95 is None else slo.e2e_p95,
    )


def _lengths(mix: Mix) -> Lengths:
    return lengths_of(mix.cells)


def _burst_ratio(workload: Workload) -> float:
    """Return the highest minute's rate ÷ the planned rate (p95 of 300 s), which says what that rate does not hold."""
    return max(1.0, workload.burst.peak_60s / workload.burst.p95_300s)


def _busiest_minutes(trace: TraceSummary) -> tuple[float, ...]:
    """Return the rates of a trace's busiest five whole minutes ÷ their mean; a shorter trace gives all its minutes."""
    whole = [requests for requests, _, _ in trace.minutes][: max(1, int(trace.duration_s // 60))]
    width = min(CYCLE_MINUTES, len(whole))
    start = max(range(len(whole) - width + 1), key=lambda k: sum(whole[k : k + width]))
    window = whole[start : start + width]
    return tuple(requests * width / sum(window) for requests in window)
