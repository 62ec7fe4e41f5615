"""Judgements on a plan: pass, warn or deny, each with a sentence. What is not known is never silent: it warns, or
stands among the assumptions where no plan is without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from planner.decision.answer.adapter_verdicts import adapter_verdicts
from planner.decision.answer.data_rules import licence_doubts, privacy_of
from planner.decision.answer.elastic_verdicts import elastic_verdicts
from planner.decision.answer.own_rows import own_verdict
from planner.decision.answer.paid_verdicts import paid_verdicts
from planner.decision.answer.price_verdicts import price_verdicts
from planner.decision.answer.purchase_verdicts import purchase_verdicts
from planner.decision.answer.quality_verdicts import quality_verdicts
from planner.decision.answer.routes import BYTES_PER_TOKEN
from planner.decision.answer.solved import Solved
from planner.decision.answer.token_verdicts import token_verdicts
from planner.decision.answer.too_long import too_long_verdicts
from planner.decision.candidates.existing import WORDS
from planner.decision.candidates.self_hosted import SelfHosted
from planner.domain.buying import SPOT_QUOTA
from planner.domain.engine_image import EngineImage
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.ingress import Ingress
from planner.domain.prices import Price
from planner.money.cost import UNPRICED, unpriced_items
from planner.plan.cost import Cost
from planner.plan.review import Verdict
from planner.words.units import HOURS_PER_MONTH

ASSUMED: Mapping[str, str] = {
    "end": "that no end of {} is announced rests on weak evidence",
    "latency": "the TTFT of {} has not been measured (`api.providers.NAME.latency`)",
    "revision": "no revision of {} is pinned",
}
"""What plans assume where nobody knows better, by the kind of the gap. It stands on nearly every plan, and a warning of
it would hide others: one line tells all of it, and passes."""


def verdicts(
    solved: Solved,
    cost: Cost,
    gaps: Iterable[Gap],
    without_place: Sequence[str],
    fallbacks: Collection[str],
    preference: str = "",
) -> tuple[Verdict, ...]:
    """Return all verdicts, sorted by name.

    without_place: bands that have no place at the slow end of the measurements.
    fallbacks: hosted models that some route may use.
    preference: what became of a preference for hardware; empty where there is nothing to tell.
    """
    environment = solved.environment
    judgements = [
        *_budget(environment, cost),
        *_quotas(solved),
        *purchase_verdicts(solved),
        *paid_verdicts(solved),
        *elastic_verdicts(solved),
        *_there_already(solved),
        *_unused(solved),
        *price_verdicts(environment, solved.catalog, cost, _spot_prices(solved)),
        *_network(solved),
        *_unpriced(solved),
        *_unbuilt(solved),
        *_assumed(solved.pools),
        *_provenance(solved.pools),
        *_caches(solved.pools),
        *_drafters(solved.pools),
        *adapter_verdicts(solved),
        *_stretched(solved.pools),
        *_range(without_place),
        *gap_verdicts((*gaps, *(gap for pool in solved.pools for gap in pool.shape.model.gaps()))),
        *too_long_verdicts(solved),
        *licence_doubts(solved),
        *quality_verdicts(environment),
        *own_verdict(solved, cost, fallbacks),
        *([Verdict(name="hardware", state="pass", message=preference)] if preference else []),
        privacy_of(solved),
        *token_verdicts(solved, BYTES_PER_TOKEN),
    ]
    return tuple(sorted(judgements, key=lambda verdict: (verdict.name, verdict.message)))


def _budget(environment: Environment, cost: Cost) -> list[Verdict]:
    """Hold the bill against the budget, and what APIs cost against the API budget.

    A plan without a budget is warned of. An API budget is optional.
    """
    judged = [Verdict(name="budget", state="warn", message="no budget is set")]
    if environment.budget is not None:
        judged = [_within("budget", cost.usd_per_month, environment.budget.monthly)]
    if environment.api.monthly_budget is not None:
        judged.append(_within("budget API", cost.usage_usd_per_month, environment.api.monthly_budget))
    return judged


def _spot_prices(solved: Solved) -> list[Price]:
    return [pool.offering.spot for pool in solved.pools if pool.offering.spot is not None]


def _within(name: str, usd: Decimal, most: Decimal) -> Verdict:
    return Verdict(name=name, state="pass" if usd <= most else "deny", message=f"${usd:,} of ${most:,} a month")


def _quotas(solved: Solved) -> list[Verdict]:
    if solved.environment.platform.cluster is not None:
        return []
    used = {pool.replica_class.quota_family for pool in solved.pools}
    spot = {pools[0].replica_class.quota_family for group, pools in solved.groups.items() if solved.spot_of(group)}
    families = sorted((used | {f"{family}{SPOT_QUOTA}" for family in spot}) - set(solved.environment.quotas))
    return [
        Verdict(name=f"quota {family}", state="warn", message=f"the vCPU quota of family {family} is not stated")
        for family in families
    ]


def _there_already(solved: Solved) -> list[Verdict]:
    """Say once what a bill leaves out that is paid for with the cluster."""
    cluster = solved.environment.platform.cluster
    if cluster is None:
        return []
    message = (
        f"the cluster `{cluster.context}` is there already: the bill leaves out its control plane, its other nodes, "
        "disks, network, logs and the store of the weights"
    )
    return [Verdict(name="existing cluster", state="pass", message=message)]


def _unused(solved: Solved) -> list[Verdict]:
    """Warn of machines that are paid for and carry nothing."""
    verdicts = []
    for machines in solved.existing.unused:
        usd = machines.usd_per_hour * HOURS_PER_MONTH
        instance_type, kind = machines.entry.instance_type, machines.entry.kind
        told = "" if kind == "existing" else f" ({WORDS[kind]})"
        message = f"{machines.count} × {instance_type}{told} are paid for and not used: ${usd:,.0f} a month"
        on_it = [k for k in solved.choice.question.classes if k.instance_type == instance_type]
        if solved.existing.unused_count(instance_type) == 1 and any(k.exclusive for k in on_it):
            message += "; a pool that no API may help needs two nodes of its type"
        verdicts.append(Verdict(name="existing machines", state="warn", message=message))
    return verdicts


def _network(solved: Solved) -> list[Verdict]:
    """Tell of a network that the environment leaves to others, or whose addresses it leaves open."""
    stated, message = solved.environment.platform.network, ""
    if solved.cluster is not None and stated.vpc is not None:
        message = f"{stated.vpc} is there already: its ways out, endpoints and flow logs are not on this bill"
    elif solved.cluster is not None and stated.cidr is None:
        message = f"{solved.cidr} is made; `platform.network.cidr` states another"
    return [Verdict(name="network", state="pass", message=message)] if message else []


def _unpriced(solved: Solved) -> list[Verdict]:
    """Name what the cluster uses and the bill leaves out, because nobody knows its price.

    Storage of logs has a price in one region alone, so that a warning of it would stand on nearly every plan.
    """
    if solved.cluster is None:
        return []
    missing = unpriced_items(solved.region, solved.cluster, solved.catalog.prices)
    if not missing:
        return []
    told = "; ".join(f"{name}, {quantity:,f} × {key}" for name, key, quantity in missing)
    message = f"the sum leaves out what has no price in the region: {told}"
    rare = all(key.endswith("/logs-storage") for _, key, _ in missing)
    return [Verdict(name=UNPRICED, state="pass" if rare else "warn", message=message)]


def _unbuilt(solved: Solved) -> list[Verdict]:
    """Warn of a way in, of encryption and of engines that nothing is built for where the plan hosts nothing itself."""
    platform = solved.environment.platform
    asked = {"ingress": platform.ingress != Ingress(), "pool_tls": platform.pool_tls is not None}
    asked["engine"] = platform.engine != EngineImage()
    keys = [f"platform.{key}" for key, stated in asked.items() if stated]
    if solved.pools or not keys:
        return []
    message = f"the plan hosts nothing itself, so that {' and '.join(keys)} build nothing"
    return [Verdict(name="way in", state="warn", message=message)]


def _assumed(pools: Sequence[SelfHosted]) -> list[Verdict]:
    """Warn of GPUs some of whose figures follow from others by an assumption."""
    gpus = {pool.shape.gpu.key: pool.shape.gpu.assumed for pool in pools if pool.shape.gpu.assumed}
    return [Verdict(name=f"GPU {key}", state="warn", message=told) for key, told in sorted(gpus.items())]


def _provenance(pools: Sequence[SelfHosted]) -> list[Verdict]:
    """Warn of capacities that rest on no measured runs of the GPU, or on few runs of the layout.

    Of pools with a drafter `_drafters` warns, and of pools with adapters `adapter_verdicts`.
    """
    analytic = [p for p in pools if any(c.provenance == "analytic" for c in p.replica.capacities.values())]
    single = [p for p in analytic if p.shape.copies == 1 and not p.shape.drafter and not p.shape.adapters]
    latent = {p.name for p in single if p.shape.kv_format == "fp8" and p.shape.model.architecture.latent is not None}
    gpus = sorted({pool.shape.gpu.key for pool in single if pool.name not in latent})
    copied = sorted(pool.name for pool in analytic if pool.shape.copies > 1)
    told = []
    if gpus:
        told.append(f"capacities on {', '.join(gpus)} are computed, not measured, with the wider margin")
    if copied:
        few = "rest on few measured runs of data-parallel attention, with the wider margin"
        told.append(f"capacities of {', '.join(copied)} {few}: measure one replica before you rely on them")
    if latent:
        few = "rest on no measured run of latent attention with an fp8 cache, with the wider margin"
        told.append(f"capacities of {', '.join(sorted(latent))} {few}")
    return [Verdict(name="provenance", state="warn", message="; ".join(told))] if told else []


def _caches(pools: Sequence[SelfHosted]) -> list[Verdict]:
    """Tell which pools keep their KV cache in another form than the model's own, which changes answers a little."""
    names = sorted(pool.name for pool in pools if pool.shape.kv_cache_dtype == "fp8")
    if not names:
        return []
    allowed = "as `quality.kv_cache_dtype` allows; its scales are 1 unless the checkpoint has its own"
    return [
        Verdict(
            name="KV cache", state="pass", message=f"the KV cache of {', '.join(names)} is stored in FP8, {allowed}"
        )
    ]


