"""Files of rules: each problem of them with a code, a line and what to write instead, all in one run."""

from __future__ import annotations

from datetime import date

import pytest

from planner.documents.policy.rulebook import Rulebook, rule_problems, rules_of_file
from planner.domain.policy import Override
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import read
from tests.planner.documents.policy.subjects import rules

FILE = "environments/policies/team.yaml"


def refused(text: str) -> list[tuple[str, int, str]]:
    with pytest.raises(Problems) as raised:
        rules_of_file(text, FILE, "team")
    return [_told(problem) for problem in raised.value.problems]


def found(text: str) -> list[tuple[str, int, str]]:
    problems = Problems(rule_problems(rules_of_file(text, FILE, "team"), load_catalog(), ["prod"]))
    return [_told(problem) for problem in problems.problems]


def _told(problem: Problem) -> tuple[str, int, str]:
    assert problem.where is not None
    assert problem.where.file == FILE
    return problem.code, problem.where.line, problem.message


def test_one_run_tells_everything() -> None:
    text = """\
version: 1
rules:
  monthly_cots: {deny: $5}
  gpus: {deny: lots}
  nodes: {deny: 3, colour: red}
  retention: {deny: 30}
  training: {}
  api_data: {deny: [secret]}
  engine_version: {deny: 0.30}
enviroments: [prod]
"""
    assert refused(text) == [
        ("POL003", 3, "unknown key `monthly_cots`"),
        ("POL004", 4, "rules.gpus.deny: `lots` is not a count; write a whole number, like 4096, 5k or 2M"),
        ("POL003", 5, "unknown key `colour`"),
        ("POL004", 6, "rules.retention.deny: `30` is not a duration; write a number and a unit, like 800ms, 2s or 24h"),
        ("POL002", 7, "missing key `rules.training.state`"),
        ("POL004", 8, "rules.api_data.deny.0: `secret` is not known here; write public, internal or restricted"),
        ("POL004", 9, "rules.engine_version.deny: `0.3` is not text; put it in quotes"),
        ("POL003", 10, "unknown key `enviroments`"),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "POL002"),
        ("rules: {}", "POL002"),
        ("- version: 1", "POL004"),
        ("version: 1\nrules: [", "POL001"),
        ("version: 2\nrules: {}", "POL004"),
        ("version: 1\nrules: {}\nrules: {}", "POL002"),
        ("version: 1\nenvironments: []\nrules: {}", "POL004"),
        ("version: 1\nrules: {gpus: {deny: true}}", "POL004"),
    ],
)
def test_what_is_no_file_of_rules(text: str, code: str) -> None:
    assert refused(text)[0][0] == code


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("gpus: {}", "gpus: this rule can never speak"),
        ("gpus: {may_override: the CTO}", "gpus: this rule can never speak"),
        ("providers: {}", "providers: this rule can never speak"),
        ("api_data: {}", "api_data: this rule can never speak"),
        ("price_age: {}", "price_age: this rule can never speak"),
        ("gpus: {warn: 3, deny: 3}", "gpus: what is denied does not lie beyond what warns"),
        ("cost_change: {warn: $10, deny: $5}", "cost_change: what is denied does not lie beyond what warns"),
        ("retirement: {warn: 30d, deny: 90d}", "retirement: what is denied does not lie beyond what warns"),
        (
            'engine_version: {warn: "0.9", deny: "0.10"}',
            "engine_version: what is denied does not lie beyond what warns",
        ),
        ("price_age: {ec2: {warn: 9d, deny: 8d}}", "ec2: what is denied does not lie beyond what warns"),
        ("api_data: {warn: [internal], deny: [internal]}", "api_data: `internal` both warns and is denied"),
        (
            "providers: {allow: [openai], deny: [openai]}",
            "providers: `openai` is denied, and stands in another list too",
        ),
    ],
)
def test_rules_that_contradict_themselves(rule: str, message: str) -> None:
    ((code, line, told),) = found(f"version: 1\nrules:\n  {rule}\n")
    assert (code, line) == ("POL005", 3)
    assert told.startswith(message.removesuffix("…"))


def test_names_that_nothing_has() -> None:
    text = """\
version: 1
environments: [prod, stagng]
rules:
  providers: {allow: [opnai]}
  residency: {deny: [mars]}
  licences: {warn: [Apache 2]}
"""
    assert found(text) == [
        ("POL007", 2, "there is no environment `stagng` here"),
        ("POL007", 4, "the catalog has no provider `opnai`"),
        ("POL007", 5, "the catalog has no place `mars`"),
        ("POL007", 6, "the catalog has no licence `Apache 2`"),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "retirement: {warn: horizon, deny: 30d}",
        'engine_version: {warn: "0.40", deny: "0.33.1"}',
        "price_age: {ec2: {warn: 9d}}",
        "providers: {allow: [openai, google], warn: [google]}",
        "cost_change_share: {warn: 20%, deny: 150%}",
        "gpus: {warn: 0}",
    ],
)
def test_rules_that_are_fine(rule: str) -> None:
    assert found(f"version: 1\nrules:\n  {rule}\n") == []


def test_overrides_that_match_nothing() -> None:
    text = "overrides:\n- rule: team.gpu\n- rule: team.nodes\n- rule: team.gpus\n- rule: team.gpus\n"
    until = date(2026, 12, 31)
    overrides = [
        Override(rule=each, reason="launch", by="Jane Doe", until=until)
        for each in ("team.gpu", "team.nodes", "team.gpus", "team.gpus")
    ]
    stated = {"gpus": {"deny": 1, "may_override": "the CTO"}, "nodes": {"deny": 1}}
    book = Rulebook((rules(stated),), tuple(overrides), read(text, "environments/prod.yaml"))
    told = [(p.code, p.where.line if p.where else 0, p.message, p.hint) for p in book.problems()]
    assert told == [
        ("POL006", 2, "the override matches no rule: `team.gpu`", "did you mean team.gpus?"),
        (
            "POL006",
            3,
            "nobody may override `team.nodes`",
            "the rule states in `may_override` who may; change the environment, or the rule",
        ),
        ("POL005", 5, "two overrides of `team.gpus`", "keep one of them"),
    ]
    (alone,) = Rulebook((), tuple(overrides[:1]), read(text, "environments/prod.yaml")).problems()
    assert alone.hint == "no rule judges this environment: remove the override"
