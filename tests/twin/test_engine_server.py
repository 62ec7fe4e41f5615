"""The engine twin over loopback: vLLM's protocol, its refusals, its metrics, and the faults asked of it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.certificates import identity
from tests.machines import PLAIN_STEP
from twin.engine.clock import EngineClock
from twin.engine.prompt import hint
from twin.engine.replica import EngineReplica
from twin.engine.server import application

CLOCK = EngineClock(
    version="1.0",
    pool="chat-a",
    model="qwen3-32b",
    max_model_len=4096,
    max_num_seqs=4,
    max_num_batched_tokens=2048,
    kv_tokens=50_000,
    max_num_queued_reqs=6,
    step=PLAIN_STEP,
)
SPEED = 20.0

Session = aiohttp.ClientSession


def chat(input_tokens: int, output_tokens: int, **fields: Any) -> dict[str, Any]:
    content = f"{hint(input_tokens, output_tokens)} Summarise this."
    return {"model": "qwen3-32b", "messages": [{"role": "user", "content": content}]} | fields


def with_replica(
    check: Callable[[Session, EngineReplica], Awaitable[None]],
    interval: int = 1,
    speed: float = SPEED,
    clock: EngineClock = CLOCK,
) -> None:
    """Run `check` against a replica on a free port."""

    async def run() -> None:
        replica = EngineReplica(clock, speed, stream_interval=interval)
        runner = web.AppRunner(application(replica), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(base) as session:
                await asyncio.wait_for(check(session, replica), 20)
        finally:
            await runner.cleanup()

    asyncio.run(run())


async def events(session: Session, body: dict[str, Any], path: str = "/v1/chat/completions") -> list[Any]:
    async with session.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        text = await response.text()
    assert text.endswith("\n\n")
    lines = text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


def test_a_stream_is_spelt_like_vllms() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        got = await events(session, chat(100, 20, stream=True, stream_options={"include_usage": True}))
        assert got[-1] == "[DONE]"
        assert got[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert got[0]["object"] == "chat.completion.chunk"
        contents = [chunk["choices"][0] for chunk in got[1:-2]]
        assert [choice["finish_reason"] for choice in contents] == [None, None, None, "stop"]  # 1 + 8 + 8 + 3 tokens
        assert sum(len(choice["delta"]["content"].split()) for choice in contents) == 20
        assert got[-2]["choices"] == []
        assert got[-2]["usage"]["prompt_tokens"] == 100
        assert got[-2]["usage"]["completion_tokens"] == 20
        assert len({chunk["id"] for chunk in got[:-1]}) == 1

    with_replica(check, interval=8)


def test_no_usage_unless_asked_and_the_cap_ends_the_answer() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        got = await events(session, chat(100, 20, stream=True, max_tokens=5))
        assert "usage" not in got[-2]
        assert got[-2]["choices"][0]["finish_reason"] == "length"
        assert len(got) == 1 + 5 + 1

    with_replica(check)


def test_a_whole_answer_comes_at_its_end() -> None:
    async def check(session: Session, replica: EngineReplica) -> None:
        async with session.post("/v1/chat/completions", json=chat(100, 30)) as response:
            answer = await response.json()
        assert answer["choices"][0]["message"]["role"] == "assistant"
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["usage"]["total_tokens"] == 130
        assert replica.scheduler.steps == 30

    with_replica(check)


def test_text_completions_and_token_prompts() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        body = {"model": "qwen3-32b", "prompt": list(range(50)), "max_tokens": 4}
        async with session.post("/v1/completions", json=body) as response:
            answer = await response.json()
        assert answer["object"] == "text_completion"
        assert answer["usage"] == {
            "prompt_tokens": 50,
            "completion_tokens": 4,
            "total_tokens": 54,
            "prompt_tokens_details": None,
        }
        got = await events(session, {"model": "qwen3-32b", "prompt": hint(10, 3), "stream": True}, "/v1/completions")
        assert [chunk["choices"][0]["text"] for chunk in got[:-1]] == [" lorem", " ipsum", " dolor"]

    with_replica(check)


def test_the_first_event_comes_at_the_first_token_not_before() -> None:
    speed = 2.0

    async def check(session: Session, replica: EngineReplica) -> None:
        async with session.get("/health"):  # the connection is not part of the time
            pass
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with session.post("/v1/chat/completions", json=chat(2000, 21, stream=True)) as response:
            headers_s = loop.time() - started
            await response.content.readany()
            first_ms = (loop.time() - started) * 1000 * speed
            await response.content.read()
            last_ms = (loop.time() - started) * 1000 * speed
        assert headers_s * 1000 * speed < first_ms / 2  # headers are no token
        assert 220 <= first_ms < 420  # prefill takes 20 + 2,000 · 0.1 = 220 ms; the rest is a busy test machine
        assert 620 <= last_ms < 920  # 20 more tokens at 20.1 ms

    with_replica(check, speed=speed)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (chat(4000, 10, max_tokens=200), 400, "maximum context length is 4096"),
        (chat(4096, 10), 400, "maximum context length"),
        (chat(10, 10, max_tokens=0), 400, "max_tokens must be at least 1"),
        (chat(10, 10, n=2), 400, "one request a choice"),
        (chat(10, 10) | {"model": "gpt-4"}, 404, "`gpt-4` does not exist"),
        ({"model": "qwen3-32b", "messages": []}, 400, "at least one message"),
        ({"model": "qwen3-32b", "messages": ["hi"]}, 400, "'role'"),
        ({"model": "qwen3-32b"}, 400, "needs 'messages'"),
        ([], 400, "JSON object"),
    ],
)
def test_refusals_come_as_a_status(body: Any, status: int, words: str) -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        async with session.post("/v1/chat/completions", json=body) as response:
            assert response.status == status
            error = (await response.json())["error"]
            assert words in error["message"]
            assert error["code"] == status

    with_replica(check)


def test_a_prompt_that_is_to_be_cut_fits() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        body = chat(5000, 3, max_tokens=90, truncate_prompt_tokens=4000)
        async with session.post("/v1/chat/completions", json=body) as response:
            assert response.status == 200
            assert (await response.json())["usage"]["prompt_tokens"] == 4000

    with_replica(check)


def test_a_full_queue_is_503_before_any_byte_and_counted() -> None:
    async def check(session: Session, replica: EngineReplica) -> None:
        async def ask() -> int:
            async with session.post("/v1/chat/completions", json=chat(100, 200, stream=True)) as response:
                await response.read()
                return response.status

        statuses = await asyncio.gather(*(ask() for _ in range(9)))
        assert sorted(statuses) == [200] * 6 + [503] * 3
        async with session.get("/metrics") as response:
            text = await response.text()
        assert 'vllm:admission_rejections_total{model_name="qwen3-32b",reason="max_num_queued_reqs"} 3.0' in text
        assert replica.scheduler.running == 0

    with_replica(check, interval=32)


def test_metrics_are_vllms(request: pytest.FixtureRequest) -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        for _request in range(3):
            await events(session, chat(100, 20, stream=True))
        async with session.get("/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
        values = {sample.name: sample.value for family in families for sample in family.samples}
        assert values["vllm:prompt_tokens_total"] == 300
        assert values["vllm:generation_tokens_total"] == 60
        assert values["vllm:time_to_first_token_seconds_count"] == 3
        assert values["vllm:request_time_per_output_token_seconds_sum"] == pytest.approx(3 * 0.0201)
        assert values["vllm:num_requests_running"] == 0
        names = request.config.rootpath.parent / "shared" / "data" / "vllm" / "metrics_0.33.0.json"
        if names.exists():
            known = set(json.loads(names.read_text()))
            ours = {family.name.removesuffix("_created") for family in families}
            assert {name for name in ours if name.startswith("vllm:")} <= known

    with_replica(check)


def test_a_client_that_leaves_frees_its_place() -> None:
    async def check(session: Session, replica: EngineReplica) -> None:
        response = await session.post("/v1/chat/completions", json=chat(100, 2000, stream=True))
        await response.content.readany()
        assert replica.scheduler.running == 1
        response.close()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if replica.scheduler.running == 0:
                break
        assert (replica.scheduler.running, replica.scheduler.kv_tokens_used) == (0, 0)
        assert replica.scheduler.steps < 1500

    with_replica(check)


async def strike(session: Session, **faults: Any) -> None:
    async with session.post("/twin/faults", json=faults) as response:
        assert response.status == 200, await response.text()


def test_counted_refusals_and_their_end() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        await strike(session, refuse={"status": 500, "requests": 2})
        statuses = []
        for _turn in range(3):
            async with session.post("/v1/chat/completions", json=chat(10, 2)) as response:
                statuses.append(response.status)
        assert statuses == [500, 500, 200]

    with_replica(check)


def test_a_cut_stream_is_reset_after_some_tokens() -> None:
    async def check(session: Session, replica: EngineReplica) -> None:
        await strike(session, cut={"after_tokens": 5})
        got = b""
        with pytest.raises(aiohttp.ClientError):  # noqa: PT012  the reset may come at any read
            async with session.post("/v1/chat/completions", json=chat(10, 50, stream=True)) as response:
                while chunk := await response.content.readany():
                    got += chunk
        assert got.count(b"data: ") == 1 + 5
        assert b"[DONE]" not in got
        assert len(await events(session, chat(10, 50, stream=True))) == 52
        assert replica.scheduler.running == 0

    with_replica(check)


def test_a_stream_can_end_with_vllms_error_event() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        await strike(session, cut={"after_tokens": 5, "manner": "error"})
        got = await events(session, chat(10, 50, stream=True))
        assert got[-2]["error"]["code"] == 500
        assert got[-1] == "[DONE]"

    with_replica(check)


def test_a_hang_lasts_until_healed_and_loses_nothing() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        await strike(session, hang=True)
        asking = asyncio.create_task(events(session, chat(10, 5, stream=True)))
        await asyncio.sleep(0.15)
        assert not asking.done()
        async with session.get("/health") as response:
            assert response.status == 200
        async with session.delete("/twin/faults") as response:
            assert response.status == 200
        assert len(await asking) == 1 + 5 + 1

    with_replica(check)


def test_slow_down_is_felt() -> None:
    async def check(session: Session, replica: EngineReplica) -> None:
        await strike(session, slow_down=3.0)
        await events(session, chat(10, 11, stream=True))
        async with session.get("/metrics") as response:
            text = await response.text()
        families = text_string_to_metric_families(text)
        values = {sample.name: sample.value for family in families for sample in family.samples}
        assert values["vllm:request_time_per_output_token_seconds_sum"] == pytest.approx(3.0 * 0.0201)

    with_replica(check)


def test_an_unknown_fault_is_refused() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        async with session.post("/twin/faults", json={"sloww": 2}) as response:
            assert response.status == 400
            assert "sloww" in await response.text()

    with_replica(check)


# -- the program -------------------------------------------------------------------------------------------------------


@contextmanager
def program(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    path = folder / "clock.json"
    path.write_text(CLOCK.model_dump_json())
    command = [sys.executable, "-m", "twin.engine", "--clock", str(path), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        try:
            assert engine.stdout is not None
            ready = json.loads(engine.stdout.readline())
            assert ready["pool"] == "chat-a"
            yield engine, ready["ports"]
        finally:
            engine.kill()


def test_one_program_serves_many_replicas_and_one_may_die(tmp_path: Path) -> None:
    async def ask(port: int, body: dict[str, Any]) -> int:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            return len(await events(session, body))

    async def die(port: int) -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            asking = asyncio.create_task(events(session, chat(10, 2000, stream=True)))
            await asyncio.sleep(0.2)
            with pytest.raises(aiohttp.ClientError):
                await session.post("/twin/faults", json={"die": True})
            with pytest.raises(aiohttp.ClientError):
                await asking

    with program(tmp_path, "--replicas", "3", "--speed", "20", "--stream-interval", "1") as (engine, ports):
        assert len(set(ports)) == 3
        assert asyncio.run(ask(ports[2], chat(10, 3, stream=True))) == 5
        asyncio.run(die(ports[1]))
        with pytest.raises(OSError, match=r"refused|Connect"):
            socket.create_connection(("127.0.0.1", ports[1]), timeout=1)
        assert asyncio.run(ask(ports[0], chat(10, 3, stream=True))) == 5
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(10) == 0


@pytest.mark.parametrize(("patience_s", "whole"), [("600", True), ("0", False)])
def test_after_sigterm_what_runs_may_finish_and_nobody_else_comes_in(
    tmp_path: Path, patience_s: str, whole: bool
) -> None:
    """As vLLM's `--shutdown-timeout`: seconds of real traffic; 0, its default, cuts off."""

    async def ask(engine: subprocess.Popen[str], port: int) -> bool:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            asking = asyncio.create_task(events(session, chat(10, 400, stream=True)))
            await asyncio.sleep(0.3)
            engine.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
            with pytest.raises(OSError, match=r"refused|Connect"):
                socket.create_connection(("127.0.0.1", port), timeout=1)
            try:
                return len(await asking) == 402
            except aiohttp.ClientError:
                return False

    with program(tmp_path, "--speed", "10", "--shutdown-timeout", patience_s) as (engine, (port,)):
        assert asyncio.run(ask(engine, port)) == whole
        assert engine.wait(10) == 0


