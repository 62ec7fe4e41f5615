"""The same machines under another load or another speed: what goes to APIs then, and what finds no place.

Nothing is bought here. Replicas keep their number at each level, bands keep their class, and the APIs take what does
not fit, as far as they may; a band that is refused for its length stays refused. All bands of a pool are admitted
alike. Quotas and budgets do not bind, because the machines are there and a bill does not stop at its budget; the rate
limits of API accounts do. Requests without a place are counted. What may wait keeps the hours of the plan, and is let
in apart: a pool leaves it out before it sends away what may not wait.

Columns, with the indices and given numbers of `program`:

    f[k,t]      share that class k admits of its bands        s[r,i,a,t]  share of a band that API a takes
    o[r,i,t]    share of a band that finds no place

Rows:

    f[k(r,i),t] + Σ_a s[r,i,a,t] + o[r,i,t] = 1                each band and level
    Σ_{r,i} λ̄[r,i,t] / μ[k,r,i] · f[k,t] ≤ y[k,t]              each class and level
    60·Σ_{r,i,a} λ̄[r,i,t]·s[r,i,a,t]·tokens[r,i,a] ≤ TPM       each account and level; the same for requests
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.decision.choice.choice import Choice
from planner.decision.choice.columns import s
from planner.decision.choice.linear import Linear
from planner.decision.choice.pairs import api_pairs
from planner.decision.choice.program import SECONDS_PER_HOUR
from planner.decision.choice.question import ApiOption, BandKey, Flow, Question
from planner.decision.choice.search import best_shares

DEARER_THAN_ANY_API = 10.0
"""Price of a request without a place ÷ price of the dearest request at any API: one is left without a place only where
no API may take it."""


@dataclass(frozen=True)
class Dispatch:
    """A dispatch says where the requests go.

    api_usd_per_month: what the APIs cost, USD a month.
    unplaced: share of a band that finds no place, by level; bands that all find one are absent.
    """

    api_usd_per_month: float
    unplaced: Mapping[BandKey, tuple[float, ...]]


def dispatch(choice: Choice, question: Question) -> Dispatch:
    """Return the dispatch of `question` over the machines of `choice`.

    question: that of the choice, with other rates, capacities or prices. A band that its class cannot serve any more
    has no capacity there, or one of 0.
    """
    linear = Linear()
    names = frozenset(choice.answer.replicas)
    classes = {k.name: k for k in question.classes if k.name in names}
    user = {
        f.key: classes[name]
        for f in question.flows
        for name in choice.classes_of(f.key)
        if name in classes and classes[name].capacity.get(f.key, 0.0) > 0
    }
    spill = [(f, a) for f, a in api_pairs(question) if not choice.refuses(f.key)]
    most = max((a.usd_per_request[f.key] for f, a in spill), default=0.0) or 1.0
    levels = range(len(question.level_hours))
    apart = {f.key: f for f in question.flows if f.waits and f.key in user}
    for name in (*sorted(classes), *(_alone(f) for f in apart.values())):
        for t in levels:
            linear.continuous(_admitted(name, t), 0.0, 1.0)
    for f in question.flows:
        for t, hours in enumerate(question.level_hours):
            requests = f.mean[t] * hours * SECONDS_PER_HOUR
            for g, a in spill:
                if g is f:
                    linear.continuous(s(f, a, t), requests * a.usd_per_request[f.key], 1.0)
            linear.continuous(_unplaced(f, t), requests * most * DEARER_THAN_ANY_API, 1.0)
            terms = [(s(f, a, t), 1.0) for g, a in spill if g is f] + [(_unplaced(f, t), 1.0)]
            if f.key in user:
                terms.append((_admitted(_alone(f) if f.waits else user[f.key].name, t), 1.0))
            linear.equal(f"serve[{f.route},{f.band},{t}]", terms, 1.0)
    for name, k in sorted(classes.items()):
        for t in levels:
            mine = [f for f in question.flows if user.get(f.key) is k]
            busy = sum(f.planned[t] / k.capacity[f.key] for f in mine if not f.waits)
            own = [(_admitted(_alone(f), t), f.planned[t] / k.capacity[f.key]) for f in mine if f.waits]
            terms = [(_admitted(name, t), busy), *own]
            linear.at_most(f"capacity[{name},{t}]", terms, float(choice.replicas_at(name, t)))
    _account_limits(linear, question, spill)
    value = best_shares(linear)
    usd = sum(
        value[s(f, a, t)] * f.mean[t] * hours * SECONDS_PER_HOUR * a.usd_per_request[f.key]
        for f, a in spill
        for t, hours in enumerate(question.level_hours)
    )
    unplaced = {f.key: tuple(value[_unplaced(f, t)] for t in levels) for f in question.flows}
    return Dispatch(usd, {key: shares for key, shares in unplaced.items() if max(shares) > 0})


def _account_limits(linear: Linear, question: Question, spill: list[tuple[Flow, ApiOption]]) -> None:
    for provider in sorted({a.provider for a in question.apis}):
        account = [(f, a) for f, a in spill if a.provider == provider]
        for unit in ("tpm", "rpm"):
            stated = [a.tokens_per_minute if unit == "tpm" else a.requests_per_minute for _, a in account]
            limit = min((value for value in stated if value is not None), default=None)
            for t in range(len(question.level_hours)) if limit is not None else ():
                tokens = (a.tokens_per_request[f.key] if unit == "tpm" else 1.0 for f, a in account)
                terms = [
                    (s(f, a, t), 60.0 * f.planned[t] * count) for (f, a), count in zip(account, tokens, strict=True)
                ]
                linear.at_most(f"{unit}[{provider},{t}]", terms, float(limit or 0.0))


def _alone(f: Flow) -> str:
    """Return the name under which a band that may wait is admitted, apart from those that may not."""
    return f"{f.route},{f.band}"


def _admitted(name: str, t: int) -> str:
    return f"f[{name},{t}]"


def _unplaced(f: Flow, t: int) -> str:
    return f"o[{f.route},{f.band},{t}]"
