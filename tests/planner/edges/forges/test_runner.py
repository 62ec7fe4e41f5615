"""What each continuous integration says of its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.edges.forges.conversation import Run
from planner.edges.forges.runner import RUNS, Runner, pull_request_here, runner_of
from planner.words.diagnostics import Problems

SHA = "c" * 40
EVENT = {
    "pull_request": {
        "number": 7,
        "head": {"sha": SHA, "ref": "load", "repo": {"full_name": "team/serving"}},
        "base": {"sha": "d" * 40, "ref": "main", "repo": {"full_name": "team/serving"}},
    }
}
GITHUB = {
    "GITHUB_REPOSITORY": "team/serving",
    "GITHUB_RUN_ID": "812",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_BASE_REF": "main",
    "GITHUB_API_URL": "https://github.example/api/v3",
    "GITHUB_SHA": "e" * 40,
    "GITHUB_TOKEN": " token\n",
}


def test_github() -> None:
    assert runner_of("github", GITHUB, json.dumps(EVENT)) == Runner(
        repository="team/serving",
        number=7,
        api_url="https://github.example/api/v3",
        token="token",
        bases=("origin/main", "d" * 40, "main"),
        base_name="main",
        branch="load",
        run=Run(812, 2, SHA),
        is_restricted="",
    )


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(runner_of("github", {**GITHUB, "GITHUB_TOKEN": "s3cret"}, ""))


def test_github_without_the_file_of_the_event() -> None:
    runner = runner_of("github", {**GITHUB, "GITHUB_REF": "refs/pull/9/merge"})
    assert (runner.number, runner.run.commit, runner.bases) == (9, "e" * 40, ("origin/main", "main"))


@pytest.mark.parametrize(
    ("variables", "fork", "reason"),
    [
        ({}, "jane/serving", "jane/serving"),
        ({}, None, "gone"),
        ({"GITHUB_ACTOR": "dependabot[bot]"}, "team/serving", "Dependabot"),
    ],
)
def test_who_has_a_token_that_only_reads(variables: dict[str, str], fork: str | None, reason: str) -> None:
    event = json.loads(json.dumps(EVENT))
    event["pull_request"]["head"]["repo"] = {"full_name": fork} if fork else None
    assert reason in runner_of("github", {**GITHUB, **variables}, json.dumps(event)).is_restricted


def test_gitlab() -> None:
    variables = {
        "GITLAB_TOKEN": "token",
        "CI_JOB_TOKEN": "another",
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_PATH": "team/serving",
        "CI_MERGE_REQUEST_PROJECT_PATH": "team/serving",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "jane/serving",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "load",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "d" * 40,
        "CI_PIPELINE_ID": "99",
        "CI_COMMIT_SHA": SHA,
    }
    runner = runner_of("gitlab", variables)
    assert (runner.repository, runner.number, runner.token) == ("team/serving", 7, "token")
    assert (runner.bases[0], runner.base_name, runner.run) == ("d" * 40, "main", Run(99, 1, SHA))
    assert (runner.branch, runner.is_restricted) == ("load", "the merge request comes from the fork jane/serving")
    merged = runner_of("gitlab", {**variables, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "f" * 40})
    assert merged.bases[0] == "f" * 40


def test_gitlab_takes_no_token_of_a_job() -> None:
    assert runner_of("gitlab", {"CI_JOB_TOKEN": "job"}).token == ""


def test_bitbucket() -> None:
    variables = {
        "BITBUCKET_TOKEN": "token",
        "BITBUCKET_REPO_FULL_NAME": "team/serving",
        "BITBUCKET_PR_ID": "7",
        "BITBUCKET_BRANCH": "load",
        "BITBUCKET_PR_DESTINATION_BRANCH": "main",
        "BITBUCKET_BUILD_NUMBER": "41",
        "BITBUCKET_COMMIT": SHA,
    }
    runner = runner_of("bitbucket", variables)
    assert (runner.repository, runner.number, runner.api_url) == ("team/serving", 7, "https://api.bitbucket.org/2.0")
    assert (runner.bases, runner.branch, runner.run) == (("origin/main", "main"), "load", Run(41, 1, SHA))


def test_azure() -> None:
    variables = {
        "SYSTEM_ACCESSTOKEN": "token",
        "SYSTEM_COLLECTIONURI": "https://dev.azure.com/team/",
        "SYSTEM_TEAMPROJECT": "platform",
        "BUILD_REPOSITORY_NAME": "serving",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/team/load",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
        "SYSTEM_PULLREQUEST_ISFORK": "True",
        "BUILD_BUILDID": "3000",
        "SYSTEM_JOBATTEMPT": "2",
    }
    runner = runner_of("azure", variables)
    assert (runner.repository, runner.number, runner.base_name) == ("platform/serving", 7, "main")
    assert runner.branch == "team/load"
    assert (runner.run, bool(runner.is_restricted)) == (Run(3000, 2, SHA), True)


@pytest.mark.parametrize("name", ["github", "gitlab", "bitbucket", "azure"])
def test_outside_of_a_run_nothing_is_known(name: str) -> None:
    runner = runner_of(name, {})  # type: ignore[arg-type]
    assert (runner.repository, runner.number, runner.token, runner.bases, runner.run) == ("", None, "", (), Run())


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No run."""
    for name in (*RUNS.values(), "GITHUB_REF", "GITHUB_BASE_REF", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_run_of_a_pull_request_is_found(elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pull_request_here() is None
    event = tmp_path / "event.json"
    elsewhere.setenv("GITHUB_EVENT_PATH", str(event))
    event.write_text(json.dumps(EVENT))
    found = pull_request_here()
    assert found is not None
    assert (found.number, found.bases[0], found.branch, found.is_restricted) == (7, "origin/main", "load", "")
    event.write_text('{"schedule": "0 6 * * 1"}')
    assert pull_request_here() is None


@pytest.mark.parametrize(("text", "code"), [("{", "CI001"), ("[]", "CI001"), (None, "IO001")])
def test_an_event_that_is_none_is_refused(
    elsewhere: pytest.MonkeyPatch, tmp_path: Path, text: str | None, code: str
) -> None:
    event = tmp_path / "event.json"
    if text is not None:
        event.write_text(text)
    elsewhere.setenv("GITHUB_EVENT_PATH", str(event))
    with pytest.raises(Problems) as raised:
        pull_request_here()
    assert [problem.code for problem in raised.value.problems] == [code]
