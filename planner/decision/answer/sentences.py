"""Limits and omissions in sentences: refusals of the planner become text here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.decision.candidates import omissions
from planner.decision.candidates.omissions import Candidate, Omission, OmissionKind
from planner.decision.choice import limits
from planner.decision.choice.limits import BrokenLimit, Cause
from planner.words.diagnostics import Problem

MEANING: Mapping[OmissionKind, str] = {
    "memory": "does not fit the GPU's memory",
    "format": "the GPU does not run the weight format",
    "slo": "cannot meet the SLO at any load",
    "price": "has no price",
    "zones": "is not sold in the environment's zones",
    "privacy": "is an API, and the data is restricted",
    "residency": "processes data where the route does not allow it",
    "provider": "is at a provider without an account in `api.providers`",
    "retirement": "retires within the horizon or is delisted",
    "context": "reads fewer tokens than the route's prompts have",
    "dominated": "costs no less and does no more than another candidate",
    "dear": "costs more alone than a whole plan without it",
    "screened": "is far from the cheapest for every route",
    "host": "has too little CPU or memory beside the GPU",
}
"""What each kind of omission says of a candidate: the end of a sentence that begins with its name."""
RATE_WORDS: Mapping[str, str] = {"tpm": "tokens", "rpm": "requests"}


def candidate_words(candidate: Candidate) -> str:
    """Name a candidate, like `gpt-oss-120b (mxfp4) on 1 × L4 in g6.xlarge`, `openai/gpt-5.4`, or `g6.xlarge`."""
    if candidate.api:
        return candidate.api
    if not candidate.model:
        return candidate.instance_type
    host = f" in {candidate.instance_type}" if candidate.instance_type else ""
    shape = f"{candidate.tensor_parallel_size} × {candidate.gpu}"
    return f"{candidate.model} ({candidate.quantization}) on {shape}{host}"


def omission_words(omission: Omission) -> str:
    """Say why a candidate fell, without its name."""
    match omission.cause:
        case omissions.DoesNotLoad(fit):
            return fit.reason
        case omissions.FormatNotRun(support):
            return support.reason
        case omissions.MissesSlo(capacity, band):
            return f"{band} prompts: {capacity.reason}" if band else capacity.reason
        case omissions.NoPrice(price):
            return f"the price snapshot has no {price}"
        case omissions.NotInZones(zones):
            return f"not sold in {', '.join(zones)}"
        case omissions.RestrictedData():
            return "the route's data is restricted"
        case omissions.NoAccount(provider):
            return f"`api.providers` has no account at {provider}"
        case omissions.Retires(None, _):
            return "its provider no longer lists it"
        case omissions.Retires(on, until):
            return f"retires on {on}, before {until}"
        case omissions.OtherResidency(None):
            return "processes in an unknown place"
        case omissions.OtherResidency(places):
            return f"processes in {', '.join(places or ())}"
        case omissions.TooLittleContext(needed, reads, band):
            tokens = "an unknown number of" if reads is None else f"{reads:,}"
            texts = f"{band} prompts and answers" if band else "prompts"
            return f"reads {tokens} tokens; {texts} reach {needed:,}"
        case omissions.Dominated(by):
            return f"dominated by {candidate_words(by)}"
        case omissions.DearerThanPlan(usd):
            return f"its smallest deployment costs more than a whole plan without it, of ${usd:,.0f} a month"
        case omissions.FarFromCheapest():
            return "many others are cheaper for every route that it could serve"
        case omissions.WeakHost():
            return "too little CPU or memory for each GPU, or bare metal"


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
        case BrokenLimit(limits.ApiRate(provider, unit, after_loss), allowed, needed):
            when = ", with a node lost," if after_loss else ""
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
