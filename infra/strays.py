"""Strays: what a killed run had ordered at AWS, and the state does not know.

The engine hears of a resource only when AWS is done with it. A run that is killed before leaves it at AWS, where it is
billed and keeps its cluster from being deleted. So every resource bears two tags: its own name in the program, and the
mark of its stack. Each run asks the account for what bears the environment's tag (reading only), tells what the state
does not know, and what it costs (DEP085), and takes it into the state where the program builds it anyway. It is taken
as it is; what the lock wants changed in it, the next run changes. What nobody builds is told with what removes it
(DEP086). What another stack has made is told once and left alone (DEP089); its mark holds digits of the state, so that
two states of one stack's name are two stacks.

What cannot be listed by tags is asked for in another way (`infra.found_again` has the table).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.arns import named_by, removal
from infra.deployed import Recorded
from infra.lasting_names import keeps_name
from infra.later_runs import Reached, may_be_built
from infra.later_runs import told as later_told
from infra.naming import ENVIRONMENT_TAG, RESOURCE_TAG, STACK_TAG
from infra.other_stacks import NAMED_BY_ENVIRONMENT, OtherStacks
from infra.presence import Stray, is_there
from infra.stack_mark import digits_of, known_mark, unknown
from infra.stray_costs import told
from infra.telling import warn
from infra.unlisted import BUDGET, Key, Unlisted
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

NAMED = {
    "aws:budgets/budget:Budget": "name",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:ec2/launchTemplate:LaunchTemplate": "name",
    "aws:ec2/securityGroup:SecurityGroup": "name",
    "aws:iam/role:Role": "name",
    "aws:iam/rolePolicy:RolePolicy": "name",
    "aws:lb/loadBalancer:LoadBalancer": "name",
    "aws:lb/targetGroup:TargetGroup": "name",
    "aws:s3/bucket:Bucket": "bucket",
}
"""Type -> the property with a name that the provider invents once. Later runs give it again."""

_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
_IN_CLUSTER = (
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/addon:Addon",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
)
"""Types whose id begins with the name of their cluster."""


class Adoption:
    """A transformation of the program's AWS resources: it tags each with its name, and takes strays into the state."""

    def __init__(self, environment: str, provider: aws.Provider, state: Recorded, plan: Plan) -> None:
        self._asking = pulumi.InvokeOptions(provider=provider)
        self._environment, self._state, self._plan = environment, state, plan
        self._nameless: list[str] = []
        self._former: list[str] = []
        listed = self._listed()  # the first question registers the provider, whose id is in the mark
        self._mark = known_mark(provider, state)
        self._others = OtherStacks(self._asking, plan, self._mark)
        self._tag: pulumi.Input[str] = self._mark or unknown()
        self._strays = self._own(listed)
        self._unlisted = Unlisted(
            environment, plan.platform.account, self._asking, state, self._mark, self._others, self._id_of
        )
        self._adopted: set[Key] = set()

    def __call__(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """Complete one resource before it is registered. Raises `Problems` where its name is another's."""
        if not args.type_.startswith("aws:"):
            return None
        key, properties = (args.type_, args.name), _properties(args.props)
        if "tags" in properties:
            own = {RESOURCE_TAG: args.name, STACK_TAG: self._tag}
            properties["tags"] = {**(properties["tags"] or {}), **own}
        named = NAMED.get(args.type_)
        if key in self._state:
            recorded = self._state[key]
            if named and properties.get(named) is None and keeps_name(args.type_, recorded, properties):
                properties[named] = recorded.get(named)
            return pulumi.ResourceTransformationResult(args.props, args.opts)
        if named and properties.get(named) is None:
            properties[named] = self._lasting_name(key)
        identifier = self._identifier(key, properties)
        if identifier is None:
            return pulumi.ResourceTransformationResult(args.props, args.opts)
        if named and properties.get(named) is None:
            properties[named] = _name_in(identifier)
        self._adopted.add(key)
        warn(self._told(key, identifier))
        taken = pulumi.ResourceOptions(import_=identifier, ignore_changes=["*"])
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, taken))

    def tell_rest(self, reached: Reached = "all") -> None:
        """Tell what is left over: strays that no resource of the program was registered for, and what is not this
        stack's. Call this at the end.

        reached: how far the run came; what a later one may build is no waste.
        """
        left = []
        for key, stray in sorted(self._strays.items()):
            if key in self._adopted:
                continue
            if may_be_built(self._plan, *key, reached):
                warn(later_told(key[0], stray.id, told(self._plan, *key), reached))
            else:
                left.append(stray.arn)
        for arn in [*left, *self._nameless, *(self._unlisted.rest() if reached == "all" else ())]:
            message = f"{arn} bears the tag of this environment, and neither the state nor the lock knows it"
            hint = f"it may cost money: {removal(arn)}"
            warn(Problem("DEP086", message, hint=hint, severity="warning"))
        for arn in [*self._former, *(self._unlisted.former if reached == "all" else ())]:
            message = f"{arn} is of this stack and not in the state, which has another resource of its name"
            hint = (
                "where a run was cut off while it was replaced, this `up` deletes it; look again after `up`, and only "
                f"if it is still told: {removal(arn)}"
            )
            warn(Problem("DEP086", message, hint=hint, severity="warning"))
        self._others.tell()

    def _listed(self) -> list[tuple[str, Mapping[str, str]]]:
        """Ask the account for everything that bears the environment's tag: ARNs with their tags."""
        wanted = aws.resourcegroupstaggingapi.GetResourcesTagFilterArgs(key=ENVIRONMENT_TAG, values=[self._environment])
        answer = aws.resourcegroupstaggingapi.get_resources(tag_filters=[wanted], opts=self._asking)
        return sorted((mapping.resource_arn, mapping.tags or {}) for mapping in answer.resource_tag_mapping_lists)

    def _own(self, listed: list[tuple[str, Mapping[str, str]]]) -> dict[Key, Stray]:
        """Keep what is this stack's, and what the state does not know."""
        strays: dict[Key, Stray] = {}
        arns = {arn for outputs in self._state.values() for arn in _arns(outputs)}
        ids = {(token, outputs.get("id")) for (token, _), outputs in self._state.items()}
        for arn, tags in listed:
            if RESOURCE_TAG not in tags or ":security-group-rule/" in arn:
                continue  # machines and disks bear the environment's tag only; EC2 is asked for rules of groups
            token, identifier = named_by(arn) or ("", "")
            if arn in arns or (token, identifier) in ids:
                continue  # a NAT gateway has no ARN in the state
            stray = Stray(token, tags[RESOURCE_TAG], identifier, arn, tags)
            key = (token, stray.name)
            if not self._is_own(stray):
                self._others.add(stray)
            elif not token:
                self._nameless.append(arn)
            elif is_there(stray, self._asking):
                if key in self._state:
                    self._former.append(arn)
                elif key in strays:
                    self._nameless.append(arn)
                else:
                    strays[key] = stray
        return strays

    def _is_own(self, stray: Stray) -> bool:
        """Tell whether this stack has made it. What older versions have made bears no mark: of that, only what stands
        in a cluster of the state is certain."""
        if STACK_TAG in stray.tags:
            return stray.tags[STACK_TAG] == self._mark
        return stray.type in _IN_CLUSTER and _cluster_in(stray.id) in self._clusters()

    def _clusters(self) -> set[str]:
        return {str(outputs.get("name")) for (token, _), outputs in self._state.items() if token.endswith(":Cluster")}

    def _lasting_name(self, key: Key) -> str | None:
        """Return the name of what can only be found by its name, or be made again under it; None for all else."""
        if key[0] == _ROLE_POLICY:
            return key[1]
        return f"{key[1]}-{digits_of(self._mark)}" if key[0] == BUDGET and self._mark else None

    def _identifier(self, key: Key, properties: Mapping[str, Any]) -> str | None:
        """Return what the resource is imported by; None where AWS does not hold it."""
        if key in self._strays:
            return self._strays[key].id
        if key[0] in NAMED_BY_ENVIRONMENT:
            self._others.require_free(key[0], str(properties["name"]))
        return self._unlisted.find(key, properties)

    def _id_of(self, key: Key) -> str | None:
        """Return the id of a route table or a subnet that AWS holds."""
        if key in self._strays:
            return self._strays[key].id
        arns = _arns(self._state.get(key, {}))
        return arns[0].rpartition("/")[2] if arns else None

    def _told(self, key: Key, identifier: str) -> Problem:
        what = key[0].rpartition(":")[2]
        message = (
            f"{what} {identifier} is at AWS and not in the state, since a run was cut off while it was made; "
            f"{told(self._plan, *key)}"
        )
        hint = "`up` takes it into the state as it is; where the lock has changed since, run `up` once more"
        return Problem("DEP085", message, hint=hint, severity="warning")


def _cluster_in(identifier: str) -> str:
    return re.split("[:,]", identifier, maxsplit=1)[0]


def _name_in(identifier: str) -> str | None:
    """Return the name that an id says. Ids of EC2 say none, and the import itself brings it."""
    if identifier.startswith(("sg-", "lt-")):
        return None
    return identifier.split("/")[-2] if ":elasticloadbalancing:" in identifier else identifier


def _arns(outputs: Mapping[str, Any]) -> list[str]:
    return [str(outputs[key]) for key in ("arn", "accessEntryArn", "associationArn") if outputs.get(key)]


def _properties(props: Any) -> dict[str, Any]:
    """Return the properties that can be changed; the SDK gives them as a mapping or as an object."""
    properties: dict[str, Any] = props if isinstance(props, dict) else props.__dict__
    return properties
