"""Omissions: which candidates were not considered further, each with its first cause as a value.

A cause carries the numbers and names that its sentence needs; `answer.sentences` makes the sentence, last.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from planner.performance.capacity import NoCapacity
from planner.performance.memory import NoFit
from planner.performance.precision import Unsupported

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
    "dear",
    "screened",
    "host",
]


@dataclass(frozen=True)
class Candidate:
    """A candidate is what could be chosen, by its catalog keys. A field that does not apply is empty, or 0.

    model: open-weight model.
    quantization: format of its weights.
    gpu, tensor_parallel_size: GPUs of one replica, kind and number.
    instance_type: machine that carries it.
    api: hosted model, `PROVIDER/SLUG`.
    """

    model: str = ""
    quantization: str = ""
    gpu: str = ""
    tensor_parallel_size: int = 0
    instance_type: str = ""
    api: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names that a reader may look for."""
        return tuple(name for name in (self.model, self.quantization, self.gpu, self.instance_type, self.api) if name)


@dataclass(frozen=True)
class DoesNotLoad:
    """The replica does not fit into the GPUs' memory, or its model cannot be cut for so many of them."""

    fit: NoFit
    kind: Literal["memory"] = "memory"


@dataclass(frozen=True)
class FormatNotRun:
    """The GPU does not run the weight format."""

    support: Unsupported
    kind: Literal["format"] = "format"


@dataclass(frozen=True)
class MissesSlo:
    """The replica meets the route's SLO at no load.

    band: name of the input band; empty for the whole route.
    """

    capacity: NoCapacity
    band: str = ""
    kind: Literal["slo"] = "slo"


@dataclass(frozen=True)
class NoPrice:
    """The price snapshot lacks a price.

    price: key of the price.
    """

    price: str
    kind: Literal["price"] = "price"


@dataclass(frozen=True)
class NotInZones:
    """The instance type is sold in none of the environment's zones."""

    zones: tuple[str, ...]
    kind: Literal["zones"] = "zones"


@dataclass(frozen=True)
class RestrictedData:
    """The route's data is restricted, and this candidate is an API."""

    kind: Literal["privacy"] = "privacy"


@dataclass(frozen=True)
class NoAccount:
    """The environment names no account at this provider."""

    provider: str
    kind: Literal["provider"] = "provider"


@dataclass(frozen=True)
class Retires:
    """The provider stops serving the hosted model within the horizon.

    on: its last day; None when it is delisted already.
    until: the day up to which it is needed.
    """

    on: date | None
    until: date
    kind: Literal["retirement"] = "retirement"


@dataclass(frozen=True)
class OtherResidency:
    """The provider processes data where the route does not allow it.

    places: where it does; None when they are not known.
    """

    places: tuple[str, ...] | None
    kind: Literal["residency"] = "residency"


@dataclass(frozen=True)
class TooLittleContext:
    """The model reads fewer tokens than the requests have.

    needed: tokens that it would have to read.
    reads: tokens that it reads; None when they are not stated.
    band: name of the input band; empty for the whole route.
    """

    needed: int
    reads: int | None
    band: str = ""
    kind: Literal["context"] = "context"


@dataclass(frozen=True)
class Dominated:
    """Another candidate (`by`) does everything that this one does for no more money."""

    by: Candidate
    kind: Literal["dominated"] = "dominated"


@dataclass(frozen=True)
class DearerThanPlan:
    """The smallest deployment of this candidate costs more than a whole plan without it.

    usd_per_month: cost of that plan.
    """

    usd_per_month: float
    kind: Literal["dear"] = "dear"


@dataclass(frozen=True)
class FarFromCheapest:
    """Many other candidates are cheaper for every route that this one could serve."""

    kind: Literal["screened"] = "screened"


@dataclass(frozen=True)
class WeakHost:
    """The instance type has too little CPU or memory for each of its GPUs, or is bare metal."""

    kind: Literal["host"] = "host"


OmissionCause = (
    DoesNotLoad
    | FormatNotRun
    | MissesSlo
    | NoPrice
    | NotInZones
    | RestrictedData
    | NoAccount
    | Retires
    | OtherResidency
    | TooLittleContext
    | Dominated
    | DearerThanPlan
    | FarFromCheapest
    | WeakHost
)


@dataclass(frozen=True)
class Omission:
    """An omission is a candidate that fell, with its first cause.

    route: the route that it fell for; empty for all routes.
    """

    candidate: Candidate
    cause: OmissionCause
    route: str = ""

    @property
    def kind(self) -> OmissionKind:
        """Return the kind by which it is counted."""
        return self.cause.kind


def counts_by_kind(omissions: Iterable[Omission]) -> tuple[tuple[OmissionKind, int], ...]:
    """Return (kind, number of omissions), the most frequent first, ties by name. Equal omissions count once."""
    counts = Counter(omission.kind for omission in set(omissions))
    return tuple((kind, counts[kind]) for kind in sorted(counts, key=lambda kind: (-counts[kind], kind)))


def names_all(candidate: Candidate, words: Sequence[str]) -> bool:
    """Say whether each word is a whole part of some name of the candidate: `L4` is part of `L4` and not of `L40S`."""
    patterns = [re.compile(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])") for word in words]
    return all(any(pattern.search(name.lower()) for name in candidate.names) for pattern in patterns)


def omissions_naming(omissions: Iterable[Omission], words: Sequence[str]) -> tuple[Omission, ...]:
    """Return the omissions whose candidate has all of the words in its names, each once, in their order."""
    return tuple(omission for omission in dict.fromkeys(omissions) if names_all(omission.candidate, words))
