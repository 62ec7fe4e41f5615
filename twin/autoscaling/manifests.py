"""Objects into a cluster: definitions first, then what they define."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

_PATIENCE_S = 30.0
_POLL_S = 0.1
FIELD_MANAGER = "spillway-twin"


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Read all objects of the YAML files of a folder, sorted by file."""
    for file in sorted(folder.glob("*.yaml")):
        yield from (document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document)


def apply(api: Any, objects: Iterable[dict[str, Any]]) -> None:
    """Apply objects, by server-side apply. A kind that was defined a moment ago is waited for.

    Raises ApiException for what the API server refuses.
    """
    for document in objects:
        kind = until(partial(_kind_of, api, document), f"the kind {document['kind']}")
        kind.server_side_apply(
            body=document,
            name=document["metadata"]["name"],
            namespace=document["metadata"].get("namespace"),
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )


def define(api: Any, folder: Path) -> None:
    """Apply the definitions in a folder and wait until the API server serves them."""
    definitions = list(read(folder))
    apply(api, definitions)
    names = {definition["metadata"]["name"] for definition in definitions}
    until(lambda: names <= _established(api), "the definitions")


def until(condition: Callable[[], Any], what: str, patience_s: float = _PATIENCE_S) -> Any:
    """Wait for something true and return it. Raises TimeoutError with `what` after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if found := condition():
                return found
        except (ApiException, OSError):
            pass  # as if it were not there yet; the deadline bounds it
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience_s:.0f} s")
        time.sleep(_POLL_S)


def _kind_of(api: Any, document: dict[str, Any]) -> Any:
    try:
        return dynamic.DynamicClient(api).resources.get(api_version=document["apiVersion"], kind=document["kind"])
    except dynamic.exceptions.ResourceNotFoundError:
        return None


def _established(api: Any) -> set[str]:
    definitions = client.ApiextensionsV1Api(api).list_custom_resource_definition().items
    return {
        definition.metadata.name
        for definition in definitions
        if any(c.type == "Established" and c.status == "True" for c in definition.status.conditions or [])
    }
