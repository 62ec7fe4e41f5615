"""A play in scenes: what of the fleet is there in each of them, and what happens to replicas that come and go.

A scene has one load level and one number of replicas for each pool. The difference between two scenes says who leaves
and who comes. Who leaves is drained as Kubernetes does it with the chart's settings:

    readiness goes → preStop sleeps → SIGTERM, and what runs may finish → SIGKILL at the end of the grace

The cluster's DNS tells a change `RECORD_S` after it happened, to which the gateway's own interval comes. That is the
longest time that CoreDNS keeps a record of a headless Service, so that the play is no kinder than production.

Times are those of real traffic, ms after its start unless they say seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

RECORD_S = 5.0
"""Time for which the cluster's DNS keeps a record of a headless Service, seconds (CoreDNS, plugin `kubernetes`:
`ttl`)."""

Phase = str
"""What a part of a rehearsal is called: `steady`, `after the kill`, or the name of a scene."""
STEADY, AFTER_THE_KILL = "steady", "after the kill"


@dataclass(frozen=True)
class Drain:
    """A drain is how a replica ends, in seconds after its readiness went. The defaults are those of the vLLM chart.

    pre_stop_s: sleep before SIGTERM, in which gateways see that its record has gone.
    shutdown_s: time after SIGTERM in which running answers may finish.
    grace_s: time after which it is killed, whatever it does.
    """

    pre_stop_s: float = 15.0
    shutdown_s: float = 90.0
    grace_s: float = 110.0

    @property
    def cuts_after_s(self) -> float:
        """Return after how long the engine ends what still runs, seconds."""
        return min(self.pre_stop_s + self.shutdown_s, self.grace_s)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene is a part of the play in which nothing changes but what the change before it still causes.

    phase: its name, which no other scene has.
    begins_ms: when it begins.
    level: name of the load level that is played.
    promised: whether latencies are promised while it lasts.
    replicas: replicas on stage, by pool.
    planned_replicas: replicas of the whole fleet that they stand for, by pool.
    shares: share of a route's traffic that is on stage, by route.
    spill_shares: share of a route's requests that the plan sends to APIs at this level, by route.
    nodes_usd_per_hour: what the GPU nodes of the whole fleet cost, USD an hour; None where the lock does not tell it.
    """

    phase: Phase
    begins_ms: float
    level: str
    promised: bool
    replicas: Mapping[str, int]
    planned_replicas: Mapping[str, int]
    shares: Mapping[str, float]
    spill_shares: Mapping[str, float]
    nodes_usd_per_hour: Decimal | None


@dataclass(frozen=True)
class Stint:
    """A stint is replicas of a pool that come together and leave together.

    replicas: number of engine twins.
    serves_ms: when they are ready; 0 for those that are there at the start.
    leaves_ms: when their readiness goes; infinity for those that stay.
    """

    pool: str
    replicas: int
    serves_ms: float
    leaves_ms: float

    @property
    def stays(self) -> bool:
        """Say whether they are there at the end."""
        return math.isinf(self.leaves_ms)


class Cue(NamedTuple):
    """A cue is one thing that happens to a stint at a moment.

    what: `listed` and `unlisted` change the DNS; `asked` is SIGTERM; `killed` is SIGKILL.
    stint: index of the stint.
    """

    at_ms: float
    what: Literal["listed", "unlisted", "asked", "killed"]
    stint: int


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot is the scenes of a play, in order, and how replicas come and go between them.

    story: what happens, in one sentence.
    warm_s: time from the request for a node until a replica of the pool serves on it, seconds, by pool.
    starting_usd: what the nodes that come cost until they serve, USD for the whole fleet; None where the lock does not
    tell it.
    notice_s: time between the start of a scene and the moment in which replicas leave for it, seconds.
    drain: how replicas end.
    """

    story: str
    scenes: tuple[Scene, ...]
    warm_s: Mapping[str, float]
    starting_usd: Decimal | None
    notice_s: float = 0.0
    drain: Drain = Drain()

    def scene_at(self, at_ms: float) -> Scene:
        """Return the scene that is played at a moment."""
        return [scene for scene in self.scenes if scene.begins_ms <= at_ms or scene is self.scenes[0]][-1]

    @property
    def stints(self) -> tuple[Stint, ...]:
        """Return who is there from when to when, by pool. Who came last leaves first."""
        pools = sorted({pool for scene in self.scenes for pool in scene.replicas})
        return tuple(stint for pool in pools for stint in self._stints_of(pool))

    @property
    def cues(self) -> tuple[Cue, ...]:
        """Return all that happens to stints, in the order of time."""
        found: list[Cue] = []
        for index, stint in enumerate(self.stints):
            # What is there when the curtain rises has been in the DNS for long.
            found.append(Cue(stint.serves_ms + (RECORD_S * 1000 if stint.serves_ms else 0), "listed", index))
            if not stint.stays:
                found += [
                    Cue(stint.leaves_ms + RECORD_S * 1000, "unlisted", index),
                    Cue(stint.leaves_ms + self.drain.pre_stop_s * 1000, "asked", index),
                    Cue(stint.leaves_ms + self.drain.grace_s * 1000, "killed", index),
                ]
        return tuple(sorted(found))

    def was_cut_by_the_drain(self, pool: str, arrival_ms: float, ended_ms: float) -> bool:
        """Say whether an answer of a pool that broke off was longer than the drain of replicas on which it could run.

        A replica that a gateway may still know gets requests until its preStop hook ends.
        """
        return any(
            stint.pool == pool
            and arrival_ms < stint.leaves_ms + self.drain.pre_stop_s * 1000
            and stint.leaves_ms + (self.drain.cuts_after_s - _EARLY_S) * 1000 <= ended_ms
            and self.drain.cuts_after_s > _EARLY_S
            for stint in self.stints
            if not stint.stays
        )

    def struck_ms(self, pool: str | None, arrival_ms: float, ended_ms: float) -> float:
        """Return the moment to which a failed request belongs: when replicas of its pool began to leave, the last time
        before its end, or else its arrival."""
        leaving = (stint.leaves_ms for stint in self.stints if stint.pool == pool and stint.leaves_ms <= ended_ms)
        return max(arrival_ms, *leaving, arrival_ms)

    def _stints_of(self, pool: str) -> Iterator[Stint]:
        counts = [scene.replicas.get(pool, 0) for scene in self.scenes]
        spans: dict[tuple[int, int], int] = {}
        for place in range(max(counts)):
            for span in _spans([count > place for count in counts]):
                spans[span] = spans.get(span, 0) + 1
        for (first, last), replicas in sorted(spans.items()):
            stays = last == len(counts)
            leaves_ms = math.inf if stays else self.scenes[last].begins_ms + self.notice_s * 1000
            yield Stint(pool, replicas, self.scenes[first].begins_ms, leaves_ms)


_EARLY_S = 1.0
"""How much earlier than planned an end may be seen, seconds; it covers clocks that were started one after the other."""


def _spans(there: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the first scene of each run of scenes in which something is there, and the scene after its last."""
    first: int | None = None
    for index, present in enumerate((*there, False)):
        if present and first is None:
            first = index
        elif not present and first is not None:
            yield first, index
            first = None
