"""The command as a process: what it refuses, how it starts, how it ends."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.keys import new_key
from tests.gateway.stage import api, document, pool, restricted, route

SAMPLE = Path(__file__).parent / "data" / "policy.json"
PORTS = ["--port", "0", "--admin-port", "0"]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "gateway", *map(str, arguments)]


def refusal(*arguments: str | Path) -> str:
    run = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=30, env=os.environ | {"LC_ALL": "C"}
    )
    assert (run.returncode, run.stdout) == (2, "")
    return run.stderr


def test_without_keys_it_starts_only_when_told_so_explicitly() -> None:
    assert "one of the arguments --keys --no-auth is required" in refusal("--policy", SAMPLE, *PORTS)


def test_every_reason_not_to_start_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "policy.json"
    bad.write_text(
        json.dumps(document({}, {"away": api("http://127.0.0.1:1")}, chat=route({"x": 1}, privacy="restricted")))
    )
    told = refusal("--policy", bad, "--no-auth", *PORTS)
    assert "restricted route may have no `fallback`" in told
    assert "Traceback" not in told
    assert "No such file" in refusal("--policy", tmp_path / "none.json", "--no-auth", *PORTS)
    assert "No such file" in refusal("--policy", SAMPLE, "--keys", tmp_path / "none.json", *PORTS)
    assert "set the environment variables" in refusal("--policy", SAMPLE, "--no-auth", *PORTS)
    good = tmp_path / "good.json"
    good.write_text(json.dumps(document({"near": pool("http://127.0.0.1:9")}, chat=restricted())))
    assert "speed must be above 0" in refusal("--policy", good, "--no-auth", "--speed", "0", *PORTS)
    assert "cannot listen" in refusal("--policy", good, "--no-auth", "--host", "192.0.2.1", *PORTS)


@contextlib.contextmanager
def running_gateway(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A running gateway with its public and admin URL; killed at the end if it still runs."""
    child = subprocess.Popen(command(*arguments, *PORTS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr is not None
        line = child.stderr.readline()
        ports = re.search(r"listening on 127\.0\.0\.1:(\d+), admin on 127\.0\.0\.1:(\d+)", line)
        assert ports is not None, line
        yield child, f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[2]}"
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=10)


def fetch(url: str, body: Any = None, key: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_audits_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    policy, keys = tmp_path / "policy.json", tmp_path / "keys.json"
    policy.write_text(json.dumps(document({"near": pool("http://127.0.0.1:9")}, chat=restricted())))
    key, entry = new_key("team", ("chat",))
    keys.write_text(json.dumps({id_: value.model_dump() for id_, value in entry.items()}))
    with running_gateway("--policy", policy, "--keys", keys, "--speed", "10", "--seed", "1") as (child, public, admin):
        assert fetch(public + "/readyz")[0] == 200
        assert json.loads(fetch(admin + "/policy")[1])["environment"] == "test"
        assert b"spillway_policy{" in fetch(admin + "/metrics")[1]
        ask = {"model": "chat", "messages": [{"role": "user", "content": "secret words"}]}
        assert fetch(public + "/v1/chat/completions", ask)[0] == 401
        assert fetch(public + "/v1/chat/completions", ask, key)[0] == 502
        child.send_signal(number)
        out, err = child.communicate(timeout=10)
        assert child.returncode == 0
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["status"] for line in lines] == [401, 502]
        assert [line["client"] for line in lines] == [None, "team"]
        assert "secret words" not in out + err
        assert key not in out + err
