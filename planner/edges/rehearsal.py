"""Staging a rehearsal on this machine: the real gateway, engine twins, an API stand-in and a load generator.

All of them are programs that this Python starts (`-m gateway`, `-m twin.engine`, `-m twin.api`, `-m twin.replay`), on
free loopback ports, with files in a temporary folder, and all of them are ended here. The gateway believes that it is
in production: it reads an ordinary policy, whose pools and APIs happen to listen on loopback. Where replicas come and
go, it finds them by the names that its policy has in the cluster (`coming_and_going`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import resource
import secrets
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from planner.documents.machine import Machine
from planner.documents.rehearsal import RehearsalStage, Script
from planner.documents.rehearsed import ReplayedRequest, Result, judge, percentile
from planner.edges.children import Child, ChildFailed, Children
from planner.edges.coming_and_going import POOL_PORT, ComingAndGoing
from planner.edges.probe import Probe, ProcessorMeter, cores

START_S = 40.0
"""Longest wait for a program to be ready, seconds. A healthy start takes a second; a cold disk and a busy machine are
slow."""
DRAIN_REAL_S = 120.0
"""Time that the last answers may take after the last arrival, real seconds."""
PROBE_INTERVAL_S = 0.05
"""Time between two knocks at the gateway, seconds. A few hundred of them make a percentile, and they cost the gateway a
hundredth of its time."""
OPEN_FILES = 65536
"""Number of files that a program may have open, which children inherit. An open answer is a descriptor on both sides,
and the soft limit of many shells is 1,024."""
GATEWAY_ATTEMPTS = 3
"""How often the gateway is started, because another program may take its port first."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RehearsalFailed(RuntimeError):
    """The rehearsal could not be held, because a program failed. Nothing was learned about the plan."""


def rehearse(script: Script, note: Callable[[str], None] = lambda _: None) -> Result:
    """Stage `script` and judge it. Raises RehearsalFailed.

    It takes about `duration_s ÷ speed` plus a few seconds, and leaves no program and no file behind.

    note: is called with a line of text at each step, for stderr.
    """
    if find_spec("aiohttp") is None:
        raise RehearsalFailed("the packages of the gateway are not installed: pip install -e '.[gateway]'")
    _allow_many_open_files()
    with tempfile.TemporaryDirectory(prefix="spillway-rehearsal-") as name, Children(Path(name)) as children:
        try:
            return _hold(script, Path(name), children, note)
        except ChildFailed as error:
            raise RehearsalFailed(str(error)) from error


@dataclass(frozen=True)
class _Backends:
    """What stands behind the gateway, ready to serve.

    engines: program of the engine twins by pool; none where they come and go.
    api: program of the API stand-in.
    stage: where they listen.
    keys: environment variables with the key for which the API stand-in asks.
    moving: engine twins that come and go; None where all of them stay.
    """

    engines: Mapping[str, Child]
    api: Child
    stage: RehearsalStage
    keys: Mapping[str, str]
    moving: ComingAndGoing | None

    @property
    def programs(self) -> list[Child]:
        """All programs behind the gateway."""
        return [self.api, *self.engines.values(), *(self.moving.alive if self.moving else ())]


