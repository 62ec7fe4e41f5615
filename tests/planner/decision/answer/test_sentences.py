"""Every cause and every omission as a sentence, exactly: text is made here and nowhere before."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import get_args

import pytest

from planner.decision.answer.sentences import (
    MEANING,
    candidate_words,
    cause_problem,
    cause_words,
    counted_words,
    omission_words,
)
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.omissions import (
    AdaptersNotPlanned,
    CacheNotRun,
    DearerThanPlan,
    DoesNotLoad,
    Dominated,
    DrafterNotPlanned,
    Ended,
    EngineLacks,
    FarFromCheapest,
    FormatNotRun,
    LicenceForbids,
    MissesSlo,
    NearAddress,
    NoAccount,
    NoDeployment,
    NoMachine,
    NoPrice,
    NotCalled,
    NotInZones,
    Omission,
    OmissionCause,
    OmissionKind,
    OneZone,
    OtherResidency,
    OverQuota,
    RegionOutside,
    RestrictedData,
    RuledOut,
    SlowerThanSlo,
    TermsNotMet,
    TooLittleContext,
    WeakHost,
)
from planner.decision.choice.limits import (
    ApiBudget,
    ApiRate,
    BrokenLimit,
    Cause,
    Contradiction,
    ExistingNodes,
    Limit,
    NoCandidates,
    SearchEnded,
    ServedRoute,
    TotalBudget,
    VcpuQuota,
)
from planner.domain.engine_minimum import Unserved
from planner.performance.capacity import NoCapacity
from planner.performance.memory import NoFit
from planner.performance.precision import Unsupported

L4 = Candidate("gpt-oss-120b", "mxfp4", "L4", 1)
SLOW = NoCapacity("a step takes 90 ms; 60 ms are asked for", "tpot")
LAST = date(2026, 11, 30)
OMISSIONS: list[tuple[OmissionCause, str]] = [
    (DoesNotLoad(NoFit("needs 140 GiB of 24")), "needs 140 GiB of 24"),
    (FormatNotRun(Unsupported("a T4 has no fp8")), "a T4 has no fp8"),
    (CacheNotRun(Unsupported("a T4 reads no fp8 KV cache")), "a T4 reads no fp8 KV cache"),
    (DrafterNotPlanned(Unsupported("the drafter is not built in")), "the drafter is not built in"),
    (AdaptersNotPlanned(Unsupported("it has experts")), "it has experts"),
    (MissesSlo(SLOW), "a step takes 90 ms; 60 ms are asked for"),
    (MissesSlo(replace(SLOW, over=1.0000001)), "a step takes 90 ms; 60 ms are asked for, just above the target"),
    (MissesSlo(replace(SLOW, over=1.5)), "a step takes 90 ms; 60 ms are asked for"),
    (MissesSlo(SLOW, "long"), "long prompts: a step takes 90 ms; 60 ms are asked for"),
    (NoPrice("ec2/us-east-1/g6.xlarge/on-demand"), "the price snapshot has no ec2/us-east-1/g6.xlarge/on-demand"),
    (NoPrice("api/a/b/long-input", "long"), "long prompts: the price snapshot has no api/a/b/long-input"),
    (NotInZones(("use1-az1", "use1-az5")), "not sold in use1-az1, use1-az5"),
    (
        OverQuota("P", 96, 0),
        "the vCPU quota of family P is 0, and one of its machines takes 96 or more",
    ),
    (RestrictedData(), "the route's data is restricted"),
    (NoAccount("groq"), "`api.providers` has no account at groq"),
    (
        NotCalled("it is billed by the hour", "host it"),
        "plans do not use it, because it is billed by the hour; host it",
    ),
    (
        NoDeployment("azure-openai", ("gpt-4.1", "gpt-4.1@eu")),
        "`api.providers.azure-openai.deployments` names no deployment of it that the route may use "
        "(gpt-4.1 or gpt-4.1@eu)",
    ),
    (Ended(LAST), "ended on 2026-11-30"),
    (Ended(LAST, True, ("b", "c")), "ended on 2026-11-30 (its provider names b or c instead)"),
    (Ended(None, True), "its provider no longer lists it"),
    (Ended(None), "its provider withdraws it, and its last day is not known"),
    (OtherResidency(("US", "CN")), "processes in US, CN"),
    (OtherResidency(None), "processes in an unknown place"),
    (
        OtherResidency(("global",), (NearAddress("eu", ("efta", "eu"), ("eu", "efta")),)),
        "processes in global (its address `eu` in efta, eu, which `residency: [eu, efta]` would allow)",
    ),
    (EngineLacks(Unserved("vLLM serves it from 0.34.0 on")), "vLLM serves it from 0.34.0 on"),
    (RegionOutside("us-east-1 (United States)"), "machines in us-east-1 (United States) process its data there"),
    (TermsNotMet("no_training", True), "it trains on requests"),
    (TermsNotMet("no_training", False), "whether it trains on requests is not verified; read its contract"),
    (TermsNotMet("retention", True, 30.0, 7.0), "it keeps requests for 30 days; the route allows 7"),
    (TermsNotMet("retention", False), "how long it keeps requests is not verified; read its contract"),
    (TermsNotMet("zero_retention", True), "it cannot keep nothing"),
    (TermsNotMet("zero_retention", False), "whether it can keep nothing is not verified; read its contract"),
    (
        SlowerThanSlo(3_500.0, 2_250.0, 2_500),
        "its p95 to the first token was measured as 3.50 s; the target for a prompt of 2,500 tokens is 2.25 s",
    ),
    (
        SlowerThanSlo(3_500.0, 900.0, 2_500, False),
        "its p95 to the first token was measured as 3.50 s; the target of the whole answer for a prompt of 2,500 "
        "tokens is 900 ms",
    ),
    (LicenceForbids("Mistral Research License", "commercial use"), "Mistral Research License forbids commercial use"),
    (LicenceForbids("Llama 4", "place", "de"), "Llama 4 gives no rights to companies in de"),
    (
        LicenceForbids("Qwen License", "monthly users", "150,000,000", 100_000_000),
        "Qwen License ends at 100,000,000 monthly users; the environment states 150,000,000",
    ),
    (RuledOut(("routes", "chat", "hardware", "not"), ("T4",)), "`routes.chat.hardware.not` names T4"),
    (RuledOut(("hardware", "only"), ("L40S", "H100")), "`hardware.only` asks for L40S or H100"),
    (RuledOut(("hardware", "only"), (), "machine"), "`hardware.only` allows no machine"),
    (TooLittleContext(40_000, 32_768), "reads 32,768 tokens; prompts reach 40,000"),
    (TooLittleContext(40_000, None), "reads an unknown number of tokens; prompts reach 40,000"),
    (TooLittleContext(9_000, 8_192, "long"), "reads 8,192 tokens; long prompts and answers reach 9,000"),
    (Dominated(Candidate(instance_type="g6.xlarge")), "dominated by g6.xlarge"),
    (Dominated(L4), "dominated by gpt-oss-120b (mxfp4) on 1 × L4"),
    (
        DearerThanPlan(1_234.4),
        "its smallest deployment alone costs far more than a first, rough plan of $1,234 a month",
    ),
    (FarFromCheapest(), "many others are cheaper for every route that it could serve"),
    (NoMachine(8), "no machine that is sold here carries replicas of 8 of its GPUs"),
    (
        OneZone("use1-az4"),
        "of the environment's zones only use1-az4 has its machine, and the plan must stand the loss of a zone",
    ),
    (WeakHost(), "too little CPU or memory for each GPU, or bare metal"),
]
QUOTA_HINT = "raise the quota in AWS and in `quotas:`, or accept a model that needs fewer GPUs"
ROUTE_HINT = "accept another model for it, or allow more machines or APIs"
CAUSES: list[tuple[Cause, str, str, str]] = [
    (
        BrokenLimit(VcpuQuota("G"), 192.0, 1_208.0),
        "the vCPU quota of family G would have to be 1,208, not 192",
        QUOTA_HINT,
        "quotas.G",
    ),
    (
        BrokenLimit(ExistingNodes("own-l40s"), 2.0, 3.0),
        "there would have to be 3 machines own-l40s, and there are 2",
        "add machines and their number in `hardware.existing`, or accept a model that needs fewer GPUs",
        "hardware.existing",
    ),
    (
        BrokenLimit(ApiRate("openai", "tpm"), 200_000.0, 240_240.0),
        "the tokens a minute of openai would have to be 240,240, not 200,000",
        "raise the limit with openai and in `api.providers.openai.limits.tpm`, or accept another model",
        "api.providers.openai.limits.tpm",
    ),
    (
        BrokenLimit(ApiRate("openai", "rpm", after_loss=True), 120.0, 241.0),
        "the requests a minute of openai, after a loss, would have to be 241, not 120",
        "raise the limit with openai and in `api.providers.openai.limits.rpm`, or set `reserve: {node: false}`",
        "api.providers.openai.limits.rpm",
    ),
    (
        BrokenLimit(TotalBudget(), 1_000.0, 1_316.0),
        "the budget would have to be $1,316, not $1,000",
        "raise `budget:`, or accept a cheaper model",
        "budget.monthly",
    ),
    (
        BrokenLimit(ApiBudget(), 1_000.0, 1_053.0),
        "the API budget would have to be $1,053, not $1,000",
        "raise `api.monthly_budget:`, or accept a model to host",
        "api.monthly_budget",
    ),
    (BrokenLimit(ServedRoute("chat"), 0.0, 0.3), "30% of route chat finds no place", ROUTE_HINT, "routes.chat"),
    (
        NoCandidates(),
        "no model and no API may serve any route",
        "loosen one of quotas, API limits and budgets, or accept another model",
        "routes",
    ),
    (
        Contradiction(),
        "the limits contradict each other",
        "loosen one of quotas, API limits and budgets, or accept another model",
        "routes",
    ),
    (
        SearchEnded(20_000),
        "no plan was found within 20000 nodes of the search, and none is ruled out",
        "the limits may be too tight or the load too large to tell; change one of them and plan again",
        "",
    ),
]


def named(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize(("cause", "words"), OMISSIONS, ids=[named(cause) for cause, _ in OMISSIONS])
def test_every_omission_has_its_sentence(cause: OmissionCause, words: str) -> None:
    assert omission_words(Omission(L4, cause, "chat")) == words


@pytest.mark.parametrize(("cause", "words", "hint", "about"), CAUSES, ids=[words for _, words, _, _ in CAUSES])
def test_every_cause_has_its_sentence_its_hint_and_its_place(cause: Cause, words: str, hint: str, about: str) -> None:
    assert cause_words(cause) == words
    problem = cause_problem(cause)
    could_tell = not isinstance(cause, SearchEnded)
    assert problem.code == ("INF002" if could_tell else "INF003")
    assert problem.message == f"{'no plan exists' if could_tell else 'could not decide'}: {words}"
    assert (problem.hint, ".".join(map(str, problem.about))) == (hint, about)


def test_no_omission_and_no_cause_is_forgotten_here() -> None:
    assert {type(cause) for cause, _ in OMISSIONS} == set(get_args(OmissionCause))
    assert {type(cause) for cause, *_ in CAUSES} == set(get_args(Cause))
    limits = {type(cause.limit) for cause, *_ in CAUSES if isinstance(cause, BrokenLimit)}
    assert limits == set(get_args(Limit))


def test_every_kind_of_omission_has_a_meaning_and_a_cause() -> None:
    kinds = [Omission(L4, cause).kind for cause, _ in OMISSIONS]
    assert set(MEANING) == set(get_args(OmissionKind)) == set(kinds)
    by_type = {type(cause): kind for (cause, _), kind in zip(OMISSIONS, kinds, strict=True)}
    assert len(set(by_type.values())) == len(by_type)
    for cause in get_args(OmissionCause):
        assert "kind" in {field.name for field in fields(cause)}


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (Candidate(api="openai/gpt-5.4"), "openai/gpt-5.4"),
        (Candidate(instance_type="g6.xlarge"), "g6.xlarge"),
        (Candidate(model="qwen3-32b"), "qwen3-32b on own machines"),
        (Candidate("gpt-oss-120b", "mxfp4"), "gpt-oss-120b (mxfp4) on own machines"),
        (L4, "gpt-oss-120b (mxfp4) on 1 × L4"),
        (Candidate("gpt-oss-120b", "mxfp4", "L4", 2, "g6.12xlarge"), "gpt-oss-120b (mxfp4) on 2 × L4 in g6.12xlarge"),
        (
            Candidate("qwen3-8b", "bf16", "L4", 1, adapters=("acme-legal", "acme-support")),
            "qwen3-8b (bf16, adapters acme-legal, acme-support) on 1 × L4",
        ),
        (
            Candidate("qwen3-8b", "fp8", "L4", 1, "g6.xlarge", kv_cache_dtype="fp8"),
            "qwen3-8b (fp8, fp8 KV cache) on 1 × L4 in g6.xlarge",
        ),
        (
            Candidate("r1", "fp8-block", "H200", 2, data_parallel_size=4, enable_expert_parallel=True),
            "r1 (fp8-block) on 8 × H200 (DP 4 × TP 2, EP)",
        ),
        (Candidate("m", "fp8-block", "H200", 8, enable_expert_parallel=True), "m (fp8-block) on 8 × H200 (EP)"),
    ],
)
def test_every_candidate_has_its_words(candidate: Candidate, words: str) -> None:
    assert candidate_words(candidate) == words


def test_counts_are_told_in_their_order() -> None:
    assert counted_words([("memory", 12), ("zones", 1)]) == (
        "12 × does not fit the GPU's memory; 1 × is not sold in the environment's zones"
    )
    assert counted_words([]) == ""
