"""The HTTP face: keys, routes, limits, refused fields, probes, metrics."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from gateway.settings import GatewaySettings
from tests.gateway.stage import (
    DIGEST,
    api,
    backends,
    chunk,
    document,
    event,
    good,
    held_until,
    keys_of,
    pool,
    restricted,
    route,
    run,
    staged,
    streams,
)


def test_without_a_valid_key_nothing_is_served() -> None:
    async def test() -> None:
        keys, auth = keys_of(team_a=["chat"])
        async with (
            backends(good()) as (near,),
            staged(document({"near": pool(near.url)}, chat=restricted()), keys=keys) as stage,
        ):
            key = auth["team_a"]
            for wrong in (
                None,
                "",
                "Bearer x",
                key[:-1],
                key + "0",
                key.replace("team_a", "team_b"),
                "Basic " + key,
            ):
                headers = {} if wrong is None else {"Authorization": wrong}
                reply = await stage.chat(headers=headers)
                assert (reply.status, reply.code) == (401, "key_invalid")
                assert (await stage.get("/v1/models", headers)).status == 401
            assert near.calls == 0
            assert (await stage.chat(headers={"Authorization": key})).status == 200
            assert stage.audit[-1]["client"] == "team_a"
            assert key.removeprefix("Bearer ") not in "".join(stage.lines)

    run(test())


def test_unknown_and_forbidden_routes_are_the_same_404_with_the_list() -> None:
    async def test() -> None:
        keys, auth = keys_of(a=["chat", "code"], b=["code"])
        async with backends(good()) as (near,):
            routes = {name: restricted() for name in ("chat", "code", "secret")}
            async with staged(document({"near": pool(near.url)}, **routes), keys=keys) as stage:
                unknown = await stage.chat("nothing", {"Authorization": auth["a"]})
                forbidden = await stage.chat("secret", {"Authorization": auth["a"]})
                assert (unknown.status, unknown.code) == (404, "model_not_found")
                assert unknown.raw == forbidden.raw
                assert "chat, code" in unknown.document["error"]["message"]
                models = (await stage.get("/v1/models", {"Authorization": auth["b"]})).document
                assert [model["id"] for model in models["data"]] == ["code"]
                assert near.calls == 0

    run(test())


@pytest.mark.parametrize("field", ["fallbacks", "api_base", "base_url", "model_list", "user_config", "api_key"])
def test_fields_that_widen_the_route_are_refused(field: str) -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                reply = await stage.chat("chat", None, **{field: "http://127.0.0.1:9/"})
                assert (reply.status, reply.code) == (400, "field_refused")
                assert reply.document["error"]["param"] == field
                assert near.calls + away.calls == 0

    run(test())


def test_of_duplicate_keys_only_the_judged_value_leaves() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document(
                {"near": pool(near.url)}, {"away": api(away.url)}, open=route(api_share=1.0), keep=restricted()
            )
            async with staged(policy) as stage:
                body = (
                    b'{"model": "open", "messages": [{"role": "user", "content": "first"}],'
                    b' "model": "keep", "messages": [{"role": "user", "content": "second", "content": "third"}]}'
                )
                assert (await stage.post(body)).served_by == "pool/near"
                assert away.calls == 0
                assert near.bodies[0].count(b'"model"') == 1
                assert b"first" not in near.bodies[0]
                assert b"second" not in near.bodies[0]
                assert b"third" in near.bodies[0]

    run(test())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b'{"model": "chat"}',
        b'{"messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "chat", "messages": []}',
        b'{"model": 5, "messages": [{"content": "x"}]}',
        b'{"model": "chat", "messages": [{"content": "x"}], "temperature": NaN}',
        b'{"model": "chat", "messages": [{"content": "\\ud800"}]}',
        b'{"model": "chat", "messages": [{"content": "\xff"}]}',
        b'{"model": "chat", "messages": [{"content": "\xed\xa0\x80"}]}',
        '{"model": "chat", "messages": [{"content": "x"}]}'.encode("utf-16"),
        b'{"model": "chat", "messages": [{"content": "x"}], "temperature": 1e999}',
        b'{"model": "chat", "messages": [{"content": "x"}], "tools": ' + b"[" * 960 + b"]" * 960 + b"}",
        b'{"model": "chat", "messages": [{"content": "x"}], "stream": 1}',
        b'{"model": "chat", "messages": [{"content": "x"}], "max_tokens": 0}',
        b"[" * 100_000,
        b'{"model": "chat", "messages": [{"content": "x"}], "seed": ' + b"9" * 5000 + b"}",
    ],
)
def test_bad_bodies_are_400_and_reach_nobody(body: bytes) -> None:
    async def test() -> None:
        async with backends(good()) as (near,), staged(document({"near": pool(near.url)}, chat=restricted())) as stage:
            reply = await stage.post(body)
            assert reply.status == 400
            assert reply.document["error"]["message"]
            assert near.calls == 0

    run(test())


def test_bodies_are_limited_also_without_a_length_and_when_compressed() -> None:
    async def test() -> None:
        async with backends(good()) as (near,):
            policy = document({"near": pool(near.url, max_model_len=10**9)}, chat=restricted())
            async with staged(policy, settings=GatewaySettings(body_bytes=100_000, inline_parse_bytes=1000)) as stage:
                fits = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "x" * 90_000}]}).encode()
                assert (await stage.post(fits)).status == 200
                assert near.documents()[0]["messages"][0]["content"] == "x" * 90_000
                large = b" " * 100_001
                assert (await stage.post(large)).status == 413

                async def pieces() -> AsyncIterator[bytes]:
                    for _ in range(11):
                        yield b" " * 10_000

                async with stage.http.post("/v1/chat/completions", data=pieces()) as response:
                    assert response.status == 413
                squeezed = await stage.post(gzip.compress(b" " * 5_000_000), {"Content-Encoding": "gzip"})
                assert squeezed.status == 413
                assert near.calls == 1

    run(test())


def test_all_bodies_together_are_limited_until_the_answer() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(held_until(release)) as (near,):
            policy = document({"near": pool(near.url)}, chat=restricted())
            async with staged(policy, settings=GatewaySettings(bodies_bytes=15_000)) as stage:
                messages = [{"role": "user", "content": "x" * 10_000}]
                first = asyncio.create_task(stage.chat(messages=messages))
                await near.arrived.wait()
                reply = await stage.chat(messages=messages)
                assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
                release.set()
                assert (await first).status == 200
                assert (await stage.chat(messages=messages)).status == 200

    run(test())


def test_the_request_id_comes_back_or_is_made() -> None:
    async def test() -> None:
        async with backends(good()) as (near,), staged(document({"near": pool(near.url)}, chat=restricted())) as stage:
            assert (await stage.chat(headers={"X-Request-Id": "abc.1"})).headers["X-Request-Id"] == "abc.1"
            assert (await stage.chat("none", {"X-Request-Id": "abc.2"})).headers["X-Request-Id"] == "abc.2"
            own_id = (await stage.chat(headers={"X-Request-Id": 'x" onload'})).headers["X-Request-Id"]
            assert len(own_id) == 32
            assert [line["request_id"] for line in stage.audit] == ["abc.1", "abc.2", own_id]

    run(test())


def test_other_paths() -> None:
    async def test() -> None:
        async with staged(document({"near": pool("http://127.0.0.1:9")}, chat=restricted())) as stage:
            assert (await stage.post(b"{}", path="/v1/responses")).status == 501
            assert (await stage.post(b"{}", path="/v1/embeddings")).code == "path_unknown"
            assert (await stage.get("/metrics")).status == 404
            assert (await stage.get("/livez")).raw == b"ok\n"
            assert (await stage.get("/readyz")).status == 200  # though the only replica is dead
            policy = (await stage.admin("/policy")).document
            assert policy["digest"].startswith("sha256:")
            assert policy["lock_digest"] == DIGEST

    run(test())


def test_metrics_count_requests_tokens_and_times() -> None:
    async def test() -> None:
        async with backends(good()) as (near,), staged(document({"near": pool(near.url)}, chat=restricted())) as stage:
            await stage.chat()
            await stage.chat(stream=True)
            await stage.chat("unknown")
            labels = 'backend="pool/near",outcome="ok",route="chat"'
            assert await stage.metric(f"spillway_requests_total{{{labels}}}") == 2
            assert await stage.metric(f"spillway_attempts_total{{{labels}}}") == 2
            unknown = 'backend="-",outcome="model_not_found",route="-"'
            assert await stage.metric(f"spillway_requests_total{{{unknown}}}") == 1
            served = 'backend="pool/near",route="chat"'
            assert await stage.metric('spillway_tokens_total{backend="pool/near",kind="output",route="chat"}') == 4
            assert await stage.metric(f"spillway_ttft_seconds_count{{{served}}}") == 1
            assert await stage.metric(f"spillway_e2e_seconds_count{{{served}}}") == 2
            assert await stage.metric("spillway_overhead_seconds_count") == 2
            assert await stage.metric('spillway_places{pool="near"}') == 8

    run(test())


def test_a_stream_is_late_by_the_promise_for_its_own_prompt() -> None:
    """A long prompt may take longer; a short one that takes as long is late."""

    async def test() -> None:
        slow = streams(0.15, event(chunk("a")), b"data: [DONE]\n\n")
        promise = {"base_ms": 100, "per_1k_input_ms": 10_000}
        async with (
            backends(slow) as (near,),
            staged(
                document({"near": pool(near.url)}, chat=restricted(first_token=promise), other=restricted())
            ) as stage,
        ):
            long = [{"role": "user", "content": "word " * 2000}]
            labels = 'backend="pool/near",route="chat"'
            before = (await stage.admin("/metrics")).raw.decode().splitlines()
            assert f"spillway_late_total{{{labels}}} 0.0" in before, "else a rate misses the first late stream"
            await stage.chat(stream=True)
            await stage.chat(stream=True, messages=long)
            await stage.chat(stream=True, route="other")
            assert await stage.metric(f"spillway_ttft_seconds_count{{{labels}}}") == 2
            assert await stage.metric(f"spillway_late_total{{{labels}}}") == 1
            after = (await stage.admin("/metrics")).raw.decode().splitlines()
            late = [line for line in after if line.startswith("spillway_late_total{")]
            assert late == [f"spillway_late_total{{{labels}}} 1.0"], "a route without a promise has no late streams"

    run(test())
