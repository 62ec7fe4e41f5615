"""What the person or the machine that runs `pulumi` may say beside the lock: the stack's configuration.

Nothing here sizes or places anything; that stands in the lock. These are the keys of `Pulumi.NAME.yaml`, in the
namespace `spillway`:

    override      reason for deploying a lock that is refused (break-glass); it becomes an output of the stack
    protected     true for production: the lock must be the committed one, and the cluster refuses its own deletion
    runner        inside | outside | IPv4 address: where this machine is, seen from the cluster. Also SPILLWAY_RUNNER
    stage         cluster | all: stop when the cluster is there, for which its API is not needed, or go to the end
    environments  folder of NAME.yaml and NAME.lock.json, relative to the root. Also SPILLWAY_ENVIRONMENTS
    addons        versions of EKS add-ons by name, such as {vpc-cni: v1.20.4-eksbuild.2}; others move with the lock
    gatewayImage  REPOSITORY:TAG@sha256:… of the gateway, where yours was published
    engineImage   the same for vLLM, for a mirror or a pinned digest, where the lock names none (platform.engine.image)
    pullSecrets   names of Kubernetes Secrets with an account at a registry, such as [registry]
    stateBucket   bucket of S3 with Pulumi's state, where a machine inside the network deploys
    weights       synced | copied: whether Jobs fill the model bucket from Hugging Face, or you do
    weightsImage  the same for those Jobs
    hubToken      secret of AWS Secrets Manager with a token of Hugging Face, for gated models
    acceptedLicences  licences of gated models that you accepted with that token's account, such as [Gemma]
    monitoring    true where the cluster has the definitions of the Prometheus operator: monitors, rules, dashboard
    prometheus    address of the Prometheus that scrapes the gateways, for pools that follow the clock; without it,
                  where `monitoring` is true, the one that the operator makes in namespace monitoring
    keda          true where KEDA runs in a cluster that this program makes: pools may follow the clock
    clientKeys    name of the Kubernetes Secret with the gateway's client keys
    providerKeys  name of the Kubernetes Secret with the API keys of providers
    kubeconfig    path of the kubeconfig that knows a cluster which is there already; without it KUBECONFIG, or
                  ~/.kube/config. Also SPILLWAY_KUBECONFIG
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import pulumi

from infra.images import Image
from infra.reach import Stage

Weights = Literal["synced", "copied"]
OPERATED = "http://prometheus-operated.monitoring.svc:9090"
"""Address of the Prometheus that the operator makes, in the namespace from which the charts let it in."""
ROOT = Path(__file__).absolute().parents[1]
"""The checkout. Charts and environments lie here, whatever the working folder is."""


@dataclass(frozen=True)
class StackSettings:
    """The settings are one run's configuration."""

    environment: str
    folder: Path
    override: str | None = None
    protected: bool = False
    runner: str = "outside"
    stage: Stage = "all"
    addons: Mapping[str, str] = field(default_factory=dict)
    gateway_image: Image | None = None
    engine_image: Image | None = None
    client_keys: str = "gateway-client-keys"
    provider_keys: str = "gateway-provider-keys"
    weights: Weights = "synced"
    weights_image: Image | None = None
    hub_token: str | None = None
    accepted_licences: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    state_bucket: str | None = None
    monitoring: bool = False
    prometheus: str | None = None
    keda: bool = False
    kubeconfig: str | None = None

    @property
    def demand_from(self) -> str | None:
        """Return the address of the Prometheus that knows the gateways' demand; None where there is none."""
        return self.prometheus or (OPERATED if self.monitoring else None)


def read() -> StackSettings:
    """Read the settings of the selected stack. Raises `pulumi.RunError` for a value that cannot be meant."""
    config = pulumi.Config()
    folder = os.environ.get("SPILLWAY_ENVIRONMENTS") or config.get("environments") or "environments"
    runner = os.environ.get("SPILLWAY_RUNNER") or config.get("runner") or "outside"
    if runner not in ("inside", "outside") and not _is_address(runner):
        raise pulumi.RunError(f"spillway:runner is `{runner}`; write inside, outside or an IPv4 address")
    stage = config.get("stage") or "all"
    if stage not in ("cluster", "all"):
        raise pulumi.RunError(f"spillway:stage is `{stage}`; write cluster or all")
    override = config.get("override")
    if override is not None and not override.strip():
        raise pulumi.RunError("spillway:override is empty; it must say why a refused lock is deployed")
    addons = config.get_object("addons") or {}
    if not isinstance(addons, dict) or not all(isinstance(version, str) for version in addons.values()):
        raise pulumi.RunError("spillway:addons must map names to versions, such as {vpc-cni: v1.20.4-eksbuild.2}")
    weights = config.get("weights") or "synced"
    if weights not in ("synced", "copied"):
        raise pulumi.RunError(f"spillway:weights is `{weights}`; write synced or copied")
    return StackSettings(
        environment=pulumi.get_stack(),
        folder=ROOT / folder,
        override=override,
        protected=config.get_bool("protected") or False,
        runner=runner,
        stage=cast(Stage, stage),
        addons=addons,
        gateway_image=_image(config, "gatewayImage"),
        engine_image=_image(config, "engineImage"),
        client_keys=config.get("clientKeys") or "gateway-client-keys",
        provider_keys=config.get("providerKeys") or "gateway-provider-keys",
        pull_secrets=_names(config, "pullSecrets", "[registry]"),
        state_bucket=config.get("stateBucket"),
        weights=cast(Weights, weights),
        weights_image=_image(config, "weightsImage"),
        hub_token=config.get("hubToken") or None,
        accepted_licences=_names(config, "acceptedLicences", "[Gemma]"),
        monitoring=config.get_bool("monitoring") or False,
        prometheus=_address(config, "prometheus"),
        keda=config.get_bool("keda") or False,
        kubeconfig=os.environ.get("SPILLWAY_KUBECONFIG") or config.get("kubeconfig") or None,
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _address(config: pulumi.Config, key: str) -> str | None:
    address = config.get(key) or None
    if address is not None and not address.startswith(("http://", "https://")):
        raise pulumi.RunError(f"spillway:{key} is `{address}`; write an address such as {OPERATED}")
    return address


def _names(config: pulumi.Config, key: str, example: str) -> tuple[str, ...]:
    names = config.get_object(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise pulumi.RunError(f"spillway:{key} must list names, such as {example}")
    return tuple(names)


def _image(config: pulumi.Config, key: str) -> Image | None:
    reference = config.get(key)
    try:
        return Image.parse(reference) if reference else None
    except ValueError as error:
        raise pulumi.RunError(f"spillway:{key}: {error}") from error
