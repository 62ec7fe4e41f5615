"""The workflows and the GitLab job that are shipped: what they are made of, and their steps, run in bash."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.documents.lock import render
from tests.actions import tiny
from tests.actions.conftest import Team, git
from tests.actions.machine import Machine
from tests.examples import ROOT
from tests.forges import Forges
from tests.tools import require_tool

WORKFLOWS = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
GITLAB = ROOT / "ci" / "gitlab.yml"
Make = Callable[..., Machine]
Scheduled = Callable[..., Machine]

GH = """#!/bin/sh
echo "$*" >> "{log}"
[ "$2" != list ] || echo "{open}"
"""


def _linted(folder: Path, old: str = "", new: str = "") -> subprocess.CompletedProcess[str]:
    """Let actionlint read a fork with the Action and the workflows, in which a text is another.

    Without shellcheck and pyflakes, which are no tools of this project: the answer is the same on every machine.
    """
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (folder / ".git").mkdir()
    shutil.copy(ROOT / "action.yml", folder)
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        (workflows / path.name).write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
    command = [str(require_tool("actionlint")), "-no-color", "-shellcheck=", "-pyflakes="]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.actions
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    run = _linted(tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert len(WORKFLOWS) == 4


@pytest.mark.actions
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mode: plan", "mood: plan", 'input "mood" is not defined in action "Spillway"'),
        ("runs-on:", "run-on:", "run-on"),
        ("github.event.pull_request.head.sha", "github.head_sha", "head_sha"),
        ("steps.plan.outputs", "steps.plans.outputs", "plans"),
    ],
)
def test_actionlint_would_find_a_mistake(tmp_path: Path, old: str, new: str, says: str) -> None:
    run = _linted(tmp_path, old, new)
    assert run.returncode == 1
    assert says in run.stdout


@pytest.mark.parametrize("path", [p for p in WORKFLOWS if p.name != "images.yml"], ids=lambda path: path.name)
def test_a_workflow_asks_for_no_more_than_it_needs(path: Path) -> None:
    read: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    contents = {"review.yml": "read", "plan.yml": "write", "prices.yml": "write"}[path.name]
    assert read["permissions"] == {"contents": contents, "pull-requests": "write"}
    (job,) = read["jobs"].values()
    assert job["timeout-minutes"] <= 60
    checkout = job["steps"][0]
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", checkout["uses"])
    assert checkout["with"]["fetch-depth"] == 0
    triggers = read[True]  # what YAML 1.1 makes of `on`
    assert "pull_request_target" not in triggers, "it would run a stranger's files with a token that may write"
    assert [step["name"] for step in job["steps"] if "${{" in step.get("run", "")] == []


# Prices


@pytest.fixture
def scheduled(team: Team, tmp_path: Path, served_spillway: Path) -> Scheduled:
    """Make the machine of a scheduled run. Its argument is the number of the pull request that is open."""

    def make(open_one: str = "") -> Machine:
        workspace = team.head("main", tmp_path / "workspace")
        git(workspace, "switch", "--quiet", "--create", "main")
        run = Machine(tmp_path / "machine", workspace, served_spillway, "", {"schedule": "17 6 * * 1"})
        gh = run.home / "bin" / "gh"
        gh.write_text(GH.format(log=run.home / "gh.txt", open=open_one), encoding="utf-8")
        gh.chmod(0o755)
        return run

    return make


@pytest.mark.parametrize("open_one", ["", "31"])
def test_newer_prices_open_one_pull_request_and_renew_it(team: Team, scheduled: Scheduled, open_one: str) -> None:
    team.write("tiny.lock.json", render(tiny.older_lock()))
    team.push("main", "Older prices")
    run = scheduled(open_one)
    run.work(ROOT / "examples" / "workflows" / "prices.yml")
    assert run.failed == []
    title = "prices 2026-11-21 → 2026-11-29: tiny unchanged"
    asked, done = (run.home / "gh.txt").read_text(encoding="utf-8").splitlines()
    assert asked == "pr list --head spillway-prices --state open --json number --jq .[].number"
    body = run.home / "temp" / "body.md"
    opened = f"pr create --base main --head spillway-prices --title {title} --body-file {body}"
    renewed = f"pr edit 31 --title {title} --body-file {body}"
    assert done == (renewed if open_one else opened)
    text = body.read_text(encoding="utf-8")
    assert text.startswith("| environment |")
    assert f"| `{tiny.MOVED}` | Mtok | $0.216 | $0.13 | −39.8 % | nobody |" in text
    assert git(team.hosted, "log", "--format=%s", "-1", "spillway-prices") == title
    changed = git(team.hosted, "diff", "--name-only", "main", "spillway-prices")
    assert changed == "environments/tiny.lock.json"


def test_without_newer_prices_there_is_no_pull_request(scheduled: Scheduled) -> None:
    run = scheduled()
    run.work(ROOT / "examples" / "workflows" / "prices.yml")
    assert run.failed == []
    assert "Every plan is what it was." in run.step("Open or renew the pull request").out
    assert not (run.home / "gh.txt").exists()


def test_an_environment_without_a_plan_fails_the_run(team: Team, scheduled: Scheduled) -> None:
    team.write("tiny.yaml", tiny.TEXT + "colour: blue\n")
    team.push("main", "Broken")
    run = scheduled()
    run.work(ROOT / "examples" / "workflows" / "prices.yml")
    assert run.failed == ["Answer"]
    assert run.step("Answer").status == 2
    assert "title=ENV003" in run.step("Plan on the newest prices").annotations[0]


# GitLab


def _gitlab(team: Team, run: Machine, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the job's script as GitLab's runner does: one shell, line by line, ended by the first that fails."""
    job = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["spillway-review"]
    left = git(team.clone, "merge-base", "origin/main", "origin/load")
    known = {
        "PATH": f"{run.home / 'bin'}:/usr/bin:/bin",
        "HOME": str(run.home),
        "CI": "true",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_PROJECT_PATH": "team/serving",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "team/serving",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": left,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "load",
        "SPILLWAY_HOME": str(run.action_path),
        "SPILLWAY_ENVIRONMENTS": job["variables"]["SPILLWAY_ENVIRONMENTS"],
        **variables,
    }
    lines = "\n".join([*job["before_script"], *job["script"]])
    command = ["bash", "-eo", "pipefail", "-c", lines]
    return subprocess.run(command, cwd=run.workspace, env=known, capture_output=True, text=True, check=False)


