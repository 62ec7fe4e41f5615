"""The gate: places at local replicas, and the bounded queue of requests that may go nowhere else.

The gate caps the requests in flight at each replica. `take` answers at once: when the gate is full, a request that may
spill goes to its API. `wait` is for requests that only a local pool may serve; it queues them first come, first served.
The gate opens no connection. Whoever takes a place must give it back.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.choose import least_of_two, weighted_draw


@dataclass(eq=False)
class GatedReplica:
    """A gated replica is one engine, as the gate sees it.

    url: root URL of the replica.
    in_flight: requests that it holds now.
    cooling_until: time of the gate's clock up to which others are preferred, seconds.
    """

    pool: str
    url: str
    in_flight: int = 0
    cooling_until: float = 0.0


@dataclass(eq=False)
class _Waiter:
    weights: Mapping[str, float]
    avoided: Collection[GatedReplica]
    most_full: float
    place: asyncio.Future[GatedReplica] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class QueueFull(Exception):
    """The route's queue has no room."""


class Gate:
    """The gate gives out places at replicas.

    caps: pool -> requests that one replica may hold.
    clock: monotonic seconds.
    queue_length: requests of one route that may wait.
    """

    def __init__(
        self, caps: Mapping[str, int], rng: random.Random, clock: Callable[[], float], queue_length: int
    ) -> None:
        self._caps = dict(caps)
        self._rng = rng
        self._clock = clock
        self._queue_length = queue_length
        self._replicas: dict[str, dict[str, GatedReplica]] = {pool: {} for pool in caps}
        self._waiters: deque[_Waiter] = deque()
        self._waiting: Counter[str] = Counter()

    def set_replicas(self, pool: str, urls: Collection[str]) -> None:
        """Make `urls` the pool's replicas. Known ones keep their count; those that left finish what they hold."""
        current = self._replicas[pool]
        self._replicas[pool] = {url: current.get(url) or GatedReplica(pool, url) for url in sorted(urls)}
        while self._serve_first_waiter():
            pass

    def replicas(self, pool: str) -> Sequence[GatedReplica]:
        """List the pool's replicas of this moment, by URL."""
        return tuple(self._replicas[pool].values())

    def requests_waiting(self, route: str) -> int:
        """Count the requests of the route in the queue."""
        return self._waiting[route]

    def take(
        self,
        weights: Mapping[str, float],
        avoided: Collection[GatedReplica] = (),
        drawn_pool: str | None = None,
        most_full: float = 1.0,
    ) -> GatedReplica | None:
        """Take a place at a replica of the weighted pools, outside `avoided`. The answer is None when all are full.

        `drawn_pool` is the pool that a draw over all weights gave. Only if it has no place, the others are drawn from,
        so that the shares stay those of the weights. A replica is full to this request when `most_full` of its places
        are taken.
        """
        free = {pool: replicas for pool in weights if (replicas := self._free(pool, avoided, most_full))}
        if not free:
            return None
        now = self._clock()
        warm = {
            pool: cool_enough
            for pool, replicas in free.items()
            if (cool_enough := [replica for replica in replicas if replica.cooling_until <= now])
        }
        # A replica that refuses connections has nothing in flight and would win every draw; it is the last resort.
        candidates = warm or free
        pool = (
            drawn_pool
            if drawn_pool in candidates
            else weighted_draw({name: weights[name] for name in candidates}, self._rng)
        )
        replica = least_of_two(candidates[pool], self._rng)
        replica.in_flight += 1
        return replica

    async def wait(
        self,
        route: str,
        weights: Mapping[str, float],
        limit_s: float,
        avoided: Collection[GatedReplica] = (),
        drawn_pool: str | None = None,
        most_full: float = 1.0,
    ) -> GatedReplica | None:
        """Take a place, and wait for it up to `limit_s` seconds in the route's queue. The answer is None when the time
        is up.

        The other arguments are those of `take`. Raises QueueFull.
        """
        replica = self.take(weights, avoided, drawn_pool, most_full)
        if replica is not None or limit_s <= 0:
            return replica
        if self._waiting[route] >= self._queue_length:
            raise QueueFull(route)
        waiter = _Waiter(weights, avoided, most_full)
        self._waiters.append(waiter)
        self._waiting[route] += 1
        try:
            async with asyncio.timeout(limit_s):
                return await waiter.place
        except TimeoutError:
            return self._place_after_all(waiter)
        except asyncio.CancelledError:
            late = self._place_after_all(waiter)
            if late is not None:
                self.give_back(late)
            raise
        finally:
            self._waiting[route] -= 1
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def give_back(self, replica: GatedReplica) -> None:
        """Free a place. The first waiter that may use it gets it."""
        replica.in_flight -= 1
        self._serve_first_waiter()

    def cool(self, replica: GatedReplica, seconds: float) -> None:
        """Pass the replica over for `seconds` while others are free."""
        replica.cooling_until = self._clock() + seconds

    def _free(self, pool: str, avoided: Collection[GatedReplica], most_full: float) -> list[GatedReplica]:
        cap = max(1, math.floor(self._caps[pool] * most_full))
        return [r for r in self._replicas[pool].values() if r.in_flight < cap and r not in avoided]

    def _serve_first_waiter(self) -> bool:
        """Hand a free place to the longest waiting request that may use it. The answer is False when there is none.

        Requests that leave places to others come after all of these, however long they have waited.
        """
        for waiter in sorted(self._waiters, key=lambda each: each.most_full < 1.0):
            if waiter.place.done():
                continue
            replica = self.take(waiter.weights, waiter.avoided, most_full=waiter.most_full)
            if replica is not None:
                waiter.place.set_result(replica)
                self._waiters.remove(waiter)
                return True
        return False

    @staticmethod
    def _place_after_all(waiter: _Waiter) -> GatedReplica | None:
        """Return the place that was handed over in the very moment in which the waiter stopped waiting."""
        place = waiter.place
        return place.result() if place.done() and not place.cancelled() else None
