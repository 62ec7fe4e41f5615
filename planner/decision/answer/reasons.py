"""Why a route is served as it is, with arithmetic that a reader can check by hand.

A reason tells what a request costs on a pool when it is full, what it costs at the API, and why the mix stops where it
does.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.deferred_work import deferred_reasons
from planner.decision.answer.solved import Solved
from planner.decision.answer.too_long import too_long, too_long_words
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hosting_rights import stays_in_region
from planner.decision.candidates.self_hosted import SelfHosted
from planner.domain.route import Slo
from planner.words.units import HOURS_PER_MONTH


def reasons(solved: Solved, route: RouteDemand) -> tuple[str, ...]:
    """Return the reasons of one route, as sentences."""
    sentences = [_week_reason(route)] if route.week.origin != "stated" else []
    sentences += _promise_reason(route.route.slo)
    sentences += deferred_reasons(solved, route)
    apis = solved.apis_of(route.name)
    if not apis and route.route.data == "restricted":
        sentences.append(
            "restricted data: no API may see it, so that it has nodes of its own, two at least"
            if route.route.may_wait
            else "restricted data: no API may see it, so nodes of its own must carry it even after one of them is lost"
        )
    if not route.route.engine.is_free and not solved.pools_of(route.name):
        sentences.append("no pool serves it, so that the settings in `engine` apply to nothing")
    sentences += _existing_reasons(solved, route)
    sentences += [_pool_reason(solved, route, pool) for pool in solved.pools_of(route.name)]
    requests = too_long(solved, route)
    if requests is not None:
        sentences.append(too_long_words(requests))
    if not apis:
        return tuple(sentences)
    prices = apis[0].option.usd_per_request
    read = [(band.share, prices[(route.name, i)]) for i, band in enumerate(route.bands) if (route.name, i) in prices]
    usd = sum(share * price for share, price in read) / sum(share for share, _ in read)
    sentences.append(f"at {apis[0].row.key} a request costs ${usd:.6f}")
    mode = solved.choice.mode(route.name)
    if mode == "hybrid":
        sentences.append(_spill_reason(solved, route))
    elif mode == "self-host" and solved.choice.api_share(route.name) > 0:
        sentences.append(_remainder_reason(solved, route))
    elif mode == "api":
        sentences.append(
            "the API takes all of it: at this load no machine is used enough to be cheaper"
            if route.name in solved.hostable
            else f"the API takes all of it: {_why_no_machine(solved, route)}; the API's latency is not known"
        )
    return tuple(sentences)


def _promise_reason(slo: Slo) -> Iterator[str]:
    """Say which of two different statements on the time per output token holds: the stricter one."""
    if slo.tpot_p95 is not None and slo.reading_ms is not None and slo.tpot_p95 != slo.reading_ms:
        holds = "tpot_p95" if slo.token_ms == slo.tpot_p95 else "tokens_per_second"
        yield (
            f"tokens_per_second {slo.tokens_per_second:g} asks for {slo.reading_ms:.4g} ms per output token and "
            f"tpot_p95 for {slo.tpot_p95:.4g} ms: {holds} is stricter and holds"
        )


def _week_reason(route: RouteDemand) -> str:
    """Say that the hours are those of the trace, and what they stand in for."""
    traffic = route.route.traffic
    return (
        f"its hours are those of the {route.week.origin}, {traffic.trace}, not `profile: {traffic.profile}`; "
        f"its busiest hour has {max(route.week.profile):.2f} × the mean"
    )


def _why_no_machine(solved: Solved, route: RouteDemand) -> str:
    """Say why a route has no machine to choose from."""
    if not stays_in_region(route.route.residency, solved.region, solved.catalog):
        return f"machines in {solved.catalog.places.words_for(solved.region)} are outside its residency"
    if () in (route.route.hardware.only, solved.environment.hardware.only):
        return "`hardware.only` allows no machine"
    return "no machine serves its models within the SLO"


def _pool_reason(solved: Solved, route: RouteDemand, pool: SelfHosted) -> str:
    """Say what a request costs on a pool that is full: USD an hour of a replica ÷ requests an hour that it serves."""
    k, bands = pool.replica_class, solved.bands_of(route.name, pool)
    hourly = solved.node_usd_per_hour(pool) * k.gpus_per_replica / k.gpus_per_node
    share = sum(route.bands[i].share for i in bands)
    rate = share / sum(route.bands[i].share / k.capacity[(route.name, i)] for i in bands)
    whole = (i for i in bands if not (route.bands[i].behind_cut and i - 1 in bands))
    names = " and ".join(route.bands[i].name for i in whole)
    return (
        f"{names} prompts on {k.name}: a replica costs ${hourly:.4f}/h and serves {rate:.3g} requests/s within "
        f"the SLO, so ${hourly / rate / 3600:.6f} a request when full"
    )


def _existing_reasons(solved: Solved, route: RouteDemand) -> Iterator[str]:
    """Say which of its nodes stand on machines that are paid for already, and how many must be bought beside them."""
    groups = sorted({(pool.group_name, pool.replica_class.instance_type) for pool in solved.pools_of(route.name)})
    for group, instance_type in groups:
        there, bought = solved.existing.count(group), solved.bought(group)
        if there:
            more = f"; {bought} more must be bought" if bought else ""
            yield f"{there} × {instance_type} are paid for already, used or not, and are filled first{more}"


def _spilled_usd(solved: Solved, route: RouteDemand) -> float:
    """Return what the requests of a route that go to APIs cost, USD a month."""
    prices = {api.row.key: api.option.usd_per_request for api in solved.apis}
    keys = [(route.name, index) for index in range(len(route.bands))]
    return sum(
        solved.requests_to(key, shares) * prices[api][key] for key in keys for api, shares in solved.choice.spills(key)
    )


def _remainder_reason(solved: Solved, route: RouteDemand) -> str:
    """Say what goes to the API of a route that its own pools serve otherwise."""
    share, usd = solved.choice.api_share(route.name), _spilled_usd(solved, route)
    spills = [solved.choice.spills((route.name, index)) for index in range(len(route.bands))]
    bands = [band.name for band, own in zip(route.bands, spills, strict=True) if any(any(each) for _, each in own)]
    return f"{100 * share:.2g} % of its requests, {' and '.join(bands)} prompts, go to the API for ${usd:,.2f} a month"


def _spill_reason(solved: Solved, route: RouteDemand) -> str:
    """Say what the spilled requests cost, and what one more node would cost."""
    usd = _spilled_usd(solved, route)
    where = ", ".join(f"{name} {share:.0%}" for name, share in solved.spilled(route.name).items() if share >= 0.005)
    share = solved.choice.api_share(route.name)
    spill = f"{share:.1%} of its requests go to the API ({where}) for ${usd:,.0f} a month"
    nodes = [pool.replica_class for pool in solved.pools_of(route.name)]
    cheapest = min(nodes, key=lambda k: (k.usd_per_node_hour, k.name))
    words = "on demand " if len(set(cheapest.purchases_usd_per_hour)) > 1 else ""
    if not cheapest.may_buy:
        return f"{spill}; no more {cheapest.instance_type} can be bought"
    more_usd = cheapest.usd_per_node_hour * HOURS_PER_MONTH
    return f"{spill}; one more {cheapest.instance_type} {words}would cost ${more_usd:,.0f}"
