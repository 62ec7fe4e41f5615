"""The clock with a drafter: its formula by hand, its limits, and that no copy of it says anything else."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.models import Drafter
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.drafters import drafter_shape, unplanned_drafter
from planner.performance.engine.compiled_step import clock_vector, decode_run_ms
from planner.performance.memory import MemoryFit, NoFit, memory_fit
from planner.performance.parallelism import Parallelism
from planner.performance.speculation import clock_of, first_token_factor, speculative
from planner.performance.step_time import StepClock
from planner.plan.fleet import tokens_of_step
from twin.engine.clock import StepCoefficients

CATALOG = load_catalog()
MAIN = StepClock(
    dense_read_ms=4.0,
    dense_compute_ms_per_token=0.02,
    expert_read_ms=30.0,
    expert_compute_ms_per_token=0.01,
    expert_hit_fraction=8 / 128,
    kv_read_ms_per_token=1e-4,
    attention_ms_per_token_pair=1e-6,
    overhead_ms=3.0,
    overhead_ms_per_sequence=0.02,
    comm_ms_per_token=0.002,
    comm_ms_per_step=0.5,
    server_ms_per_sequence=0.13,
)
DRAFT = replace(
    MAIN,
    dense_read_ms=0.4,
    dense_compute_ms_per_token=0.001,
    expert_read_ms=0.6,
    expert_compute_ms_per_token=0.0002,
    kv_read_ms_per_token=2e-6,
    attention_ms_per_token_pair=2e-8,
    overhead_ms=0.2,
    overhead_ms_per_sequence=0.01,
    comm_ms_per_token=0.00004,
    comm_ms_per_step=0.01,
)
SEQUENCES, CONTEXT, PROMPT, BEFORE = 40, 90_000, 500, 700


def engine_step(main: StepClock, draft: StepClock, drafted: int, prompt: float) -> float:
    """One step of the engine, part by part: the model, the first pass of the drafter, and its further passes."""
    tokens = (1 + drafted) * SEQUENCES + prompt
    dense = math.hypot(
        main.dense_read_ms + draft.dense_read_ms,
        (main.dense_compute_ms_per_token + draft.dense_compute_ms_per_token) * tokens,
    )
    visited = 1.0 - (1.0 - main.expert_hit_fraction) ** tokens
    expert = math.hypot(
        (main.expert_read_ms + drafted * draft.expert_read_ms) * visited,
        (main.expert_compute_ms_per_token + draft.expert_compute_ms_per_token) * tokens,
    )
    attention = (main.kv_read_ms_per_token + drafted * draft.kv_read_ms_per_token) * CONTEXT
    attention += (main.attention_ms_per_token_pair + draft.attention_ms_per_token_pair) * prompt * BEFORE
    fixed = main.overhead_ms + main.comm_ms_per_step + drafted * (draft.overhead_ms + draft.comm_ms_per_step)
    fixed += (main.comm_ms_per_token + draft.comm_ms_per_token) * tokens
    fixed += SEQUENCES * (1 + drafted) * main.overhead_ms_per_sequence
    fixed += SEQUENCES * drafted * draft.overhead_ms_per_sequence
    of_a_draft = draft.dense_compute_ms_per_token + draft.expert_compute_ms_per_token + draft.comm_ms_per_token
    further = (drafted - 1) * (draft.dense_read_ms + SEQUENCES * of_a_draft)
    return dense + expert + attention + fixed + further


@pytest.mark.parametrize(("drafted", "accepted"), [(1, 0.0), (1, 0.85), (1, 1.0), (3, 1.6)])
@pytest.mark.parametrize("prompt", [0, PROMPT])
def test_a_step_is_the_share_of_a_step_of_the_engine(drafted: int, accepted: float, prompt: int) -> None:
    """A steps of the clock compute A times the prompts of one."""
    received = 1.0 + accepted
    clock = speculative(MAIN, DRAFT, drafted, accepted)
    expected = engine_step(MAIN, DRAFT, drafted, prompt * received) / received
    assert clock.step_ms(SEQUENCES, CONTEXT, prompt, BEFORE) == pytest.approx(max(expected, 0.13 * SEQUENCES))


def test_nothing_proposed_is_the_clock_itself() -> None:
    assert speculative(MAIN, DRAFT, 0, 0.0) is MAIN
    assert tokens_of_step(8192, 64, 0, 1.0) == 8192
    assert first_token_factor(MAIN, 0, 64.0, 1e5, 2000.0, 8192) == 1.0
    model, gpu = CATALOG.models["glm-4.5-air"], CATALOG.gpus["H100"]
    way, fit = model.precisions()[0], load_coefficients()
    alone = clock_of(model, way, gpu, Parallelism(4), fit, context_tokens=3000.0)
    assert alone.tokens_per_sequence == 1.0


@given(st.floats(0.0, 0.99), st.floats(0.001, 1.0), st.integers(1, 4), st.integers(1, 512))
def test_more_that_is_accepted_never_takes_longer(few: float, more: float, drafted: int, sequences: int) -> None:
    slow, quick = (speculative(MAIN, DRAFT, drafted, min(a, 1.0) * drafted) for a in (few, few + more))
    assert quick.step_ms(sequences, 3000.0 * sequences) <= slow.step_ms(sequences, 3000.0 * sequences) * (1 + 1e-9)


def test_a_drafter_of_which_nothing_is_accepted_only_costs() -> None:
    idle = replace(MAIN, server_ms_per_sequence=0.0)
    assert speculative(idle, DRAFT, 1, 0.0).step_ms(8, 24_000) > idle.step_ms(8, 24_000)


def test_the_server_sends_every_token() -> None:
    busy = speculative(replace(MAIN, server_ms_per_sequence=5.0), DRAFT, 1, 0.85)
    assert busy.step_ms(SEQUENCES, CONTEXT) == 5.0 * SEQUENCES


def test_the_compiled_step_and_the_twin_say_the_same() -> None:
    clock = speculative(MAIN, DRAFT, 2, 1.3).as_written()
    twin = StepCoefficients(**asdict(clock))
    run = sum(clock.step_ms(SEQUENCES, CONTEXT + SEQUENCES * j) for j in range(50))
    assert decode_run_ms(clock_vector(clock), SEQUENCES, CONTEXT, 50) == pytest.approx(run, rel=1e-11)
    for prompt in (0, PROMPT):
        ours = clock.step_ms(SEQUENCES, CONTEXT, prompt, BEFORE)
        assert twin.step_ms(SEQUENCES, CONTEXT, prompt, BEFORE) == pytest.approx(ours, rel=1e-12)


def test_the_budget_of_a_step_holds_the_verified_tokens_and_the_prompts_of_several_steps() -> None:
    """Of 2,048 tokens, 128 are verified for 64 sequences; 1,920 of prompts are spread over 1.6 steps of the clock."""
    assert tokens_of_step(2048, 64, 1, 2 / 1.6) == 64 + 1200
    assert tokens_of_step(128, 64, 1, 2 / 1.6) == 64  # no prompt enters beside a full batch


def test_first_tokens_are_not_helped() -> None:
    """The engine computes a prompt of 400 tokens in one step, which lasts as long as 1.85 steps of the clock."""
    clock = speculative(MAIN, DRAFT, 1, 0.85)
    sequences, context = 32.0, 96_000.0
    budget = tokens_of_step(8192, 32, 1, clock.tokens_per_sequence)
    by_engine = 1.85 * clock.step_ms(sequences, context, 400.0 / 1.85, 200.0)
    assert by_engine == pytest.approx(engine_step_of(sequences, context, 400.0), rel=1e-6)
    factor = first_token_factor(clock, 1, sequences, context, 400.0, budget)
    assert factor * clock.step_ms(sequences, context, 400.0, 200.0) == pytest.approx(by_engine)
    assert 1.0 < factor < 1.85
    assert first_token_factor(clock, 1, sequences, context, 60_000.0, budget) < factor


def engine_step_of(sequences: float, context: float, prompt: float) -> float:
    clock = speculative(MAIN, DRAFT, 1, 0.0)  # accepts nothing: a step of the clock is one of the engine
    return clock.step_ms(sequences, context, prompt, prompt / 2.0)


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        # 256 experts of 3 · 7168 · 2048, the shared one, MLA, the router, and 2 · 7168² for the projection: 14 billion
        # are published with embedding and head, each of 0.9 billion.
        ("deepseek-r1", 11_610_053_888),
        # 151,552 · 4096 embeddings apart: 128 experts of 3 · 4096 · 1408, one shared, GQA with 96 heads.
        ("glm-4.5-air", 2_375_051_392),
    ],
)
def test_the_built_in_layer_is_one_of_the_models_own(model: str, weights: int) -> None:
    row = CATALOG.models[model]
    shape = drafter_shape(row, row.drafters[0])
    assert shape.params_total - shape.embedding_params == weights
    assert shape.kv_bytes_per_token_growing * row.architecture.layers == row.architecture.kv_bytes_per_token_growing
    assert (shape.layers, shape.moe_layers, shape.linear_layers) == (1, 1, 0)


def test_a_hybrid_model_drafts_with_a_layer_of_full_attention() -> None:
    row = CATALOG.models["qwen3.6-35b-a3b"]
    shape = drafter_shape(row, row.drafters[0])
    assert (shape.full_layers, shape.linear_layers, shape.linear) == (1, 0, None)
    own = row.architecture
    assert shape.kv_bytes_per_token_growing * own.full_layers == own.kv_bytes_per_token_growing


@pytest.mark.parametrize(
    ("model", "precision", "words"),
    [
        ("deepseek-r1", "fp8-block", None),
        ("glm-4.5", "fp8", None),
        ("glm-4.5", "awq", "is known in the checkpoint of its maker, and not in that of awq"),
        ("llama-3.1-8b-instruct", "bf16", "has a checkpoint of its own"),
        ("glm-5.2", "bf16", "has sparse attention"),
    ],
)
def test_which_drafters_are_planned(model: str, precision: str, words: str | None) -> None:
    row = CATALOG.models[model]
    way = row.precision(precision)
    assert way is not None
    built_in = Drafter(
        method="mtp", num_speculative_tokens=1, accepted=0.8, measured="a test", source="a test", as_of="2026"
    )
    found = unplanned_drafter(row, way, row.drafters[0] if row.drafters else built_in)
    assert (found is None) == (words is None)
    assert words is None or (found is not None and words in found.reason)


def fits(model: str, gpu: str, layout: Parallelism, cap: int, tokens: int = 8192) -> list[MemoryFit | NoFit]:
    row = CATALOG.models[model]
    return [
        memory_fit(
            row,
            row.precisions()[0],
            CATALOG.gpus[gpu],
            tensor_parallel_size=layout.tensor_parallel_size,
            expert_parallel_size=layout.expert_parallel_size,
            max_num_seqs=cap,
            max_model_len=8192,
            max_num_batched_tokens=tokens,
            drafter=drafter,
        )
        for drafter in (None, row.drafters[0])
    ]


def test_the_layer_and_its_cache_take_memory() -> None:
    without, drafted = fits("glm-4.5-air", "H200", Parallelism(2), 64)
    assert isinstance(without, MemoryFit)
    assert isinstance(drafted, MemoryFit)
    # 2.375 billion weights in 16 bit on two GPUs; one of 47 layers of cache.
    assert drafted.weights_bytes - without.weights_bytes == pytest.approx(2_375_051_392, rel=1e-6)
    assert drafted.kv_growing_bytes / without.kv_growing_bytes == pytest.approx(47 / 46)
    assert drafted.kv_budget_bytes < without.kv_budget_bytes - 2_375_051_392


def test_a_linear_state_is_kept_for_each_token_that_may_be_taken_back() -> None:
    without, drafted = fits("qwen3.6-35b-a3b", "H200", Parallelism(1), 32)
    assert isinstance(without, MemoryFit)
    assert isinstance(drafted, MemoryFit)
    assert 1.5 < drafted.state_bytes / without.state_bytes < 2.0  # the half-empty pages are not doubled


def test_a_step_that_does_not_hold_the_verified_tokens_is_refused() -> None:
    without, drafted = fits("glm-4.5-air", "H200", Parallelism(2), 64, tokens=100)
    assert isinstance(without, MemoryFit)
    assert drafted == NoFit("a step of 100 tokens does not hold 128 verified tokens of 64 sequences")


def test_many_queries_of_latent_attention_on_one_gpu_wait_for_arithmetic() -> None:
    """128 heads on one rank multiply 2 · 1,088 times with each cached vector of 576: two queries take longer than
    reading it on an H200. Cut into eight, reading stays the slower one."""
    row, fit = CATALOG.models["deepseek-r1"], load_coefficients()

    def kv(layout: Parallelism, drafter: Drafter | None) -> float:
        clock = clock_of(
            row, row.precisions()[0], CATALOG.gpus["H200"], layout, fit, context_tokens=4000.0, drafter=drafter
        )
        return clock.kv_read_ms_per_token * (1.0 if drafter is None else 1.0 + drafter.accepted)

    layer = 62 / 61
    cut, whole = Parallelism(8), Parallelism(1, 8, True)
    assert kv(cut, row.drafters[0]) == pytest.approx(kv(cut, None) * layer)
    assert kv(whole, row.drafters[0]) > 1.2 * kv(whole, None)
