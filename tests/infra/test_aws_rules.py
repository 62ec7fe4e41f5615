"""Every input of every AWS resource against AWS's own rules, for all worked locks and variants of the program."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from infra.billing import BILLED, FREE
from tests.examples import ENVIRONMENTS, environment_name, lock_paths
from tests.infra import locks
from tests.infra.aws_rules import KINDS, problems
from tests.infra.conftest import Run
from tests.infra.programs import Registered, Resource, run_worked_lock
from tests.infra.variants import VARIANTS, account
from tests.infra.variants import everything as whole


def of_aws(registered: Registered) -> list[Resource]:
    return [resource for resource in registered.resources if resource.type.startswith("aws:")]


def all_problems(registered: Registered) -> list[str]:
    return [
        f"{resource.name} ({resource.type}): {problem}"
        for resource in of_aws(registered)
        for problem in problems(resource.type, resource.name, resource.inputs)
    ]


@pytest.mark.parametrize("name", [environment_name(path) for path in lock_paths()])
def test_aws_would_take_every_input_of_a_worked_lock(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, registered = run_worked_lock(ENVIRONMENTS, name, monkeypatch)
    assert all_problems(registered) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_aws_would_take_every_input_of_a_variant(run: Run, name: str) -> None:
    registered = run(VARIANTS[name](), account=account())
    assert len(of_aws(registered)) > 40
    assert all_problems(registered) == []


def test_every_type_that_may_be_registered_has_rules() -> None:
    assert {*BILLED, *FREE} <= KINDS.keys()


def test_every_property_that_is_left_out_has_a_reason() -> None:
    assert all(len(reason) > 20 for kind in KINDS.values() for reason in kind.left_out.values())


@pytest.fixture
def everything(run: Run) -> dict[str, Resource]:
    """One resource of each type, of an environment with everything."""
    registered = run(whole())
    found = {resource.type.rpartition(":")[2]: resource for resource in of_aws(registered)}
    return {**found, "NodeGroup": registered.one("eks/nodeGroup:NodeGroup", "vault")}


MUTATIONS: dict[str, tuple[str, str, Any]] = {
    "an AMI type that is none": ("NodeGroup", "amiType", "AL2023_X86_64_NVIDIA"),
    "a capacity type that is none": ("NodeGroup", "capacityType", "ONDEMAND"),
    "an effect of Kubernetes' own spelling": ("NodeGroup", "taints.0.effect", "NoSchedule"),
    "a taint whose value is too long": ("NodeGroup", "taints.0.value", "x" * 64),
    "an update of no node": ("NodeGroup", "updateConfig.maxUnavailable", 0),
    "an update strategy that is none": ("NodeGroup", "updateConfig.updateStrategy", "SURGE"),
    "less than no node": ("NodeGroup", "scalingConfig.minSize", -1),
    "no subnets": ("NodeGroup", "subnetIds", None),
    "a property that is none": ("NodeGroup", "spot", True),
    "a log that is none": ("Cluster", "enabledClusterLogTypes.0", "kubelet"),
    "a support type that is none": ("Cluster", "upgradePolicy.supportType", "NONE"),
    "an authentication mode that is none": ("Cluster", "accessConfig.authenticationMode", "IAM"),
    "secrets that are no list": ("Cluster", "encryptionConfig.resources", "secrets"),
    "a cluster without a role": ("Cluster", "roleArn", None),
    "a conflict that nobody resolves": ("Addon", "resolveConflictsOnCreate", "FORCE"),
    "an add-on without a name": ("Addon", "addonName", ""),
    "a role that is no ARN": ("Addon", "podIdentityAssociations", [{"roleArn": "ebs", "serviceAccount": "x"}]),
    "an access scope that is none": ("AccessPolicyAssociation", "accessScope.type", "all"),
    "days that logs cannot be kept": ("LogGroup", "retentionInDays", 45),
    "a log group whose name is too long": ("LogGroup", "name", "x" * 513),
    "a log group whose name has a blank": ("LogGroup", "name", "a b"),
    "a key that goes too soon": ("Key", "deletionWindowInDays", 6),
    "an algorithm that is none": (
        "BucketServerSideEncryptionConfiguration",
        "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm",
        "AES128",
    ),
    "a bucket's name with capitals": ("Bucket", "bucket", "Models-Of-Acme"),
    "a version state that is none": ("BucketVersioning", "versioningConfiguration.status", "On"),
    "a rule that is neither on nor off": ("BucketLifecycleConfiguration", "rules.0.status", "On"),
    "no day": ("BucketLifecycleConfiguration", "rules.0.noncurrentVersionExpiration.noncurrentDays", "thirty"),
    "an endpoint that is none": ("VpcEndpoint", "vpcEndpointType", "Gate"),
    "traffic that is none": ("FlowLog", "trafficType", "SOME"),
    "a place for logs that is none": ("FlowLog", "logDestinationType", "cloudwatch"),
    "a network without addresses": ("Vpc", "cidrBlock", None),
    "a flag that is a word": ("Vpc", "enableDnsSupport", "yes"),
    "metadata tokens that are none": ("LaunchTemplate", "metadataOptions.httpTokens", "always"),
    "a disk of text": ("LaunchTemplate", "blockDeviceMappings.0.ebs.volumeSize", "large"),
    "a role without trust": ("Role", "assumeRolePolicy", None),
    "a budget that is none": ("Budget", "limitAmount", "much"),
    "a scheme of tags that is none": ("Repository", "imageTagMutability", "FIXED"),
    "a repository with capitals": ("Repository", "name", "Spillway/vllm"),
    "a cipher that is none": ("Repository", "encryptionConfigurations.0.encryptionType", "AES128"),
    "a prefix that is too long": ("PullThroughCacheRule", "ecrRepositoryPrefix", "x" * 31),
    "an account that is no secret of the registry's": (
        "PullThroughCacheRule",
        "credentialArn",
        f"arn:aws:secretsmanager:us-east-1:{locks.ACCOUNT}:secret:docker-hub-a1b2c3",
    ),
    "a certificate for nobody": ("Certificate", "domainName", None),
    "a tag that AWS does not take": ("Certificate", "tags", {"a?": "b"}),
    "a record of no kind": ("Record", "type", None),
    "a record in no zone": ("Record", "zoneId", None),
    "a secret whose name is too long": ("Secret", "name", "x" * 513),
    "a rule for two": ("SecurityGroupIngressRule", "prefixListId", "pl-1"),
    "a rule for nobody": ("SecurityGroupEgressRule", "referencedSecurityGroupId", None),
    "a port below all": ("SecurityGroupIngressRule", "fromPort", -2),
    "a protocol that is none": ("Listener", "protocol", "SSL"),
    "a port above all": ("Listener", "port", 65536),
    "an action that is none": ("Listener", "defaultActions.0.type", "send"),
    "a check that comes too often": ("TargetGroup", "healthCheck.interval", 4),
    "a check that nobody can fail": ("TargetGroup", "healthCheck.unhealthyThreshold", 1),
    "a check by what is none": ("TargetGroup", "healthCheck.protocol", "GRPC"),
    "a target that is none": ("TargetGroup", "targetType", "node"),
    "a balancer of no kind": ("LoadBalancer", "loadBalancerType", "classic"),
    "an attachment of a name that is too long": ("Attachment", "lbTargetGroupArn", "x" * 512),
}


def mutated(inputs: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(inputs)
    here: Any = changed
    *before, last = path.split(".")
    for step in before:
        here = here[int(step)] if isinstance(here, list) else here[step]
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return changed


def test_a_mutation_is_caught(everything: dict[str, Resource]) -> None:
    missed = []
    for name, (kind, path, value) in MUTATIONS.items():
        resource = everything[kind]
        assert problems(resource.type, resource.name, resource.inputs) == []
        if not problems(resource.type, resource.name, mutated(resource.inputs, path, value)):
            missed.append(name)
    assert missed == []


def test_a_name_is_judged_with_what_pulumi_adds(everything: dict[str, Resource]) -> None:
    role = everything["Role"]
    assert problems(role.type, "x" * 56, role.inputs) == []
    assert problems(role.type, "x" * 57, role.inputs) != []


def test_aws_would_take_the_notifications_of_a_budget(everything: dict[str, Resource]) -> None:
    inputs = everything["Budget"].inputs
    shape = boto3.client("budgets", "us-east-1").meta.service_model.operation_model("CreateBudget").input_shape
    asked = {
        "AccountId": locks.ACCOUNT,
        "Budget": {"BudgetName": "x", "BudgetType": inputs["budgetType"], "TimeUnit": inputs["timeUnit"]},
        "NotificationsWithSubscribers": [
            {
                "Notification": {
                    "NotificationType": item["notificationType"],
                    "ComparisonOperator": item["comparisonOperator"],
                    "Threshold": item["threshold"],
                    "ThresholdType": item["thresholdType"],
                },
                "Subscribers": [
                    {"SubscriptionType": "EMAIL", "Address": address} for address in item["subscriberEmailAddresses"]
                ],
            }
            for item in inputs["notifications"]
        ],
    }
    assert not ParamValidator().validate(asked, shape).has_errors()
    told = shape.members["NotificationsWithSubscribers"].member.members["Notification"].members
    for item in inputs["notifications"]:
        for name in ("NotificationType", "ComparisonOperator", "ThresholdType"):
            assert item[name[0].lower() + name[1:]] in told[name].enum
    assert inputs["budgetType"] in shape.members["Budget"].members["BudgetType"].enum
    assert inputs["timeUnit"] in shape.members["Budget"].members["TimeUnit"].enum
