"""Rules of a team at the command line: `check`, `plan` and `diff` show them, and a denial ends with 1."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.cli.command import spillway

RULES = Path("environments/policies/team.yaml")
ENVIRONMENT = Path("environments/small.yaml")
LOCK = Path("environments/small.lock.json")
OVERRIDE = "overrides: [{rule: team.gpus, reason: launch, by: Jane Doe, until: 2099-12-31}]\n"


@pytest.fixture(autouse=True)
def rules(checkout: Workspace) -> None:
    RULES.parent.mkdir()
    _rules("gpus: {deny: 0, may_override: the CTO}", "nodes: {warn: 0}", "spot_share: {deny: 10%}")


def _rules(*lines: str) -> None:
    RULES.write_text("version: 1\nrules:\n" + "".join(f"  {line}\n" for line in lines))


def test_check_shows_every_rule_and_ends_with_1_on_a_denial() -> None:
    ended = spillway("check", "small")
    assert ended.status == 1
    assert ended.out.startswith("small: 1 problem\nRules\n")
    for words in ("team.gpus        deny", "team.nodes       warn", "team.spot_share  pass"):
        assert words in ended.out
    assert "error[POL010]: denied: team.gpus: " in ended.err
    assert "environments/policies/team.yaml:3:3" in ended.err
    assert "warning[POL012]: team.nodes: " in ended.err
    document = spillway("check", "small", "--format", "json").document
    assert [(check["rule"], check["state"]) for check in document["checks"]["small"]] == [
        ("team.gpus", "deny"),
        ("team.nodes", "warn"),
        ("team.spot_share", "pass"),
    ]
    assert [problem["code"] for problem in document["environments"]["small"]] == ["POL010", "POL012"]


def test_an_override_lets_check_pass_and_is_shown() -> None:
    ENVIRONMENT.write_text(small.text() + OVERRIDE)
    ended = spillway("check", "small")
    assert ended.status == 0
    assert ended.out.startswith("small: fresh\n")
    assert "overridden: launch (Jane Doe, until 2099-12-31)" in ended.out
    assert "warning[POL013]: overridden: team.gpus" in ended.err


def test_a_warning_alone_ends_with_0() -> None:
    _rules("nodes: {warn: 0}")
    assert spillway("check", "small").status == 0


def test_check_compares_with_a_base_where_it_is_given() -> None:
    _rules("cost_change: {deny: $1}")
    assert "not judged: there is no base" in spillway("check", "small").out
    LOCK.rename("base.lock.json")
    ENVIRONMENT.write_text(small.changed())
    LOCK.write_text(render(small.replanned().lock))
    ended = spillway("check", "small", "--base", "base.lock.json")
    assert ended.status == 1
    assert "denied: team.cost_change: +$" in ended.err
    assert spillway("check", "small", "--base", str(LOCK)).status == 0
    told = spillway("diff", "small", "--base", "base.lock.json")
    assert told.status == 0
    assert "team.cost_change" in told.out
    assert "1 denial" in told.out


def test_a_file_that_cannot_be_read_ends_with_2() -> None:
    _rules("gpu: {deny: 0}")
    ended = spillway("check", "small")
    assert ended.status == 2
    assert "error[POL003]: unknown key `gpu`" in ended.err
    assert "did you mean `gpus`?" in ended.err
    planned = spillway("plan", "small")
    assert (planned.status, planned.out) == (2, "")
    assert "error[POL003]" in planned.err


def test_plan_writes_its_lock_shows_rules_and_ends_with_1_on_a_denial() -> None:
    LOCK.unlink()
    ended = spillway("plan", "small")
    assert ended.status == 1
    assert LOCK.exists()
    assert "team.gpus        deny" in ended.out
    assert "error[POL010]: denied: team.gpus" in ended.err


@pytest.mark.parametrize("code", ["POL003", "POL010", "POL011", "POL014"])
def test_codes_are_explained(code: str) -> None:
    ended = spillway("explain", code)
    assert ended.status == 0
    assert ended.out.startswith(code)


def test_a_loosened_rule_and_a_new_override_are_risks_of_the_diff() -> None:
    """Nothing else changes, so that whoever owns the rule must see it."""
    for arguments in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "base")):
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)
    assert "the rule team." not in spillway("diff", "small").out
    _rules("gpus: {deny: 8, may_override: the CTO}", "nodes: {warn: 0}")
    told = spillway("diff", "small", "--format", "json").document["risks"]
    assert [risk["what"] for risk in told] == [
        "the rule team.gpus states other limits: deny 0; may_override the CTO → deny 8; may_override the CTO",
        "the rule team.spot_share is removed: it stated deny 10%",
    ]
