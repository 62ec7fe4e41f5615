"""An imitated Hub and an imitated bucket, for copies of weights."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aiohttp import web
from moto import mock_aws

from twin.aws import moto_state
from twin.hub.server import application
from twin.hub.world import Repository, World

BUCKET = "models"


class ServedHub:
    """The Hub's repositories and requests as a value, and its address."""

    def __init__(self, world: World, address: str) -> None:
        self.world = world
        self.address = address

    def add(self, name: str, repository: Repository) -> Repository:
        """Put a repository in place of an earlier one."""
        self.world.repositories[name] = repository
        return repository


@pytest.fixture(scope="session")
def _served_hub() -> Iterator[ServedHub]:
    world, loop = World(), asyncio.new_event_loop()
    runner = web.AppRunner(application(world), access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield ServedHub(world, f"http://127.0.0.1:{runner.addresses[0][1]}")
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture
def hub(_served_hub: ServedHub) -> ServedHub:
    """An imitated Hub without repositories."""
    _served_hub.world.repositories.clear()
    _served_hub.world.requests.clear()
    return _served_hub


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an imitated S3 with an empty bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client
    moto_state._held = None  # the twin's account is no longer what moto holds
