"""Why a bill changed: each cause with its own figure, and figures that add up to the change to the cent.

The change is a chain of bills, from the base lock's to the proposed lock's. Each step changes one input and is planned
again, and the difference of two neighbours is what its cause changed:

    the bill of the base lock
      → its inputs, decided by this release            release, facts, coefficients
      → each changed key of the environment            in the order of the file, at old prices
      → traces, calibrations, rows of the own catalog
      → prices                                         at the old quantities, then what another mix changes
      → the bill of the proposed lock                  the same inputs, another choice

A step that cannot be planned by itself joins with the next one, and both have one figure. How a bill is computed is not
known here: `evaluate` is passed in, and returns the plan of what stands at a step, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from planner.documents.changes import KeyChange, key_changes, with_whole_lists
from planner.documents.diff import compare
from planner.documents.lock import Lock
from planner.documents.price_causes import moved_price_causes, price_causes
from planner.documents.review import Attribution, Cause, CauseKind, Place
from planner.documents.sentences import key_sentence, plain
from planner.domain.prices import Price
from planner.plan.plan import Plan
from planner.words.spans import Document, Path

ZERO = Decimal(0)
MOST_SEPARATE = 8
"""Most steps for keys of the environment. Where more keys changed, those of one route or section are one step."""
NEUTRAL = (
    ("platform", "account"),
    ("platform", "endpoint"),
    ("platform", "kubernetes"),
    ("platform", "network"),
    ("platform", "roles"),
    ("policy",),
    ("routes", "*", "quality", "date"),
    ("routes", "*", "quality", "source"),
    ("version",),
)
"""Paths below which no key changes what anything costs. They need no plan of their own."""
Which = Literal["base", "proposed"]
"""The side of which an input is taken."""


@dataclass(frozen=True)
class Stand:
    """A stand is the inputs of one step.

    environment: its plain values.
    traces, calibrations, facts, prices: the side from which they are taken.
    """

    environment: Mapping[str, Any]
    traces: Which = "base"
    calibrations: Which = "base"
    facts: Which = "base"
    prices: Which = "base"


@dataclass(frozen=True)
class Moved:
    """What else than the environment differs between two sides, as far as it could be found.

    release: causes of this release beside the base's: its version, coefficients, facts, and inputs of the base that are
    not to be had any more.
    traces, calibrations, facts: changed digests by name, and changed rows of the own catalog.
    old_prices, new_prices: what the consulted prices of both sides are on the base's list and on the new one.
    choice: why the proposed lock may be another choice for its inputs, as sentences.
    note: what could not be found, as a sentence; empty where everything was.
    """

    release: tuple[Cause, ...] = ()
    traces: tuple[KeyChange, ...] = ()
    calibrations: tuple[KeyChange, ...] = ()
    facts: tuple[str, ...] = ()
    old_prices: Mapping[str, Price] = field(default_factory=dict)
    new_prices: Mapping[str, Price] = field(default_factory=dict)
    choice: tuple[str, ...] = ()
    note: str = ""


Evaluate = Callable[[Stand], Plan | None]


@dataclass(frozen=True)
class _Step:
    """A step is causes with one figure, and what stands when they are applied. prices: whether they are prices."""

    causes: tuple[Cause, ...]
    stand: Stand
    prices: bool = False


def attribute(base: Lock | None, proposed: Lock, document: Document, moved: Moved, evaluate: Evaluate) -> Attribution:
    """Return what changed the bill by how much.

    document: the environment's file, which knows the order and the lines of its keys.
    Where no step can be planned, old and new prices alone are told apart.
    """
    if base is None:
        return by_two_sums(base, proposed, document)
    steps, neutral = _steps(base, proposed, document, moved)
    if not steps[1:] and base.plan.cost.usd_per_month == proposed.plan.cost.usd_per_month:
        return Attribution(causes=neutral, note="")
    causes, solved = _walk(base, proposed, steps, moved, evaluate)
    if not solved:
        why = "no step between the two plans can be planned now, so that old and new prices alone are told apart"
        plain_sums = by_two_sums(base, proposed, document)
        return plain_sums.model_copy(update={"note": _sentences([moved.note, why, plain_sums.note])})
    return Attribution(causes=(*causes, *neutral), note=_note(causes, moved))


def _walk(
    base: Lock, proposed: Lock, steps: Sequence[_Step], moved: Moved, evaluate: Evaluate
) -> tuple[tuple[Cause, ...], bool]:
    """Return the causes with their figures, and whether any step could be planned.

    The first step applies nothing, so that it is told only where it changes the bill.
    """
    usd, plan = base.plan.cost.usd_per_month, base.plan
    causes: list[Cause] = []
    waiting: list[Cause] = []
    solved = False
    for place, step in enumerate(steps):
        following = evaluate(step.stand)
        if following is None:
            waiting += step.causes
            continue
        solved = True
        change = following.cost.usd_per_month - usd
        if step.prices and not waiting:
            causes += price_causes(plan, moved.old_prices, moved.new_prices, step.causes, change)
        elif place or change:
            causes += _together([*waiting, *step.causes] or [_decided_again()], change)
        waiting = []
        usd, plan = following.cost.usd_per_month, following
    rest = proposed.plan.cost.usd_per_month - usd
    if rest:
        waiting.append(_another_choice(proposed, moved))
    return (*causes, *(_together(waiting, rest) if waiting else ())), solved


def _together(causes: Sequence[Cause], usd: Decimal) -> list[Cause]:
    """Give the first of some causes the figure of all; the others are counted in it."""
    first, *others = causes
    return [first.model_copy(update={"usd_per_month": usd}), *others]


def _decided_again() -> Cause:
    return _cause("choice", "", "the inputs of the base, decided again")


def _another_choice(proposed: Lock, moved: Moved) -> Cause:
    plan = proposed.plan
    why = [plan.kept.words] if plan.kept else []
    if plan.solver.gap:
        why.append(f"the search ended up to {plan.solver.gap:.1%} above the optimum")
    why += moved.choice
    return _cause("choice", "", f"the same inputs, another choice{': ' if why else ''}{'; '.join(why)}")


def _cause(
    kind: CauseKind, name: str, what: str, old: str | None = None, new: str | None = None, where: Place | None = None
) -> Cause:
    return Cause(kind=kind, name=name, what=what, old=old, new=new, usd_per_month=None, where=where)


def _steps(base: Lock, proposed: Lock, document: Document, moved: Moved) -> tuple[list[_Step], tuple[Cause, ...]]:
    """Return the steps in their order, the first of which changes nothing but who decides; and neutral causes."""
    changes = ordered_changes(base, proposed, document)
    neutral = tuple(
        environment_cause(c, document).model_copy(update={"usd_per_month": ZERO}) for c in changes if is_neutral(c.path)
    )
    values = dict(base.environment)
    for change in (c for c in changes if is_neutral(c.path)):
        values = with_value(values, change.path, change.new)
    stand = Stand(base.environment)
    steps = [_Step(moved.release, stand)]
    for group in _groups([c for c in changes if not is_neutral(c.path)]):
        for change in group:
            values = with_value(values, change.path, change.new)
        stand = replace(stand, environment=values)
        steps.append(_Step(tuple(environment_cause(change, document) for change in group), stand))
    if moved.traces:
        stand = replace(stand, traces="proposed")
        steps.append(_Step(tuple(_digest_cause("traces", "trace", c) for c in moved.traces), stand))
    if moved.calibrations:
        stand = replace(stand, calibrations="proposed")
        steps.append(_Step(tuple(_digest_cause("calibration", "calibration", c) for c in moved.calibrations), stand))
    if moved.facts:
        stand = replace(stand, facts="proposed")
        steps.append(_Step(tuple(_cause("facts", key, f"own catalog: {key}") for key in moved.facts), stand))
    if prices := moved_price_causes(moved.old_prices, moved.new_prices, base, proposed):
        steps.append(_Step(prices, replace(stand, prices="proposed"), prices=True))
    return steps, neutral


def ordered_changes(base: Lock, proposed: Lock, document: Document) -> list[KeyChange]:
    """Return the changed keys of the environment in the order of its file; lists are whole."""
    old, new = base.environment, proposed.environment
    changes = with_whole_lists(key_changes(old, new), old, new)

    def place(change: KeyChange) -> tuple[int, int, Path]:
        span = document.at(change.path)
        return (span.line, span.column, change.path) if span else (0, 0, change.path)

    return sorted(changes, key=place)


def is_neutral(path: Path) -> bool:
    """Say whether a key changes nothing that is paid for."""
    return any(
        len(path) >= len(pattern) and all(p in ("*", step) for p, step in zip(pattern, path, strict=False))
        for pattern in NEUTRAL
    )


def _groups(changes: Sequence[KeyChange]) -> Iterator[tuple[KeyChange, ...]]:
    """Yield the keys that are applied in one step, at most `MOST_SEPARATE` times."""
    if len(changes) <= MOST_SEPARATE:
        yield from ((change,) for change in changes)
        return
    parts: dict[Path, list[KeyChange]] = {}
    for change in changes:
        parts.setdefault(change.path[:2] if change.path[0] == "routes" else change.path[:1], []).append(change)
    groups = [tuple(group) for group in parts.values()]
    yield from groups[: MOST_SEPARATE - 1]
    if rest := tuple(change for group in groups[MOST_SEPARATE - 1 :] for change in group):
        yield rest


def with_value(tree: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return plain values with another value at a path; without the key where the value is None."""
    first, rest = str(path[0]), path[1:]
    if rest:
        inner = with_value(tree.get(first) or {}, rest, value)
        return {**tree, first: inner}
    return {**tree, first: value} if value is not None else {k: v for k, v in tree.items() if k != first}


