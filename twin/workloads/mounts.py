"""The files and variables that a pod gets from its volumes: ConfigMaps, Secrets, and secrets that a CSI driver mounts.

A pod whose ConfigMap, Secret or secret of a store is missing does not start, as a kubelet would not start it. Files are
written anew when what they come from changes, as a kubelet and the driver's rotation do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twin.workloads.objects import Object, Stores
from twin.workloads.pods import PodError, name_of, variables_of

Vault = Callable[[str, str, str], bytes]
"""Secret, namespace and service account → value. Raises `PodError` for a value that the account may not read."""

_DRIVER: Final = "secrets-store.csi.k8s.io"
_EMPTY: Final = ("emptyDir", "projected")
"""Volumes that begin empty here: nothing that is run asks for a token of its service account."""


def files(pod: Object, stores: Stores, vault: Vault) -> dict[str, bytes]:
    """Return the files that the first container of a pod sees, by their paths in it. Raises `PodError`."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    seen: dict[str, bytes] = {}
    for mount in pod["spec"]["containers"][0].get("volumeMounts") or ():
        for name, content in _entries(pod, volumes[mount["name"]], stores, vault).items():
            seen[f"{mount['mountPath'].rstrip('/')}/{name}"] = content
    return seen


def write(root: Path, wanted: Mapping[str, bytes]) -> None:
    """Bring the files below a folder to what they should be. A file that stays the same is not touched."""
    paths = {root / path.lstrip("/"): content for path, content in wanted.items()}
    for path in root.rglob("*"):
        if path.is_file() and path not in paths:
            path.unlink()
    for path, content in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, content)


def put(path: Path, content: bytes) -> None:
    """Put a file in place at once. One that says the same is not touched."""
    if path.is_file() and path.read_bytes() == content:
        return
    beside = path.with_name(f".{path.name}.new")
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    os.replace(beside, path)


def variables(pod: Object, stores: Stores, address: str) -> dict[str, str]:
    """Return the variables of a pod's first container. Raises `PodError`."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for variable in variables_of(pod):
        source = variable.get("valueFrom")
        if source is None:
            found[variable["name"]] = variable.get("value", "")
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            entries = stores.secret(namespace, reference["name"])
            value = (entries or {}).get(reference["key"])
            if value is not None:
                found[variable["name"]] = value.decode()
            elif not reference.get("optional"):
                raise PodError(f"{name_of(pod)} waits for entry {reference['key']} of Secret {reference['name']}")
        elif source.get("fieldRef", {}).get("fieldPath") == "status.podIP":
            found[variable["name"]] = address
        else:
            raise PodError(f"{name_of(pod)} takes variable {variable['name']} from {', '.join(source)}: not imitated")
    return found


def _entries(pod: Object, volume: Object, stores: Stores, vault: Vault) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    if "configMap" in volume:
        source = volume["configMap"]
        return _chosen(pod, source, f"ConfigMap {source['name']}", stores.config_map(namespace, source["name"]))
    if "secret" in volume:
        source = volume["secret"]
        return _chosen(pod, source, f"Secret {source['secretName']}", stores.secret(namespace, source["secretName"]))
    if volume.get("csi", {}).get("driver") == _DRIVER:
        return _from_store(pod, volume["csi"], stores, vault)
    if any(kind in volume for kind in _EMPTY):
        return {}
    kinds = ", ".join(sorted(volume.keys() - {"name"}))
    raise PodError(f"{name_of(pod)} mounts {volume['name']} ({kinds}), which is not imitated")


def _chosen(pod: Object, source: Object, title: str, entries: dict[str, bytes] | None) -> dict[str, bytes]:
    """Return the entries of a volume's source that become files: all, or its `items` under their paths."""
    if entries is None:
        if source.get("optional"):
            return {}
        raise PodError(f"{name_of(pod)} waits for {title}, which is not there")
    items = source.get("items")
    if items is None:
        return entries
    if missing := [item["key"] for item in items if item["key"] not in entries]:
        raise PodError(f"{name_of(pod)} waits for {', '.join(missing)} of {title}")
    return {item["path"]: entries[item["key"]] for item in items}


def _from_store(pod: Object, csi: Object, stores: Stores, vault: Vault) -> dict[str, bytes]:
    namespace, name = pod["metadata"]["namespace"], csi["volumeAttributes"]["secretProviderClass"]
    found = stores.provider_class(namespace, name)
    if found is None:
        raise PodError(f"{name_of(pod)} waits for SecretProviderClass {name}, which is not there")
    spec = found["spec"]
    if spec["provider"] != "aws" or spec["parameters"].get("usePodIdentity") != "true":
        raise PodError(f"SecretProviderClass {namespace}/{name} asks for more than AWS with Pod Identity")
    account = pod["spec"].get("serviceAccountName", "default")
    listed: list[dict[str, Any]] = yaml.safe_load(spec["parameters"]["objects"])
    if other := sorted({each["objectType"] for each in listed} - {"secretsmanager"}):
        raise PodError(f"SecretProviderClass {namespace}/{name} lists {', '.join(other)}: not imitated")
    names = {each.get("objectAlias", each["objectName"]): each["objectName"] for each in listed}
    return {alias: vault(secret, namespace, account) for alias, secret in names.items()}
