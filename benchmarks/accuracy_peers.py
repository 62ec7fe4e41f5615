"""Our model, an unfitted roofline and a database of kernels, scored on the same published rows.

    python -m benchmarks.accuracy_peers [FILE.csv …] [--held-out cells] [--peer NAME==VERSION] [--markdown FILE]

Without a file, the rows are those of the shipped table. The predictors:

- ours, shipped: the coefficients that plans are made with. They saw the rows of the shipped table, and no other file.
- ours, held out: each row of the shipped table by a fit that saw nothing of its group, as in `spillway perf accuracy`.
- roofline: the same model with every share 1 and no overhead, so that only the fit differs.
- the peer: AIConfigurator, which adds up measured times of kernels. It stands in an environment of its own, which is
  made on first use and needs a package index. Without one, this is said in one line, and the others are scored.

A cell is (source, model family, GPU). The median cell, the macro error and the error within which nine of ten cells lie
are those of `measurement.evidence.accuracy`. The tables come twice: over the rows that all
predictors cover, and over all rows, each predictor with its own coverage. What the peer does not cover is counted by
reason. The same release of the peer gives the same tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.peers.environment import NoPeer, ask, cache_folder, python_of
from benchmarks.peers.questions import DEFAULT_MODE, Question, figure, question
from measurement.evidence.accuracy import KINDS, ScoredRow, accuracy, reason_left_out, scored_rows
from measurement.evidence.cross_validation import GROUPS, CrossValidation
from measurement.evidence.predictions import PredictedFigure, predict_rows
from measurement.evidence.published import PublishedRun, RowReader, Unpredictable
from measurement.evidence.words import QuotedKind
from measurement.files.fit_files import load_measurements
from measurement.files.published_files import read_published
from measurement.views.accuracy import WORDS, percent
from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog
from planner.edges.files import write_text
from planner.edges.performance_files import load_coefficients
from planner.faces.figures import count_words
from planner.performance.coefficients import Coefficients, EngineCoefficients, LinkCoefficients, Quantiles

PEER = "aiconfigurator==0.12.0"
"""The release that is asked. It is the newest with wheels on the public package index: of its successor AISimulate,
only the previews (`aisimulate==0.13.0.dev…`) have some, and the releases are stubs that fetch theirs elsewhere."""
COLUMNS = (
    "metric",
    "predictor",
    "rows",
    "cells",
    "median cell",
    "macro error",
    "9 in 10 cells within",
    "predicted/measured",
)
NO_GROUP = "none"
SHIPPED_TABLE = "the shipped table"
EARLY = "<"
"""Mark in the key of an engine before the release that changed its own loop, such as `trt-llm<1.0`."""
WITHOUT_EARLY = "The same without early engines (`<`), whose kernels the peer did not measure:"
EXACT = Quantiles(0, 1.0, 1.0, 1.0)
Answer = PredictedFigure | Unpredictable


@dataclass(frozen=True)
class Predictor:
    """Who predicts, and one answer for each run."""

    name: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Line:
    """The scores of one predictor for one kind of figure. rows: those that it covers, of `of`."""

    metric: str
    predictor: str
    rows: int
    of: int
    cells: int
    median_cell: float
    macro: float
    nine_in_ten: float
    bias: float


def roofline() -> Coefficients:
    """The coefficients of perfect hardware: every share is 1, nothing is overhead, and all engines are alike."""
    fitted = load_coefficients()
    return replace(
        fitted,
        dense_bandwidth=1.0,
        dense_packed_bandwidth=1.0,
        expert_bandwidth=1.0,
        expert_fp4_bandwidth=1.0,
        expert_int4_bandwidth=1.0,
        kv_bandwidth=1.0,
        compute=dict.fromkeys(fitted.compute, 1.0),
        expert_compute=1.0,
        expert_half_width=0.0,
        attention=1.0,
        power_exponent=0.0,
        overhead_ms=0.0,
        overhead_per_layer_ms=0.0,
        overhead_per_sequence_ms=0.0,
        eager_ms_per_layer=0.0,
        links={link: LinkCoefficients(latency_ms=0.0, bandwidth=1.0) for link in fitted.links},
        socket_crossing=1.0,
        engines={key: EngineCoefficients(1.0, 0.0, 0.0, 0.0) for key in fitted.engines},
        residuals={"calibrated": {"step": EXACT}, "analytic": {"step": EXACT}},
        measured_rows={},
    )


def lines(predictors: Mapping[str, Sequence[ScoredRow]], rows: Mapping[QuotedKind, int]) -> Iterator[Line]:
    """The scores of each kind of figure and each predictor. rows: number of rows that could be scored, by kind."""
    for kind in (kind for kind in KINDS if rows.get(kind)):
        for name, scored in predictors.items():
            own = [row for row in scored if row.kind == kind]
            if not own:
                continue
            result = accuracy(own)
            (macro,) = result.macro
            yield Line(
                metric=WORDS[kind],
                predictor=name,
                rows=len(own),
                of=rows[kind],
                cells=macro.cells,
                median_cell=macro.middle,
                macro=macro.error,
                nine_in_ten=macro.nine,
                bias=result.overall[0].bias,
            )


def shared(predictors: Mapping[str, Sequence[ScoredRow]]) -> dict[str, list[ScoredRow]]:
    """The rows that every predictor covers, by predictor."""
    everywhere = set.intersection(*({row.id for row in rows} for rows in predictors.values()))
    return {name: [row for row in rows if row.id in everywhere] for name, rows in predictors.items()}


def table(found: Sequence[Line]) -> Iterator[str]:
    """The scores as a Markdown table."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---|---|{'---:|' * (len(COLUMNS) - 2)}"
    for line in found:
        cells = (
            line.metric,
            line.predictor,
            f"{line.rows} of {line.of}",
            str(line.cells),
            percent(line.median_cell),
            percent(line.macro),
            percent(line.nine_in_ten),
            f"{line.bias:.2f}",
        )
        yield f"| {' | '.join(cells)} |"