def test_replicas_may_have_addresses_of_their_own_as_pods_have(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "clock.json"
    path.write_text(CLOCK.model_dump_json())
    command = [sys.executable, "-m", "twin.engine", "--clock", str(path), "--replicas", "2", "--own-addresses"]
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True) as engine:
        try:
            assert engine.stdout is not None
            ready = json.loads(engine.stdout.readline())
            assert ready["ports"] == [port, port]
            assert len(set(ready["addresses"])) == 2
            for address in ready["addresses"]:
                with urllib.request.urlopen(f"http://{address}:{port}/health", timeout=10) as answer:
                    assert answer.status == 200
        finally:
            engine.kill()
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (refused.returncode, "--own-addresses needs --port" in refused.stderr) == (2, True)


def test_with_a_certificate_it_speaks_tls_alone(tmp_path: Path) -> None:
    own = identity(tmp_path / "tls", "localhost")
    flags = (f"--ssl-certfile={own.certificate}", f"--ssl-keyfile={own.key}")
    with program(tmp_path, *flags) as (_, (port,)):
        trusting = ssl.create_default_context(cafile=str(own.authority))
        with urllib.request.urlopen(f"https://localhost:{port}/health", timeout=10, context=trusting) as answer:
            assert answer.status == 200
        with pytest.raises(OSError, match=r"closed|reset"):
            urllib.request.urlopen(f"http://localhost:{port}/health", timeout=10)


def test_a_bad_clock_file_ends_the_program_with_2(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    path.write_text(json.dumps(CLOCK.model_dump(mode="json") | {"kv_tokens": 5}))
    run = subprocess.run(
        [sys.executable, "-m", "twin.engine", "--clock", str(path)], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 2
    assert "kv_tokens 5 is below max_model_len" in run.stderr
    assert "Traceback" not in run.stderr


def test_it_answers_to_its_adapters_and_to_no_other_name() -> None:
    async def check(session: Session, _: EngineReplica) -> None:
        async with session.get("/v1/models") as response:
            cards = {card["id"]: card["parent"] for card in (await response.json())["data"]}
        assert cards == {"qwen3-32b": None, "acme-legal": "qwen3-32b", "acme-support": "qwen3-32b"}
        for name in ("qwen3-32b", "acme-legal", "acme-support"):
            async with session.post("/v1/chat/completions", json=chat(10, 3) | {"model": name}) as response:
                assert (response.status, (await response.json())["model"]) == (200, name)
        async with session.post("/v1/chat/completions", json=chat(10, 3) | {"model": "acme-other"}) as response:
            assert response.status == 404

    with_replica(check, clock=CLOCK.model_copy(update={"adapters": ("acme-legal", "acme-support")}))
