"""`perf predict` and `perf accuracy`: figures of published runs, and how near they come to measured figures."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from measurement.evidence.predictions import PredictedFigure, predict_rows
from measurement.evidence.published import PublishedRun, RowReader, Unpredictable
from measurement.files.interval_files import load_intervals
from measurement.files.published_files import PublishedTable, predictions_text, read_published
from planner.cli.output import note, show
from planner.edges.catalog_files import load_catalog
from planner.edges.files import write_text
from planner.edges.performance_files import load_coefficients
from planner.faces.figures import count_words
from planner.words.diagnostics import Problem, Problems, Span

_ReadRow = PublishedRun | Unpredictable
_Answer = PredictedFigure | Unpredictable
REASONS_SHOWN = 20
"""Reasons that are printed one by one; the rarer ones are counted together."""
STDOUT = "-"


def predict(file: Path, out: str) -> None:
    """Write a prediction of each row to `out`, and print on stderr how many rows have one and why the others have none.

    out: path of a CSV file, or `-` for stdout.
    """
    rows = _read_rows(read_published(file))
    if out != STDOUT and Path(out).exists() and Path(out).samefile(file):
        raise Problems([Problem("IO002", f"{out} is the table that is read", hint="give -o another name")])
    answers = _predictions(rows)
    text = predictions_text(answers)
    if out == STDOUT:
        sys.stdout.write(text)
    else:
        write_text(Path(out), text)
    _print_summary(answers)


def accuracy(
    file: Path | None, held_out: str, as_json: Path | None, as_markdown: Path | None, as_plot: Path | None
) -> None:
    """Print the scores of predictions of a measured table, and write them to files where asked.

    file: a CSV table; None for the table that the shipped coefficients were fitted to.
    held_out: `sources`, `cells` or `gpus` for fits without each of them; empty for the shipped coefficients.
    as_json, as_markdown, as_plot: where to write the scores as JSON, as Markdown and as an SVG picture.
    """
    from measurement.evidence import accuracy as scores
    from measurement.views.accuracy import accuracy_json, accuracy_markdown, accuracy_view

    rows = _shipped_rows() if file is None else _read_rows(_measured_table(file))
    answers = _held_out_predictions(rows, held_out, file) if held_out else _predictions(rows)
    scored, unscored = scores.scored_rows(rows, answers, load_catalog().all_gpus)
    result = scores.accuracy(scored, unscored, held_out)
    written = {}
    if as_json is not None:
        written[as_json] = json.dumps(accuracy_json(result), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if as_markdown is not None:
        written[as_markdown] = accuracy_markdown(result)
    if as_plot is not None:
        from measurement.views.accuracy_plot import accuracy_svg

        written[as_plot] = accuracy_svg([row for row in scored if not scores.reason_left_out(row)])
    for path, text in written.items():
        write_text(path, text)
    show(accuracy_view(result))
    _print_summary(answers)


def _measured_table(file: Path) -> PublishedTable:
    """The table in a file. Errors: `Problems`, also where no row has a measured value (PERF035)."""
    table = read_published(file)
    if not table.measured_rows:
        where = Span(table.file, 1)
        hint = "fill the column `value`; `spillway perf predict` needs none"
        raise Problems([Problem("PERF035", "no row has a measured value to compare with", where, hint)])
    return table


def _read_rows(table: PublishedTable) -> tuple[_ReadRow, ...]:
    reader = RowReader(load_catalog())
    return tuple(reader.read(row) for row in table.rows)


def _shipped_rows() -> tuple[_ReadRow, ...]:
    from measurement.files.fit_files import load_measurements  # the optimizer comes with it, and `predict` needs none

    return load_measurements(load_catalog())


def _predictions(rows: Sequence[_ReadRow]) -> tuple[_Answer, ...]:
    """The prediction of each row by the shipped coefficients."""
    runs = [row for row in rows if isinstance(row, PublishedRun)]
    return _in_order(rows, predict_rows(runs, load_catalog(), load_coefficients(), load_intervals()))


def _held_out_predictions(rows: Sequence[_ReadRow], by: str, file: Path | None) -> tuple[_Answer, ...]:
    """The prediction of each row by a fit of the other groups' rows."""
    from measurement.evidence.cross_validation import GROUPS, CrossValidation

    runs = [row for row in rows if isinstance(row, PublishedRun)]
    group = next(each for each in GROUPS if each == by)
    try:
        folds = CrossValidation(runs, load_catalog(), note)
        return _in_order(rows, folds.predictions(group))
    except ValueError as error:
        hint = "leave --held-out away: the shipped coefficients were fitted without this table"
        raise Problems([Problem("PERF036", str(error), Span(str(file), 1), hint)]) from error


def _in_order(rows: Sequence[_ReadRow], answers: Sequence[_Answer]) -> tuple[_Answer, ...]:
    """One answer for each row: the next of `answers` for a row that could be read, and the reason for any other."""
    rest = iter(answers)
    return tuple(next(rest) if isinstance(row, PublishedRun) else row for row in rows)


def _print_summary(answers: Sequence[_Answer]) -> None:
    """Print how many rows have a prediction, and each reason why others have none with its hint."""
    figures = [answer for answer in answers if isinstance(answer, PredictedFigure)]
    note(f"predicted {len(figures)} of {count_words(len(answers), 'row')} ({len(figures) / len(answers):.1%})")
    gaps = Counter((gap.reason, gap.hint) for gap in answers if isinstance(gap, Unpredictable))
    listed = sorted(gaps.items(), key=lambda gap: (-gap[1], gap[0]))
    for (reason, hint), count in listed[:REASONS_SHOWN]:
        note(f"  {count_words(count, 'row')}: {reason}" + (f"  ({hint})" if hint else ""))
    if len(listed) > REASONS_SHOWN:
        rest = sum(count for _, count in listed[REASONS_SHOWN:])
        note(f"  {count_words(rest, 'row')}: {count_words(len(listed) - REASONS_SHOWN, 'other reason')}")