def _stretched(pools: Sequence[SelfHosted]) -> list[Verdict]:
    """Tell which models of the plan read more than they were trained on, which changes answers to short prompts too."""
    keys = sorted({pool.shape.model.key for pool in pools if pool.shape.model.positions is not None})
    if not keys:
        return []
    message = (
        f"{', '.join(keys)}: positions are stretched by YaRN, for short prompts too, which changes answers a little"
    )
    return [Verdict(name="positions", state="pass", message=message)]


def _drafters(pools: Sequence[SelfHosted]) -> list[Verdict]:
    """Warn of pools with a drafter: answers are the model's own, and their speed rests on what others publish."""
    verdicts = []
    for pool in pools:
        if (drafter := pool.shape.drafter) is not None:
            proposed = drafter.num_speculative_tokens
            message = (
                f"{pool.name} proposes {proposed} token{'s' if proposed > 1 else ''} a step by `{drafter.method}`, of "
                f"which {drafter.accepted:g} are taken to be accepted ({drafter.measured}; {drafter.source}, "
                f"{drafter.as_of}); its capacity rests on that and on no run, with the margin of computed figures: "
                "measure one replica by the metrics `vllm:spec_decode_num_accepted_tokens` ÷ "
                "`vllm:spec_decode_num_drafts` before you rely on it"
            )
            verdicts.append(Verdict(name="speculative decoding", state="warn", message=message))
    return verdicts


