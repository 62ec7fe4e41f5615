"""Calibrates the performance model by a team's benchmark files, and says which runs to make next.

    benchmark files → CalibrationFile, which becomes `calibration/NAME.yaml`, and suggestions

The files are read and judged here; the caller writes the calibration. The result depends on the files, the catalog and
the shipped coefficients alone; the caller reads the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measurement.calibration.corrections import Refine, calibrations
from measurement.calibration.deployment import FactSource, stated_deployment
from measurement.calibration.next_runs import Suggestion, next_runs
from measurement.calibration.runs import Deployment, ExpectedFigures, OwnRun, expected_figures
from measurement.evidence.fit import refine
from measurement.evidence.rows import deployed_runs
from measurement.files.bench_files import Reading, read_benchmarks
from measurement.files.fit_files import load_measurements
from planner.documents.calibration import FORMAT, CalibratedRun, CalibrationFile, File, Shipped
from planner.domain.catalog import Catalog
from planner.edges.calibration_digests import shipped_digest
from planner.edges.performance_files import load_coefficients
from planner.performance.calibration import Calibration
from planner.performance.coefficients import Coefficients
from planner.words.diagnostics import Problem, Problems


def refiner(catalog: Catalog) -> Refine:
    """The fit that own runs move. They are fitted together with the published measurements that ship."""
    published, _ = deployed_runs(load_measurements(catalog), catalog.models, catalog.all_gpus)
    return lambda shipped, own: refine(published, own, shipped)


@dataclass(frozen=True)
class ComparedRun:
    """One run beside what the model expects of it.

    shipped: expectation of the shipped model.
    calibrated: expectation of the calibrated model.
    """

    own: OwnRun
    shipped: ExpectedFigures
    calibrated: ExpectedFigures


@dataclass(frozen=True)
class CalibrationResult:
    """What benchmark files gave.

    file: the calibration; None when there were no files, so that there is only advice on runs to make.
    reading: what the files hold.
    compared: each run beside the model's expectations.
    suggestions: runs to make next, the best one first.
    """

    file: CalibrationFile | None
    reading: Reading
    compared: tuple[ComparedRun, ...]
    suggestions: tuple[Suggestion, ...]


def calibration_result(
    paths: Sequence[Path], options: Mapping[str, str], name: str, as_of: str, catalog: Catalog, refine: Refine
) -> CalibrationResult:
    """Read and judge the files, and calibrate. Nothing is written.

    options: facts about the deployment that the files do not state, by the name of their option.
    name: name of the calibration; if empty, it is made of its GPUs.
    as_of: day of the calibration, YYYY-MM-DD.
    Errors: `Problems` with everything that is wrong in any file.
    """
    shipped = load_coefficients()
    if not paths:
        suggestions = next_runs([_wanted_deployment(options, catalog)], (), shipped)
        return CalibrationResult(None, Reading((), (), {}, ()), (), suggestions)
    reading = read_benchmarks(paths, options, catalog)
    by_gpu = calibrations(reading.runs, reading.caps, catalog.gpus, shipped, refine)
    file = CalibrationFile(
        format=FORMAT,
        name=name or "-".join(sorted(by_gpu)).lower(),
        date=as_of,
        engine_versions=tuple(sorted({each.deployment.engine_version or "unknown" for each in reading.runs})),
        shipped=Shipped(as_of=shipped.as_of, digest=shipped_digest()),
        files=tuple(File(file=each.file, tool=each.tool, sha256=each.sha256) for each in reading.files),
        runs=tuple(_row(each) for each in reading.runs),
        gpus=by_gpu,
    )
    compared = _compared_runs(reading.runs, by_gpu, shipped)
    return CalibrationResult(file, reading, compared, _suggestions(reading.runs, by_gpu))


def _wanted_deployment(options: Mapping[str, str], catalog: Catalog) -> Deployment:
    """The deployment that the options alone describe."""
    deployment = stated_deployment([FactSource("the options", options)], None, catalog)
    if isinstance(deployment, Deployment):
        return deployment
    raise Problems(Problem(each.code, each.message, None, each.hint) for each in deployment)


def _compared_runs(
    runs: Sequence[OwnRun], by_gpu: Mapping[str, Calibration], shipped: Coefficients
) -> tuple[ComparedRun, ...]:
    by_shipped = expected_figures(runs, shipped, [1.0] * len(runs))
    compared = []
    for own, expected in zip(runs, by_shipped, strict=True):
        calibration = by_gpu[own.deployment.gpu.key]
        correction = calibration.corrections[own.deployment.weights]
        (now,) = expected_figures([own], calibration.coefficients, [correction.step])
        corrected = ExpectedFigures(now.tpot_ms, now.ttft_ms * correction.first_token)
        compared.append(ComparedRun(own, expected, corrected))
    return tuple(compared)


def _suggestions(runs: Sequence[OwnRun], by_gpu: Mapping[str, Calibration]) -> tuple[Suggestion, ...]:
    """The next runs on the GPU with the most runs. Another GPU has its own when its files are calibrated alone."""
    if not runs:
        return ()
    counts: dict[str, int] = {}
    for own in runs:
        counts[own.deployment.gpu.key] = counts.get(own.deployment.gpu.key, 0) + 1
    gpu = min(counts, key=lambda key: (-counts[key], key))
    made = [own for own in runs if own.deployment.gpu.key == gpu]
    return next_runs([own.deployment for own in made], made, by_gpu[gpu].coefficients)


def _row(own: OwnRun) -> CalibratedRun:
    run, d, figures = own.run, own.deployment, own.figures()
    return CalibratedRun(
        file=own.file,
        part=run.part,
        digest=own.digest,
        model=d.model.key,
        quantization=d.quantization.name,
        kv_cache_dtype=d.kv,
        gpu=d.gpu.key,
        tensor_parallel_size=d.tensor_parallel_size,
        engine_version=d.engine_version,
        date=run.date,
        load="closed" if run.is_closed_loop else "open",
        in_flight=run.load,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        completed=run.completed,
        tpot_ms=figures.get("tpot"),
        ttft_ms=figures.get("ttft"),
    )
