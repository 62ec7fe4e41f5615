"""Strays: what a killed run had ordered at AWS, and the state does not know.

The engine hears of a resource only when AWS is done with it. A run that is killed before leaves it at AWS, where it is
billed and keeps its cluster from being deleted. So every resource bears its own name in the program as a tag. Each run
asks the account for what bears the environment's tag (reading only), tells what the state does not know, and what it
costs (DEP085), and takes it into the state where the program builds it anyway. It is taken as it is; what the lock
wants changed in it, the next run changes. What nobody builds is told with what removes it (DEP086).

Roles have no place in that answer; they are found by their names. Routes and associations have no tags; they are found
in their route tables.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.arns import named_by
from infra.billing import BILLED
from infra.deployed import Recorded
from infra.naming import ENVIRONMENT_TAG
from infra.telling import warn
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

RESOURCE_TAG = "spillway.dev/resource"
"""Tag with the name that a resource has in the program."""
NAMED = {
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:ec2/launchTemplate:LaunchTemplate": "name",
    "aws:ec2/securityGroup:SecurityGroup": "name",
    "aws:iam/role:Role": "name",
    "aws:lb/loadBalancer:LoadBalancer": "name",
    "aws:lb/targetGroup:TargetGroup": "name",
    "aws:s3/bucket:Bucket": "bucket",
}
"""Type -> the property with a name that the provider invents once. Later runs give it again."""
REPLACED_WITH = {"aws:lb/loadBalancer:LoadBalancer": "internal"}
"""Type -> the property whose change makes another resource beside the old one, which needs another name."""
HOURS = 730
POLL_S, PATIENCE_S = 5.0, 1800.0

_ROLE = "aws:iam/role:Role"
_ROUTE, _TABLE = "aws:ec2/route:Route", "aws:ec2/routeTable:RouteTable"
_ASSOCIATION, _SUBNET = "aws:ec2/routeTableAssociation:RouteTableAssociation", "aws:ec2/subnet:Subnet"
_SETTLING = ("CREATING", "UPDATING", "DELETING", "pending", "deleting")
_LOST = ("GONE", "DELETED", "deleted", "failed", "PendingDeletion")


@dataclass(frozen=True)
class Stray:
    """A stray is a resource of the environment that the state does not know.

    name: its name in the program.
    id: what the provider imports it by.
    """

    type: str
    name: str
    id: str
    arn: str


class Adoption:
    """A transformation of the program's AWS resources: it tags each with its name, and takes strays into the state."""

    def __init__(self, environment: str, provider: aws.Provider, state: Recorded, plan: Plan) -> None:
        self._asking = pulumi.InvokeOptions(provider=provider)
        self._state, self._plan = state, plan
        self._roles: list[str] | None = None
        self._nameless: list[str] = []
        self._strays = self._found(environment)
        self._adopted: set[tuple[str, str]] = set()

    def __call__(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """Complete one resource before it is registered."""
        if not args.type_.startswith("aws:"):
            return None
        key, properties = (args.type_, args.name), _properties(args.props)
        if "tags" in properties:
            properties["tags"] = {**(properties["tags"] or {}), RESOURCE_TAG: args.name}
        named = NAMED.get(args.type_)
        if key in self._state:
            if named and properties.get(named) is None and not self._is_replaced(key, properties):
                properties[named] = self._state[key].get(named)
            return pulumi.ResourceTransformationResult(args.props, args.opts)
        identifier = self._identifier(key, properties)
        if identifier is None:
            return pulumi.ResourceTransformationResult(args.props, args.opts)
        if named and properties.get(named) is None:
            properties[named] = _name_in(identifier)
        self._adopted.add(key)
        warn(self._told(key, identifier))
        taken = pulumi.ResourceOptions(import_=identifier, ignore_changes=["*"])
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, taken))

    def tell_rest(self) -> None:
        """Tell what is left over: strays that no resource of the program was registered for. Call this at the end."""
        left = [stray.arn for key, stray in sorted(self._strays.items()) if key not in self._adopted]
        for arn in [*left, *self._nameless]:
            message = f"{arn} bears the tag of this environment, and neither the state nor the lock knows it"
            hint = f"it may cost money: {_removal(arn)}"
            warn(Problem("DEP086", message, hint=hint, severity="warning"))

    def _found(self, environment: str) -> dict[tuple[str, str], Stray]:
        """Ask the account for everything of the environment, and keep what the state does not know."""
        wanted = aws.resourcegroupstaggingapi.GetResourcesTagFilterArgs(key=ENVIRONMENT_TAG, values=[environment])
        answer = aws.resourcegroupstaggingapi.get_resources(tag_filters=[wanted], opts=self._asking)
        arns = {arn for outputs in self._state.values() for arn in _arns(outputs)}
        strays: dict[tuple[str, str], Stray] = {}
        for mapping in sorted(answer.resource_tag_mapping_lists, key=lambda mapping: mapping.resource_arn):
            arn, tags = mapping.resource_arn, mapping.tags or {}
            if arn in arns or RESOURCE_TAG not in tags:
                continue  # machines and disks bear the environment's tag only
            identity, name = named_by(arn), tags[RESOURCE_TAG]
            if identity is None:
                self._nameless.append(arn)
            elif (identity[0], name) in self._state and not any(_arns(self._state[identity[0], name])):
                continue  # the state does not say its ARN
            elif not self._is_lost(*identity):
                if (identity[0], name) in strays or (identity[0], name) in self._state:
                    self._nameless.append(arn)
                else:
                    strays[identity[0], name] = Stray(identity[0], name, identity[1], arn)
        return strays

    def _is_replaced(self, key: tuple[str, str], properties: Mapping[str, Any]) -> bool:
        changed = REPLACED_WITH.get(key[0])
        return changed is not None and self._state[key].get(changed) != properties.get(changed)

    def _is_lost(self, token: str, identifier: str) -> bool:
        """Tell whether a stray is on its way out. What is being made is waited for, but not in a preview."""
        ask = _STATUS.get(token)
        if ask is None:
            return False
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                status = ask(identifier, self._asking)
            except Exception as error:  # what an invoke raises has no type of its own
                if "NotFound" not in str(error) and "not found" not in str(error).lower():
                    raise
                return True  # the list of tags is later than the account
            if status not in _SETTLING or pulumi.runtime.is_dry_run() or time.monotonic() > deadline:
                return status in _LOST
            pulumi.log.info(f"{identifier} is {status} since a run that was cut off; waiting for it")
            time.sleep(POLL_S)

    def _identifier(self, key: tuple[str, str], properties: Mapping[str, Any]) -> str | None:
        """Return what the resource is imported by; None where AWS does not hold it."""
        token, name = key
        if token == _ROLE:
            return self._role(name)
        if token == _ROUTE:
            table, destination = self._id_of(_TABLE, name), properties.get("destination_cidr_block")
            return f"{table}_{destination}" if table and destination in self._destinations(table) else None
        if token == _ASSOCIATION:
            subnet = self._id_of(_SUBNET, name)
            table = self._table_of(subnet) if subnet else None
            return f"{subnet}/{table}" if table else None
        stray = self._strays.get(key)
        return stray.id if stray else None

    def _role(self, name: str) -> str | None:
        """Return the role that a run has made under this name, with the seven digits that the provider adds."""
        if self._roles is None:
            self._roles = list(aws.iam.get_roles(name_regex=r"^spillway-", opts=self._asking).names)
        known = {outputs.get("name") for (token, _), outputs in self._state.items() if token == _ROLE}
        pattern = re.compile(re.escape(name) + r"-[0-9a-f]{7}")
        return next((role for role in sorted(self._roles) if pattern.fullmatch(role) and role not in known), None)

    def _id_of(self, token: str, name: str) -> str | None:
        """Return the id of a route table or a subnet that AWS holds."""
        if (token, name) in self._strays:
            return self._strays[token, name].id
        arns = _arns(self._state.get((token, name), {}))
        return arns[0].rpartition("/")[2] if arns else None

    def _destinations(self, table: str) -> set[str]:
        return {route.cidr_block for route in aws.ec2.get_route_table(route_table_id=table, opts=self._asking).routes}

    def _table_of(self, subnet: str) -> str | None:
        wanted = aws.ec2.GetRouteTableFilterArgs(name="association.subnet-id", values=[subnet])
        try:
            return str(aws.ec2.get_route_table(filters=[wanted], opts=self._asking).route_table_id)
        except Exception:  # there is none; what an invoke raises has no type of its own
            return None

    def _told(self, key: tuple[str, str], identifier: str) -> Problem:
        usd = usd_per_month(self._plan, *key)
        cost = f"it costs about ${usd:,.0f} a month" if usd else "it costs nothing by itself"
        what = key[0].rpartition(":")[2]
        message = (
            f"{what} {identifier} is at AWS and not in the state, since a run was cut off while it was made; {cost}"
        )
        hint = "`up` takes it into the state as it is; where the lock has changed since, run `up` once more"
        return Problem("DEP085", message, hint=hint, severity="warning")


