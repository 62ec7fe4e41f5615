"""After the commit: exact events, cut streams, slow and leaving clients."""

import asyncio
import json
from typing import Any

import pytest

from gateway.settings import GatewaySettings
from tests.gateway.stage import (
    DONE_EVENT,
    GOOD_STREAM,
    USAGE,
    USAGE_EVENT,
    Stage,
    api,
    backends,
    chunk,
    document,
    event,
    good,
    pool,
    restricted,
    route,
    run,
    staged,
    streams,
)

ASKED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def test_a_stream_that_asks_for_usage_is_byte_exact() -> None:
    pieces = (
        b": opening comment\n\n",
        event(chunk("Grü\u00dfe")),
        b'id: 7\r\nevent: message\r\ndata: {"choices" : [ ] }\r\n\r\n',
        b'data: {"choices":[],\ndata: "odd":1}\n\n',
        event(chunk(' "usage" "error" ')),
        USAGE_EVENT,
        DONE_EVENT,
    )

    async def test() -> None:
        async with (
            backends(streams(*pieces)) as (near,),
            staged(document({"near": pool(near.url)}, keep=restricted())) as stage,
        ):
            reply = await stage.chat("keep", **ASKED)
            assert reply.raw == b"".join(pieces)
            assert reply.headers["Content-Type"] == "text/event-stream"
            assert near.documents()[0]["stream_options"] == {"include_usage": True}

    run(test())


@pytest.mark.parametrize("asked", [{"stream": True}, {"stream": True, "stream_options": {"include_usage": False}}])
def test_usage_is_always_asked_upstream_and_stripped_when_the_client_did_not_ask(asked: dict[str, Any]) -> None:
    with_null = {"choices": [{"index": 0, "delta": {"content": "ü"}}], "usage": None}
    in_last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}

    async def test() -> None:
        pieces = (event(chunk("a")), event(with_null), event(in_last), USAGE_EVENT, DONE_EVENT)
        async with (
            backends(streams(*pieces)) as (near,),
            staged(document({"near": pool(near.url)}, keep=restricted())) as stage,
        ):
            reply = await stage.chat("keep", **asked)
            events = reply.raw.split(b"\n\n")
            assert events[0] + b"\n\n" == pieces[0]
            assert json.loads(events[1][6:]) == {"choices": with_null["choices"]}
            assert json.loads(events[2][6:]) == {"choices": in_last["choices"]}
            assert events[3:] == [b"data: [DONE]", b""]
            assert near.documents()[0]["stream_options"]["include_usage"] is True
            attempt = stage.audit[0]["attempts"][0]
            assert (attempt["input_tokens"], attempt["output_tokens"], attempt["estimated"]) == (20, 2, False)

    run(test())


def error_of(raw: bytes) -> tuple[bytes, dict[str, object]]:
    """The stream before its last event, and the error of the last event."""
    *before, last, end = raw.split(b"\n\n")
    assert end == b""
    error: dict[str, object] = json.loads(last.removeprefix(b"data: "))["error"]
    return b"".join(block + b"\n\n" for block in before), error


