"""Plain objects: what the program says, applied server-side under a field manager of the resource's own."""

from __future__ import annotations

import copy
import hashlib
import threading
import time
from typing import Any, Final

from twin.kubernetes.api_server import ApiServer, KindEndpoint, Refused
from twin.kubernetes.readiness import readiness_of
from twin.provider.contract import OperationError, PartialOperationError, Resource, ResourceState
from twin.provider.wire import UNKNOWN, Properties

AUTONAMED: Final = "pulumi.com/autonamed"
_DEFAULT_TIMEOUT_S: Final = 600.0
_POLL_S: Final = 0.2
_WRITE_ONLY: Final = frozenset({"stringData"})
"""Fields that the API server takes and never shows."""


class Objects:
    """Operations on plain objects of one cluster."""

    def __init__(self, server: ApiServer, namespace: str, cancelled: threading.Event) -> None:
        self._server = server
        self._namespace = namespace
        self._cancelled = cancelled

    def apply(self, resource: Resource, inputs: Properties, timeout_s: float) -> ResourceState:
        """Create or change the object and wait until it is ready.

        Raises `OperationError` when the API server refuses it and `PartialOperationError` when it does not get ready.
        """
        body = copy.deepcopy(inputs)
        endpoint = self._endpoint(body)
        namespace = self._namespace_of(body) if endpoint.namespaced else None
        if namespace:
            body["metadata"]["namespace"] = namespace
        name = body["metadata"]["name"]
        path = endpoint.path(namespace, name)
        try:
            live = self._server.apply(path, body, _field_manager(resource))
        except Refused as refused:
            raise OperationError(f"server-side apply of {endpoint.kind} {name} failed: {refused}") from refused
        identifier = f"{namespace}/{name}" if namespace else name
        return self._awaited(path, ResourceState(identifier, inputs, _outputs(live)), timeout_s or _DEFAULT_TIMEOUT_S)

    def read(self, old: ResourceState) -> ResourceState | None:
        """The live object. Its inputs are those of the program, with the values that the object now has."""
        wanted = old.inputs or old.outputs
        live = self._server.get(self._path(wanted, old.id))
        if live is None or live["metadata"].get("deletionTimestamp"):
            return None
        inputs = _projected(old.inputs, live) if old.inputs else _outputs(live)
        return ResourceState(old.id, inputs, _outputs(live))

    def delete(self, old: ResourceState, timeout_s: float) -> None:
        """Delete the object and wait until it is gone. Raises `OperationError` when it stays."""
        inputs = old.inputs or old.outputs
        path = self._path(inputs, old.id)
        propagation = (inputs["metadata"].get("annotations") or {}).get(
            "pulumi.com/deletionPropagationPolicy", "foreground"
        )
        self._server.delete(path, propagation.capitalize())
        deadline = time.monotonic() + (timeout_s or _DEFAULT_TIMEOUT_S)
        while self._server.get(path) is not None:
            if time.monotonic() > deadline or self._cancelled.is_set():
                raise OperationError(f"{inputs['kind']} {old.id} was asked to go and is still there")
            time.sleep(_POLL_S)

    def _awaited(self, path: str, state: ResourceState, timeout_s: float) -> ResourceState:
        deadline = time.monotonic() + timeout_s
        while True:
            live = self._server.get(path)
            if live is None:
                raise OperationError(f"{state.id} vanished while it was waited for")
            state = ResourceState(state.id, state.inputs, _outputs(live))
            found = readiness_of(live)
            if found.ready:
                return state
            if found.hopeless or time.monotonic() > deadline or self._cancelled.is_set():
                raise PartialOperationError(state, f"{live['kind']} {state.id} did not become ready: {found.reason}")
            time.sleep(_POLL_S)

    def _endpoint(self, inputs: Properties) -> KindEndpoint:
        try:
            return self._server.endpoint(inputs["apiVersion"], inputs["kind"])
        except Refused as refused:
            raise OperationError(str(refused)) from refused

    def _path(self, inputs: Properties, identifier: str) -> str:
        namespace, _, name = identifier.rpartition("/")
        return self._endpoint(inputs).path(namespace or None, name)

    def _namespace_of(self, inputs: Properties) -> str:
        return str(inputs["metadata"].get("namespace") or self._namespace)


def completed(resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes) -> Properties:
    """Inputs with a name: the program's, the one the object already has, or a new one."""
    found = copy.deepcopy(inputs)
    metadata = found.get("metadata") or {}
    if metadata is UNKNOWN or metadata.get("name") is not None:
        return found
    found["metadata"] = metadata
    old = old_inputs.get("metadata") or {}
    if (old.get("annotations") or {}).get(AUTONAMED) == "true":
        metadata["name"] = old["name"]
    else:
        digits = hashlib.sha256(seed + resource.urn.encode()).hexdigest()[:8]
        metadata["name"] = f"{resource.name}-{digits}"
    metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return found


def _field_manager(resource: Resource) -> str:
    return f"pulumi-kubernetes-{hashlib.sha256(resource.urn.encode()).hexdigest()[:8]}"


def _outputs(live: dict[str, Any]) -> Properties:
    """The object without the bookkeeping of field managers."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**live, "metadata": metadata}


def _projected(inputs: Any, live: Any) -> Any:
    """The inputs' shape with the live object's values: what the program asked for, as it is now."""
    if isinstance(inputs, dict) and isinstance(live, dict):
        shown = {key: _projected(value, live[key]) for key, value in inputs.items() if key in live}
        return {**shown, **{key: inputs[key] for key in _WRITE_ONLY & set(inputs)}}
    if isinstance(inputs, list) and isinstance(live, list) and len(inputs) == len(live):
        return [_projected(value, other) for value, other in zip(inputs, live, strict=True)]
    return inputs if _same_quantity(inputs, live) else live


def _same_quantity(asked: Any, live: Any) -> bool:
    """The API server writes quantities in its own way: `1000m` comes back as `1`."""
    from kubernetes.utils.quantity import parse_quantity  # the library takes most of a second to import

    if asked == live or not (isinstance(asked, str | int | float) and isinstance(live, str | int | float)):
        return bool(asked == live)
    try:
        return bool(parse_quantity(str(asked)) == parse_quantity(str(live)))
    except ValueError:
        return False