def usd_per_month(plan: Plan, token: str, name: str) -> float | None:
    """Return what a resource costs by the plan's bill, USD a month; None where the bill has no line of its type."""
    if token == "aws:eks/nodeGroup:NodeGroup":
        group = name.removeprefix("gpu-")
        return float(sum(line.usd_per_month for line in plan.cost.lines if line.component == group)) or None
    price = BILLED.get(token)
    lines = [line for line in plan.cost.lines if price and line.price.rpartition("/")[2] == price]
    return next((float(line.unit_price) * HOURS for line in lines if line.unit == "hour"), None)


def _removal(arn: str) -> str:
    """Say what removes a resource."""
    identity = named_by(arn)
    if identity is not None and identity[0] == "aws:eks/nodeGroup:NodeGroup":
        cluster, _, group = identity[1].partition(":")
        return f"aws eks delete-nodegroup --cluster-name {cluster} --nodegroup-name {group}"
    if identity is not None and identity[0] == "aws:eks/cluster:Cluster":
        return f"aws eks delete-cluster --name {identity[1]}"
    return "look at it in the console, and delete it where nobody needs it"


def _name_in(identifier: str) -> str | None:
    """Return the name that an id says; the id of a security group says none, and the import itself brings it."""
    if identifier.startswith("sg-"):
        return None
    return identifier.split("/")[-2] if ":elasticloadbalancing:" in identifier else identifier


