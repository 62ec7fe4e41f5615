"""Names that a team wrote and the plan cannot use: accepted models, and accounts at providers. None falls silently.

A name that merely lost on price is not told: the plan had it, and found something cheaper. A name that yields no
candidate at all is a warning with its reasons, and with the price of the plan that would have it where that can be
asked (`set_aside`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from planner.decision.answer.phase_verdicts import listed
from planner.decision.answer.phases import Replan
from planner.decision.answer.sentences import counted_words, omission_words
from planner.decision.answer.set_aside import can_be_set_aside, causes_of, rules_against, set_aside
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import (
    LicenceForbids,
    NoAccount,
    NotCalled,
    Omission,
    OverQuota,
    RuledOut,
    counts_by_kind,
)
from planner.decision.inputs import Inputs
from planner.domain.catalog import AcceptedEntry
from planner.domain.gaps import Gap
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.words.diagnostics import Problems

MOST_PRICED = 6
"""Questions that are solved again at most, so that a long accept list does not take longer than the plan."""
KINDS_TOLD = 3
"""Kinds of omissions of self-hosted candidates that a sentence counts at most."""
REASONS_TOLD = 2
"""Models of an idle account whose reasons are told at most."""
LOST_ON_PRICE = frozenset({"dominated", "dear", "screened"})


@dataclass(frozen=True)
class Fallen:
    """A fallen name is an entry of an accept list that yields no candidate for a route.

    reasons: why it yields none, as ends of a sentence.
    aside: the omissions that would have to be set aside so that a hosted model of it could serve; empty where nothing
    helps.
    never: whether it is hosted alone and the route's data is restricted.
    """

    entry: str
    route: str
    reasons: tuple[str, ...]
    aside: tuple[Omission, ...]
    never: bool

    @property
    def group(self) -> tuple[str, ...]:
        """Return what names must share to be told in one sentence: what would bring them back, or their reasons."""
        if not self.aside:
            return (self.entry, *self.reasons)
        return tuple(sorted({_limit(omission) for omission in self.aside}))


def unused_verdicts(plan: Plan, market: Market, inputs: Inputs, replan: Replan) -> tuple[Verdict, ...]:
    """Return a warning for each group of accepted names that fell, and one for all accounts that no route can use."""
    groups: dict[tuple[str, ...], list[Fallen]] = {}
    for fallen in _fallen(market, inputs):
        groups.setdefault(fallen.group, []).append(fallen)
    pricer = _Pricer(plan, inputs, replan)
    told = [f"{_words(group)}; {_group_price(group, pricer)}" for group in groups.values()]
    verdicts = [Verdict(name="accepted", state="warn", message=message) for message in told]
    priced = {_provider(omission) for group in groups.values() for fallen in group for omission in fallen.aside}
    if idle := _idle_accounts(market, inputs, pricer, priced):
        message = f"no route can use these accounts of `api.providers`: {'; '.join(idle)}"
        verdicts.append(Verdict(name="accounts", state="warn", message=message))
    return tuple(verdicts)


def _group_price(group: Sequence[Fallen], pricer: _Pricer) -> str:
    if all(fallen.never for fallen in group):
        return "no price: restricted data reaches no API, whatever it costs"
    return pricer.price([omission for fallen in group for omission in fallen.aside])


class _Pricer:
    """Prices limits by planning without them."""

    def __init__(self, plan: Plan, inputs: Inputs, replan: Replan) -> None:
        self._plan, self._inputs, self._replan = plan, inputs, replan
        self._asked = 0

    def price(self, aside: Sequence[Omission]) -> str:
        """Say what the plan would cost without these limits."""
        if not aside:
            return "price unknown: no limit could be set aside that would bring it back"
        if self._asked == MOST_PRICED:
            return f"price unknown: {MOST_PRICED} other names are priced already"
        self._asked += 1
        with_it = _with_it(aside)
        try:
            other = self._replan(set_aside(aside, self._inputs))
        except Problems as refusal:
            return f"price unknown: {refusal.problems[0].message}"
        usd, now = other.cost.usd_per_month, self._plan.cost.usd_per_month
        if usd >= now:
            return f"{with_it} the plan would cost no less than ${now:,} a month"
        return f"{with_it} the plan would cost ${usd:,} a month instead of ${now:,}"


def _with_it(aside: Sequence[Omission]) -> str:
    """Say what a plan without these limits has, as the beginning of a sentence."""
    causes = [omission.cause for omission in aside]
    if all(isinstance(cause, NoAccount) for cause in causes):
        return "with an account there"
    if all(isinstance(cause, OverQuota) for cause in causes):
        return "with a quota for it"
    if all(isinstance(cause, LicenceForbids) for cause in causes):
        commercial = all(isinstance(cause, LicenceForbids) and cause.rule == "commercial use" for cause in causes)
        return f"with another licence{' or `licence: {use: non-commercial}`' if commercial else ''}"
    return "with it"


def _fallen(market: Market, inputs: Inputs) -> list[Fallen]:
    """Return the accepted names that yield no candidate, sorted by name and route."""
    found = []
    for name, route in inputs.environment.routes.items():
        for entry in sorted(set(route.quality.accept)):
            accepted = inputs.catalog.accepted_entry(entry)
            if not isinstance(accepted, Gap) and not market.serves(name, accepted, _quotas(inputs)):
                found.append(_fallen_entry(name, accepted, market, inputs))
    return sorted(found, key=lambda fallen: (fallen.entry, fallen.route))


def _fallen_entry(route: str, accepted: AcceptedEntry, market: Market, inputs: Inputs) -> Fallen:
    chains = {row.key: causes_of(row.key, route, market, inputs) for row in accepted.apis}
    several = len(chains) > 1 or accepted.model is not None
    over = _over_quota(route, accepted, market, inputs)
    reasons = [omission_words(over)] if over else []
    if accepted.model is not None and not over:
        reasons.append(_self_hosted_reason(route, accepted, market))
    for key, chain in chains.items():
        words = " and ".join(omission_words(omission) for omission in chain)
        reasons.append(f"{key}: {words}" if several else words)
    aside = [o for chain in chains.values() if all(map(can_be_set_aside, chain)) for o in chain]
    aside += [over] if over else []
    aside += rules_against(accepted, route, market, inputs)
    never = accepted.model is None and not inputs.environment.routes[route].may_use_api
    return Fallen(accepted.entry, route, tuple(reasons), tuple(aside), never)


def _quotas(inputs: Inputs) -> dict[str, int]:
    return {str(family): quota for family, quota in inputs.environment.quotas.items()}


def _over_quota(route: str, accepted: AcceptedEntry, market: Market, inputs: Inputs) -> Omission | None:
    """Return the quota that holds none of the machines of an accepted model; None where machines are not in its way."""
    offers = market.offers_of(route, accepted)
    if not offers or accepted.model is None:
        return None
    least, quotas = offers[0], _quotas(inputs)
    if least.vcpus <= quotas.get(least.family, least.vcpus):
        return None
    cause = OverQuota(least.family, least.vcpus, quotas[least.family])
    return Omission(Candidate(model=accepted.model.key), cause, route)


def _self_hosted_reason(route: str, accepted: AcceptedEntry, market: Market) -> str:
    """Say why no machine serves an accepted model, by the kinds of what fell, the most frequent first."""
    assert accepted.model is not None
    ways = {way.name for way in accepted.precisions}
    own = [
        omission
        for omission in market.omissions
        if omission.candidate.model == accepted.model.key
        and omission.candidate.quantization in ("", *ways)
        and omission.route in ("", route)
        and omission.kind not in LOST_ON_PRICE
    ]
    if not own:
        return "no machine that is sold in the zones can hold it"
    if rule := next((omission for omission in own if not omission.candidate.quantization), None):
        return omission_words(rule)
    return f"of its machines {counted_words(counts_by_kind(own)[:KINDS_TOLD])}"


def _idle_accounts(market: Market, inputs: Inputs, pricer: _Pricer, priced: Collection[str]) -> list[str]:
    """Return what is said of each provider with an account whose models no route can use."""
    used = {api.row.provider for api in market.apis}
    return [
        f"{provider} ({_idle_reason(provider, market, inputs, pricer, provider in priced)})"
        for provider in sorted(set(inputs.environment.api.providers) - used)
    ]


def _idle_reason(provider: str, market: Market, inputs: Inputs, pricer: _Pricer, is_priced: bool) -> str:
    fallen = [o for o in market.omissions if _provider(o) == provider]
    if whole := next((o for o in fallen if isinstance(o.cause, NotCalled)), None):
        return omission_words(whole)
    pairs = sorted({(o.candidate.api, o.route) for o in fallen})
    if not pairs:
        return "no route accepts a model that it hosts"
    open_pairs = [pair for pair in pairs if inputs.environment.routes[pair[1]].may_use_api]
    chains = [causes_of(api, route, market, inputs) for api, route in open_pairs or pairs]
    reasons = list(dict.fromkeys(f"{chain[0].candidate.api}: {omission_words(chain[0])}" for chain in chains if chain))
    more = f"; and {len(reasons) - REASONS_TOLD} more" if len(reasons) > REASONS_TOLD else ""
    words = "; ".join(reasons[:REASONS_TOLD]) + more
    aside = [o for chain in chains if all(map(can_be_set_aside, chain)) for o in chain]
    return words if is_priced or not aside else f"{words}; {pricer.price(aside)}"


def _words(group: Sequence[Fallen]) -> str:
    """Tell names that fell together, like `chat and code accept gpt-5.4: …`."""
    by_reason: dict[tuple[str, ...], list[Fallen]] = {}
    for fallen in group:
        by_reason.setdefault(fallen.reasons, []).append(fallen)
    sentences = []
    for reasons, same in by_reason.items():
        routes, entries = sorted({f.route for f in same}), sorted({f.entry for f in same})
        verb = "accepts" if len(routes) == 1 else "accept"
        sentences.append(f"{listed(routes)} {verb} {listed(entries)}, and nothing comes of it: {'; '.join(reasons)}")
    return "; ".join(sentences)


def _limit(omission: Omission) -> str:
    """Name the limit behind an omission, so that equal limits are set aside together."""
    if isinstance(omission.cause, OverQuota):
        return f"quota {omission.cause.family}"
    if isinstance(omission.cause, LicenceForbids):
        return f"licence {omission.cause.rule}"
    if isinstance(omission.cause, RuledOut):
        return f"hardware {'.'.join(omission.cause.rule)}"
    subject = omission.candidate.api if omission.kind == "retirement" else _provider(omission)
    return f"{omission.kind} {subject} {omission.route if omission.kind == 'residency' else ''}"


def _provider(omission: Omission) -> str:
    return omission.candidate.api.split("/")[0]
