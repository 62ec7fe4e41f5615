"""What a machine says of its pull request, and which environments changed files touch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.pull_request import PullRequest, of_github, of_gitlab, touched

NAMES = ("dev", "later", "prod", "staging")
LOCKED = ("dev", "prod", "staging")
OURS, THEIRS = {"full_name": "team/serving"}, {"full_name": "stranger/serving"}


def event(head_repository: dict[str, str] | None) -> dict[str, Any]:
    head = {"ref": "more/load", "sha": "a" * 40, "repo": head_repository}
    return {"pull_request": {"number": 12, "head": head, "base": {"ref": "main", "repo": OURS}}}


def test_a_pull_request_of_the_same_repository_may_be_written_to() -> None:
    found = of_github(event(OURS), "ada")
    assert found == PullRequest(12, "origin/main", "more/load", fork=False, read_only=False)


@pytest.mark.parametrize("repository", [THEIRS, None], ids=["fork", "deleted fork"])
def test_a_fork_may_not_be_written_to(repository: dict[str, str] | None) -> None:
    found = of_github(event(repository), "ada")
    assert found is not None
    assert (found.fork, found.read_only) == (True, True)


def test_what_dependabot_starts_may_write_as_little() -> None:
    found = of_github(event(OURS), "dependabot[bot]")
    assert found is not None
    assert (found.fork, found.read_only) == (False, True)


@pytest.mark.parametrize("other", [{}, {"pull_request": None}, {"schedule": "0 6 * * 1"}])
def test_another_event_is_no_pull_request(other: dict[str, Any]) -> None:
    assert of_github(other, "ada") is None


@pytest.mark.parametrize(("source", "fork"), [("7", False), ("8", True)])
def test_gitlab_says_the_same_in_variables(source: str, fork: bool) -> None:
    variables = {
        "CI_MERGE_REQUEST_IID": "12",
        "CI_MERGE_REQUEST_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": source,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "b" * 40,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "load",
    }
    assert of_gitlab(variables) == PullRequest(12, "b" * 40, "load", fork, read_only=fork)
    assert of_gitlab({}) is None


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], ()),
        (["prod.yaml"], ("prod",)),
        (["prod.lock.json", "dev.yaml"], ("dev", "prod")),
        (["gone.yaml", "gone.lock.json"], ()),
        (["Pulumi.prod.yaml", "README.md"], ()),
        (["own.trace.json"], LOCKED),
        (["catalog/prices/api/openai.yaml"], LOCKED),
        (["calibration/l4.yaml"], LOCKED),
        (["catalog/prod.yaml", "later.yaml"], NAMES),
    ],
)
def test_files_touch_environments(paths: list[str], names: tuple[str, ...]) -> None:
    assert touched(paths, NAMES, LOCKED) == names


FILES = st.sampled_from(["dev.yaml", "prod.lock.json", "x.trace.json", "catalog/a.yaml", "Pulumi.dev.yaml", "no.yaml"])


@given(st.lists(FILES), st.lists(FILES))
def test_more_files_never_touch_less(some: list[str], more: list[str]) -> None:
    alone, together = set(touched(some, NAMES, LOCKED)), set(touched([*more, *some], NAMES, LOCKED))
    assert alone <= together <= set(NAMES)
    assert touched([*more, *some], NAMES, LOCKED) == touched([*some, *more], reversed(NAMES), reversed(LOCKED))
