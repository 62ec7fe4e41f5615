"""The plugins as the engine starts them: one line, one port, and no life after the engine.

The AWS plugin is a twin; the Kubernetes plugin is the real one on a leash.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import ResourceProviderStub

from tests.tools import require_tool
from twin.aws.store import ACCOUNT_FOLDER_VARIABLE
from twin.stage import PLUGINS

ROOT = PLUGINS.parents[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        ACCOUNT_FOLDER_VARIABLE: str(tmp_path / "aws"),
        "SPILLWAY_TWIN_KUBERNETES_PROVIDER": "the fixture `name` says",
        "SPILLWAY_TWIN_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(params=["aws", pytest.param("kubernetes", marks=pytest.mark.engine)])
def name(request: pytest.FixtureRequest, environment: dict[str, str]) -> str:
    """The plugin's name; skips the test where it is real and not built."""
    found: str = request.param
    if found == "kubernetes":
        environment["SPILLWAY_TWIN_KUBERNETES_PROVIDER"] = str(require_tool("pulumi-resource-kubernetes"))
    return found


@pytest.fixture
def plugin(name: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [PLUGINS / f"pulumi-resource-{name}", "127.0.0.1:1"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


def test_the_first_line_is_a_port_that_answers(plugin: subprocess.Popen[str]) -> None:
    assert plugin.stdout is not None
    began = time.monotonic()
    port = int(plugin.stdout.readline())
    assert time.monotonic() - began < 10
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty(), timeout=20).version
    plugin.terminate()
    assert plugin.wait(timeout=10) == 0


def test_a_plugin_ends_with_the_engine_that_started_it(name: str, environment: dict[str, str]) -> None:
    # A stand-in for the engine starts the plugin, tells its number and is killed, as `kill -9` does it.
    program = (
        "import subprocess, sys, time\n"
        f"command = [{str(PLUGINS / f'pulumi-resource-{name}')!r}, '127.0.0.1:1']\n"
        "plugin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)\n"
        "plugin.stdout.readline()\n"
        "print(plugin.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        number = int(engine.stdout.readline())
        engine.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _alive(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(number)


def test_without_a_folder_the_aws_plugin_says_what_to_set(environment: dict[str, str]) -> None:
    del environment[ACCOUNT_FOLDER_VARIABLE]
    run = subprocess.run(
        [PLUGINS / "pulumi-resource-aws"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 2
    assert ACCOUNT_FOLDER_VARIABLE in run.stderr


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{number}/stat").exists() or Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
