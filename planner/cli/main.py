"""The verbs of `spillway` and their options. Each imports its work when it is called, so that `--help` stays instant.

Exit codes: 0 yes, fresh or written; 1 the answer is no (stale, denied, infeasible); 2 could not answer (usage, bad
file, I/O). The answer goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.catalog_verbs import catalog, models
from planner.cli.ci_verbs import ci
from planner.cli.options import (
    HERE,
    AnyEnvironmentNames,
    AsFormat,
    AsShowFormat,
    BehaviorChoice,
    DiffFormat,
    EnvironmentName,
    EnvironmentNames,
    EnvironmentOrCode,
    Folder,
    ForgeChoice,
    OutputFormat,
    ShowFormat,
)
from planner.cli.output import report_problems
from planner.cli.perf_verbs import perf, traces

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small here: more threads only wait for each other

app = typer.Typer(
    name="spillway",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Plans, reviews, rehearses and explains the serving of language models: GPUs first, hosted APIs as overflow.",
)


def _shown_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_shown_version, is_eager=True, help="The version of spillway.")
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


@app.command()
def plan(
    environments: EnvironmentNames,
    folder: Folder = HERE,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Plan on the newest price snapshot.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write no lock.")] = False,
    notes: Annotated[
        Path | None,
        typer.Option("--notes", metavar="FILE", help="Write the title and the text of a pull request."),
    ] = None,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Compute the cheapest plan and write its lock.

    --notes writes a title as the first line, an empty line, and Markdown: the bills, the prices that moved, and what
    changes in each plan.
    """
    from planner.cli import planning

    with report_problems(form.value):
        planning.plan(environments, folder, upgrade, dry_run, form.value, notes)


@app.command(short_help="Is each lock fresh, whole and consistent?")
def check(
    environments: AnyEnvironmentNames = None,
    folder: Folder = HERE,
    base: Annotated[str, typer.Option("--base", help="Git revision or lock file, for rules over a change.")] = "",
    form: AsFormat = OutputFormat.text,
) -> None:
    """Is each lock fresh, whole, consistent and within the team's rules? Digests and arithmetic, no solver."""
    from planner.cli import review

    with report_problems(form.value):
        review.check(environments or [], folder, form.value, base)


@app.command()
def diff(
    environment: EnvironmentName,
    base: Annotated[str, typer.Option("--base", help="Git revision, or a lock file, to compare against.")] = "HEAD",
    folder: Folder = HERE,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when anything changed.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Plan nothing: tell old and new prices apart alone.")] = False,
    form: Annotated[
        DiffFormat, typer.Option("--format", help="text for people, json for programs, markdown as a comment.")
    ] = DiffFormat.text,
) -> None:
    """What the lock changes in dollars and in risks, and why."""
    with report_problems(form.value):
        if form is DiffFormat.markdown:
            from planner.cli import commenting

            commenting.diff(environment, base, folder, exit_code, quick)
        else:
            from planner.cli import comparing

            comparing.diff(environment, base, folder, exit_code, quick, form.value)


