"""The load balancer in front of the gateway. Every part of it is the program's, so that nothing is left on destroy.

Targets are the machines of the system node group: its Auto Scaling group enters and leaves them by itself, also when
nodes are replaced. So no controller runs in the cluster, and none can be gone before what it made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.ingress import IDLE_SECONDS, NODE_PORT
from infra.presence import NAME_TAG
from planner.plan.ingress import PlannedLoadBalancer
from planner.words.names import bounded

NAME_LIMIT = 32 - 8
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
HEALTH_PATH = "/readyz"
DRAIN_SECONDS = 140
"""Time for which calls through a leaving machine go on, seconds: a gateway's own from its first notice to its end."""


@dataclass(frozen=True)
class LoadBalancerArgs:
    """Arguments of the load balancer.

    hostname: DNS name that clients call; None when they call the load balancer's own.
    subnets: subnet id by zone id.
    nodes_group: id of the security group of the nodes.
    scaling_group: name of the Auto Scaling group of the system nodes.
    protected: whether AWS refuses to delete it.
    """

    planned: PlannedLoadBalancer
    hostname: str | None
    vpc_id: pulumi.Input[str]
    subnets: Mapping[str, pulumi.Input[str]]
    nodes_group: pulumi.Input[str]
    scaling_group: pulumi.Input[str]
    protected: bool


class LoadBalancer(pulumi.ComponentResource):
    """The load balancer's output is `dns_name`, its own name at AWS."""

    dns_name: pulumi.Output[str]

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:LoadBalancer", name, None, opts)
        self._name, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        group = self._security_group()
        balancer = aws.lb.LoadBalancer(
            bounded(name, NAME_LIMIT),
            load_balancer_type="network",
            internal=args.planned.scheme == "internal",
            subnets=[args.subnets[zone] for zone in sorted(args.subnets)],
            security_groups=[group.id],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=args.protected,
            opts=self._own,
        )
        self.dns_name = balancer.dns_name
        self._listener(balancer, self._targets())
        if args.planned.hosted_zone is not None:
            self._alias(args.planned.hosted_zone, balancer)
        self.register_outputs({"dns_name": self.dns_name})

    @property
    def _port(self) -> int:
        return 443 if self._args.planned.encrypted else 80

    def _security_group(self) -> aws.ec2.SecurityGroup:
        """Admit the stated networks to the load balancer, and it alone to the port of the nodes."""
        name = f"{self._name}-clients"
        group = aws.ec2.SecurityGroup(
            name,
            description=f"Who may call the gateway of {self._name}",
            vpc_id=self._args.vpc_id,
            tags={"Name": name},
            opts=self._own,
        )
        for cidr in self._args.planned.cidrs:
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{cidr.replace('/', '-')}",
                security_group_id=group.id,
                cidr_ipv4=cidr,
                ip_protocol="tcp",
                from_port=self._port,
                to_port=self._port,
                description="Clients of the gateway",
                opts=self._own,
            )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-nodes",
            security_group_id=group.id,
            referenced_security_group_id=self._args.nodes_group,
            ip_protocol="tcp",
            from_port=NODE_PORT,
            to_port=NODE_PORT,
            description="The gateway and its health",
            opts=self._own,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-nodes-from-balancer",
            security_group_id=self._args.nodes_group,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=NODE_PORT,
            to_port=NODE_PORT,
            description="The gateway through the load balancer",
            opts=self._own,
        )
        return group

    def _targets(self) -> aws.lb.TargetGroup:
        group = aws.lb.TargetGroup(
            bounded(self._name, NAME_LIMIT),
            vpc_id=self._args.vpc_id,
            target_type="instance",
            protocol="TCP",
            port=NODE_PORT,
            # Kubernetes replaces the caller's address in any case; a kept one would only fail calls from a target.
            preserve_client_ip="false",
            deregistration_delay=DRAIN_SECONDS,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTP",
                path=HEALTH_PATH,
                port="traffic-port",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=2,
                matcher="200",
            ),
            # A failed check must not cut streams that still run.
            target_health_states=[
                aws.lb.TargetGroupTargetHealthStateArgs(
                    enable_unhealthy_connection_termination=False, unhealthy_draining_interval=DRAIN_SECONDS
                )
            ],
            opts=self._own,
        )
        aws.autoscaling.Attachment(
            f"{self._name}-targets",
            autoscaling_group_name=self._args.scaling_group,
            lb_target_group_arn=group.arn,
            opts=self._own,
        )
        return group

    def _listener(self, balancer: aws.lb.LoadBalancer, targets: aws.lb.TargetGroup) -> None:
        encrypted = self._args.planned.encrypted
        aws.lb.Listener(
            f"{self._name}-clients",
            load_balancer_arn=balancer.arn,
            port=self._port,
            protocol="TLS" if encrypted else "TCP",
            ssl_policy=TLS_POLICY if encrypted else None,
            certificate_arn=self._certificate() if encrypted else None,
            tcp_idle_timeout_seconds=None if encrypted else IDLE_SECONDS,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            # AWS lets one load balancer forward to a target group: the listener of a replaced one goes first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _certificate(self) -> pulumi.Input[str]:
        """Return the ARN of the certificate that is named, or of one that proves itself in the hosted zone."""
        planned = self._args.planned
        if planned.certificate is not None:
            return planned.certificate
        assert planned.hosted_zone is not None  # `encrypted` says that one of the two is there
        certificate = aws.acm.Certificate(
            f"{self._name}-clients",
            domain_name=self._args.hostname,
            validation_method="DNS",
            tags={NAME_TAG: self._args.hostname} if self._args.hostname else None,
            opts=self._own,
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{self._name}-certificate",
            zone_id=planned.hosted_zone,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=60,
            # The same name proves a certificate that replaces this one.
            allow_overwrite=True,
            opts=self._own,
        )
        proven = aws.acm.CertificateValidation(
            f"{self._name}-certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._own,
        )
        return pulumi.Output.from_input(proven.certificate_arn)

    def _alias(self, hosted_zone: str, balancer: aws.lb.LoadBalancer) -> None:
        aws.route53.Record(
            f"{self._name}-address",
            zone_id=hosted_zone,
            name=self._args.hostname,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True
                )
            ],
            opts=self._own,
        )