def engine_table(predictors: Mapping[str, Sequence[ScoredRow]], engine_of: Mapping[str, str]) -> Iterator[str]:
    """The median error and the bias by engine. engine_of: the engine and its age by row."""
    tables = {
        name: {
            (score.kind, score.group): score
            for score in accuracy(replace(row, engine=engine_of[row.id]) for row in rows).tables["engine"]
        }
        for name, rows in predictors.items()
    }
    yield f"| metric | engine | rows | {' | '.join(tables)} |"
    yield f"|---|---|---:|{'---:|' * len(tables)}"
    for kind, engine in next(iter(tables.values())):
        scores = [scored[kind, engine] for scored in tables.values()]
        cells = (f"{percent(score.median)}, {score.bias:.2f} ×" for score in scores)
        yield f"| {WORDS[kind]} | {engine} | {scores[0].rows} | {' | '.join(cells)} |"


def gaps(predictors: Sequence[Predictor]) -> Iterator[str]:
    """What each predictor does not cover, the most frequent reason first. Those with the same gaps stand together."""
    names: dict[tuple[str, ...], list[str]] = {}
    for each in predictors:
        counted = Counter(answer.reason for answer in each.answers if isinstance(answer, Unpredictable))
        listed = sorted(counted.items(), key=lambda gap: (-gap[1], gap[0]))
        names.setdefault(tuple(f"- {count_words(count, 'row')}: {text}" for text, count in listed), []).append(
            each.name
        )
    for listed_gaps, alike in names.items():
        if listed_gaps:
            yield from ("", f"Not covered by {' and '.join(alike)}:", "", *listed_gaps)


