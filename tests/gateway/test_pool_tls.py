"""TLS to pools: the real gateway in front of real TLS servers, which prove themselves by the name of their service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway import discovery
from gateway.document import parse_policy
from gateway.pool_tls import PoolTlsError, require_encrypted, trust_in
from tests.certificates import Identity, identity
from tests.gateway.stage import USAGE, Reply, Script, api, backends, document, pool, restricted, route, run, staged

SERVICE = "vllm-near.serving.svc.cluster.local"


def own_identity(folder: Path) -> Identity:
    return identity(folder, SERVICE)


async def answering(http: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": "yes"}}], "usage": USAGE})


async def streaming(http: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(http)
    for event in ({"choices": [{"delta": {"content": "yes"}}]}, "[DONE]"):
        await response.write(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode())
    return response


async def asked(
    own: Identity | None, trust: Path, monkeypatch: pytest.MonkeyPatch, script: Script = answering
) -> Reply:
    """The reply through a gateway whose only pool is a service name that leads to a server with this identity."""

    async def here(host: str, port: int) -> list[str]:
        assert host == SERVICE
        return ["127.0.0.1"]

    monkeypatch.setattr(discovery.Discovery.__init__, "__defaults__", (here, "http"))
    async with backends(script, encryption=own.server() if own else None) as (near,):
        by_name = {key: value for key, value in pool().items() if key != "endpoints"}
        by_name["address"] = f"{SERVICE}:{near.url.rpartition(':')[2]}"
        policy = document({"near": by_name}, chat=restricted(deadline_ms=2500))
        async with staged(policy, pool_trust=trust_in(trust)) as stage:
            return await stage.chat(stream=script is streaming)


@pytest.mark.parametrize("script", [answering, streaming])
def test_a_replica_proves_itself_by_the_name_of_its_service(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_identity(tmp_path)
    reply = run(asked(own, own.authority, monkeypatch, script))
    assert (reply.status, reply.served_by) == (200, "pool/near")
    assert b"yes" in reply.raw


def test_another_name_or_another_authority_or_clear_text_is_no_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, named = own_identity(tmp_path / "own"), identity(tmp_path / "named", "vllm-far.serving.svc.cluster.local")
    for server, trust in ((named, named.authority), (own, named.authority), (None, own.authority)):
        reply = run(asked(server, trust, monkeypatch))
        assert reply.status in (502, 503)
        assert reply.served_by is None


def test_a_pool_that_cannot_prove_itself_spills_where_the_route_may(tmp_path: Path) -> None:
    own, other = identity(tmp_path / "own", "localhost"), identity(tmp_path / "other", "localhost")

    async def spilled() -> tuple[Reply, int]:
        async with backends(answering, encryption=own.server()) as (near,), backends(answering) as (away,):
            by_name = near.url.replace("127.0.0.1", "localhost")
            policy = document({"near": pool(by_name)}, {"away": api(away.url)}, chat=route())
            async with staged(policy, pool_trust=trust_in(other.authority)) as stage:
                return await stage.chat(), near.calls

    reply, calls = run(spilled())
    assert (reply.status, reply.served_by, reply.spill_reason) == (200, "api/away", "connect")
    assert calls == 0


def test_fixed_endpoints_in_clear_text_are_refused() -> None:
    policy = document({"near": pool("http://127.0.0.1:1"), "far": pool("https://far.example:8000")}, chat=restricted())
    with pytest.raises(PoolTlsError, match="endpoints of near begin with http:"):
        require_encrypted(parse_policy(json.dumps(policy).encode()).policy)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_an_authority_is_refused(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PoolTlsError, match=r"ca\.crt"):
        trust_in(file)


def test_the_command_refuses_to_start_without_the_authority(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(document({"near": pool("https://near.example:8000")}, chat=restricted())))
    told = subprocess.run(
        [
            *(sys.executable, "-m", "gateway", "--policy", str(policy), "--no-auth", "--port=0", "--admin-port=0"),
            f"--pool-ca={tmp_path / 'none.crt'}",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert "authority of the pools" in told.stderr
