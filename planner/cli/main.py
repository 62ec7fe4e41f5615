"""The verbs of `spillway` and their options. Each imports its work when it is called, so that `--help` stays instant.

Exit codes: 0 yes, fresh or written; 1 the answer is no (stale, denied, infeasible); 2 could not answer (usage, bad
file, I/O). The answer goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.output import report_problems

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small here: more threads only wait for each other

app = typer.Typer(
    name="spillway",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Plans, reviews, rehearses and explains the serving of language models: GPUs first, hosted APIs as overflow.",
)


class OutputFormat(StrEnum):
    """How an answer is printed."""

    text = "text"
    json = "json"


class Device(StrEnum):
    """What a profile measures."""

    cuda = "cuda"
    cpu = "cpu"


class Dtype(StrEnum):
    """Type of the operands of a matrix product."""

    bf16 = "bf16"
    fp16 = "fp16"
    fp8 = "fp8"
    int8 = "int8"


class HeldOut(StrEnum):
    """Which rows are left out of a fit together."""

    sources = "sources"
    cells = "cells"
    gpus = "gpus"
    none = "none"


Folder = Annotated[Path, typer.Option("--environments", envvar="SPILLWAY_ENVIRONMENTS", help="Folder of NAME.yaml.")]
EnvironmentName = Annotated[
    str, typer.Argument(metavar="ENV", help="Name of an environment, or the path of its YAML file.")
]
AsFormat = Annotated[OutputFormat, typer.Option("--format", help="text for people, json for programs.")]
HERE = Path("environments")


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
    environments: Annotated[list[str], typer.Argument(metavar="ENV...", help="Environments to plan.")],
    folder: Folder = HERE,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Plan on the newest price snapshot.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Compute the cheapest plan and write its lock."""
    from planner.cli import planning

    with report_problems(form.value):
        planning.plan(environments, folder, upgrade, dry_run, form.value)


@app.command(short_help="Is each lock fresh, whole and consistent?")
def check(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ENV...]", help="Default: all.")] = None,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Is each lock fresh, whole and consistent? Digests and arithmetic, no solver."""
    from planner.cli import review

    with report_problems(form.value):
        review.check(environments or [], folder, form.value)


@app.command()
def diff(
    environment: EnvironmentName,
    base: Annotated[str, typer.Option("--base", help="Git revision, or a lock file, to compare against.")] = "HEAD",
    folder: Folder = HERE,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when anything changed.")] = False,
    form: AsFormat = OutputFormat.text,
) -> None:
    """What the lock changes in dollars, and why."""
    from planner.cli import review

    with report_problems(form.value):
        review.diff(environment, base, folder, exit_code, form.value)


@app.command()
def show(environment: EnvironmentName, folder: Folder = HERE, form: AsFormat = OutputFormat.text) -> None:
    """The plan that is locked."""
    from planner.cli import review

    with report_problems(form.value):
        review.show(environment, folder, form.value)


