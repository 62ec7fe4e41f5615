"""The API server as the provider reaches it: from a kubeconfig's text to calls on paths.

Authentication is the kubeconfig's own matter (certificates, token, or a command such as `aws eks get-token`); the
Kubernetes client library knows all of them.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import yaml

_DISCOVERY_PATIENCE_S: Final = 20.0
_POLL_S: Final = 0.2
_REQUEST_LIMIT_S: Final = 30.0


class Unreachable(Exception):
    """No API server answers at the kubeconfig's address."""


class Refused(Exception):
    """The API server answered with an error. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class KindEndpoint:
    """Where objects of one kind live."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Path of the collection, or of one object."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        place = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{root}{place}/{self.plural}" + (f"/{name}" if name else "")


class ApiServer:
    """One API server. Safe for use from several threads.

    Raises `ValueError` for a kubeconfig that cannot be understood.
    """

    def __init__(self, kubeconfig: str, context: str | None = None) -> None:
        parsed = yaml.safe_load(kubeconfig)
        if not isinstance(parsed, dict) or "clusters" not in parsed:
            raise ValueError("the kubeconfig is not a kubeconfig: it has no clusters")
        self._kubeconfig = parsed
        self._context = context
        self._connection: tuple[Any, Any] | None = None
        self._endpoints: dict[tuple[str, str], KindEndpoint] = {}
        self._guard = threading.Lock()

    def endpoint(self, api_version: str, kind: str) -> KindEndpoint:
        """Where the kind lives; waits a little for a kind whose definition was applied a moment ago.

        Raises `Refused` (404) when the server has no such kind.
        """
        deadline = time.monotonic() + _DISCOVERY_PATIENCE_S
        while (found := self._endpoints.get((api_version, kind))) is None:
            if self._discover(api_version) and (api_version, kind) in self._endpoints:
                continue
            if time.monotonic() > deadline:
                raise Refused(404, f"the API server has no kind {kind} in {api_version}; is its definition installed?")
            time.sleep(_POLL_S)
        return found

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        try:
            return self.call("GET", path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def apply(self, path: str, body: dict[str, Any], field_manager: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply; a field that another manager owns is a conflict (`Refused`, 409)."""
        query: list[tuple[str, str]] = [("fieldManager", field_manager), ("fieldValidation", "Strict")]
        if body["metadata"].get("annotations", {}).get("pulumi.com/patchForce") == "true":
            query.append(("force", "true"))
        if dry_run:
            query.append(("dryRun", "All"))
        return self.call("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")

    def delete(self, path: str, propagation: str) -> None:
        """Ask for the object's end; an object that is gone already is fine."""
        try:
            self.call("DELETE", path, body={"propagationPolicy": propagation}, content_type="application/json")
        except Refused as refused:
            if refused.status != 404:
                raise

    def call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """One request. Raises `Unreachable` or `Refused`."""
        from urllib3.exceptions import HTTPError  # with the next, most of a second to import

        pool, configuration = self._connected()
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        token = configuration.get_api_key_with_prefix("authorization")
        if token:
            headers["Authorization"] = token
        address = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            # JSON is YAML, so the body of an apply patch may be JSON.
            answer = pool.request(method, address, headers=headers, body=None if body is None else json.dumps(body))
        except (HTTPError, OSError) as error:
            raise Unreachable(f"the Kubernetes cluster is unreachable: {error}") from error
        if answer.status >= 400:
            raise Refused(answer.status, _message_of(answer))
        found: dict[str, Any] = json.loads(answer.data or b"{}")
        return found

    def close(self) -> None:
        """Close the connections."""
        if self._connection is not None:
            self._connection[0].clear()

    def _connected(self) -> tuple[Any, Any]:
        """Connections, and the library's configuration, which renews what authenticates."""
        import urllib3
        from kubernetes import client, config

        with self._guard:
            if self._connection is None:
                configuration = client.Configuration()
                config.load_kube_config_from_dict(
                    self._kubeconfig, context=self._context, client_configuration=configuration
                )
                pool = urllib3.PoolManager(
                    cert_reqs="CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE",
                    ca_certs=configuration.ssl_ca_cert,
                    cert_file=configuration.cert_file,
                    key_file=configuration.key_file,
                    maxsize=8,
                    retries=False,
                    timeout=_REQUEST_LIMIT_S,
                )
                self._connection = (pool, configuration)
            return self._connection

    def _discover(self, api_version: str) -> bool:
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        found = self.get(root)
        if found is None:
            return False
        for resource in found.get("resources", ()):
            if "/" not in resource["name"]:  # not a subresource
                key = (api_version, resource["kind"])
                self._endpoints[key] = KindEndpoint(*key, resource["name"], resource["namespaced"])
        return True


def _message_of(answer: Any) -> str:
    try:
        return str(json.loads(answer.data)["message"])
    except (TypeError, ValueError, KeyError):
        return f"HTTP {answer.status} {answer.reason}"
