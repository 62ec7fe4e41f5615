"""Copies of the attention and whole experts: what is offered, what a replica of it serves, what is deployed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest

from infra.sizing import replica_share
from infra.values import vllm
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import DoesNotLoad, Omission, counts_by_kind
from planner.decision.candidates.ruler import on_one_copy
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents import routing
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.domain.environment import Environment
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.performance.memory import MemoryFit, NoFit, memory_fit
from planner.performance.parallelism import COPIES, TENSOR_PARALLEL_SIZES, Parallelism, offered
from planner.performance.prefix import cached_prompts
from planner.plan.plan import Plan
from tests.charts.rendering import container, render

pytestmark = pytest.mark.usefixtures("alone")

CATALOG = load_catalog()
KEPT: CapacitiesByDigest = {}
TEXT = """\
version: 1
platform:
  {{account: "123456789012", region: us-east-1, zones: [use1-az1, use1-az2, use1-az4, use1-az5, use1-az6]}}
horizon: {{start: 2026-12-01, months: 12}}
routes:
  chat:
    traffic: {{requests_per_second: {{mean: 20}}}}
    tokens: {{input: {{mean: 2000, p95: 6000}}, output: {{mean: 500, p95: 1200}}}}
    slo: {{ttft_p95: {{base: 2s, per_1k_input: 500ms}}, tpot_p95: 80ms}}
    data: internal
    hardware: {{{hardware}}}
    quality: {{accept: [{model}], source: own evaluation, date: 2026-11-01}}
