"""The objects of a cluster at one moment, as the API server gives them (JSON), as far as running pods rests on them."""

from __future__ import annotations

import base64
import json
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
    """

    pods: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    slices: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    namespaces: tuple[Object, ...] = ()

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
        from kubernetes import client  # takes half a second to import

        from twin import nodes

        self._client = nodes.client_for(kubeconfig)
        self._core = client.CoreV1Api(self._client)
        self._discovery = client.DiscoveryV1Api(self._client)
        self._networking = client.NetworkingV1Api(self._client)
        self._custom = client.CustomObjectsApi(self._client)

    def read(self) -> Objects:
        """Return the objects of this moment. Raises `ClusterAwayError`."""
        return Objects(
            pods=_items(self._core.list_pod_for_all_namespaces),
            services=_items(self._core.list_service_for_all_namespaces),
            slices=_items(self._discovery.list_endpoint_slice_for_all_namespaces),
            policies=_items(self._networking.list_network_policy_for_all_namespaces),
            namespaces=_items(self._core.list_namespace),
        )

    def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return the entries of a ConfigMap."""
        found = _found(self._core.read_namespaced_config_map, name, namespace)
        if found is None:
            return None
        texts = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        return {**texts, **_decoded(found.get("binaryData"))}

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return the entries of a Secret."""
        found = _found(self._core.read_namespaced_secret, name, namespace)
        return None if found is None else _decoded(found.get("data"))

    def provider_class(self, namespace: str, name: str) -> Object | None:
        """Return a SecretProviderClass."""
        kind = ("secrets-store.csi.x-k8s.io", "v1", namespace, "secretproviderclasses", name)
        return _found(self._custom.get_namespaced_custom_object, *kind)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _items(ask: Any) -> tuple[Object, ...]:
    found = _found(ask)
    return tuple(found["items"]) if found is not None else ()


def _found(ask: Any, *arguments: str) -> Object | None:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        answer: Object = json.loads(ask(*arguments, _preload_content=False).data)
    except ApiException as error:
        if error.status == 404:
            return None
        raise ClusterAwayError(f"the API server refuses: {error.status} {error.reason}") from error
    except HTTPError as error:
        raise ClusterAwayError(f"the API server does not answer: {type(error).__name__}") from error
    return answer


def _decoded(entries: dict[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(text) for key, text in (entries or {}).items()}
