"""Which open-weight models the shipped catalog holds, under the names that people write in accept lists."""

from __future__ import annotations

import csv
from pathlib import Path

FILE = Path(__file__).with_name("chosen_models.csv")


def _models() -> dict[str, tuple[str, str | None]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {row["key"]: (row["raw_name"], row["instruct_repository"] or None) for row in rows}


MODELS = _models()
"""Key → name of the raw row, and the repository of the instruct checkpoint if the raw row is of the base one."""

LLAMA_3_TOKENS = {
    "source": "the unit itself: `tokenizer_ratio` counts in tokens of Llama 3's tokenizer",
    "as_of": "2026-11-29",
    "tokenizer_ratio": 1.0,
}
LLAMA_3 = ("llama-3-", "llama-3.1-", "llama-3.2-", "llama-3.3-", "deepseek-r1-distill-llama-")
"""How the keys of models with that tokenizer begin."""


def tokens_of(key: str) -> dict[str, object] | None:
    """How a model counts tokens; None where nobody has measured it."""
    return LLAMA_3_TOKENS if key.startswith(LLAMA_3) else None


SAME_SHAPE = {  # slug -> published names of models with the same layers and widths; `*`: whatever follows
    "deepseek-r1": ["R1"],
    "deepseek-r1-distill-llama-70b": ["R1-Distill-Llama-70B"],
    "deepseek-r1-distill-llama-8b": ["R1-Distill-Llama-8B"],
    "deepseek-v3.1": ["DeepSeek-V3.1-Terminus"],
    "falcon-180b-chat": ["Falcon-180B*"],
    "kimi-k2-instruct": ["Kimi-K2*"],
    "llama-2-13b-chat": ["Vicuna-13B*"],
    "llama-2-7b-chat": ["Vicuna-7B*"],
    "llama-3.1-70b-instruct": ["Llama-3.1-Nemotron-70B"],
    "llama-4-maverick": ["Llama-4-Maverick*"],
    "llama-4-scout": ["Llama-4-Scout*"],
    "minimax-m2.5": ["MiniMax-M2", "MiniMax-M2.1", "MiniMax-M2.7"],
    "mistral-7b-instruct-v0.3": [
        "Mistral-7B",
        "Mistral-7B-v0.1",
        "Mistral-7B-v0.2",
        "OpenHermes-2-Mistral-7B*",
        "OpenHermes-2.5-Mistral-7B*",
        "Zephyr-7B*",
    ],
    "mixtral-8x22b-instruct": ["Mixtral-8x22B*"],
    "mixtral-8x7b-instruct": ["Mixtral-8x7B*"],
    "qwen2.5-0.5b-instruct": ["Qwen2.5-Coder-0.5B"],
    "qwen2.5-1.5b-instruct": [
        "DeepSeek-R1-Distill-Qwen-1.5B",
        "Qwen2.5-Coder-1.5B",
        "Qwen2.5-Math-1.5B",
        "R1-Distill-Qwen-1.5B",
    ],
    "qwen2.5-14b-instruct": ["DeepSeek-R1-Distill-Qwen-14B", "Qwen2.5-Coder-14B", "R1-Distill-Qwen-14B"],
    "qwen2.5-32b-instruct": ["DeepSeek-R1-Distill-Qwen-32B", "R1-Distill-Qwen-32B"],
    "qwen2.5-3b-instruct": ["Qwen2.5-Coder-3B"],
    "qwen2.5-72b-instruct": ["Qwen2.5-Math-72B"],
    "qwen2.5-7b-instruct": [
        "DeepSeek-R1-Distill-Qwen-7B",
        "Qwen2.5-Coder-7B",
        "Qwen2.5-Math-7B",
        "R1-Distill-Qwen-7B",
    ],
    "yi-34b-chat": ["Yi-34B*"],
    "yi-6b-chat": ["Yi-6B*"],
}

REASONING = (
    "deepseek-r1",
    "deepseek-v3.1",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "deepseek-v4-pro",
    "glm-4.5-air",
    "glm-4.6",
    "gpt-oss-120b",
    "gpt-oss-20b",
    "mistral-small-4",
    "qwen3-32b",
    "qwen3.6-27b",
    "qwen3.6-35b-a3b",
)
"""Open-weight models that may think before they answer, by their model cards."""
