"""Load balancers, target groups, what belongs to them, and listeners."""

from __future__ import annotations

from typing import Any

from twin.aws.account import Account, AwsError, shape_like
from twin.aws.existing import require_certificate
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.aws.names import require_issued
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _create_balancer(aws: Account, inputs: Properties) -> CreatedResource:
    _require_new_name(aws, inputs["name"])
    subnets = list(inputs.get("subnets") or ()) or [m["subnetId"] for m in inputs.get("subnetMappings") or ()]
    vpc = aws.call("ec2", "DescribeSubnets", SubnetIds=subnets)["Subnets"][0]["VpcId"]
    balancer = aws.call(
        "elbv2",
        "CreateLoadBalancer",
        Name=inputs["name"],
        Subnets=subnets,
        SecurityGroups=inputs.get("securityGroups"),
        Scheme="internal" if _true(inputs.get("internal", False)) else "internet-facing",
        Type=inputs.get("loadBalancerType", "application"),
        IpAddressType=inputs.get("ipAddressType"),
    )["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    _set_attributes(aws, arn, inputs)
    return CreatedResource(
        arn,
        {
            "arn": arn,
            "arnSuffix": arn.split(":loadbalancer/", 1)[-1],
            "dnsName": balancer["DNSName"],
            "vpcId": vpc,
            "zoneId": balancer.get("CanonicalHostedZoneId"),
        },
    )


def _require_new_name(aws: Account, name: str) -> None:
    """Refuse a second load balancer of one name in an account and region, whatever its network."""
    if name in (one["LoadBalancerName"] for one in aws.call("elbv2", "DescribeLoadBalancers")["LoadBalancers"]):
        message = f"A load balancer with the name {name} already exists"
        raise AwsError("elbv2", "CreateLoadBalancer", "DuplicateLoadBalancerName", message)


def _set_attributes(aws: Account, arn: str, inputs: Properties) -> None:
    wanted = {
        "deletion_protection.enabled": inputs.get("enableDeletionProtection"),
        "load_balancing.cross_zone.enabled": inputs.get("enableCrossZoneLoadBalancing"),
    }
    attributes = [{"Key": key, "Value": str(value).lower()} for key, value in wanted.items() if value is not None]
    if attributes:
        aws.call("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes)


def _update_balancer(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _set_attributes(aws, old.id, inputs)
    if old.inputs.get("subnets") != inputs.get("subnets"):
        aws.call("elbv2", "SetSubnets", LoadBalancerArn=old.id, Subnets=inputs["subnets"])
    if old.inputs.get("securityGroups") != inputs.get("securityGroups"):
        aws.call(
            "elbv2", "SetSecurityGroups", LoadBalancerArn=old.id, SecurityGroups=inputs.get("securityGroups") or []
        )
    return UpdatedResource({})


def _not_in_place(old: Properties, new: Properties) -> frozenset[str]:
    """A network load balancer takes further subnets, and gives none back; it keeps having a firewall or none."""
    if new.get("loadBalancerType") != "network":
        return frozenset()
    before, after = (inputs.get("subnets") or [] for inputs in (old, new))
    lost = all(isinstance(subnet, str) for subnet in after) and not set(before) <= set(after)
    turned = bool(old.get("securityGroups")) != bool(new.get("securityGroups"))
    return frozenset([*(["subnets"] if lost else []), *(["securityGroups"] if turned else [])])


def _delete_balancer(aws: Account, old: ResourceState) -> None:
    if _true(old.inputs.get("enableDeletionProtection", False)):
        message = f"Load balancer '{old.id}' cannot be deleted because deletion protection is enabled"
        raise AwsError("elbv2", "DeleteLoadBalancer", "OperationNotPermitted", message)
    aws.call("elbv2", "DeleteLoadBalancer", LoadBalancerArn=old.id)


def _health_check(inputs: Properties) -> dict[str, Any]:
    check = inputs.get("healthCheck") or {}
    names = {
        "path": ("HealthCheckPath", str),
        "port": ("HealthCheckPort", str),
        "protocol": ("HealthCheckProtocol", str),
        "interval": ("HealthCheckIntervalSeconds", int),
        "timeout": ("HealthCheckTimeoutSeconds", int),
        "healthyThreshold": ("HealthyThresholdCount", int),
        "unhealthyThreshold": ("UnhealthyThresholdCount", int),
    }
    settings: dict[str, Any] = {key: cast(check[name]) for name, (key, cast) in names.items() if name in check}
    if "matcher" in check:
        settings["Matcher"] = {"HttpCode": str(check["matcher"])}
    return settings


def _create_target_group(aws: Account, inputs: Properties) -> CreatedResource:
    if inputs.get("vpcId"):
        aws.call("ec2", "DescribeVpcs", VpcIds=[inputs["vpcId"]])
    group = aws.call(
        "elbv2",
        "CreateTargetGroup",
        Name=inputs["name"],
        Port=int(inputs["port"]) if inputs.get("port") else None,
        Protocol=inputs.get("protocol"),
        VpcId=inputs.get("vpcId"),
        TargetType=inputs.get("targetType", "instance"),
        **_health_check(inputs),
    )["TargetGroups"][0]
    arn = group["TargetGroupArn"]
    return CreatedResource(arn, {"arn": arn, "arnSuffix": arn.split(":")[-1]})


def _update_target_group(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    if _health_check(old.inputs) != _health_check(inputs):
        aws.call("elbv2", "ModifyTargetGroup", TargetGroupArn=old.id, **_health_check(inputs))
    return UpdatedResource({})


def _delete_target_group(aws: Account, old: ResourceState) -> None:
    aws.call("elbv2", "DeleteTargetGroup", TargetGroupArn=old.id)


def _attach(aws: Account, inputs: Properties) -> CreatedResource:
    """Let an Auto Scaling group, which managed node groups make, keep its machines in a target group."""
    name, arn = inputs["autoscalingGroupName"], inputs["lbTargetGroupArn"]
    groups = (
        one["name"]
        for record in aws.state.find("aws:eks/nodeGroup:NodeGroup")
        for part in record.outputs["resources"]
        for one in part["autoscalingGroups"]
    )
    if name not in groups:
        message = f"AutoScalingGroup name not found - AutoScalingGroup: {name} not found"
        raise AwsError("autoscaling", "AttachLoadBalancerTargetGroups", "ValidationError", message)
    target_group = aws.call("elbv2", "DescribeTargetGroups", TargetGroupArns=[arn])["TargetGroups"][0]
    if target_group["TargetType"] != "instance":
        message = f"Provided Target Groups may not be valid: {arn} has no targets of type instance"
        raise AwsError("autoscaling", "AttachLoadBalancerTargetGroups", "ValidationError", message)
    return CreatedResource(f"{name}-{arn.rpartition('/')[2]}", {})


def _listener_request(aws: Account, operation: str, inputs: Properties) -> dict[str, Any]:
    if inputs.get("certificateArn"):
        # A certificate is the program's own, or one that people put there, of which moto knows nothing.
        if not require_issued(aws, operation, inputs["certificateArn"]):
            require_certificate(aws, operation, inputs["certificateArn"])
    elif inputs.get("protocol") in ("TLS", "HTTPS"):
        message = "A certificate must be specified for TLS and HTTPS listeners"
        raise AwsError("elbv2", operation, "ValidationError", message)
    shape = aws.shape("elbv2", operation)
    request: dict[str, Any] = {
        "Port": int(inputs["port"]) if inputs.get("port") else None,
        "Protocol": inputs.get("protocol"),
        "SslPolicy": inputs.get("sslPolicy"),
        "AlpnPolicy": [inputs["alpnPolicy"]] if inputs.get("alpnPolicy") else None,
        "DefaultActions": shape_like(shape.members["DefaultActions"], inputs["defaultActions"]),
    }
    return request


def _require_one_balancer(aws: Account, operation: str, balancer: str, request: dict[str, Any]) -> None:
    """Refuse a target group to which a listener of another load balancer forwards."""
    wanted = _forwarded_to(request["DefaultActions"])
    taken = {
        group
        for other in aws.call("elbv2", "DescribeLoadBalancers")["LoadBalancers"]
        if other["LoadBalancerArn"] != balancer
        for listener in aws.call("elbv2", "DescribeListeners", LoadBalancerArn=other["LoadBalancerArn"])["Listeners"]
        for group in _forwarded_to(listener["DefaultActions"]) & wanted
    }
    if taken:
        message = "The following target groups cannot be associated with more than one load balancer: " + ", ".join(
            sorted(taken)
        )
        raise AwsError("elbv2", operation, "TargetGroupAssociationLimit", message)


def _forwarded_to(actions: list[dict[str, Any]]) -> set[str]:
    weighted = (one for action in actions for one in (action.get("ForwardConfig") or {}).get("TargetGroups") or ())
    return {one["TargetGroupArn"] for one in (*actions, *weighted) if one.get("TargetGroupArn")}


def _create_listener(aws: Account, inputs: Properties) -> CreatedResource:
    request = _listener_request(aws, "CreateListener", inputs)
    _require_one_balancer(aws, "CreateListener", inputs["loadBalancerArn"], request)
    response = aws.call("elbv2", "CreateListener", LoadBalancerArn=inputs["loadBalancerArn"], **request)
    arn = response["Listeners"][0]["ListenerArn"]
    return CreatedResource(arn, {"arn": arn})


def _update_listener(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    request = _listener_request(aws, "ModifyListener", inputs)
    _require_one_balancer(aws, "ModifyListener", old.inputs["loadBalancerArn"], request)
    aws.call("elbv2", "ModifyListener", ListenerArn=old.id, **request)
    return UpdatedResource({})


def _delete_listener(aws: Account, old: ResourceState) -> None:
    aws.call("elbv2", "DeleteListener", ListenerArn=old.id)


_SHORT_NAME = GeneratedName(longest=32)

KINDS = (
    ResourceKind(
        "aws:lb/loadBalancer:LoadBalancer",
        create=_create_balancer,
        update=_update_balancer,
        delete=_delete_balancer,
        replace_on=paths("name namePrefix internal loadBalancerType region"),
        replace_also=_not_in_place,
        unordered=paths("subnets securityGroups"),
        defaults={"loadBalancerType": "application", "ipAddressType": "ipv4", "enableDeletionProtection": False},
        generated_name=_SHORT_NAME,
    ),
    ResourceKind(
        "aws:lb/targetGroup:TargetGroup",
        create=_create_target_group,
        update=_update_target_group,
        delete=_delete_target_group,
        replace_on=paths("name namePrefix port protocol protocolVersion vpcId targetType ipAddressType region"),
        defaults={"targetType": "instance", "deregistrationDelay": 300},
        generated_name=_SHORT_NAME,
    ),
    ResourceKind(
        "aws:autoscaling/attachment:Attachment",
        create=_attach,
        update=None,
        delete=lambda aws, old: None,
    ),
    ResourceKind(
        "aws:lb/listener:Listener",
        create=_create_listener,
        update=_update_listener,
        delete=_delete_listener,
        replace_on=paths("loadBalancerArn region"),
    ),
)