def _arns(outputs: Mapping[str, Any]) -> list[str]:
    return [str(outputs[key]) for key in ("arn", "accessEntryArn", "associationArn") if outputs.get(key)]


def _properties(props: Any) -> dict[str, Any]:
    """Return the properties that can be changed; the SDK gives them as a mapping or as an object."""
    properties: dict[str, Any] = props if isinstance(props, dict) else props.__dict__
    return properties


def _group_status(identifier: str, asking: pulumi.InvokeOptions) -> str:
    cluster, _, group = identifier.partition(":")
    return str(aws.eks.get_node_group(cluster_name=cluster, node_group_name=group, opts=asking).status)


_STATUS: Mapping[str, Callable[[str, pulumi.InvokeOptions], str]] = {
    "aws:eks/cluster:Cluster": lambda name, asking: str(aws.eks.get_cluster(name=name, opts=asking).status),
    "aws:eks/nodeGroup:NodeGroup": _group_status,
    "aws:ec2/natGateway:NatGateway": lambda name, asking: str(aws.ec2.get_nat_gateway(id=name, opts=asking).state),
    "aws:kms/key:Key": lambda name, asking: str(aws.kms.get_key(key_id=name, opts=asking).key_state),
}
"""Type -> the question for its status, for types that take minutes to come or go."""
