"""What an add-on of EKS brings into the cluster, as far as programs rest on it: the kinds that it defines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from twin.aws.store import Store

_ADDON: Final = "aws:eks/addon:Addon"
_GROUP: Final = "secrets-store.csi.x-k8s.io"
_DEFINED: Final = {"aws-secrets-store-csi-driver-provider": ("SecretProviderClass", "secretproviderclasses")}


def settle(store: Store, kubeconfig: Path) -> None:
    """Define the kinds of the add-ons that there are. Those of an add-on that went stay, as its objects do."""
    from twin import nodes  # not at the top: a plugin starts at once

    with store.exclusive_use():
        there = {record.inputs["addonName"] for record in store.load().records.get(_ADDON, {}).values()}
    for addon in sorted(there & _DEFINED.keys()):
        server = nodes.ApiServer(kubeconfig)
        try:
            server.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(*_DEFINED[addon]))
        except nodes.ApiError as error:
            if error.status != 409:
                raise
        finally:
            server.close()


def _definition(kind: str, plural: str) -> dict[str, Any]:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": free, "status": free}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }
