"""Endpoints and A records."""

import asyncio
import random

import pytest

from gateway.discovery import Discovery, addresses_of
from gateway.gate import Gate
from gateway.policy import PoolPolicy
from tests.gateway.stage import pool, run


def discovery_with(resolve=addresses_of, **pools: dict[str, object]) -> tuple[Discovery, Gate]:  # type: ignore[no-untyped-def]
    policies = {name: PoolPolicy.model_validate(value) for name, value in pools.items()}
    gate = Gate(dict.fromkeys(policies, 4), random.Random(), lambda: 0.0, 4)
    return Discovery(policies, gate, 0.01, resolve), gate


def headless(address: str) -> dict[str, object]:
    return pool() | {"endpoints": None, "address": address}


def urls(gate: Gate, name: str) -> list[str]:
    return [replica.url for replica in gate.replicas(name)]


def test_fixed_endpoints_and_a_name_that_really_resolves() -> None:
    async def test() -> None:
        discovery, gate = discovery_with(
            fixed=pool("http://127.0.0.1:1", "http://127.0.0.1:2"), dns=headless("127.0.0.1:8000")
        )
        await discovery.look()
        assert urls(gate, "fixed") == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
        assert urls(gate, "dns") == ["http://127.0.0.1:8000"]

    run(test())


def test_replicas_follow_the_records_and_survive_a_failing_resolver() -> None:
    answers: list[list[str] | OSError] = [["10.0.0.1", "10.0.0.2"], OSError("try again"), ["10.0.0.2", "fd00::1"], []]

    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("vllm-a.serving.svc.cluster.local", 8000)
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def test() -> None:
        discovery, gate = discovery_with(resolve, a=headless("vllm-a.serving.svc.cluster.local:8000"))
        seen = []
        while answers:
            await discovery.look()
            seen.append(urls(gate, "a"))
        both = ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]
        assert seen == [both, both, ["http://10.0.0.2:8000", "http://[fd00::1]:8000"], []]

    run(test())


def test_a_name_without_records_is_an_empty_pool() -> None:
    async def test() -> None:
        assert await addresses_of("nobody.invalid", 8000) == []

    run(test())


def test_with_fixed_endpoints_only_there_is_nothing_to_repeat() -> None:
    async def test() -> None:
        discovery, _ = discovery_with(fixed=pool("http://127.0.0.1:1"))
        await discovery.keep_looking()

    run(test())


def test_a_failure_that_nobody_foresaw_is_logged_and_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if not caplog.records:
            raise UnicodeError("label empty or too long")
        return ["10.0.0.2"]

    async def test() -> None:
        discovery, gate = discovery_with(resolve, a=headless("vllm-a:8000"))
        looking = asyncio.create_task(discovery.keep_looking())
        while not gate.replicas("a"):
            assert not looking.done()
            await asyncio.sleep(0.005)
        looking.cancel()
        assert urls(gate, "a") == ["http://10.0.0.2:8000"]

    run(test())
    assert "label empty or too long" in caplog.text
