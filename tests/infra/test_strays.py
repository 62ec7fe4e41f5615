"""What a killed run left at AWS is known again, told with its cost, and taken into the state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.arns import _FORMS, named_by
from infra.strays import usd_per_month
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered
from tests.infra.variants import everything

ACCOUNT = f"us-east-1:{locks.ACCOUNT}"
BALANCING = f"arn:aws:elasticloadbalancing:{ACCOUNT}"
CLUSTER = "spillway-prod-1234567"
OWN = {"spillway.dev/environment": "prod", "managed-by": "pulumi"}


def tagged(name: str) -> dict[str, str]:
    return {**OWN, "spillway.dev/resource": name}


@pytest.mark.parametrize(
    ("arn", "token", "identifier"),
    [
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
    ],
)
def test_an_arn_names_a_type_and_what_it_is_imported_by(arn: str, token: str, identifier: str) -> None:
    assert named_by(arn) == (token, identifier)


@given(st.text(max_size=80))
def test_what_is_no_arn_of_the_program_names_nothing(text: str) -> None:
    assert named_by(f"arn:aws:ec2:{ACCOUNT}:instance/{text}") is None
    assert named_by(text) is None


def test_every_resource_that_can_be_tagged_bears_its_name(run: Run) -> None:
    registered = run()
    tags = {
        (r.type, r.name): r.inputs["tags"]["spillway.dev/resource"] for r in registered.resources if "tags" in r.inputs
    }
    assert len(tags) > 25
    assert all(name == tag for (_, name), tag in tags.items())
    untagged = {r.type for r in registered.resources if r.type.startswith("aws:") and "tags" not in r.inputs}
    assert not untagged & {"aws:eks/nodeGroup:NodeGroup", "aws:eks/cluster:Cluster", "aws:ec2/natGateway:NatGateway"}


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
        roles=["spillway-prod-node-0a1b2c3", "spillway-prod-node-else"],
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
    # What names no resource of the program is told (DEP086); a budget bears the tag and costs nothing.
    assert bear - read == {"aws:budgets/budget:Budget"} | {
        f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress")
    }


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

    monkeypatch.setattr("infra.strays.time.sleep", sleep)
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
