"""docs/policy.md: its files are read by the real parser, and its table has every rule with the keys that it states."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from planner.documents.policy.rulebook import rule_problems, rules_of_file
from planner.documents.schemas import policy_schema
from planner.domain.policy import FileRules, Override, Rule
from planner.edges.catalog_files import load_catalog
from planner.words.spans import read
from tests.docs.markdown import code, tables, text_of

GUIDE = text_of("docs/policy.md")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
ROWS = {code(row["rule"]): row for row in tables(GUIDE, "rule", "what is judged", "it states", "warns or denies")}


@pytest.mark.parametrize("text", [block for block in BLOCKS if block.startswith("#")])
def test_its_files_are_read(text: str) -> None:
    rules = rules_of_file(text, "environments/policies/finance.yaml", "finance")
    assert rules.rules
    assert list(rule_problems(rules, load_catalog(), ["prod"])) == []
    assert list(Draft202012Validator(policy_schema()).iter_errors(read(text, "finance.yaml").value)) == []


def test_its_override_is_read() -> None:
    (text,) = (block for block in BLOCKS if block.startswith("overrides:"))
    (override,) = read(text, "prod.yaml").value["overrides"]
    assert Override.model_validate(override).rule == "finance.monthly_cost"


def test_every_rule_has_a_row_with_its_keys() -> None:
    assert set(ROWS) == set(FileRules.model_fields)
    for kind, row in ROWS.items():
        keys = set(_model(kind).model_fields) - set(Rule.model_fields)
        assert keys <= set(re.findall(r"[a-z0-9]+", row["it states"])), kind


def _model(kind: str) -> type[Rule]:
    annotation = FileRules.model_fields[kind].annotation
    models: list[type[Rule]] = [each for each in get_args(annotation) if each is not type(None)]
    return models[0]
