"""What is told of work that may wait: who does it, in which hours, and what clients must send elsewhere themselves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from planner.decision.answer.solved import Solved
from planner.decision.candidates.demand import RouteDemand
from planner.decision.choice.choice import HARDLY
from planner.domain.apis import catalog_key
from planner.plan.traffic import DeferredWork
from planner.words.units import MS_PER_HOUR


def deferred_work(solved: Solved, route: RouteDemand) -> DeferredWork | None:
    """Return when a route's requests are worked on; None where they may not wait."""
    deadline_ms = route.route.slo.deadline
    if deadline_ms is None:
        return None
    by_level, batches = _by_level(solved, route), solved.batches_of(route.name)
    to_apis = solved.choice.api_share(route.name) - sum(batches.values())
    return DeferredWork(
        deadline_hours=Decimal(str(deadline_ms / MS_PER_HOUR)),
        longest_wait_hours=solved.weeks[route.name].longest_hours if by_level and route.name in solved.weeks else 0,
        pools_by_level=by_level,
        batches=batches,
        apis=to_apis if to_apis > HARDLY else 0.0,
    )


def deferred_reasons(solved: Solved, route: RouteDemand) -> Iterator[str]:
    """Say who works on a route's requests that may wait, and when; nothing where they may not."""
    work = deferred_work(solved, route)
    if work is None:
        return
    deadline = f"{(route.route.slo.deadline or 0.0) / MS_PER_HOUR:g} hours"
    if work.pools_by_level:
        pools = sum(work.pools_by_level.values(), Decimal(0))
        hours = ", ".join(f"{name} {share:.0%}" for name, share in work.pools_by_level.items() if share >= 0.005)
        others = sorted({r.name for pool in solved.pools_of(route.name) for r in solved.routes_of(pool)} - {route.name})
        beside = f", beside {' and '.join(others)}" if others else ""
        yield (
            f"its requests may wait until {deadline} after they come: pools work on {pools:.0%} of them ({hours})"
            f"{beside}, and none waits for more than {work.longest_wait_hours} hours before that"
        )
    for name, share in work.batches.items():
        listed = catalog_key(name)
        yield (
            f"{share:.0%} of its requests are planned in batches of {listed}, which are done within "
            f"{_window(solved, listed)} hours: clients send these to the provider's own API of batches as they come, "
            "and not to the gateway"
        )
    if work.apis:
        yield f"{work.apis:.0%} of its requests go to APIs as they come, at the price of an answer at once"
    yield from _no_batch_price(solved, route, deadline)


def _no_batch_price(solved: Solved, route: RouteDemand, deadline: str) -> Iterator[str]:
    """Say which hosted models are planned without a price of batches although the work may wait."""
    plain = [api for api in solved.apis if api.serves(route.name) and catalog_key(api.row.key) == api.row.key]
    for api in plain:
        batches = solved.catalog.providers[api.row.provider].batches
        if batches is None:
            why = f"the catalog has no window of {api.row.provider}'s batches"
        elif (route.route.slo.deadline or 0.0) < batches.window_hours * MS_PER_HOUR:
            why = f"its batches take up to {batches.window_hours:g} hours, and the deadline is {deadline}"
        elif route.route.terms.zero_retention or route.route.terms.retention is not None:
            why = "nobody states how long its batches are kept, and the route limits that"
        else:
            why = "there is no dated price of batches for these prompts"
        yield f"{api.row.key} is planned at its plain price: {why}"


def _by_level(solved: Solved, route: RouteDemand) -> dict[str, float]:
    levels = solved.demand.levels
    keys = [(route.name, index) for index in range(len(route.bands))]
    month = sum(solved.served_requests(key) for key in keys)
    found: dict[str, float] = {}
    for t, level in enumerate(levels):
        only = tuple(float(t == other) for other in range(len(levels)))
        done = 0.0
        for key in keys:
            for name in solved.choice.classes_of(key):
                shares = solved.choice.served(key, name)
                done += solved.requests_to(key, tuple(a * b for a, b in zip(only, shares, strict=True)))
        if month and done / month > 1e-4:
            found[level.name] = done / month
    return found


def _window(solved: Solved, listed: str) -> str:
    batches = solved.catalog.providers[listed.partition("/")[0]].batches
    assert batches is not None  # only a provider with a window is planned with batches
    return f"{batches.window_hours:g}"
