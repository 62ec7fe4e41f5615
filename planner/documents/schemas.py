"""The published JSON Schemas of what people and machines exchange: environments, rules, locks, answers.

They describe the files and not the values inside the program. Durations, shares and money are text with their unit,
and what may be written in two ways is admitted in both. With the first two, editors check what people write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.documents.explanation import Explanation, Values, WhyNot
from planner.documents.lock import Lock
from planner.documents.review import Review
from planner.domain.environment import Environment
from planner.domain.policy import PolicyFile
from planner.plan.parts import PlanPart
from planner.words.units import show_share

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVIRONMENT_ID = "urn:spillway:schema:environment:1"
POLICY_ID = "urn:spillway:schema:policy:1"
LOCK_ID = "urn:spillway:schema:lock:1"
ANSWERS: Mapping[str, tuple[type[PlanPart], str]] = {
    "review": (Review, "Spillway review: `spillway diff ENV --format json`"),
    "explanation": (Explanation, "Spillway explanation: `spillway explain ENV --format json`"),
    "values": (Values, "Spillway explanation: `spillway explain ENV --values --format json`"),
    "why-not": (WhyNot, "Spillway explanation: `spillway explain ENV --why-not WORDS --format json`"),
}
"""Answers of commands as JSON: their values and titles, by the name of their schema."""


def environment_schema() -> dict[str, Any]:
    """Return the JSON Schema of `environments/NAME.yaml`."""
    return {
        "$schema": DIALECT,
        "$id": ENVIRONMENT_ID,
        **_written(Environment.model_json_schema(mode="validation")),
        "title": "Spillway environment",
    }


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of `environments/policies/NAME.yaml`."""
    return {
        "$schema": DIALECT,
        "$id": POLICY_ID,
        **_written(PolicyFile.model_json_schema(mode="validation")),
        "title": "Spillway policy",
    }


def _written(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with defaults in the form of the file: shares are written as percentages."""
    for part in schema["$defs"].values():
        for field in part.get("properties", {}).values():
            if field.get("type") == "string" and isinstance(field.get("default"), float):
                field["default"] = show_share(field["default"])
    return schema


def lock_schema() -> dict[str, Any]:
    """Return the JSON Schema of `environments/NAME.lock.json`, format 1.x. It admits keys of a newer minor version."""
    return {
        "$schema": DIALECT,
        "$id": LOCK_ID,
        **Lock.model_json_schema(mode="validation"),
        "title": "Spillway lock",
    }


def answer_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an answer, by its name in `ANSWERS`. It admits keys of a newer minor version."""
    values, title = ANSWERS[name]
    return {
        "$schema": DIALECT,
        "$id": f"urn:spillway:schema:{name}:1",
        **values.model_json_schema(mode="serialization"),
        "title": title,
    }
