"""What declared token lengths must say together: a mean and a percentile or a histogram, which some distribution has.

Values are read as they stand in the file, so that these problems are told in the same run as wrong units. What has the
wrong form is passed over, because the schema tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.domain.lengths_declared import histogram, lognormal
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, value_at
from planner.words.units import count, share
from planner.words.wrapping import clipped

MOST_TOKENS = 100_000_000
"""Most tokens of one length, as in the schema."""
REUSE = ("session_hit", "shared_prefix")
"""Keys of `tokens` that say how much of a prompt was sent before."""
MOST_BINS = 1000
"""Most entries of a histogram."""


def length_problems(document: Document, tokens: Path) -> Iterator[Problem]:
    """Return the contradictions of the declared lengths at a path, like `routes.chat.tokens` (ENV002, ENV005)."""
    stated = value_at(document.value, tokens)
    if not isinstance(stated, dict):
        return
    yield from _sides(document, tokens, stated)
    for side in ("input", "output"):
        where: Path = (*tokens, side)
        lengths = value_at(document.value, where)
        if isinstance(lengths, dict):
            yield from _side(document, where, lengths)


def _sides(document: Document, where: Path, stated: dict[Any, Any]) -> Iterator[Problem]:
    """Require both sides, or none beside a trace that gives them; then something must be said of the reuse."""
    missing = [side for side in ("input", "output") if stated.get(side) is None]
    reuse = any(stated.get(key) is not None for key in REUSE)
    if len(missing) == 2 and reuse and value_at(document.value, (*where[:-1], "traffic", "trace")) is not None:
        return
    for side in missing:
        hint = f"write {side}: {{mean: …, p95: …}}"
        if len(missing) == 2:
            hint += "; beside a trace `tokens` may hold `session_hit` and `shared_prefix` alone"
        yield Problem("ENV002", f"missing key `{_dotted((*where, side))}`", document.key(where), hint)


def _side(document: Document, where: Path, lengths: dict[Any, Any]) -> Iterator[Problem]:
    side = _dotted(where)
    bins = lengths.get("histogram")
    if bins is not None and bins != {}:
        for key in ("mean", "p95", "max"):
            if lengths.get(key) is not None:
                message = f"{side}: `{key}` and a histogram both say how long it is"
                hint = f"leave out `{key}`, or the histogram"
                yield Problem("ENV005", message, document.key((*where, key)), hint)
        yield from _histogram(document, (*where, "histogram"), bins)
        return
    missing = [key for key in ("mean", "p95") if lengths.get(key) is None]
    for key in missing:
        hint = "write `mean` and `p95`, or a histogram {4000: 90%, 32000: 10%}"
        yield Problem("ENV002", f"missing key `{_dotted((*where, key))}`", document.key(where), hint)
    if missing:
        return
    mean, p95, longest = _number(lengths["mean"]), _number(lengths["p95"]), _count(lengths.get("max"))
    if mean is None or p95 is None or (longest is None and lengths.get("max") is not None):
        return
    try:
        lognormal(mean, p95, longest)
    except ValueError as error:
        if longest is not None and longest < max(mean, p95):
            at, hint = document.at((*where, "max")), "the longest length is at least the 95th percentile"
        elif p95 < mean:
            at, hint = document.at(where), "the 95th percentile is below the mean: check which is which"
        else:
            at, hint = document.at(where), "give a trace or a histogram"
        yield Problem("ENV005", f"{side}: {error}", at, hint)


def _histogram(document: Document, where: Path, bins: Any) -> Iterator[Problem]:
    """Require that bins ascend, as people read them, and that their shares sum to the whole."""
    if not isinstance(bins, dict):
        return
    side = _dotted(where[:-1])
    tops = [top for key in bins if (top := _count(key)) is not None]
    shares = [_share(value) for value in bins.values()]
    if len(tops) < len(bins) or None in shares:
        return
    if len(bins) > MOST_BINS:
        hint = "join neighbours"
        yield Problem(
            "ENV005",
            f"{side}: the histogram has {len(bins)} entries, {MOST_BINS} at most",
            document.key(where),
            hint,
        )
        return
    for before, (key, top) in zip(tops, list(zip(bins, tops, strict=True))[1:], strict=False):
        if top <= before:
            message = f"{side}: {top} stands behind {before} in the histogram"
            yield Problem("ENV005", message, document.key((*where, key)), "write the lengths in ascending order")
            return
    try:
        histogram(dict(zip(tops, [part for part in shares if part is not None], strict=True)))
    except ValueError as error:
        hint = "let them sum to 100 %: each entry is the share with more tokens than the entry before"
        yield Problem("ENV005", f"{side}: {error}", document.key(where), hint)


def _dotted(path: Path) -> str:
    return ".".join(clipped(str(step)) for step in path)


def _number(value: Any) -> float | None:
    """Return a length as a number; None where the schema refuses it."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MOST_TOKENS:
        return None
    return float(value)


def _count(value: Any) -> int | None:
    """Return a count; None where the schema refuses it."""
    try:
        number = count(value)
    except ValueError:
        return None
    return number if 0 < number <= MOST_TOKENS else None


def _share(value: Any) -> float | None:
    try:
        return share(value)
    except ValueError:
        return None
