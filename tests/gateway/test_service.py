"""The lifetime of a gateway: ready, draining, gone."""

import asyncio

import pytest

from tests.gateway.stage import backends, chunk, document, event, held_until, pool, restricted, run, staged, streams

GOOD_END = (event(chunk("b")), b"data: [DONE]\n\n")


def test_draining_lets_requests_end_and_takes_no_new_connection() -> None:
    async def test() -> None:
        slow = streams(event(chunk("a")), 0.4, *GOOD_END)
        async with backends(slow) as (near,), staged(document({"near": pool(near.url)}, chat=restricted())) as stage:
            answer = asyncio.create_task(stage.chat(stream=True))
            await near.arrived.wait()
            draining = asyncio.create_task(stage.gateway.drain(5))
            await asyncio.sleep(0.1)
            assert (await stage.admin("/readyz")).raw == b"draining\n"
            assert (await stage.admin("/livez")).status == 200
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", stage.gateway.port)
            assert await draining == 0
            assert (await answer).raw.endswith(b"data: [DONE]\n\n")

    run(test())


def test_draining_ends_at_its_limit_and_tells_how_many_are_left() -> None:
    async def test() -> None:
        release = asyncio.Event()
        policy_of = restricted(queue_ms=5000)
        async with (
            backends(held_until(release)) as (near,),
            staged(document({"near": pool(near.url)}, chat=policy_of)) as stage,
        ):
            answer = asyncio.create_task(stage.chat())
            await near.arrived.wait()
            assert await stage.gateway.drain(0.1) == 1
            await stage.gateway.stop()
            assert (await asyncio.gather(answer, return_exceptions=True))[0].__class__.__name__ != "Reply"
            await asyncio.wait_for(near.hung_up.wait(), 1)

    run(test())


def test_a_port_that_is_taken_is_an_os_error_and_leaves_nothing_running() -> None:
    async def test() -> None:
        policy = document({"near": pool("http://127.0.0.1:9")}, chat=restricted())
        async with staged(policy) as first, staged(policy) as second:
            assert first.gateway.port != second.gateway.port
            await second.gateway.stop()
            with pytest.raises(OSError, match="in use"):
                await second.gateway.start("127.0.0.1", first.gateway.port, 0)
            with pytest.raises(OSError, match="Connect"):
                await asyncio.open_connection("127.0.0.1", second.gateway.admin_port)

    run(test())


def test_the_same_seed_gives_the_same_choices() -> None:
    async def choices() -> list[str | None]:
        async with backends(streams(*GOOD_END), streams(*GOOD_END)) as (a, b):
            policy = document({"a": pool(a.url), "b": pool(b.url)}, chat=restricted({"a": 0.5, "b": 0.5}))
            async with staged(policy) as stage:
                return [(await stage.chat(stream=True)).served_by for _ in range(30)]

    first, second = run(choices()), run(choices())
    assert first == second
    assert set(first) == {"pool/a", "pool/b"}