def _hold(script: Script, folder: Path, children: Children, note: Callable[[str], None]) -> Result:
    note("starting engine twins, API stand-in and gateway")
    backends = _start_backends(script, folder, children)
    gateway, port = _start_gateway(script, folder, children, backends)
    workload, report = folder / "workload.json", folder / "report.json"
    workload.write_text(json.dumps(_workload(script)))
    arguments = ["--workload", str(workload), "--target", f"http://127.0.0.1:{port}", "--out", str(report)]
    arguments += ["--speed", str(script.speed), "--drain", str(DRAIN_REAL_S)]
    replay = children.start_module("replay", "twin.replay", arguments, _environment({}))
    started = replay.first_line(START_S)
    note(f"replaying {started['requests']} requests in {started['wall_s']:.0f} s")
    meter = ProcessorMeter([gateway, replay, *backends.programs])
    with contextlib.closing(Probe(port, "/livez")) as probe:
        _attend(script, replay, gateway, backends, probe, meter, note)
    if code := replay.wait(0):
        raise replay.failure(f"ended with code {code}")
    document = json.loads(report.read_text())
    alive = [url for pool, urls in backends.stage.replicas.items() if pool != script.kill for url in urls]
    alive += backends.moving.lasting_urls if backends.moving else []
    wall_s = float(document["wall_s"])
    used_s = {**meter.used_s(), replay.name: float(document["cpu_s"])}
    busiest = max(used_s, key=lambda name: used_s[name])
    machine = Machine(
        lag_p95_ms=float(document["lag_ms"]["p95"]),
        timer_lag_p95_ms=_timer_lag_p95_s(alive) * 1000 * script.speed,
        probe_p95_ms=percentile(probe.waits_s, 0.95) * 1000 * script.speed,
        processor_share=sum(used_s.values()) / wall_s / cores(),
        busiest_program=busiest,
        busiest_share=used_s[busiest] / wall_s,
        cores=cores(),
        wall_s=wall_s,
        requests_per_wall_second=len(document["requests"]) / wall_s,
    )
    ledger = json.loads(_get(f"{backends.stage.api_base}/twin/ledger"))
    places = [document["columns"].index(name) for name in ReplayedRequest._fields]
    rows = [ReplayedRequest(*(cells[place] for place in places)) for cells in document["requests"]]
    return judge(script, rows, ledger, machine)


def _attend(
    script: Script,
    replay: Child,
    gateway: Child,
    backends: _Backends,
    probe: Probe,
    meter: ProcessorMeter,
    note: Callable[[str], None],
) -> None:
    """Watch the programs until the replay ends. Replicas die, come and go in their time. Raise when another dies."""
    begun_s = time.monotonic()
    kill_at_s = begun_s + script.kill_ms / 1000 / script.speed
    limit_s = begun_s + (script.duration_s + DRAIN_REAL_S) / script.speed + START_S
    alive, moving = dict(backends.engines), backends.moving
    while replay.is_running:
        if script.kill in alive and time.monotonic() >= kill_at_s:
            note(f"killing pool {script.kill}")
            victim = alive.pop(script.kill)
            meter.close(victim)
            victim.kill()
        if moving is not None:
            moving.advance((time.monotonic() - begun_s) * 1000 * script.speed, note, meter)
        for program in (gateway, backends.api, *alive.values(), *(moving.alive if moving else ())):
            if not program.is_running:  # the figures would be about its death
                raise program.failure("died during the replay")
        if time.monotonic() > limit_s:
            raise replay.failure("had not ended in time")
        probe.knock()
        time.sleep(PROBE_INTERVAL_S)


def _start_backends(script: Script, folder: Path, children: Children) -> _Backends:
    key = f"sk-rehearsal-{secrets.token_hex(12)}"
    offers = dict(script.offers)
    offers["providers"] = {name: {**sells, "api_key": key} for name, sells in offers["providers"].items()}
    offers_file = folder / "offers.json"
    offers_file.write_text(json.dumps(offers))
    common = ["--speed", str(script.speed), "--stream-interval", str(script.stream_interval)]
    clocks = {pool.name: folder / f"clock-{index}.json" for index, pool in enumerate(script.pools)}
    for pool in script.pools:
        clocks[pool.name].write_text(json.dumps(pool.clock))
    slow = ["--slow-down", str(script.slow_down)]

    def start(name: str, pool: str, replicas: int, *more: str) -> Child:
        arguments = ["--clock", str(clocks[pool]), "--replicas", str(replicas), *common, *slow, *more]
        return children.start_module(name, "twin.engine", arguments, _environment({}))

    api = children.start_module("api", "twin.api", ["--offers", str(offers_file), *common], _environment({}))
    engines: dict[str, Child] = {}
    if script.plot is None:
        engines = {pool.name: start(f"engine-{i}", pool.name, pool.replicas) for i, pool in enumerate(script.pools)}
        moving = None
    else:
        own = ["--port", str(POOL_PORT), "--own-addresses", "--shutdown-timeout", str(script.plot.drain.shutdown_s)]
        started = [start(f"engine-{i}", stint.pool, stint.replicas, *own) for i, stint in enumerate(script.plot.stints)]
        addresses = [engine.first_line(START_S)["addresses"] for engine in started]
        moving = ComingAndGoing(script.plot, started, addresses, folder / "records.json")
    replicas = {
        name: [f"http://127.0.0.1:{port}" for port in engine.first_line(START_S)["ports"]]
        for name, engine in engines.items()
    }
    api_base = f"http://127.0.0.1:{api.first_line(START_S)['port']}"
    stage = RehearsalStage(replicas, api_base)
    return _Backends(engines, api, stage, dict.fromkeys(script.key_names, key), moving)


