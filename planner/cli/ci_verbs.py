"""The verbs `ci …`: what a run of continuous integration asks beside the verbs that people type.

Each imports its work when it is called, so that `--help` stays instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli.options import HERE, Folder
from planner.cli.output import report_problems

ci = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="For runs of continuous integration.")


@ci.command("scope", short_help="Which environments a pull request is about.")
def ci_scope(
    base: Annotated[
        str, typer.Option("--base", help="Git revision to compare with; default: what the run says, else HEAD^.")
    ] = "",
    folder: Folder = HERE,
) -> None:
    """Print, as NAME=VALUE lines, which environments a pull request is about and what the run may do.

    base: the commit at which the branch left. names: environments that it changes. checked: those and all that have a
    lock. pull_request: its number. read_only: whether the run may neither comment nor push.
    """
    from planner.cli import continuous

    with report_problems("text"):
        continuous.scope(base, folder)


@ci.command("plan", short_help="Plan what is stale, and push the locks to the branch.")
def ci_plan(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the locks, and neither commit nor push.")] = False,
    folder: Folder = HERE,
) -> None:
    """Plan every environment whose lock is stale or missing, and push the locks to the pull request's branch.

    Environments that the pull request does not change and that have no lock are left alone. Without a stale lock
    nothing is committed, so that a run which the push starts ends there.
    """
    from planner.cli import continuous

    with report_problems("text"):
        continuous.plan(folder, dry_run)


@ci.command("summary", short_help="Show Markdown on the page of the run.")
def ci_summary(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Markdown, in this order.")],
) -> None:
    """Add Markdown files to the page of the run, as many as it holds, and name the others.

    Outside of GitHub Actions they are printed.
    """
    from planner.cli import continuous

    with report_problems("text"):
        continuous.summarize(files)