@app.command(short_help="Write the review into the pull request.")
def comment(
    forge: Annotated[ForgeChoice, typer.Argument(metavar="FORGE", help="github, gitlab, bitbucket or azure.")],
    environments: AnyEnvironmentNames = None,
    pull_request: Annotated[
        int | None, typer.Option("--pull-request", min=1, metavar="N", help="Default: that of the run.")
    ] = None,
    repository: Annotated[
        str, typer.Option("--repository", metavar="OWNER/NAME", help="Default: that of the run; azure: PROJECT/NAME.")
    ] = "",
    base: Annotated[
        str, typer.Option("--base", help="Git revision or lock file; default: where it branched off.")
    ] = "",
    behavior: Annotated[
        BehaviorChoice, typer.Option("--behavior", help="What becomes of an earlier comment.")
    ] = BehaviorChoice.update,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the Markdown and ask nobody.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.md", help="Write the Markdown there too.")] = None,
    api_url: Annotated[str, typer.Option("--api-url", metavar="URL", help="Root of the API of an own server.")] = "",
    key: Annotated[str, typer.Option("--key", help="Tells two sets of comments in one repository apart.")] = "",
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Write the review of each environment as one comment of the pull request, and update it in place.

    Pull request, repository, base and run come from the variables of the CI; the token from GITHUB_TOKEN, GITLAB_TOKEN,
    BITBUCKET_TOKEN or SYSTEM_ACCESSTOKEN. Without a token that may write, the Markdown is printed.
    """
    from planner.cli import commenting

    with report_problems(form.value):
        commenting.comment(
            commenting.Request(
                forge=forge.value,
                environments=tuple(environments or ()),
                folder=folder,
                pull_request=pull_request,
                repository=repository,
                base=base,
                api_url=api_url,
                key=key,
                behavior=behavior.value,
                dry_run=dry_run,
                out=out,
                form=form.value,
            )
        )


@app.command(short_help="A plan, or its change, as an HTML page.")
def report(
    environment: EnvironmentName,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.html", help="Where to write the page.")],
    base: Annotated[
        str, typer.Option("--base", metavar="REF|FILE", help="Git revision, or a lock file, to compare against.")
    ] = "",
    charts: Annotated[
        Path | None, typer.Option("--charts", metavar="FOLDER", help="Write each chart as SVG too.")
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Write a plan, or what it changes, as one page that opens without a network: money, reasons, charts, sources."""
    from planner.cli import reporting

    with report_problems("text"):
        reporting.report(environment, base, out, charts, folder)


@app.command()
def show(environment: EnvironmentName, folder: Folder = HERE, form: AsShowFormat = ShowFormat.text) -> None:
    """The plan that is locked, and its bill for finance."""
    from planner.cli import review

    with report_problems(form.value):
        review.show(environment, folder, form.value)


@app.command(short_help="Why the plan is what it is; what a code means.")
def explain(
    environment: EnvironmentOrCode,
    why_not: Annotated[
        str, typer.Option("--why-not", help="Words of a candidate: 'L4 qwen3-32b', 'p5.48xlarge'.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="With --why-not: a line for each candidate.")] = False,
    break_even: Annotated[bool, typer.Option("--break-even", help="Only the cost over load.")] = False,
    values: Annotated[
        bool, typer.Option("--values", help="What limits, inputs and promises cost, by planning anew.")
    ] = False,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Why the plan is what it is, why a candidate is not in it, or what a code means."""
    if every and not why_not:
        raise typer.BadParameter("it is for --why-not; write the words of a candidate there", param_hint="--all")
    if values and (why_not or break_even):
        other = "--why-not" if why_not else "--break-even"
        raise typer.BadParameter(f"it is another question than {other}; ask them one by one", param_hint="--values")
    from planner.cli import explaining

    with report_problems(form.value):
        if why_not:
            explaining.why_not(environment, why_not, every, folder, form.value)
        elif values:
            explaining.values(environment, folder, form.value)
        else:
            explaining.explain(environment, break_even, folder, form.value)


@app.command(short_help="Replay traffic through the real gateway.")
def rehearse(
    environment: EnvironmentName,
    speed: Annotated[float, typer.Option("--speed", min=1, max=50, help="Times faster than life.")] = 10.0,
    kill: Annotated[str, typer.Option("--kill", help="Pool to kill in the middle; 'none' for none.")] = "",
    reclaim: Annotated[
        str,
        typer.Option("--reclaim", metavar="POOL", help="Pool whose spot nodes AWS takes back; or 'auto'."),
    ] = "",
    morning: Annotated[bool, typer.Option("--morning", help="Play the hours around the schedule's changes.")] = False,
    slow_down: Annotated[float, typer.Option("--slow-down", min=0.1, help="Engines this many times slower.")] = 1.0,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Replay traffic through the real gateway and imitated engines, and compare with the plan."""
    from planner.cli import rehearsing

    with report_problems(form.value):
        rehearsing.rehearse(environment, speed, kill, slow_down, folder, form.value, reclaim, morning)


app.add_typer(perf, name="perf")
app.add_typer(ci, name="ci")
app.add_typer(catalog, name="catalog")
app.add_typer(models, name="models")
app.add_typer(traces, name="traces")


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
