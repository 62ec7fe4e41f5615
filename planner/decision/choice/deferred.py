"""Work that may wait: the rows that say when it is worked on, and the week in which it is.

Requests of such a route come in some hours and are worked on in others, at a pace that each level sets: its pools let
them in up to a rate, and work until nothing waits. Beside the columns of `program`, with the hours j of a week,
arrivals α[r,j] (multiples of the route's mean), and W[r,j] = Σ arrivals of the last D hours up to j:

    p[r,t]  pace of pools, multiples of the mean rate      π[r]    share of the route that pools serve
    e[r,j]  what is worked on in an hour                   β[r,j]  what waits at its end

    serve       π[r] + Σ_a s[r,i,a] = 1                           each band that is not refused
    pace        e[r,j] ≤ p[r,t(j)],  p[r,t] = Σ_k x[r,i,k,t]      each such band
    queue       β[r,j] = β[r,j−1] + α[r,j]·π[r] − e[r,j]          the week is a circle
    deadline    β[r,j] ≤ W[r,j]·π[r]                              nothing waits for longer than D hours

All bands follow one pace and send the same share to APIs, because the gateway's rule is the route's. That share is
sent as it comes, whatever the level: an API has no valleys. Work is done in the order of arrival, so that a queue which
never exceeds the arrivals of the last D hours has no request that is late. A pace that holds the deadlines in some
order of work holds them when pools work as early as they can, which is what `week_of_work` plays hour by hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from planner.decision.choice.columns import away, refused, s, v, x
from planner.decision.choice.limits import ServedRoute
from planner.decision.choice.linear import TIE_BREAK_USD, Linear
from planner.decision.choice.pairs import api_pairs, deferred, local_pairs, turned_away
from planner.decision.choice.question import Answer, BandKey, Deferral, Flow, Question

PERIODS = (1, 24)
"""Hours after which a week may repeat itself; fewer hours make fewer rows."""
SLIP = 1e-6
"""What may wait too long, multiples of an hour's mean arrivals: the solver's own tolerance, added up over a week."""
NOTHING = 1e-9


def most_pace(question: Question, f: Flow) -> float:
    """Return the largest share of a band at one level: 1, or the busiest hour of what may wait ÷ its mean."""
    deferral = question.deferrals.get(f.route)
    return 1.0 if deferral is None else max(deferral.arrivals)


def deferred_columns(program: Linear, question: Question) -> None:
    """Add the columns of the routes that may wait.

    A pace costs next to nothing, so that of equal plans the one with the least room for it is found.
    """
    for route, deferral in _routes(question):
        program.continuous(f"π[{route}]", 0.0, 1.0)
        for t, hours in enumerate(question.level_hours):
            program.continuous(
                _pace(route, t), TIE_BREAK_USD * hours / sum(question.level_hours), max(deferral.arrivals)
            )
        for j in range(period(question, deferral)):
            program.continuous(_work(route, j))
            program.continuous(_waits(route, j))


def worked_off(program: Linear, question: Question) -> None:
    """The queue of a route never holds more than what came within its deadline: rows `queue` and `deadline`."""
    for route, deferral in _routes(question):
        count = period(question, deferral)
        for j in range(count):
            pace = (_pace(route, question.hours[j]), -1.0)
            program.at_most(f"pace[{route},{j}]", [(_work(route, j), 1.0), pace], 0.0)
            grown = [(_waits(route, j), 1.0), (_waits(route, (j - 1) % count), -1.0), (_work(route, j), 1.0)]
            come = (f"π[{route}]", -deferral.arrivals[j])
            program.equal(f"queue[{route},{j}]", _unless_still(grown, count, come), 0.0)
            latest = sum(deferral.arrivals[(j - back) % len(deferral.arrivals)] for back in range(deferral.hours))
            program.at_most(f"deadline[{route},{j}]", [(_waits(route, j), 1.0), (f"π[{route}]", -latest)], 0.0)


def alike(program: Linear, question: Question) -> None:
    """All bands of a route follow its pace and send the same share to APIs, but for a band that is refused whole.

        π[r] + Σ_a s[r,i,a] + l[r,i] = 1                      s and l are the same at every level
        p[r,t] − Σ_k x[r,i,k,t] ≤ P·l[r,i]
        l[r,i] + Σ_{k reads i} v[r,j,k] + Σ_{a reads i} s[r,j,a] ≤ 1      j < i

    The share to APIs of a band that is refused is that of the others, which `1 − π` is.
    """
    local, spill = list(local_pairs(question)), list(api_pairs(question))
    too_long = {f.key for f in turned_away(question)}
    levels = range(len(question.level_hours))
    for f in deferred(question):
        mine = [a for g, a in spill if g is f]
        for a, t in product(mine, levels[1:]):
            program.equal(f"steady[{f.route},{f.band},{a.name},{t}]", [(s(f, a, t), 1.0), (s(f, a, 0), -1.0)], 0.0)
        for t in levels[1:] if f.key in too_long else ():
            program.equal(f"steady[{f.route},{f.band},{t}]", [(away(f, t), 1.0), (away(f, 0), -1.0)], 0.0)
        gone = [(away(f, 0), 1.0)] if f.key in too_long else []
        placed = [(s(f, a, 0), 1.0) for a in mine]
        pooled = (f"π[{f.route}]", 1.0)
        limit = ServedRoute(f.route)
        if gone:
            flag = refused(f) if refused(f) in program.index else program.binary(refused(f))
            program.equal(f"whole[{f.route},{f.band}]", [*gone, (flag, -1.0)], 0.0)
            program.at_most(f"serve-least[{f.route},{f.band}]", [(n, -c) for n, c in (pooled, *placed, *gone)], -1.0)
            program.at_most(f"serve-most[{f.route},{f.band}]", [pooled, *placed], 1.0)
            program.at_most(f"refused[{f.route},{f.band}]", [*placed, *gone], 1.0)
        else:
            program.equal(f"serve[{f.route},{f.band},0]", [pooled, *placed], 1.0, limit)
        most = most_pace(question, f)
        for t in levels:
            terms = [(_pace(f.route, t), 1.0), *((x(f, k, t), -1.0) for g, k in local if g is f)]
            program.at_most(f"follows[{f.route},{f.band},{t}]", [*terms, *((n, -most) for n, _ in gone)], 0.0)
        for g in question.flows if gone else ():
            if g.route != f.route or g.band >= f.band:
                continue
            reads = [(v(g, k), 1.0) for k in question.classes if f.key in k.reads and g.key in k.capacity]
            reads += [(s(g, a, 0), 1.0) for h, a in spill if h is g and f.key in a.usd_per_request]
            if reads:
                program.at_most(f"too-long[{f.route},{f.band},{g.band},0]", [*reads, *gone], 1.0)


@dataclass(frozen=True)
class Worked:
    """A route's week says when its work is done, in multiples of its mean rate.

    pace: most of an hour of each level at pools.
    mean: mean of the hours of each level at pools.
    come: mean arrivals of the hours of each level.
    longest_hours: whole hours that some request waits at most.
    """

    pace: tuple[float, ...]
    mean: tuple[float, ...]
    come: tuple[float, ...]
    longest_hours: int


def week_of_work(question: Question, route: str, pooled: float, pace: Sequence[float]) -> Worked:
    """Play a week hour by hour, in which pools work as early as their pace lets them.

    pooled: share of the route that pools serve. pace: by level, multiples of the mean rate.
    Raises ValueError where a request waits for longer than its deadline.
    """
    deferral, hours = question.deferrals[route], question.hours
    count = len(hours)
    come = [pooled * each for each in deferral.arrivals]
    work = [0.0] * count
    waits = 0.0
    for lap in range(2):  # what waits at the end of the first week is what the second one begins with
        queues = []
        for j, level in enumerate(hours):
            done = min(pace[level], waits + come[j])
            waits = max(0.0, waits + come[j] - done)
            work[j] = done if lap else 0.0
            queues.append(waits)
    longest = max((_age(come, j, waiting) for j, waiting in enumerate(queues)), default=0)
    if longest > deferral.hours:
        raise ValueError(f"{route}: some work waits for {longest} hours, and may for {deferral.hours}")
    by_level = [[j for j in range(count) if hours[j] == t] for t in range(len(question.level_hours))]
    return Worked(
        pace=tuple(max((work[j] for j in some), default=0.0) for some in by_level),
        mean=tuple(sum(work[j] for j in some) / max(1, len(some)) for some in by_level),
        come=tuple(sum(deferral.arrivals[j] for j in some) / max(1, len(some)) for some in by_level),
        longest_hours=longest,
    )


def settled(question: Question, answer: Answer) -> tuple[Question, Answer, Mapping[str, Worked]]:
    """Return the question and answer in which the hours of all work are fixed, with the week of each route that waits.

    Its flows say when the work is done, and not when it comes. So the load of pools, the shares and the bill follow
    from them as from all others.
    """
    weeks: dict[str, Worked] = {}
    flows: list[Flow] = []
    served, spilled, gone = dict(answer.served), dict(answer.spilled), dict(answer.turned_away)
    levels = range(len(question.level_hours))
    for f in question.flows:
        if f.route not in question.deferrals:
            flows.append(f)
            continue
        if f.route not in weeks:
            pooled = 1.0 - api_part(question, answer, f.route)
            weeks[f.route] = week_of_work(question, f.route, pooled, pace_of(question, answer, f.route))
        week, to_apis = weeks[f.route], api_part(question, answer, f.route)
        done = [week.mean[t] + to_apis * week.come[t] for t in levels]
        api = [to_apis * week.come[t] / done[t] if done[t] > NOTHING else to_apis // 1 for t in levels]
        planned = [
            f.paced * (week.pace[t] / (1 - api[t]) if api[t] < 1 - NOTHING else done[t]) if done[t] > NOTHING else 0.0
            for t in levels
        ]
        flows.append(replace(f, mean=tuple(f.mean[0] * each for each in done), planned=tuple(planned), paced=0.0))
        for key in [key for key in served if key[0] == f.key]:
            own = tuple(1 - share for share in api)
            served[key] = own
            if not any(own):
                del served[key]
        total = sum(shares[0] for (key, _), shares in answer.spilled.items() if key == f.key)
        for name in [name for key, name in spilled if key == f.key]:
            part = spilled[(f.key, name)][0] / total
            spilled[(f.key, name)] = tuple(part * share for share in api)
        if f.key in gone:
            gone[f.key] = (1.0,) * len(levels)
    return (
        replace(question, flows=tuple(flows), deferrals={}, hours=()),
        replace(answer, served=served, spilled=spilled, turned_away=gone),
        weeks,
    )


def api_part(question: Question, answer: Answer, route: str) -> float:
    """Return the share of a route that may wait which goes to APIs: that of a band that is not refused."""
    keys = [f.key for f in question.flows if f.route == route and f.key not in answer.turned_away]
    shares = [sum(s[0] for (key, _), s in answer.spilled.items() if key == asked) for asked in keys]
    most = max(shares, default=0.0)
    return 0.0 if most < 1e-6 else 1.0 if most > 1 - 1e-6 else most


def pace_of(question: Question, answer: Answer, route: str) -> tuple[float, ...]:
    """Return the pace of a route at each level: that of its slowest band, which is that of all."""
    levels = range(len(question.level_hours))
    by_band: dict[BandKey, list[float]] = {}
    for (key, _), shares in answer.served.items():
        if key[0] == route:
            own = by_band.setdefault(key, [0.0] * len(levels))
            for t in levels:
                own[t] += shares[t]
    # The solver's own tolerance is given back, so that nothing waits for its last bits.
    least = [min((own[t] for own in by_band.values()), default=0.0) for t in levels]
    return tuple(each * (1 + SLIP) + SLIP if each > SLIP else 0.0 for each in least)


def period(question: Question, deferral: Deferral) -> int:
    """Return the hours after which levels and arrivals repeat themselves: an hour, a day, or the week."""
    count = len(question.hours)
    for hours in PERIODS:
        again = (deferral.arrivals[j] == deferral.arrivals[j % hours] for j in range(count))
        if all(again) and all(question.hours[j] == question.hours[j % hours] for j in range(count)):
            return hours
    return count


def _age(come: Sequence[float], j: int, waiting: float) -> int:
    """Return the hours that the oldest of what waits at the end of hour j has waited, in the order of arrival."""
    age = 0
    while waiting > SLIP * max(1, age) * 10 and age < len(come):
        waiting -= come[(j - age) % len(come)]
        age += 1
    return age


def _unless_still(grown: list[tuple[str, float]], count: int, come: tuple[str, float]) -> list[tuple[str, float]]:
    """Return the terms of a queue; in a week of equal hours the queue of the hour before is its own."""
    return [*(grown if count > 1 else grown[2:]), come]


def _routes(question: Question) -> list[tuple[str, Deferral]]:
    """Return the routes that may wait and are in the question, sorted."""
    here = {f.route for f in question.flows}
    return [(route, each) for route, each in sorted(question.deferrals.items()) if route in here]


def _pace(route: str, t: int) -> str:
    return f"p[{route},{t}]"


def _work(route: str, j: int) -> str:
    return f"e[{route},{j}]"


def _waits(route: str, j: int) -> str:
    return f"β[{route},{j}]"
