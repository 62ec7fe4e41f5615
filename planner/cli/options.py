"""Options that many verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner.cli import completing


class OutputFormat(StrEnum):
    """How an answer is printed."""

    text = "text"
    json = "json"


class ShowFormat(StrEnum):
    """How a locked plan is printed."""

    text = "text"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    focus = "focus"


class DiffFormat(StrEnum):
    """How a diff is printed."""

    text = "text"
    json = "json"
    markdown = "markdown"


class ForgeChoice(StrEnum):
    """Where the pull request is."""

    github = "github"
    gitlab = "gitlab"
    bitbucket = "bitbucket"
    azure = "azure"


class BehaviorChoice(StrEnum):
    """What becomes of an earlier comment."""

    update = "update"
    new = "new"
    hide_and_new = "hide-and-new"
    delete_and_new = "delete-and-new"


Folder = Annotated[Path, typer.Option("--environments", envvar="SPILLWAY_ENVIRONMENTS", help="Folder of NAME.yaml.")]
EnvironmentName = Annotated[
    str,
    typer.Argument(
        metavar="ENV",
        help="Name of an environment, or the path of its YAML file.",
        autocompletion=completing.environments,
    ),
]
EnvironmentNames = Annotated[
    list[str], typer.Argument(metavar="ENV...", help="Environments to plan.", autocompletion=completing.environments)
]
AnyEnvironmentNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ENV...]", help="Default: all.", autocompletion=completing.environments),
]
EnvironmentOrCode = Annotated[
    str,
    typer.Argument(
        metavar="ENV|CODE",
        help="An environment, or a code like ENV003.",
        autocompletion=completing.environments_and_codes,
    ),
]
AsShowFormat = Annotated[
    ShowFormat,
    typer.Option(
        "--format", help="text for people; json: the lock; csv, markdown: the bill; focus: its months (FOCUS 1.2)."
    ),
]
AsFormat = Annotated[OutputFormat, typer.Option("--format", help="text for people, json for programs.")]
HERE = Path("environments")
"""Folder of the environments, where none is named."""
