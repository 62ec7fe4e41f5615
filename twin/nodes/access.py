"""The twin cluster's API server, from its kubeconfig: asked for plain JSON, or through Kubernetes' client library.

The library takes a second of processor time to import, and its models cost ten times as much as the JSON. The twin's
own programs start with every run, so they ask an `ApiServer`.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

_MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refuses. status: its HTTP status."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(f"({status}) {told}")
        self.status = status


class ApiServer:
    """An API server answers for the current context of a kubeconfig with a token or inline certificates. Close it.

    Proxies of the environment are left out, because the twin listens on loopback. All calls raise `ApiError` for what
    is refused, and urllib3's `HTTPError` when nobody answers.
    """

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        named = {kind: {each["name"]: each for each in document[f"{kind}s"]} for kind in ("context", "cluster", "user")}
        context = named["context"][document["current-context"]]["context"]
        cluster, user = named["cluster"][context["cluster"]]["cluster"], named["user"][context["user"]]["user"]
        self._url = str(cluster["server"])
        authority = cluster.get("certificate-authority-data")
        trust = ssl.create_default_context(cadata=None if authority is None else _text(authority))
        self._headers = {"Accept": "application/json"}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        else:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # OpenSSL reads files alone
                pair.write(_text(user["client-certificate-data"]) + _text(user["client-key-data"]))
                pair.flush()
                trust.load_cert_chain(pair.name)
        self._connections = urllib3.PoolManager(maxsize=8, ssl_context=trust)

    def read(self, path: str) -> dict[str, Any]:
        """Return one object."""
        return self._asked("GET", path)

    def items(self, path: str, **selectors: str) -> list[dict[str, Any]]:
        """List objects. selectors: `labelSelector` and `fieldSelector`."""
        found: list[dict[str, Any]] = self._asked("GET", f"{path}?{urlencode(selectors)}")["items"]
        return found

    def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Create an object in a list of objects."""
        self._asked("POST", path, body)

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge a change into an object: what it does not name stays, and its lists take the place of others."""
        self._asked("PATCH", path, change, _MERGE)

    def delete(self, path: str, **options: int) -> None:
        """Delete an object. options: those of Kubernetes' DeleteOptions."""
        self._asked("DELETE", path, options)

    def close(self) -> None:
        """Close the connections."""
        self._connections.clear()

    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": kind}
        content = None if body is None else json.dumps(body).encode()
        answer = self._connections.request(method, self._url + path, body=content, headers=headers)
        if answer.status >= 400:
            raise ApiError(answer.status, _reason(answer.data))
        found: dict[str, Any] = json.loads(answer.data)
        return found


def client_for(kubeconfig: Path) -> Any:
    """Make a `kubernetes.client.ApiClient` for the current context of a kubeconfig file. The caller closes it.

    Proxies of the environment are left out, because the twin listens on loopback. Raises
    `kubernetes.config.ConfigException` for a missing or malformed file.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration, persist_config=False)
    configuration.proxy = None
    configuration.no_proxy = "127.0.0.1"
    return client.ApiClient(configuration)


def _reason(content: bytes) -> str:
    """Return the message of a refusal. Of a path that it does not know, the API server says so in plain text."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("ascii")
