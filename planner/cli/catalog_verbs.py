"""The verbs `catalog …` and `models …`: the facts that plans rest on, and which models are good enough.

Each imports its work when it is called, so that `--help` stays instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli.options import HERE, AsFormat, Folder, OutputFormat
from planner.cli.output import report_problems

catalog = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The facts that plans rest on, and your own.")
models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Which models are good enough.")


@catalog.command("add-model", short_help="Any open-weight model, from its Hugging Face configuration.")
def catalog_add_model(
    subject: Annotated[
        str, typer.Argument(metavar="[PATH|HF_ID]", help="config.json, its folder, or a repository ORG/MODEL.")
    ] = "",
    index: Annotated[
        Path | None, typer.Option("--index", help="The checkpoint's model.safetensors.index.json.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="KEY", help="Its name in accept lists.")] = "",
    hf_id: Annotated[str, typer.Option("--hf-id", help="Its repository, where a file is given.")] = "",
    revision: Annotated[str, typer.Option("--revision", metavar="SHA", help="Commit that is deployed.")] = "",
    base: Annotated[str, typer.Option("--base", metavar="KEY", help="Own weights of the shape of this model.")] = "",
    weights: Annotated[str, typer.Option("--weights", metavar="S3_URI", help="Where own weights lie.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Its licence, as its page names it.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a row that says something else.")] = False,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Add an open-weight model to your own catalog, from its Hugging Face configuration.

    Writes catalog/models/KEY.yaml beside the environments, which plans read: shape, parameters, KV cache, precision,
    context. It names what it could not tell.
    """
    from planner.cli import cataloguing

    asked = cataloguing.Asked(key=name, hf_id=hf_id, revision=revision, weights=weights, base=base, licence=licence)
    with report_problems(form.value):
        cataloguing.add_model(subject, index, asked, folder, replace, form.value)


@catalog.command("list", short_help="What the catalog holds, a line a row.")
def catalog_list(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="[KIND]", help="models, gpus, instances, providers, apis, places, prices, regions; without: counts."
        ),
    ] = "",
    match: Annotated[str, typer.Option("--match", metavar="TEXT", help="Only rows that hold this text.")] = "",
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Prices and zones of this region.")] = "",
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """What the catalog holds, with what one needs to choose. Own rows are marked."""
    from planner.cli import catalog_views

    with report_problems(form.value):
        catalog_views.list_kinds(kind, match, region, folder, form.value)


@catalog.command("show", short_help="All that is known of one thing, with sources and prices.")
def catalog_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, GPU, machine, hosted model, place, price …")],
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Everything that the catalog knows of one thing: each fact with its source and day, and every price."""
    from planner.cli import catalog_views

    with report_problems(form.value):
        catalog_views.show_name(name, folder, form.value)


@catalog.command("age", short_help="How old prices are, and what refreshes them.")
def catalog_age(
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Prices of this region.")] = "",
    today: Annotated[str, typer.Option("--today", metavar="DAY", help="Day of the ages; default: today.")] = "",
    fail_over: Annotated[
        int | None, typer.Option("--fail-over", min=0, metavar="DAYS", help="Exit 1 when a price is older.")
    ] = None,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """How old prices are by kind and source, against their limits, and what makes them young again."""
    from planner.cli import catalog_views

    with report_problems(form.value):
        catalog_views.age(region, today, fail_over, folder, form.value)


@catalog.command("diff", short_help="What differs between two price snapshots.")
def catalog_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="Day of a snapshot, or own: your prices over the newest.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Prices that hold in this region.")] = "",
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """What differs between two price snapshots: changed, gone and added prices, the largest change first."""
    from planner.cli import catalog_views

    with report_problems(form.value):
        catalog_views.diff(before, after, region, folder, form.value)


@catalog.command("refresh", short_help="Read today's prices and zones into your own catalog.")
def catalog_refresh(
    region: Annotated[
        list[str] | None, typer.Option("--region", metavar="REGION", help="May be repeated; default: environments'.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            "--only", metavar="SOURCE,...", help="ec2, api; for a report: spot, capacity-blocks, savings-plans."
        ),
    ] = "",
    today: Annotated[str, typer.Option("--today", metavar="DAY", help="Day of the prices; default: today.")] = "",
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Take prices of hosted models that differ by more than a fifth.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Also write rates that plans do not use yet.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change and write nothing.")] = False,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Read today's on-demand prices, zones and prices of hosted models into your own catalog, for review.

    Writes catalog/prices/ec2/REGION.yaml, catalog/prices/api/PROVIDER.yaml and, where zones are others than plans
    know, catalog/regions/REGION.yaml beside the environments. What was written by hand stays. It needs credentials that
    may read prices, and the packages of spillway[refresh].
    """
    from planner.cli import refreshing

    with report_problems(form.value):
        asked = refreshing.asked_of(region or [], only, today, accept_changes, dry_run, report, folder)
        refreshing.refresh(asked, folder, form.value)


@catalog.command("quotas", short_help="Your account's vCPU quotas, to paste into an environment.")
def catalog_quotas(
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Default: the environments'.")] = "",
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """The account's vCPU quotas as the block `quotas:` of an environment, and how environments differ from it."""
    from planner.cli import refreshing

    with report_problems(form.value):
        refreshing.quotas(region, folder, form.value)


@models.command("suggest", short_help="Models that a route could accept, with the public evidence there is.")
def models_suggest(
    environment: Annotated[str, typer.Argument(metavar="[ENV]", help="Environment whose rules hold.")] = "",
    route: Annotated[str, typer.Argument(metavar="[ROUTE]", help="Its route.")] = "",
    metric: Annotated[str, typer.Option(help="Metric by which they are sorted.")] = "lmarena-text",
    minimum: Annotated[float | None, typer.Option(help="Least score: prints a line for an accept list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Name models without a public score too.")] = False,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Name the models that a route could accept: scores with source and day, licence, openness, hosted price.

    Models whose licence, place or privacy class leaves them no way to serve the route are left out. Whoever knows the
    task decides: an accept list is a judgement, and `quality.metric` with `quality.minimum` is another way to state it.
    """
    from planner.cli import suggesting

    with report_problems(form.value):
        suggesting.suggest(environment, route, metric, minimum, everything, folder, form.value)
