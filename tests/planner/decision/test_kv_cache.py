"""The form of the KV cache: a route allows it, the plan weighs it, and everything after the plan states it."""

from __future__ import annotations

from functools import lru_cache

import pytest

from infra.values import vllm
from planner.decision.candidates.market import survey
from planner.decision.candidates.omissions import CacheNotRun
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import canonical, parse
from planner.domain.environment import Environment
from planner.domain.route import KvCacheDtype
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.performance.precision import unplanned_cache
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

KEPT: CapacitiesByDigest = {}
LONG_PROMPTS = (
    ("{mean: 1}", "{mean: 2}"),
    ("input: {mean: 1155, p95: 4000}", "input: {mean: 8000, p95: 20000}"),
    ("output: {mean: 211, p95: 451}", "output: {mean: 800, p95: 1600}"),
    (
        "slo: {ttft_p95: {base: 1200ms, per_1k_input: 300ms}, tpot_p95: 60ms}",
        "slo: {ttft_p95: {base: 3s, per_1k_input: 1s}, tpot_p95: 100ms}",
    ),
    ("budget: {monthly: $20000}", "budget: {monthly: $200000}"),
    ("quotas: {G: 192, P: 384}", "quotas: {G: 1920, P: 1920}"),
)
"""Chat with prompts whose cache is what the GPUs have too little of."""
CHAT = "      accept: [qwen3-8b, gpt-5.4-mini]\n"
EXTRACTION = "      accept: [qwen3-8b]\n"


def text(chat: str = "", extraction: str = "") -> str:
    """The small environment with long prompts, where both routes are hosted and allow these forms of the cache."""
    told = small.text()
    for old, new in LONG_PROMPTS:
        assert told.count(old) == 1
        told = told.replace(old, new)
    for accept, forms in ((EXTRACTION, extraction), (CHAT, chat)):
        stated = f"      kv_cache_dtype: {forms}\n" if forms else ""
        assert told.count(accept) == 1
        told = told.replace(accept, f"      accept:  [qwen3-8b]\n{stated}")
    return told


def inputs(chat: str = "", extraction: str = "") -> Inputs:
    return Inputs(environment(text(chat, extraction)), load_catalog(), load_coefficients(), {})


def environment(told: str) -> Environment:
    return parse(told, "small.yaml")[0]


@lru_cache(maxsize=4)
def planned(chat: str = "", extraction: str = "") -> Plan:
    return optimize(inputs(chat, extraction), kept=KEPT).plan


def pool_of(plan: Plan, route: str) -> Pool:
    (pool,) = (pool for pool in plan.pools if any(capacity.route == route for capacity in pool.capacity))
    return pool


def test_the_default_is_the_models_own_form_and_is_left_out() -> None:
    chat = environment(small.text()).routes["chat"]
    assert chat.quality.kv_cache_dtype == ("auto",)
    assert "kv_cache_dtype" not in canonical(environment(small.text()))["routes"]["chat"]["quality"]
    plan = planned()
    assert [pool.engine.kv_cache_dtype for pool in plan.pools] == ["auto", "auto"]
    assert "kv_cache_dtype" not in plan.pools[0].model_dump(mode="json")["engine"]
    assert not [verdict for verdict in plan.verdicts if verdict.name == "KV cache"]


def test_a_cache_in_fp8_holds_more_and_saves_where_the_cache_is_short() -> None:
    auto, both = planned(), planned("[auto, fp8]")
    assert both.cost.usd_per_month < auto.cost.usd_per_month
    pool = pool_of(both, "chat")
    assert pool.engine.kv_cache_dtype == "fp8"
    assert pool.name.endswith("-kv-fp8-solo")
    assert arithmetic(both, environment(text("[auto, fp8]"))) == ()
    (told,) = (verdict for verdict in both.verdicts if verdict.name == "KV cache")
    assert told.message.startswith(f"the KV cache of {pool.name} is stored in FP8, as `quality.kv_cache_dtype` allows")


