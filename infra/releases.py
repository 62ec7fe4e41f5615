"""Versions that AWS recommends: asked for once, and kept until the lock names other ones.

Releases of node images and versions of add-ons move every few weeks by themselves. A run that took them as they come
would renew every node without a change of the lock. So the versions of a run become its output, and later runs keep
them as long as the lock says the same version of Kubernetes and the same day of patches (`platform.patches`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan.platform import PlannedPlatform

RELEASES = "releases"
"""Name of the output with the versions of a run."""
IMAGE_PARAMETERS = {
    "AL2023_x86_64_STANDARD": "amazon-linux-2023/x86_64/standard",
    "AL2023_x86_64_NVIDIA": "amazon-linux-2023/x86_64/nvidia",
}
"""EKS's name of a node image -> where its recommended release is published."""


@dataclass(frozen=True)
class Releases:
    """The releases are the versions of a run.

    images: release by EKS's name of the image.
    addons: version by name of the add-on.
    """

    images: Mapping[str, pulumi.Input[str]]
    addons: Mapping[str, pulumi.Input[str]]

    def output(self, platform: PlannedPlatform) -> dict[str, Any]:
        """Return what the next run keeps, with what it is kept for."""
        return {**_reason(platform), "images": dict(self.images), "addons": dict(self.addons)}


def releases(
    platform: PlannedPlatform,
    outputs: Mapping[str, Any],
    addons: Sequence[str],
    pinned: Mapping[str, str],
    asking: pulumi.InvokeOutputOptions,
) -> Releases:
    """Return the versions of this run: pinned, kept, or what AWS recommends for the version of Kubernetes.

    outputs: those of the stack's last run.
    """
    kept = outputs.get(RELEASES) or {}
    if {key: kept.get(key) for key in _reason(platform)} != _reason(platform):
        kept = {}
    images, versions = kept.get("images") or {}, {**(kept.get("addons") or {}), **pinned}
    return Releases(
        {
            name: images.get(name) or _image(platform.kubernetes, path, asking)
            for name, path in IMAGE_PARAMETERS.items()
        },
        {name: versions.get(name) or _addon(platform.kubernetes, name, asking) for name in addons},
    )


def _reason(platform: PlannedPlatform) -> dict[str, str]:
    return {"kubernetes": platform.kubernetes, "patches": str(platform.patches or "")}


def _image(kubernetes: str, path: str, asking: pulumi.InvokeOutputOptions) -> pulumi.Output[str]:
    parameter = f"/aws/service/eks/optimized-ami/{kubernetes}/{path}/recommended/release_version"
    found = aws.ssm.get_parameter_output(name=parameter, opts=asking)
    release: pulumi.Output[str] = found.apply(lambda answer: str(answer.insecure_value))
    return release


def _addon(kubernetes: str, name: str, asking: pulumi.InvokeOutputOptions) -> pulumi.Output[str]:
    found = aws.eks.get_addon_version_output(addon_name=name, kubernetes_version=kubernetes, opts=asking)
    version: pulumi.Output[str] = found.apply(lambda answer: str(answer.version))
    return version
