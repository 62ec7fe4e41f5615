"""How near predicted figures come to measured ones, whoever predicted them.

    error    = |predicted/measured − 1|
    bias     = median of predicted/measured
    macro    = mean over sources of the mean over their cells (model family × GPU) of the median error in the cell
    plain    = mean over all cells of all sources of the median error in the cell
    middle   = median over all cells of all sources of the median error in the cell
    nine     = error within which nine of ten cells lie
    coverage = share of the measured figures that lie inside [low, high]
    order    = share of the pairs of rows whose predictions stand in the same order as the measured figures. A pair
               differs in tensor parallelism alone, or in the GPU alone, and by more than 10 % when measured

The macro figure keeps a large collection of one model on one GPU from speaking for everything. Rows of weak quality and
runs that queued for cache or for a place in the batch are left out and counted: their figures say more about their
records and their queues than about the speed of the engine.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.words import QuotedKind
from planner.domain.offerings import Gpu

KINDS: tuple[QuotedKind, ...] = ("tpot", "ttft", "throughput", "e2e")
WEAK_QUALITY = "C"
QUEUE_LIMITED = "kv_or_seq_limited"
Choice = Literal["TP", "GPU"]
CHOICES: tuple[Choice, ...] = ("TP", "GPU")
"""What a plan chooses among: how many GPUs a replica has, and which."""
ONE_GPU = "one GPU"
"""Class of link of a replica on one GPU, which has none."""
CLEAR_DIFFERENCE = 1.1
"""Factor between two measured figures from which on their order is worth predicting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """One measured figure with its prediction.

    link: class of the link between the replica's GPUs, or `one GPU`.
    setting: everything that the figure depends on but the GPU and tensor parallelism.
    predicted, low, high, measured: the figures, in the unit of the row.
    """

    id: str
    kind: QuotedKind
    gpu: str
    link: str
    tensor_parallel_size: int
    family: str
    engine: str
    source: str
    regime: str
    quality: str
    setting: Hashable
    predicted: float
    low: float
    high: float
    measured: float

    @property
    def ratio(self) -> float:
        """Predicted over measured figure."""
        return self.predicted / self.measured

    @property
    def error(self) -> float:
        """Relative error, |predicted/measured − 1|."""
        return abs(self.ratio - 1.0)

    @property
    def is_covered(self) -> bool:
        """Whether the measured figure lies inside the predicted interval."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The errors of one group of rows of one kind.

    group: name of the group, such as a GPU's.
    rows: number of rows.
    median, p90: median and 90th percentile of the error.
    bias, coverage: as in the formulas above.
    """

    kind: QuotedKind
    group: str
    rows: int
    median: float
    p90: float
    bias: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Macro:
    """The macro error of one kind.

    error, plain, middle, nine: as in the formulas above.
    cells: number of cells of all sources.
    sources: mean over the cells of each source, by the source's name.
    """

    kind: QuotedKind
    error: float
    plain: float
    middle: float
    nine: float
    cells: int
    sources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChoiceOrder:
    """How often the order of two choices is predicted as it was measured.

    choice: what the two differ in, `TP` or `GPU`.
    kind: kind of figure; None for all kinds together.
    pairs: pairs of rows with a clear order when measured.
    agree: pairs among them that are predicted in that order.
    """

    choice: Choice
    kind: QuotedKind | None
    pairs: int
    agree: int

    @property
    def share(self) -> float:
        """Share of the pairs in the right order; nan where there are no pairs."""
        return self.agree / self.pairs if self.pairs else float("nan")


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """All scores of one set of predictions.

    held_out: what the fit behind each prediction did not see, `cells` or `gpus`; empty for one fit of all rows.
    rows: number of rows with a score.
    left_out: number of rows without a score, by reason.
    overall: scores of all rows, one for each kind.
    macro: macro errors, one for each kind.
    order: orders of choices of tensor parallelism and of GPUs, for each all kinds together first.
    tables: scores by the name of a dimension, such as `GPU`.
    """

    held_out: str
    rows: int
    left_out: Mapping[str, int]
    overall: tuple[Score, ...]
    macro: tuple[Macro, ...]
    order: tuple[ChoiceOrder, ...]
    tables: Mapping[str, tuple[Score, ...]]


DIMENSIONS: dict[str, Callable[[ScoredRow], str]] = {
    "GPU": lambda row: row.gpu,
    "link": lambda row: row.link,
    "TP": lambda row: str(row.tensor_parallel_size),
    "model family": lambda row: row.family,
    "engine": lambda row: row.engine,
    "source": lambda row: row.source,
}


def scored_row(run: PublishedRun, predicted: PredictedFigure, gpu: Gpu) -> ScoredRow:
    """A run beside its prediction. Raises ValueError when the run has no measured value above 0."""
    if run.value is None or not run.value > 0:
        raise ValueError(f"{run.id} has no measured value")
    setting = (
        (run.source, run.engine, run.engine_version, run.model, run.dense, run.experts, run.kv),
        (run.expert_parallel_size > 1, run.data_parallel_size, run.input_tokens, run.output_tokens, run.lengths),
        (run.concurrency, run.rate_per_s, run.prompts, run.figure),
    )
    return ScoredRow(
        id=run.id,
        kind=run.figure.kind,
        gpu=run.gpu,
        link=gpu.link if run.tensor_parallel_size > 1 else ONE_GPU,
        tensor_parallel_size=run.tensor_parallel_size,
        family=run.family,
        engine=run.engine,
        source=run.source,
        regime=run.regime,
        quality=run.quality,
        setting=setting,
        predicted=predicted.value,
        low=predicted.low,
        high=predicted.high,
        measured=run.value,
    )


