"""A `helm.sh/v3:Release`: create = install, update = upgrade, delete = uninstall; failures as the real provider's.

A release that Helm created and could not finish is kept in the state with its error, so that the next update goes on
from it; a name that is taken is an error, because create is install and never upgrade. A local chart's own change is
not seen: programs pass a digest among the values.
"""

from __future__ import annotations

import hashlib
from typing import Any

import yaml

from twin.kubernetes.helm import Helm, HelmError
from twin.provider.arguments import InputProblem
from twin.provider.contract import (
    Difference,
    OperationError,
    PartialOperationError,
    Resource,
    ResourceState,
)
from twin.provider.difference import property_changes
from twin.provider.wire import UNKNOWN, Properties

TYPE = "kubernetes:helm.sh/v3:Release"

_AUTONAME = "__autonamed"
_DEFAULT_TIMEOUT_S = 300
_UNSUPPORTED = frozenset({"postrender", "valueYamlFiles", "allowNullValues", "keyring", "verify"})
_REPLACE_ON = frozenset({"name", "namespace"})
# Input -> flag of `helm install` and `helm upgrade`.
_BOTH = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "devel": "--devel",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
    "takeOwnership": "--take-ownership",
    "waitForJobs": "--wait-for-jobs",
}
_INSTALL_ONLY = {"replace": "--replace"}
_UPGRADE_ONLY = {
    "cleanupOnFail": "--cleanup-on-fail",
    "forceUpdate": "--force",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}


def completed(
    resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes, default_namespace: str
) -> Properties:
    """Inputs with a release name and a namespace."""
    found = dict(inputs)
    found.setdefault("namespace", default_namespace)
    if found.get("name") is None:
        if old_inputs.get(_AUTONAME):
            found["name"] = old_inputs["name"]
        else:
            found["name"] = f"{resource.name}-{hashlib.sha256(seed + resource.urn.encode()).hexdigest()[:8]}"
        found[_AUTONAME] = True
    return found


def problems(inputs: Properties) -> list[InputProblem]:
    """What the twin cannot do, said rather than ignored."""
    return [InputProblem(name, "the twin does not imitate this setting") for name in sorted(_UNSUPPORTED & set(inputs))]


def difference(old: ResourceState, inputs: Properties) -> Difference:
    """What an upgrade would change; another name or namespace is another release."""
    before = {key: value for key, value in old.inputs.items() if key != _AUTONAME}
    after = {key: value for key, value in inputs.items() if key != _AUTONAME}
    found = property_changes(before, after, replace_on=_REPLACE_ON)
    same = all(old.inputs.get(key) == inputs.get(key) for key in _REPLACE_ON)
    return Difference(found, same and any(change.replaces for change in found))


def planned(inputs: Properties, status: Any = UNKNOWN) -> Properties:
    """Outputs before the operation."""
    given = {key: value for key, value in inputs.items() if key != _AUTONAME}
    return {**given, "status": status, "resourceNames": UNKNOWN}


def install(helm: Helm, inputs: Properties, timeout_s: float) -> ResourceState:
    """Raises `OperationError` when nothing came of it, `PartialOperationError` when a failed release is there."""
    name, namespace = inputs["name"], inputs["namespace"]
    options = [*_flags(inputs, {**_BOTH, **_INSTALL_ONLY}), *_waiting(inputs, timeout_s), *_source(inputs)]
    return _attempt(helm, inputs, lambda: helm.install(name, inputs["chart"], namespace, options, _values(inputs)))


def upgrade(helm: Helm, inputs: Properties, timeout_s: float) -> ResourceState:
    """Raises as `install` does."""
    name, namespace = inputs["name"], inputs["namespace"]
    options = [*_flags(inputs, {**_BOTH, **_UPGRADE_ONLY}), *_waiting(inputs, timeout_s), *_source(inputs)]
    if inputs.get("maxHistory") is not None:
        options += ["--history-max", str(inputs["maxHistory"])]
    return _attempt(helm, inputs, lambda: helm.upgrade(name, inputs["chart"], namespace, options, _values(inputs)))


