"""The order of a request on real sockets: who serves it, why it moved on, and what never happens."""

import asyncio

import pytest

from gateway.settings import GatewaySettings
from tests.gateway.stage import (
    DONE_EVENT,
    GOOD_STREAM,
    WHOLE,
    api,
    backends,
    breaks,
    document,
    event,
    good,
    hangs,
    held_until,
    pool,
    restricted,
    route,
    run,
    says,
    staged,
    streams,
)

DEAD = "http://127.0.0.1:9"  # the discard port: nobody listens


def test_a_healthy_pool_serves_and_the_api_sees_nothing() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                reply = await stage.chat()
                assert (reply.status, reply.document) == (200, WHOLE)
                assert (reply.served_by, reply.spill_reason) == ("pool/near", None)
                assert away.calls == 0
                assert near.documents()[0]["model"] == "served-name"
                assert near.paths == ["/v1/chat/completions"]

    run(test())


def test_routes_of_one_pool_ask_it_for_their_own_adapters_and_the_api_for_its_model() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            routes = {"legal": route(models={"near": "acme-legal"}), "plain": route()}
            routes["support"] = route(models={"near": "acme-support"})
            routes["far"] = route(api_share=1.0, models={"near": "acme-legal"})
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, **routes)
            async with staged(policy) as stage:
                for name in ("legal", "plain", "support", "far"):
                    assert (await stage.chat(route=name)).status == 200
                asked = [body["model"] for body in near.documents()]
                assert asked == ["acme-legal", "served-name", "acme-support"]
                assert [body["model"] for body in away.documents()] == ["api-name"]

    run(test())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_pool_spills_to_the_api(status: int, stream: bool) -> None:
    async def test() -> None:
        async with backends(says(status), good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                reply = await stage.chat(stream=stream)
                assert reply.status == 200
                assert reply.served_by == "api/away"
                assert reply.spill_reason == ("saturated" if status in (429, 503) else "server_error")
                assert b"backend words" not in reply.raw
                assert away.documents()[0]["model"] == "api-name"
                name = f'spillway_spill_total{{reason="{reply.spill_reason}",route="chat"}}'
                assert await stage.metric(name) == 1

    run(test())


def test_one_other_replica_is_tried_before_the_api() -> None:
    async def test() -> None:
        async with backends(says(503), good(), good()) as (full, free, away):
            policy = document({"near": pool(full.url, free.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                for _ in range(8):
                    reply = await stage.chat()
                    assert (reply.status, reply.served_by) == (200, "pool/near")
                assert full.calls > 0
                assert free.calls == 8
                assert away.calls == 0

    run(test())


def test_at_most_two_replicas_are_tried() -> None:
    async def test() -> None:
        async with backends(says(500), says(500), says(500), good()) as (a, b, c, away):
            policy = document({"near": pool(a.url, b.url, c.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                assert (await stage.chat()).served_by == "api/away"
                assert a.calls + b.calls + c.calls == 2
                assert len(stage.audit[0]["attempts"]) == 3

    run(test())


@pytest.mark.parametrize("stream", [False, True])
def test_no_connection_and_a_broken_connection_spill(stream: bool) -> None:
    async def test() -> None:
        async with backends(breaks(), good()) as (broken, away):
            policy = document(
                {"dead": pool(DEAD), "broken": pool(broken.url)},
                {"away": api(away.url)},
                dead=route({"dead": 1}),
                broken=route({"broken": 1}),
            )
            async with staged(policy) as stage:
                assert (await stage.chat("dead", stream=stream)).spill_reason == "connect"
                assert (await stage.chat("broken", stream=stream)).spill_reason == "reset"

    run(test())


def test_a_replica_that_refuses_connections_is_passed_over() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document({"near": pool(DEAD, near.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                for _ in range(20):
                    assert (await stage.chat()).served_by == "pool/near"
                attempts = sum(len(line["attempts"]) for line in stage.audit)
                assert 20 <= attempts <= 21  # the dead one is met once at most, then it cools

    run(test())


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("stream", [False, True])
def test_the_clients_own_mistake_is_its_answer_and_never_spills(status: int, stream: bool) -> None:
    async def test() -> None:
        async with backends(says(status), says(status), good()) as (one, two, away):
            policy = document({"near": pool(one.url, two.url)}, {"away": api(away.url)}, chat=route())
            async with staged(policy) as stage:
                reply = await stage.chat(stream=stream)
                assert reply.status == status
                assert b"backend words" in reply.raw
                assert one.calls + two.calls == 1
                assert away.calls == 0
                assert stage.audit[0]["outcome"] == "client_error"

    run(test())


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 301, 307])
def test_our_fault_at_an_api_goes_to_the_next_and_is_never_shown(status: int) -> None:
    async def test() -> None:
        async with backends(says(500), says(status, headers={"Location": "http://127.0.0.1:9/"}), good()) as (
            near,
            bad,
            next_,
        ):
            apis = {"bad": api(bad.url), "next": api(next_.url)}
            policy = document(
                {"near": pool(near.url)}, apis, chat=route(fallback=["bad", "next"]), only=route(fallback=["bad"])
            )
            async with staged(policy) as stage:
                reply = await stage.chat()
                assert (reply.status, reply.served_by) == (200, "api/next")
                reply = await stage.chat("only")
                assert (reply.status, reply.code) == (502, "no_backend")
                assert b"backend words" not in reply.raw
                assert stage.audit[0]["attempts"][1]["outcome"] == "misconfigured"

    run(test())


@pytest.mark.parametrize("stream", [False, True])
def test_redirects_are_not_followed(stream: bool) -> None:
    async def test() -> None:
        async with backends(good()) as (elsewhere,):
            target = {"Location": elsewhere.url + "/v1/chat/completions"}
            async with backends(says(307, headers=target)) as (near,):
                policy = document({"near": pool(near.url)}, keep=restricted())
                async with staged(policy) as stage:
                    assert (await stage.chat("keep", stream=stream)).status == 502
                    assert near.calls == 1
                    assert elsewhere.calls == 0

    run(test())


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, proxy):
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            async with staged(document({"near": pool(near.url)}, keep=restricted())) as stage:
                assert (await stage.chat("keep")).status == 200
                assert proxy.calls == 0

    run(test())


def test_a_slow_first_event_cancels_the_local_attempt_and_spills() -> None:
    async def test() -> None:
        slow = streams(b": keep-alive\n\n", 0.15, b": keep-alive\n\n", 10.0, *GOOD_STREAM)
        async with backends(slow, slow, good()) as (one, two, away):
            policy = document(
                {"near": pool(one.url, two.url)},
                {"away": api(away.url)},
                chat=route(spill_after_ms=300, deadline_ms=5000),
            )
            async with staged(policy) as stage:
                reply = await stage.chat(stream=True)
                assert (reply.served_by, reply.spill_reason) == ("api/away", "slow_first_event")
                assert one.calls + two.calls == 1  # a second local wait would spend the budget again
                cancelled = one if one.calls else two
                await asyncio.wait_for(cancelled.hung_up.wait(), 1)

    run(test())


def test_a_whole_answer_has_only_the_deadline() -> None:
    async def test() -> None:
        async def slow(http, body):  # type: ignore[no-untyped-def]
            await asyncio.sleep(0.5)
            return await good()(http, body)

        async with backends(slow, good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route(spill_after_ms=100))
            async with staged(policy) as stage:
                assert (await stage.chat()).served_by == "pool/near"
                assert away.calls == 0

    run(test())


@pytest.mark.parametrize("stream", [False, True])
def test_the_deadline_ends_the_request_and_nothing_is_tried_after_it(stream: bool) -> None:
    async def test() -> None:
        async with backends(hangs(), good()) as (near, away):
            pools, apis = {"near": pool(near.url)}, {"away": api(away.url)}
            policy = document(
                pools,
                apis,
                keep=restricted(spill_after_ms=50, deadline_ms=300),
                chat=route(spill_after_ms=299, deadline_ms=300),
            )
            async with staged(policy) as stage:
                reply = await stage.chat("keep", stream=stream)
                assert (reply.status, reply.code) == (504, "deadline_exceeded")
                if not stream:
                    assert (await stage.chat("chat")).status == 504
                    assert away.calls == 0
                await asyncio.wait_for(near.hung_up.wait(), 1)

    run(test())


def test_a_full_gate_spills_at_once() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(held_until(release), good()) as (near, away):
            policy = document(
                {"near": pool(near.url, max_in_flight=1)}, {"away": api(away.url)}, chat=route(queue_ms=5000)
            )
            async with staged(policy) as stage:
                first = asyncio.create_task(stage.chat())
                await near.arrived.wait()
                assert await stage.metric('spillway_in_flight{pool="near"}') == 1
                reply = await stage.chat()
                assert (reply.served_by, reply.spill_reason) == ("api/away", "gate_full")
                release.set()
                assert (await first).served_by == "pool/near"
                assert near.calls == 1
                assert await stage.metric('spillway_in_flight{pool="near"}') == 0

    run(test())


def test_a_pool_without_replicas_spills() -> None:
    async def test() -> None:
        async with backends(good()) as (away,):
            near = pool() | {"endpoints": None, "address": "localhost.invalid:8000"}
            policy = document({"near": near}, {"away": api(away.url)}, chat=route(), keep=restricted())
            async with staged(policy) as stage:
                assert (await stage.chat()).spill_reason == "no_replica"
                reply = await stage.chat("keep")
                assert (reply.status, reply.headers["Retry-After"]) == (503, "1")

    run(test())


def test_a_restricted_route_queues_then_says_503_with_retry_after() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(held_until(release)) as (near,):
            pools = {"near": pool(near.url, max_in_flight=1)}
            policy = document(pools, patient=restricted(queue_ms=5000), hasty=restricted(queue_ms=100))
            async with staged(policy) as stage:
                first = asyncio.create_task(stage.chat("patient"))
                await near.arrived.wait()
                second = asyncio.create_task(stage.chat("patient"))
                reply = await stage.chat("hasty")
                assert (reply.status, reply.code, reply.headers["Retry-After"]) == (503, "overloaded", "1")
                assert await stage.metric('spillway_queued{route="patient"}') == 1
                release.set()
                assert [(await first).status, (await second).status] == [200, 200]
                assert near.calls == 2

    run(test())


def test_the_queue_is_bounded() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(held_until(release)) as (near,):
            policy = document({"near": pool(near.url, max_in_flight=1)}, keep=restricted(queue_ms=8000))
            async with staged(policy, settings=GatewaySettings(queue_length=1)) as stage:
                tasks = [asyncio.create_task(stage.chat("keep")) for _ in range(3)]
                finished, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                assert [task.result().status for task in finished] == [503]
                release.set()
                assert sorted([(await task).status for task in waiting]) == [200, 200]

    run(test())


def test_a_client_that_leaves_the_queue_leaves_no_place_taken() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(held_until(release)) as (near,):
            policy = document({"near": pool(near.url, max_in_flight=1)}, keep=restricted(queue_ms=8000))
            async with staged(policy) as stage:
                first = asyncio.create_task(stage.chat("keep"))
                await near.arrived.wait()
                second = asyncio.create_task(stage.chat("keep"))
                while await stage.metric('spillway_queued{route="keep"}') == 0:
                    await asyncio.sleep(0.01)
                second.cancel()
                await asyncio.gather(second, return_exceptions=True)
                release.set()
                assert (await first).status == 200
                assert (await stage.chat("keep")).status == 200
                assert near.calls == 2
                assert await stage.metric('spillway_in_flight{pool="near"}') == 0

    run(test())


def test_canary_of_a_restricted_route_never_reaches_the_api_and_the_same_body_on_an_internal_route_does() -> None:
    canary = "CANARY-7d1f"

    async def test() -> None:
        for status in (503, 500, 429, 404, 401):
            async with backends(says(status), good()) as (near, away):
                policy = document({"near": pool(near.url)}, {"away": api(away.url)}, keep=restricted(), open=route())
                async with staged(policy) as stage:
                    messages = [{"role": "user", "content": f"{canary} please"}]
                    for stream in (False, True):
                        assert (await stage.chat("keep", messages=messages, stream=stream)).status >= 500
                    assert sum(canary.encode() in body for body in away.bodies) == 0
                    assert away.calls == 0
                    assert (await stage.chat("open", messages=messages)).status == 200
                    assert sum(canary.encode() in body for body in away.bodies) == 1
                    assert not any(canary in line for line in stage.lines)

    run(test())


def test_the_planned_share_goes_straight_to_the_api() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route(api_share=0.25))
            async with staged(policy) as stage:
                replies = [await stage.chat() for _ in range(200)]
                planned = [reply for reply in replies if reply.spill_reason == "planned"]
                assert len(planned) == away.calls
                assert 30 <= away.calls <= 72  # 50 expected, within four standard deviations
                assert near.calls == 200 - away.calls

    run(test())


def test_a_planned_request_whose_chain_fails_is_served_locally() -> None:
    async def test() -> None:
        async with backends(good(), says(500)) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route(api_share=1.0))
            async with staged(policy) as stage:
                reply = await stage.chat()
                assert (reply.status, reply.served_by, reply.spill_reason) == (200, "pool/near", None)
                assert away.calls == 1

    run(test())


def test_weights_share_the_band_and_bands_follow_the_input() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (small, large):
            bands = [
                {"max_input_tokens": 100, "weights": {"small": 0.75, "large": 0.25}},
                {"max_input_tokens": None, "weights": {"large": 1.0}},
            ]
            policy = document(
                {"small": pool(small.url), "large": pool(large.url)}, chat=route(fallback=[]) | {"bands": bands}
            )
            async with staged(policy) as stage:
                for _ in range(200):
                    await stage.chat()
                assert 125 <= small.calls <= 175
                before = small.calls
                for _ in range(10):
                    await stage.chat(messages=[{"role": "user", "content": "x" * 401}])
                assert small.calls == before

    run(test())


def test_fields_decide_who_may_serve_and_are_never_dropped() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            policy = document(
                {"near": pool(near.url, supports=["vllm"])}, {"away": api(away.url)}, chat=route(), keep=restricted()
            )
            tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
            async with staged(policy) as stage:
                reply = await stage.chat(tools=tools)
                assert (reply.served_by, reply.spill_reason) == ("api/away", "field")
                assert away.documents()[0]["tools"] == tools
                assert (await stage.chat(top_k=5)).served_by == "pool/near"
                assert near.documents()[0]["top_k"] == 5
                reply = await stage.chat("keep", tools=tools)
                assert (reply.status, reply.code) == (400, "field_unsupported")
                reply = await stage.chat(tools=tools, top_k=5)
                assert (reply.status, reply.code) == (400, "field_unsupported")

    run(test())


def test_long_inputs_spill_only_where_overflow_says_so() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            pools, apis = {"near": pool(near.url, max_model_len=100)}, {"away": api(away.url)}
            policy = document(pools, apis, shut=route(), open=route(overflow="api"))
            long = [{"role": "user", "content": "word " * 200}]
            async with staged(policy) as stage:
                reply = await stage.chat("shut", messages=long)
                assert (reply.status, reply.code) == (400, "context_length_exceeded")
                reply = await stage.chat("open", messages=long)
                assert (reply.served_by, reply.spill_reason) == ("api/away", "length")
                assert near.calls == 0

    run(test())


def test_a_pools_own_context_400_spills_only_where_overflow_says_so() -> None:
    too_long = {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}}

    async def test() -> None:
        async with backends(says(400, too_long), good()) as (near, away):
            pools, apis = {"near": pool(near.url)}, {"away": api(away.url)}
            policy = document(pools, apis, shut=route(), open=route(overflow="api"))
            async with staged(policy) as stage:
                assert (await stage.chat("shut")).status == 400
                assert away.calls == 0
                reply = await stage.chat("open")
                assert (reply.served_by, reply.spill_reason) == ("api/away", "length")

    run(test())


def test_an_error_as_the_first_event_spills_unless_it_is_the_clients() -> None:
    async def test() -> None:
        dead = streams(event({"error": {"message": "engine dead", "code": 500}}), DONE_EVENT)
        wrong = streams(event({"error": {"message": "bad schema", "code": 400}}), DONE_EVENT)
        empty = streams(DONE_EVENT)
        async with backends(dead, wrong, empty, good()) as (a, b, c, away):
            pools = {"dead": pool(a.url), "wrong": pool(b.url), "empty": pool(c.url)}
            routes = {name: route({name: 1}) for name in pools}
            async with staged(document(pools, {"away": api(away.url)}, **routes)) as stage:
                assert (await stage.chat("dead", stream=True)).spill_reason == "error_event"
                assert (await stage.chat("empty", stream=True)).spill_reason == "bad_answer"
                reply = await stage.chat("wrong", stream=True)
                assert (reply.status, reply.document["error"]["message"]) == (400, "bad schema")
                assert away.calls == 2

    run(test())


def test_the_chain_is_walked_in_order_and_saturation_ends_with_503() -> None:
    async def test() -> None:
        async with backends(says(500), says(429, headers={"Retry-After": "7"}), says(500)) as (near, first, second):
            apis = {"first": api(first.url), "second": api(second.url)}
            policy = document({"near": pool(near.url)}, apis, chat=route(fallback=["first", "second"]))
            async with staged(policy) as stage:
                reply = await stage.chat()
                assert (reply.status, reply.code, reply.headers["Retry-After"]) == (503, "overloaded", "7")
                assert [a["backend"] for a in stage.audit[0]["attempts"]] == ["pool/near", "api/first", "api/second"]

    run(test())


def test_an_api_beyond_its_rate_is_skipped() -> None:
    async def test() -> None:
        async with backends(says(503), good(), good()) as (near, first, second):
            apis = {"first": api(first.url, limits={"rpm": 2}), "second": api(second.url, provider="other")}
            policy = document({"near": pool(near.url)}, apis, chat=route(fallback=["first", "second"]))
            async with staged(policy) as stage:
                served = [(await stage.chat()).served_by for _ in range(4)]
                assert served == ["api/first", "api/first", "api/second", "api/second"]

    run(test())


def test_the_apis_of_one_account_share_its_rate() -> None:
    async def test() -> None:
        async with backends(says(503), good(), good()) as (near, first, second):
            apis = {"first": api(first.url, limits={"rpm": 2}), "second": api(second.url, limits={"rpm": 2})}
            policy = document({"near": pool(near.url)}, apis, chat=route(fallback=["first", "second"]))
            async with staged(policy) as stage:
                assert [(await stage.chat()).status for _ in range(3)] == [200, 200, 503]
                assert (first.calls, second.calls) == (2, 0)

    run(test())


def test_an_answer_without_a_cap_counts_as_assumed_until_its_usage_is_known() -> None:
    async def test() -> None:
        release = asyncio.Event()
        async with backends(says(503), held_until(release)) as (near, away):
            apis = {"away": api(away.url, limits={"tpm": 1000})}
            policy = document({"near": pool(near.url)}, apis, chat=route())
            async with staged(policy, settings=GatewaySettings(assumed_output_tokens=600)) as stage:
                first = asyncio.create_task(stage.chat())
                await asyncio.wait_for(away.arrived.wait(), 5)
                assert (await stage.chat()).status == 503  # 602 tokens are out, 602 more would be beyond 1,000
                release.set()
                assert (await first).status == 200  # it used 22
                assert (await stage.chat()).served_by == "api/away"
                assert away.calls == 2

    run(test())


def test_a_stated_cap_stays_reserved() -> None:
    async def test() -> None:
        async with backends(says(503), good()) as (near, away):
            apis = {"away": api(away.url, limits={"tpm": 1000})}
            policy = document({"near": pool(near.url)}, apis, chat=route())
            async with staged(policy) as stage:
                assert [(await stage.chat(max_tokens=600)).status for _ in range(2)] == [200, 503]

    run(test())


def test_only_the_allowed_headers_go_out() -> None:
    async def test() -> None:
        async with backends(says(503), good()) as (near, away):
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route())
            sent = {
                "Authorization": "Bearer client-secret",
                "Cookie": "session=1",
                "X-Request-Id": "req-42",
                "traceparent": "00-aa-bb-01",
                "OpenAI-Organization": "org-of-the-client",
                "X-Forwarded-For": "10.1.2.3",
            }
            async with staged(policy, secrets={"away": "Bearer account-key"}) as stage:
                reply = await stage.chat(headers=sent)
                assert reply.headers["X-Request-Id"] == "req-42"
                common = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
                assert {name.lower() for name in near.headers[0]} == common | {"x-request-id", "traceparent"}
                assert {name.lower() for name in away.headers[0]} == common | {"x-client-request-id", "authorization"}
                assert away.headers[0]["Authorization"] == "Bearer account-key"
                assert near.headers[0]["X-Request-Id"] == "req-42"
                outside = away.headers[0]["X-Client-Request-Id"]
                assert outside == stage.audit[0]["api_request_id"]
                assert len(outside) == 32
                assert "req-42" not in str(away.headers)
                assert "client-secret" not in str([near.headers, away.headers])

    run(test())


def test_renames_and_caps_reach_the_backend() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            apis = {"away": api(away.url, renames={"max_tokens": "max_completion_tokens"})}
            routes = {"chat": route(max_output_tokens=64), "out": route(api_share=1.0, max_output_tokens=64)}
            async with staged(document({"near": pool(near.url)}, apis, **routes)) as stage:
                await stage.chat(max_tokens=1000)
                await stage.chat(max_completion_tokens=5)
                await stage.chat()
                assert [body["max_tokens"] for body in near.documents()] == [64, 5, 64]
                await stage.chat("out", max_tokens=10)
                assert away.documents()[0]["max_completion_tokens"] == 10
                assert "max_tokens" not in away.documents()[0]

    run(test())


def test_every_attempt_is_recorded_and_billed() -> None:
    async def test() -> None:
        async with backends(says(503), hangs(), good()) as (near, first, second):
            apis = {"first": api(first.url), "second": api(second.url)}
            policy = document({"near": pool(near.url)}, apis, chat=route(fallback=["first", "second"]))
            async with staged(policy, settings=GatewaySettings(api_first_event_s=0.2)) as stage:
                assert (await stage.chat(stream=True)).served_by == "api/second"
                line = stage.audit[0]
                local, slow, good_ = line["attempts"]
                assert (local["outcome"], local["nano_usd"]) == ("saturated", 0)
                # "hello" is 5 bytes: 2 tokens at 4 bytes a token, 400 n$ each.
                assert (slow["outcome"], slow["estimated"], slow["nano_usd"]) == ("slow_first_event", True, 800)
                assert (good_["outcome"], good_["estimated"]) == ("ok", False)
                assert good_["nano_usd"] == 20 * 400 + 2 * 1600
                assert line["nano_usd"] == 800 + 20 * 400 + 2 * 1600
                assert line["spill_reason"] == "saturated"
                assert "hello" not in stage.lines[0]
                total = await stage.metric('spillway_usd_total{backend="api/second",route="chat"}')
                assert total == pytest.approx(11_200e-9)

    run(test())


def test_a_whole_answer_without_usage_books_the_full_reserve() -> None:
    async def test() -> None:
        answer = {name: value for name, value in WHOLE.items() if name != "usage"}
        async with backends(says(200, answer)) as (away,):
            policy = document(
                {},
                {"away": api(away.url)},
                chat=route({}, api_share=1.0) | {"bands": [{"max_input_tokens": None, "api_share": 1}]},
            )
            async with staged(policy) as stage:
                assert (await stage.chat(max_tokens=10)).served_by == "api/away"
                attempt = stage.audit[0]["attempts"][0]
                assert (attempt["estimated"], attempt["output_tokens"], attempt["nano_usd"]) == (
                    True,
                    10,
                    2 * 400 + 10 * 1600,
                )

    run(test())


LONG = [{"role": "user", "content": "x" * 8000}]


def test_a_prompt_of_a_refused_band_reaches_nobody() -> None:
    async def test() -> None:
        async with backends(good(), good()) as (near, away):
            bands = [
                {"max_input_tokens": 1000, "weights": {"near": 1.0}, "api_share": 0.0},
                {"max_input_tokens": None, "weights": {}, "api_share": 0.0, "refused": True},
            ]
            policy = document({"near": pool(near.url)}, {"away": api(away.url)}, chat=route(bands=bands))
            async with staged(policy) as stage:
                reply = await stage.chat(messages=LONG)
                assert (reply.status, reply.document["error"]["code"]) == (400, "context_length_exceeded")
                assert (near.calls, away.calls) == (0, 0)
                assert (await stage.chat()).status == 200

    run(test())


def test_a_prompt_over_an_input_limit_goes_to_the_next_api() -> None:
    """It has 1.1 times the limit; one that is just below it is sent, whatever answer it asks for."""

    async def test() -> None:
        async with backends(good(), good()) as (first, second):
            apis = {"first": api(first.url, context_tokens=20_000), "second": api(second.url)}
            bands = [{"max_input_tokens": None, "api_share": 1.0}]
            limited = route(fallback=["first", "second"], bands=bands, api_max_input_tokens={"first": 2000})
            async with staged(document({}, apis, chat=limited)) as stage:
                over = [{"role": "user", "content": "x" * 8800}]
                assert (await stage.chat(messages=over, max_tokens=1)).served_by == "api/second"
                below = [{"role": "user", "content": "x" * 7996}]
                assert (await stage.chat(messages=below, max_tokens=16_000)).served_by == "api/first"
                assert (first.calls, second.calls) == (1, 1)

    run(test())


def test_a_pool_is_asked_to_cut_the_prompts_of_a_cut_band() -> None:
    async def test() -> None:
        async with backends(good()) as (near,):
            bands = [
                {"max_input_tokens": 1000, "weights": {"near": 1.0}, "api_share": 0.0},
                {"max_input_tokens": None, "weights": {"near": 1.0}, "api_share": 0.0, "cut_to_tokens": 1000},
            ]
            policy = document({"near": pool(near.url, max_model_len=1200)}, chat=route(fallback=(), bands=bands))
            async with staged(policy) as stage:
                assert (await stage.chat(messages=LONG)).status == 200
                assert (await stage.chat()).status == 200
                long, short = near.documents()
                assert long["truncate_prompt_tokens"] == 1000
                assert "truncate_prompt_tokens" not in short

    run(test())
