"""Reads scores of models: `scores/METRIC.yaml` of the shipped catalog, of the team's own, or a file of an environment.

Such a file says what was measured, by whom and when, and then one line a model:

    name: Answers of support, own evaluation
    scale: share of 400 cases that were judged right
    source: run of 2026-11-10, judged by two people
    as_of: 2026-11-10
    scores:
      gpt-oss-120b: {score: 0.86, reasoning: true}
      qwen3-32b: 0.83
    ...

SCR001: a file that is not there, or that has not this form. All problems of a file are told in one run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.scores import Metric
from planner.edges.catalog_files import package_folder
from planner.edges.catalog_tables import reader_of, row_doubts
from planner.edges.catalog_yaml import END
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, read, value_at

SCORES = "scores"
"""Name of the folder in either catalog."""
_SUFFIX = ".yaml"


def known_metrics(own: Path, catalog: Catalog) -> dict[str, Metric]:
    """Return every metric by its key: those of the team's own catalog win over the shipped ones.

    own: folder of the own catalog, which need not be there. Raises `Problems` when a file is damaged.
    """
    problems: list[Problem] = []
    found: dict[str, Metric] = {}
    for folder, shown in ((package_folder(), ""), (own, f"{own}/")):
        for file in _files(folder.joinpath(SCORES)):
            key = file.name.removesuffix(_SUFFIX)
            try:
                found[key] = _metric(key, _text(file), f"{shown}{SCORES}/{file.name}", catalog)
            except Problems as refused:
                problems.extend(refused.problems)
    if problems:
        raise Problems(problems)
    return found


def metric_problems(names: Iterable[str], own: Path, catalog: Catalog | None) -> Iterator[Problem]:
    """Yield what is wrong with the metrics of the team's own catalog, whether any route asks for them or not.

    names: their files without the suffix. catalog: what holds the models that are scored; None while nobody can say
    which there are.
    """
    for name in names:
        file = own / SCORES / f"{name}{_SUFFIX}"
        try:
            _metric(name, _text(file), str(file), catalog)
        except Problems as refused:
            yield from refused.problems


def _text(file: Traversable, hint: str = "") -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problems([Problem("SCR001", f"{file} cannot be read: {error}", hint=hint)]) from error


def read_metric(key: str, path: Path, catalog: Catalog) -> Metric:
    """Return the metric of one file. Raises `Problems` with SCR001."""
    hint = "`quality.scores` is a path beside the environment; docs/catalog.md shows the form of the file"
    return _metric(key, _text(path, hint), str(path), catalog)


def _files(folder: Traversable) -> list[Traversable]:
    if not folder.is_dir():
        return []
    return sorted((file for file in folder.iterdir() if file.name.endswith(_SUFFIX)), key=lambda file: file.name)


def _metric(key: str, text: str, file: str, catalog: Catalog | None) -> Metric:
    lines = text.rstrip().splitlines()
    if lines[-1:] != [END]:
        hint = f"the last line of a file of scores is `{END}`; without it the file was cut off"
        raise Problems([Problem("SCR001", f"{file} does not end", Span(file, max(1, len(lines))), hint)])
    try:
        document = read(text, file)
    except Problems as broken:
        raise Problems(replace(problem, code="SCR001") for problem in broken.problems) from None
    value = document.value if isinstance(document.value, dict) else {}
    scores = value.get("scores")
    rows = scores if isinstance(scores, dict) else None
    stated = {str(name): row for name, row in value.items()} | ({} if rows is None else {"scores": _with_names(rows)})
    try:
        metric = reader_of(Metric).validate_json(json.dumps({**stated, "key": key}, default=str))
    except (ValidationError, ValueError) as error:
        raise Problems(list(_form_problems(error, document))) from error
    problems = [*_doubts(metric, stated, document), *_no_figures(metric, document)]
    problems.extend(_unknown_models(metric, document, catalog) if catalog is not None else ())
    if problems:
        raise Problems(problems)
    return metric


def _with_names(rows: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the lines as mappings: a bare figure is a score of which nothing else is said."""
    return {str(name): row if isinstance(row, dict) else {"score": row} for name, row in rows.items()}


def _form_problems(error: ValueError, document: Document) -> Iterator[Problem]:
    hint = "a file of scores has `name`, `scale`, `source`, `as_of`, and `scores` with a number for each model"
    if not isinstance(error, ValidationError):
        yield Problem("SCR001", f"{document.file}: {error}", document.at(()), hint)
        return
    for detail in error.errors(include_url=False, include_context=False):
        place = tuple(detail["loc"])
        yield Problem(
            "SCR001",
            f"{'.'.join(map(str, place))}: {detail['msg']}",
            document.at(place) or Span(document.file, 1),
            hint,
        )


def _doubts(metric: Metric, stated: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    """Yield what the type cannot refuse: what no catalog row may hold, texts that are empty, a file without scores."""
    for place, message in row_doubts(metric, stated, implied={"key"}):
        yield Problem("SCR001", message, document.key(place), "docs/catalog.md shows the form of the file")
    for name in ("name", "scale"):
        if not str(stated[name]).strip():
            yield Problem("SCR001", f"`{name}` is empty", document.at((name,)), "say it, for whoever reads the plan")
    if not metric.scores:
        yield Problem("SCR001", f"{document.file} has no scores", document.at(("scores",)), "write MODEL: FIGURE")


def _no_figures(metric: Metric, document: Document) -> Iterator[Problem]:
    """Yield a problem for each score that the type takes and that is no figure: no model is better than infinity."""
    for entry, row in metric.scores.items():
        path: tuple[str, ...] = ("scores", entry)
        stated = value_at(document.value, path)
        if isinstance(stated, dict):
            path, stated = (*path, "score"), stated.get("score")
        if isinstance(stated, bool) or not math.isfinite(row.score):
            message = f"the score of {entry} is {stated}, which is no figure"
            yield Problem("SCR001", message, document.at(path), "write a finite number; leave the line out without one")


def _unknown_models(metric: Metric, document: Document, catalog: Catalog) -> Iterator[Problem]:
    for entry in metric.scores:
        accepted = catalog.accepted_entry(entry)
        if isinstance(accepted, Gap):
            yield Problem("SCR001", accepted.message, document.key(("scores", entry)), accepted.hint)