def uninstall(helm: Helm, old: ResourceState, timeout_s: float) -> None:
    """Raises `OperationError` when Helm cannot."""
    namespace, _, name = old.id.partition("/")
    try:
        helm.uninstall(name, namespace, _waiting(old.inputs or old.outputs, timeout_s))
    except HelmError as error:
        raise OperationError(f"failed to uninstall release {old.id}: {error}") from error


def read(helm: Helm, old: ResourceState) -> ResourceState | None:
    """The release as it is; values that somebody changed with Helm show as inputs."""
    namespace, _, name = old.id.partition("/")
    found = helm.status(name, namespace)
    if found is None:
        return None
    inputs = dict(old.inputs)
    live = found.get("config") or {}
    if live != _values(inputs):
        inputs["values"] = live
    return ResourceState(old.id, inputs, _outputs(helm, inputs, found))


def _attempt(helm: Helm, inputs: Properties, operation: Any) -> ResourceState:
    name, namespace = inputs["name"], inputs["namespace"]
    before = helm.status(name, namespace)
    try:
        operation()
    except HelmError as error:
        after = helm.status(name, namespace)
        if after is None or (before is not None and after["version"] == before["version"]):
            raise OperationError(str(error)) from error
        state = ResourceState(f"{namespace}/{name}", inputs, _outputs(helm, inputs, after))
        reason = (
            f'Helm release "{namespace}/{name}" was created but has a failed status. '
            f"Use the `helm` command to investigate the error, correct it, then retry. Reason: {error}"
        )
        raise PartialOperationError(state, reason) from error
    after = helm.status(name, namespace)
    if after is None:
        raise OperationError(f"release {namespace}/{name} vanished after Helm had made it")
    return ResourceState(f"{namespace}/{name}", inputs, _outputs(helm, inputs, after))


def _outputs(helm: Helm, inputs: Properties, found: dict[str, Any]) -> Properties:
    chart, chart_version, app_version = helm.chart_of(found["name"], found["namespace"])
    status = {
        "appVersion": app_version,
        "chart": chart,
        "name": found["name"],
        "namespace": found["namespace"],
        "revision": found["version"],
        "status": found["info"]["status"],
        "version": chart_version,
    }
    return {**planned(inputs, status), "resourceNames": _resource_names(found.get("manifest", ""), found["namespace"])}


def _resource_names(manifest: str, namespace: str) -> dict[str, list[str]]:
    """Objects of the release: kind and version -> names."""
    names: dict[str, list[str]] = {}
    for item in yaml.load_all(manifest, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if item:
            place = item["metadata"].get("namespace", namespace)
            names.setdefault(f"{item['kind']}/{item['apiVersion']}", []).append(f"{place}/{item['metadata']['name']}")
    return {kind: sorted(found) for kind, found in sorted(names.items())}


def _flags(inputs: Properties, flags: dict[str, str]) -> list[str]:
    return [flag for name, flag in flags.items() if inputs.get(name) is True]


def _waiting(inputs: Properties, timeout_s: float) -> list[str]:
    seconds = int(inputs.get("timeout") or timeout_s or _DEFAULT_TIMEOUT_S)
    return ["--timeout", f"{seconds}s", *([] if inputs.get("skipAwait") is True else ["--wait"])]


def _source(inputs: Properties) -> list[str]:
    """Where the chart comes from; nothing for a local one."""
    options = ["--version", inputs["version"]] if inputs.get("version") else []
    repository = inputs.get("repositoryOpts") or {}
    for name, flag in (
        ("repo", "--repo"),
        ("username", "--username"),
        ("password", "--password"),
        ("caFile", "--ca-file"),
        ("certFile", "--cert-file"),
        ("keyFile", "--key-file"),
    ):
        if repository.get(name):
            options += [flag, repository[name]]
    if inputs.get("description"):
        options += ["--description", inputs["description"]]
    return options


def _values(inputs: Properties) -> dict[str, Any]:
    values: dict[str, Any] = inputs.get("values") or {}
    return values
