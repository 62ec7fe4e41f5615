"""The parent of a cluster's programs: it starts them, watches them, and never leaves one behind.

It runs as `python -m twin.cluster.supervisor FOLDER attached|detached GPU_READY_AFTER_S`. It says one line on stdout,
`ready URL` or the reason why not, and then works silently. It ends everything upon one of these: SIGTERM or SIGINT; the
end of its stdin (attached: whoever started it is gone); the death of one of its programs. Should the supervisor itself
be killed, the kernel ends its programs (`PR_SET_PDEATHSIG`, Linux); elsewhere `python -m twin.cluster down` does, from
the record.

While it runs, it also plays the nodes' device plugins (twin/nodes/device_plugin.py). SIGUSR1 stops the API server, and
SIGUSR2 starts it again with all its data, as when a network fails and comes back.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from twin import binaries
from twin.cluster import certificates, record
from twin.cluster.components import TOOLS, ClusterLayout, Ports, command_lines
from twin.processes import die_with_parent

_API_SERVER = "kube-apiserver"
_POLL_S = 0.03
_START_LIMIT_S = 80.0
_DEVICE_PLUGIN_INTERVAL_S = 0.5


class StartError(Exception):
    """A program ended, or was not healthy in time."""


class Supervisor:
    """The supervisor holds the programs of one cluster, in the order of their start."""

    def __init__(self, layout: ClusterLayout, lifeline: int | None) -> None:
        self._layout = layout
        self._lifeline = lifeline
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        self.endpoint = ""

    def start(self, gpu_ready_after_s: float) -> None:
        """Write the cluster's files, start all programs and return when the cluster takes pods. Raises StartError."""
        with _reserved_ports() as ports:
            self.endpoint = f"https://127.0.0.1:{ports.api_server}"
            self._record(record.STARTING)
            write_files(self._layout, self.endpoint, gpu_ready_after_s)
            self._commands = command_lines({name: binaries.require(name) for name in TOOLS}, self._layout, ports)
            self._spawn("etcd")
            self._spawn(_API_SERVER)
            self._await(_API_SERVER, lambda: _answers(f"{self.endpoint}/readyz"))
            for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
                self._spawn(name)
            controllers = f"https://127.0.0.1:{ports.controllers}/healthz"
            self._await("kube-controller-manager", lambda: _answers(controllers))
            self._await("kube-scheduler", lambda: _answers(f"https://127.0.0.1:{ports.scheduler}/readyz"))
            # No pod is admitted before the controllers have made the service account that it runs under.
            account = f"{self.endpoint}/api/v1/namespaces/default/serviceaccounts/default"
            administrator = self._layout.private("administrator.pem")
            self._await("kube-controller-manager", lambda: _answers(account, administrator))
            threading.Thread(target=_play_device_plugins, args=(self._layout.kubeconfig,), daemon=True).start()
            self._record(record.READY)

    def watch(self) -> None:
        """Return when the cluster has to end: its starter is gone, or a program has died. SIGTERM raises instead."""
        while not self._starter_is_gone(1.0):
            dead = [name for name, program in list(self._running.items()) if program.poll() is not None]
            if dead:
                print(f"{', '.join(dead)} ended by itself; the cluster ends", file=sys.stderr, flush=True)
                return

    def stop_api_server(self) -> None:
        """End the API server and nothing else; its data stay in etcd."""
        stopped = self._running.pop(_API_SERVER, None)
        if stopped is not None:
            stopped.kill()
            stopped.wait()
            self._record(record.READY)

    def start_api_server(self) -> None:
        """Start the API server again. Raises StartError."""
        if _API_SERVER not in self._running:
            self._spawn(_API_SERVER)
            self._await(_API_SERVER, lambda: _answers(f"{self.endpoint}/readyz"))
            self._record(record.READY)

    def end(self) -> None:
        """Kill all programs and wait for them. Their files are the cluster's own and temporary, so nothing needs a
        flush."""
        for program in self._running.values():
            program.kill()
        for program in self._running.values():
            program.wait()

    def _spawn(self, name: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        with self._layout.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._layout.private(""),
                env=environment,
                preexec_fn=die_with_parent,  # safe: it takes no lock that another thread may hold
            )
        self._record(record.STARTING)

    def _record(self, state: str) -> None:
        supervisor = record.observe("supervisor", os.getpid())
        assert supervisor is not None
        identities = (record.observe(name, program.pid) for name, program in self._running.items())
        kubeconfig = str(self._layout.kubeconfig)
        programs = tuple(program for program in identities if program is not None)
        record.write(record.ClusterRecord(state, self.endpoint, kubeconfig, supervisor, programs), self._layout.record)

    def _await(self, name: str, healthy: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while not healthy():
            for running, program in self._running.items():
                if program.poll() is not None:
                    raise StartError(f"{running} ended with {program.returncode}: {self._last_words(running)}")
            if time.monotonic() > deadline:
                raise StartError(f"{name} was not healthy within {_START_LIMIT_S:.0f} s: {self._last_words(name)}")
            if self._starter_is_gone(_POLL_S):
                raise StartError("whoever started the cluster has ended")

    def _starter_is_gone(self, wait_s: float) -> bool:
        """Wait at most `wait_s` seconds, and tell whether stdin, which the starter holds open, has come to its end."""
        if self._lifeline is None:
            time.sleep(wait_s)
            return False
        return bool(select.select([self._lifeline], [], [], wait_s)[0]) and not os.read(self._lifeline, 1)

    def _last_words(self, name: str) -> str:
        lines = self._layout.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "(no output)"


def write_files(layout: ClusterLayout, endpoint: str, gpu_ready_after_s: float) -> None:
    """Write certificates, kubeconfig files and stages of a new cluster. What an earlier one left in the folder goes."""
    for folder in (layout.private(""), layout.log("").parent):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
    authority = certificates.new_authority()
    layout.authority.write_bytes(certificates.certificate_pem(authority.certificate))
    serving = certificates.serving_identity(authority)
    write_private(layout.private("apiserver.crt"), serving.certificate)
    write_private(layout.private("apiserver.key"), serving.key)
    write_private(layout.private("service-accounts.key"), certificates.new_key())
    front = certificates.new_authority()
    front_client = certificates.issue(front, "front-proxy-client", None)
    write_private(layout.private("front-proxy-ca.crt"), certificates.certificate_pem(front.certificate))
    write_private(layout.private("front-proxy-client.crt"), front_client.certificate)
    write_private(layout.private("front-proxy-client.key"), front_client.key)
    administrator = certificates.issue(authority, *certificates.ADMINISTRATOR)
    write_private(layout.private("administrator.pem"), administrator.certificate + administrator.key)
    for path, identity in (
        (layout.kubeconfig, administrator),
        (layout.private("controllers.kubeconfig"), certificates.issue(authority, *certificates.CONTROLLERS)),
        (layout.private("scheduler.kubeconfig"), certificates.issue(authority, *certificates.SCHEDULER)),
    ):
        write_private(path, certificates.kubeconfig(authority, endpoint, identity))
    stages = (resources.files("twin.cluster") / "stages.yaml").read_text(encoding="utf-8")
    layout.private("stages.yaml").write_text(
        stages.replace("@gpu_ready_after@", f"{gpu_ready_after_s:.3f}s"), encoding="utf-8"
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def main(arguments: list[str]) -> int:
    """Run one cluster until its end. The exit code is 0 if it ended on request, 1 if it did not start or a program
    died."""
    folder, mode, gpu_ready_after_s = Path(arguments[0]).resolve(), arguments[1], float(arguments[2])
    layout = ClusterLayout(folder)
    folder.mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(layout, sys.stdin.fileno() if mode == "attached" else None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        stack.callback(supervisor.end)
        try:
            supervisor.start(gpu_ready_after_s)
        except (StartError, OSError, binaries.MissingToolError) as error:
            print(error, flush=True)
            return 1
        signal.signal(signal.SIGUSR1, lambda *_: supervisor.stop_api_server())
        signal.signal(signal.SIGUSR2, lambda *_: supervisor.start_api_server())
        print(f"ready {supervisor.endpoint}", flush=True)
        with layout.log("supervisor").open("ab") as log:  # the starter's pipes may close from now on
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
        supervisor.watch()
    return 1


def _stop(_number: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


@contextmanager
def _reserved_ports() -> Iterator[Ports]:
    """Reserve free loopback ports. A bound socket that does not listen holds each, so that nobody else is given it."""
    with ExitStack() as stack:
        numbers = []
        for _ in range(5):
            holder = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(("127.0.0.1", 0))
            numbers.append(int(holder.getsockname()[1]))
        yield Ports(*numbers)


def _answers(url: str, identity: Path | None = None) -> bool:
    """Tell whether a URL on loopback answers 200 to this client certificate.

    No proxy is asked, and no certificate is checked.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(identity)
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _play_device_plugins(kubeconfig: Path) -> NoReturn:
    # Here and not above: they import the catalog of instance types, and the cluster is ready without it.
    from twin.nodes.access import ApiServer
    from twin.nodes.device_plugin import advertise_gpus

    server = ApiServer(kubeconfig)
    failing = False
    while True:
        try:
            advertise_gpus(server)
            failing = False
        except Exception as error:  # whatever one round meets, the next one tries again; said once
            if not failing:
                print(f"advertising GPUs: {error}", file=sys.stderr, flush=True)
            failing = True
        time.sleep(_DEVICE_PLUGIN_INTERVAL_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
