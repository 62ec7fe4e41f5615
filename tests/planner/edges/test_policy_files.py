"""`policies/` beside the environments, as the command line and the program that deploys read it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.documents.policy.subject import as_base
from planner.edges.policy_files import policies_beside
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

TODAY = date(2026, 12, 1)
OVERRIDES = "overrides: [{rule: team.gpus, reason: launch, by: Jane Doe, until: 2026-12-31}]\n"
RULES = "version: 1\nrules:\n  gpus: {deny: 0, may_override: the CTO}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The small environment with its lock, and an empty folder of rules."""
    (tmp_path / "policies").mkdir()
    return small.workspace(tmp_path, lock=small.planned().lock)


def write(workspace: Workspace, text: str, name: str = "team.yaml") -> None:
    (workspace.folder / "policies" / name).write_text(text, encoding="utf-8")


def codes(workspace: Workspace, today: date = TODAY) -> list[str]:
    return [problem.code for problem in workspace.judged("small", today).problems]


def refused(workspace: Workspace) -> list[str]:
    with pytest.raises(Problems) as raised:
        workspace.judged("small", TODAY)
    assert raised.value.exit_code == 2
    return [problem.code for problem in raised.value.problems]


def test_without_rules_nothing_is_judged(workspace: Workspace) -> None:
    (workspace.folder / "policies").rmdir()
    judged = workspace.judged("small", TODAY)
    assert (judged.checks, judged.problems) == ((), ())
    assert policies_beside(workspace.folder) == ()


def test_a_stricter_rule_denies_without_another_plan(workspace: Workspace) -> None:
    assert codes(workspace) == []
    write(workspace, RULES)
    assert codes(workspace) == ["POL010"]
    write(workspace, RULES.replace(", may_override: the CTO", ""))
    assert codes(workspace) == ["POL011"]
    write(workspace, RULES.replace("version: 1", "version: 1\nenvironments: [other]"))
    assert refused(workspace) == ["POL007"]
    (workspace.folder / "other.yaml").write_text(small.text().replace("10.64.0.0/16", "10.65.0.0/16"))
    assert codes(workspace) == []
    write(workspace, RULES.replace("version: 1", "version: 1\nenvironments: [small]"))
    assert codes(workspace) == ["POL010"]


def test_rules_and_overrides_of_an_environment_make_no_lock_stale(workspace: Workspace) -> None:
    write(workspace, RULES)
    path = workspace.environment_path("small")
    path.write_text(f"{small.text()}policy: {{nodes: {{deny: 0}}}}\n{OVERRIDES}")
    judged = workspace.judged("small", TODAY)
    assert [(check.rule, check.state, bool(check.overridden)) for check in judged.checks] == [
        ("policy.nodes", "deny", False),
        ("team.gpus", "deny", True),
    ]
    assert [problem.code for problem in judged.problems] == ["POL011", "POL013"]
    assert codes(workspace, date(2027, 1, 1)) == ["POL011", "POL010"]
    assert "policy" not in workspace.wanted("small").canonical
    assert "overrides" not in workspace.wanted("small").canonical


def test_limits_on_ages_that_a_plan_rests_on_still_make_it_stale(workspace: Workspace) -> None:
    path = workspace.environment_path("small")
    path.write_text(f"{small.text()}policy: {{price_age: {{ec2: {{warn: 900d}}}}, nodes: {{deny: 99}}}}\n")
    assert codes(workspace) == ["LOCK010"]
    assert workspace.wanted("small").canonical["policy"] == {"price_age": {"ec2": {"warn": "900d"}}}


def test_an_override_of_nothing_stops_the_environment(workspace: Workspace) -> None:
    workspace.environment_path("small").write_text(small.text() + OVERRIDES)
    assert refused(workspace) == ["POL006"]
    write(workspace, RULES)
    assert codes(workspace) == ["POL013"]


def test_a_change_is_judged_against_its_base(workspace: Workspace) -> None:
    write(workspace, "version: 1\nrules:\n  cost_change: {deny: $0}\n")
    assert codes(workspace) == ["POL012"]
    lock = small.planned().lock
    assert workspace.judged("small", TODAY, as_base(lock)).problems == ()
    (check,) = workspace.rules("small", TODAY)(lock, small.replanned().lock)
    assert (check.rule, check.state) == ("team.cost_change", "deny")
    (check,) = workspace.rules("small", TODAY)(None, lock)
    assert (check.state, check.message) == ("warn", "not judged: there is no base to compare with")
    (workspace.folder / "small.lock.json").write_text(render(small.replanned().lock))
    assert [p.code for p in workspace.judged("small", TODAY, as_base(lock)).problems] == ["LOCK010", "POL011"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("team.yml", RULES), ("policy.yaml", RULES), ("Team.yaml", RULES), ("rules.json", "{}"), ("notes.txt", "")],
)
def test_what_nobody_reads_is_refused(workspace: Workspace, name: str, text: str) -> None:
    write(workspace, text, name)
    assert refused(workspace) == ["POL008"]


def test_explanations_and_hidden_files_may_lie_there(workspace: Workspace) -> None:
    write(workspace, "# Who owns these rules", "README.md")
    write(workspace, "", ".gitkeep")
    assert codes(workspace) == []


def test_all_files_are_told_in_one_run(workspace: Workspace) -> None:
    write(workspace, "version: 1\nrules: {gpus: {deny: lots}}\n", "a.yaml")
    write(workspace, "version: 1\nrules: {gpsu: {deny: 3}}\n", "b.yaml")
    write(workspace, "version: [", "c.yaml")
    (workspace.folder / "policies" / "d").mkdir()
    assert refused(workspace) == ["POL004", "POL003", "POL001", "POL008"]


def test_a_file_in_the_place_of_the_folder_is_refused(workspace: Workspace) -> None:
    (workspace.folder / "policies").rmdir()
    (workspace.folder / "policies").write_text(RULES)
    assert refused(workspace) == ["POL008"]


def test_one_run_tells_everything_that_is_wrong_with_a_file(workspace: Workspace) -> None:
    """A key that nobody reads hides neither a contradiction nor a name that the catalog lacks."""
    rules = ("gpu: {deny: 5}", "nodes: {warn: 5, deny: 2}", "residency: {allow: [mars]}", "providers: {deny: [opnai]}")
    write(workspace, "version: 1\nrules:\n" + "".join(f"  {rule}\n" for rule in rules))
    write(workspace, "version: 1\nrules:\n  gpus: {warn: 5, deny: 2}\n", "other.yaml")
    assert sorted(refused(workspace)) == ["POL003", "POL005", "POL005", "POL007", "POL007"]
