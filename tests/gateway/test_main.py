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

from gateway.document import digest_of
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


def test_it_serves_nothing_before_the_document_of_its_rollout_is_there(tmp_path: Path) -> None:
    """The kubelet may mount an older document for a moment: it is not served, and the probe says why."""
    policy = tmp_path / "policy.json"
    older = json.dumps(document({"near": pool("http://127.0.0.1:9")}, chat=restricted()))
    newer = json.dumps(document({"near": pool("http://127.0.0.1:9")}, code=restricted()))
    wanted = digest_of(newer.encode())
    policy.write_text(older)
    with waiting_gateway("--policy", policy, "--policy-digest", wanted) as (child, probed):
        assert fetch(probed + "/livez")[0] == 200
        status, reason = fetch(probed + "/readyz")
        assert status == 503
        assert f"waiting for policy {wanted}: {policy} is {digest_of(older.encode())}" in reason.decode()
        assert fetch(probed + "/v1/models")[0] == 404
        policy.write_text(newer)
        public, admin = ports_of(child)
        assert fetch(public + "/readyz")[0] == 200
        assert json.loads(fetch(admin + "/policy")[1])["digest"] == wanted
        policy.write_text(older)
        assert fetch(public + "/readyz")[0] == 200  # what is served stays what was rolled out
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0


def test_a_wait_ends_on_a_signal_or_says_what_it_waited_for(tmp_path: Path) -> None:
    policy, wanted = tmp_path / "policy.json", digest_of(b"never")
    policy.write_text(json.dumps(document({"near": pool("http://127.0.0.1:9")}, chat=restricted())))
    with waiting_gateway("--policy", policy, "--policy-digest", wanted) as (child, _):
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0
    told = refusal("--policy", policy, "--no-auth", "--policy-digest", wanted, "--speed", "400", *PORTS)
    assert f"gave up after 0.45 s of waiting for policy {wanted}: {policy} is sha256:" in told
    assert "not a digest" in refusal("--policy", policy, "--no-auth", "--policy-digest", "sha256:1", *PORTS)


def test_a_refused_document_of_the_rollout_is_told_and_not_waited_for(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text("{")
    wanted = digest_of(b"{")
    assert "not a JSON document" in refusal("--policy", policy, "--no-auth", "--policy-digest", wanted, *PORTS)


def test_a_gateway_with_its_document_does_not_wait(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(document({"near": pool("http://127.0.0.1:9")}, chat=restricted())))
    wanted = digest_of(policy.read_bytes())
    with running_gateway("--policy", policy, "--no-auth", "--policy-digest", wanted) as (_, public, _):
        assert fetch(public + "/readyz")[0] == 200


@contextlib.contextmanager
def waiting_gateway(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway that waits for its document, with the URL of its probes; killed at the end if it still runs."""
    child = subprocess.Popen(command(*arguments, "--no-auth", *PORTS), stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr is not None
        while (probed := re.search(r"probes on 127\.0\.0\.1 ports (\d+),", line := child.stderr.readline())) is None:
            assert line, "it ended"
        yield child, f"http://127.0.0.1:{probed[1]}"
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=10)


def ports_of(child: subprocess.Popen[str]) -> tuple[str, str]:
    """The public and the admin URL of a gateway, once it serves."""
    assert child.stderr is not None
    found = None
    while found is None:
        line = child.stderr.readline()
        assert line, "it ended"
        found = re.search(r"listening on 127\.0\.0\.1:(\d+), admin on 127\.0\.0\.1:(\d+)", line)
    return f"http://127.0.0.1:{found[1]}", f"http://127.0.0.1:{found[2]}"
