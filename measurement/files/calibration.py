"""Calibrates the performance model: a team's benchmark files in, `calibration/NAME.yaml` and the next runs out.

Everything is read and judged before anything is written. The result depends on the files, the catalog and the shipped
coefficients alone; the caller reads the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measurement.calibration.corrections import Refine, calibrate
from measurement.calibration.deployment import Said, deployment
from measurement.calibration.next_runs import Suggestion, next_runs
from measurement.calibration.runs import Deployment, Expected, OwnRun, foreseen
from measurement.evidence.benchmarks import subjects
from measurement.evidence.fit import refine
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
    """How own runs move the fit: beside the published measurements that ship with this version."""
    published, _ = subjects(load_measurements(), catalog.models, catalog.all_gpus)
    return lambda shipped, own: refine(published, own, shipped)


@dataclass(frozen=True)
class Judged:
    """One run beside what the model expected of it: as shipped, and calibrated."""

    own: OwnRun
    shipped: Expected
    calibrated: Expected


@dataclass(frozen=True)
class Calibrated:
    """What the files gave. file: None when there were none, only advice on runs to make."""

    file: CalibrationFile | None
    reading: Reading
    judged: tuple[Judged, ...]
    suggestions: tuple[Suggestion, ...]


def calibration_of(
    paths: Sequence[Path], options: Mapping[str, str], name: str, as_of: str, catalog: Catalog, refine: Refine
) -> Calibrated:
    """Read, judge and calibrate; nothing is written. name: of the calibration, from its GPUs if empty.

    Errors: `Problems` with everything that is wrong in any file.
    """
    shipped = load_coefficients()
    if not paths:
        return Calibrated(None, Reading((), (), {}, ()), (), next_runs([_wanted(options, catalog)], (), shipped))
    reading = read_benchmarks(paths, options, catalog)
    found = calibrate(reading.runs, reading.caps, catalog.gpus, shipped, refine)
    judged = tuple(_judged(reading.runs, found, shipped))
    file = CalibrationFile(
        format=FORMAT,
        name=name or "-".join(sorted(found)).lower(),
        date=as_of,
        engine_versions=tuple(sorted({each.deployment.engine_version or "unknown" for each in reading.runs})),
        shipped=Shipped(as_of=shipped.as_of, digest=shipped_digest()),
        files=tuple(File(file=each.file, tool=each.tool, sha256=each.sha256) for each in reading.files),
        runs=tuple(_row(each) for each in reading.runs),
        gpus=found,
    )
    return Calibrated(file, reading, judged, _advice(reading.runs, found))


def _wanted(options: Mapping[str, str], catalog: Catalog) -> Deployment:
    """The deployment that the options alone describe."""
    found = deployment([Said("the options", options)], None, catalog)
    if isinstance(found, Deployment):
        return found
    raise Problems(Problem(each.code, each.message, None, each.hint) for each in found)


def _judged(runs: Sequence[OwnRun], found: Mapping[str, Calibration], shipped: Coefficients) -> list[Judged]:
    before = foreseen(runs, shipped, [1.0] * len(runs))
    judged = []
    for own, was in zip(runs, before, strict=True):
        calibration = found[own.deployment.gpu.key]
        correction = calibration.corrections[own.deployment.weights]
        (now,) = foreseen([own], calibration.coefficients, [correction.step])
        judged.append(Judged(own, was, Expected(now.tpot_ms, now.ttft_ms * correction.first_token)))
    return judged


def _advice(runs: Sequence[OwnRun], found: Mapping[str, Calibration]) -> tuple[Suggestion, ...]:
    """The next runs on the GPU that was run most; others have their own advice when they are calibrated alone."""
    if not runs:
        return ()
    counts: dict[str, int] = {}
    for own in runs:
        counts[own.deployment.gpu.key] = counts.get(own.deployment.gpu.key, 0) + 1
    gpu = min(counts, key=lambda key: (-counts[key], key))
    made = [own for own in runs if own.deployment.gpu.key == gpu]
    return next_runs([own.deployment for own in made], made, found[gpu].coefficients)


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