@pytest.mark.parametrize("ending", [(ConnectionError,), (), (b'data: {"choi',), (b'data: {"choi', ConnectionError)])
def test_a_cut_stream_ends_with_an_error_event_and_nothing_switches(ending: tuple[object, ...]) -> None:
    async def test() -> None:
        cut = streams(event(chunk("Hel")), *ending)  # type: ignore[arg-type]
        async with backends(cut, good(), good()) as (near, other, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                reply = await stage.chat(stream=True)
                before, error = error_of(reply.raw)
                assert reply.status == 200
                assert before == event(chunk("Hel"))
                assert error["code"] == "stream_cut"
                assert b"[DONE]" not in reply.raw
                assert (other.calls, away.calls) == (0, 0)
                assert stage.audit[0]["outcome"] == "cut"
                attempt = stage.audit[0]["attempts"][0]
                assert (attempt["estimated"], attempt["output_tokens"]) == (True, 1)

    run(test())


def test_done_after_an_error_event_is_dropped() -> None:
    error = event({"error": {"message": "out of memory", "code": 500}})

    async def test() -> None:
        async with (
            backends(streams(event(chunk("a")), error, DONE_EVENT)) as (near,),
            staged(document({"near": pool(near.url)}, keep=restricted())) as stage,
        ):
            reply = await stage.chat("keep", stream=True)
            assert reply.raw == event(chunk("a")) + error
            assert stage.audit[0]["outcome"] == "cut"
            assert stage.audit[0]["attempts"][0]["outcome"] == "error_event"

    run(test())


def test_silence_inside_a_stream_ends_it() -> None:
    async def test() -> None:
        async with backends(streams(event(chunk("a")), 10.0, *GOOD_STREAM)) as (near,):
            policy = document({"near": pool(near.url)}, keep=restricted())
            async with staged(policy, settings=GatewaySettings(chunk_idle_s=0.2)) as stage:
                _, error = error_of((await stage.chat("keep", stream=True)).raw)
                assert error["code"] == "stream_stalled"
                await asyncio.wait_for(near.hung_up.wait(), 1)

    run(test())


def test_an_event_without_end_is_cut_at_the_limit() -> None:
    async def test() -> None:
        async with backends(streams(event(chunk("a")), 0.1, b"data: " + b"x" * 5000, b"x" * 5000)) as (near,):
            policy = document({"near": pool(near.url)}, keep=restricted())
            async with staged(policy, settings=GatewaySettings(event_bytes=4096)) as stage:
                _, error = error_of((await stage.chat("keep", stream=True)).raw)
                assert error["code"] == "stream_cut"
                assert stage.audit[0]["attempts"][0]["outcome"] == "bad_event"

    run(test())


def test_events_reach_the_client_as_they_come() -> None:
    async def test() -> None:
        async with (
            backends(streams(event(chunk("a")), 0.4, *GOOD_STREAM)) as (near,),
            staged(document({"near": pool(near.url)}, keep=restricted())) as stage,
        ):
            body = {"model": "keep", "stream": True, "messages": [{"role": "user", "content": "x"}]}
            began = asyncio.get_running_loop().time()
            async with stage.http.post("/v1/chat/completions", json=body) as response:
                assert await response.content.readany() == event(chunk("a"))
                assert asyncio.get_running_loop().time() - began < 0.3

    run(test())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("side", ["keep", "out"])
def test_a_client_that_leaves_cancels_the_backend(stream: bool, side: str) -> None:
    async def test() -> None:
        endless = streams(event(chunk("a")), 10.0, *GOOD_STREAM)
        async with backends(endless, endless) as (near, away):
            policy = document(
                {"near": pool(near.url)},
                {"away": api(away.url)},
                keep=restricted(),
                out=route(api_share=1.0),
            )
            async with staged(policy) as stage:
                await leave(stage, side, stream)
                await asyncio.wait_for((away if side == "out" else near).hung_up.wait(), 1)
                while not stage.audit:
                    await asyncio.sleep(0.01)
                line = stage.audit[0]
                assert (line["outcome"], line["attempts"][0]["outcome"]) == ("client_gone", "cancelled")
                assert line["attempts"][0]["estimated"] is True
                assert (line["nano_usd"] > 0) == (side == "out")
                assert await stage.metric('spillway_in_flight{pool="near"}') == 0
                assert await stage.metric('spillway_demand{pool="near"}') == 0

    async def leave(stage: Stage, side: str, stream: bool) -> None:
        body = {"model": side, "stream": stream, "messages": [{"role": "user", "content": "x"}]}
        if stream:
            response = await stage.http.post("/v1/chat/completions", json=body)
            await response.content.readany()
            response.close()
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stage.http.post("/v1/chat/completions", json=body), 0.2)

    run(test())


def test_a_client_that_does_not_read_is_cut_and_frees_its_place() -> None:
    async def test() -> None:
        flood = streams(*[event(chunk("x" * 200_000)) for _ in range(200)], DONE_EVENT)
        async with backends(flood) as (near,):
            policy = document({"near": pool(near.url)}, keep=restricted())
            async with staged(policy, settings=GatewaySettings(client_write_s=0.3)) as stage:
                reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port, limit=1024)
                body = json.dumps({"model": "keep", "stream": True, "messages": [{"role": "user", "content": "x"}]})
                head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write((head + body).encode())
                await reader.read(100)  # and then no more
                while not stage.audit:
                    await asyncio.sleep(0.02)
                assert stage.audit[0]["outcome"] == "client_slow"
                assert await stage.metric('spillway_in_flight{pool="near"}') == 0
                await asyncio.wait_for(near.hung_up.wait(), 1)
                writer.close()

    run(test())


def test_backend_headers_do_not_reach_the_client() -> None:
    async def test() -> None:
        async with backends(good()) as (near,), staged(document({"near": pool(near.url)}, keep=restricted())) as stage:
            for stream in (False, True):
                reply = await stage.chat("keep", stream=stream)
                names = {name.lower() for name in reply.headers}
                assert names <= {
                    *("content-type", "content-length", "transfer-encoding", "cache-control", "date", "server"),
                    *("x-accel-buffering", "x-request-id", "x-spillway-served-by"),
                }

    run(test())
