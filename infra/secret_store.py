"""The environment's secrets at AWS, and the gateway's right to read its own.

Secrets are made before everything else, because people need a minute to fill them and a fleet that waits costs money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.identities import pod_identity_trust, read_secrets
from infra.naming import GATEWAY_NAMESPACE, GATEWAY_RELEASE, IAM_ROLE_LIMIT
from infra.secret_rules import RECOVERY_DAYS, physical_name
from planner.words.diagnostics import Problem, Problems
from planner.words.names import bounded

ADDON = "aws-secrets-store-csi-driver-provider"
"""The EKS add-on that mounts secrets into pods as files, and renews the files."""


@dataclass(frozen=True)
class SecretStoreArgs:
    """Arguments of the secrets.

    prefix: beginning of every physical name of the environment.
    names: secrets by the names that the plan gives them.
    protected: whether a deleted secret can be restored.
    """

    prefix: str
    names: Sequence[str]
    protected: bool


class SecretStore(pulumi.ComponentResource):
    """The store's output is `arns`, the ARN of each secret by its name in the plan."""

    arns: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SecretStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:SecretStore", name, None, opts)
        self.arns = {
            secret: aws.secretsmanager.Secret(
                f"{name}-{secret}",
                name=physical_name(args.prefix, secret),
                description="Made empty by Spillway; its value is put by hand and never read by the program",
                recovery_window_in_days=RECOVERY_DAYS if args.protected else 0,
                opts=pulumi.ResourceOptions(parent=self),
            ).arn
            for secret in args.names
        }
        self.register_outputs({"arns": dict(self.arns)})


class GatewayIdentity(pulumi.ComponentResource):
    """The identity lets the gateway's pods read some secrets. It must exist before the first of them."""

    def __init__(
        self,
        name: str,
        account: str,
        cluster_name: pulumi.Input[str],
        arns: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make the identity. `arns`: the secrets."""
        super().__init__("spillway:aws:GatewayIdentity", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        role_name = bounded(f"{name}-gateway-keys", IAM_ROLE_LIMIT)
        role = aws.iam.Role(role_name, assume_role_policy=pod_identity_trust(account), opts=own)
        policy = pulumi.Output.all(*arns).apply(lambda values: read_secrets(*values))
        permission = aws.iam.RolePolicy(role_name, role=role.name, policy=policy, opts=own)
        aws.eks.PodIdentityAssociation(
            role_name,
            cluster_name=cluster_name,
            namespace=GATEWAY_NAMESPACE,
            service_account=GATEWAY_RELEASE,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})


def asking(provider: aws.Provider) -> Callable[[str], bool]:
    """Return the function that asks AWS whether a secret has a value. It reads versions and never a value.

    A secret that does not exist yet has none. Raises `Problems` when AWS does not answer.
    """

    def has_value(name: str) -> bool:
        options = pulumi.InvokeOptions(provider=provider)
        try:
            found = aws.secretsmanager.get_secret_versions(secret_id=name, opts=options)
        except Exception as error:  # what a function of the provider raises has no type of its own
            if "ResourceNotFoundException" in str(error):
                return False
            hint = "the role that deploys needs secretsmanager:ListSecretVersionIds"
            raise Problems([Problem("DEP054", f"cannot ask for secret {name}: {error}", hint=hint)]) from error
        return any("AWSCURRENT" in version.version_stages for version in found.versions)

    return has_value
