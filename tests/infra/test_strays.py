"""What a killed run left at AWS is known again, told with its cost, and taken into the state."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.arns import _FORMS, named_by
from infra.presence import QUESTIONS, Stray
from infra.stray_costs import usd_per_month
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, NotFoundError, Registered
from tests.infra.variants import everything

ACCOUNT = f"us-east-1:{locks.ACCOUNT}"
BALANCING = f"arn:aws:elasticloadbalancing:{ACCOUNT}"
CLUSTER = "spillway-prod-1234567"
OWN = {"spillway.dev/environment": "prod", "managed-by": "pulumi"}
MARK = "organization/spillway/prod/" + hashlib.sha256(b"aws-id").hexdigest()[:7]
"""Mark of the stack, by the id that mocks give its provider."""
THEIRS = "organization/another/prod/7654321"
"""Mark of another project's stack."""
EARLIER = "organization/spillway/prod/7654321"
"""Mark of a stack of the same name that has another state."""


def tagged(name: str, stack: str | None = MARK) -> dict[str, str]:
    marked = {"spillway.dev/stack": stack} if stack else {}
    return {**OWN, **marked, "spillway.dev/resource": name}


KNOWN: list[tuple[str, str, str]] = [
    (f"arn:aws:eks:{ACCOUNT}:cluster/prod", "aws:eks/cluster:Cluster", "prod"),
    (f"arn:aws:eks:{ACCOUNT}:nodegroup/prod/gpu/1-2-3", "aws:eks/nodeGroup:NodeGroup", "prod:gpu"),
    (f"arn:aws:eks:{ACCOUNT}:addon/prod/coredns/1-2", "aws:eks/addon:Addon", "prod:coredns"),
    (
        f"arn:aws:eks:{ACCOUNT}:podidentityassociation/prod/a-12",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "prod,a-12",
    ),
    (
        f"arn:aws:eks:{ACCOUNT}:access-entry/prod/role/123456789012/path/admin/1-2",
        "aws:eks/accessEntry:AccessEntry",
        "prod:arn:aws:iam::123456789012:role/path/admin",
    ),
    (f"arn:aws-cn:ec2:{ACCOUNT}:natgateway/nat-0a", "aws:ec2/natGateway:NatGateway", "nat-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:elastic-ip/eipalloc-0a", "aws:ec2/eip:Eip", "eipalloc-0a"),
    (f"arn:aws:kms:{ACCOUNT}:key/12ab-34", "aws:kms/key:Key", "12ab-34"),
    ("arn:aws:s3:::models", "aws:s3/bucket:Bucket", "models"),
    (f"arn:aws:ec2:{ACCOUNT}:security-group/sg-0a", "aws:ec2/securityGroup:SecurityGroup", "sg-0a"),
    (
        f"arn:aws:ecr:{ACCOUNT}:repository/spillway-prod/hub/a/b",
        "aws:ecr/repository:Repository",
        "spillway-prod/hub/a/b",
    ),
    *(
        (arn, token, arn)
        for arn, token in (
            (f"arn:aws:acm:{ACCOUNT}:certificate/12ab-34", "aws:acm/certificate:Certificate"),
            (
                f"arn:aws:secretsmanager:{ACCOUNT}:secret:spillway-prod/KEY-a1b2c3",
                "aws:secretsmanager/secret:Secret",
            ),
            (f"{BALANCING}:loadbalancer/net/spillway-prod-0123456/0a", "aws:lb/loadBalancer:LoadBalancer"),
            (f"{BALANCING}:listener/net/spillway-prod-0123456/0a/0b", "aws:lb/listener:Listener"),
            (f"{BALANCING}:targetgroup/spillway-prod-0123456/0a", "aws:lb/targetGroup:TargetGroup"),
        )
    ),
    (
        f"arn:aws:logs:{ACCOUNT}:log-group:/aws/eks/prod/cluster:*",
        "aws:cloudwatch/logGroup:LogGroup",
        "/aws/eks/prod/cluster",
    ),
    (f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a", "aws:ec2/vpc:Vpc", "vpc-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:subnet/subnet-0a", "aws:ec2/subnet:Subnet", "subnet-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:internet-gateway/igw-0a", "aws:ec2/internetGateway:InternetGateway", "igw-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:route-table/rtb-0a", "aws:ec2/routeTable:RouteTable", "rtb-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:launch-template/lt-0a", "aws:ec2/launchTemplate:LaunchTemplate", "lt-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:vpc-endpoint/vpce-0a", "aws:ec2/vpcEndpoint:VpcEndpoint", "vpce-0a"),
    (f"arn:aws:ec2:{ACCOUNT}:vpc-flow-log/fl-0a", "aws:ec2/flowLog:FlowLog", "fl-0a"),
    (f"arn:aws:budgets::{locks.ACCOUNT}:budget/plan-1", "aws:budgets/budget:Budget", f"{locks.ACCOUNT}:plan-1"),
]
EXAMPLES = [arn for arn, _, _ in KNOWN]


@pytest.mark.parametrize(("arn", "token", "identifier"), KNOWN)
def test_an_arn_names_a_type_and_what_it_is_imported_by(arn: str, token: str, identifier: str) -> None:
    assert named_by(arn) == (token, identifier)


@given(st.text(max_size=80))
def test_what_is_no_arn_of_the_program_names_nothing(text: str) -> None:
    assert named_by(f"arn:aws:ec2:{ACCOUNT}:instance/{text}") is None
    assert named_by(text) is None


def test_every_resource_that_can_be_tagged_bears_its_name_and_its_stack(run: Run) -> None:
    registered = [r for r in run(everything()).resources if r.type.startswith("aws:")]
    bearing = [r for r in registered if "tags" in r.inputs]
    assert {r.type for r in registered} & QUESTIONS.keys() == QUESTIONS.keys()
    assert not [r.name for r in registered if r.type in QUESTIONS and "tags" not in r.inputs]
    assert all(r.inputs["tags"]["spillway.dev/resource"] == r.name for r in bearing)
    assert {r.inputs["tags"]["spillway.dev/stack"] for r in bearing} == {MARK}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings of the run."""
    heard: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lambda message, *args, **kwargs: heard.append(message))
    return heard


def imported(registered: Registered) -> dict[str, str]:
    return {resource.name: resource.imported for resource in registered.resources if resource.imported}


def test_strays_are_imported_and_told_with_their_cost(run: Run, said: list[str]) -> None:
    account = Account(
        tagged={
            f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-vault-0123456/1-2": tagged("gpu-vault"),
            f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a": tagged("spillway-prod"),
            f"arn:aws:ec2:{ACCOUNT}:instance/i-0a": OWN,
        },
        status={"gpu-vault-0123456": "ACTIVE"},
        roles={
            "spillway-prod-node-0a1b2c3": tagged("spillway-prod-node"),
            "spillway-prod-node-else": tagged("spillway-prod-node"),
        },
    )
    wanted = {
        "gpu-vault": f"{CLUSTER}:gpu-vault-0123456",
        "spillway-prod": "vpc-0a",
        "spillway-prod-node": "spillway-prod-node-0a1b2c3",
    }
    assert imported(run(account=account)) == wanted
    (group,) = [line for line in said if "DEP085: NodeGroup" in line]
    usd = usd_per_month(locks.plan(), "aws:eks/nodeGroup:NodeGroup", "gpu-vault")
    assert usd is not None
    assert usd > 2700
    assert f"${usd:,.0f} a month" in group
    assert not [line for line in said if "DEP086" in line]


def test_every_type_with_tags_is_read_from_its_arn(run: Run) -> None:
    registered = run(everything())
    bear = {r.type for r in registered.resources if "tags" in r.inputs}
    read = {token for _, token, _ in _FORMS} | {"aws:iam/role:Role"}
    # EC2 is asked for rules of security groups.
    assert bear - read == {f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress")}


def test_a_balancer_is_given_the_name_that_it_has(run: Run, said: list[str]) -> None:
    arns = {
        f"{BALANCING}:loadbalancer/net/spillway-prod-0123456/0a": tagged("spillway-prod"),
        f"arn:aws:ec2:{ACCOUNT}:security-group/sg-0a": tagged("spillway-prod-clients"),
    }
    registered = run(locks.behind_balancer(), account=Account(tagged=arns))
    balancer, group = registered.one("lb/loadBalancer:LoadBalancer"), registered.one(":SecurityGroup", "clients")
    assert balancer.imported == f"{BALANCING}:loadbalancer/net/spillway-prod-0123456/0a"
    assert balancer.inputs["name"] == "spillway-prod-0123456"
    assert group.imported == "sg-0a"
    assert group.inputs.get("name") is None


@pytest.mark.parametrize(("internal", "name"), [(True, "spillway-prod-0123456"), (False, None)])
def test_a_balancer_that_is_replaced_gets_another_name(run: Run, internal: bool, name: str | None) -> None:
    urn = "urn:pulumi:prod::spillway::spillway:aws:LoadBalancer$aws:lb/loadBalancer:LoadBalancer::spillway-prod"
    arn = f"{BALANCING}:loadbalancer/net/spillway-prod-0123456/0a"
    state: dict[str, dict[str, Any]] = {urn: {"arn": arn, "name": "spillway-prod-0123456", "internal": internal}}
    registered = run(locks.behind_balancer(), account=Account(state=state))
    assert registered.one("lb/loadBalancer:LoadBalancer").inputs.get("name") == name


def test_what_the_state_knows_is_no_stray(run: Run, said: list[str]) -> None:
    arn = f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-vault-0123456/1-2"
    urn = "urn:pulumi:prod::spillway::spillway:aws:NodeGroup$aws:eks/nodeGroup:NodeGroup::gpu-vault"
    state: dict[str, dict[str, Any]] = {urn: {"arn": arn, "nodeGroupName": "gpu-vault-0123456", "status": "ACTIVE"}}
    registered = run(account=Account(state=state, tagged={arn: tagged("gpu-vault")}))
    assert imported(registered) == {}
    assert not [line for line in said if "DEP08" in line]


NAT = "spillway-prod-nat-use1-az4"
STATE_OF_NAT: dict[str, dict[str, Any]] = {
    f"urn:pulumi:prod::spillway::spillway:aws:Network$aws:ec2/natGateway:NatGateway::{NAT}": {"id": "nat-0a"}
}
"""Of a NAT gateway the provider says no ARN."""


@pytest.mark.parametrize("mark", [None, MARK])
def test_a_nat_gateway_of_the_state_is_no_stray_also_without_the_mark(
    run: Run, said: list[str], mark: str | None
) -> None:
    """An older version has deployed it, and this run gives it the mark."""
    listed = {f"arn:aws:ec2:{ACCOUNT}:natgateway/nat-0a": tagged(NAT, mark)}
    assert imported(run(account=Account(state=STATE_OF_NAT, tagged=listed))) == {}
    assert not [line for line in said if "DEP08" in line]


def test_a_second_nat_gateway_of_a_name_is_told(run: Run, said: list[str]) -> None:
    listed = {f"arn:aws:ec2:{ACCOUNT}:natgateway/{one}": tagged(NAT) for one in ("nat-0a", "nat-0b")}
    assert imported(run(account=Account(state=STATE_OF_NAT, tagged=listed))) == {}
    (line,) = [line for line in said if "DEP08" in line]
    assert line.startswith("DEP086")
    assert "natgateway/nat-0b" in line
    assert "where a run was cut off while it was replaced, this `up` deletes it; look again after `up`" in line


def test_what_nobody_builds_is_told_with_its_removal(run: Run, said: list[str]) -> None:
    arn = f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-gone-0123456/1-2"
    registered = run(account=Account(tagged={arn: tagged("gpu-gone")}, status={"gpu-gone-0123456": "ACTIVE"}))
    assert imported(registered) == {}
    (line,) = [line for line in said if "DEP086" in line]
    assert f"aws eks delete-nodegroup --cluster-name {CLUSTER} --nodegroup-name gpu-gone-0123456" in line


def test_what_is_listed_and_gone_is_not_imported(run: Run, said: list[str]) -> None:
    arn = f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-vault-0123456/1-2"
    assert imported(run(account=Account(tagged={arn: tagged("gpu-vault")}))) == {}
    assert not [line for line in said if "DEP08" in line]


def test_a_run_waits_for_what_is_being_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-vault-0123456/1-2"
    account = Account(tagged={arn: tagged("gpu-vault")}, status={"gpu-vault-0123456": "CREATING"})
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        account.status["gpu-vault-0123456"] = "ACTIVE"

    monkeypatch.setattr("infra.presence.time.sleep", sleep)
    assert imported(run(account=account)) == {"gpu-vault": f"{CLUSTER}:gpu-vault-0123456"}
    assert len(waits) == 1


def test_names_that_the_provider_invented_are_given_again(run: Run) -> None:
    urn = "urn:pulumi:prod::spillway::spillway:aws:ModelStore$aws:s3/bucket:Bucket::spillway-prod-models"
    state: dict[str, dict[str, Any]] = {
        urn: {"arn": "arn:aws:s3:::spillway-prod-models-0a1b2c3", "bucket": "spillway-prod-models-0a1b2c3"}
    }
    registered = run(account=Account(state=state))
    assert registered.one("s3/bucket:Bucket").inputs["bucket"] == "spillway-prod-models-0a1b2c3"
    assert "bucket" not in run().one("s3/bucket:Bucket").inputs


OURS = f"arn:aws:eks:{ACCOUNT}:nodegroup/{CLUSTER}/gpu-vault-0123456/1-2"
STATE_OF_CLUSTER: dict[str, dict[str, Any]] = {
    "urn:pulumi:prod::spillway::spillway:aws:Cluster$aws:eks/cluster:Cluster::spillway-prod": {
        "arn": f"arn:aws:eks:{ACCOUNT}:cluster/{CLUSTER}",
        "name": CLUSTER,
    }
}


def made_by(stack: str) -> Account:
    """An account in which a stack with this mark has made a network, a node group and a role."""
    return Account(
        tagged={
            f"arn:aws:ec2:{ACCOUNT}:natgateway/nat-0a": tagged("spillway-prod-nat-use1-az4", stack),
            f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a": tagged("spillway-prod", stack),
            OURS: tagged("gpu-vault", stack),
        },
        status={"gpu-vault-0123456": "ACTIVE"},
        roles={"spillway-prod-node-0a1b2c3": tagged("spillway-prod-node", stack)},
    )


def test_what_another_stack_has_made_is_told_once_and_left(run: Run, said: list[str]) -> None:
    """Roles are of no region."""
    rule = {"arn": "sgr-0a", "isEgress": False, "tags": tagged("spillway-prod-api-10-64-0-0-16", THEIRS)}
    account = replace(made_by(THEIRS), rules={"sgr-0a": rule})
    assert imported(run(account=account)) == {}
    (line,) = [line for line in said if "DEP08" in line]
    assert line.startswith(f"DEP089: resources with the tag of this environment are of the stack {THEIRS}")


def test_each_resource_of_an_earlier_state_is_told_with_its_cost_and_its_ways(run: Run, said: list[str]) -> None:
    account = replace(made_by(EARLIER), gone=frozenset({"vpc-0a"}))
    assert imported(run(account=account)) == {}
    lines = [line for line in said if "DEP08" in line]
    assert [line.split()[1].partition("/")[0].rpartition(":")[2] for line in lines] == [
        "natgateway",
        "nodegroup",
        "role",
    ]
    assert all(f"an earlier state of this very stack, or another state of its name ({EARLIER})" in x for x in lines)
    assert all(
        f"restore that state; or, where nobody has it any more, tag this spillway.dev/stack={MARK}" in x for x in lines
    )
    assert "a month" in lines[0]
    assert f"aws eks delete-nodegroup --cluster-name {CLUSTER} --nodegroup-name gpu-vault-0123456" in lines[1]
    assert "it costs nothing by itself" in lines[2]


class _RefusedError(NotFoundError):
    def details(self) -> str:
        return "api error UnauthorizedOperation: You are not authorized to perform: ec2:DescribeVpcs"


def test_a_refusal_to_say_whether_anothers_resource_is_there_ends_no_run(run: Run, said: list[str]) -> None:
    def refuse(token: str, args: dict[str, Any]) -> dict[str, Any]:
        raise _RefusedError

    arn = f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a"
    run(account=Account(tagged={arn: tagged("spillway-prod", THEIRS)}, answer=refuse))
    (line,) = [line for line in said if "DEP08" in line]
    assert arn in line


def test_of_what_older_versions_made_only_what_stands_in_the_own_cluster_is_taken(run: Run, said: list[str]) -> None:
    account = Account(
        tagged={f"arn:aws:ec2:{ACCOUNT}:eip/eipalloc-0a": OWN, OURS: tagged("gpu-vault", None)}
        | {f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a": tagged("spillway-prod", None)},
        status={"gpu-vault-0123456": "ACTIVE"},
    )
    assert imported(run(account=account)) == {}
    assert [line.split(":")[0] for line in said if "DEP08" in line] == ["DEP089"]
    account.state = STATE_OF_CLUSTER
    assert imported(run(account=account)) == {"gpu-vault": f"{CLUSTER}:gpu-vault-0123456"}


def test_a_list_that_is_late_shows_no_stack_that_is_gone(run: Run, said: list[str]) -> None:
    arn = f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a"
    run(account=Account(tagged={arn: tagged("spillway-prod", THEIRS)}, gone=frozenset({"vpc-0a"})))
    assert not [line for line in said if "DEP08" in line]


def test_each_type_is_asked_for_before_it_is_imported(run: Run, said: list[str]) -> None:
    examples = {token: (arn, identifier) for arn, token, identifier in KNOWN}
    assert examples.keys() == QUESTIONS.keys()
    names: dict[str, str] = {}
    for resource in run(everything()).resources:
        names.setdefault(resource.type, resource.name)
    account = Account(status={"prod": "ACTIVE", "gpu": "ACTIVE"})
    for token, (arn, _) in examples.items():
        account.tagged[arn] = {**tagged(names[token]), "Name": "llm.example.com"}
    account.there = frozenset(identifier.partition(":")[2] for _, identifier in examples.values())
    found = {r.type: r.imported for r in run(everything(), account=account).resources if r.imported}
    assert found.items() >= {token: identifier for token, (_, identifier) in examples.items()}.items()
    pieces = {piece for arn, identifier in examples.values() for piece in (arn, identifier, *identifier.split(":", 1))}
    account.gone, account.status, account.there = frozenset(pieces), {}, frozenset()
    assert imported(run(everything(), account=account)) == {}


def test_a_certificate_behind_one_that_somebody_imported_is_no_less_there(run: Run) -> None:
    certificates = f"arn:aws:acm:{ACCOUNT}:certificate"
    plan = locks.behind_balancer(**locks.FROM_INTERNET)
    (made,) = run(plan).of("acm/certificate:Certificate")
    account = Account(
        tagged={f"{certificates}/0a": {**tagged(made.name), "Name": "llm.example.com"}},
        there=frozenset({f"{certificates}/0b"}),
    )
    assert imported(run(plan, account=account)) == {made.name: f"{certificates}/0a"}


def test_an_answer_that_aws_refuses_ends_the_run(run: Run) -> None:
    def refuse(token: str, args: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("AccessDeniedException: not authorized to perform ec2:DescribeVpcs")

    arn = f"arn:aws:ec2:{ACCOUNT}:vpc/vpc-0a"
    with pytest.raises(Exception, match="AccessDenied"):
        run(account=Account(tagged={arn: tagged("spillway-prod")}, answer=refuse))


def test_rules_of_security_groups_are_found_at_ec2(run: Run, said: list[str]) -> None:
    name = run().one("vpc/securityGroupIngressRule:SecurityGroupIngressRule").name
    rules = {
        "sgr-0a": {"arn": "sgr-0a", "isEgress": False, "tags": tagged(name)},
        "sgr-0b": {"arn": "sgr-0b", "isEgress": True, "tags": tagged("spillway-prod-former")},
    }
    assert imported(run(account=Account(rules=rules))) == {name: "sgr-0a"}
    assert [line for line in said if "DEP086" in line and "sgr-0b" in line]
    said.clear()
    urn = f"urn:pulumi:prod::spillway::aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule::{name}"
    account = Account(rules=rules, state={urn: {"securityGroupRuleId": "sgr-0c"}})
    assert imported(run(locks.behind_balancer(), account=account)) == {}
    (line,) = [line for line in said if "DEP086" in line and "sgr-0a" in line]
    assert "look again after `up`" in line


def test_a_budget_is_found_by_its_lasting_name(run: Run) -> None:
    name = f"spillway-prod-plan-whole-account-{MARK[-7:]}"
    assert run(everything()).one(":Budget").inputs["name"] == name
    found = run(everything(), account=Account(there=frozenset({name})))
    assert imported(found) == {"spillway-prod-plan-whole-account": f"{locks.ACCOUNT}:{name}"}


def test_policies_of_a_role_are_put_over_themselves(run: Run) -> None:
    """Under an invented name, a second one would stay on the role and keep it from being deleted."""
    policies = run(everything()).of("iam/rolePolicy:RolePolicy")
    assert len(policies) > 3
    assert all(policy.inputs["name"] == policy.name for policy in policies)
    urn = "urn:pulumi:prod::spillway::spillway:aws:Network$aws:iam/rolePolicy:RolePolicy::spillway-prod-flow-logs"
    known = run(account=Account(state={urn: {"name": "spillway-prod-flow-logs-0a1b2c3"}}))
    assert known.one("iam/rolePolicy:RolePolicy", "flow-logs").inputs["name"] == "spillway-prod-flow-logs-0a1b2c3"


def test_the_rule_of_the_registry_is_taken_unless_its_repositories_are_anothers(run: Run) -> None:
    (rule,) = run(everything()).of(":PullThroughCacheRule")
    prefix = rule.inputs["ecrRepositoryPrefix"]
    account = Account(there=frozenset({prefix}))
    assert imported(run(everything(), account=account)) == {rule.name: prefix}
    arn = f"arn:aws:ecr:{ACCOUNT}:repository/{prefix}/acme/engine"
    account.tagged = {arn: tagged(f"{prefix}/acme/engine", THEIRS)}
    with pytest.raises(pulumi.RunError, match="DEP090") as refused:
        run(everything(), account=account)
    assert arn in str(refused.value)


def test_a_secret_of_another_stack_is_refused_before_anything_is_made(run: Run) -> None:
    arn = f"arn:aws:secretsmanager:{ACCOUNT}:secret:spillway-prod/client-keys-a1b2c3"
    account = Account(tagged={arn: tagged("spillway-prod-client-keys", THEIRS)})
    with pytest.raises(pulumi.RunError, match=f"DEP090.*{THEIRS}"):
        run(everything(), account=account)
    account.tagged = {arn: tagged("spillway-prod-client-keys", EARLIER)}
    with pytest.raises(pulumi.RunError, match=f"DEP090.*{EARLIER}") as refused:
        run(everything(), account=account)
    assert f"tag this spillway.dev/stack={MARK}" in str(refused.value)
    account.gone = frozenset({arn})
    assert run(everything(), account=account).of("secretsmanager/secret:Secret")


def test_the_record_of_the_own_balancer_is_taken_and_another_is_refused(run: Run) -> None:
    urn = "urn:pulumi:prod::spillway::spillway:aws:LoadBalancer$aws:lb/loadBalancer:LoadBalancer::spillway-prod"
    name = "spillway-prod-0123456.elb.us-east-1.amazonaws.com"
    state = {urn: {"arn": f"{BALANCING}:loadbalancer/net/x/0a", "dnsName": name, "name": "x", "internal": False}}
    record = {"name": "llm.example.com.", "type": "A", "aliasTarget": {"dnsName": f"{name}."}}
    plan = locks.behind_balancer(**locks.FROM_INTERNET)
    account = Account(state=state, records=[{"name": "llm.example.com.", "type": "TXT"}, record])
    assert imported(run(plan, account=account)) == {"spillway-prod-address": "Z1_llm.example.com_A"}
    record["aliasTarget"] = {"dnsName": "another.elb.us-east-1.amazonaws.com."}
    with pytest.raises(pulumi.RunError, match=r"DEP091.*another\.elb"):
        run(plan, account=account)


def test_a_stray_has_no_question_only_if_it_has_no_type() -> None:
    assert {token for _, token, _ in _FORMS} == set(QUESTIONS)
    assert Stray("", "name", "id", "arn").tags == {}