def report(title: str, runs: Sequence[PublishedRun], predictors: Sequence[Predictor], catalog: Catalog) -> list[str]:
    """The tables of one set of rows, as lines of Markdown."""
    scored = {
        each.name: [row for row in scored_rows(runs, each.answers, catalog.all_gpus)[0] if not reason_left_out(row)]
        for each in predictors
    }
    known = {row.id: row.kind for rows in scored.values() for row in rows}
    all_rows, alike = Counter(known.values()), shared(scored)
    common = Counter(row.kind for row in next(iter(alike.values())))
    engine_of = {run.id: run.engine_key for run in runs}
    text = [f"## {title}", "", "Rows that all of them cover:", "", *table(list(lines(alike, common)))]
    present = {name: [row for row in rows if EARLY not in engine_of[row.id]] for name, rows in alike.items()}
    recent = Counter(row.kind for row in next(iter(present.values())))
    if recent != common:
        text += ["", WITHOUT_EARLY, "", *table(list(lines(present, recent)))]
    text += ["", "All rows, each predictor with those that it covers:", "", *table(list(lines(scored, all_rows)))]
    text += ["", "By engine, median error and predicted/measured over the rows that all of them cover:", ""]
    text += engine_table(alike, engine_of)
    return [*text, *gaps(predictors)]


def peer(runs: Sequence[PublishedRun], catalog: Catalog, requirement: str, mode: str) -> Predictor:
    """The peer's answers. Raises NoPeer. Runs that ask the same are asked once."""
    models, gpus = catalog.models, catalog.all_gpus
    asked = [question(run, models[run.model], gpus[run.gpu], mode) for run in runs]
    texts = [json.dumps(asdict(each)) if isinstance(each, Question) else "" for each in asked]
    distinct = sorted({text for text in texts if text})
    answered = ask(python_of(requirement, cache_folder()), distinct)
    by_text = dict(zip(distinct, answered.answers, strict=True))
    found = tuple(
        figure(run, models[run.model], by_text[text]) if isinstance(each, Question) else each
        for run, each, text in zip(runs, asked, texts, strict=True)
    )
    mode_name = "" if mode == DEFAULT_MODE else f", {mode.lower()}"
    return Predictor(answered.version + mode_name, found)


def held_out(runs: Sequence[PublishedRun], catalog: Catalog, group: str) -> Predictor:
    """Our predictions of the runs by fits of the other groups' runs."""
    by = next(each for each in GROUPS if each == group)
    return Predictor(f"ours, without the {group.removesuffix('s')}", CrossValidation(runs, catalog).predictions(by))


def main() -> int:
    parser = argparse.ArgumentParser(description="Our model beside an unfitted roofline and a database of kernels.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="tables in the columns of perf predict")
    parser.add_argument("--held-out", choices=[*GROUPS, NO_GROUP], default="sources")
    parser.add_argument(
        "--peer", action="append", metavar="NAME==VERSION", help=f"a release to ask, once or more; {PEER}"
    )
    parser.add_argument("--peer-mode", default=DEFAULT_MODE, help="SILICON (measured kernels alone), HYBRID, EMPIRICAL")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args()
    catalog = load_catalog()
    reader = RowReader(catalog)
    sets: dict[str, Sequence[PublishedRun | Unpredictable]] = {
        path.name: [reader.read(row) for row in read_published(path).rows] for path in options.files
    } or {SHIPPED_TABLE: load_measurements(catalog)}
    text: list[str] = []
    for title, rows in sets.items():
        runs = [row for row in rows if isinstance(row, PublishedRun)]
        saw = "" if title != SHIPPED_TABLE else ", which saw these rows"
        predictors = [Predictor(f"ours, shipped{saw}", predict_rows(runs, catalog, load_coefficients()))]
        if title == SHIPPED_TABLE and options.held_out != NO_GROUP:
            predictors.append(held_out(runs, catalog, options.held_out))
        predictors.append(Predictor("unfitted roofline", predict_rows(runs, catalog, roofline())))
        for requirement in options.peer or [PEER]:
            try:
                predictors.append(peer(runs, catalog, requirement, options.peer_mode))
            except NoPeer as error:
                print(f"without this peer: {error}", file=sys.stderr)
        unread = len(rows) - len(runs)
        name = f"{title}: {len(rows)} rows" + (f", of which {unread} cannot be read" if unread else "")
        text += [*report(name, runs, predictors, catalog), ""]
    print("\n".join(text))
    if options.markdown:
        write_text(options.markdown, "\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
