"""The verbs `perf …` and `traces …`: what is known from measurements and from logs.

Each imports its work when it is called, so that `--help` stays instant.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.options import HERE, AsFormat, Folder, OutputFormat
from planner.cli.output import report_problems

perf = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The performance model as a tool.")
traces = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Your own load, from logs of requests.")


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
