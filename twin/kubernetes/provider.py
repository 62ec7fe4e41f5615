"""The engine's questions about releases and plain objects of one cluster."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import yaml

from twin.kubernetes import objects, release
from twin.kubernetes.api_server import ApiServer, Unreachable
from twin.kubernetes.helm import Helm, HelmError, helm3
from twin.kubernetes.immutable import replacing_paths
from twin.kubernetes.objects import AUTONAMED, Objects
from twin.provider.arguments import InputProblem, Sdk
from twin.provider.contract import CheckedInputs, Difference, ImitatedProvider, OperationError, Resource, ResourceState
from twin.provider.difference import property_changes
from twin.provider.wire import UNKNOWN, Properties

_CONFIGURATION = frozenset(
    {
        "alwaysRender", "cluster", "clusterIdentifier", "context", "deleteUnreachable", "enableConfigMapMutable",
        "enablePatchForce", "enableReplaceCRD", "enableSecretMutable", "enableServerSideApply", "helmReleaseSettings",
        "kubeClientSettings", "kubeconfig", "namespace", "renderYamlToDirectory", "skipUpdateUnreachable",
        "strictMode", "suppressDeprecationWarnings", "suppressHelmHookWarnings", "suppressHelmReleaseBetaWarning",
        "upsertExistingObjects", "version",
    }
)  # fmt: skip
_UNSUPPORTED = frozenset({"renderYamlToDirectory", "alwaysRender"})


class KubernetesProvider(ImitatedProvider):
    """The Kubernetes provider over the cluster of its kubeconfig."""

    package = "kubernetes"

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk
        self._namespace = "default"
        self._kubeconfig: str | None = None
        self._context: str | None = None
        self._delete_unreachable = False
        self._mutable: frozenset[str] = frozenset()
        self._server: ApiServer | None = None
        self._helm: Helm | None = None
        self._cancelled = threading.Event()
        self._guard = threading.Lock()

    def check_configuration(self, configuration: Properties) -> list[InputProblem]:
        found = [
            InputProblem(name, "unknown setting of the Kubernetes provider")
            for name in sorted(set(configuration) - _CONFIGURATION)
        ]
        found += [
            InputProblem(name, "the twin does not imitate this") for name in sorted(_UNSUPPORTED & set(configuration))
        ]
        if configuration.get("enableServerSideApply") in (False, "false"):
            found.append(InputProblem("enableServerSideApply", "the twin applies server-side only"))
        return found

    def diff_configuration(self, old: Properties, new: Properties) -> Difference:
        """Another cluster replaces everything; a new door to the same cluster does not."""
        before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
        if before and after:
            moved = "clusterIdentifier" if before != after else None
        else:
            moved = "kubeconfig" if _server_of(old.get("kubeconfig")) != _server_of(new.get("kubeconfig")) else None
        return Difference(property_changes(old, new, replace_on={moved} if moved else frozenset()))

    def configure(self, configuration: Properties) -> None:
        text = configuration.get("kubeconfig")
        if not text:
            raise OperationError("the twin needs the kubeconfig of the provider; it reads none from the environment")
        self._kubeconfig = Path(text).read_text() if "\n" not in text and "{" not in text else str(text)
        self._context = configuration.get("context")
        self._namespace = configuration.get("namespace") or "default"
        self._delete_unreachable = _true(configuration.get("deleteUnreachable"))
        self._mutable = frozenset(
            kind for kind in ("ConfigMap", "Secret") if _true(configuration.get(f"enable{kind}Mutable"))
        )

    def check(self, resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes) -> CheckedInputs:
        if resource.type == release.TYPE:
            found = release.completed(resource, old_inputs, inputs, seed, self._namespace)
            return CheckedInputs(found, [*self.sdk.problems(release.TYPE, inputs), *release.problems(inputs)])
        _require_plain(resource)
        if not inputs.get("apiVersion") or not inputs.get("kind"):
            return CheckedInputs(inputs, [InputProblem("", "an object needs apiVersion and kind")])
        return CheckedInputs(objects.completed(resource, old_inputs, inputs, seed))

    def diff(self, resource: Resource, old: ResourceState, inputs: Properties) -> Difference:
        if resource.type == release.TYPE:
            return release.difference(old, inputs)
        kind = str(inputs["kind"])
        replace_on = replacing_paths(kind)
        if kind in self._mutable:
            replace_on -= {"data", "binaryData", "stringData"}
        found = property_changes(old.inputs, inputs, replace_on=replace_on)
        metadata = inputs["metadata"]
        named = (metadata.get("annotations") or {}).get(AUTONAMED) != "true"
        same = all((old.inputs.get("metadata") or {}).get(key) == metadata.get(key) for key in ("name", "namespace"))
        return Difference(found, named and same and any(change.replaces for change in found))

    def plan_create(self, resource: Resource, inputs: Properties) -> Properties:
        if resource.type == release.TYPE:
            return release.planned(inputs)
        return {"status": UNKNOWN, **inputs}

    def create(self, resource: Resource, inputs: Properties, timeout_s: float) -> ResourceState:
        if resource.type == release.TYPE:
            return self._reaching(lambda: release.install(self._helm_of(), inputs, timeout_s))
        return self._reaching(lambda: self._objects().apply(resource, inputs, timeout_s))

    def read(self, resource: Resource, old: ResourceState) -> ResourceState | None:
        try:
            if resource.type == release.TYPE:
                return release.read(self._helm_of(), old)
            return self._objects().read(old)
        except (Unreachable, HelmError) as error:
            if isinstance(error, HelmError) and "cluster unreachable" not in str(error):
                raise OperationError(str(error)) from error
            self._require_deletable(error, old)
            return None

    def plan_update(self, resource: Resource, old: ResourceState, inputs: Properties) -> Properties:
        if resource.type == release.TYPE:
            return release.planned(inputs)
        return {**old.outputs, **inputs}

    def update(self, resource: Resource, old: ResourceState, inputs: Properties, timeout_s: float) -> ResourceState:
        if resource.type == release.TYPE:
            return self._reaching(lambda: release.upgrade(self._helm_of(), inputs, timeout_s))
        return self._reaching(lambda: self._objects().apply(resource, inputs, timeout_s))

    def delete(self, resource: Resource, old: ResourceState, timeout_s: float) -> None:
        try:
            if resource.type == release.TYPE:
                release.uninstall(self._helm_of(), old, timeout_s)
            else:
                self._objects().delete(old, timeout_s)
        except (Unreachable, OperationError) as error:
            unreachable = isinstance(error, Unreachable) or "cluster unreachable" in str(error)
            if not unreachable:
                raise
            self._require_deletable(error, old)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        raise OperationError(f"the twin of Kubernetes does not answer {token}")

    def cancel(self) -> None:
        self._cancelled.set()
        if self._helm is not None:
            self._helm.cancel()

    def close(self) -> None:
        if self._helm is not None:
            self._helm.close()
        if self._server is not None:
            self._server.close()

    def _reaching(self, operation: Any) -> ResourceState:
        try:
            state: ResourceState = operation()
        except (Unreachable, HelmError) as error:
            raise OperationError(str(error)) from error
        return state

    def _require_deletable(self, error: Exception, old: ResourceState) -> None:
        """With its cluster out of reach, an object counts as gone only where the program said so."""
        if not self._delete_unreachable:
            raise OperationError(
                f"{error}; if the cluster was deleted, set deleteUnreachable on the provider ({old.id})"
            ) from error

    def _configured(self) -> str:
        if self._kubeconfig is None:
            raise OperationError("the Kubernetes provider was not configured: no kubeconfig")
        return self._kubeconfig

    def _objects(self) -> Objects:
        with self._guard:
            if self._server is None:
                self._server = ApiServer(self._configured(), self._context)
            return Objects(self._server, self._namespace, self._cancelled)

    def _helm_of(self) -> Helm:
        with self._guard:
            if self._helm is None:
                self._helm = Helm(helm3(), self._configured(), self._context)
            return self._helm


def _require_plain(resource: Resource) -> None:
    parts = resource.type.split(":")
    if len(parts) != 3 or "/" not in parts[1] or parts[2].endswith("Patch") or parts[1].startswith(("yaml", "helm.sh")):
        raise OperationError(f"the twin of Kubernetes does not imitate {resource.type}")


def _server_of(kubeconfig: Any) -> Any:
    """The API server's address, by which a cluster is told from another."""
    if not isinstance(kubeconfig, str):
        return kubeconfig
    try:
        return yaml.safe_load(kubeconfig)["clusters"][0]["cluster"]["server"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError):
        return kubeconfig


def _true(value: Any) -> bool:
    return value is True or value == "true"