def environment_cause(change: KeyChange, document: Document) -> Cause:
    """Return the cause of a changed key, with the line of that key."""
    span = document.key(change.path)
    return _cause(
        "environment",
        ".".join(map(str, change.path)),
        key_sentence(change),
        None if change.old is None else plain(change.old),
        None if change.new is None else plain(change.new),
        Place(file=span.file, line=span.line) if span else None,
    )


def _digest_cause(kind: CauseKind, word: str, change: KeyChange) -> Cause:
    name = ".".join(map(str, change.path))
    became = "is new" if change.old is None else "is gone" if change.new is None else "has other values"
    return _cause(kind, name, f"{word} {name} {became}", change.old, change.new)


def _note(causes: Iterable[Cause], moved: Moved) -> str:
    parts = [cause for cause in causes if cause.usd_per_month is not None]
    told = [moved.note]
    if len(parts) > 1:
        told.append(
            "each figure is the difference of two plans, with the causes applied from top to bottom; in another order "
            "the parts would differ, and their sum would not"
        )
    if any(cause.usd_per_month is None for cause in causes):
        told.append("a cause without a figure is counted in the one above it")
    return _sentences(told)


def _sentences(parts: Iterable[str]) -> str:
    return "; ".join(filter(None, parts))


def by_two_sums(base: Lock | None, proposed: Lock, document: Document) -> Attribution:
    """Return what new quantities change at old prices, and what new prices change at the new quantities."""
    diff = compare(base, proposed)
    if base is None:
        first = _cause("environment", "", "first plan").model_copy(update={"usd_per_month": diff.delta})
        return Attribution(causes=(first,), note="")
    causes: list[Cause] = []
    keys = [environment_cause(change, document) for change in ordered_changes(base, proposed, document)]
    others = [
        _digest_cause("traces", "trace", c) for c in key_changes(base.consulted.traces, proposed.consulted.traces)
    ]
    others += [
        _digest_cause("calibration", "calibration", c)
        for c in key_changes(base.consulted.calibrations, proposed.consulted.calibrations)
    ]
    if keys or others:
        lead = _cause("environment" if keys else others[0].kind, "", "changed inputs, at old prices")
        causes += _together([lead, *keys, *others], diff.by_inputs)
    elif diff.by_inputs:
        causes += _together([_cause("choice", "", "other quantities, at old prices")], diff.by_inputs)
    old, new = ({line.price: line for line in lock.plan.cost.lines} for lock in (base, proposed))
    moved = [
        _cause("prices", key, f"price of {key}", f"${old[key].unit_price:f}", f"${new[key].unit_price:f}")
        for key in sorted(old.keys() & new.keys())
        if old[key].unit_price != new[key].unit_price
    ]
    if moved or diff.by_prices:
        snapshots = _cause("prices", "", "prices", base.consulted.snapshot, proposed.consulted.snapshot)
        causes += _together([snapshots, *moved], diff.by_prices)
    note = "a cause without a figure is counted in the one above it" if len(causes) > 1 else ""
    return Attribution(causes=tuple(causes), note=note)
