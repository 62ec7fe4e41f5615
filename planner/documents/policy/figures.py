"""Rules over the figures of a plan: money, machines, how its capacities are known, how old its prices are."""

from __future__ import annotations

from collections.abc import Iterator

from planner.documents.policy.subject import Finding, Subject, above
from planner.domain.discounts import LISTED
from planner.domain.engine import Version
from planner.domain.engine_image import tag_of
from planner.domain.policy import CountLimits, GrowthLimits, MinimumVersions, PriceAges, ShareLimits, UsdLimits
from planner.domain.prices import earliest_day
from planner.money.cost import UNPRICED
from planner.plan.cost import CostLine
from planner.words.units import MS_PER_DAY, show_share, show_usd

NO_BASE = "not judged: there is no base to compare with"


def monthly_cost(rule: UsdLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the bill of a month; where the horizon has phases, that of the dearest one."""
    plan = subject.plan
    usd, when = plan.cost.usd_per_month, ""
    for phase in plan.phases:
        if phase.usd_per_month is not None and phase.usd_per_month > usd:
            usd, when = phase.usd_per_month, f" from {phase.start}"
    yield above(usd, rule, f"${usd:,} a month{when}", show_usd)
    for verdict in plan.verdicts:
        if verdict.name == UNPRICED and verdict.state != "pass":
            yield Finding("warn", f"not judged in full: {verdict.message}")


def cost_change(rule: UsdLimits, subject: Subject) -> Iterator[Finding]:
    """Judge what is added to the bill of the base."""
    if subject.base is None:
        yield Finding("warn", NO_BASE)
        return
    change = subject.plan.cost.usd_per_month - subject.base.usd_per_month
    yield above(change, rule, f"{'-' if change < 0 else '+'}${abs(change):,} a month", show_usd)


def cost_change_share(rule: GrowthLimits, subject: Subject) -> Iterator[Finding]:
    """Judge what is added to the bill of the base, as a share of it."""
    if subject.base is None:
        yield Finding("warn", NO_BASE)
    elif not subject.base.usd_per_month:
        yield Finding("warn", "not judged: the base costs nothing")
    else:
        share = float(subject.plan.cost.usd_per_month / subject.base.usd_per_month) - 1
        yield above(share, rule, f"{share:+.1%} of the base", show_share)


def gpus(rule: CountLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the number of GPUs."""
    count = sum(group.max_nodes * group.gpus_per_node for group in subject.plan.node_groups)
    yield above(count, rule, f"{count:,} GPUs", "{:,}".format)


def nodes(rule: CountLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the number of GPU nodes."""
    count = sum(group.max_nodes for group in subject.plan.node_groups)
    yield above(count, rule, f"{count:,} GPU nodes", "{:,}".format)


def quota(rule: ShareLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the share of the account's vCPU quotas that GPU nodes use, by family."""
    used: dict[str, int] = {}
    for group in (group for group in subject.plan.node_groups if group.quota_family):
        used[group.quota_family] = used.get(group.quota_family, 0) + group.max_nodes * group.vcpus_per_node
    stated = {str(family): count for family, count in subject.environment.quotas.items()}
    for family, vcpus in sorted(used.items()):
        if family not in stated:
            yield Finding("warn", f"not judged: the vCPU quota of family {family} is not stated (`quotas`)")
        else:
            share = vcpus / stated[family] if stated[family] else float("inf")
            yield above(share, rule, f"{vcpus:,} of {stated[family]:,} vCPUs of family {family}", show_share)
    if not used:
        yield Finding("pass", "no GPU nodes of an account" if subject.plan.node_groups else "no GPU nodes")


def spot_share(rule: ShareLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the share of GPU nodes that AWS may take back."""
    counts = {group.name: group.max_nodes for group in subject.plan.node_groups}
    spot = sum(group.spot for group in subject.plan.node_groups)
    share = spot / sum(counts.values()) if any(counts.values()) else 0.0
    yield above(share, rule, f"{spot:,} of {sum(counts.values()):,} GPU nodes are spot", show_share)


def computed_share(rule: ShareLimits, subject: Subject) -> Iterator[Finding]:
    """Judge the share of replicas whose capacity is computed, and rests on no measured run."""
    pools = subject.plan.pools
    computed = [pool for pool in pools if not pool.capacity or any(c.provenance == "analytic" for c in pool.capacity)]
    some, every = (sum(pool.replicas.max for pool in each) for each in (computed, pools))
    named = f" ({', '.join(sorted(pool.name for pool in computed))})" if computed else ""
    share = some / every if every else 0.0
    yield above(share, rule, f"the capacity of {some:,} of {every:,} replicas is computed{named}", show_share)


def price_age(rule: PriceAges, subject: Subject) -> Iterator[Finding]:
    """Judge the age of the prices of the bill, by kind. What a team has agreed does not age."""
    for kind in ("api", "ec2", "platform"):
        limits = getattr(rule, kind)
        if limits.warn is None and limits.deny is None:
            continue
        lines = [line for line in subject.plan.cost.lines if line.price.startswith(f"{kind}/") and _ages(line)]
        ages: dict[str, int] = {}
        for line in lines:
            try:
                ages[line.price] = (subject.today - earliest_day(line.as_of)).days
            except ValueError:
                yield Finding("warn", f"not judged: the day of the price {line.price} cannot be read: {line.as_of}")
        if ages:
            oldest = max(ages, key=lambda price: (ages[price], price))
            words = f"the oldest price of `{kind}` is {ages[oldest]} days old ({oldest})"
            yield above(ages[oldest] * MS_PER_DAY, limits, words, lambda ms: f"{ms / MS_PER_DAY:g} days")
        elif not lines:
            yield Finding("pass", f"the bill has no list price of `{kind}`")


def engine_version(rule: MinimumVersions, subject: Subject) -> Iterator[Finding]:
    """Judge the version of the engine that would run, by the plan's image where it names one, and of its canary."""
    if not subject.plan.pools:
        yield Finding("pass", "the plan runs no engine")
        return
    stated = subject.plan.platform.engine
    yield _engine(rule, tag_of(stated.image) if stated and stated.image else subject.engine)
    if stated is not None and stated.canary is not None:
        found = _engine(rule, tag_of(stated.canary.image))
        yield Finding(found.state, f"canary: {found.message}")


def _engine(rule: MinimumVersions, tag: str | None) -> Finding:
    running = Version.of_tag(tag)
    if running is None:
        told = f": `{tag}` is none" if tag else ""
        return Finding(rule.unknown, f"not judged: the version of the engine is not known here{told}")
    for state, least in (("deny", rule.deny), ("warn", rule.warn)):
        if least is not None and running < Version.of(least):
            return Finding("deny" if state == "deny" else "warn", f"{tag} is below {least}")
    return Finding("pass", f"{tag}, at least {rule.warn or rule.deny}")


def _ages(line: CostLine) -> bool:
    return not line.own_terms or LISTED in line.source
