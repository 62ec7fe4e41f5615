"""Why a candidate was not considered further: every omission is logged with its first reason.

A subject is a candidate in the reader's words, like `gpt-oss-120b (mxfp4) on 1 × L4`; a reason is a sentence. The log
groups reasons by their kind, so that a plan can say how many candidates fell and why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

OmissionKind = Literal[
    "memory",
    "format",
    "slo",
    "price",
    "zones",
    "privacy",
    "residency",
    "provider",
    "retirement",
    "context",
    "dominated",
    "screened",
    "host",
]

MEANING: dict[OmissionKind, str] = {
    "memory": "does not fit the GPU's memory",
    "format": "the GPU does not run the weight format",
    "slo": "cannot meet the SLO at any load",
    "price": "has no price",
    "zones": "is not sold in the environment's zones",
    "privacy": "is an API, and the data is restricted",
    "residency": "processes data where the route does not allow it",
    "provider": "is at a provider without an account in `api.providers`",
    "retirement": "retires within the horizon or is delisted",
    "context": "reads fewer tokens than the route's prompts have",
    "dominated": "costs no less and does no more than another candidate",
    "screened": "is far from the cheapest for every route",
    "host": "has too little CPU or memory beside the GPU",
}


@dataclass(frozen=True, order=True)
class Omission:
    """One candidate that fell, and its first reason."""

    kind: OmissionKind
    subject: str
    reason: str
    route: str = ""


def counted(omissions: Iterable[Omission]) -> tuple[tuple[str, int], ...]:
    """(meaning, count) by kind, the most frequent first, ties by name."""
    counts = Counter(omission.kind for omission in set(omissions))
    return tuple((MEANING[kind], counts[kind]) for kind in sorted(counts, key=lambda k: (-counts[k], k)))


def about(omissions: Iterable[Omission], words: Iterable[str]) -> tuple[Omission, ...]:
    """Omissions whose subject names all the words, sorted: what `explain --why-not` shows."""
    wanted = [re.compile(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])") for word in words]
    return tuple(sorted({o for o in omissions if all(word.search(o.subject.lower()) for word in wanted)}))
