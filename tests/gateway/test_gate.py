"""Places, the queue, and replicas that come and go."""

import asyncio
import random

import pytest

from gateway.gate import Gate, QueueFull
from tests.gateway.stage import run


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def gate(caps: dict[str, int], queue_length: int = 8, clock: Clock | None = None, **urls: list[str]) -> Gate:
    new_gate = Gate(caps, random.Random(5), clock or Clock(), queue_length)
    for pool, addresses in urls.items():
        new_gate.set_replicas(pool, addresses)
    return new_gate


def test_the_cap_is_per_replica() -> None:
    one = gate({"a": 2}, a=["u1", "u2"])
    places = [one.take({"a": 1}) for _ in range(5)]
    assert sorted(place.url for place in places if place) == ["u1", "u1", "u2", "u2"]
    assert places[4] is None
    assert places[0] is not None
    one.give_back(places[0])
    assert one.take({"a": 1}) is places[0]


def test_a_full_pool_leaves_its_share_to_the_others() -> None:
    both = gate({"a": 1, "b": 5}, a=["u1"], b=["u2"])
    places = [both.take({"a": 0.99, "b": 0.01}, drawn_pool="a") for _ in range(6)]
    assert [place.pool for place in places if place] == ["a", "b", "b", "b", "b", "b"]


def test_avoided_and_cooling_replicas() -> None:
    clock = Clock()
    one = gate({"a": 9}, clock=clock, a=["u1", "u2"])
    first, second = one.replicas("a")
    assert one.take({"a": 1}, [first]) is second
    assert one.take({"a": 1}, [first, second]) is None
    one.cool(first, 5)
    assert {one.take({"a": 1}) for _ in range(5)} == {second}
    assert one.take({"a": 1}, [second]) is first  # the last resort is still one
    clock.now = 5
    assert first in {one.take({"a": 1}) for _ in range(5)}


def test_waiters_are_served_in_order_and_by_the_pools_they_may_use() -> None:
    async def test() -> None:
        two = gate({"a": 1, "b": 1}, a=["u1"], b=["u2"])
        held_a, held_b = two.take({"a": 1}), two.take({"b": 1})
        assert held_a is not None
        assert held_b is not None
        order: list[str] = []

        async def wait(name: str, pool: str) -> None:
            place = await two.wait("route", {pool: 1}, 5)
            assert place is not None
            order.append(name)
            await asyncio.sleep(0)
            two.give_back(place)

        waits = [asyncio.create_task(wait(*pair)) for pair in (("1", "a"), ("2", "b"), ("3", "a"))]
        await asyncio.sleep(0)
        assert two.requests_waiting("route") == 3
        two.give_back(held_b)
        await asyncio.sleep(0.01)
        assert order == ["2"]
        two.give_back(held_a)
        await asyncio.gather(*waits)
        assert order == ["2", "1", "3"]
        assert two.requests_waiting("route") == 0

    run(test())


def test_time_is_up_and_the_queue_is_bounded() -> None:
    async def test() -> None:
        one = gate({"a": 1}, queue_length=1, a=["u1"])
        held = one.take({"a": 1})
        assert held is not None
        assert await one.wait("route", {"a": 1}, 0) is None
        assert await one.wait("route", {"a": 1}, 0.02) is None
        waiting = asyncio.create_task(one.wait("route", {"a": 1}, 5))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await one.wait("route", {"a": 1}, 5)
        assert await one.wait("other", {"a": 1}, 0.01) is None  # each route has a queue of its own
        one.give_back(held)
        assert await waiting is held

    run(test())


def test_a_place_handed_over_to_a_waiter_that_was_cancelled_is_free_again() -> None:
    async def test() -> None:
        one = gate({"a": 1}, a=["u1"])
        held = one.take({"a": 1})
        assert held is not None
        waiting = asyncio.create_task(one.wait("route", {"a": 1}, 5))
        await asyncio.sleep(0)
        one.give_back(held)  # hands the place over ...
        waiting.cancel()  # ... before the waiter has run
        await asyncio.gather(waiting, return_exceptions=True)
        assert held.in_flight == 0
        assert one.requests_waiting("route") == 0

    run(test())


def test_new_replicas_serve_waiters_and_known_ones_keep_their_count() -> None:
    async def test() -> None:
        one = gate({"a": 1})
        waiting = [asyncio.create_task(one.wait("route", {"a": 1}, 5)) for _ in range(2)]
        await asyncio.sleep(0)
        one.set_replicas("a", ["u1", "u2", "u3"])
        first, second = await asyncio.gather(*waiting)
        assert first is not None
        assert second is not None
        one.set_replicas("a", [first.url])
        assert [replica.in_flight for replica in one.replicas("a")] == [1]
        assert one.take({"a": 1}) is None
        one.give_back(second)  # it left, and frees no place
        assert one.take({"a": 1}) is None

    run(test())


def test_a_request_that_may_wait_leaves_places_to_others() -> None:
    """Of ten places it may take nine; the tenth is for a request for which somebody waits."""
    one = gate({"a": 10}, a=["u1"])
    places = [one.take({"a": 1}, most_full=0.9) for _ in range(10)]
    assert sum(place is not None for place in places) == 9
    assert one.take({"a": 1}) is not None
    assert one.take({"a": 1}) is None
    small = gate({"a": 1}, a=["u1"])
    assert small.take({"a": 1}, most_full=0.9) is not None  # a replica with one place still does the work


def test_a_request_that_may_wait_comes_after_those_that_may_not() -> None:
    async def test() -> None:
        one = gate({"a": 2}, a=["u1"])
        held = [one.take({"a": 1}) for _ in range(2)]
        patient = asyncio.create_task(one.wait("work", {"a": 1}, 5, most_full=0.9))
        await asyncio.sleep(0)
        urgent = asyncio.create_task(one.wait("chat", {"a": 1}, 5))
        await asyncio.sleep(0)
        assert held[0] is not None
        assert held[1] is not None
        one.give_back(held[0])
        await asyncio.sleep(0)
        assert urgent.done()
        assert not patient.done()
        one.give_back(held[1])  # one of two places is taken, and the other is kept for others
        await asyncio.sleep(0)
        assert not patient.done()
        place = urgent.result()
        assert place is not None
        one.give_back(place)
        await asyncio.sleep(0)
        assert patient.done()

    run(test())
