"""How near predicted figures come to measured ones, whoever predicted them.

    error    = |predicted/measured − 1|            bias = median(predicted/measured)
    macro    = mean over sources of the mean over their cells (model family × GPU) of the median error in the cell
    plain    = the same mean over all cells of all sources alike
    coverage = share of the measured figures that lie inside [low, high]
    order    = of pairs of rows that differ in tensor parallelism alone, and by more than 10 % when measured, the share
               whose predictions stand in the same order

The macro figure keeps a large collection of one model on one GPU from speaking for everything. Rows of weak quality and
runs that queued for cache or batch places are left out and counted: those tell of their records and of their queues.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from measurement.evidence.figures import Predicted
from measurement.evidence.published import PublishedRun, Unreadable
from measurement.evidence.words import QuotedKind
from planner.domain.offerings import Gpu

KINDS: tuple[QuotedKind, ...] = ("tpot", "ttft", "throughput", "e2e")
WEAK_QUALITY = "C"
QUEUE_LIMITED = "kv_or_seq_limited"
ONE_GPU = "one GPU"
CLEAR_DIFFERENCE = 1.1
"""Two measured figures that are farther apart than this factor have an order worth predicting."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One measured figure with its prediction. setting: everything that it depends on but tensor parallelism."""

    id: str
    kind: QuotedKind
    gpu: str
    link: str
    """Class of link between its GPUs; `one GPU` without."""
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
        """predicted/measured."""
        return self.predicted / self.measured

    @property
    def error(self) -> float:
        """|predicted/measured − 1|."""
        return abs(self.ratio - 1.0)

    @property
    def covered(self) -> bool:
        """Whether the interval holds the measured figure."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, slots=True)
class Score:
    """The errors of one group of rows of one kind."""

    kind: QuotedKind
    group: str
    rows: int
    median: float
    p90: float
    bias: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Macro:
    """The macro figure of one kind, with the figures of its sources. plain: each of the cells counting the same."""

    kind: QuotedKind
    error: float
    plain: float
    cells: int
    sources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TpOrder:
    """Pairs with a clear order when measured, and how many of them are predicted in that order."""

    kind: QuotedKind | None
    """None: all kinds together."""
    pairs: int
    agree: int

    @property
    def share(self) -> float:
        """Share in the right order; nan without pairs."""
        return self.agree / self.pairs if self.pairs else float("nan")


@dataclass(frozen=True)
class Accuracy:
    """All scores of one set of predictions. left_out: rows without a score, by reason. held_out: what the fit behind
    each prediction did not see, as `cross_validation` groups runs; empty for one fit of all."""

    held_out: str
    rows: int
    left_out: Mapping[str, int]
    overall: tuple[Score, ...]
    macro: tuple[Macro, ...]
    order: tuple[TpOrder, ...]
    tables: Mapping[str, tuple[Score, ...]]


DIMENSIONS: dict[str, Callable[[Scored], str]] = {
    "GPU": lambda row: row.gpu,
    "link": lambda row: row.link,
    "TP": lambda row: str(row.tensor_parallel_size),
    "model family": lambda row: row.family,
    "engine": lambda row: row.engine,
    "source": lambda row: row.source,
}


def scored(run: PublishedRun, predicted: Predicted, gpu: Gpu) -> Scored:
    """A run with its prediction. Raises ValueError when the run has no measured value above 0."""
    if run.value is None or not run.value > 0:
        raise ValueError(f"{run.id} has no measured value")
    setting = (
        (run.source, run.engine, run.engine_version, run.model, run.dense, run.experts, run.kv, run.gpu),
        (run.expert_parallel_size > 1, run.data_parallel_size, run.input_tokens, run.output_tokens, run.lengths),
        (run.concurrency, run.rate_per_s, run.prompts, run.figure),
    )
    return Scored(
        run.id,
        run.figure.kind,
        run.gpu,
        gpu.link if run.tensor_parallel_size > 1 else ONE_GPU,
        run.tensor_parallel_size,
        run.family,
        run.engine,
        run.source,
        run.regime,
        run.quality,
        setting,
        predicted.value,
        predicted.low,
        predicted.high,
        run.value,
    )


def compared(
    runs: Sequence[PublishedRun | Unreadable], answers: Sequence[Predicted | Unreadable], gpus: Mapping[str, Gpu]
) -> tuple[tuple[Scored, ...], dict[str, int]]:
    """(the runs that have both a prediction and a measured value, how many lack one by reason); one answer a run."""
    rows: list[Scored] = []
    missing: Counter[str] = Counter()
    for run, answer in zip(runs, answers, strict=True):
        if isinstance(run, Unreadable) or isinstance(answer, Unreadable):
            missing["not predicted"] += 1
        elif run.value is None:
            missing["without a measured value"] += 1
        else:
            rows.append(scored(run, answer, gpus[run.gpu]))
    return tuple(rows), dict(missing)


def accuracy(rows: Iterable[Scored], unscored: Mapping[str, int] | None = None, held_out: str = "") -> Accuracy:
    """Scores of the rows. `unscored`: rows that have no prediction or no value, by reason, to be told beside them."""
    left_out: Counter[str] = Counter(unscored or {})
    kept: list[Scored] = []
    for row in sorted(rows, key=lambda row: row.id):
        reason = excluded(row)
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


def excluded(row: Scored) -> str:
    """Why a row has no score; empty when it has one."""
    if row.quality == WEAK_QUALITY:
        return f"quality {WEAK_QUALITY}"
    return "queued for cache or batch places" if row.regime == QUEUE_LIMITED else ""


def _scores(rows: Sequence[Scored], group: Callable[[Scored], str]) -> tuple[Score, ...]:
    parts: dict[tuple[int, str], list[Scored]] = {}
    for row in rows:
        parts.setdefault((KINDS.index(row.kind), group(row)), []).append(row)
    order = sorted(parts, key=lambda at: (at[0], int(at[1]) if at[1].isdigit() else 0, at[1]))
    return tuple(_score(KINDS[at[0]], at[1], parts[at]) for at in order)


def _score(kind: QuotedKind, group: str, rows: Sequence[Scored]) -> Score:
    median, p90 = (float(value) for value in np.quantile([row.error for row in rows], (0.5, 0.9)))
    bias = statistics.median(row.ratio for row in rows)
    return Score(kind, group, len(rows), median, p90, bias, sum(row.covered for row in rows) / len(rows))


def _macro(kind: QuotedKind, rows: Sequence[Scored]) -> Macro:
    cells: dict[str, dict[tuple[str, str], list[float]]] = {}
    for row in rows:
        cells.setdefault(row.source, {}).setdefault((row.family, row.gpu), []).append(row.error)
    medians = {
        source: [statistics.median(errors) for errors in found.values()] for source, found in sorted(cells.items())
    }
    every = [median for found in medians.values() for median in found]
    sources = {source: statistics.fmean(found) for source, found in medians.items()}
    return Macro(kind, statistics.fmean(sources.values()), statistics.fmean(every), len(every), sources)


def _orders(rows: Sequence[Scored]) -> tuple[TpOrder, ...]:
    settings: dict[Hashable, list[Scored]] = {}
    for row in rows:
        settings.setdefault((row.kind, row.setting), []).append(row)
    pairs: Counter[QuotedKind] = Counter()
    agree: Counter[QuotedKind] = Counter()
    for alike in settings.values():
        for a, b in itertools.combinations(alike, 2):
            apart = max(a.measured / b.measured, b.measured / a.measured) > CLEAR_DIFFERENCE
            if apart and a.tensor_parallel_size != b.tensor_parallel_size:
                pairs[a.kind] += 1
                agree[a.kind] += (a.predicted - b.predicted) * (a.measured - b.measured) > 0
    each = [TpOrder(kind, pairs[kind], agree[kind]) for kind in KINDS if pairs[kind]]
    return (TpOrder(None, pairs.total(), agree.total()), *each)
