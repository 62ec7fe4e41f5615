"""What each continuous integration says of its run."""

from __future__ import annotations

import json

import pytest

from planner.edges.forges.conversation import Run
from planner.edges.forges.runner import Runner, runner_of

SHA = "c" * 40
EVENT = {
    "pull_request": {
        "number": 7,
        "head": {"sha": SHA, "repo": {"full_name": "team/serving"}},
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
        bases=("d" * 40, "origin/main", "main"),
        base_name="main",
        run=Run(812, 2, SHA),
        is_restricted="",
    )


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(runner_of("github", {**GITHUB, "GITHUB_TOKEN": "s3cret"}, ""))


def test_github_without_the_file_of_the_event() -> None:
    runner = runner_of("github", {**GITHUB, "GITHUB_REF": "refs/pull/9/merge"}, "no json")
    assert (runner.number, runner.run.commit, runner.bases) == (9, "e" * 40, ("origin/main", "main"))


@pytest.mark.parametrize(
    ("variables", "fork", "reason"),
    [({}, "jane/serving", "jane/serving"), ({"GITHUB_ACTOR": "dependabot[bot]"}, "team/serving", "Dependabot")],
)
def test_who_has_a_token_that_only_reads(variables: dict[str, str], fork: str, reason: str) -> None:
    event = json.loads(json.dumps(EVENT))
    event["pull_request"]["head"]["repo"]["full_name"] = fork
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
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "d" * 40,
        "CI_PIPELINE_ID": "99",
        "CI_COMMIT_SHA": SHA,
    }
    runner = runner_of("gitlab", variables)
    assert (runner.repository, runner.number, runner.token) == ("team/serving", 7, "token")
    assert (runner.bases[0], runner.base_name, runner.run) == ("d" * 40, "main", Run(99, 1, SHA))
    assert runner.is_restricted == "the merge request comes from the fork jane/serving"


def test_gitlab_takes_no_token_of_a_job() -> None:
    assert runner_of("gitlab", {"CI_JOB_TOKEN": "job"}).token == ""


def test_bitbucket() -> None:
    variables = {
        "BITBUCKET_TOKEN": "token",
        "BITBUCKET_REPO_FULL_NAME": "team/serving",
        "BITBUCKET_PR_ID": "7",
        "BITBUCKET_PR_DESTINATION_BRANCH": "main",
        "BITBUCKET_BUILD_NUMBER": "41",
        "BITBUCKET_COMMIT": SHA,
    }
    runner = runner_of("bitbucket", variables)
    assert (runner.repository, runner.number, runner.api_url) == ("team/serving", 7, "https://api.bitbucket.org/2.0")
    assert (runner.bases, runner.run) == (("origin/main", "main"), Run(41, 1, SHA))


def test_azure() -> None:
    variables = {
        "SYSTEM_ACCESSTOKEN": "token",
        "SYSTEM_COLLECTIONURI": "https://dev.azure.com/team/",
        "SYSTEM_TEAMPROJECT": "platform",
        "BUILD_REPOSITORY_NAME": "serving",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
        "SYSTEM_PULLREQUEST_ISFORK": "True",
        "BUILD_BUILDID": "3000",
        "SYSTEM_JOBATTEMPT": "2",
    }
    runner = runner_of("azure", variables)
    assert (runner.repository, runner.number, runner.base_name) == ("platform/serving", 7, "main")
    assert (runner.run, bool(runner.is_restricted)) == (Run(3000, 2, SHA), True)


@pytest.mark.parametrize("name", ["github", "gitlab", "bitbucket", "azure"])
def test_outside_of_a_run_nothing_is_known(name: str) -> None:
    runner = runner_of(name, {})  # type: ignore[arg-type]
    assert (runner.repository, runner.number, runner.token, runner.bases, runner.run) == ("", None, "", (), Run())
