"""Why no plan exists: every limit in the way by itself, with what it would have to be, and that is enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.decision.choice.limits import (
    ApiBudget,
    ApiRate,
    BrokenLimit,
    Cause,
    NoCandidates,
    SearchEnded,
    ServedRoute,
    TotalBudget,
    VcpuQuota,
)
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import CHAT, EXACT, PAPER, api, drawn, only, replica_class


def causes_of(question: Question) -> tuple[Cause, ...]:
    answer = solve(question, SearchLimits())
    assert isinstance(answer, Infeasible), answer
    assert answer.undecided == any(isinstance(cause, SearchEnded) for cause in answer.causes)
    return answer.causes


def test_no_candidate_at_all_is_said() -> None:
    assert causes_of(only(classes=())) == (NoCandidates(),)


def test_a_band_that_nothing_may_serve_is_named() -> None:
    stranger = replica_class("k", "small", 1, {("code", 0): 2.0})
    assert causes_of(only(classes=(stranger,))) == (BrokenLimit(ServedRoute("chat"), 0.0, 1.0),)


@pytest.mark.parametrize("quota", [6.0, 0.0])
def test_a_quota_that_is_too_small_is_named_with_what_is_needed(quota: float) -> None:
    assert causes_of(only(quotas={"G": quota})) == (BrokenLimit(VcpuQuota("G"), quota, 8.0),)


def test_an_api_limit_that_is_too_small_is_named() -> None:
    question = only(classes=(), apis=(api({CHAT: 0.001}, tpm=200_000.0),))
    assert causes_of(question) == (BrokenLimit(ApiRate("api", "tpm"), 200_000.0, 240_240.0),)
    question = only(classes=(), apis=(api({CHAT: 0.001}, rpm=120.0),))
    assert causes_of(question) == (BrokenLimit(ApiRate("api", "rpm"), 120.0, 241.0),)


def test_a_rate_that_only_a_lost_node_exceeds_is_told_as_such() -> None:
    """2.1/s on a machine that serves 2/s: the API takes 0.1/s, and 2/s more when the machine is lost."""
    dear = api({CHAT: 0.01}, rpm=60.0)
    (cause,) = causes_of(only((2.1,), apis=(dear,), quotas={"G": 4.0}))
    assert isinstance(cause, BrokenLimit)
    assert isinstance(cause.limit, ApiRate)
    assert cause.limit.after_loss
    assert (cause.allowed, cause.needed) == (60.0, 127.0)  # 2.1 · 60, and a thousandth
    assert isinstance(solve(only((2.1,), apis=(dear,), quotas={"G": 4.0}, survives_a_node=False), EXACT), Answer)
    (cause,) = causes_of(only(classes=(), apis=(api({CHAT: 0.001}, rpm=120.0),)))
    assert isinstance(cause, BrokenLimit)
    assert isinstance(cause.limit, ApiRate)
    assert not cause.limit.after_loss


def test_a_budget_that_is_too_small_is_named() -> None:
    assert causes_of(only(budget_usd=1000.0)) == (BrokenLimit(TotalBudget(), 1000.0, 1315.0),)
    question = only(classes=(), apis=(api({CHAT: 0.0001}),), api_budget_usd=1000.0)
    assert causes_of(question) == (BrokenLimit(ApiBudget(), 1000.0, 1052.0),)


PRIVATE = only(
    may_spill=False,
    classes=(replica_class("k", "small", 1, {CHAT: 2.0}, exclusive=True),),
    quotas={"G": 4.0},
    budget_usd=100.0,
)
"""4/s take two machines and one more to lose: 12 vCPUs, 1971 USD."""
RATED = only(classes=(), apis=(api({CHAT: 0.0001}, tpm=200_000.0, rpm=120.0),), api_budget_usd=1000.0)
"""4/s take 240,000 tokens and 240 requests a minute and 1051.20 USD a month, all of them at the API."""


def test_several_limits_are_named_together_each_by_itself() -> None:
    assert causes_of(PRIVATE) == (
        BrokenLimit(TotalBudget(), 100.0, 1972.0),
        BrokenLimit(VcpuQuota("G"), 4.0, 12.0),
    )
    assert causes_of(RATED) == (
        BrokenLimit(ApiBudget(), 1000.0, 1052.0),
        BrokenLimit(ApiRate("api", "rpm"), 120.0, 241.0),
        BrokenLimit(ApiRate("api", "tpm"), 200_000.0, 240_240.0),
    )


def test_a_budget_is_named_only_where_no_permission_helps() -> None:
    """4/s for 657 USD a machine, two of them; the API would take all of it for less, if its account let it."""
    cheap = api({CHAT: 0.00001}, rpm=120.0)
    for budget in (200.0, 700.0, 1300.0):  # the last two are nearly enough to host, which an API limit makes needless
        (cause,) = causes_of(only(apis=(cheap,), budget_usd=budget))
        assert cause == BrokenLimit(ApiRate("api", "rpm"), 120.0, 241.0)


def followed(question: Question, causes: tuple[Cause, ...]) -> Question:
    """The same question with every limit that is named set to what would be needed."""
    for cause in causes:
        match cause:
            case BrokenLimit(VcpuQuota(family), allowed, needed):
                assert question.quotas[family] == allowed < needed
                question = replace(question, quotas={**question.quotas, family: needed})
            case BrokenLimit(ApiRate(provider, unit), allowed, needed):
                key = {"tpm": "tokens_per_minute", "rpm": "requests_per_minute"}[unit]
                accounts = [a for a in question.apis if a.provider == provider]
                assert min(getattr(a, key) for a in accounts) == allowed < needed
                raised: dict[str, Any] = {key: needed}
                apis = tuple(replace(a, **raised) if a in accounts else a for a in question.apis)
                question = replace(question, apis=apis)
            case BrokenLimit(TotalBudget(), allowed, needed):
                assert question.budget_usd == allowed < needed
                question = replace(question, budget_usd=needed)
            case BrokenLimit(ApiBudget(), allowed, needed):
                assert question.api_budget_usd == allowed < needed
                question = replace(question, api_budget_usd=needed)
    return question


def no_limit_helps(causes: tuple[Cause, ...]) -> bool:
    """Whether something has no place, or nothing is there to place it in."""
    return any(c == NoCandidates() or (isinstance(c, BrokenLimit) and isinstance(c.limit, ServedRoute)) for c in causes)


@pytest.mark.parametrize("question", [PRIVATE, RATED, only(quotas={"G": 6.0})], ids=["private", "rated", "quota"])
def test_what_is_needed_is_enough(question: Question) -> None:
    answer = solve(followed(question, causes_of(question)), EXACT)
    assert isinstance(answer, Answer)


def limited(question: Question, share: float) -> Question:
    """The same question with every stated limit at a share of it; 0 takes the limits away."""

    def of(limit: float | None) -> float | None:
        return limit * share if limit is not None and share else None

    apis = (
        replace(a, tokens_per_minute=of(a.tokens_per_minute), requests_per_minute=of(a.requests_per_minute))
        for a in question.apis
    )
    return replace(
        question,
        apis=tuple(apis),
        quotas={family: quota * share for family, quota in question.quotas.items() if share},
        budget_usd=of(question.budget_usd),
        api_budget_usd=of(question.api_budget_usd),
    )


@pytest.mark.parametrize("share", [1.0, 0.001])
def test_what_is_needed_is_enough_whatever_the_numbers(share: float) -> None:
    """Limits that are set to what is told to be needed leave a plan; a route is named only where no limit helps it."""
    helped = 0
    for seed in range(250):
        question = limited(drawn(seed), share)
        answer = solve(question, EXACT)
        if isinstance(answer, Infeasible):
            free = solve(limited(question, 0), EXACT)
            assert no_limit_helps(answer.causes) == isinstance(free, Infeasible), (seed, answer.causes)
            if isinstance(free, Answer):
                again = followed(question, answer.causes)
                assert again != question, (seed, answer.causes)
                assert isinstance(solve(again, EXACT), Answer), (seed, answer.causes)
                helped += 1
    assert helped >= 20


@pytest.mark.parametrize("budget", [3272.99, 3000.0, 1.0])
def test_a_budget_is_named_whether_it_lacks_a_cent_or_nearly_everything(budget: float) -> None:
    """The plan on paper costs 3273.00 USD."""
    assert causes_of(replace(PAPER, budget_usd=budget)) == (BrokenLimit(TotalBudget(), budget, 3274.0),)


def test_what_is_needed_is_not_much_more_than_enough() -> None:
    """With one vCPU less, or a little less of a rate or a budget, there is still no plan."""
    for question in (PRIVATE, RATED, only(quotas={"G": 6.0}), only(budget_usd=1000.0)):
        causes = causes_of(question)
        for cause in causes:
            assert isinstance(cause, BrokenLimit)
            less = cause.needed - 1 if isinstance(cause.limit, VcpuQuota) else cause.needed * 0.998 - 1
            short = tuple(replace(c, needed=less) if c is cause else c for c in causes)
            assert isinstance(solve(followed(question, short), EXACT), Infeasible), cause


def test_what_no_limit_can_help_is_told_without_naming_limits() -> None:
    """A private flow without a class: raising the quota would not help, and is not asked for."""
    question = only(classes=(), apis=(api({CHAT: 0.001}),), may_spill=False, quotas={"G": 4.0}, budget_usd=50.0)
    assert causes_of(question) == (BrokenLimit(ServedRoute("chat"), 0.0, 1.0),)


def test_a_search_that_could_not_look_tells_that_nothing_is_ruled_out() -> None:
    answer = solve(PAPER, SearchLimits(nodes=0, proof_nodes=0))
    assert answer == Infeasible((SearchEnded(0),))
    assert answer.undecided
