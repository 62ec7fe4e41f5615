"""Starting, finding and ending a twin cluster, seen from the outside.

The programs are not children of the caller but of a supervisor (twin/cluster/supervisor.py). For a `with` block, the
supervisor holds the reading end of a pipe whose writing end only the caller has. When the caller ends, however it ends,
the pipe closes and the cluster goes. `up` starts the supervisor without such a pipe and leaves it running.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from twin import binaries
from twin.cluster import record
from twin.cluster.components import TOOLS, ClusterLayout

CLUSTER_FOLDER_VARIABLE = "SPILLWAY_TWIN_CLUSTER"
"""The environment variable that names the folder of the cluster to other programs (provider twins, tests)."""

START_LIMIT_S = 90.0
"""Longest time of a start, seconds. A start takes about 3 s on two idle cores; the limit leaves room for a machine that
is busy with other tests."""


_POLL_S = 0.05


class ClusterError(Exception):
    """A cluster could not be started or found. The message says what happened and where the logs are."""


@dataclass(frozen=True)
class RunningCluster:
    """A running cluster was started in `folder`, by whichever process."""

    folder: Path
    endpoint: str
    """The API server's URL, `https://127.0.0.1:PORT`."""

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig, with certificates inline."""
        return ClusterLayout(self.folder).kubeconfig

    def client(self) -> Any:
        """Make a new `kubernetes.client.ApiClient` with the administrator's rights. The caller closes it."""
        # Here and not above: the client library takes half a second to import, and many callers never ask for it.
        from twin.nodes.access import client_for

        return client_for(self.kubeconfig)

    def environment(self) -> dict[str, str]:
        """Return what a command needs in its environment to work on this cluster."""
        return {"KUBECONFIG": str(self.kubeconfig), CLUSTER_FOLDER_VARIABLE: str(self.folder)}


class LocalCluster:
    """A local cluster lives for the length of a `with` block.

    folder: where its files go; a temporary folder, removed at the end, when omitted.
    gpu_ready_after_s: time that a pod with GPUs runs before it is Ready, as if it loaded weights, seconds. The
        annotation
    `twin.spillway/ready-after: "20s"` on a pod overrides it.
    """

    def __init__(self, folder: Path | None = None, *, gpu_ready_after_s: float = 0.0) -> None:
        self._folder = folder
        self._gpu_ready_after_s = gpu_ready_after_s
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> RunningCluster:
        """Start the cluster. Raises MissingToolError without the tools, and ClusterError when it does not get ready."""
        _require_tools()
        with contextlib.ExitStack() as stack:
            folder = self._folder
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix="spillway-cluster-"))
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
            supervisor = _spawn(folder, "attached", self._gpu_ready_after_s)
            stack.callback(_end, supervisor, folder)
            cluster = _await_ready(supervisor, folder)
            self._cleanup = stack.pop_all()
        return cluster

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()


def up(folder: Path, *, gpu_ready_after_s: float = 0.0) -> RunningCluster:
    """Start a cluster that outlives this process, or return the one that already runs in `folder`.

    What an earlier cluster left in `folder` when it ended is replaced. Raises as `LocalCluster` does.
    """
    _require_tools()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `up` of one folder: the second finds the first one's cluster
        with contextlib.suppress(ClusterError):
            return running_cluster(folder)
        down(folder)
        supervisor = _spawn(folder, "detached", gpu_ready_after_s)
        try:
            return _await_ready(supervisor, folder)
        except BaseException:
            _end(supervisor, folder)
            raise


def down(folder: Path) -> bool:
    """End the cluster of `folder` and nothing else; its logs stay. The answer is False when none was recorded there."""
    layout = ClusterLayout(folder.resolve())
    recorded = record.read(layout.record)
    if recorded is None:
        return False
    record.end(recorded)
    layout.record.unlink(missing_ok=True)
    shutil.rmtree(layout.private(""), ignore_errors=True)
    return True


def running_cluster(folder: Path) -> RunningCluster:
    """Return the ready cluster of `folder`. Raises ClusterError when there is none, or when it has ended."""
    recorded = record.read(ClusterLayout(folder).record)
    if recorded is None:
        raise ClusterError(f"no cluster in {folder}; start one: python -m twin.cluster up --folder {folder}")
    if recorded.state != record.READY or not record.alive(recorded.supervisor):
        raise ClusterError(f"the cluster in {folder} is not running any more; its logs: {folder / 'logs'}")
    return RunningCluster(folder, recorded.endpoint)


@contextlib.contextmanager
def unreachable(folder: Path) -> Iterator[None]:
    """Stop the API server of the cluster of `folder` for the length of a block; pods and data stay.

    Raises ClusterError when there is no such cluster, or when the server does not come back.
    """
    _ask(folder, signal.SIGUSR1, running=False)
    try:
        yield
    finally:
        _ask(folder, signal.SIGUSR2, running=True)


def _ask(folder: Path, request: signal.Signals, *, running: bool) -> None:
    """Send a request to the supervisor, and wait until its record says that the API server runs, or does not."""
    running_cluster(folder)
    deadline = time.monotonic() + START_LIMIT_S
    path = ClusterLayout(folder).record
    first = record.read(path)
    assert first is not None
    os.kill(first.supervisor.pid, request)
    while time.monotonic() < deadline:
        found = record.read(path)
        if found is None or not record.alive(found.supervisor):
            break
        names = {program.name for program in found.programs}
        if found.state == record.READY and ("kube-apiserver" in names) is running:
            return
        time.sleep(_POLL_S)
    raise ClusterError(f"the API server did not {'start' if running else 'stop'}; its logs: {folder / 'logs'}")


def _require_tools() -> None:
    for name in TOOLS:
        binaries.require(name)


def _spawn(folder: Path, mode: str, gpu_ready_after_s: float) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own. A Ctrl-C at the terminal reaches the caller, which then ends it."""
    command = [sys.executable, "-m", "twin.cluster.supervisor", str(folder), mode, f"{gpu_ready_after_s:g}"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if mode == "attached" else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
    )


def _await_ready(supervisor: subprocess.Popen[bytes], folder: Path) -> RunningCluster:
    """Wait for the supervisor's one line: it says `ready URL`, or what went wrong."""
    assert supervisor.stdout is not None
    deadline = time.monotonic() + START_LIMIT_S
    with selectors.DefaultSelector() as selector, supervisor.stdout as output:
        selector.register(output, selectors.EVENT_READ)
        line = output.readline().decode() if selector.select(deadline - time.monotonic()) else ""
    word, _, rest = line.strip().partition(" ")
    if word != "ready":
        reason = line.strip() or f"not ready after {START_LIMIT_S:.0f} s, or ended without a word"
        raise ClusterError(f"the cluster did not start: {reason}; its logs: {folder / 'logs'}")
    return RunningCluster(folder, rest)


def _end(supervisor: subprocess.Popen[bytes], folder: Path) -> None:
    """End a supervisor of our own and all that it recorded, and reap it."""
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    supervisor.terminate()
    try:
        supervisor.wait(timeout=10)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    recorded = record.read(ClusterLayout(folder).record)
    if recorded is not None:
        record.end(recorded)
