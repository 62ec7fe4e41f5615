"""The clock file and its formula: hand-computed steps, refusals that say what to do, agreement with the planner's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.engine.clock import ClockFileError, EngineClock, StepCoefficients, read_clock

COEFFICIENTS = {
    "dense_read_ms": 20.0,
    "dense_compute_ms_per_token": 0.05,
    "expert_read_ms": 0.0,
    "expert_compute_ms_per_token": 0.0,
    "expert_hit_fraction": 1.0,
    "kv_read_ms_per_token": 0.0001,
    "attention_ms_per_token_pair": 0.000001,
    "overhead_ms": 2.0,
    "overhead_ms_per_sequence": 0.01,
    "comm_ms_per_token": 0.001,
    "comm_ms_per_step": 1.0,
    "server_ms_per_sequence": 0.05,
    "tokens_per_sequence": 1.0,
}
DOCUMENT = {
    "version": "1.0",
    "pool": "chat-a",
    "model": "qwen3-32b",
    "max_model_len": 8192,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 2048,
    "kv_tokens": 100_000,
    "max_num_queued_reqs": 128,
    "max_num_queued_tokens": 30_000,
    "step": COEFFICIENTS,
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "clock.json"
    path.write_text(json.dumps(DOCUMENT | changes))
    return path


def test_a_decode_step_is_bound_by_reads() -> None:
    step = StepCoefficients(**COEFFICIENTS)
    # √(20² + (0.05·40)²) = 20.0998 of products; 0.0001·50,000 = 5 of context; 2 + 0.01·40 and 1 + 0.001·40
    assert step.step_ms(40, 50_000) == pytest.approx(20.0997512 + 5 + 2.4 + 1.04)


def test_a_prefill_step_is_bound_by_arithmetic() -> None:
    step = StepCoefficients(**COEFFICIENTS)
    # √(20² + (0.05·2,048)²) = 104.3349 of products; 1e-6·2,048·1,024 = 2.097152 of attention; 2 and 1 + 0.001·2,048
    assert step.step_ms(0, 0, 2048, 1024.0) == pytest.approx(104.3348455 + 2.097152 + 2 + 3.048)


def test_at_the_knee_neither_bound_is_reached() -> None:
    step = StepCoefficients(**COEFFICIENTS)
    # 400 tokens are multiplied in the 20 ms that reading takes: together √2 of either
    assert step.step_ms(400, 0) == pytest.approx(20 * 2**0.5 + 2 + 4 + 1 + 0.4)


def test_few_tokens_touch_few_experts() -> None:
    step = StepCoefficients(**(COEFFICIENTS | {"expert_read_ms": 100.0, "expert_hit_fraction": 0.25}))
    fixed = [step.step_ms(n, 0) - 100 * (1 - 0.75**n) for n in (1, 2)]
    plain = StepCoefficients(**COEFFICIENTS)
    assert fixed == pytest.approx([plain.step_ms(n, 0) for n in (1, 2)])


def test_experts_multiply_while_they_are_read() -> None:
    """Their own root: √(100² + 75²) = 125 ms, beside that of the dense products."""
    experts = {"expert_read_ms": 100.0, "expert_hit_fraction": 1.0, "expert_compute_ms_per_token": 0.75}
    step, plain = StepCoefficients(**(COEFFICIENTS | experts)), StepCoefficients(**COEFFICIENTS)
    assert step.step_ms(100, 0) - plain.step_ms(100, 0) == pytest.approx(125.0)


def test_a_slow_server_holds_the_engine_up() -> None:
    """40 tokens at 0.8 ms each take longer than the 28.5 ms of the engine; prompts are no work for the server."""
    step = StepCoefficients(**(COEFFICIENTS | {"server_ms_per_sequence": 0.8}))
    assert step.step_ms(40, 50_000) == pytest.approx(32.0)
    assert step.step_ms(40, 50_000, 2048, 1024.0) == StepCoefficients(**COEFFICIENTS).step_ms(40, 50_000, 2048, 1024.0)


def test_a_clock_of_an_older_plan_has_no_server() -> None:
    newer = ("server_ms_per_sequence", "tokens_per_sequence")
    older = StepCoefficients(**{name: value for name, value in COEFFICIENTS.items() if name not in newer})
    assert (older.server_ms_per_sequence, older.tokens_per_sequence) == (0.0, 1.0)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    clock = read_clock(write(tmp_path))
    assert clock.pool == "chat-a"
    assert clock.step.overhead_ms == 2.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_num_batched_tokens": 32}, "below max_num_seqs"),
        ({"kv_tokens": 4096}, "below max_model_len"),
        ({"version": "2.0"}, "version"),
        ({"kv_token": 1}, "kv_token"),
        ({"max_num_seqs": 0}, "max_num_seqs"),
        ({"step": COEFFICIENTS | {"expert_hit_fraction": 1.5}}, "step.expert_hit_fraction"),
        ({"step": COEFFICIENTS | {"overhead_ms": -1}}, "step.overhead_ms"),
        ({"step": dict.fromkeys(COEFFICIENTS, 0.0) | {"tokens_per_sequence": 1}}, "time would stand still"),
        ({"step": COEFFICIENTS | {"tokens_per_sequence": 0.5}}, "step.tokens_per_sequence"),
    ],
)
def test_a_bad_file_is_refused_by_field(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ClockFileError, match=words):
        read_clock(write(tmp_path, **changes))


def test_a_missing_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ClockFileError, match="routing writes it"):
        read_clock(tmp_path / "none.json")


small = st.floats(0, 10, allow_nan=False)
steps = st.builds(
    StepCoefficients,
    dense_read_ms=small,
    dense_compute_ms_per_token=small,
    expert_read_ms=small,
    expert_compute_ms_per_token=small,
    expert_hit_fraction=st.floats(0, 1),
    kv_read_ms_per_token=small,
    attention_ms_per_token_pair=small,
    overhead_ms=small,
    overhead_ms_per_sequence=small,
    comm_ms_per_token=small,
    comm_ms_per_step=small,
    server_ms_per_sequence=small,
    tokens_per_sequence=st.floats(1, 9),
)
batches = st.tuples(st.integers(0, 512), st.integers(0, 10**6), st.integers(0, 16384), st.floats(0, 10**5))


@given(steps, batches)
def test_more_work_never_takes_less_time(step: StepCoefficients, batch: tuple[int, int, int, float]) -> None:
    decode, context, prefill, prefill_context = batch
    duration = step.step_ms(decode, context, prefill, prefill_context) * (1 - 1e-12)
    assert step.step_ms(decode + 1, context, prefill, prefill_context) >= duration
    assert step.step_ms(decode, context + 1, prefill, prefill_context) >= duration
    assert step.step_ms(decode, context, prefill + 1, prefill_context) >= duration


@settings(deadline=None)  # the first example pays for the import
@given(steps, batches)
def test_it_agrees_with_the_planner(step: StepCoefficients, batch: tuple[int, int, int, float]) -> None:
    """The formula is written twice on purpose; here the two must not differ."""
    planner = pytest.importorskip("planner.performance.step_time", reason="the planner's step clock is not there")
    theirs = planner.StepClock(**step.model_dump()).step_ms(*batch)
    assert theirs == pytest.approx(step.step_ms(*batch), rel=1e-9, abs=1e-9)


def test_the_document_round_trips() -> None:
    clock = EngineClock.model_validate(DOCUMENT)
    assert json.loads(clock.model_dump_json()) == DOCUMENT
