"""Configurations that make no row: each problem has its code, the line of its key and a hint, all in one run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from planner.documents.model_config.config_json import read_json
from planner.documents.model_config.derive import Derived
from planner.words.diagnostics import Problems
from tests.planner.documents.model_config.configs import LLAMA, NAMES, derived, of, problems, values

TOLD_BY_NOBODY = {
    "quantization_config",
    "torch_dtype",
    "vision_config",
    "use_qk_norm",
}
"""Keys whose absence makes another model of the same kind, which nobody can tell from a damaged file."""


@pytest.mark.parametrize(
    ("changed", "code", "key"),
    [
        ({"hidden_size": ...}, "CFG002", "hidden_size"),
        ({"vocab_size": ...}, "CFG002", "vocab_size"),
        ({"num_hidden_layers": "eight"}, "CFG003", "num_hidden_layers"),
        ({"num_attention_heads": 0}, "CFG003", "num_attention_heads"),
        ({"hidden_size": float("nan")}, "CFG003", "hidden_size"),
        ({"sliding_window_pattern": ""}, "CFG003", "sliding_window_pattern"),
        ({"sliding_window_pattern": "LLLg"}, "CFG003", "sliding_window_pattern"),
        ({"num_key_value_heads": 5}, "CFG004", "num_key_value_heads"),
        ({"layer_types": ["full_attention"] * 7}, "CFG004", "layer_types"),
        ({"layer_types": ["full_attention"] * 7 + ["hyena"]}, "CFG005", "layer_types"),
        ({"intermediate_size": [4096] * 7 + [2048]}, "CFG005", "intermediate_size"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "CFG005", "architectures"),
        ({"architectures": ["LlamaModel"]}, "CFG005", "architectures"),
        ({"architectures": ["MambaForCausalLM"], "model_type": "mamba"}, "CFG005", "model_type"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, "CFG005", "model_type"),
        ({"architectures": ["NewForCausalLM"], "model_type": "lama"}, "CFG005", "model_type"),
        ({"torch_dtype": "float8_e5m2"}, "CFG007", "torch_dtype"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, "CFG007", "bits"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "CFG007", "quant_method"),
        ({"num_experts_per_tok": 2}, "CFG002", "n_routed_experts"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "CFG002", "original_max_position_embeddings"),
    ],
)
def test_what_cannot_be_is_told_with_its_key_and_a_hint(changed: dict[str, Any], code: str, key: str) -> None:
    found = problems(LLAMA, **changed)
    fitting = [problem for problem in found if problem.code == code]
    assert any(key in problem.message or (problem.where and key in problem.where.source) for problem in fitting)
    for problem in found:
        assert problem.where is not None
        assert problem.where.file == "config.json"
        assert problem.hint


def test_all_problems_of_a_file_are_told_in_one_run() -> None:
    found = problems(LLAMA, hidden_size=..., num_key_value_heads=5, quantization_config={"quant_method": "quark"})
    assert {problem.code for problem in found} == {"CFG002", "CFG004", "CFG007"}


def test_the_place_of_a_problem_is_the_line_of_its_key() -> None:
    (problem,) = problems(LLAMA, num_key_value_heads=5)
    assert problem.where is not None
    assert problem.where.line == 4 + list(LLAMA).index("num_key_value_heads")  # the list above it has three lines
    assert problem.where.source.strip().startswith('"num_key_value_heads"')


@pytest.mark.parametrize(
    ("name", "what"),
    [("Skywork__Skywork-Reward-Llama-3.1-8B-v0.2", "reward model"), ("intfloat__multilingual-e5-base", "encoder")],
)
def test_models_that_answer_nothing_are_refused_by_name(name: str, what: str) -> None:
    (problem,) = problems(values(name))
    assert problem.code == "CFG005"
    assert what in problem.message


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1, "a": 2}', "nonsense", '{"a": ' * 3000])
def test_a_text_that_is_no_configuration_is_a_problem(text: str) -> None:
    with pytest.raises(Problems) as refused:
        read_json(text, "config.json")
    assert {problem.code for problem in refused.value.problems} <= {"CFG001", "CFG004"}


def test_infinity_at_a_key_that_nobody_reads_is_no_problem() -> None:
    assert of(LLAMA, time_step_limit=[0.0, float("inf")]).architecture == of(LLAMA).architecture


def told(made: Derived) -> tuple[object, ...]:
    """What a row says of a model."""
    return made.architecture, made.max_context, made.stored


@pytest.mark.parametrize("name", [name for name in NAMES if not problems(values(name))])
def test_a_missing_key_is_a_problem_or_told_or_changes_nothing(name: str) -> None:
    whole, content = derived(name), values(name)
    for key in content:
        try:
            without = derived(name, **{key: ...})
        except Problems:
            continue
        news = set(without.assumed) - set(whole.assumed) or set(without.unread) - set(whole.unread)
        assert told(without) == told(whole) or news or key in TOLD_BY_NOBODY, key


@pytest.mark.parametrize("name", [name for name in NAMES if not problems(values(name))])
@pytest.mark.parametrize("bad", ["x", -1, 0, 1.5, [], {}, True, [1, "a"], 10**30])
def test_a_value_of_another_kind_never_ends_in_a_traceback(name: str, bad: object) -> None:
    for key in values(name):
        with suppress(Problems):
            derived(name, **{key: bad})


def test_a_model_of_the_plainest_kind_has_no_problem() -> None:
    assert problems(LLAMA) == ()
    assert of(LLAMA).architecture.params_total == 2 * 32_000 * 1024 + 8 * (
        2 * 1024 * 1024 + 2 * 1024 * 256 + 3 * 1024 * 4096 + 2 * 1024
    ) + 1024  # fmt: skip