def _start_gateway(script: Script, folder: Path, children: Children, backends: _Backends) -> tuple[Child, int]:
    """Start the gateway, and return it with its port when it is ready.

    Another program may take a free port first, so the start is tried several times.
    """
    policy_file, policy = folder / "policy.json", script.policy(backends.stage)
    policy_file.write_text(json.dumps(policy))
    module, leading, variables = "gateway", [], dict(backends.keys)
    if backends.moving is not None:
        backends.moving.raise_curtain(policy)
        # The same program, which looks names up in a file instead of asking the cluster's DNS.
        module, leading = "twin.workloads.container", ["gateway"]
        variables |= {"SPILLWAY_TWIN_ADDRESS": "127.0.0.1", "SPILLWAY_TWIN_NETWORK": str(folder / "records.json")}
    attempt = 1
    while True:
        port, admin_port = _free_ports(2)
        arguments = ["--policy", str(policy_file), "--port", str(port), "--admin-port", str(admin_port)]
        arguments += ["--no-auth", "--speed", str(script.speed), "--seed", "1"]
        gateway = children.start_module(
            f"gateway-{attempt}", module, [*leading, *arguments], _environment(variables), out=folder / "audit.jsonl"
        )
        if _becomes_ready(gateway, f"http://127.0.0.1:{port}/readyz"):
            return gateway, port
        if attempt == GATEWAY_ATTEMPTS:
            raise gateway.failure("did not become ready")
        attempt += 1


def _becomes_ready(gateway: Child, url: str) -> bool:
    deadline_s = time.monotonic() + START_S
    while gateway.is_running and time.monotonic() < deadline_s:
        try:
            _get(url)
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return True
    return False


def _workload(script: Script) -> dict[str, Any]:
    longest = {promise.name: 1 for promise in script.routes}
    for arrival in script.arrivals:
        longest[arrival.route] = max(longest[arrival.route], arrival.output_tokens)
    return {
        "version": "1.0",
        "routes": {
            promise.name: {
                "canary": promise.privacy,
                "max_tokens": longest[promise.name],
                "bytes_per_token": promise.bytes_per_token,
            }
            for promise in script.routes
        },
        "arrivals": script.arrivals,
    }


_LAG_BUCKET = re.compile(r'^twin:timer_lag_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)


def _timer_lag_p95_s(replica_urls: Sequence[str]) -> float:
    """Return the 95th percentile of how late engine twins woke, wall seconds: the upper bound of its bucket."""
    counts: dict[float, float] = {}
    for url in replica_urls:
        for bound, count in _LAG_BUCKET.findall(_get(f"{url}/metrics")):
            counts[float(bound)] = counts.get(float(bound), 0.0) + float(count)
    total = counts.get(math.inf, 0.0)
    return next((bound for bound in sorted(counts) if total and counts[bound] >= 0.95 * total), 0.0)


def _get(url: str) -> str:
    with _DIRECT.open(url, timeout=5) as response:
        return str(response.read().decode())


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment without proxies, because everything here talks to loopback."""
    direct = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**direct, **more}


def _free_ports(count: int) -> list[int]:
    """Return different ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _allow_many_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
