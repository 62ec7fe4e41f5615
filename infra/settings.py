"""What the person or the machine that runs `pulumi` may say beside the lock: the stack's configuration.

Nothing here sizes or places anything; that stands in the lock. These are the keys of `Pulumi.NAME.yaml`, in the
namespace `spillway`:

    override      reason for deploying a lock that is refused (break-glass); it becomes an output of the stack
    protected     true for production: the lock must be the committed one, and the cluster refuses its own deletion
    runner        inside | outside: whether this machine can reach a private Kubernetes API. Also SPILLWAY_RUNNER
    environments  folder of NAME.yaml and NAME.lock.json, relative to the root. Also SPILLWAY_ENVIRONMENTS
    addons        versions of EKS add-ons by name, such as {vpc-cni: v1.20.4-eksbuild.2}; others move with the lock
    gatewayImage  REPOSITORY:TAG@sha256:… of the gateway, where yours was published; without it the chart's default
    engineImage   the same for vLLM, for a mirror or a pinned digest
    clientKeys    name of the Kubernetes Secret with the gateway's client keys
    providerKeys  name of the Kubernetes Secret with the API keys of providers
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import pulumi

from infra.images import Image

Runner = Literal["inside", "outside"]
ROOT = Path(__file__).absolute().parents[1]
"""The checkout. Charts and environments lie here, whatever the working folder is."""


@dataclass(frozen=True)
class StackSettings:
    """The settings are one run's configuration."""

    environment: str
    folder: Path
    override: str | None
    protected: bool
    runner: Runner
    addons: Mapping[str, str]
    gateway_image: Image | None
    engine_image: Image | None
    client_keys: str
    provider_keys: str


def read() -> StackSettings:
    """Read the settings of the selected stack. Raises `pulumi.RunError` for a value that cannot be meant."""
    config = pulumi.Config()
    folder = os.environ.get("SPILLWAY_ENVIRONMENTS") or config.get("environments") or "environments"
    runner = os.environ.get("SPILLWAY_RUNNER") or config.get("runner") or "outside"
    if runner not in ("inside", "outside"):
        raise pulumi.RunError(f"spillway:runner is `{runner}`; write inside or outside")
    override = config.get("override")
    if override is not None and not override.strip():
        raise pulumi.RunError("spillway:override is empty; it must say why a refused lock is deployed")
    addons = config.get_object("addons") or {}
    if not isinstance(addons, dict) or not all(isinstance(version, str) for version in addons.values()):
        raise pulumi.RunError("spillway:addons must map names to versions, such as {vpc-cni: v1.20.4-eksbuild.2}")
    return StackSettings(
        environment=pulumi.get_stack(),
        folder=ROOT / folder,
        override=override,
        protected=config.get_bool("protected") or False,
        runner=cast(Runner, runner),
        addons=addons,
        gateway_image=_image(config, "gatewayImage"),
        engine_image=_image(config, "engineImage"),
        client_keys=config.get("clientKeys") or "gateway-client-keys",
        provider_keys=config.get("providerKeys") or "gateway-provider-keys",
    )


def _image(config: pulumi.Config, key: str) -> Image | None:
    reference = config.get(key)
    try:
        return Image.parse(reference) if reference else None
    except ValueError as error:
        raise pulumi.RunError(f"spillway:{key}: {error}") from error
