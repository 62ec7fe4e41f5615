"""Which runs to make next: possible ones, informative ones, and none that would teach nothing new."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from measurement.calibration.next_runs import COUNT, Suggestion, next_runs
from planner.edges.performance_files import load_coefficients
from planner.performance.memory import MemoryFit, memory_fit
from tests.measurement.calibration.own_runs import class_of, good_run, own

C = load_coefficients()


def key(each: Suggestion) -> tuple[str, int, int, int]:
    return str(each.deployment), each.concurrency, each.input_tokens, each.output_tokens


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"model": "llama-3.3-70b-instruct", "gpu": "H100", "ranks": 4},
        {"model": "qwen3-30b-a3b", "gpu": "L40S", "ranks": 2},
    ],
)
def test_six_runs_that_can_be_made(named: dict[str, Any]) -> None:
    found = next_runs([class_of(**named)], (), C)
    assert len(found) == len({key(each) for each in found}) == COUNT
    for each in found:
        d = each.deployment
        fit = memory_fit(
            d.model,
            d.quantization,
            d.gpu,
            tensor_parallel_size=d.tensor_parallel_size,
            max_num_seqs=256,
            max_model_len=each.input_tokens + each.output_tokens,
        )
        assert isinstance(fit, MemoryFit)
        assert each.concurrency <= max(1.0, fit.sequences(each.input_tokens + each.output_tokens))
        assert each.prompts >= max(100, 3 * each.concurrency)
        assert 0 < each.minutes < 60
    assert len({each.seed for each in found}) == COUNT


def test_loads_and_prompts_are_spread() -> None:
    """No design of six runs tells batch 1 from a full batch, or short prompts from long, by measuring one of them."""
    found = next_runs([class_of()], (), C)
    assert len({each.place for each in found}) >= 2
    assert len({each.input_tokens for each in found}) >= 2


def test_each_run_leaves_less_unknown_than_the_one_before() -> None:
    ranges = [each.tpot_range for each in next_runs([class_of()], (), C)]
    assert ranges == sorted(ranges, reverse=True)
    assert all(math.isfinite(each) and each > 1.0 for each in ranges)


def test_what_was_made_is_not_asked_for_again() -> None:
    first = next_runs([class_of()], (), C)
    made = [own(good_run(e.concurrency, e.input_tokens, e.output_tokens), e.deployment, n) for n, e in enumerate(first)]
    then = next_runs([class_of()], made, C)
    assert then[0].tpot_range < first[-1].tpot_range
    assert key(then[0]) != key(first[0])


def test_the_same_question_has_the_same_answer() -> None:
    one, two = class_of(), class_of("qwen3-8b", "L4", 1, "fp8")
    assert next_runs([one, two], (), C) == next_runs([two, one], (), C)
    assert next_runs([one, one], (), C) == next_runs([one], (), C)


def test_a_model_that_loads_nowhere_has_no_runs() -> None:
    assert next_runs([class_of("deepseek-r1", "L4", 1, "fp8-block")], (), C) == ()


def test_prompts_that_the_model_cannot_read_are_not_asked_for() -> None:
    short = replace(class_of(), model=replace(class_of().model, max_context=2048))
    assert {each.input_tokens for each in next_runs([short], (), C)} <= {128, 1024}
