"""Limits and omissions in sentences: refusals of the planner become text here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.decision.candidates import omissions
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.omissions import Omission, OmissionKind
from planner.decision.choice import limits
from planner.decision.choice.limits import BrokenLimit, Cause
from planner.performance.parallelism import Parallelism
from planner.words.diagnostics import Problem
from planner.words.units import duration_words

MEANING: Mapping[OmissionKind, str] = {
    "memory": "does not fit the GPU's memory",
    "format": "the GPU does not run the weight format",
    "kv-cache": "is not planned with an FP8 KV cache",
    "drafter": "is not planned with that drafter",
    "adapter": "is not planned with adapters",
    "slo": "cannot meet the SLO at any load",
    "price": "has no price",
    "zones": "is not sold in the environment's zones",
    "quota": "needs more vCPUs than the quota",
    "privacy": "is an API, and the data is restricted",
    "residency": "processes data where the route does not allow it",
    "region": "would be hosted in a region that the route's residency excludes",
    "terms": "does not keep the terms that the route asks for, or nobody has verified that it does",
    "latency": "is an API whose measured latency misses the SLO",
    "licence": "has a licence that forbids this use",
    "engine": "is not served by the release of the engine that plans run",
    "hardware": "is left out by `hardware:`",
    "machine": "needs a machine, and this plan buys none for the route",
    "provider": "is at a provider without an account in `api.providers`",
    "not-called": "is at a provider that plans do not use",
    "deployment": "has no deployment that `api.providers` names",
    "retirement": "is no longer served by its provider",
    "context": "reads fewer tokens than the route's prompts have",
    "dominated": "costs no less and does no more than another candidate",
    "dear": "costs more alone than a whole plan without it",
    "screened": "is far from the cheapest for every route",
    "host": "has too little CPU or memory beside the GPU",
    "too-many-gpus": "needs more GPUs than a machine that is sold here has",
    "one-zone": "would stand in one zone, and the plan must stand the loss of it",
}
"""What each kind of omission says of a candidate: the end of a sentence that begins with its name."""
JUST_ABOVE = 1.01
"""Factor over a target up to which a time may read as the target itself; then it is said that it is above."""
TENANCY_WORDS: Mapping[str, str] = {
    "": "",
    "solo": ", on nodes of its own",
    "private": ", for restricted data",
    "batch": ", kept full by work that may wait",
}
RATE_WORDS: Mapping[str, str] = {"tpm": "tokens", "rpm": "requests"}


def candidate_words(candidate: Candidate) -> str:
    """Name a candidate, like `gpt-oss-120b (mxfp4) on 1 × L4 in g6.xlarge`, `openai/gpt-5.4`, or `g6.xlarge`."""
    if candidate.api:
        return candidate.api
    if not candidate.model:
        return candidate.instance_type
    if not candidate.gpu:
        way = f" ({candidate.quantization})" if candidate.quantization else ""
        return f"{candidate.model}{way} on own machines"
    host = f" in {candidate.instance_type}" if candidate.instance_type else ""
    shape = f"{candidate.parallelism.gpus} × {candidate.gpu}{layout_words(candidate.parallelism)}"
    cap = f", batch cap {candidate.max_num_seqs}" if candidate.max_num_seqs else ""
    cache = "" if candidate.kv_cache_dtype == "auto" else f", {candidate.kv_cache_dtype} KV cache"
    drafter = f", drafter {candidate.drafter}" if candidate.drafter else ""
    adapters = f", adapters {', '.join(candidate.adapters)}" if candidate.adapters else ""
    way = f"{candidate.model} ({candidate.quantization}{cache}{drafter}{adapters})"
    return f"{way} on {shape}{host}{cap}{TENANCY_WORDS[candidate.tenancy]}"


def layout_words(layout: Parallelism) -> str:
    """Say how GPUs share a model, where that is not by tensor parallelism alone."""
    if layout.data_parallel_size > 1:
        return f" (DP {layout.data_parallel_size} × TP {layout.tensor_parallel_size}, EP)"
    return " (EP)" if layout.enable_expert_parallel else ""


def omission_words(omission: Omission) -> str:
    """Say why a candidate fell, without its name."""
    match omission.cause:
        case omissions.DoesNotLoad(fit):
            return fit.reason
        case (
            omissions.FormatNotRun(support)
            | omissions.CacheNotRun(support)
            | omissions.DrafterNotPlanned(support)
            | omissions.AdaptersNotPlanned(support)
        ):
            return support.reason
        case omissions.MissesSlo(capacity, band):
            near = ", just above the target" if capacity.over is not None and 1.0 < capacity.over < JUST_ABOVE else ""
            return f"{band} prompts: {capacity.reason}{near}" if band else f"{capacity.reason}{near}"
        case omissions.NoPrice(price, band):
            return (
                f"{band} prompts: the price snapshot has no {price}" if band else f"the price snapshot has no {price}"
            )
        case omissions.NotInZones(zones):
            return f"not sold in {', '.join(zones)}"
        case omissions.OverQuota(family, needs, allowed):
            return f"the vCPU quota of family {family} is {allowed:,}, and one of its machines takes {needs:,} or more"
        case omissions.RestrictedData():
            return "the route's data is restricted"
        case omissions.NoAccount(provider):
            return f"`api.providers` has no account at {provider}"
        case omissions.NotCalled(reason, instead):
            return f"plans do not use it, because {reason}; {instead}"
        case omissions.NoDeployment(provider, names):
            key = f"`api.providers.{provider}.deployments`"
            return f"{key} names no deployment of it that the route may use ({' or '.join(names)})"
        case omissions.Ended(on, delisted, successors):
            instead = f" (its provider names {' or '.join(successors)} instead)" if successors else ""
            if on is not None:
                return f"ended on {on}{instead}"
            if delisted:
                return f"its provider no longer lists it{instead}"
            return f"its provider withdraws it, and its last day is not known{instead}"
        case omissions.OtherResidency(places, further):
            own = f"processes in {', '.join(places)}" if places else "processes in an unknown place"
            near = "; ".join(
                f"its address `{each.name}` in {', '.join(each.places)}, which "
                f"`residency: [{', '.join(each.residency)}]` would allow"
                for each in further
            )
            return f"{own} ({near})" if near else own
        case omissions.RegionOutside(region):
            return f"machines in {region} process its data there"
        case omissions.TermsNotMet(term, verified, days, allowed_days):
            return _terms_words(term, verified, days, allowed_days)
        case omissions.SlowerThanSlo(stated, allowed, prompt, first_token):
            target = "the target" if first_token else "the target of the whole answer"
            return (
                f"its p95 to the first token was measured as {duration_words(stated)}; {target} for a prompt of "
                f"{prompt:,} tokens is {duration_words(allowed)}"
            )
        case omissions.LicenceForbids():
            return _licence_words(omission.cause)
        case omissions.EngineLacks(unserved):
            return unserved.reason
        case omissions.RuledOut(rule, words):
            return _rule_words(rule, words)
        case omissions.TooLittleContext(needed, reads, band, is_held):
            tokens = "an unknown number of" if reads is None else f"{reads:,}"
            texts = f"{band} prompts and answers" if band else "prompts"
            held = "is held by `engine.max_model_len` and " if is_held else ""
            return f"{held}reads {tokens} tokens; {texts} reach {needed:,}"
        case omissions.Dominated(by):
            return f"dominated by {candidate_words(by)}"
        case omissions.DearerThanPlan(usd):
            return f"its smallest deployment alone costs far more than a first, rough plan of ${usd:,.0f} a month"
        case omissions.FarFromCheapest():
            return "many others are cheaper for every route that it could serve"
        case omissions.NoMachine(gpus):
            return f"no machine that is sold here carries replicas of {gpus} of its GPUs"
        case omissions.OneZone(zone):
            return f"of the environment's zones only {zone} has its machine, and the plan must stand the loss of a zone"
        case omissions.WeakHost():
            return "too little CPU or memory for each GPU, or bare metal"


def _licence_words(cause: omissions.LicenceForbids) -> str:
    """Say what a licence forbids."""
    if cause.rule == "commercial use":
        return f"{cause.licence} forbids commercial use"
    if cause.rule == "place":
        return f"{cause.licence} gives no rights to companies in {cause.stated}"
    return f"{cause.licence} ends at {cause.limit:,} monthly users; the environment states {cause.stated}"


def _rule_words(rule: tuple[str, ...], words: tuple[str, ...]) -> str:
    """Name the key that leaves hardware out, with what it names."""
    key = f"`{'.'.join(rule)}`"
    if rule[-1] == "not":
        return f"{key} names {', '.join(words)}"
    return f"{key} asks for {' or '.join(words)}" if words else f"{key} allows no machine"


def _terms_words(term: str, verified: bool, days: float | None, allowed_days: float | None) -> str:
    """Say what of the terms is not kept, or is not verified."""
    if not verified:
        what = {"no_training": "whether it trains on requests", "retention": "how long it keeps requests"}
        return f"{what.get(term, 'whether it can keep nothing')} is not verified; read its contract"
    if term == "no_training":
        return "it trains on requests"
    if term == "zero_retention":
        return "it cannot keep nothing"
    return f"it keeps requests for {days:g} days; the route allows {allowed_days:g}"


def counted_words(counts: Iterable[tuple[OmissionKind, int]]) -> str:
    """Tell the numbers of omissions by kind, as one line."""
    return "; ".join(f"{count} × {MEANING[kind]}" for kind, count in counts)


def cause_words(cause: Cause) -> str:
    """Say what stands in the way of any plan, as one sentence without its end."""
    match cause:
        case limits.NoCandidates():
            return "no model and no API may serve any route"
        case limits.Contradiction():
            return "the limits contradict each other"
        case limits.SearchEnded(nodes):
            return f"no plan was found within {nodes} nodes of the search, and none is ruled out"
        case BrokenLimit(limits.ServedRoute(route), _, needed):
            return f"{needed:.0%} of route {route} finds no place"
        case BrokenLimit(limits.VcpuQuota(family), allowed, needed):
            return f"the vCPU quota of family {family} would have to be {needed:,.0f}, not {allowed:,.0f}"
        case BrokenLimit(limits.ExistingNodes(instance_type), allowed, needed):
            return f"there would have to be {needed:,.0f} machines {instance_type}, and there are {allowed:,.0f}"
        case BrokenLimit(limits.ApiRate(provider, unit, after_loss), allowed, needed):
            when = ", after a loss," if after_loss else ""
            what = f"the {RATE_WORDS[unit]} a minute of {provider}{when}"
            return f"{what} would have to be {needed:,.0f}, not {allowed:,.0f}"
        case BrokenLimit(limit, allowed, needed):
            name = "the budget" if isinstance(limit, limits.TotalBudget) else "the API budget"
            return f"{name} would have to be ${needed:,.0f}, not ${allowed:,.0f}"


def cause_problem(cause: Cause) -> Problem:
    """Return a problem that names the cause, the key that decides it and what to do about it (INF002, INF003)."""
    words = cause_words(cause)
    if isinstance(cause, limits.SearchEnded):
        hint = "the limits may be too tight or the load too large to tell; change one of them and plan again"
        return Problem("INF003", f"could not decide: {words}", hint=hint)
    about = cause.limit.about if isinstance(cause, BrokenLimit) else ("routes",)
    return Problem("INF002", f"no plan exists: {words}", hint=_way_out(cause), about=about)


def _way_out(cause: Cause) -> str:
    """Say what to do about a cause."""
    match cause:
        case BrokenLimit(limits.VcpuQuota()):
            return "raise the quota in AWS and in `quotas:`, or accept a model that needs fewer GPUs"
        case BrokenLimit(limits.ExistingNodes()):
            return "add machines and their number in `hardware.existing`, or accept a model that needs fewer GPUs"
        case BrokenLimit(limits.ApiRate(provider, unit, after_loss)):
            less = ", or set `reserve: {node: false}`" if after_loss else ", or accept another model"
            return f"raise the limit with {provider} and in `api.providers.{provider}.limits.{unit}`{less}"
        case BrokenLimit(limits.TotalBudget()):
            return "raise `budget:`, or accept a cheaper model"
        case BrokenLimit(limits.ApiBudget()):
            return "raise `api.monthly_budget:`, or accept a model to host"
        case BrokenLimit(limits.ServedRoute()):
            return "accept another model for it, or allow more machines or APIs"
        case _:
            return "loosen one of quotas, API limits and budgets, or accept another model"
