"""A pull request as the machine that checks it describes it, and which environments its files touch. Pure.

GitHub writes the event of a run into a file, and GitLab says the same in variables. Neither is asked over the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

LOCK_ENDING = ".lock.json"
NEVER_PLANNED = ("Pulumi.",)
"""Beginnings of files beside the environments that no plan reads."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request, or a merge request.

    number: its number, as its address shows it.
    base: git revision that it is compared with.
    branch: the branch that it wants to merge.
    fork: whether that branch lies in another repository.
    read_only: whether the run may write neither a comment nor a commit.
    """

    number: int
    base: str
    branch: str
    fork: bool
    read_only: bool


def of_github(event: Mapping[str, Any], actor: str) -> PullRequest | None:
    """Return the pull request of a GitHub event; None where the event is about something else.

    actor: who started the run. What Dependabot starts may write as little as a fork.
    """
    told = event.get("pull_request")
    if not isinstance(told, Mapping):
        return None
    head, base = told["head"], told["base"]
    theirs, ours = head.get("repo") or {}, base["repo"]  # a fork that was deleted has no repository
    fork = theirs.get("full_name") != ours["full_name"]
    return PullRequest(
        number=int(told["number"]),
        base=f"origin/{base['ref']}",
        branch=str(head["ref"]),
        fork=fork,
        read_only=fork or actor == "dependabot[bot]",
    )


def of_gitlab(variables: Mapping[str, str]) -> PullRequest | None:
    """Return the merge request of a GitLab pipeline; None where the pipeline is about something else."""
    if not variables.get("CI_MERGE_REQUEST_IID"):
        return None
    fork = variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") != variables.get("CI_MERGE_REQUEST_PROJECT_ID")
    return PullRequest(
        number=int(variables["CI_MERGE_REQUEST_IID"]),
        base=variables["CI_MERGE_REQUEST_DIFF_BASE_SHA"],
        branch=variables["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"],
        fork=fork,
        read_only=fork,
    )


def touched(paths: Iterable[str], names: Iterable[str], locked: Iterable[str]) -> tuple[str, ...]:
    """Return the environments that changed files touch, sorted.

    paths: changed files, relative to the folder of the environments.
    names: environments of that folder. locked: those that have a lock. A file beside them that is of none of them, like
    a trace or a price of the team's own, touches all of these.
    """
    known, found = frozenset(names), set[str]()
    for path in map(PurePosixPath, paths):
        if path.name.startswith(NEVER_PLANNED) or path.suffix == ".md":
            continue
        own = path.name.removesuffix(LOCK_ENDING).removesuffix(".yaml")
        if len(path.parts) == 1 and own != path.name:
            found |= {own} & known
        else:
            found |= known & set(locked)
    return tuple(sorted(found))
