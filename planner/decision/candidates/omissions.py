"""Omissions: which candidates were not considered further, each with its first cause as a value.

A cause carries the numbers and names that its sentence needs; `answer.sentences` makes the sentence, last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from planner.decision.candidates.candidate import Candidate, names_all
from planner.domain.engine_minimum import Unserved
from planner.performance.capacity import NoCapacity
from planner.performance.memory import NoFit
from planner.performance.precision import Unsupported

OmissionKind = Literal[
    "memory",
    "format",
    "kv-cache",
    "drafter",
    "adapter",
    "slo",
    "price",
    "zones",
    "quota",
    "privacy",
    "residency",
    "region",
    "terms",
    "latency",
    "licence",
    "engine",
    "hardware",
    "machine",
    "provider",
    "not-called",
    "deployment",
    "retirement",
    "context",
    "dominated",
    "dear",
    "screened",
    "host",
    "too-many-gpus",
    "one-zone",
]


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
class CacheNotRun:
    """Plans do not store the KV cache of the model in this form on the GPU."""

    support: Unsupported
    kind: Literal["kv-cache"] = "kv-cache"


@dataclass(frozen=True)
class DrafterNotPlanned:
    """Plans do not use the drafter with the model in this precision."""

    support: Unsupported
    kind: Literal["drafter"] = "drafter"


@dataclass(frozen=True)
class AdaptersNotPlanned:
    """Plans use no adapters with the model in this precision, or beside its drafter."""

    support: Unsupported
    kind: Literal["adapter"] = "adapter"


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
    band: name of the input band that alone needs it; empty for the whole candidate.
    """

    price: str
    band: str = ""
    kind: Literal["price"] = "price"


@dataclass(frozen=True)
class NotInZones:
    """The instance type is sold in none of the environment's zones."""

    zones: tuple[str, ...]
    kind: Literal["zones"] = "zones"


@dataclass(frozen=True)
class OverQuota:
    """The account's vCPU quota does not hold one machine that could serve.

    needs: vCPUs of the smallest such machine.
    allowed: the quota, vCPUs.
    """

    family: str
    needs: int
    allowed: int
    kind: Literal["quota"] = "quota"


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
class NotCalled:
    """Plans do not use the provider.

    reason: why, as the end of a sentence.
    instead: what the team can do instead.
    """

    reason: str
    instead: str
    kind: Literal["not-called"] = "not-called"


@dataclass(frozen=True)
class NoDeployment:
    """The account at this provider serves a model only by a deployment, and the environment names none that fits.

    names: names of deployments that would do, `SLUG` or `SLUG@ENDPOINT`.
    """

    provider: str
    names: tuple[str, ...]
    kind: Literal["deployment"] = "deployment"


@dataclass(frozen=True)
class Ended:
    """The provider no longer serves the hosted model when the horizon starts, or is withdrawing it.

    on: the day of its end; None when that is not known.
    delisted: whether it is gone from the provider's price list.
    successors: what the provider offers instead.
    """

    on: date | None
    delisted: bool = False
    successors: tuple[str, ...] = ()
    kind: Literal["retirement"] = "retirement"


@dataclass(frozen=True)
class NearAddress:
    """A further address of a provider that processes in some places that the route allows, and in others.

    places: where it processes.
    residency: what the route would have to state for it.
    """

    name: str
    places: tuple[str, ...]
    residency: tuple[str, ...]


@dataclass(frozen=True)
class OtherResidency:
    """The provider processes data where the route does not allow it.

    places: where it does; None when they are not known.
    further: other addresses of the provider that come near.
    """

    places: tuple[str, ...] | None
    further: tuple[NearAddress, ...] = ()
    kind: Literal["residency"] = "residency"


@dataclass(frozen=True)
class RegionOutside:
    """Own machines would process data where the route does not allow it.

    region: the AWS region, with the name of its place.
    """

    region: str
    kind: Literal["region"] = "region"


@dataclass(frozen=True)
class TermsNotMet:
    """The provider's terms are not those that the route asks for.

    term: the key of `terms` that it does not keep.
    verified: whether the catalog knows; what is not verified does not pass.
    days, allowed_days: how long it keeps requests and how long it may, for `retention`; None elsewhere.
    """

    term: Literal["no_training", "retention", "zero_retention"]
    verified: bool
    days: float | None = None
    allowed_days: float | None = None
    kind: Literal["terms"] = "terms"