quotas: {{G: 768, P: 5000}}
reserve: {{node: false}}
"""


def environment(model: str, hardware: str = "only: [H200]") -> Environment:
    return parse(TEXT.format(model=model, hardware=hardware), "large.yaml")[0]


def inputs(model: str, hardware: str = "only: [H200]") -> Inputs:
    return Inputs(environment(model, hardware), CATALOG, load_coefficients(), {})


@lru_cache(maxsize=4)
def market(model: str, hardware: str = "only: [H200]") -> Market:
    return survey(inputs(model, hardware))


@lru_cache(maxsize=2)
def planned(model: str, hardware: str = "only: [H200]") -> Plan:
    return optimize(inputs(model, hardware), kept=KEPT).plan


def layouts(model: str, precision: str, gpu: str) -> set[Parallelism]:
    found = CATALOG.models[model]
    way = found.precision(precision)
    assert way is not None
    return set(offered(found, way, CATALOG.gpus[gpu])) - set(map(Parallelism, TENSOR_PARALLEL_SIZES))


@pytest.mark.parametrize(
    ("model", "precision", "gpu", "beside"),
    [
        ("qwen3-32b", "fp8", "H200", set()),
        ("deepseek-r1", "fp8-block", "H200", set(COPIES)),
        ("deepseek-r1", "fp8-block", "A100-80GB", set()),
        ("gpt-oss-120b", "mxfp4", "L40S", set()),
        ("minimax-m2.5", "fp8-block", "L40S", {Parallelism(8, 1, True)}),
        ("minimax-m2.5", "fp8-block", "H200", {Parallelism(8, 1, True), *COPIES}),
    ],
)
def test_which_layouts_are_offered(model: str, precision: str, gpu: str, beside: set[Parallelism]) -> None:
    assert layouts(model, precision, gpu) == beside


def test_what_tensor_parallelism_cannot_cut_is_left_out_and_whole_experts_take_its_place() -> None:
    """1,536 ÷ 8 is 192, and 128 weights share a scale: vLLM refuses that (issues 17569 and 52997)."""
    cut, whole = Parallelism(8), Parallelism(8, 1, True)
    found = market("minimax-m2.5")
    (cause,) = (o.cause for o in found.omissions if o.candidate.parallelism == cut and isinstance(o.cause, DoesNotLoad))
    assert "expert width of 1536, which TP 8 does not cut" in cause.fit.reason
    assert whole not in {o.candidate.parallelism for o in found.omissions if o.kind == "memory"}


def of_layout(found: Market, layout: Parallelism) -> SelfHosted:
    (one,) = (c for c in found.classes if c.shape.parallelism == layout and not c.replica.variant)
    return one


def test_copies_are_one_replica_of_all_their_gpus() -> None:
    found = of_layout(market("deepseek-r1"), Parallelism(1, 8, True))
    assert found.name == "deepseek-r1-fp8-block-h200-8of8-dp8"
    assert (found.replica_class.gpus_per_replica, found.replica_class.replicas_per_node) == (8, 1)
    assert {"dp8", "deepseek-r1"} <= set(found.identity.names)


def test_a_question_is_about_all_copies_together() -> None:
    found = of_layout(market("deepseek-r1"), Parallelism(1, 8, True))
    judge, shape, replica = market("deepseek-r1").ruler, found.shape, found.replica
    asked = judge.question(shape, replica.clock, replica.memory, shape.route("chat"), 0, 64, 8192)
    assert (asked.max_num_seqs, asked.max_num_batched_tokens) == (512, 65_536)
    assert asked.memory.copies == 8
    one = replace(asked.memory, copies=1)
    assert asked.memory.kv_tokens(4096.0) == pytest.approx(8 * one.kv_tokens(4096.0))
    assert asked.provenance == "analytic"
    assert judge.coefficients.provenance("H200") == "calibrated"
    assert judge.margin(shape) >= judge.margin(replace(shape, parallelism=Parallelism(8)))


def test_each_copy_holds_the_shared_tokens_and_its_own_sessions() -> None:
    catalog, model = CATALOG, CATALOG.models["deepseek-r1"]
    fit = memory_fit(
        model,
        model.precisions()[0],
        catalog.gpus["H200"],
        tensor_parallel_size=1,
        expert_parallel_size=8,
        max_num_seqs=64,
        max_model_len=8192,
    )
    assert isinstance(fit, MemoryFit)
    one = replace(fit, copies=1)
    assert fit.sequences(4096.0, 1024.0) == pytest.approx(8 * one.sequences(4096.0, 1024.0))
    shape = of_layout(market("deepseek-r1"), Parallelism(1, 8, True)).shape
    route = shape.route("chat")
    repeated = replace(route.repeated, shared_tokens=0.0, session_share=0.5, pause_ms=1e-3)  # all is kept
    clock = market("deepseek-r1").ruler.clock(shape)
    found = [cached_prompts(memory, clock, route.lengths, 64 * memory.copies, repeated, 2.0) for memory in (one, fit)]
    assert [each.found_share for each in found] == [1 / 2, 1 / 16]


def test_a_sequence_must_fit_into_one_copy() -> None:
    model = CATALOG.models["deepseek-r1"]
    answers = [
        memory_fit(
            model,
            model.precisions()[0],
            CATALOG.gpus["H200"],
            tensor_parallel_size=1,
            expert_parallel_size=8,
            max_num_seqs=256,
            max_model_len=context,
            max_num_batched_tokens=tokens,
        )
        for context, tokens in ((163_840, 65_536), (1, 112_640), (163_840, 112_640))
    ]
    assert isinstance(answers[0], MemoryFit)  # each copy holds more than one sequence of the model's whole context
    assert isinstance(answers[1], MemoryFit)
    assert 1 < answers[1].sequences(163_840) < 8  # all copies together hold some, and none of them a whole one
    assert isinstance(answers[2], NoFit)


def test_the_first_token_of_a_prompt_alone_takes_longer_than_the_clock_of_all_copies_says() -> None:
    shape = of_layout(market("deepseek-r1"), Parallelism(1, 8, True)).shape
    clock = market("deepseek-r1").ruler.clock(shape)
    assert on_one_copy(clock, 4096.0, 8192, 1) == 1.0
    short, long = (on_one_copy(clock, tokens, 8192, 8) for tokens in (64.0, 8192.0))
    assert 1.0 <= short < long < 8.0
    route = shape.route("chat")
    memory = shape.memory(64, 8192)
    assert isinstance(memory, MemoryFit)
    asked = market("deepseek-r1").ruler.question(shape, clock, memory, route, None, 64, 8192)
    assert asked.target.ttft_ms == pytest.approx(route.target.ttft_ms / asked.target.first_token)
    assert asked.target.first_token > 1.2


def test_the_lock_speaks_of_one_copy_and_the_clock_file_of_all() -> None:
    plan = planned("deepseek-r1")
    (pool,) = plan.pools
    engine = pool.engine
    assert (engine.tensor_parallel_size, engine.data_parallel_size, engine.enable_expert_parallel) == (1, 8, True)
    assert engine.gpus == 8
    assert pool.max_in_flight > engine.max_num_seqs, "the gate is that of the replica"
    clock = routing.clock(pool)
    assert clock["max_num_seqs"] == 8 * engine.max_num_seqs
    assert clock["max_num_batched_tokens"] == 8 * engine.max_num_batched_tokens
    assert clock["kv_tokens"] == pool.kv_tokens
    (told,) = (verdict for verdict in plan.verdicts if verdict.name == "provenance")
    assert f"capacities of {pool.name} rest on few measured runs of data-parallel attention" in told.message


def test_its_arithmetic_counts_the_gpus_of_all_copies() -> None:
    plan = planned("deepseek-r1")
    assert arithmetic(plan, environment("deepseek-r1")) == ()
    (pool,) = plan.pools
    wider = pool.model_copy(update={"engine": pool.engine.model_copy(update={"data_parallel_size": 16})})
    problems = arithmetic(plan.model_copy(update={"pools": (wider,)}), environment("deepseek-r1"))
    assert "CHK002" in {problem.code for problem in problems}


def test_the_pod_has_the_flags_and_gpus_of_the_lock() -> None:
    plan = planned("deepseek-r1")
    (pool,), (group,) = plan.pools, plan.node_groups
    values = vllm(
        pool,
        group,
        bucket="models",
        region="us-east-1",
        store_cidrs=["52.216.0.0/15"],
        image=None,
    )
    assert values["resources"]["requests"] == replica_share(group, 8).quantities()
    pod = container(render("vllm", json.loads(json.dumps(values))))
    flags = {"--tensor-parallel-size=1", "--data-parallel-size=8", "--enable-expert-parallel", "--api-server-count=1"}
    assert flags <= set(pod["args"])
    assert f"--max-num-seqs={pool.engine.max_num_seqs}" in pod["args"]
    assert pod["resources"]["limits"]["nvidia.com/gpu"] == "8"


def test_rules_may_leave_layouts_out() -> None:
    without = market("minimax-m2.5", "only: [H200], not: [dp2, dp4, dp8]")
    assert {c.shape.copies for c in without.classes} == {1}
    assert {o.cause.kind for o in without.omissions if o.candidate.data_parallel_size > 1} == {"hardware"}
    asked = market("minimax-m2.5", "only: [H200, ep]")
    assert {c.shape.parallelism.enable_expert_parallel for c in asked.classes} == {True}


def test_a_layout_that_falls_as_tensor_parallelism_did_is_counted_with_it() -> None:
    fits = [DoesNotLoad(NoFit(reason)) for reason in ("too large", "too large with copies")]
    cut = Candidate("m", "fp8", "H200", 8)
    copies = replace(cut, tensor_parallel_size=1, data_parallel_size=8, enable_expert_parallel=True)
    smaller = replace(copies, data_parallel_size=4)
    both = [Omission(cut, fits[0]), Omission(copies, fits[1])]
    assert counts_by_kind(both) == (("memory", 1),)
    assert counts_by_kind([*both, Omission(smaller, fits[1])]) == (("memory", 2),)
    assert counts_by_kind([Omission(copies, fits[1])]) == (("memory", 1),)
