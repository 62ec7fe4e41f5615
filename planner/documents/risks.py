"""Risks of a change: what no reviewer may miss, whatever it saves. Each is a sentence with the key that caused it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from planner.documents.engine_risks import engine_risks
from planner.documents.processors import processor_risks
from planner.documents.review import Place, Risk, RouteReview
from planner.documents.review_figures import Side
from planner.documents.sentences import plain
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.licences import Licensee, unsure
from planner.domain.route import Route
from planner.plan.platform import PlannedPlatform
from planner.words.spans import Document
from planner.words.units import show_duration, show_share, show_usd

KINDS = (
    "privacy",
    "processor",
    "residency",
    "terms",
    "access",
    "policy",
    "licence",
    "retirement",
    "route",
    "reserve",
    "budget",
    "slo",
    "engine",
    "quality",
    "margin",
)
"""What a risk may be about, the gravest first. Faces show them in this order."""
NO_LIMITS = "commercial ok"
"""What the catalog writes of a licence that limits nothing. A model under it is no risk."""
CLASSES = ("public", "internal", "restricted")
"""Classes of data, from the loosest to the strictest."""


def risks(
    old: Side | None, new: Side, catalog: Catalog, document: Document, further: Iterable[Risk] = ()
) -> tuple[Risk, ...]:
    """Return the risks of a change, the gravest kind first. Of a first plan they are its processors and licences.

    catalog: what is known of providers and models today.
    document: the environment's file, which knows the lines of its keys.
    further: risks that were found elsewhere.
    """
    found = [
        *processor_risks(old, new, catalog, document),
        *_licences(old, new, catalog),
        *_retirements(old, new, catalog),
        *further,
    ]
    if old is not None and old.environment is not None and new.environment is not None:
        found += _of_environments(old.environment, new.environment, catalog, document)
    elif old is not None:
        found += _unread(old, new)
    if old is not None:
        found += [*_access(old, new, document), *_refused(old, new, document), *engine_risks(old, new, document)]
    return tuple(sorted(dict.fromkeys(found), key=lambda risk: KINDS.index(risk.kind)))


def lost_latencies(routes: Iterable[RouteReview]) -> Iterator[Risk]:
    """Yield the promises that were computed on the base, and of which nobody can tell now whether they are kept."""
    for route in routes:
        lost = [p for p in route.promises if p.target_ms is not None and p.expected_ms is None and p.base_expected_ms]
        if lost:
            told = plain([f"{each.metric} of {show_duration(float(each.target_ms or 0))}" for each in lost])
            what = f"nobody has measured how fast {route.name} is served now: its promise ({told}) may not be kept"
            yield Risk(kind="slo", what=what)


OF_KEYS: Mapping[str, tuple[str, ...]] = {
    "privacy": (".data",),
    "processor": ("api.providers",),
    "residency": (".residency", "platform.region"),
    "terms": (".terms",),
    "licence": ("licence",),
    "route": ("routes.",),
    "reserve": ("reserve",),
    "budget": ("budget",),
    "slo": (".slo", ".too_long"),
    "quality": (".quality",),
    "margin": ("planning.",),
}
"""Parts of the keys that cause a risk, by its kind."""


def is_of_key(kind: str, key: str) -> bool:
    """Say whether a key of an environment can cause a risk of a kind."""
    return any(part in key for part in OF_KEYS.get(kind, ()))


def _at(document: Document, *path: str) -> Place | None:
    span = document.key(path)
    return Place(file=span.file, line=span.line) if span else None


def _of_environments(old: Environment, new: Environment, catalog: Catalog, document: Document) -> Iterator[Risk]:
    for name, route in old.routes.items():
        if name not in new.routes:
            yield Risk(
                kind="route", what=f"route {name} is removed: its requests are refused", where=_at(document, "routes")
            )
        else:
            yield from _of_route(name, route, new.routes[name], catalog, document)
    if old.platform.region != new.platform.region:
        places = catalog.places
        what = (
            f"the cluster, its machines and its logs move from {places.words_for(old.platform.region)} to "
            f"{places.words_for(new.platform.region)}: own pools process prompts there"
        )
        yield Risk(kind="residency", what=what, where=_at(document, "platform", "region"))
    if old.reserve.node and not new.reserve.node:
        what = "nothing is kept in reserve any more: when a node is lost, its requests spill, wait or are refused"
        yield Risk(kind="reserve", what=what, where=_at(document, "reserve", "node"))
    if old.reserve.zone and not new.reserve.zone:
        what = "nothing is kept in reserve for the loss of a zone: what its nodes served spills, waits or is refused"
        yield Risk(kind="reserve", what=what, where=_at(document, "reserve", "zone"))
    was, will = (each.budget.monthly if each.budget else None for each in (old, new))
    yield from _budget("the budget", was, will, _at(document, "budget", "monthly"))
    yield from _budget(
        "the budget of APIs", old.api.monthly_budget, new.api.monthly_budget, _at(document, "api", "monthly_budget")
    )
    if old.planning.margin == "p90" and new.planning.margin == "p50":
        what = "step times are taken as predicted, without the margin: half of such plans are too slow"
        yield Risk(kind="margin", what=what, where=_at(document, "planning", "margin"))
    if new.planning.demand_uncertainty < old.planning.demand_uncertainty:
        before, after = show_share(old.planning.demand_uncertainty), show_share(new.planning.demand_uncertainty)
        what = f"the load is said to be surer, ± {after} in place of ± {before}: the range of the bill narrows"
        yield Risk(kind="margin", what=what, where=_at(document, "planning", "demand_uncertainty"))
    if old.licence != new.licence:
        what = f"licences are judged for another use: {_use(old)} → {_use(new)}"
        yield Risk(kind="licence", what=what, where=_at(document, "licence"))


def _unread(old: Side, new: Side) -> Iterator[Risk]:
    """Yield what the plans alone tell, where this release cannot read the environment of a side."""
    which = "base" if old.environment is None else "plan"
    what = (
        f"this release cannot read the environment of the {which}: whether a residency, terms, a budget, an SLO or a "
        "reserve is looser is not known; compare both files"
    )
    yield Risk(kind="privacy", what=what)
    for name, route in old.routes.items():
        if name not in new.routes:
            yield Risk(kind="route", what=f"route {name} is removed: its requests are refused")
        elif CLASSES.index(new.routes[name].privacy) < CLASSES.index(route.privacy):
            yield Risk(kind="privacy", what=f"{name} is no longer {route.privacy} but {new.routes[name].privacy}")


def _use(environment: Environment) -> str:
    licence = environment.licence
    users = "" if licence.monthly_users is None else f", {licence.monthly_users:,} monthly users"
    return f"{licence.use}{users}{f', based in {licence.based_in}' if licence.based_in else ''}"


def _budget(what: str, old: Decimal | None, new: Decimal | None, where: Place | None) -> Iterator[Risk]:
    if old is not None and new is None:
        yield Risk(kind="budget", what=f"{what} of {show_usd(old)} a month is removed", where=where)
    elif old is not None and new is not None and new > old:
        told = f"{what} is raised from {show_usd(old)} to {show_usd(new)} a month"
        yield Risk(kind="budget", what=told, where=where)


def _of_route(name: str, old: Route, new: Route, catalog: Catalog, document: Document) -> Iterator[Risk]:
    def at(*path: str) -> Place | None:
        return _at(document, "routes", name, *path)

    if CLASSES.index(new.data) < CLASSES.index(old.data):
        opened = ": its prompts may now leave for APIs" if not old.may_use_api and new.may_use_api else ""
        what = f"{name} is no longer {old.data} but {new.data}{opened}"
        yield Risk(kind="privacy", what=what, where=at("data"))
    if old.residency and not (new.residency and catalog.places.holds_all(old.residency, new.residency)):
        what = (
            f"{name} had to be processed in {plain(old.residency)}, and now in {plain(new.residency or ['any place'])}"
        )
        yield Risk(kind="residency", what=what, where=at("residency"))
    yield from _terms(name, old, new, at)
    yield from _slo(name, old, new, at)
    added = [entry for entry in new.quality.accept if entry not in old.quality.accept]
    if added:
        source = f" ({new.quality.source})" if new.quality.source else ""
        what = f"{name} may now be answered by {plain(added)}, as good enough by the team's word{source}"
        yield Risk(kind="quality", what=what, where=at("quality", "accept"))
    if old.too_long != new.too_long:
        what = (
            f"prompts of {name} that are too long: {old.too_long.rule}, {show_share(old.too_long.most)} at most → "
            f"{new.too_long.rule}, {show_share(new.too_long.most)} at most"
        )
        yield Risk(kind="slo", what=what, where=at("too_long"))


At = Callable[..., Place | None]
"""Returns the line of a key of a route, by its path in the route."""


def _terms(name: str, old: Route, new: Route, at: At) -> Iterator[Risk]:
    if old.terms.no_training and not new.terms.no_training:
        what = f"providers may now train on the prompts of {name}"
        yield Risk(kind="terms", what=what, where=at("terms", "no_training"))
    if old.terms.zero_retention and not new.terms.zero_retention:
        what = f"providers may now keep the prompts of {name}"
        yield Risk(kind="terms", what=what, where=at("terms", "zero_retention"))
    before, after = old.terms.retention, new.terms.retention
    if before is not None and (after is None or after > before):
        longer = "for any time" if after is None else f"for {show_duration(after)}"
        what = f"providers may keep the prompts of {name} {longer}, before for {show_duration(before)}"
        yield Risk(kind="terms", what=what, where=at("terms", "retention"))


def _slo(name: str, old: Route, new: Route, at: At) -> Iterator[Risk]:
    """Yield each promise that is looser or gone."""
    was, will = old.slo.ttft_p95, new.slo.ttft_p95
    slope = "time to the first token for each 1,000 tokens of prompt"
    token = "tpot_p95" if old.slo.tpot_p95 != new.slo.tpot_p95 else "tokens_per_second"
    limits: tuple[tuple[str, float | None, float | None, tuple[str, ...]], ...] = (
        ("time to the first token", was.base if was else None, will.base if will else None, ("ttft_p95", "base")),
        (
            slope,
            was.per_1k_input if was and will else None,
            will.per_1k_input if will else None,
            ("ttft_p95", "per_1k_input"),
        ),
        ("time per output token", old.slo.token_ms, new.slo.token_ms, (token,)),
        ("time of a whole answer", old.slo.e2e_p95, new.slo.e2e_p95, ("e2e_p95",)),
        ("deadline", None if new.slo.deadline is None else old.slo.deadline, new.slo.deadline, ("deadline",)),
    )
    for what, before, after, path in limits:
        if before is not None and after is None:
            told = f"{name} promises no {what} any more, before {show_duration(before)}"
            yield Risk(kind="slo", what=told, where=at("slo", *path))
        elif before is not None and after is not None and after > before:
            told = f"{name} promises a longer {what}: {show_duration(before)} → {show_duration(after)}"
            yield Risk(kind="slo", what=told, where=at("slo", *path))
    if new.slo.availability < old.slo.availability:
        less = f"{show_share(old.slo.availability)} → {show_share(new.slo.availability)}"
        yield Risk(kind="slo", what=f"{name} asks for less availability: {less}", where=at("slo", "availability"))


def _refused(old: Side, new: Side, document: Document) -> Iterator[Risk]:
    """Yield the routes that refuse more, or that no API helps any more."""
    for name, route in new.routes.items():
        before = old.routes.get(name)
        if before is None:
            continue
        was, will = (each.too_long.refused_share if each.too_long else Decimal(0) for each in (before, route))
        if will > was:
            what = f"{will:.2%} of the requests of {name} are refused because they are too long, before {was:.2%}"
            yield Risk(kind="route", what=what, where=_at(document, "routes", name))
        if before.fallback and not route.fallback and route.deferred is None:
            what = f"no API helps {name} any more: when its pools are full or down, its requests wait and are refused"
            yield Risk(kind="reserve", what=what, where=_at(document, "routes", name))


def _access(old: Side, new: Side, document: Document) -> Iterator[Risk]:
    before, after = old.plan.platform, new.plan.platform
    if added := sorted({*after.public_cidrs} - {*before.public_cidrs}):
        what = f"the Kubernetes API can be reached from {plain(added)}"
        yield Risk(kind="access", what=what, where=_at(document, "platform", "endpoint", "public_cidrs"))
    if added := sorted({*after.private_from} - {*before.private_from}):
        what = f"the private side of the Kubernetes API can be reached from {plain(added)}"
        yield Risk(kind="access", what=what, where=_at(document, "platform", "endpoint", "private_from"))
    yield from _way_in(before, after, document)
    roles = {*after.admin_roles, *filter(None, [after.deploy_role])}
    if added := sorted(roles - {*before.admin_roles, *filter(None, [before.deploy_role])}):
        what = f"{plain(added)} may administer the cluster"
        yield Risk(kind="access", what=what, where=_at(document, "platform", "roles"))
    if before.boundary and before.boundary != after.boundary:
        what = f"what is deployed may do what {plain([before.boundary])} forbade"
        yield Risk(kind="access", what=what, where=_at(document, "platform", "roles", "boundary"))
    if before.account != after.account:
        what = f"everything moves from the AWS account {before.account} to {after.account}"
        yield Risk(kind="access", what=what, where=_at(document, "platform", "account"))


def _way_in(before: PlannedPlatform, after: PlannedPlatform, document: Document) -> Iterator[Risk]:
    """Yield who may call the gateway and could not before."""
    was, will = (each.cluster.load_balancer if each.cluster else None for each in (before, after))
    where = _at(document, "platform", "ingress", "load_balancer")
    if will and will.scheme == "internet-facing" and (was is None or was.scheme != will.scheme):
        yield Risk(kind="access", what="the gateway can be called from the internet", where=where)
    if will and (added := sorted({*will.cidrs} - {*(was.cidrs if was else ())})):
        yield Risk(kind="access", what=f"the gateway can be called from {plain(added)}", where=where)
    if will and not will.encrypted and (was is None or was.encrypted):
        yield Risk(kind="access", what="keys and prompts reach the load balancer in clear text", where=where)
    for key in ("gateway_api", "ingress_class"):
        old, new = (getattr(each.ingress, key, None) for each in (before, after))
        if new and new != old:
            what = f"the gateway can be called by {new.name} of namespace {new.namespace}"
            yield Risk(kind="access", what=what, where=_at(document, "platform", "ingress", key))


def _licences(old: Side | None, new: Side, catalog: Catalog) -> Iterator[Risk]:
    """Yield the limits of the licences of models that are hosted and were not."""
    former = {pool.model for pool in old.pools.values()} if old else set()
    for key in sorted({pool.model for pool in new.pools.values()} - former):
        model = catalog.model(key)
        if isinstance(model, Gap):
            yield Risk(kind="licence", what=f"{key} is hosted, and the catalog knows no licence of it")
            continue
        told = [] if model.licence else ["nobody has verified its licence"]
        if model.licence_terms is not None and new.environment is not None:
            use = new.environment.licence
            who = Licensee(use.use == "commercial", use.monthly_users, use.based_in)
            told += [f"it {doubt}"] if (doubt := unsure(model.licence_terms, who)) else []
        if model.licence_limits not in ("", NO_LIMITS):
            told.append(model.licence_limits)
        if told:
            what = f"{key} is hosted under {model.licence or 'an unknown licence'}: {'; '.join(told)}"
            yield Risk(kind="licence", what=what)


def _retirements(old: Side | None, new: Side, catalog: Catalog) -> Iterator[Risk]:
    """Yield the hosted models that end inside the horizon, where they did not on the base."""
    known = set(_ending(old, catalog)) if old else set()
    for key, day in _ending(new, catalog):
        if (key, day) not in known:
            phase = next((phase for phase in new.plan.phases if key in phase.ended), None)
            follows = "the plan says what follows" if phase else "the plan does not say what follows"
            yield Risk(kind="retirement", what=f"{key} ends on {day}, inside the horizon; {follows}")


def _ending(side: Side, catalog: Catalog) -> Iterable[tuple[str, str]]:
    if side.environment is None:
        return
    horizon = side.environment.horizon
    used = {api.partition("@")[0] for route in side.plan.routes for api in route.hosted}
    for row in sorted((row for row in catalog.apis if row.key in used), key=lambda row: row.key):
        if row.ends_within(horizon.start, horizon.end) and row.retires is not None:
            yield row.key, row.retires.isoformat()
