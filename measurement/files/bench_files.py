"""Reads benchmark files: knows each by its content, adds what it cannot say, and refuses what cannot be used.

    FILE.json            report of one of the tools of `bench.formats`, or of `spillway perf profile`
    FILE.yaml            what the run of FILE.json ran on (`gpu: L4` …); `deployment.yaml` says so for its whole folder
    config.yaml          load and model of the inference-perf report beside it

Every problem of every file is reported in one run:

    CAL001            the file is not JSON or YAML
    CAL002            the file is of another tool or version, or belongs to no report
    CAL003            a fact about the deployment stands nowhere, or the catalog does not know it
    CAL004            two facts contradict each other
    CAL005            a figure is missing
    CAL010 to CAL016  a run cannot be used (`calibration.refusals`)
    CAL017            a profile bounds nothing

Where a file holds several runs, those that cannot be used are left out with a warning, as long as one remains, because
a sweep of loads ends in saturation on purpose.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from measurement.calibration.deployment import FactSource, argument_facts, deployment_facts, stated_deployment
from measurement.calibration.refusals import RunRefusal, expectation_refusals, refusals, run_refusals
from measurement.calibration.runs import BenchRun, OwnRun
from measurement.files.bench import profile_bounds
from measurement.files.bench.formats import FORMATS, BenchFormat, format_of, is_inference_perf_config, other_tool
from measurement.files.bench.sheet import MissingFigure
from measurement.profile.document import parse
from planner.documents.lock import digest
from planner.domain.catalog import Catalog
from planner.edges.files import read_text
from planner.edges.performance_files import load_coefficients
from planner.performance.calibration import Caps
from planner.words.diagnostics import Problem, Problems, Span

BESIDE = "deployment.yaml"
LONGEST_SOURCE = 200
"""Characters of the longest line that is shown below a problem. Many reports are one long line."""


@dataclass(frozen=True, slots=True)
class BenchFile:
    """A file that was used.

    sha256: digest of its text.
    """

    file: str
    tool: str
    sha256: str


@dataclass(frozen=True)
class Reading:
    """What the files hold together.

    files: files that were used.
    runs: runs that may be used, each of them once.
    caps: bounds of micro-benchmarks, by GPU.
    warnings: why other runs were left out.
    """

    files: tuple[BenchFile, ...]
    runs: tuple[OwnRun, ...]
    caps: Mapping[str, Caps]
    warnings: tuple[Problem, ...]


@dataclass(frozen=True)
class _Source:
    """A file as text, and the documents in it."""

    path: Path
    text: str
    documents: tuple[Any, ...]

    def span(self, key: str = "") -> Span:
        """The place where a key first stands, or the beginning of the file."""
        place = re.search(rf'"{re.escape(key)}"\s*:', self.text) if key else None
        if place is None:
            return Span(str(self.path), 1)
        at = place.start()
        line = self.text.count("\n", 0, at) + 1
        start = self.text.rfind("\n", 0, at) + 1
        source = self.text[start:].split("\n", 1)[0]
        shown = source if len(source) <= LONGEST_SOURCE else ""
        return Span(str(self.path), line, at - start + 1, len(key) + 2, shown)

    def problem(self, code: str, message: str, hint: str = "", key: str = "") -> Problem:
        """A problem with this file, at the place of a key."""
        return Problem(code, message, self.span(key), hint)


def read_benchmarks(paths: Sequence[Path], options: Mapping[str, str], catalog: Catalog) -> Reading:
    """All runs of these files and folders that may be used.

    options: facts about the deployment that the files do not state, by the name of their option.
    Errors: `Problems` with everything that is wrong in any of the files.
    """
    problems: list[Problem] = []
    sources = [source for path in _files(paths, problems) if (source := _source(path, problems)) is not None]
    configs = {s.path.parent: s.documents[0] for s in sources if is_inference_perf_config(s.documents[0])}
    files, warnings = [], list[Problem]()
    runs: dict[str, OwnRun] = {}
    caps: dict[str, Caps] = {}
    for source in sources:
        if source.path.suffix in (".yaml", ".yml"):
            problems += _unused_yaml(source)
            continue
        if profile_bounds.is_profile(source.documents[0]):
            caps |= _profile_caps(source, catalog, problems, warnings)
            files.append(_bench_file(source, "spillway perf profile"))
            continue
        form = _format(source, problems)
        if form is None:
            continue
        usable, refused = _runs(source, form, configs, options, catalog, problems)
        warnings += refused
        runs |= {each.digest: each for each in usable}
        files.append(_bench_file(source, form.name))
    if not (runs or caps or problems):
        problems.append(Problem("CAL002", "there is no benchmark among these files", hint="name files of results"))
    if problems:
        raise Problems((*problems, *warnings))
    ordered = sorted(runs.values(), key=lambda each: (each.deployment.gpu.key, each.deployment.weights, each.digest))
    return Reading(tuple(sorted(set(files), key=lambda f: (f.file, f.sha256))), tuple(ordered), caps, tuple(warnings))


def _files(paths: Iterable[Path], problems: list[Problem]) -> list[Path]:
    """The files in a fixed order. A folder stands for its JSON files."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            if not inside:
                problems.append(Problem("CAL002", f"{path} holds no .json file", Span(str(path), 1)))
            files += inside
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _source(path: Path, problems: list[Problem]) -> _Source | None:
    """The file at a path with its documents; None where it cannot be read, which is then a problem."""
    try:
        text = read_text(path, "name benchmark files, or a folder of them")
    except Problems as unreadable:
        problems += unreadable.problems
        return None
    if path.suffix in (".yaml", ".yml"):
        try:
            return _Source(path, text, (yaml.safe_load(text),))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = Span(str(path), mark.line + 1 if mark else 1)
            problems.append(Problem("CAL001", "this is not YAML", where))
            return None
    documents: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    while (start := _after_blanks(text, at)) < len(text) or not documents:
        try:
            document, at = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError) as error:
            problems.append(_not_json(path, text, error))
            return None
        documents.append(document)
    return _Source(path, text, tuple(documents))