@app.command(short_help="Why the plan is what it is; what a code means.")
def explain(
    environment: Annotated[str, typer.Argument(metavar="ENV|CODE", help="An environment, or a code like ENV003.")],
    why_not: Annotated[
        str, typer.Option("--why-not", help="Words of a candidate: 'L4 qwen3-32b', 'p5.48xlarge'.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="With --why-not: a line for each candidate.")] = False,
    break_even: Annotated[bool, typer.Option("--break-even", help="Only the cost over load.")] = False,
    folder: Folder = HERE,
) -> None:
    """Why the plan is what it is, why a candidate is not in it, or what a code means."""
    if every and not why_not:
        raise typer.BadParameter("it is for --why-not; write the words of a candidate there", param_hint="--all")
    from planner.cli import explaining

    with report_problems("text"):
        if why_not:
            explaining.why_not(environment, why_not, every, folder)
        else:
            explaining.explain(environment, break_even, folder)


@app.command(short_help="Replay traffic through the real gateway.")
def rehearse(
    environment: EnvironmentName,
    speed: Annotated[float, typer.Option("--speed", min=1, max=50, help="Times faster than life.")] = 10.0,
    kill: Annotated[str, typer.Option("--kill", help="Pool to kill in the middle; 'none' for none.")] = "",
    slow_down: Annotated[float, typer.Option("--slow-down", min=0.1, help="Engines this many times slower.")] = 1.0,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Replay traffic through the real gateway and imitated engines, and compare with the plan."""
    from planner.cli import rehearsing

    with report_problems(form.value):
        rehearsing.rehearse(environment, speed, kill, slow_down, folder, form.value)


perf = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The performance model as a tool.")
app.add_typer(perf, name="perf")


@perf.command("fit")
def perf_fit(
    out: Annotated[Path, typer.Option("--out", help="Folder that receives coefficients-DAY.json.")] = Path(),
    as_of: Annotated[str, typer.Option("--as-of", help="Day of the fit, YYYY-MM-DD; default: today.")] = "",
) -> None:
    """Fit the model to the shipped measurements anew and write its coefficients."""

    from measurement.verbs import fitting

    with report_problems("text"):
        fitting.fit(out, as_of)


@perf.command("predict", short_help="Figures of published benchmark runs, a row each.")
def perf_predict(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Benchmark rows; `value` may be missing.")],
    out: Annotated[str, typer.Option("-o", "--out", metavar="OUT.csv", help="Where to write; - prints.")],
) -> None:
    """Predict the figure of each benchmark row in its own metric and unit: interval, provenance, or why none."""
    from measurement.verbs import predicting

    with report_problems("text"):
        predicting.predict(file, out)


@perf.command("accuracy", short_help="How near predictions come to measured figures.")
def perf_accuracy(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.csv", help="Benchmark rows with a measured `value`; default: the shipped ones."),
    ] = None,
    held_out: Annotated[
        HeldOut | None,
        typer.Option("--held-out", help="Predict each row by a fit without its source (default), cell or GPU."),
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write them as JSON.")] = None,
    as_markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="As Markdown.")] = None,
    as_plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="As a picture.")] = None,
) -> None:
    """Score predictions against measured figures: error and bias by metric, GPU, link, TP, model family and engine.

    The rows are fitted anew, once without each source, each cell (model family × GPU) or each GPU: up to a minute. With
    `none`, and by default for a FILE, the shipped fit predicts them, which saw the shipped rows.
    """
    from measurement.verbs import predicting

    with report_problems("text"):
        by = held_out or (HeldOut.none if file else HeldOut.sources)
        predicting.accuracy(file, "" if by is HeldOut.none else by.value, as_json, as_markdown, as_plot)


@perf.command("profile", short_help="Measure what a GPU reaches, here or as a Job.")
def perf_profile(
    out: Annotated[str, typer.Option("-o", "--out", metavar="FILE", help="Where to write; - prints.")] = "-",
    model: Annotated[list[str] | None, typer.Option(help="Shapes of this model. May be repeated.")] = None,
    tensor_parallel_size: Annotated[list[int] | None, typer.Option(min=1, help="Cut for so many GPUs.")] = None,
    dtype: Annotated[list[Dtype] | None, typer.Option(help="Products in this type; default: all.")] = None,
    gpus: Annotated[int, typer.Option(min=0, max=16, help="GPUs of the all-reduce; 0: all, or 1 of a Job.")] = 0,
    time_limit: Annotated[int, typer.Option(min=10, max=3600, help="Seconds of measuring.")] = 240,
    quick: Annotated[bool, typer.Option("--quick", help="A few small shapes, to try it.")] = False,
    device: Annotated[Device, typer.Option(help="cpu tries it where there is no GPU.")] = Device.cuda,
    python: Annotated[str, typer.Option(metavar="PATH", help="A Python with PyTorch; default: this one.")] = "",
    manifest: Annotated[bool, typer.Option("--manifest", help="Print a Kubernetes Job instead.")] = False,
    gpu: Annotated[str, typer.Option(help="GPU of the Job, as the catalog calls it.")] = "",
    image: Annotated[str, typer.Option(help="Image of the Job; default: vLLM's.")] = "",
    namespace: Annotated[str, typer.Option(help="Namespace of the Job.")] = "serving",
    node_group: Annotated[str, typer.Option(help="Node group of the Job; default: any with that GPU.")] = "",
) -> None:
    """Measure bandwidth, matrix products, attention, all-reduce and launches of the GPU here, for `perf calibrate`.

    With --manifest, print the Kubernetes Job that does the same in vLLM's image on a node of the cluster.
    """
    if gpu and not manifest:
        raise typer.BadParameter("it is for --manifest; here the GPU is the one that PyTorch finds", param_hint="--gpu")
    from measurement.profile.job import IMAGE, JobPlace, ProfileRequest
    from measurement.verbs import profiling

    with report_problems("text"):
        request = ProfileRequest(
            device=device.value,
            gpus=gpus,
            tensor_parallel_sizes=tuple(tensor_parallel_size or ()),
            dtypes=tuple(each.value for each in dtype or ()),
            grid="quick" if quick else "full",
            time_limit_s=time_limit,
        )
        if manifest:
            profiling.print_manifest(request, model or [], JobPlace(gpu, image or IMAGE, namespace, node_group))
        else:
            profiling.measure(request, model or [], python, out)


@perf.command("calibrate", short_help="Correct the model by your own benchmark runs.")
def perf_calibrate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Results of vllm bench serve, GuideLLM, AIPerf, inference-perf."),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Key in the catalog, where the served name is another.")] = "",
    gpu: Annotated[str, typer.Option("--gpu", help="GPU that it ran on, like L4.")] = "",
    tensor_parallel_size: Annotated[str, typer.Option("--tensor-parallel-size", help="GPUs of the replica.")] = "",
    quantization: Annotated[str, typer.Option("--quantization", help="Format of the weights, like fp8.")] = "",
    kv_cache_dtype: Annotated[str, typer.Option("--kv-cache-dtype", help="Of the engine; default: auto.")] = "",
    max_num_batched_tokens: Annotated[str, typer.Option("--max-num-batched-tokens", help="Of the engine.")] = "",
    api_server_count: Annotated[str, typer.Option("--api-server-count", help="Of the engine; default: 1.")] = "",
    engine_version: Annotated[str, typer.Option("--engine-version", help="Of vLLM.")] = "",
    name: Annotated[str, typer.Option("--name", help="Of the calibration; default: its GPUs.")] = "",
    as_of: Annotated[str, typer.Option("--as-of", help="Its day, YYYY-MM-DD; default: today.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it and write nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Forget its runs that are not given again.")] = False,
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """Correct the model by your own benchmark runs, and say which six to make next.

    Writes calibration/NAME.yaml beside the environments, which plans read. What a file does not say of its deployment
    comes from these options or from a deployment.yaml beside it. Without files: the first six runs to make.
    """
    from measurement.verbs import calibrating

    stated = {
        "model": model,
        "gpu": gpu,
        "tensor_parallel_size": tensor_parallel_size,
        "quantization": quantization,
        "kv_cache_dtype": kv_cache_dtype,
        "max_num_batched_tokens": max_num_batched_tokens,
        "api_server_count": api_server_count,
        "engine_version": engine_version,
    }
    options = {name: value for name, value in stated.items() if value}
    with report_problems(form.value):
        calibrating.calibrate(files or [], options, name, folder, as_of, dry_run, replace, form.value)


catalog = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The facts that plans rest on, and your own.")
app.add_typer(catalog, name="catalog")


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


models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Which models are good enough.")
app.add_typer(models, name="models")


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
    folder: Folder = HERE,
    form: AsFormat = OutputFormat.text,
) -> None:
    """What differs between two price snapshots: changed, gone and added prices, the largest change first."""
    from planner.cli import catalog_views

    with report_problems(form.value):
        catalog_views.diff(before, after, folder, form.value)


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


traces = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Your own load, from logs of requests.")
app.add_typer(traces, name="traces")


@traces.command("summarize", short_help="Logs of requests become a summary that plans read.")
def traces_summarize(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Logs, also .gz; in any order.")],
    out: Annotated[str, typer.Option("-o", "--out", metavar="NAME.trace.json", help="Where to write; - prints.")] = "",
    log_format: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="What the files are; default: told from their first lines."),
    ] = "",
    mapping: Annotated[
        str,
        typer.Option(
            "--map", metavar="ROLE=NAME,...", help="Columns or keys: at, input, output, session. A unit: at=ts:ms."
        ),
    ] = "",
    timezone: Annotated[str, typer.Option("--timezone", metavar="TZ", help="Of dates without a zone.")] = "",
    max_bad: Annotated[str, typer.Option("--max-bad", metavar="SHARE", help="Rows that may be unreadable.")] = "1%",
) -> None:
    """Summarise logs of requests: rate, week, lengths, bursts, prefix reuse; no text and no ids.

    Formats: azure, mooncake, burstgpt, vllm, litellm, otel, gateway, csv, jsonl.
    """
    from planner.cli import summarizing

    with report_problems("text"):
        summarizing.summarize_files(files, log_format, mapping, timezone, out, max_bad)


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
