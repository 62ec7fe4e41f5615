"""Public scores of models from the raw tables, one file a metric.

A score belongs to one checkpoint. So a row is left out where the raw table mixes checkpoints: where its source scored
another version than the catalog holds, or the base model beside the instruct one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.catalog.chosen_models import MODELS
from tools.catalog.raw_tables import Fact, RawRow, table
from tools.catalog.yaml_text import OneLine, facts_text

_LEADERBOARD = {
    "evidence": "mostly what the makers report of their own models",
    "source": "JonathanChavezTamales/llm-leaderboard@24a9ccf",
    "as_of": "2025-10-16",
}


@dataclass(frozen=True)
class RawMetric:
    """One column of the raw table. head: what stands at the top of its file."""

    column: str
    head: Fact


METRICS = {
    "lmarena-text": RawMetric(
        "lmarena_text_elo_2025_08_04",
        {
            "name": "LMArena text",
            "scale": "Elo of blind votes by people; 100 more win about 64 % of the votes",
            "evidence": "votes of people between two answers",
            "source": "LMArena text leaderboard of 2025-08-04",
            "as_of": "2025-08-04",
        },
    ),
    **{
        key: RawMetric(column, {"name": name, "scale": f"{what}, 0 to 1", **_LEADERBOARD})
        for key, column, name, what in (
            ("mmlu", "score_mmlu", "MMLU", "share of questions of 57 fields answered right"),
            ("mmlu-pro", "score_mmlu_pro", "MMLU-Pro", "share of harder questions of 14 fields answered right"),
            ("gpqa", "score_gpqa", "GPQA", "share of questions of graduate science answered right"),
            ("humaneval", "score_humaneval", "HumanEval", "share of small programs that pass their tests"),
            (
                "livecodebench",
                "score_livecodebench",
                "LiveCodeBench",
                "share of contest programs that pass their tests",
            ),
            ("ifeval", "score_ifeval", "IFEval", "share of instructions that were followed"),
            ("math", "score_math", "MATH", "share of contest mathematics answered right"),
            ("aime-2025", "score_aime_2025", "AIME 2025", "share of the questions of 2025 answered right"),
        )
    },
}
BASE_MODEL = {"qwen3-235b-a22b": ("score_mmlu", "score_mmlu_pro", "score_gpqa", "score_math")}
"""Columns in which the source scored the base model, by key."""
ANOTHER_VERSION = {"mistral-7b-instruct-v0.3": "Mistral-7B-Instruct-v0.1", "olmo-7b": "OLMo-7B-instruct"}
"""Models that LMArena knows in another version than the catalog, by key."""
ALWAYS_THINK = ("deepseek-r1", "gpt-oss-", "qwen3-235b-a22b-thinking", "qwq-")
MAY_THINK = ("deepseek-v3.1", "glm-4.5", "glm-4.6", "qwen3-235b-a22b", "qwen3-30b-a3b", "qwen3-32b")
"""How the keys of models begin that think before they answer, always or where they are told to."""


def contents(raw: Path) -> Iterator[tuple[str, str]]:
    """(path below the catalog folder, text) of every metric."""
    rows = {row["name"]: row for row in table(raw, "models.csv")}
    for key, metric in METRICS.items():
        scores = {
            model: _score(model, rows[name], metric.column)
            for model, (name, _) in sorted(MODELS.items())
            if rows[name][metric.column] and _is_of_this_model(model, metric.column)
        }
        yield f"scores/{key}.yaml", facts_text({**metric.head, "scores": scores})


def _is_of_this_model(model: str, column: str) -> bool:
    return column not in BASE_MODEL.get(model, ()) and not (column.startswith("lmarena") and model in ANOTHER_VERSION)


def _score(model: str, row: RawRow, column: str) -> Fact:
    named = row["lmarena_name"] if column.startswith("lmarena") else _named_by_leaderboard(row)
    return OneLine({"score": float(row[column]), "reasoning": _reasoning(model), "named": named})


def _named_by_leaderboard(row: RawRow) -> str:
    found = re.search(r"model (\S+)", row["scores_source"])
    return found[1] if found else row["name"]


def _reasoning(model: str) -> bool | None:
    """Whether the model thought before it answered; None where the source does not say of one that may."""
    if model.startswith(ALWAYS_THINK):
        return True
    return False if "instruct-2507" in model or not model.startswith(MAY_THINK) else None
