"""The objects of a cluster at one moment, as the API server gives them (JSON), as far as running pods rests on them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Object = dict[str, Any]


class ClusterAwayError(Exception):
    """The API server does not answer, or refuses."""


@dataclass(frozen=True)
class Objects:
    """Objects are lists of one moment.

    slices: EndpointSlices, which the controllers keep for each Service with a selector.
    policies: NetworkPolicies.
    nodes: names of the nodes that there are.
    """

    pods: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    slices: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    namespaces: tuple[Object, ...] = ()
    nodes: frozenset[str] = frozenset()

    def labels_of(self, namespace: str) -> dict[str, str]:
        """Return the labels of a namespace."""
        found = (each["metadata"] for each in self.namespaces if each["metadata"]["name"] == namespace)
        return {key: label for metadata in found for key, label in (metadata.get("labels") or {}).items()}


class Stores(Protocol):
    """What pods mount: maps of the cluster, each by namespace and name, None where there is none."""

    def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None: ...

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None: ...

    def provider_class(self, namespace: str, name: str) -> Object | None: ...


class View(Stores, Protocol):
    """A cluster as a kubelet sees it."""

    def read(self) -> Objects: ...


class Cluster:
    """A cluster is read through its API server. Close it."""

    def __init__(self, kubeconfig: Path) -> None:
        from twin.nodes import ApiServer

        self._server = ApiServer(kubeconfig)

    def read(self) -> Objects:
        """Return the objects of this moment. Raises `ClusterAwayError`."""
        return Objects(
            pods=self._items("/api/v1/pods"),
            services=self._items("/api/v1/services"),
            slices=self._items("/apis/discovery.k8s.io/v1/endpointslices"),
            policies=self._items("/apis/networking.k8s.io/v1/networkpolicies"),
            namespaces=self._items("/api/v1/namespaces"),
            nodes=frozenset(node["metadata"]["name"] for node in self._items("/api/v1/nodes")),
        )

    def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return the entries of a ConfigMap."""
        found = self._found(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            return None
        texts = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        return {**texts, **_decoded(found.get("binaryData"))}

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return the entries of a Secret."""
        found = self._found(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return None if found is None else _decoded(found.get("data"))

    def provider_class(self, namespace: str, name: str) -> Object | None:
        """Return a SecretProviderClass."""
        group = "secrets-store.csi.x-k8s.io/v1"
        return self._found(f"/apis/{group}/namespaces/{namespace}/secretproviderclasses/{name}")

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _items(self, path: str) -> tuple[Object, ...]:
        found = self._found(path)
        return tuple(found["items"]) if found is not None else ()

    def _found(self, path: str) -> Object | None:
        from urllib3.exceptions import HTTPError

        from twin.nodes import ApiError

        try:
            return self._server.read(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise ClusterAwayError(f"the API server refuses: {error}") from error
        except HTTPError as error:
            raise ClusterAwayError(f"the API server does not answer: {type(error).__name__}") from error


def _decoded(entries: dict[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(text) for key, text in (entries or {}).items()}