def test_gitlab_reviews_and_comments_where_it_has_a_token(planned_change: Team, machine: Make, forges: Forges) -> None:
    run = machine("head")
    ended = _gitlab(planned_change, run, GITLAB_TOKEN="write-token", CI_API_V4_URL=forges.root("gitlab"))
    assert ended.returncode == 0, ended.stderr
    kept = {path.name for path in (run.workspace / "spillway-review").iterdir()}
    assert {"tiny.md", "tiny.json", "tiny.html", "scope.txt"} <= kept
    assert "comment gitlab tiny --pull-request 7" in run.called
    assert len(forges.bodies()) == 1
    assert "tiny: fresh" in ended.stdout


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {
            "GITLAB_TOKEN": "secret",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "a/b",
        },
    ],
)
def test_gitlab_fails_for_a_stale_lock_and_does_not_comment_without_leave(
    unplanned_change: Team, machine: Make, variables: dict[str, str]
) -> None:
    run = machine("head")
    ended = _gitlab(unplanned_change, run, **variables)
    assert ended.returncode == 1
    assert "LOCK010" in ended.stderr
    assert not any(line.startswith("comment") for line in run.called)


def test_the_job_is_for_merge_requests_with_their_whole_history() -> None:
    job = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["spillway-review"]
    assert job["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert job["variables"]["GIT_DEPTH"] == "0"
    assert job["artifacts"] == {"when": "always", "paths": ["spillway-review"]}
    assert set(job["cache"]["key"]["files"]) == {"requirements-planner.lock", "pyproject.toml"}
