"""The five programs of the control plane and their command lines. The module is pure, so that it can be read and
tested.

What EKS does is kept: RBAC and node authorisation, the default admission plug-ins with Pod Security among them and
NodeRestriction besides, service-account tokens, each controller under its own service account. What only serves a fleet
is left out: leader election, fsync.

EKS also adds the toleration of an extended resource to pods that ask for it (ExtendedResourceToleration). The twin does
not, so that a chart which forgets its toleration is found here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TWIN_NODE_ANNOTATION = "kwok.x-k8s.io/node"
"""Kwok keeps the nodes alive that are annotated with this key and the value `fake`."""

TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""The programs, in the order of their start."""

_SERVICE_RANGE = "10.96.0.0/16"
_POD_RANGE = "10.244.0.0/16"


@dataclass(frozen=True)
class Ports:
    """The ports are on loopback (TCP), all free and all different."""

    etcd_client: int
    etcd_peer: int
    api_server: int
    controllers: int
    scheduler: int


@dataclass(frozen=True)
class ClusterLayout:
    """The layout names the files of one cluster, below its folder."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig, for everyone outside the control plane."""
        return self.folder / "kubeconfig"

    @property
    def authority(self) -> Path:
        """Return the certificate of the cluster's authority (PEM)."""
        return self.folder / "ca.crt"

    @property
    def record(self) -> Path:
        """Return the file that says what runs here (twin/cluster/record.py)."""
        return self.folder / "cluster.json"

    def private(self, name: str) -> Path:
        """Return a file that only the control plane reads."""
        return self.folder / "private" / name

    def log(self, name: str) -> Path:
        """Return the log of one program."""
        return self.folder / "logs" / f"{name}.log"


def command_lines(binaries: Mapping[str, Path], layout: ClusterLayout, ports: Ports) -> dict[str, list[str]]:
    """Return the command line of each program by name.

    Every listening port is shared (`SO_REUSEPORT`) with the socket by which the supervisor holds it. So nobody can take
    a port between its choice and its use.
    """
    arguments = {
        "etcd": _etcd(layout, ports),
        "kube-apiserver": _api_server(layout, ports),
        "kube-controller-manager": _controllers(layout, ports),
        "kube-scheduler": _scheduler(layout, ports),
        "kwok": _kwok(layout),
    }
    return {name: [str(binaries[name]), *arguments[name]] for name in TOOLS}


def _etcd(layout: ClusterLayout, ports: Ports) -> list[str]:
    client, peer = (f"http://127.0.0.1:{port}" for port in (ports.etcd_client, ports.etcd_peer))
    return [
        "--name=twin",
        f"--data-dir={layout.private('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=twin={peer}",
        "--socket-reuse-port",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(layout: ClusterLayout, ports: Ports) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd_client}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.api_server}",
        "--permit-port-sharing",
        f"--tls-cert-file={layout.private('apiserver.crt')}",
        f"--tls-private-key-file={layout.private('apiserver.key')}",
        f"--client-ca-file={layout.authority}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={_SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.private('service-accounts.key')}",
        f"--service-account-signing-key-file={layout.private('service-accounts.key')}",
        f"--requestheader-client-ca-file={layout.private('front-proxy-ca.crt')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.private('front-proxy-client.crt')}",
        f"--proxy-client-key-file={layout.private('front-proxy-client.key')}",
    ]


def _controllers(layout: ClusterLayout, ports: Ports) -> list[str]:
    return [
        f"--kubeconfig={layout.private('controllers.kubeconfig')}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.controllers}",
        "--permit-port-sharing",
        f"--cert-dir={layout.private('controllers')}",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={layout.private('service-accounts.key')}",
        f"--root-ca-file={layout.authority}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _scheduler(layout: ClusterLayout, ports: Ports) -> list[str]:
    return [
        f"--kubeconfig={layout.private('scheduler.kubeconfig')}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.scheduler}",
        "--permit-port-sharing",
        f"--cert-dir={layout.private('scheduler')}",
        "--leader-elect=false",
    ]


def _kwok(layout: ClusterLayout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={layout.private('stages.yaml')}",
        f"--manage-nodes-with-annotation-selector={TWIN_NODE_ANNOTATION}=fake",
        f"--cidr={_POD_RANGE}",
        "--node-lease-duration-seconds=40",
    ]
