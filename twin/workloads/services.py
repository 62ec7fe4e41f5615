"""Where a Service leads: through the EndpointSlices of the cluster's own controllers to pods that are ready.

A headless Service answers with the addresses of its pods, and the port is the caller's. Any other Service leads from
each of its ports to the target port of its pods, as kube-proxy does. The module is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twin.workloads.container import ANY_PORT
from twin.workloads.objects import Object, Objects

_SERVICE_LABEL: Final = "kubernetes.io/service-name"

Place = tuple[str, int | None]
"""Address and port; None is the port for which the caller asks."""


@dataclass(frozen=True)
class Service:
    """A Service that is there.

    headless: whether its name answers with its pods.
    targets: port of the Service -> addresses and ports of its ready pods.
    pods: addresses of its ready pods.
    """

    namespace: str
    name: str
    headless: bool
    targets: Mapping[int, tuple[tuple[str, int], ...]]
    pods: tuple[str, ...]

    @property
    def host(self) -> str:
        """Return its full name in the cluster's DNS."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"

    def answers(self) -> dict[str, list[Place]]:
        """Return what its name leads to, by the port for which a caller asks."""
        if self.headless:
            return {ANY_PORT: [(address, None) for address in self.pods]}
        return {str(port): list(places) for port, places in self.targets.items()}


def services(objects: Objects, addresses: Mapping[str, str]) -> list[Service]:
    """Return all Services. addresses: of the pods that serve, by their uid."""
    return [_service(service, objects, addresses) for service in objects.services]


def _service(service: Object, objects: Objects, addresses: Mapping[str, str]) -> Service:
    metadata, spec = service["metadata"], service["spec"]
    targets: dict[int, list[tuple[str, int]]] = {}
    pods: set[str] = set()
    for piece in objects.slices:
        labels = piece["metadata"].get("labels") or {}
        if piece["metadata"]["namespace"] != metadata["namespace"] or labels.get(_SERVICE_LABEL) != metadata["name"]:
            continue
        ready = {addresses[uid] for uid in _ready(piece) if uid in addresses}
        pods |= ready
        numbers = {port.get("name") or "": port["port"] for port in piece.get("ports") or ()}
        for port in spec.get("ports") or ():
            number = numbers.get(port.get("name") or "")
            if number is not None:
                targets.setdefault(int(port["port"]), []).extend((address, int(number)) for address in ready)
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        headless=spec.get("clusterIP") == "None",
        targets={port: tuple(sorted(places)) for port, places in sorted(targets.items())},
        pods=tuple(sorted(pods)),
    )


def _ready(piece: Object) -> list[str]:
    """Return the uids of a slice's pods that take traffic."""
    return [
        endpoint["targetRef"]["uid"]
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
    ]
