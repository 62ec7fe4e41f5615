"""The configurations of tests/data/model_configs, read as `add-model` reads them, also with some keys changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from planner.documents.model_config.config_json import JsonFile, read_json
from planner.documents.model_config.derive import Derived, derive
from planner.words.diagnostics import Problem, Problems

FOLDER = Path(__file__).resolve().parents[3] / "data" / "model_configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if not path.stem.endswith(".hf_quant_config"))
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 32_000,
}
"""A small model of the plainest kind, made up."""


def values(name: str) -> dict[str, Any]:
    """The values of a fixture."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


def as_file(content: dict[str, Any], name: str = "config.json") -> JsonFile:
    """A configuration as a file."""
    return read_json(json.dumps(content, indent=1), name)


def quantization_of(name: str) -> JsonFile | None:
    """The separate file of a fixture's quantization; None without."""
    path = FOLDER / f"{name}.hf_quant_config.json"
    return read_json(path.read_text(encoding="utf-8"), path.name) if path.exists() else None


def derived(name: str, **changed: Any) -> Derived:
    """What a fixture makes, with some keys changed; `...` takes a key away."""
    return of(values(name), quantization_of(name), **changed)


def of(content: dict[str, Any], quantization: JsonFile | None = None, **changed: Any) -> Derived:
    """What a configuration makes, with some keys changed; `...` takes a key away."""
    content = {key: value for key, value in (content | changed).items() if value is not ...}
    return derive(as_file(content), quantization)


def problems(content: dict[str, Any], **changed: Any) -> tuple[Problem, ...]:
    """The problems of a configuration; none where it can be read."""
    try:
        of(content, **changed)
    except Problems as refused:
        return refused.problems
    return ()