def _after_blanks(text: str, at: int) -> int:
    """Index of the next character that is no blank."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _not_json(path: Path, text: str, error: json.JSONDecodeError | RecursionError) -> Problem:
    if isinstance(error, RecursionError):
        return Problem("CAL001", "this is not JSON that ends", Span(str(path), 1))
    where = Span(str(path), error.lineno, error.colno)
    cut = (text.strip()[:1] in ("{", "[") and error.pos >= len(text.rstrip()) - 1) or "Unterminated" in error.msg
    if not text.strip():
        return Problem("CAL001", "the file is empty", where, "was the benchmark ended before it saved its result?")
    if cut:
        hint = "was the benchmark ended, or the copy, before it was whole? run or copy it again"
        return Problem("CAL001", "the file is truncated: it ends in the middle of its JSON", where, hint)
    return Problem("CAL001", f"this is not JSON: {error.msg}", where, "give the JSON file that the tool saved")


def _format(source: _Source, problems: list[Problem]) -> BenchFormat | None:
    """The one format of all documents of a file.

    It is None where the documents have no format that is understood, which is then a problem.
    """
    forms = [format_of(document) for document in source.documents]
    form = forms[0]
    if form is None or any(each is not form for each in forms):
        other = other_tool(source.documents[0])
        hint = f"known are {', '.join(each.name for each in FORMATS)} and `spillway perf profile`"
        what = f"this is {other}, which lacks what calibration needs" if other else "this is no benchmark that is known"
        problems.append(source.problem("CAL002", what, hint))
        return None
    versions = (form.other_version(document) for document in source.documents)
    other_version = next((version for version in versions if version), "")
    if other_version:
        hint = "use a release of the tool that writes it"
        problems.append(source.problem("CAL002", f"{form.name}: {other_version}", hint))
        return None
    return form


def _runs(
    source: _Source,
    form: BenchFormat,
    configs: Mapping[Path, Any],
    options: Mapping[str, str],
    catalog: Catalog,
    problems: list[Problem],
) -> tuple[list[OwnRun], list[Problem]]:
    """(the runs of a file that may be used, why other runs of the same file are left out).

    Where no run may be used, the reasons become problems.
    """
    config = _config(source.path, configs, problems) if form.name == "inference-perf" else None
    missing: list[MissingFigure] = []
    runs = [run for document in source.documents for run in form.read(document, config, missing)]
    if missing:
        hint = f"a whole report of {form.name} has it; save it again with streaming on"
        unique = dict.fromkeys(missing)
        problems += [source.problem("CAL005", each.message, hint, each.key) for each in unique]
        return [], []
    if len(source.documents) > 1:
        runs = [replace(run, part=f"run {number}") for number, run in enumerate(runs, 1)]
    notes = _notes_beside(source.path, problems)
    usable: list[OwnRun] = []
    refused: list[Problem] = []
    for run in runs:
        sources = [FactSource("the file", run.stated), *notes, FactSource("the options", options)]
        deployment = stated_deployment(sources, run.model_name, catalog)
        if isinstance(deployment, tuple):
            refused += _refusal_problems(source, run, (*deployment, *run_refusals(run)))
            continue
        own = OwnRun(run, deployment, digest(_values(run)), source.path.name)
        reasons = refusals(own) or expectation_refusals(own, load_coefficients())
        refused += _refusal_problems(source, run, reasons)
        if not reasons:
            usable.append(own)
    if usable and len(runs) > 1:
        return usable, [replace(problem, severity="warning") for problem in refused]
    problems += refused
    return usable, []


def _refusal_problems(source: _Source, run: BenchRun, reasons: Iterable[RunRefusal]) -> list[Problem]:
    """The refusals of a run as problems with its file."""
    prefix = f"{run.part}: " if run.part else ""
    return [source.problem(r.code, prefix + r.message, r.hint, "" if run.part else r.key) for r in reasons]


def _values(run: BenchRun) -> dict[str, Any]:
    """What was read of a run, as plain values. The same run in another file has the same values and digest."""
    return {name: value for name, value in asdict(run).items() if name != "part"}


def _config(path: Path, configs: Mapping[Path, Any], problems: list[Problem]) -> Mapping[str, Any] | None:
    """The configuration of inference-perf that is among the files, or else beside the report."""
    given = configs.get(path.parent)
    if given is None and (beside := path.parent / "config.yaml").exists():
        source = _source(beside, problems)
        given = source.documents[0] if source and is_inference_perf_config(source.documents[0]) else None
    return given if isinstance(given, Mapping) else None


def _notes_beside(path: Path, problems: list[Problem]) -> list[FactSource]:
    """What YAML files beside a report say about its deployment."""
    notes = []
    for note in (path.with_suffix(".yaml"), path.parent / BESIDE):
        if not note.exists():
            continue
        source = _source(note, problems)
        if source is None or is_inference_perf_config(source.documents[0]):
            continue
        if not isinstance(source.documents[0], Mapping):
            problems.append(source.problem("CAL002", "a list of facts is expected, like `gpu: L4`"))
            continue
        stated = source.documents[0]
        notes.append(FactSource(note.name, deployment_facts(stated)))
        notes.append(FactSource(f"the arguments in {note.name}", argument_facts(stated)))
    return notes


def _unused_yaml(source: _Source) -> list[Problem]:
    """The problem of a YAML file that was named itself: there is none where it belongs to a report beside it."""
    document = source.documents[0]
    if is_inference_perf_config(document) or source.path.name == BESIDE:
        return []
    states = isinstance(document, Mapping) and (deployment_facts(document) or argument_facts(document))
    if states and source.path.with_suffix(".json").exists():
        return []
    hint = f"call it {BESIDE}, or like the report that it belongs to"
    return [source.problem("CAL002", "this YAML file belongs to no report", hint)]


def _bench_file(source: _Source, tool: str) -> BenchFile:
    return BenchFile(source.path.name, tool, "sha256:" + hashlib.sha256(source.text.encode()).hexdigest())


def _profile_caps(
    source: _Source, catalog: Catalog, problems: list[Problem], warnings: list[Problem]
) -> dict[str, Caps]:
    """The bounds of the GPU that was profiled, by its key; empty where there are none, which is then a problem."""
    hint = "profile the GPU that the replicas run on, and nothing else on it meanwhile"
    try:
        profile = parse(source.text, str(source.path))
    except Problems as unreadable:
        problems += unreadable.problems
        return {}
    gpu = profile.catalog_gpu(catalog.gpus)
    if gpu is None:
        problems.append(source.problem("CAL003", f"{profile.gpu} is no GPU of the catalog", hint, "gpu"))
        return {}
    bounds, doubts = profile_bounds.bounds(profile, gpu)
    if bounds.is_empty:
        why = "; ".join(doubts) or "neither bandwidth nor matrix products nor all-reduces were measured"
        problems.append(
            source.problem("CAL017", f"this profile bounds nothing: {why}", "leave it out, or run perf profile in full")
        )
        return {}
    warnings += [replace(source.problem("CAL005", doubt, hint), severity="warning") for doubt in doubts]
    return {gpu.key: bounds}
