"""What the catalog tells the engine of its models is what the engine that plans run understands."""

from __future__ import annotations

import json
import re

import pytest

from planner.domain.models import Model
from planner.edges.catalog_files import load_catalog
from tests.examples import ROOT

FLAGS = json.loads((ROOT / "tests" / "data" / "vllm" / "flags.json").read_text(encoding="utf-8"))["flags"]
MODELS = load_catalog().models
TOLD = {key: model for key, model in sorted(MODELS.items()) if model.engine_flags is not None}
REASONING_PARSERS = frozenset(
    (
        "deepseek_r1",
        "deepseek_v3",
        "deepseek_v4",
        "gemma4",
        "glm45",
        "kimi_k2",
        "kimi_k3",
        "minimax_m2_append_think",
        "minimax_m3",
        "nemotron_v3",
        "openai_gptoss",
        "qwen3",
    )
)
"""Names in vLLM's register of reasoning parsers, which its command line does not list (vllm/reasoning/__init__.py at
0064cc9)."""
WITHOUT_TOOLS = frozenset(
    (
        "codellama-13b-instruct",
        "codellama-34b-instruct",
        "codellama-70b-instruct",
        "codellama-7b-instruct",
        "deepseek-r1",
        "deepseek-r1-distill-llama-70b",
        "deepseek-r1-distill-llama-8b",
        "deepseek-v3",
        "falcon-180b-chat",
        "gemma-2-27b-it",
        "gemma-2-2b-it",
        "gemma-2-9b-it",
        "gemma-2b-it",
        "gemma-3-12b-it",
        "gemma-3-1b-it",
        "gemma-3-27b-it",
        "gemma-3-4b-it",
        "gemma-7b-it",
        "llama-2-13b-chat",
        "llama-2-70b-chat",
        "llama-2-7b-chat",
        "llama-3-70b-instruct",
        "llama-3-8b-instruct",
        "mixtral-8x7b-instruct",
        "muse-spark-open-816b-a42b",
        "olmo-2-13b-instruct",
        "olmo-2-32b-instruct",
        "olmo-2-7b-instruct",
        "olmo-7b",
        "phi-4",
        "pythia-12b",
        "pythia-1b",
        "pythia-6.9b",
        "qwen2.5-coder-32b-instruct",
        "qwen2.5-coder-32b-instruct-yarn",
        "starcoder",
        "starcoder2-15b",
        "starcoder2-3b",
        "starcoder2-7b",
        "yi-34b-chat",
        "yi-6b-chat",
    )
)
"""Models of which no parser of calls of tools is known. Most cannot call tools. Of Qwen2.5 Coder the documented one
does not read its form (github.com/hanXen/vllm-qwen2.5-coder-tool-parser); of Muse Spark nobody says which it is."""


@pytest.mark.parametrize("key", TOLD)
def test_the_engine_understands_what_it_is_told(key: str) -> None:
    flags = TOLD[key].engine_flags
    assert flags is not None
    assert flags.tool_call_parser in (None, *FLAGS["--tool-call-parser"]["choices"])
    assert flags.tokenizer_mode in (None, *FLAGS["--tokenizer-mode"]["choices"])
    assert flags.reasoning_parser in (None, *REASONING_PARSERS)
    assert re.fullmatch(r"tool_chat_template_[a-z0-9._]+\.jinja", flags.chat_template or "tool_chat_template_x.jinja")
    assert flags.source


def test_flags_that_carry_them_exist() -> None:
    wanted = {"--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser", "--chat-template"}
    assert wanted | {"--tokenizer-mode", "--language-model-only", "--limit-mm-per-prompt"} <= FLAGS.keys()


def test_every_other_model_lets_requests_leave_the_choice_of_tools_to_it() -> None:
    parsed = {key for key, model in MODELS.items() if model.engine_flags and model.engine_flags.tool_call_parser}
    assert MODELS.keys() - parsed == WITHOUT_TOOLS


@pytest.mark.parametrize("key", sorted(MODELS))
def test_a_model_without_a_parser_is_a_gap_with_a_name(key: str) -> None:
    told = [gap for gap in MODELS[key].gaps() if gap.kind == "tools"]
    assert bool(told) == (key in WITHOUT_TOOLS)
    assert all(key in gap.message and gap.hint for gap in told)


def test_a_variant_is_told_what_its_model_is_told() -> None:
    assert MODELS["qwen3-14b-yarn"].engine_flags == MODELS["qwen3-14b"].engine_flags


def test_gated_models_name_their_licence() -> None:
    gated: dict[str, Model] = {key: model for key, model in MODELS.items() if model.gated}
    assert {key for key in MODELS if key.startswith("llama-")} <= gated.keys()
    assert gated["llama-3.3-70b-instruct"].gated_licence == "Llama 3.3 Community License"
    assert MODELS["qwen3-14b"].gated_licence is None
    assert all(model.gated_licence for model in gated.values())
