"""The Action's steps, run in bash as GitHub runs them, on pull requests in real git repositories."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.documents.lock import load
from tests.actions import tiny
from tests.actions.conftest import Team, git
from tests.actions.machine import Machine
from tests.examples import ROOT
from tests.forges import Forges

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
Make = Callable[..., Machine]


def test_a_fresh_lock_is_reviewed(planned_change: Team, machine: Make) -> None:
    run = machine()
    outputs = run.act()
    assert run.failed == []
    assert outputs["answer"] == "yes"
    assert outputs["names"] == "tiny"
    folder = Path(outputs["folder"])
    names = ["check.md", "tiny.html", "tiny.json", "tiny.md"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert json.loads((folder / "tiny.json").read_text())["environment"] == "tiny"
    summary = run.step("Review").summary
    assert "tiny: fresh" in summary
    assert (folder / "tiny.md").read_text().strip() in summary
    assert run.step("Check").annotations == []
    keep = dict(run.used)["actions/upload-artifact"]
    assert keep["path"] == str(folder)
    (comment,) = [line for line in run.called if line.startswith("comment")]
    assert comment == "comment github tiny --pull-request 7"
    assert not any("later" in line for line in run.called), "an environment that nobody planned yet is left alone"


def test_the_difference_is_against_where_the_branch_left(planned_change: Team, machine: Make) -> None:
    left = git(planned_change.clone, "rev-parse", "origin/main")
    git(planned_change.clone, "switch", "--quiet", "main")
    planned_change.write("README.md", "main went on\n")
    planned_change.push("main", "Go on")
    git(planned_change.clone, "switch", "--quiet", "load")
    run = machine("head")
    run.act()
    assert f"diff tiny --base {left} --format json" in run.called


def test_a_rule_over_the_change_binds_the_answer(planned_change: Team, machine: Make) -> None:
    """The lock is fresh; that it costs more than the rule lets it grow by is known against the base alone."""
    (planned_change.clone / "environments/policies").mkdir()
    planned_change.write("policies/finance.yaml", "version: 1\nrules:\n  cost_change: {deny: $1}\n")
    planned_change.push("load", "Let finance decide")
    run = machine()
    outputs = run.act()
    assert outputs["answer"] == "no"
    assert run.failed == ["Answer"]
    assert any("POL011" in annotation for annotation in run.step("Check").annotations)


def test_a_stale_lock_fails_after_everything_was_said(unplanned_change: Team, machine: Make) -> None:
    run = machine()
    outputs = run.act()
    assert outputs["answer"] == "no"
    assert run.failed == ["Answer"]
    (annotation,) = run.step("Check").annotations
    assert annotation.startswith("::error file=environments/tiny.lock.json,line=1,col=1,title=LOCK010::stale")
    assert "requests_per_second" in run.step("Review").summary
    assert [line for line in run.called if line.startswith("comment")] != []
    assert "actions/upload-artifact" in dict(run.used)


def test_a_missing_lock_is_said_at_the_environment(team: Team, machine: Make, forges: Forges) -> None:
    team.branch("load", new_yaml=tiny.TEXT)
    run = machine()
    outputs = run.act()
    assert (outputs["names"], outputs["answer"]) == ("new", "no")
    assert run.failed == ["Comment", "Answer"]
    assert any("no plan can be shown" in body for body in forges.bodies())
    (annotation,) = run.step("Check").annotations
    assert annotation.startswith("::error file=environments/new.yaml,line=1,col=1,title=LOCK004::")
    assert "spillway plan new" in annotation
    assert not (Path(outputs["folder"]) / "new.md").exists()


def test_a_pull_request_about_something_else_passes(team: Team, machine: Make) -> None:
    team.branch("load")
    run = machine()
    outputs = run.act()
    assert (outputs["names"], outputs["answer"], run.failed) == ("", "yes", [])
    assert "tiny: fresh" in run.step("Review").summary


def test_no_step_has_more_annotations_than_github_shows(team: Team, machine: Make) -> None:
    extra = "".join(f"colour{number}: blue  # ``` <b>\n" for number in range(14))
    team.branch("load", tiny_yaml=tiny.TEXT + extra)
    run = machine()
    run.act()
    check = run.step("Check")
    line = tiny.TEXT.count("\n") + 1
    assert check.annotations[0].startswith(f"::error file=environments/tiny.yaml,line={line},col=1,title=ENV003::")
    assert run.failed == ["Comment", "Answer"]
    assert len(check.annotations) == 10
    assert [f"colour{number}" in check.err for number in range(14)] == [True] * 14
    lines = [line for line in run.step("Review").summary.splitlines() if "```" in line]
    assert lines
    assert all(line.startswith("    ") for line in lines), "code, which no line of a file can end"


@pytest.mark.parametrize(("fork", "actor"), [(True, "stranger"), (False, "dependabot[bot]")])
def test_who_may_not_write_gets_the_summary(planned_change: Team, machine: Make, fork: bool, actor: str) -> None:
    run = machine("head", fork=fork, actor=actor)
    outputs = run.act(preview="true", mode="plan")
    assert "nothing to plan" in run.step("Plan").err
    assert (run.failed, outputs["answer"]) == ([], "yes")
    (notice,) = run.step("Comment").annotations
    assert notice.startswith("::notice title=Spillway::")
    assert not any(line.startswith("comment") for line in run.called)
    assert run.step("Review").summary != ""
    assert "previews nothing" in run.step("Preview").out


def test_a_shallow_clone_is_told_what_to_do(planned_change: Team, machine: Make) -> None:
    run = machine(depth=1)
    run.act()
    assert run.failed == ["Scope"]
    assert "fetch-depth: 0" in run.step("Scope").annotations[0]


def test_a_cache_that_was_found_is_not_saved_again(planned_change: Team, machine: Make) -> None:
    run = machine()
    run.gives["actions/cache/restore"] = {"cache-hit": "true"}
    run.act(mode="setup")
    assert [name for name, _ in run.used] == ["actions/setup-python", "actions/cache/restore"]


def test_an_unknown_mode_is_refused(planned_change: Team, machine: Make) -> None:
    run = machine()
    run.act(mode="deploy")
    assert run.failed == ["Name the packages"]
    assert "there is no mode deploy" in run.steps[0].out


def test_setup_puts_the_command_on_the_path_and_does_nothing_else(planned_change: Team, machine: Make) -> None:
    run = machine()
    run.act(mode="setup")
    assert [step.name for step in run.steps] == ["Name the packages", "Install the planner"]
    assert [name for name, _ in run.used] == ["actions/setup-python", "actions/cache/restore", "actions/cache/save"]
    assert run.variables["SPILLWAY_ENVIRONMENTS"] == "environments"
    assert os.access(Path(run.variables["PATH"].split(":")[0]) / "spillway", os.X_OK)


def test_the_cache_is_named_by_everything_that_it_depends_on(planned_change: Team, machine: Make) -> None:
    run = machine()
    run.act(mode="setup")
    cache = dict(run.used)["actions/cache/save"]
    assert cache == dict(run.used)["actions/cache/restore"]
    assert cache["path"] == str(run.action_path / ".venv-planner")
    assert re.fullmatch(r"spillway-linux-\w+-3\.\d+\.\d+-[0-9a-f]{16}", cache["key"])


def test_the_comment_reaches_the_forge_and_is_renewed(planned_change: Team, machine: Make, forges: Forges) -> None:
    """Two runs of one pull request leave one comment."""
    forges.begin(head=planned_change.event("load")["pull_request"]["head"]["sha"])
    for number in (1, 2):
        run = machine(run=number)
        run.act()
        assert run.failed == []
        (body,) = forges.bodies()
        assert "tiny" in body


def test_a_token_that_may_not_comment_is_told_what_it_needs(
    planned_change: Team, machine: Make, forges: Forges
) -> None:
    run = machine()
    run.act(token="read-token")
    assert run.failed == ["Comment"]
    assert "pull-requests: write" in run.step("Comment").annotations[0]
    assert forges.bodies() == []
    assert "actions/upload-artifact" in dict(run.used), "the report is kept whatever became of the comment"


# The mode `plan`


def test_a_stale_lock_is_planned_and_pushed_once(unplanned_change: Team, machine: Make) -> None:
    run = machine("head")
    outputs = run.act(mode="plan")
    assert run.failed == []
    assert outputs == {"names": "tiny", "answer": "yes", "folder": outputs["folder"]}
    git(unplanned_change.clone, "fetch", "--quiet", "origin")
    log = git(unplanned_change.clone, "log", "--format=%an: %s", "-2", "origin/load").splitlines()
    assert log == ["github-actions[bot]: Plan tiny", "Ada: Change tiny_yaml"]
    changed = git(unplanned_change.clone, "diff", "--name-only", "origin/load~1", "origin/load")
    assert changed == "environments/tiny.lock.json"
    text = git(unplanned_change.clone, "show", "origin/load:environments/tiny.lock.json")
    assert load(text, "lock").digests.environment == tiny.lock_of(tiny.CHANGED).digests.environment

    # The run that this push may start plans and pushes nothing.
    git(unplanned_change.clone, "pull", "--quiet", "origin", "load")
    before = git(unplanned_change.hosted, "rev-parse", "load")
    second = machine("head", run=2)
    assert second.act(mode="plan")["answer"] == "yes"
    assert "nothing to plan" in second.step("Plan").err
    assert git(unplanned_change.hosted, "rev-parse", "load") == before


def test_a_branch_in_a_fork_is_not_planned_for(unplanned_change: Team, machine: Make) -> None:
    run = machine("head", fork=True)
    run.act(mode="plan")
    (annotation,) = run.step("Plan").annotations
    assert "title=CI002::" in annotation
    assert "spillway plan tiny" in annotation
    assert run.failed == ["Plan"]


def test_a_merge_with_main_is_not_pushed(unplanned_change: Team, machine: Make) -> None:
    before = git(unplanned_change.hosted, "rev-parse", "load")
    run = machine("merged")
    run.act(mode="plan")
    (annotation,) = run.step("Plan").annotations
    assert "title=CI003::" in annotation
    assert git(unplanned_change.hosted, "rev-parse", "load") == before


# `pulumi preview`

PULUMI = '#!/bin/sh\necho "$SPILLWAY_ENVIRONMENTS $*"\n'


def test_a_preview_names_the_stack_and_its_settings(planned_change: Team, machine: Make) -> None:
    run = machine()
    (run.workspace / "environments" / "Pulumi.tiny.yaml").write_text("config: {}\n")
    pulumi, python = run.home / "bin" / "pulumi", run.home / "bin" / "python"
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    python.unlink()
    python.write_text(f'#!/bin/sh\n[ "$*" = "-m tools.setup python" ] || exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    outputs = run.act(preview="true")
    assert run.failed == []
    folder = run.workspace / "environments"
    said = (Path(outputs["folder"]) / "tiny.preview.txt").read_text()
    options = f"--non-interactive --diff --stack tiny --config-file {folder / 'Pulumi.tiny.yaml'}"
    assert said == f"{folder} preview {options}\n"


# The file itself


def test_nothing_from_outside_is_part_of_a_script() -> None:
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_every_action_is_pinned_by_its_commit() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@[0-9a-f]{40}", name)] == []


def test_every_input_and_output_is_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name, declared in ACTION["inputs"].items():
        assert declared["description"]
        assert f"inputs.{name} " in text.replace("}", " ").replace("\n", " ")
    outputs = [output["value"] for output in ACTION["outputs"].values()]
    ids = {step["id"] for step in STEPS if "id" in step}
    assert {re.findall(r"steps\.(\w+)\.", value)[0] for value in outputs} <= ids
