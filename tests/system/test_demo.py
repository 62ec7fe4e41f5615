"""`make demo` in its parts, as a user's shell runs them: plan, rehearse, deploy; and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.documents.lock import load
from tests.examples import ENVIRONMENTS, ROOT
from tests.tools import require_cluster_tools, require_tool

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "tools.demo"]


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"COLUMNS": "160", "TMPDIR": str(folder)}


def _demo(folder: Path, *parts: str, limit_s: float) -> str:
    """Run parts of the demo with its temporary folder in `folder`; what it said on both streams."""
    ended = subprocess.run(
        [*COMMAND, *parts],
        cwd=ROOT,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert list(folder.glob("spillway-demo-*")) == []
    assert _still_running(folder) == []
    return ended.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: Unix sockets of the cluster lie below it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


def test_plan_and_rehearse(folder: Path) -> None:
    committed = {path: path.read_bytes() for path in ENVIRONMENTS.iterdir()}
    said = _demo(folder, "plan", "rehearse", limit_s=180)
    assert said.index("the worked example in examples/environments") < said.index("$ spillway plan prod")
    assert (
        said.index("$ spillway plan prod") < said.index("Break-even over load") < said.index("$ spillway rehearse prod")
    )
    assert "why chat" in said
    assert "is killed" in said
    assert "restricted requests at the API: 0 (kept;" in said
    assert "spill chat, after the kill:" in said
    assert {path: path.read_bytes() for path in ENVIRONMENTS.iterdir()} == committed


def test_deploy(folder: Path) -> None:
    """The whole way to pods on nodes and answered requests, the change that scales one pool, and nothing left."""
    for tool in ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"):
        require_tool(tool)
    require_cluster_tools()
    said = _demo(folder, "deploy", limit_s=600)
    first, second, end = _ups(said)
    scaled = re.findall(r"^pool (\S+) +changed +replicas: (\d+) → (\d+)", said, flags=re.MULTILINE)
    assert scaled
    before, after = _pods(first), _pods(second)
    assert before
    assert all(line.split()[1] == "Running" for line in (*before, *after))
    plan = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json").plan
    types = {group.name: group.instance_type for group in plan.node_groups}
    assert len({*types.values()}) == len(types)  # so a machine's type says of which node group it is
    for pool in plan.pools:
        machines = [line.split()[2] for line in before if line.startswith(f"vllm-{pool.name}-")]
        assert machines == [types[pool.node_group]] * pool.replicas.max
    assert len(before) == sum(pool.replicas.max for pool in plan.pools)
    answered = dict(re.findall(r"^(\S+) +200 from (\S+), \d+ s after `pulumi up` began$", first, flags=re.MULTILINE))
    assert answered.keys() == {"chat", "code", "extraction"}  # a share of the first two is the API's
    pools = [name.removeprefix("pool/") for name in answered.values() if name.startswith("pool/")]
    assert answered["extraction"].startswith("pool/")
    assert all(any(pool in pod for pod in before) for pool in pools)
    for name, old, new in scaled:
        assert sum(name in pod for pod in before) == int(old)
        assert sum(name in pod for pod in after) == int(new)
    assert len(after) - len(before) == sum(int(new) - int(old) for _, old, new in scaled)
    assert re.search(r"- \d+ deleted", end)


def _ups(said: str) -> list[str]:
    """What was said from the first `pulumi up` on, from the second on, and from `pulumi destroy` on."""
    first, second = [found.start() for found in re.finditer(r"^\$ pulumi up", said, flags=re.MULTILINE)]
    destroy = said.index("$ pulumi destroy")
    return [said[first:second], said[second:destroy], said[destroy:]]


def _pods(said: str) -> list[str]:
    """Lines of vLLM's pods."""
    return [line for line in said.splitlines() if line.startswith("vllm-")]


def test_an_interrupt_leaves_nothing(folder: Path) -> None:
    running = subprocess.Popen(
        [*COMMAND, "rehearse"],
        cwd=ROOT,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    deadline = time.monotonic() + 60
    for line in running.stdout:
        if "replaying" in line or time.monotonic() > deadline:
            break
    assert _still_running(folder)  # else the last line of this test would say nothing
    running.send_signal(signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait(timeout=60) == 130, rest
    assert "interrupted; everything that was started has been ended" in rest
    assert list(folder.glob("spillway-demo-*")) == []
    assert _still_running(folder) == []


def _still_running(folder: Path) -> list[str]:
    """Command lines of processes that were started with this temporary folder."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}\0" in environ.read_text(errors="replace") + "\0":
                found.append((environ.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is not ours to read
            continue
    return found


def test_an_unknown_part() -> None:
    ended = subprocess.run([*COMMAND, "deplyo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "unknown part 'deplyo'; parts: plan, rehearse, deploy" in ended.stderr
