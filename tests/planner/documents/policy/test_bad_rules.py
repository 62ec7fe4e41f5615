"""Files of rules that something went wrong with: never a traceback, always problems with a place; and a file that is
read can be judged."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.policy.judge import judge
from planner.documents.policy.rulebook import Rulebook, rule_problems, rules_of_file
from planner.domain.policy import FileRules
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems
from tests.planner import plans
from tests.planner.documents.policy.subjects import BASE, EMPTY, TODAY
from tests.planner.documents.test_bad_files import VALUES

LINES = """\
version: 1
environments: [prod]
rules:
  monthly_cost: {warn: $50000, deny: $60000, may_override: the CFO, why: budget}
  cost_change: {warn: $500, deny: $2000}
  cost_change_share: {warn: 10%, deny: 250%}
  gpus: {warn: 3, deny: 5k}
  nodes: {deny: 2}
  quota: {warn: 80%, deny: 100%}
  spot_share: {deny: 0%}
  computed_share: {warn: 0%, deny: 50%}
  price_age: {ec2: {warn: 60d, deny: 200d}, api: {deny: 30d}}
  api_data: {warn: [internal], deny: [restricted], routes: [chat]}
  clear_text: {warn: [internal], deny: [restricted], routes: [chat]}
  residency: {allow: [us, eu], deny: [cn], routes: [chat], unknown: deny}
  providers: {allow: [openai, google], warn: [google], routes: [chat]}
  training: {state: deny, unknown: warn}
  retention: {warn: 1d, deny: 30d}
  retirement: {warn: horizon, deny: 30d}
  licences: {allow: [Apache-2.0], unknown: warn}
  commercial_licence: {state: deny}
  engine_version: {warn: "0.40", deny: "0.30"}
""".splitlines()
VALUE = re.compile(r"[:,\[] ?([\w.$%\"-]+)")
PLACES = [(line, match.span(1)) for line, text in enumerate(LINES) for match in VALUE.finditer(text)]
"""Line and columns of each value."""


def read(text: str) -> bool:
    """Say whether a text is a file of rules; it is then judged."""
    try:
        rules = rules_of_file(text, "environments/policies/team.yaml", "team")
    except Problems as problems:
        told = problems.problems
    else:
        told = ()
    if told:
        assert all(problem.code.startswith("POL") and problem.where is not None for problem in told)
        return False
    if not list(rule_problems(rules, load_catalog(), ["prod"])):
        checks = judge(Rulebook((rules,), (), EMPTY), plans.lock(), load_catalog(), TODAY, BASE, "0.33.0")
        assert [check.rule for check in checks] == sorted(f"team.{kind}" for kind in rules.rules)
    return True


def test_the_whole_file_is_read() -> None:
    assert read("\n".join(LINES))
    assert all(any(f"  {kind}:" in line for line in LINES) for kind in FileRules.model_fields)


@pytest.mark.parametrize("number", range(len(VALUES)), ids=lambda number: VALUES[number][:20])
def test_a_value_of_another_kind(number: int) -> None:
    value = VALUES[number]
    for line, (start, end) in PLACES[number % 5 :: 5]:
        text = LINES[line]
        read("\n".join([*LINES[:line], text[:start] + value + text[end:], *LINES[line + 1 :]]))


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_text_that_was_cut_or_pasted(data: st.DataObject) -> None:
    text = "\n".join(LINES)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    read(text[:start] + data.draw(st.sampled_from(["", text[start:end] * 2, "\t", ": ", "- ", "\x00"])) + text[end:])


@pytest.mark.parametrize("line", range(3, len(LINES)))
def test_a_key_that_is_misspelt_is_never_passed_over(line: int) -> None:
    kind = LINES[line].strip().partition(":")[0]
    for wrong in (kind[:-1], kind.upper(), kind.replace("_", "-") + "s", f"x{kind}"):
        assert not read("\n".join([*LINES[:line], LINES[line].replace(kind, wrong, 1), *LINES[line + 1 :]]))
