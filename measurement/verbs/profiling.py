"""`perf profile` measures the GPU of this machine, or prints the Kubernetes Job that measures one of the cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from measurement.files.run_profiler import profiler_output, program_text
from measurement.profile.document import doubts, parse
from measurement.profile.job import JobPlace, ProfileRequest, manifest, render
from measurement.views.profile import profile_lines
from planner.cli.output import note, warn
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.edges.catalog_files import load_catalog
from planner.edges.files import write_text
from planner.performance.projections import Projections, projections
from planner.words.diagnostics import Problem, Problems


def with_shapes(request: ProfileRequest, models: Sequence[str]) -> ProfileRequest:
    """The request with the shapes of these models, cut for its tensor-parallel sizes (for 1 unless it has any).

    Errors: `Problems` (PROF001), of all models in one run.
    """
    catalog, sizes = load_catalog(), request.tensor_parallel_sizes or (1,)
    shapes: list[Projections] = []
    problems: list[Problem] = []
    for name in models:
        model = catalog.model(name)
        if isinstance(model, Gap):
            problems.append(Problem("PROF001", model.message, hint=model.hint))
            continue
        for size in sizes:
            try:
                shapes.append(projections(model, size))
            except ValueError as error:
                problems.append(Problem("PROF001", str(error), hint="give a --tensor-parallel-size that divides them"))
    if problems:
        raise Problems(problems)
    if not shapes:
        return request
    for sentence in sorted({sentence for each in shapes for sentence in each.left_out}):
        note(f"left out: {sentence}")
    weights = tuple(sorted({weight for each in shapes for weight in each.weights}))
    heads = tuple(sorted({heads for each in shapes for heads in each.heads}))
    return replace(request, weights=weights, heads=heads, tensor_parallel_sizes=())


def print_manifest(request: ProfileRequest, models: Sequence[str], place: JobPlace) -> None:
    """Print the YAML of the Job, and on stderr what to do with it."""
    if problems := list(_place_problems(load_catalog(), request, place)):
        raise Problems(problems)
    objects = manifest(with_shapes(replace(request, gpus=request.gpus or 1), models), place, program_text())
    sys.stdout.write(render(objects))
    job, where = f"job/{objects[-1]['metadata']['name']}", f"kubectl -n {place.namespace}"
    note(f"start it:    spillway perf profile --manifest … | {where} apply -f -")
    note(f"wait for it: {where} wait --for=condition=complete --timeout=30m {job}")
    note(f"keep it:     {where} logs {job} > {place.gpu}.json")


def measure(request: ProfileRequest, models: Sequence[str], python: str, out: str) -> None:
    """Measure the GPU of this machine.

    python: path of a Python with PyTorch; empty for the one that runs this.
    out: file that receives the profile, or `-` for stdout.
    """
    request = with_shapes(request, models)
    if not Path(out).parent.is_dir():  # it is better to say so before minutes are spent
        raise Problems([Problem("IO002", f"{out} cannot be written: its folder does not exist")])
    text = profiler_output(request.arguments(), python or sys.executable, request.time_limit_s, note)
    profile = parse(text, "what the profiler printed")
    if out == "-":
        sys.stdout.write(text)
    else:
        write_text(Path(out), text)
        note(f"wrote {out}")
    catalog = load_catalog()
    gpu = profile.catalog_gpu(catalog.gpus)
    for line in profile_lines(profile, gpu):
        note(line)
    if profile.device == "cpu":
        note("a CPU was measured: this profile calibrates no GPU")
    elif gpu is None:
        hint = "it can be read, and calibrates no plan"
        warn([Problem("PROF006", f"the catalog has no GPU that the driver calls {profile.gpu!r}", hint=hint)])
    else:
        warn(Problem("PROF006", doubt, hint="do not calibrate with it") for doubt in doubts(profile, gpu))


def _place_problems(catalog: Catalog, request: ProfileRequest, place: JobPlace) -> Iterator[Problem]:
    if not place.gpu:
        hint = f"--gpu, one of {', '.join(sorted(catalog.gpus))}"
        yield Problem("PROF001", "a manifest is for one kind of GPU", hint=hint)
        return
    gpu = catalog.gpu(place.gpu)
    if isinstance(gpu, Gap):
        yield Problem("PROF001", gpu.message, hint=gpu.hint)
        return
    most = max((each.gpu_count for each in catalog.instances.values() if each.gpu == place.gpu), default=0)
    if request.gpus > most:
        yield Problem("PROF001", f"no machine has {request.gpus} {place.gpu}", hint=f"the largest has {most}")
    if request.device == "cpu":
        yield Problem("PROF001", "a Job on GPUs does not measure the CPU", hint="leave --device out")
