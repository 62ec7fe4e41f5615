"""The expected availability of each route of a plan, and the verdict that holds it against `slo.availability`.

A machine that fails is away until somebody noticed, another one has come, and its replicas have loaded their weights:

    hours down = (DETECTION_SECONDS + NODE_SECONDS + load_seconds of its slowest pool) / 3600

How often that happens stands in the catalog (`failures/`), and `performance.availability` computes what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from planner.domain.environment import Environment
from planner.domain.failures import APIS, NODES, REGION, ZONE, FailureRow, node_row, unavailable
from planner.domain.route import Route
from planner.performance.availability import (
    Account,
    Cause,
    Flow,
    NodeKind,
    RouteAvailability,
    Setting,
    availability,
)
from planner.performance.loading import NODE_SECONDS
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.plan.traffic import FallbackApi, PlanLevel, PlannedAvailability, PlannedRoute
from planner.words.units import show_floor, show_lost, show_share

DETECTION_SECONDS = 1800.0
"""Time until a machine that fails is given up, seconds: the longest that EKS's node repair waits before it replaces one
(docs.aws.amazon.com/eks/latest/userguide/node-repair.html: 10 minutes for a GPU, 30 for kernel and container runtime).
For a cluster that is there already it is an assumption."""
MOST_TOLD = 0.999999
"""Largest share that a plan tells: six digits are written, and what is left out of account is more than the rest."""
OWN_SITE = "site"
"""Stands for the zones of nodes that are there already, of which no plan knows."""
MATTERS = 5e-6
"""Share of requests below which it makes no difference whether an account is there."""
WORDS = {"node": "the loss of a machine", "zone": "the loss of a zone", "region": "the loss of the region"}


def failures_behind(plan: Plan, failures: Mapping[str, FailureRow]) -> frozenset[str]:
    """Return the keys of the rows of failures behind a plan, as facts of the catalog; also those that are not there.

    failures: rows of the catalog, by key.
    """
    keys = {f"{APIS}/{api.provider}" for api in plan.apis}
    for group in plan.node_groups:
        row = node_row(failures, group.gpu)
        keys |= {ZONE, REGION, f"{NODES}/{group.gpu}", *([row.key] if row is not None else [])}
    return frozenset(f"failure/{key}" for key in keys)


def with_availability(
    routes: Sequence[PlannedRoute],
    levels: Sequence[PlanLevel],
    groups: Sequence[NodeGroup],
    pools: Sequence[Pool],
    apis: Sequence[FallbackApi],
    failures: Mapping[str, FailureRow],
) -> tuple[PlannedRoute, ...]:
    """Return the routes with their expected availability. failures: rows of the catalog, by key."""
    setting = _setting(routes, levels, groups, pools, apis, failures)
    if setting is None:
        return tuple(route.model_copy(update={"availability": _NOTHING_KNOWN}) for route in routes)
    found = availability(setting)
    providers = {api.name: api.provider for api in apis}

    def planned(route: PlannedRoute) -> PlannedAvailability | None:
        if route.name not in found:
            return None
        unknown = dict.fromkeys(providers[name] for name in route.fallback)
        return _planned(route, found[route.name], [p for p in unknown if setting.accounts[p].uptime is None])

    return tuple(route.model_copy(update={"availability": planned(route)}) for route in routes)


_NOTHING_KNOWN = PlannedAvailability(not_known=("failures of machines",))


def _planned(route: PlannedRoute, found: RouteAvailability, unknown: Sequence[str]) -> PlannedAvailability:
    cause, lost = next(iter(found.losses.items()), (("", ""), 0.0))
    matters = tuple(unknown) if found.most - found.least > MATTERS else ()
    known = not matters or found.least >= float(route.slo.availability)
    return PlannedAvailability(
        share=Decimal(min(found.least, MOST_TOLD)) if known else None,
        not_known=tuple(f"the availability of {provider}" for provider in matters),
        costliest=_words(cause) if known else "",
        costs=Decimal(lost) if known else Decimal(0),
    )


def _words(cause: Cause) -> str:
    kind, name = cause
    if kind == "api":
        return f"the account at {name}"
    told = WORDS.get(kind, "several losses at once" if kind else "")
    return f"{told} of {name}" if name else told


def _setting(
    routes: Sequence[PlannedRoute],
    levels: Sequence[PlanLevel],
    groups: Sequence[NodeGroup],
    pools: Sequence[Pool],
    apis: Sequence[FallbackApi],
    failures: Mapping[str, FailureRow],
) -> Setting | None:
    """Return what decides the availability of a plan; None where no failures of its machines are known."""
    kinds: list[NodeKind] = []
    for group in groups:
        row = node_row(failures, group.gpu)
        if row is None or ZONE not in failures or REGION not in failures:
            return None
        for placed in group.placement:
            loading = max((float(p.load_seconds) for p in pools if placed.replicas.get(p.name)), default=0.0)
            hours = (DETECTION_SECONDS + NODE_SECONDS + loading) / 3600
            down = unavailable(row.per_hour, hours)
            kinds.append(NodeKind(group.name, placed.nodes, placed.replicas, group.zones or (OWN_SITE,), down))
    accounts = {
        api.provider: Account(
            row.uptime if (row := failures.get(f"{APIS}/{api.provider}")) is not None else None,
            api.tokens_per_minute,
            api.requests_per_minute,
        )
        for api in apis
    }
    return Setting(
        hours=tuple(float(level.hours) for level in levels),
        kinds=tuple(kinds),
        zone_down=failures[ZONE].down if any(group.zones for group in groups) else 0.0,
        region_down=failures[REGION].down if any(group.zones for group in groups) else 0.0,
        accounts=accounts,
        flows=tuple(flow for route in routes for flow in _flows(route, levels, pools, apis)),
    )


def _flows(
    route: PlannedRoute, levels: Sequence[PlanLevel], pools: Sequence[Pool], apis: Sequence[FallbackApi]
) -> Iterator[Flow]:
    """Yield the flows of a route: one for each pool of each band, and one for what an API serves at every hour.

    An API is asked for no prompts beyond its own limit.
    """
    providers = {api.name: api.provider for api in apis}
    for index, band in enumerate(route.bands):
        limits = {name: route.api_max_input_tokens.get(name) for name in route.fallback}
        open_to = [name for name, limit in limits.items() if limit is None or band.mean_input_tokens < limit + 1]
        chain = tuple(providers[name] for name in open_to)
        share = float(band.share_of_requests)
        spilled = [float(band.spilled(level.name)) for level in levels]
        own = [max(0.0, 1 - s - float(band.refused(level.name))) for s, level in zip(spilled, levels, strict=True)]
        means = [share * float(level.mean_requests_per_second.get(route.name, 0)) for level in levels]
        most = [share * float(level.planned_requests_per_second.get(route.name, 0)) for level in levels]
        tokens = float(band.mean_input_tokens + band.mean_output_tokens)
        weights = {pool: float(weight) for pool, weight in band.weights.items() if weight} or {"": 1.0}
        for pool, weight in weights.items():
            stated = (
                c for p in pools if p.name == pool for c in p.capacity if (c.route, c.band) == (route.name, index)
            )
            capacity = next((float(c.requests_per_second) for c in stated), 1.0)
            yield Flow(
                route=route.name,
                pool=pool,
                capacity=capacity,
                own_mean=tuple(m * o * weight if pool else 0.0 for m, o in zip(means, own, strict=True)),
                own_planned=tuple(m * o * weight if pool else 0.0 for m, o in zip(most, own, strict=True)),
                api_mean=tuple(m * s * weight for m, s in zip(means, spilled, strict=True)),
                api_planned=tuple(m * s * weight for m, s in zip(most, spilled, strict=True)),
                tokens=tokens,
                chain=chain,
            )


def availability_verdict(
    routes: Sequence[PlannedRoute],
    environment: Environment,
    groups: Sequence[NodeGroup],
    failures: Mapping[str, FailureRow],
) -> Verdict:
    """Hold the availability of all routes against what they ask for, in one verdict.

    It warns of routes whose environment states a share. The default is nobody's promise: what lies below it is told.

    failures: rows of the catalog, by key.
    """
    told = [(route, route.availability) for route in routes if route.availability is not None]
    asked = {name for name, route in environment.routes.items() if "availability" in route.slo.model_fields_set}
    short = [route for route, expected in told if route.name in asked and _is_short(route, expected)]
    words = [_told(route, expected, environment.routes[route.name], route.name in asked) for route, expected in told]
    words += _assumed(groups, failures)
    message = "; ".join(words) or "no route has any requests"
    return Verdict(name="availability", state="warn" if short else "pass", message=message)


def _assumed(groups: Sequence[NodeGroup], failures: Mapping[str, FailureRow]) -> list[str]:
    """Say for which GPUs nobody publishes failures, and whose count in their place; and that reclaims do not count."""
    gpus = sorted({group.gpu for group in groups if f"{NODES}/{group.gpu}" not in failures})
    row = node_row(failures, gpus[0]) if gpus else None
    told = []
    if row is not None:
        other = row.key.removeprefix(f"{NODES}/")
        told.append(
            f"nobody publishes how often {' and '.join(gpus)} machines fail, and {other} machines stand for them"
        )
    if any(not group.zones for group in groups):
        told.append("how often the whole site of the cluster fails is not known, and is left out")
    if any(group.spot for group in groups):
        told.append("spot machines count as others: how often AWS takes them back is not known")
    return told


def _is_short(route: PlannedRoute, expected: PlannedAvailability) -> bool:
    return expected.share is None or expected.share < route.slo.availability


def _told(planned: PlannedRoute, expected: PlannedAvailability, route: Route, asked: bool) -> str:
    promised = f"{show_share(float(planned.slo.availability))} {'asked' if asked else 'by default'}"
    if expected.share is None:
        return f"{planned.name} is not known ({promised}): nobody publishes {' or '.join(expected.not_known)}"
    words = f"{planned.name} {'at least ' if expected.not_known else ''}{show_floor(expected.share)} of {promised}"
    if not _is_short(planned, expected):
        return words
    help_words = _help(expected.costliest, bool(planned.fallback), route.may_use_api)
    return f"{words}: {expected.costliest} costs most ({show_lost(expected.costs)}); {help_words} would help"


def _help(costliest: str, has_api: bool, may_use_api: bool) -> str:
    """Say what helps against what costs a route most."""
    if costliest.startswith("the account"):
        return "a fallback at another provider" if may_use_api else "machines of its own"
    if costliest.startswith(WORDS["region"]):
        return "a hosted model in `quality.accept`" if may_use_api and not has_api else "a plan in a second region"
    if has_api:
        return "higher limits of the API account, or one more machine,"
    api = " or a hosted model in `quality.accept`" if may_use_api else ""
    return f"one more machine as a reserve (`reserve: {{node: true}}`){api}"
