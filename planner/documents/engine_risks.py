"""Risks of another image of the engine: it answers the requests, and its speed is not what the plan was made with."""

from __future__ import annotations

from collections.abc import Iterator

from planner.documents.review import Place, Risk
from planner.documents.review_figures import Side
from planner.documents.sentences import plain
from planner.plan.engine import PlannedEngine
from planner.words.spans import Document


def engine_risks(old: Side, new: Side, document: Document) -> Iterator[Risk]:
    """Yield another image of the engine, for all replicas or for some, which nobody has timed here."""
    if not old.pools or not new.pools:
        return
    before, after = (side.plan.platform.engine or PlannedEngine() for side in (old, new))
    if before.image != after.image:
        tried = before.canary is not None and before.canary.image == after.image
        charts = "that of the charts"
        what = f"every replica runs another image of the engine: {before.image or charts} → {after.image or charts}"
        what += ", which was tried as a canary" if tried else ", which was no canary before"
        yield Risk(kind="engine", what=what, where=_place(document, "platform", "engine", "image"))
    canary = after.canary
    if canary is not None and (before.canary is None or before.canary.image != canary.image):
        some = plain(
            [
                f"{count} of {new.pools[name].replicas.max} {name}"
                for name, count in sorted(canary.replicas.items())
                if name in new.pools
            ]
        )
        what = f"an image of the engine that nobody timed answers part of the requests: {canary.image} on {some}"
        yield Risk(kind="engine", what=what, where=_place(document, "platform", "engine", "canary"))


def _place(document: Document, *path: str) -> Place | None:
    span = document.key(path)
    return Place(file=span.file, line=span.line) if span else None
