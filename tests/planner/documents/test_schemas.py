"""The published schemas: generated from the models, up to date, and agreeing with the parser on what a file may say.

`UPDATE_GOLDEN=1 pytest tests/planner/documents/test_schemas.py` writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from planner.documents.environment_file import parse
from planner.documents.lock import render
from planner.documents.schemas import ANSWERS, answer_schema, environment_schema, lock_schema, policy_schema
from planner.words.diagnostics import Problems
from planner.words.spans import read
from tests.examples import ROOT, environment_paths, lock_paths
from tests.planner.plans import ENVIRONMENT, edited, lock

FOLDER = ROOT / "docs" / "schemas"

ENVIRONMENT_FILES = Draft202012Validator(environment_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
LOCK_FILES = Draft202012Validator(lock_schema())


PUBLISHED = {
    "environment": environment_schema(),
    "policy": policy_schema(),
    "lock": lock_schema(),
    **{name: answer_schema(name) for name in ANSWERS},
}


@pytest.mark.parametrize(("name", "schema"), PUBLISHED.items(), ids=PUBLISHED)
def test_the_published_schema_is_up_to_date(name: str, schema: dict[str, Any]) -> None:
    path = FOLDER / f"{name}.schema.json"
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, "run UPDATE_GOLDEN=1 pytest tests/planner/documents/test_schemas.py"
    Draft202012Validator.check_schema(schema)


def told(value: Any) -> list[str]:
    return [error.json_path for error in ENVIRONMENT_FILES.iter_errors(value)]


@pytest.mark.parametrize("path", environment_paths(), ids=lambda p: p.stem)
def test_the_worked_environments_are_valid(path: Path) -> None:
    assert told(read(path.read_text(), str(path)).value) == []
    assert "$schema=../../docs/schemas/environment.schema.json" in path.read_text().splitlines()[0]


@pytest.mark.parametrize("path", lock_paths(), ids=lambda p: p.name)
def test_the_worked_locks_are_valid(path: Path) -> None:
    assert not list(LOCK_FILES.iter_errors(json.loads(path.read_text())))


def test_a_lock_of_a_newer_minor_version_is_valid() -> None:
    values = json.loads(render(lock()))
    assert not list(LOCK_FILES.iter_errors(edited(values, {"format_version": "1.4", "plan/pools/0/warm": 1})))
    assert list(LOCK_FILES.iter_errors(edited(values, {"plan/cost/usd_per_month": 12.5})))
    assert list(LOCK_FILES.iter_errors({key: value for key, value in values.items() if key != "plan"}))


CHAT = "routes/chat"
SAMPLES: list[tuple[str, Any, bool]] = [
    (f"{CHAT}/slo/ttft_p95", "800ms", True),
    (f"{CHAT}/slo/ttft_p95", {"base": "1.5s", "per_1k_input": "0ms"}, True),
    (f"{CHAT}/slo/ttft_p95", 800, False),
    (f"{CHAT}/slo/ttft_p95", "800", False),
    (f"{CHAT}/slo/ttft_p95", {"base": "1s"}, False),
    (f"{CHAT}/slo/tpot_p95", "60 ms", True),
    (f"{CHAT}/slo/tpot_p95", "60 msec", False),
    (f"{CHAT}/slo/availability", "99.95%", True),
    (f"{CHAT}/slo/availability", 0.999, False),
    (f"{CHAT}/data", "secret", False),
    (f"{CHAT}/traffic/profile", "global", True),
    (f"{CHAT}/traffic/profile", "weekly", False),
    (f"{CHAT}/traffic/profile", [1] * 168, True),
    (f"{CHAT}/traffic/profile", [1] * 24, False),
    (f"{CHAT}/traffic/profile", [-1] + [1] * 167, False),
    (f"{CHAT}/traffic/requests_per_second/mean", 0, False),
    (f"{CHAT}/quality/accept", [], False),
    (f"{CHAT}/quality/date", "2026-11-01", True),
    (f"{CHAT}/quality/date", "yesterday", False),
    (f"{CHAT}/tiers", {}, False),
    ("routes/Chat", {}, False),
    ("platform/account", "12345", False),
    ("platform/zones", ["use1-az4"], False),
    ("platform/kubernetes", "1.36", True),
    ("platform/kubernetes", 1.36, False),
    ("api/providers/openai/limits/tpm", "2M", True),
    ("api/providers/openai/limits/tpm", 2_000_000, True),
    ("api/providers/openai/limits/tpm", "lots", False),
    ("api/providers/openai/limits/tpm", -1, False),
    ("api/monthly_budget", "$8,000", True),
    ("api/monthly_budget", 8000, False),
    ("quotas/P", "1k", True),
    ("quotas/X", 1, False),
    ("budget/monthly", "$60,00", False),
    ("planning/margin", "p99", False),
    ("version", 2, False),
    ("horizon/months", 37, False),
    ("surprise", 1, False),
]


@pytest.mark.parametrize(("path", "value", "valid"), SAMPLES)
def test_the_schema_and_the_parser_agree(path: str, value: Any, valid: bool) -> None:
    base = {**read(ENVIRONMENT, "prod.yaml").value, "planning": {}}
    values = edited(base, {path: value})
    assert (not told(values)) is valid
    text = json.dumps(values)  # JSON is YAML
    if valid:
        parse(text, "prod.yaml")
    else:
        with pytest.raises(Problems):
            parse(text, "prod.yaml")


def test_every_key_that_needs_it_is_described_for_editors() -> None:
    definitions = environment_schema()["$defs"]
    assert definitions["Platform"]["properties"]["account"]["description"] == "AWS account id, 12 digits, quoted"
    assert definitions["Slo"]["properties"]["tpot_p95"]["anyOf"][0]["examples"] == ["800ms"]
    assert definitions["Route"]["description"].startswith("One kind of request")
