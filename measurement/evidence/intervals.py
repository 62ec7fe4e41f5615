"""How far off predictions are for a source that the fit never saw: the interval of every predicted figure.

    slowness = actual ÷ predicted time, predicted ÷ actual rate          above 1: slower than predicted

Each source is predicted by a fit without it. The interval of a figure lies between two quantiles (`ENDS`) of the
slowness of rows that are alike: of the same kind of figure, under the same load, on a GPU that was measured well or
not. Where fewer than `LEAST_SOURCES` sources have such rows, all loads count, and then all rows of the kind.

Rows of one source are off together: by how it was tuned, by its clients, by its version. So sources weigh equally, and
within one the rows of a cell (model family, GPU) weigh together as much as the square root of their number. Both
constants were chosen so that the intervals of all other sources hold 75 to 90 % of the rows of a further one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from measurement.evidence.published import PublishedRun
from measurement.evidence.words import QuotedKind
from planner.plan.parts import Provenance

LoadClass = Literal["alone", "few", "some", "many", "full"]
"""Requests in flight at one engine: up to 2, 16, 64, more, and as many as it holds or a rate brings."""
LEAST_SOURCES = 8
"""Sources that the interval of a part rests on at least. With three or four, a further source lay outside too often."""
ENDS = (0.03, 0.97)
"""Quantiles over a dozen sources that hold about eight in ten rows of a further one."""


@dataclass(frozen=True, slots=True)
class SourceResidual:
    """One row of a source beside its prediction by a fit that did not see the source.

    cell: (source, model family, GPU).
    provenance: what the fit knew of the GPU.
    """

    cell: tuple[str, str, str]
    kind: QuotedKind
    load: LoadClass
    provenance: Provenance
    slowness: float


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval, and the rows that it holds for.

    load, provenance: None for all of them.
    rows, sources: number of rows and of sources that it rests on.
    low, high: the quantiles of the slowness.
    """

    kind: QuotedKind
    load: LoadClass | None
    provenance: Provenance | None
    rows: int
    sources: int
    low: float
    high: float


class Intervals:
    """The intervals of all kinds of figures."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self.intervals = tuple(intervals)
        self._of = {(each.kind, each.load, each.provenance): each for each in self.intervals}

    def of(self, kind: QuotedKind, load: LoadClass, provenance: Provenance) -> tuple[float, float]:
        """(low, high) of the slowness of figures of a kind; (1, 1) where nothing is known of the kind.

        The end towards slow is at least 1, and that of an `analytic` figure no nearer than that of a `calibrated` one.
        """
        found = self._nearest(kind, load, provenance)
        if found is None:
            return 1.0, 1.0
        known = self._nearest(kind, load, "calibrated") if provenance == "analytic" else None
        return min(found.low, 1.0), max(1.0, found.high, known.high if known else 1.0)

    def _nearest(self, kind: QuotedKind, load: LoadClass, provenance: Provenance) -> Interval | None:
        keys: tuple[tuple[LoadClass | None, Provenance | None], ...]
        keys = ((load, provenance), (load, None), (None, provenance), (None, None))
        return next((self._of[kind, *key] for key in keys if (kind, *key) in self._of), None)


def load_class(run: PublishedRun) -> LoadClass:
    """How many requests one engine of a run holds at a time."""
    if run.concurrency is None:
        return "full"
    shared = run.expert_parallel_size > run.tensor_parallel_size  # copies of the attention are one engine
    each = run.concurrency / (1 if shared else run.data_parallel_size)
    return "alone" if each <= 2 else "few" if each <= 16 else "some" if each <= 64 else "many"


def intervals_of(residuals: Sequence[SourceResidual]) -> Intervals:
    """The intervals that these residuals give: of each kind with all rows, and of each part that has enough sources."""
    parts: dict[tuple[QuotedKind, LoadClass | None, Provenance | None], list[SourceResidual]] = {}
    for each in residuals:
        for key in (
            (each.kind, each.load, each.provenance),
            (each.kind, each.load, None),
            (each.kind, None, each.provenance),
            (each.kind, None, None),
        ):
            parts.setdefault(key, []).append(each)
    made = []
    for (kind, load, provenance), part in sorted(parts.items(), key=lambda item: tuple(map(str, item[0]))):
        sources = {each.cell[0] for each in part}
        if len(sources) >= LEAST_SOURCES or (load is None and provenance is None):
            made.append(Interval(kind, load, provenance, len(part), len(sources), *_quantiles(part)))
    return Intervals(made)


def _quantiles(residuals: Sequence[SourceResidual]) -> tuple[float, float]:
    cells = Counter(each.cell for each in residuals)
    sources: dict[str, float] = defaultdict(float)
    for (source, *_), rows in cells.items():
        sources[source] += rows**0.5
    weight = np.array([cells[each.cell] ** -0.5 / sources[each.cell[0]] for each in residuals])
    order = np.argsort([each.slowness for each in residuals], kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    low, high = (
        round(residuals[order[min(int(np.searchsorted(reached, end)), len(residuals) - 1)]].slowness, 4) for end in ENDS
    )
    return low, high
