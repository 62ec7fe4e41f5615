"""The copies of weights: a Job for each revision that pools need, in a namespace of their own.

The Jobs run on system nodes while GPU nodes are being made, and pools wait for theirs. They are the only pods beside
the gateway's with a way to the Internet, so that they share no namespace with an engine. Each may write below its own
prefix of the bucket alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.identities import fill_prefix, pod_identity_trust, secret_arn
from infra.images import Image
from infra.naming import IAM_ROLE_LIMIT, WEIGHTS_NAMESPACE
from infra.objects import metadata
from infra.platform_layer import POD_SECURITY
from infra.values import weights_prefix
from infra.weights_copy import LABELS, WeightsCopy, job_spec, way_out
from planner.plan.fleet import Pool
from planner.words.names import bounded


@dataclass(frozen=True)
class WeightsCopiesArgs:
    """Arguments of the copies. Without any, nothing is made.

    bucket, bucket_arn: those of the model store.
    token_secret: name of the secret with the Hub's token; None without one.
    timeout_seconds: time within which a copy must be complete, seconds.
    """

    copies: Sequence[WeightsCopy]
    account: str
    region: str
    cluster_name: pulumi.Input[str]
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    image: Image
    token_secret: str | None
    timeout_seconds: int
    kubernetes: kubernetes.Provider


class WeightsCopies(pulumi.ComponentResource):
    """The copies' Jobs, each complete when it is known."""

    def __init__(self, name: str, args: WeightsCopiesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:kubernetes:WeightsCopies", name, None, opts)
        self._name, self._args = name, args
        self._in_cluster = pulumi.ResourceOptions(parent=self, provider=args.kubernetes)
        self._jobs: dict[str, kubernetes.batch.v1.Job] = {}
        if args.copies:
            namespace = self._namespace()
            self._jobs = {copy.prefix: self._copy(copy, namespace) for copy in args.copies}
        self.register_outputs({"jobs": sorted(copy.name for copy in args.copies)})

    def of(self, pool: Pool) -> list[pulumi.Resource]:
        """Return what must be complete before the pool can read its weights."""
        job = None if pool.weights is not None else self._jobs.get(weights_prefix(pool))
        return [job] if job is not None else []

    def _namespace(self) -> pulumi.Output[str]:
        labels = {f"pod-security.kubernetes.io/{mode}": POD_SECURITY for mode in ("audit", "enforce", "warn")}
        made = kubernetes.core.v1.Namespace(
            WEIGHTS_NAMESPACE, metadata=metadata(WEIGHTS_NAMESPACE, labels=labels), opts=self._in_cluster
        )
        kubernetes.networking.v1.NetworkPolicy(
            WEIGHTS_NAMESPACE,
            metadata=metadata("weights", made.metadata.name),
            spec=way_out(),
            opts=self._in_cluster,
        )
        name: pulumi.Output[str] = made.metadata.name
        return name

    def _copy(self, copy: WeightsCopy, namespace: pulumi.Output[str]) -> kubernetes.batch.v1.Job:
        args = self._args
        account = kubernetes.core.v1.ServiceAccount(
            copy.name,
            metadata=metadata(copy.name, namespace, labels=LABELS),
            automount_service_account_token=False,
            opts=self._in_cluster,
        )
        identity = self._identity(copy)
        spec = pulumi.Output.from_input(args.bucket).apply(
            lambda bucket: job_spec(copy, bucket, args.region, args.image, args.token_secret)
        )
        return kubernetes.batch.v1.Job(
            copy.name,
            metadata=metadata(copy.name, namespace, labels=LABELS),
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.kubernetes,
                depends_on=[account, identity],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{args.timeout_seconds}s"),
            ),
        )

    def _identity(self, copy: WeightsCopy) -> aws.eks.PodIdentityAssociation:
        args, own = self._args, pulumi.ResourceOptions(parent=self)
        name = bounded(f"{self._name}-copy-{copy.name}", IAM_ROLE_LIMIT)
        role = aws.iam.Role(name, assume_role_policy=pod_identity_trust(args.account), opts=own)
        secret = args.token_secret and secret_arn(args.token_secret, args.account, args.region)
        permission = aws.iam.RolePolicy(
            name,
            role=role.name,
            policy=pulumi.Output.from_input(args.bucket_arn).apply(lambda arn: fill_prefix(arn, copy.prefix, secret)),
            opts=own,
        )
        return aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=WEIGHTS_NAMESPACE,
            service_account=copy.name,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