def _range(without_place: Sequence[str]) -> list[Verdict]:
    if not without_place:
        return []
    message = (
        f"at the slow end of the measurements no number of machines serves {', '.join(without_place)} within the SLO"
    )
    return [Verdict(name="range", state="warn", message=f"{message}; the high end of the cost does not hold that")]


def gap_verdicts(gaps: Iterable[Gap]) -> list[Verdict]:
    """Warn of what is not known, in a line for each kind; what every plan assumes is one line that passes."""
    kinds: dict[str, list[Gap]] = {}
    for gap in sorted(set(gaps)):
        kinds.setdefault(gap.kind, []).append(gap)
    told = [
        Verdict(name=f"gap {kind}", state="warn", message=_shortened([gap.message for gap in some]))
        for kind, some in kinds.items()
        if kind not in ASSUMED
    ]
    assumed = [words.format(_subjects(kinds[kind])) for kind, words in ASSUMED.items() if kind in kinds]
    return told + ([Verdict(name="assumptions", state="pass", message="; ".join(assumed))] if assumed else [])


def _subjects(gaps: Iterable[Gap]) -> str:
    """Name what gaps are of, in a few words."""
    names = sorted({gap.subject for gap in gaps})
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _shortened(messages: Sequence[str], most: int = 4) -> str:
    """Join the first messages, and say how many more there are."""
    shown = "; ".join(messages[:most])
    return shown if len(messages) <= most else f"{shown}; and {len(messages) - most} more"