def scored_rows(
    runs: Sequence[PublishedRun | Unpredictable],
    answers: Sequence[PredictedFigure | Unpredictable],
    gpus: Mapping[str, Gpu],
) -> tuple[tuple[ScoredRow, ...], dict[str, int]]:
    """(runs that have both a prediction and a measured value, number of runs that lack one of them, by reason).

    answers: one for each run, in the order of the runs.
    """
    rows: list[ScoredRow] = []
    missing: Counter[str] = Counter()
    for run, answer in zip(runs, answers, strict=True):
        if isinstance(run, Unpredictable) or isinstance(answer, Unpredictable):
            missing["not predicted"] += 1
        elif run.value is None:
            missing["without a measured value"] += 1
        else:
            rows.append(scored_row(run, answer, gpus[run.gpu]))
    return tuple(rows), dict(missing)


def accuracy(rows: Iterable[ScoredRow], unscored: Mapping[str, int] | None = None, held_out: str = "") -> Accuracy:
    """The scores of these rows.

    unscored: number of rows that have no prediction or no measured value, by reason. They are only counted.
    held_out: as in `Accuracy`.
    """
    left_out: Counter[str] = Counter(unscored or {})
    kept: list[ScoredRow] = []
    for row in sorted(rows, key=lambda row: row.id):
        reason = reason_left_out(row)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(row)
    return Accuracy(
        held_out=held_out,
        rows=len(kept),
        left_out={reason: count for reason, count in sorted(left_out.items()) if count},
        overall=_scores(kept, lambda row: "all"),
        macro=tuple(_macro(kind, part) for kind in KINDS if (part := [row for row in kept if row.kind == kind])),
        order=_orders(kept),
        tables={name: _scores(kept, group) for name, group in DIMENSIONS.items()},
    )


def reason_left_out(row: ScoredRow | PublishedRun) -> str:
    """Why a row has no score; empty when it has one."""
    if row.quality == WEAK_QUALITY:
        return f"quality {WEAK_QUALITY}"
    return "queued for cache or batch places" if row.regime == QUEUE_LIMITED else ""


def _scores(rows: Sequence[ScoredRow], group: Callable[[ScoredRow], str]) -> tuple[Score, ...]:
    parts: dict[tuple[int, str], list[ScoredRow]] = {}
    for row in rows:
        parts.setdefault((KINDS.index(row.kind), group(row)), []).append(row)
    order = sorted(parts, key=lambda at: (at[0], int(at[1]) if at[1].isdigit() else 0, at[1]))
    return tuple(_score(KINDS[at[0]], at[1], parts[at]) for at in order)


def _score(kind: QuotedKind, group: str, rows: Sequence[ScoredRow]) -> Score:
    median, p90 = (float(value) for value in np.quantile([row.error for row in rows], (0.5, 0.9)))
    bias = statistics.median(row.ratio for row in rows)
    coverage = sum(row.is_covered for row in rows) / len(rows)
    return Score(kind=kind, group=group, rows=len(rows), median=median, p90=p90, bias=bias, coverage=coverage)


def cell_errors(rows: Iterable[ScoredRow]) -> dict[tuple[str, str, str], float]:
    """The median error of each cell (source, model family, GPU), sorted by cell."""
    cells: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        cells.setdefault((row.source, row.family, row.gpu), []).append(row.error)
    return {cell: statistics.median(errors) for cell, errors in sorted(cells.items())}


def _macro(kind: QuotedKind, rows: Sequence[ScoredRow]) -> Macro:
    errors = cell_errors(rows)
    every = list(errors.values())
    by_source: dict[str, list[float]] = {}
    for (source, *_), error in errors.items():
        by_source.setdefault(source, []).append(error)
    sources = {source: statistics.fmean(own) for source, own in by_source.items()}
    return Macro(
        kind=kind,
        error=statistics.fmean(sources.values()),
        plain=statistics.fmean(every),
        middle=statistics.median(every),
        nine=float(np.quantile(every, 0.9)),
        cells=len(every),
        sources=sources,
    )


def _orders(rows: Sequence[ScoredRow]) -> tuple[ChoiceOrder, ...]:
    settings: dict[Hashable, list[ScoredRow]] = {}
    for row in rows:
        settings.setdefault((row.kind, row.setting), []).append(row)
    pairs: Counter[tuple[Choice, QuotedKind]] = Counter()
    agree: Counter[tuple[Choice, QuotedKind]] = Counter()
    for alike in settings.values():
        for a, b in itertools.combinations(alike, 2):
            apart = max(a.measured / b.measured, b.measured / a.measured) > CLEAR_DIFFERENCE
            differs = (a.tensor_parallel_size != b.tensor_parallel_size, a.gpu != b.gpu)
            if apart and sum(differs) == 1:
                key: tuple[Choice, QuotedKind] = ("TP" if differs[0] else "GPU", a.kind)
                pairs[key] += 1
                agree[key] += (a.predicted - b.predicted) * (a.measured - b.measured) > 0
    orders: list[ChoiceOrder] = []
    for choice in CHOICES:
        each = [
            ChoiceOrder(choice, kind, pairs[choice, kind], agree[choice, kind]) for kind in KINDS if pairs[choice, kind]
        ]
        whole = ChoiceOrder(choice, None, sum(o.pairs for o in each), sum(o.agree for o in each))
        orders += [whole, *each]
    return tuple(orders)
