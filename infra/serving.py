"""Serving: the chart `vllm` for each pool of the lock, with an identity that reads its own weights and adapters only.

The release's name is the pool's, and a pool's name holds what makes it that pool (model, class, capacity type, scaling
mode). So another kind of pool is another release: it is ready before the gateway hears of it, and the old one goes
last.

A pool with a canary is two releases. The pool's own gives replicas up before the canary's starts, in their places; the
canary's goes last of all, when its pool has long taken them back by its higher priority. It runs with the pool's own
service account, so that it reads the same weights and nothing of AWS is made for it.

A pool that follows the clock states no number of replicas: KEDA has it (`infra.replica_hours`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.charts import rendered
from infra.identities import own_weights, pod_identity_trust, read_prefixes
from infra.images import Image
from infra.naming import IAM_ROLE_LIMIT, SERVING_NAMESPACE
from infra.sizing import rollout_seconds
from infra.values import vllm, vllm_canary, weights_prefix
from planner.documents.routing import release_name
from planner.plan.engine import PoolCanary
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.ingress import PlannedPoolTls
from planner.words.names import bounded


@dataclass(frozen=True)
class ServingPoolArgs:
    """Arguments of a pool's release.

    bucket, bucket_arn: those of the model store.
    store_cidrs: addresses of S3.
    image: image to run; None takes the chart's own.
    priority: name of its replicas' priority class.
    canary, canary_image: what takes over some of its replicas, and the image as nodes ask for it; None without one.
    cluster_name: name of the cluster at AWS, whose Pod Identity lets the pool read; None for any other cluster.
    adapt: changes the values of the release where the cluster is not AWS's.
    pool_tls: how the gateway speaks TLS to it; None in clear text.
    monitored: whether the cluster has the definitions of the Prometheus operator.
    prometheus: address of the Prometheus that scrapes the gateways; None where there is none.
    """

    pool: Pool
    group: NodeGroup
    account: str
    region: str
    cluster_name: pulumi.Input[str] | None
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    store_cidrs: pulumi.Input[list[str]]
    image: Image | None
    priority: str
    pool_tls: PlannedPoolTls | None
    kubernetes: kubernetes.Provider
    canary: PoolCanary | None = None
    canary_image: Image | None = None
    monitored: bool = False
    prometheus: str | None = None
    adapt: Callable[[dict[str, Any]], dict[str, Any]] = dict


class ServingPool(pulumi.ComponentResource):
    """The pool's outputs are `releases`, the names of its objects, its canary's last. Each is known once its replicas
    are ready."""

    releases: list[pulumi.Output[str]]

    def __init__(self, name: str, args: ServingPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:kubernetes:ServingPool", name, None, opts)
        service_account = release_name(args.pool.name)
        identity = [] if args.cluster_name is None else [self._identity(name, service_account, args)]
        values = pulumi.Output.all(args.bucket, args.store_cidrs).apply(
            lambda values: args.adapt(
                vllm(
                    args.pool,
                    args.group,
                    bucket=values[0],
                    region=args.region,
                    store_cidrs=values[1],
                    image=args.image,
                    priority=args.priority,
                    canary=args.canary,
                    pool_tls=args.pool_tls,
                    monitored=args.monitored,
                    prometheus=args.prometheus,
                )
            )
        )
        objects = self._release(service_account, values, args.pool.replicas.max, args, identity)
        self.releases = [objects.resources.apply(lambda _: service_account)]
        if args.canary is not None and args.canary_image is not None:
            self.releases.append(self._canary(values, args.canary, args.canary_image, args, objects))
        self.register_outputs({"releases": self.releases})

    def _canary(
        self,
        values: pulumi.Output[dict[str, Any]],
        canary: PoolCanary,
        image: Image,
        args: ServingPoolArgs,
        pool: pulumi.Resource,
    ) -> pulumi.Output[str]:
        """Register the canary's release, once its pool has given up the places."""
        release = release_name(canary.name)
        changed = values.apply(lambda known: vllm_canary(known, args.pool, canary, image, args.pool_tls))
        objects = self._release(release, changed, canary.replicas, args, [pool])
        found: pulumi.Output[str] = objects.resources.apply(lambda _: release)
        return found

    def _release(
        self,
        release: str,
        values: pulumi.Output[dict[str, Any]],
        replicas: int,
        args: ServingPoolArgs,
        after: list[pulumi.Resource],
    ) -> kubernetes.helm.v4.Chart:
        own = pulumi.ResourceOptions(parent=self, provider=args.kubernetes, depends_on=after)
        seconds = rollout_seconds(args.pool, replicas)
        return rendered("vllm", release, SERVING_NAMESPACE, values, seconds, own)

    def _identity(self, name: str, service_account: str, args: ServingPoolArgs) -> aws.eks.PodIdentityAssociation:
        own = pulumi.ResourceOptions(parent=self)
        role_name = bounded(f"{name}-weights", IAM_ROLE_LIMIT)
        role = aws.iam.Role(role_name, assume_role_policy=pod_identity_trust(args.account), opts=own)
        if args.pool.weights is None:
            where = pulumi.Output.from_input(args.bucket_arn).apply(lambda arn: (arn, weights_prefix(args.pool)))
        else:
            where = pulumi.Output.from_input(own_weights(args.pool.weights, args.region))
        adapters = [own_weights(adapter.weights, args.region) for adapter in args.pool.adapters]
        permission = aws.iam.RolePolicy(
            role_name,
            role=role.name,
            policy=where.apply(lambda place: read_prefixes(place, *adapters)),
            opts=own,
        )
        return aws.eks.PodIdentityAssociation(
            role_name,
            cluster_name=args.cluster_name or "",
            namespace=SERVING_NAMESPACE,
            service_account=service_account,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
