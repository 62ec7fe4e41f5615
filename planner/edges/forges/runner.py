"""What the continuous integration of each forge says of its run, by environment variables, so that nobody types it.

| | GitHub | GitLab | Bitbucket | Azure DevOps |
|---|---|---|---|---|
| token | `GITHUB_TOKEN` | `GITLAB_TOKEN` | `BITBUCKET_TOKEN` | `SYSTEM_ACCESSTOKEN` |
| pull request | the event's file | `CI_MERGE_REQUEST_IID` | `BITBUCKET_PR_ID` | `SYSTEM_PULLREQUEST_PULLREQUESTID` |
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from planner.edges.files import read_text
from planner.edges.forges.conversation import Run
from planner.words.diagnostics import Problem, Problems

ForgeName = Literal["github", "gitlab", "bitbucket", "azure"]
TOKENS: dict[ForgeName, tuple[str, ...]] = {
    "github": ("GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GITLAB_TOKEN",),
    "bitbucket": ("BITBUCKET_TOKEN",),
    "azure": ("SYSTEM_ACCESSTOKEN", "AZURE_DEVOPS_EXT_PAT"),
}
"""Variables that may hold the token, the first one first."""
RUNS: dict[ForgeName, str] = {
    "github": "GITHUB_EVENT_PATH",
    "gitlab": "CI_MERGE_REQUEST_IID",
    "bitbucket": "BITBUCKET_PR_ID",
    "azure": "SYSTEM_PULLREQUEST_PULLREQUESTID",
}
"""Variables by which a run shows whose it is."""
API_URLS: dict[ForgeName, str] = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket": "https://api.bitbucket.org/2.0",
    "azure": "",
}


@dataclass(frozen=True)
class Runner:
    """A runner is what is known of a run without being told.

    repository, number, api_url, token: as in `Target`; empty or None where they are not known.
    bases: revisions of the base, the best first, with the name under which people know it.
    branch: which the pull request wants to merge; empty where it is not known.
    run: which run it is.
    is_restricted: why its token may only read; empty where it may write.
    """

    repository: str
    number: int | None
    api_url: str
    token: str = field(repr=False)
    bases: tuple[str, ...]
    base_name: str
    branch: str
    run: Run
    is_restricted: str


def forge_here() -> ForgeName | None:
    """Return whose run this is; None where it is no run, or one of another system."""
    return next((forge for forge, variable in RUNS.items() if os.environ.get(variable)), None)


def runner_here(forge: ForgeName) -> Runner:
    """Return what the environment variables of this run say."""
    event = Path(os.environ.get("GITHUB_EVENT_PATH") or os.devnull)
    try:
        return runner_of(forge, os.environ, read_text(event) if forge == "github" and event.is_file() else "")
    except Problems:  # the event only spares an option
        return runner_of(forge, os.environ)


def pull_request_here() -> Runner | None:
    """Return what this run of a pull request says; None for another run, or none. Raises `Problems` (IO001, CI001)."""
    forge = forge_here()
    if forge is None:
        return None
    event = read_text(Path(os.environ["GITHUB_EVENT_PATH"])) if forge == "github" else ""
    runner = runner_of(forge, os.environ, event)
    return runner if runner.number is not None and runner.bases else None


def runner_of(forge: ForgeName, variables: Mapping[str, str], event: str = "") -> Runner:
    """Return what is known. event: text of the file that `GITHUB_EVENT_PATH` names; empty without one.

    Raises `Problems` with CI001 where the event is no JSON object.
    """
    known = {name: value.strip() for name, value in variables.items()}
    token = next((known[name] for name in TOKENS[forge] if known.get(name)), "")
    match forge:
        case "github":
            return _github(known, token, _pull(event))
        case "gitlab":
            return _gitlab(known, token)
        case "bitbucket":
            return _bitbucket(known, token)
        case "azure":
            return _azure(known, token)


def _github(known: Mapping[str, str], token: str, pull: Mapping[str, Any]) -> Runner:
    head, base = pull.get("head") or {}, pull.get("base") or {}
    ref = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", known.get("GITHUB_REF", ""))
    source = (head.get("repo") or {}).get("full_name")
    restricted = ""
    if head and source != (base.get("repo") or {}).get("full_name"):
        restricted = f"the pull request comes from the fork {source or 'that is gone'}"
    elif known.get("GITHUB_ACTOR") == "dependabot[bot]":
        restricted = "the run was started by Dependabot"
    branch = known.get("GITHUB_BASE_REF", "") or str(base.get("ref") or "")
    commit = str(head.get("sha") or "") or known.get("GITHUB_SHA", "")
    return Runner(
        repository=known.get("GITHUB_REPOSITORY", ""),
        number=_number(pull.get("number")) or (int(ref[1]) if ref else None),
        api_url=known.get("GITHUB_API_URL", "") or API_URLS["github"],
        token=token,
        # The checkout is merged with a branch that may have gone on from the commit of the event.
        bases=tuple(filter(None, (f"origin/{branch}" if branch else "", str(base.get("sha") or ""), branch))),
        base_name=branch,
        branch=str(head.get("ref") or "") or known.get("GITHUB_HEAD_REF", ""),
        run=_run(known, "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", commit),
        is_restricted=restricted,
    )


def _gitlab(known: Mapping[str, str], token: str) -> Runner:
    source, own = known.get("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH"), known.get("CI_MERGE_REQUEST_PROJECT_PATH")
    branch = known.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
    merged_with = known.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "")  # a pipeline of the merged result alone has it
    commit = known.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "") or known.get("CI_COMMIT_SHA", "")
    return Runner(
        repository=own or known.get("CI_PROJECT_PATH", ""),
        number=_number(known.get("CI_MERGE_REQUEST_IID")),
        api_url=known.get("CI_API_V4_URL", "") or API_URLS["gitlab"],
        token=token,
        bases=_bases(merged_with or known.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""), branch),
        base_name=branch,
        branch=known.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", ""),
        run=_run(known, "CI_PIPELINE_ID", "", commit),
        is_restricted=f"the merge request comes from the fork {source}" if source and own and source != own else "",
    )


def _bitbucket(known: Mapping[str, str], token: str) -> Runner:
    branch = known.get("BITBUCKET_PR_DESTINATION_BRANCH", "")
    return Runner(
        repository=known.get("BITBUCKET_REPO_FULL_NAME", ""),
        number=_number(known.get("BITBUCKET_PR_ID")),
        api_url=API_URLS["bitbucket"],
        token=token,
        bases=_bases(known.get("BITBUCKET_PR_DESTINATION_COMMIT", ""), branch),
        base_name=branch,
        branch=known.get("BITBUCKET_BRANCH", ""),
        run=_run(known, "BITBUCKET_BUILD_NUMBER", "BITBUCKET_STEP_RUN_NUMBER", known.get("BITBUCKET_COMMIT", "")),
        is_restricted="",
    )


def _azure(known: Mapping[str, str], token: str) -> Runner:
    project, name = known.get("SYSTEM_TEAMPROJECT", ""), known.get("BUILD_REPOSITORY_NAME", "")
    branch = known.get("SYSTEM_PULLREQUEST_TARGETBRANCH", "").removeprefix("refs/heads/")
    forked = known.get("SYSTEM_PULLREQUEST_ISFORK", "").lower() == "true"
    return Runner(
        repository=f"{project}/{name}" if project and name else "",
        number=_number(known.get("SYSTEM_PULLREQUEST_PULLREQUESTID")),
        api_url=known.get("SYSTEM_COLLECTIONURI", "") or known.get("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", ""),
        token=token,
        bases=_bases("", branch),
        base_name=branch,
        branch=known.get("SYSTEM_PULLREQUEST_SOURCEBRANCH", "").removeprefix("refs/heads/"),
        run=_run(known, "BUILD_BUILDID", "SYSTEM_JOBATTEMPT", known.get("SYSTEM_PULLREQUEST_SOURCECOMMITID", "")),
        is_restricted="the pull request comes from a fork" if forked else "",
    )


def _pull(event: str) -> Mapping[str, Any]:
    """Return the pull request of an event; an empty one where the event has none."""
    try:
        value = json.loads(event) if event else {}
        pull = value.get("pull_request")
    except (AttributeError, ValueError) as error:
        message = f"the event of the run is no JSON object: {error}"
        raise Problems([Problem("CI001", message, hint="GITHUB_EVENT_PATH names its file")]) from error
    return pull if isinstance(pull, dict) else {}


def _bases(commit: str, branch: str) -> tuple[str, ...]:
    return tuple(filter(None, (commit, f"origin/{branch}" if branch else "", branch)))


def _run(known: Mapping[str, str], number: str, attempt: str, commit: str) -> Run:
    return Run(_number(known.get(number)), _number(known.get(attempt)) or 1, commit.lower())


def _number(value: object) -> int | None:
    text = str(value or "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
