"""Strays that the list by tags does not show: each kind is found by a question of its own.

Roles are no part of that list. Routes, associations, rules of the registry and records have no tags. Rules of
security groups are asked of EC2, which knows their tags at once. A budget is found by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.deployed import Recorded
from infra.naming import ENVIRONMENT_TAG, RESOURCE_TAG, STACK_TAG
from infra.other_stacks import REPOSITORY, OtherStacks
from infra.presence import Stray, answered
from planner.words.diagnostics import Problem, Problems

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
BUDGET = "aws:budgets/budget:Budget"
PULL_RULE = "aws:ecr/pullThroughCacheRule:PullThroughCacheRule"
RECORD = "aws:route53/record:Record"
ROLE = "aws:iam/role:Role"
ROUTE, TABLE = "aws:ec2/route:Route", "aws:ec2/routeTable:RouteTable"
ASSOCIATION, SUBNET = "aws:ec2/routeTableAssociation:RouteTableAssociation", "aws:ec2/subnet:Subnet"
GROUP_RULES = {
    False: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    True: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
}
"""Whether a rule of a security group lets out -> its type."""

Key = tuple[str, str]


class Unlisted:
    """The questions of one run.

    environment: the environment.
    mark: mark of the stack; None in the preview of a new one, which has left nothing.
    identifier: returns the id of a resource that bears tags and that AWS holds, in the state or not.
    """

    def __init__(
        self,
        environment: str,
        account: str,
        asking: pulumi.InvokeOptions,
        state: Recorded,
        mark: str | None,
        others: OtherStacks,
        identifier: Callable[[Key], str | None],
    ) -> None:
        self._environment, self._account, self._asking, self._state = environment, account, asking, state
        self._mark, self._others, self._id_of = mark, others, identifier
        self._roles: list[str] | None = None
        self._rules: dict[Key, str] | None = None
        self.unused: list[str] = []
        """ARNs of the stack's own that the program has no place for."""
        self.former: list[str] = []
        """ARNs of the stack's own, where the state has another resource of their name."""

    def find(self, key: Key, properties: Mapping[str, Any]) -> str | None:
        """Return what the resource is imported by; None where AWS does not hold it, or for types with tags.

        Raises `Problems` where somebody else's stands in its place.
        """
        token, name = key
        if token == ROLE:
            return self._role(name)
        if token in GROUP_RULES.values():
            return self._group_rules().pop(key, None)
        if token == ROUTE:
            return self._route(name, properties.get("destination_cidr_block"))
        if token == ASSOCIATION:
            return self._association(name)
        if token == PULL_RULE:
            return self._pull_rule(str(properties["ecr_repository_prefix"]))
        if token == RECORD and properties.get("aliases"):
            return self._alias(str(properties["zone_id"]), str(properties["name"]), str(properties["type"]))
        if token == BUDGET and properties.get("name"):
            return self._budget(str(properties["name"]))
        return None

    def rest(self) -> list[str]:
        """Return ARNs of the stack's own that nothing was registered for."""
        return [*self.unused, *sorted((self._rules or {}).values())]

    def _is_own(self, tags: Mapping[str, str]) -> bool:
        return self._mark is not None and tags.get(STACK_TAG) == self._mark

    def _role(self, name: str) -> str | None:
        """Return the role that a run has made under this name, with the seven digits that the provider adds."""
        if self._roles is None:
            self._roles = list(aws.iam.get_roles(name_regex=r"^spillway-", opts=self._asking).names)
        known = {outputs.get("name") for (token, _), outputs in self._state.items() if token == ROLE}
        pattern = re.compile(re.escape(name) + r"-[0-9a-f]{7}")
        for role in sorted(self._roles):
            if role in known or not pattern.fullmatch(role):
                continue
            found = self._described(role)
            if found is not None and self._is_own(found.tags):
                return role
            if found is not None and found.tags.get(ENVIRONMENT_TAG) == self._environment:
                self._others.add(Stray(ROLE, name, role, found.arn, found.tags))
        return None

    def _described(self, role: str) -> aws.iam.GetRoleResult | None:
        return answered(lambda: aws.iam.get_role(name=role, opts=self._asking))

    def _group_rules(self) -> dict[Key, str]:
        """Return the rules of security groups that the state does not know, by the tags that EC2 says of them."""
        if self._rules is not None:
            return self._rules
        self._rules = {}
        of_rules = GROUP_RULES.values()
        known = {str(o.get("securityGroupRuleId")) for (token, _), o in self._state.items() if token in of_rules}
        wanted = aws.vpc.GetSecurityGroupRulesFilterArgs(name=f"tag:{ENVIRONMENT_TAG}", values=[self._environment])
        for identifier in sorted(aws.vpc.get_security_group_rules(filters=[wanted], opts=self._asking).ids):
            if identifier in known:
                continue
            rule = aws.vpc.get_security_group_rule(security_group_rule_id=identifier, opts=self._asking)
            key = (GROUP_RULES[rule.is_egress], rule.tags.get(RESOURCE_TAG, ""))
            if not self._is_own(rule.tags):
                self._others.add(Stray(key[0], key[1], identifier, rule.arn, rule.tags))
            elif key in self._state:
                self.former.append(rule.arn)
            elif key in self._rules:
                self.unused.append(rule.arn)
            else:
                self._rules[key] = identifier
        return self._rules

    def _route(self, name: str, destination: str | None) -> str | None:
        table = self._id_of((TABLE, name))
        if table is None:
            return None
        routes = aws.ec2.get_route_table(route_table_id=table, opts=self._asking).routes
        return f"{table}_{destination}" if destination in {route.cidr_block for route in routes} else None

    def _association(self, name: str) -> str | None:
        subnet = self._id_of((SUBNET, name))
        if subnet is None:
            return None
        wanted = aws.ec2.GetRouteTableFilterArgs(name="association.subnet-id", values=[subnet])
        found = answered(lambda: aws.ec2.get_route_table(filters=[wanted], opts=self._asking))
        return f"{subnet}/{found.route_table_id}" if found else None

    def _pull_rule(self, prefix: str) -> str | None:
        """Return the rule by which the registry is filled. It bears no tags; whose it is, the repositories say."""
        found = answered(lambda: aws.ecr.get_pull_through_cache_rule(ecr_repository_prefix=prefix, opts=self._asking))
        if found is None:
            return None
        self._others.require_free(REPOSITORY, f"{prefix}/")
        return prefix

    def _alias(self, zone: str, hostname: str, kind: str) -> str | None:
        """Return the record that leads to the state's load balancer. Raises `Problems` where one leads elsewhere."""
        pattern = f"^{re.escape(hostname)}\\.?$"
        found = aws.route53.get_records(zone_id=zone, name_regex=pattern, opts=self._asking).resource_record_sets
        ours = {str(o.get("dnsName")).lower() for (token, _), o in self._state.items() if token == BALANCER}
        for record in found:
            if record.type != kind:
                continue
            target = record.alias_target.dns_name.rstrip(".").lower() if record.alias_target else ""
            if target.removeprefix("dualstack.") in ours:
                return f"{zone}_{hostname}_{kind}"
            message = (
                f"the hosted zone {zone} has a record {kind} {hostname} already, which leads to "
                f"{target or 'addresses of its own'}"
            )
            hint = "remove it where nobody needs it, or state another `hostname` in `platform.ingress`"
            raise Problems([Problem("DEP091", message, hint=hint)], exit_code=1)
        return None

    def _budget(self, name: str) -> str | None:
        found = answered(lambda: aws.budgets.get_budget(account_id=self._account, name=name, opts=self._asking))
        return f"{self._account}:{name}" if found else None
