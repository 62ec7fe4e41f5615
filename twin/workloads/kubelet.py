"""Starting and ending what ready pods run, as the cluster changes: the part of a kubelet and of a pod network.

`settle` looks at the cluster once and brings what runs into line with it. An engine is a replica of `twin.engine` in
this process. When its pod goes and its node stays, it finishes what it has begun, for as long as the pod's grace lasts,
and nothing new is let in; with its node it ends at once. A program is a child process that ends with this one. A pod
takes traffic of Services when it runs here: a program while its own readiness probe is answered. A program that ended
is not started again; its pod has a problem until it goes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin.addresses import Addresses, NoAddressError
from twin.api import server as api
from twin.api.ledger import Ledger
from twin.api.offers import Offers
from twin.cluster.certificates import certificate_pem, new_authority, serving_identity
from twin.engine import server as engine
from twin.engine.clock import EngineClock
from twin.engine.replica import EngineReplica
from twin.processes import die_with_parent, end
from twin.workloads import mounts, pods
from twin.workloads.container import ADDRESS_VARIABLE, NETWORK_VARIABLE
from twin.workloads.doors import Door
from twin.workloads.firewall import OutsideEnd, PodEnd, admits, end_of
from twin.workloads.mounts import Vault
from twin.workloads.objects import Object, Objects, View
from twin.workloads.pods import PodError
from twin.workloads.services import services

API_PORT: Final = 443
API_ADDRESS: Final = "198.51.100.1"
"""An address of the Internet (RFC 5737), for which NetworkPolicies are asked when a hosted API is called."""
_DNS = PodEnd("kube-system", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
_END_S: Final = 5.0
_PROBE_S: Final = 2.0
_DRAIN_LOOK_S: Final = 0.1
_STREAM_INTERVAL: Final = 1
_LOG_TAIL: Final = 1500


@dataclass(eq=False)
class Running:
    """What runs for one pod.

    door, engine: of an engine. program: of any other.
    """

    pod: Object
    address: str
    door: Door | None = None
    engine: EngineReplica | None = None
    program: subprocess.Popen[bytes] | None = None
    ready: bool = False


@dataclass
class Kubelet:
    """All nodes' kubelets in one.

    folder: where files and logs of pods lie, and `network.json`, which says what runs.
    clocks: of engines, by the name under which a model is served.
    offers: what hosted APIs sell; None where there are none.
    """

    folder: Path
    cluster: View
    clocks: Mapping[str, EngineClock]
    vault: Vault
    offers: Offers | None = None
    ledger: Ledger = field(default_factory=Ledger)
    problems: dict[str, str] = field(default_factory=dict)
    """Pod → why it does not run."""
    awaited: set[str] = field(default_factory=set)
    """Pods whose programs run and are not ready yet."""
    _names: dict[str, Any] = field(default_factory=dict)
    _objects: Objects = field(default_factory=Objects)
    _running: dict[str, Running] = field(default_factory=dict)
    _addresses: Addresses = field(default_factory=Addresses)
    _hosted: tuple[Door, str] | None = None
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    async def settle(self) -> None:
        """Look at the cluster, and end, start and renew what it says. What a pod says wrongly becomes a problem."""
        self._objects = await asyncio.to_thread(self.cluster.read)
        if self.offers is not None and self._hosted is None:
            self._hosted = await self._open_apis(self.offers)
        wanted = {pods.name_of(pod).uid: pod for pod in self._objects.pods if pods.is_ready(pod) and pods.kind_of(pod)}
        gone = [self._running.pop(uid) for uid in list(self._running) if uid not in wanted]
        self.problems, self.awaited = {}, set()
        self._say()  # names lead to a pod no longer before it ends
        for running in gone:
            if self._may_finish(running) and running.engine is not None:
                self._leaving.add(leaving := asyncio.create_task(self._drain(running, running.engine)))
                leaving.add_done_callback(self._leaving.discard)
        await asyncio.gather(*(self._end(running) for running in gone if not self._may_finish(running)))
        for uid, pod in wanted.items():
            await self._attempt(uid, pod)
        await asyncio.gather(*(self._probe(running) for running in self._running.values()))
        self._say()

    async def end(self) -> None:
        """End everything."""
        for leaving in tuple(self._leaving):
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await asyncio.gather(*(self._end(running) for running in self._running.values()))
        self._running.clear()
        if self._hosted is not None:
            await self._hosted[0].close()

    async def _attempt(self, uid: str, pod: Object) -> None:
        try:
            if pods.kind_of(pod) == "program":
                await self._renew_files(pod)
            if uid in self._running:
                self._running[uid].pod = pod
            elif pods.kind_of(pod) == "engine":
                self._running[uid] = await self._start_engine(pod)
            else:
                self._running[uid] = await self._start_program(pod)
        except (PodError, NoAddressError) as error:
            self.problems[str(pods.name_of(pod))] = str(error)

    async def _start_engine(self, pod: Object) -> Running:
        replica = EngineReplica(pods.engine_clock(pod, self.clocks), stream_interval=_STREAM_INTERVAL)
        port = pods.engine_port(pod)
        address = self._addresses.take([port])
        uid = pods.name_of(pod).uid
        door = Door(engine.application(replica), lambda caller: self._may_call(caller, uid, port))
        running = Running(pod, address, door=door, engine=replica, ready=True)
        try:
            await door.open(address, port)
        except OSError as error:
            self._addresses.give_back(address)
            raise PodError(f"{pods.name_of(pod)} cannot listen on {address}:{port}: {error.strerror}") from error
        return running

    async def _start_program(self, pod: Object) -> Running:
        address = self._addresses.take(pods.ports_of(pod))
        try:
            given = await asyncio.to_thread(mounts.variables, pod, self.cluster, address)
        except PodError:
            self._addresses.give_back(address)
            raise
        module, arguments = pods.command_of(pod, address, str(self._root(pod)))
        running = Running(pod, address)
        self._write_network(running)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ},
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            ADDRESS_VARIABLE: address,
            NETWORK_VARIABLE: str(self._network(pod)),
            **({"SSL_CERT_FILE": str(self.folder / "apis.crt")} if self._hosted is not None else {}),
            **given,
        }
        with self._log(pod).open("ab") as log, self._log(pod, "out").open("ab") as out:
            running.program = subprocess.Popen(
                [sys.executable, "-m", "twin.workloads.container", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=self._root(pod),
                env=environment,
                preexec_fn=die_with_parent,  # safe: it takes no lock that another thread may hold
            )
        return running

    async def _probe(self, running: Running) -> None:
        """Ask a program whether it is ready, as its pod says."""
        name, program, probe = str(pods.name_of(running.pod)), running.program, pods.readiness(running.pod)
        if program is None:
            return
        if program.poll() is None:
            running.ready = probe is None or await _answers(running.address, *probe)
            self.awaited |= set() if running.ready else {name}
        else:
            running.ready = False
            tail = self._log(running.pod).read_text(errors="replace")[-_LOG_TAIL:].strip()
            self.problems[name] = f"{name} ended with {program.returncode}; its log ends:\n{tail}"

    def _may_call(self, caller: str, uid: str, port: int) -> bool:
        """Tell whether the caller with an address gets through to a pod. What is no pod's is the node's own."""
        source = self._pod_at(caller)
        target = self._running.get(uid)
        if source is None or target is None:
            return target is not None
        called = end_of(target.pod, self._objects)
        return admits(self._objects.policies, end_of(source, self._objects), called, port)

    def _may_leave(self, caller: str) -> bool:
        source = self._pod_at(caller)
        return source is not None and admits(
            self._objects.policies, end_of(source, self._objects), OutsideEnd(API_ADDRESS), API_PORT
        )

    def _pod_at(self, address: str) -> Object | None:
        return next((each.pod for each in self._running.values() if each.address == address), None)

    def _may_finish(self, running: Running) -> bool:
        return running.engine is not None and running.pod["spec"].get("nodeName") in self._objects.nodes

    async def _drain(self, running: Running, engine: EngineReplica) -> None:
        """Let an engine finish what it has begun, and end it: no later than its pod's grace says."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + pods.grace_seconds(running.pod)
        try:
            while engine.scheduler.running + engine.scheduler.waiting and clock() < deadline:
                await asyncio.sleep(_DRAIN_LOOK_S)
            await asyncio.sleep(_DRAIN_LOOK_S)  # the last token is still on its way
        finally:
            await self._end(running)

    async def _end(self, running: Running) -> None:
        if running.door is not None:
            await running.door.close()
        if running.program is not None:
            await asyncio.to_thread(end, running.program, _END_S)
        self._addresses.give_back(running.address)
        shutil.rmtree(self._root(running.pod), ignore_errors=True)  # there are keys among its files; its logs stay

    async def _open_apis(self, offers: Offers) -> tuple[Door, str]:
        """Let all hosted APIs answer behind one door, under a certificate that programs are told to trust."""
        hosts = tuple(sorted({seller.place[0] for seller in offers.providers.values() if seller.place is not None}))
        authority = new_authority()
        identity = serving_identity(authority, "hosted-apis", hosts, ())
        (self.folder / "apis.crt").write_bytes(certificate_pem(authority.certificate))
        own = self.folder / "apis.pem"
        own.touch(mode=0o600)
        own.write_bytes(identity.certificate + identity.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        address = self._addresses.take([])
        door = Door(api.application(offers, self.ledger), self._may_leave, context)
        await door.open(address, 0)
        return door, address

    # -- files ---------------------------------------------------------------------------------------------------------

    async def _renew_files(self, pod: Object) -> None:
        wanted = await asyncio.to_thread(mounts.files, pod, self.cluster, self.vault)
        self._root(pod).mkdir(parents=True, exist_ok=True)
        mounts.write(self._root(pod), wanted)

    def _say(self) -> None:
        """Write what runs and where names lead, for each program and for whoever looks from outside."""
        taking = {uid: running.address for uid, running in self._running.items() if running.ready}
        found = services(self._objects, taking)
        doors = {
            f"{each.namespace}/{each.name}": {str(port): list(places) for port, places in each.targets.items()}
            for each in found
        }
        names: dict[str, Any] = {service.host: service.answers() for service in found}
        if self.offers is not None and self._hosted is not None:
            door, address = self._hosted
            places = [seller.place for seller in self.offers.providers.values() if seller.place is not None]
            names |= {place[0]: {str(API_PORT): [(address, door.port)]} for place in places}
        self._names = names
        for running in self._running.values():
            if running.program is not None:
                self._write_network(running)
        running_pods = {
            str(pods.name_of(each.pod)): {"address": each.address, "kind": pods.kind_of(each.pod), "ready": each.ready}
            for each in self._running.values()
        }
        document = {"services": doors, "pods": running_pods, "problems": self.problems}
        _write(self.folder / "network.json", document)

    def _write_network(self, running: Running) -> None:
        """Write the names that a program may ask for: none where its NetworkPolicies keep it from the cluster's DNS."""
        end = end_of(running.pod, self._objects)
        asks = admits(self._objects.policies, end, _DNS, 53, "UDP")
        _write(self._network(running.pod), {"names": self._names if asks else {}})

    def _root(self, pod: Object) -> Path:
        name = pods.name_of(pod)
        return self.folder / "pods" / f"{name.namespace}.{name.name}"

    def _network(self, pod: Object) -> Path:
        return self._root(pod).with_suffix(".network.json")

    def _log(self, pod: Object, suffix: str = "log") -> Path:
        return self._root(pod).with_name(f"{self._root(pod).name}.{suffix}")


async def _answers(address: str, port: int, path: str) -> bool:
    """Tell whether a GET is answered with 200 in time."""
    try:
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except OSError:  # a time-out is one
        return False


def _write(path: Path, document: dict[str, Any]) -> None:
    mounts.put(path, json.dumps(document, indent=1, sort_keys=True).encode())
