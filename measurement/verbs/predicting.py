"""`perf predict` and `perf accuracy`: figures of published runs, and how near they come to what was measured."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from measurement.evidence.figures import Predicted, Predictor, predict_rows
from measurement.evidence.published import PublishedRun, Reader, Unreadable
from measurement.files.published_files import PublishedTable, predictions_text, read_published
from planner.cli.output import note, show
from planner.edges.catalog_files import load_catalog
from planner.edges.files import write_text
from planner.edges.performance_files import load_coefficients
from planner.faces.figures import count_words
from planner.words.diagnostics import Problem, Problems, Span

ReadRun = PublishedRun | Unreadable
Prediction = Predicted | Unreadable
REASONS_SHOWN = 20
STDOUT = "-"


def predict(file: Path, out: str) -> None:
    """Write a prediction of each row to `out`, and tell on stderr how many there are and why some are not."""
    runs = _read(read_published(file))
    if out != STDOUT and Path(out).exists() and Path(out).samefile(file):
        raise Problems([Problem("IO002", f"{out} is the table that is read", hint="give -o another name")])
    answers = _answered(runs)
    text = predictions_text(answers)
    if out == STDOUT:
        sys.stdout.write(text)
    else:
        write_text(Path(out), text)
    _summary(answers)


def accuracy(
    file: Path | None, held_out: str, as_json: Path | None, as_markdown: Path | None, as_plot: Path | None
) -> None:
    """Print the score table of a measured table, and write it as JSON, Markdown and a plot where asked.

    Without a file it is the table that the shipped coefficients were fitted to. held_out: `cells` or `gpus`, for which
    the table is fitted anew without each of them; empty for the shipped coefficients.
    """
    from measurement.evidence import accuracy as scores
    from measurement.views.accuracy import accuracy_json, accuracy_markdown, accuracy_view

    runs = _shipped() if file is None else _read(_measured(file))
    answers = _held_out(runs, held_out, file) if held_out else _answered(runs)
    rows, missing = scores.compared(runs, answers, load_catalog().all_gpus)
    found = scores.accuracy(rows, missing, held_out)
    written = {}
    if as_json is not None:
        written[as_json] = json.dumps(accuracy_json(found), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if as_markdown is not None:
        written[as_markdown] = accuracy_markdown(found)
    if as_plot is not None:
        from measurement.views.accuracy_plot import accuracy_svg

        written[as_plot] = accuracy_svg([row for row in rows if not scores.excluded(row)])
    for path, text in written.items():
        write_text(path, text)
    show(accuracy_view(found))
    _summary(answers)


def _measured(file: Path) -> PublishedTable:
    table = read_published(file)
    if not table.measured:
        where = Span(table.file, 1)
        hint = "fill the column `value`; `spillway perf predict` needs none"
        raise Problems([Problem("PERF035", "no row has a measured value to compare with", where, hint)])
    return table


def _read(table: PublishedTable) -> tuple[ReadRun, ...]:
    reader = Reader(load_catalog())
    return tuple(reader.read(row) for row in table.rows)


def _shipped() -> tuple[ReadRun, ...]:
    from measurement.files.fit_files import shipped_runs  # loads the optimizer, which `predict` needs none of

    return shipped_runs(load_catalog())


def _answered(runs: Sequence[ReadRun], predictor: Predictor = predict_rows) -> tuple[Prediction, ...]:
    """What is predicted of each run, by the shipped coefficients."""
    known = [run for run in runs if isinstance(run, PublishedRun)]
    return _in_place(runs, predictor(known, load_catalog(), load_coefficients()))


def _held_out(runs: Sequence[ReadRun], by: str, file: Path | None) -> tuple[Prediction, ...]:
    """What is predicted of each run by fits of the others."""
    from measurement.evidence.cross_validation import GROUPS, CrossValidation

    known = [run for run in runs if isinstance(run, PublishedRun)]
    group = next(each for each in GROUPS if each == by)
    try:
        return _in_place(runs, CrossValidation(known, load_catalog(), note).predicted(group))
    except ValueError as error:
        hint = "leave --held-out away: the shipped coefficients were fitted without this table"
        raise Problems([Problem("PERF036", str(error), Span(str(file), 1), hint)]) from error


def _in_place(runs: Sequence[ReadRun], answers: Sequence[Prediction]) -> tuple[Prediction, ...]:
    """Answers to the runs that could be read, between the reasons of those that could not."""
    rest = iter(answers)
    return tuple(next(rest) if isinstance(run, PublishedRun) else run for run in runs)


def _summary(answers: Sequence[Prediction]) -> None:
    """Coverage, and each reason for a gap with the number of its rows and what could be done."""
    figures = [answer for answer in answers if isinstance(answer, Predicted)]
    note(f"predicted {len(figures)} of {count_words(len(answers), 'row')} ({len(figures) / len(answers):.1%})")
    gaps = Counter((gap.reason, gap.hint) for gap in answers if isinstance(gap, Unreadable))
    listed = sorted(gaps.items(), key=lambda gap: (-gap[1], gap[0]))
    for (reason, hint), count in listed[:REASONS_SHOWN]:
        note(f"  {count_words(count, 'row')}: {reason}" + (f"  ({hint})" if hint else ""))
    if len(listed) > REASONS_SHOWN:
        rest = sum(count for _, count in listed[REASONS_SHOWN:])
        note(f"  {count_words(rest, 'row')}: {count_words(len(listed) - REASONS_SHOWN, 'other reason')}")