@dataclass(frozen=True)
class SlowerThanSlo:
    """The latency that the team measured at the provider misses the route's SLO.

    stated_ms, allowed_ms: time to the first token at the 95th percentile, measured and allowed, ms.
    prompt_tokens: the route's 95th-percentile prompt, for which the target holds.
    first_token: whether the target is one of the first token, and not of the last.
    """

    stated_ms: float
    allowed_ms: float
    prompt_tokens: int
    first_token: bool = True
    kind: Literal["latency"] = "latency"


@dataclass(frozen=True)
class LicenceForbids:
    """The licence of the model does not allow what the environment says of its use.

    licence: name of the licence.
    rule: what it forbids.
    limit: most monthly users; 0 elsewhere.
    stated: the monthly users or the place that the environment states.
    """

    licence: str
    rule: Literal["commercial use", "place", "monthly users"]
    stated: str = ""
    limit: int = 0
    kind: Literal["licence"] = "licence"


@dataclass(frozen=True)
class EngineLacks:
    """The release of the engine that plans run does not serve the model, or not in this precision."""

    unserved: Unserved
    kind: Literal["engine"] = "engine"


@dataclass(frozen=True)
class RuledOut:
    """A rule of the environment leaves the machine, the precision or the size out.

    rule: path of the key that decides it, like (`routes`, `chat`, `hardware`, `not`).
    words: what the rule names: of `not` the words that match, of `only` those of which none does.
    kind: `machine` where the rule leaves out every machine that there is, whatever it is.
    """

    rule: tuple[str, ...]
    words: tuple[str, ...]
    kind: Literal["hardware", "machine"] = "hardware"


@dataclass(frozen=True)
class TooLittleContext:
    """The model reads fewer tokens than the requests have.

    needed: tokens that it would have to read.
    reads: tokens that it reads; None when they are not stated.
    band: name of the input band; empty for the whole route.
    is_held: whether the route holds `engine.max_model_len` at that.
    """

    needed: int
    reads: int | None
    band: str = ""
    is_held: bool = False
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


@dataclass(frozen=True)
class NoMachine:
    """No machine that is sold or there holds a whole number of replicas of so many GPUs.

    gpus: GPUs of a replica.
    """

    gpus: int
    kind: Literal["too-many-gpus"] = "too-many-gpus"


@dataclass(frozen=True)
class OneZone:
    """A pool that no API may help would stand in one zone, and the plan must stand the loss of it.

    zone: the only zone of the environment that has the machine.
    """

    zone: str
    kind: Literal["one-zone"] = "one-zone"


OmissionCause = (
    DoesNotLoad
    | FormatNotRun
    | CacheNotRun
    | MissesSlo
    | DrafterNotPlanned
    | AdaptersNotPlanned
    | NoPrice
    | NotInZones
    | OverQuota
    | RestrictedData
    | NoAccount
    | NotCalled
    | NoDeployment
    | Ended
    | OtherResidency
    | RegionOutside
    | TermsNotMet
    | SlowerThanSlo
    | LicenceForbids
    | EngineLacks
    | RuledOut
    | TooLittleContext
    | Dominated
    | DearerThanPlan
    | FarFromCheapest
    | WeakHost
    | NoMachine
    | OneZone
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
    """Return (kind, number of omissions), the most frequent first, ties by name. Equal omissions count once.

    A layout that fell as tensor parallelism on the same GPUs did is not counted beside it, and a candidate with a
    drafter not beside the one without.
    """
    distinct = set(omissions)
    plain = {(o.candidate, o.kind, o.route) for o in distinct if _is_plain(o.candidate)}
    counts = Counter(o.kind for o in distinct if (_plain(o.candidate), o.kind, o.route) not in plain)
    counts += Counter(o.kind for o in distinct if _is_plain(o.candidate))
    return tuple((kind, counts[kind]) for kind in sorted(counts, key=lambda kind: (-counts[kind], kind)))


def _is_plain(candidate: Candidate) -> bool:
    return not candidate.parallelism.word and not candidate.drafter


def _plain(candidate: Candidate) -> Candidate:
    """Return the candidate without a drafter whose GPUs share the model by tensor parallelism."""
    gpus = candidate.parallelism.gpus
    return replace(candidate, tensor_parallel_size=gpus, data_parallel_size=1, enable_expert_parallel=False, drafter="")


def omissions_naming(omissions: Iterable[Omission], words: Sequence[str]) -> tuple[Omission, ...]:
    """Return the omissions whose candidate has all of the words in its names, each once, in their order."""
    return tuple(omission for omission in dict.fromkeys(omissions) if names_all(omission.candidate, words))