def test_routes_share_no_pool_of_a_form_that_one_of_them_does_not_allow() -> None:
    internal = ("data: restricted", "data: internal")
    for chat, extraction, shared in (
        ("[fp8]", "", set[KvCacheDtype]()),
        ("[auto, fp8]", "", {"auto"}),
        ("[fp8]", "[auto, fp8]", {"fp8"}),
    ):
        told = environment(text(chat, extraction).replace(*internal))
        market = survey(Inputs(told, load_catalog(), load_coefficients(), {}))
        users = [(c.shape.kv_cache_dtype, {r.name for r in c.shape.routes}) for c in market.classes]
        assert {form for form, routes in users if routes == {"chat", "extraction"}} == shared
        for name, forms in (("chat", told.routes["chat"]), ("extraction", told.routes["extraction"])):
            allowed = set(forms.quality.kv_cache_dtype)
            assert {form for form, routes in users if name in routes} <= allowed


def test_a_gpu_that_reads_no_such_cache_falls_with_that_reason() -> None:
    market = survey(inputs("[fp8]"))
    fallen = {o.candidate.gpu for o in market.omissions if isinstance(o.cause, CacheNotRun)}
    assert {"T4", "A10G"} <= fallen
    assert fallen.isdisjoint({"L4", "L40S", "H100"})
    assert all(o.candidate.kv_cache_dtype == "fp8" for o in market.omissions if isinstance(o.cause, CacheNotRun))


@pytest.mark.parametrize(
    ("model", "gpu", "words"),
    [
        ("qwen3-8b", "L4", None),
        ("qwen3-8b", "A100-80GB", "reads no fp8 KV cache with vLLM's default attention backends"),
        ("deepseek-r1", "H200", None),
        ("deepseek-r1", "B200", None),
        ("deepseek-r1", "RTX-PRO-6000", "reads no latent KV cache in fp8"),
        ("deepseek-v3.2", "H200", "no run with a sparse KV cache in fp8, as deepseek-v3.2 would have, is known"),
        ("deepseek-v4-flash", "H200", "no run with a sparse KV cache in fp8"),
        ("qwen3-next-80b-a3b-instruct", "H200", "saves next to nothing of qwen3-next-80b-a3b-instruct"),
    ],
)
def test_which_models_have_it_on_which_gpus(model: str, gpu: str, words: str | None) -> None:
    catalog = load_catalog()
    assert unplanned_cache(catalog.models[model], catalog.gpus[gpu], "auto") is None
    refused = unplanned_cache(catalog.models[model], catalog.gpus[gpu], "fp8")
    assert (refused is None) == (words is None)
    assert words is None or (refused is not None and words in refused.reason)


@pytest.mark.parametrize(
    ("forms", "words"),
    [
        ("[]", "routes.chat.quality.kv_cache_dtype: this has 0 entries and must have at least 1"),
        ("[fp4]", "routes.chat.quality.kv_cache_dtype.0: `fp4` is not known here; write auto or fp8"),
        ("fp8", "routes.chat.quality.kv_cache_dtype: `fp8` is not a list; write [a, b]"),
    ],
)
def test_other_forms_are_refused_at_their_line(forms: str, words: str) -> None:
    with pytest.raises(Problems) as raised:
        environment(text(forms))
    (problem,) = raised.value.problems
    assert (problem.code, problem.message) == ("ENV004", words)
    assert problem.where is not None
    assert "kv_cache_dtype" in text(forms).splitlines()[problem.where.line - 1]


def test_a_route_that_asks_for_nothing_else_where_nothing_has_it_is_told_so() -> None:
    told = text("[fp8]").replace("accept:  [qwen3-8b]\n      kv_cache", "accept: [qwen3.5-9b]\n      kv_cache")
    with pytest.raises(Problems) as raised:
        optimize(Inputs(environment(told), load_catalog(), load_coefficients(), {}), kept=KEPT)
    (problem,) = raised.value.problems
    assert (problem.code, problem.about) == ("INF001", ("routes", "chat", "quality"))
    assert "is not planned with an FP8 KV cache" in problem.message
    assert problem.hint.startswith("allow `auto` in `kv_cache_dtype`")


def test_the_chart_is_told_the_form() -> None:
    plan = planned("[auto, fp8]")
    groups = {group.name: group for group in plan.node_groups}
    forms = {}
    for pool in plan.pools:
        values = vllm(
            pool,
            groups[pool.node_group],
            bucket="models",
            region="us-east-1",
            store_cidrs=[],
            image=None,
        )
        forms[pool.name] = values["engine"].get("kvCacheDtype")
    assert forms == {pool.name: "fp8" if "kv-fp8" in pool.name else None for pool in plan.pools}
