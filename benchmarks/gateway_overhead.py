"""What passing through the gateway costs: CPU a request and a streamed event, beside a bare passthrough in one run.

Four processes on loopback: a backend that answers at once, a bare aiohttp passthrough (no policy at all), the gateway
with keys, audit and metrics on, and the client in this process. CPU seconds of the two proxies are read from /proc
before and after each load, so the figure is the proxy's own and does not depend on how busy the machine is with others.

    python -m benchmarks.gateway_overhead [--requests 4000] [--streams 200] [--events 50]

Prints one JSON document; the ratios are what to compare between machines. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from gateway.keys import new_key

CONCURRENCY = 32
PROMPT = "word " * 400
EVENT = b'data: {"id":"c-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
TAIL = (
    b'data: {"id":"c-1","object":"chat.completion.chunk","choices":[],"usage":'
    b'{"prompt_tokens":400,"completion_tokens":50,"total_tokens":450}}\n\ndata: [DONE]\n\n'
)
WHOLE = {
    "id": "c-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 50}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 400, "completion_tokens": 50, "total_tokens": 450},
}


async def backend(port: int, events: int) -> None:
    """Answers at once; streams one event a millisecond, so that events are not merged into few reads."""

    async def chat(http: web.Request) -> web.StreamResponse:
        asked = json.loads(await http.read())
        if not asked.get("stream"):
            return web.json_response(WHOLE)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        for _ in range(events):
            await response.write(EVENT)
            await asyncio.sleep(0.001)
        await response.write(TAIL)
        return response

    await serve(chat, port)


async def bare(port: int, upstream: str) -> None:
    """The least that aiohttp needs to pass a request and its answer on."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None))

    async def chat(http: web.Request) -> web.StreamResponse:
        body = await http.read()
        async with session.post(upstream + "/v1/chat/completions", data=body) as answer:
            if answer.content_type != "text/event-stream":
                return web.Response(body=await answer.read(), content_type="application/json")
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(http)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    await serve(chat, port)


async def serve(chat, port: int) -> None:  # type: ignore[no-untyped-def]
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    sys.stderr.write(f"listening on 127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[int, str]]:
    """A child process that tells its port on stderr: (pid, URL)."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr is not None
        line = child.stderr.readline()
        port = line.partition("127.0.0.1:")[2].split(",")[0].strip()
        if not port.isdigit():
            raise SystemExit(f"{arguments[0]} did not start: {line}{child.stderr.read()}")
        yield child.pid, f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def load(url: str, key: str, count: int, stream: bool) -> float:
    """Ask `count` times with a fixed concurrency; wall seconds. Raises on any answer that is not 200."""
    body = json.dumps({"model": "chat", "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}).encode()
    headers = {"Authorization": f"Bearer {key}"}
    waiting = iter(range(count))
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            for _ in waiting:
                async with session.post(url + "/v1/chat/completions", data=body) as answer:
                    raw = await answer.read()
                    if answer.status != 200 or (stream and not raw.endswith(b"data: [DONE]\n\n")):
                        raise SystemExit(f"{url} answered {answer.status}: {raw[:200]!r}")

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(CONCURRENCY)))
        return time.perf_counter() - began


async def measure(pid: int, url: str, key: str, options: argparse.Namespace) -> dict[str, float]:
    """Microseconds of CPU a whole request and a streamed event, after a warm-up."""
    await load(url, key, 300, stream=False)
    before = cpu_seconds(pid)
    wall = await load(url, key, options.requests, stream=False)
    request_us = (cpu_seconds(pid) - before) / options.requests * 1e6
    await load(url, key, 20, stream=True)
    before = cpu_seconds(pid)
    await load(url, key, options.streams, stream=True)
    stream_us = (cpu_seconds(pid) - before) / options.streams * 1e6
    return {
        "request_us": round(request_us, 1),
        "event_us": round((stream_us - request_us) / options.events, 2),
        "requests_per_second": round(options.requests / wall, 1),
        "resident_mib": round(resident_mib(pid), 1),
    }


def policy_for(upstream: str) -> dict[str, object]:
    pool = {"model": "served", "endpoints": [upstream], "max_in_flight": 4096, "max_model_len": 32768}
    band = {"max_input_tokens": None, "weights": {"near": 1.0}}
    times = {"spill_after_ms": 5000, "deadline_ms": 60000, "queue_ms": 1000}
    route = {"privacy": "restricted", "bytes_per_token": 4.0, "bands": [band], **times}
    header = {"version": "1.0", "environment": "benchmark", "lock_digest": "sha256:" + "0" * 64}
    return {**header, "pools": {"near": pool}, "routes": {"chat": route}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--serve", choices=["backend", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--upstream", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "backend":
        uvloop.run(backend(0, options.events))
    elif options.serve == "bare":
        uvloop.run(bare(0, options.upstream))
    else:
        print(json.dumps(compare(options), indent=2))


def compare(options: argparse.Namespace) -> dict[str, object]:
    """Both proxies in front of the same backend."""
    own = str(Path(__file__).resolve())
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        _, upstream = running.enter_context(started(own, "--serve", "backend", "--events", str(options.events)))
        policy, keys = Path(folder) / "policy.json", Path(folder) / "keys.json"
        policy.write_text(json.dumps(policy_for(upstream)))
        key, entries = new_key("benchmark", ("chat",))
        keys.write_text(json.dumps({id_: entry.model_dump() for id_, entry in entries.items()}))
        ports = ("--port", "0", "--admin-port", "0")
        proxies = {
            "bare": running.enter_context(started(own, "--serve", "bare", "--upstream", upstream)),
            "gateway": running.enter_context(
                started("-m", "gateway", "--policy", str(policy), "--keys", str(keys), *ports)
            ),
        }
        figures = {name: uvloop.run(measure(pid, url, key, options)) for name, (pid, url) in proxies.items()}
    ratios = {name: round(figures["gateway"][name] / figures["bare"][name], 2) for name in ("request_us", "event_us")}
    return {"proxies": figures, "ratio": ratios}


if __name__ == "__main__":
    main()
