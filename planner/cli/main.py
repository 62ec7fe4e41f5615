"""The verbs of `spillway` and their options. Each imports its work when it is called, so that `--help` stays instant.

Exit codes: 0 yes, fresh or written; 1 the answer is no (stale, denied, infeasible); 2 could not answer (usage, bad
file, I/O). The answer goes to stdout, everything else to stderr.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.output import guarded

app = typer.Typer(
    name="spillway",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Plans, reviews, rehearses and explains the serving of language models: GPUs first, hosted APIs as overflow.",
)


class Format(StrEnum):
    """How an answer is printed."""

    text = "text"
    json = "json"


Folder = Annotated[Path, typer.Option("--environments", envvar="SPILLWAY_ENVIRONMENTS", help="Folder of NAME.yaml.")]
Name = Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, or the path of its YAML file.")]
AsFormat = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
HERE = Path("environments")


@app.command()
def plan(
    environments: Annotated[list[str], typer.Argument(metavar="ENV...", help="Environments to plan.")],
    folder: Folder = HERE,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Plan on the newest price snapshot.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    form: AsFormat = Format.text,
) -> None:
    """Compute the cheapest plan and write its lock."""
    from planner.cli import planning

    with guarded(form.value):
        planning.plan(environments, folder, upgrade, dry_run, form.value)


@app.command(short_help="Is each lock fresh, whole and consistent?")
def check(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ENV...]", help="Default: all.")] = None,
    folder: Folder = HERE,
    form: AsFormat = Format.text,
) -> None:
    """Is each lock fresh, whole and consistent? Digests and arithmetic, no solver."""
    from planner.cli import review

    with guarded(form.value):
        review.check(environments or [], folder, form.value)


@app.command()
def diff(
    environment: Name,
    base: Annotated[str, typer.Option("--base", help="Git revision, or a lock file, to compare against.")] = "HEAD",
    folder: Folder = HERE,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when anything changed.")] = False,
    form: AsFormat = Format.text,
) -> None:
    """What the lock changes in dollars, and why."""
    from planner.cli import review

    with guarded(form.value):
        review.diff(environment, base, folder, exit_code, form.value)


@app.command()
def show(environment: Name, folder: Folder = HERE, form: AsFormat = Format.text) -> None:
    """The plan that is locked."""
    from planner.cli import review

    with guarded(form.value):
        review.show(environment, folder, form.value)


@app.command(short_help="Why the plan is what it is; what a code means.")
def explain(
    environment: Annotated[str, typer.Argument(metavar="ENV|CODE", help="An environment, or a code like ENV003.")],
    why_not: Annotated[
        str, typer.Option("--why-not", help="Words of a candidate: 'L4 qwen3-32b', 'p5.48xlarge'.")
    ] = "",
    break_even: Annotated[bool, typer.Option("--break-even", help="Only the cost over load.")] = False,
    folder: Folder = HERE,
) -> None:
    """Why the plan is what it is, why a candidate is not in it, or what a code means."""
    from planner.cli import explaining

    with guarded("text"):
        explaining.explain(environment, why_not, break_even, folder)


@app.command(short_help="Replay traffic through the real gateway.")
def rehearse(
    environment: Name,
    speed: Annotated[float, typer.Option("--speed", min=1, max=50, help="Times faster than life.")] = 10.0,
    kill: Annotated[str, typer.Option("--kill", help="Pool to kill in the middle; 'none' for none.")] = "",
    slow_down: Annotated[float, typer.Option("--slow-down", min=0.1, help="Engines this many times slower.")] = 1.0,
    folder: Folder = HERE,
    form: AsFormat = Format.text,
) -> None:
    """Replay traffic through the real gateway and imitated engines, and compare with the plan."""
    from planner.cli import rehearsing

    with guarded(form.value):
        rehearsing.rehearse(environment, speed, kill, slow_down, folder, form.value)


perf = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The performance model as a tool.")
app.add_typer(perf, name="perf")


@perf.command("fit")
def perf_fit(
    out: Annotated[Path, typer.Option("--out", help="Folder that receives coefficients-DAY.json.")] = Path(),
    as_of: Annotated[str, typer.Option("--as-of", help="Day of the fit, YYYY-MM-DD; default: today.")] = "",
) -> None:
    """Fit the model to the shipped measurements anew and write its coefficients."""
    from planner.cli import performance

    with guarded("text"):
        performance.fit(out, as_of)


@app.command()
def version() -> None:
    """The version of spillway."""
    from importlib.metadata import version as of

    typer.echo(f"spillway {of('spillway')}")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
