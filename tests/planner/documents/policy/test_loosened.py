"""Risks of a change to the rules of a team: what is gone, what says less, what is set aside."""

from __future__ import annotations

import pytest

from planner.documents.policy.loosened import rule_risks, unknown_rules
from planner.documents.policy.rulebook import Rulebook, rules_of_file
from planner.domain.policy import Override
from planner.words.spans import read

NO_FILE = read("{}", "environments/prod.yaml")


def book(*rules: str, overrides: tuple[Override, ...] = ()) -> Rulebook:
    text = "version: 1\nrules:\n" + "".join(f"  {rule}\n" for rule in rules)
    sets = (rules_of_file(text, "environments/policies/finance.yaml", "finance"),) if rules else ()
    return Rulebook(sets, overrides, NO_FILE)


LOOSER = [
    ("monthly_cost: {deny: $12000}", "monthly_cost: {deny: $60000}"),
    ("monthly_cost: {warn: $9000, deny: $12000}", "monthly_cost: {deny: $12000}"),
    ("monthly_cost: {deny: $12000}", "monthly_cost: {deny: $12000, may_override: anybody}"),
    ("cost_change_share: {deny: 10%}", "cost_change_share: {deny: 25%}"),
    ("engine_version: {deny: '0.33'}", "engine_version: {deny: '0.30'}"),
    ("retirement: {deny: 90d}", "retirement: {deny: 30d}"),
    ("api_data: {deny: [internal, restricted]}", "api_data: {deny: [restricted]}"),
    ("providers: {allow: [openai]}", "providers: {allow: [openai, google]}"),
    ("training: {state: deny, unknown: deny}", "training: {state: deny}"),
    ("price_age: {api: {deny: 30d}}", "price_age: {api: {deny: 90d}}"),
]
STRICTER = [
    ("monthly_cost: {deny: $60000}", "monthly_cost: {deny: $12000}"),
    ("monthly_cost: {deny: $12000}", "monthly_cost: {warn: $9000, deny: $12000}"),
    ("engine_version: {deny: '0.9'}", "engine_version: {deny: '0.33'}"),
    ("retirement: {deny: 30d}", "retirement: {deny: 90d}"),
    ("api_data: {deny: [restricted]}", "api_data: {deny: [internal, restricted]}"),
    ("monthly_cost: {deny: $12000}", "monthly_cost: {deny: $12000, why: the budget of 2026}"),
]


@pytest.mark.parametrize(("old", "new"), LOOSER, ids=[old for old, _ in LOOSER])
def test_a_rule_that_says_less_is_a_risk_with_both_limits_and_its_line(old: str, new: str) -> None:
    (risk,) = rule_risks(book(old), book(new))
    kind = old.partition(":")[0]
    assert risk.kind == "policy"
    assert risk.what.startswith(f"the rule finance.{kind} states other limits: ")
    assert " → " in risk.what
    assert risk.where is not None
    assert (risk.where.file, risk.where.line) == ("environments/policies/finance.yaml", 3)


@pytest.mark.parametrize(("old", "new"), STRICTER, ids=[new for _, new in STRICTER])
def test_a_rule_that_says_more_is_none(old: str, new: str) -> None:
    assert list(rule_risks(book(old), book(new))) == []
    assert list(rule_risks(book(), book(new))) == []


def test_a_rule_that_is_gone_is_told_with_what_it_stated() -> None:
    (risk,) = rule_risks(book("gpus: {deny: 8}"), book())
    assert risk.what == "the rule finance.gpus is removed: it stated deny 8"


def test_a_new_override_is_told_with_its_day_and_its_reason_and_an_old_one_is_not() -> None:
    override = Override.model_validate(
        {"rule": "finance.gpus", "reason": "launch", "by": "Jane Doe", "until": "2027-01-31"}
    )
    rule = "gpus: {deny: 8, may_override: the CTO}"
    (risk,) = rule_risks(book(rule), book(rule, overrides=(override,)))
    assert risk.what == "finance.gpus is overridden until 2027-01-31, by Jane Doe: launch"
    assert list(rule_risks(book(rule, overrides=(override,)), book(rule, overrides=(override,)))) == []


def test_where_the_rules_of_the_base_are_not_known_that_is_a_risk_if_there_are_rules() -> None:
    assert list(unknown_rules(book())) == []
    (risk,) = unknown_rules(book("gpus: {deny: 8}"))
    assert "not known" in risk.what
