"""Which forge is meant: its limit of a comment, what it shows, and the object that speaks with it."""

from __future__ import annotations

from planner.edges.forges import azure, bitbucket, github, gitlab
from planner.edges.forges.conversation import Forge, Target
from planner.edges.forges.runner import ForgeName

LIMITS: dict[ForgeName, int] = {
    "github": github.LIMIT,
    "gitlab": gitlab.LIMIT,
    "bitbucket": bitbucket.LIMIT,
    "azure": azure.LIMIT,
}
"""Most characters of a comment."""
WITHOUT_HTML: frozenset[ForgeName] = frozenset({"bitbucket"})
CAN_HIDE: frozenset[ForgeName] = frozenset({"github"})


def forge_at(name: ForgeName, target: Target) -> Forge:
    """Return the forge of a pull request. Raises `ForgeError` where the address or the token cannot be used."""
    match name:
        case "github":
            return github.GitHub(target)
        case "gitlab":
            return gitlab.GitLab(target)
        case "bitbucket":
            return bitbucket.Bitbucket(target)
        case "azure":
            return azure.AzureDevOps(target)
