"""AWS's own rules about inputs: CloudFormation's schemas, which say what each property may be.

The program speaks Pulumi; the schemas speak CloudFormation. `KINDS` says for each type of resource which schema judges
it and where the two differ. Names are matched without regard to case and plural; a property that the schema does not
have is an error, unless the table gives the reason why it is not AWS's.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import regex
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

REGION = "us-east-1"
SCHEMAS = files("cfnlint.data.schemas")
GENERATED = "-0123456"
"""What Pulumi adds to a name that the program leaves to it."""


@dataclass(frozen=True)
class Kind:
    """A kind is how a Pulumi type is told to CloudFormation.

    schema: CloudFormation's type.
    renamed: Pulumi's path → CloudFormation's path. A path is dotted; `[]` at the end of a step makes a list of one.
        Where a path of Pulumi's has two steps, each member of the structure must have a row.
    left_out: Pulumi's property → why no rule of AWS's speaks of it.
    added: CloudFormation's properties that Pulumi's type implies.
    named: CloudFormation's property of the name that Pulumi invents; empty where it invents none.
    under: CloudFormation's path below which all properties lie.
    part: whether Pulumi's type is a setting of a resource that is required elsewhere.
    """

    schema: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""
    under: str = ""
    part: bool = False


OF_PROVIDER = "a setting of Pulumi's provider, which AWS never sees"
ONE_OF_CFN = "CloudFormation has one property for both; the other of the two is judged"

OF_ATTRIBUTES = "an attribute, which CloudFormation takes as any text; the twin judges its values"
UNTAGGED = "CloudFormation tags no rule of a firewall; EC2 does, as AuthorizeSecurityGroupIngress says"
WAIT = "a wait of Pulumi's for the certificate, which AWS never sees"

KINDS: Mapping[str, Kind] = {
    "aws:acm/certificate:Certificate": Kind("AWS::CertificateManager::Certificate"),
    "aws:acm/certificateValidation:CertificateValidation": Kind(
        "AWS::CertificateManager::Certificate",
        left_out={"certificateArn": WAIT, "validationRecordFqdns": WAIT},
        part=True,
    ),
    "aws:autoscaling/attachment:Attachment": Kind(
        "AWS::AutoScaling::AutoScalingGroup", {"lbTargetGroupArn": "TargetGroupARNs[]"}, part=True
    ),
    "aws:autoscaling/schedule:Schedule": Kind(
        "AWS::AutoScaling::ScheduledAction",
        left_out={
            "minSize": "-1 says that the provider sends none",
            "maxSize": "-1 says that the provider sends none",
            "scheduledActionName": "CloudFormation invents the name",
        },
    ),
    "aws:budgets/budget:Budget": Kind(
        "AWS::Budgets::Budget",
        renamed={
            "limitAmount": "Budget.BudgetLimit.Amount",
            "limitUnit": "Budget.BudgetLimit.Unit",
            "budgetType": "Budget.BudgetType",
            "timeUnit": "Budget.TimeUnit",
            "name": "Budget.BudgetName",
            "tags": "ResourceTags",
        },
        left_out={
            "notifications": "botocore's model of CreateBudget judges them",
            "costFilters": "botocore's model of CreateBudget judges them",
        },
        named="Budget.BudgetName",
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind("AWS::Logs::LogGroup", {"name": "LogGroupName"}, named="LogGroupName"),
    "aws:ec2/eip:Eip": Kind("AWS::EC2::EIP"),
    "aws:ec2/flowLog:FlowLog": Kind(
        "AWS::EC2::FlowLog",
        {"vpcId": "ResourceId", "iamRoleArn": "DeliverLogsPermissionArn"},
        added={"ResourceType": "VPC"},
    ),
    "aws:ec2/internetGateway:InternetGateway": Kind(
        "AWS::EC2::InternetGateway", left_out={"vpcId": "an attachment, a resource of its own in CloudFormation"}
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        "AWS::EC2::LaunchTemplate",
        {"name": "LaunchTemplateName", "tags": "TagSpecifications[].Tags"},
        left_out={"updateDefaultVersion": OF_PROVIDER},
        added={"TagSpecifications": [{"ResourceType": "launch-template"}]},
        named="LaunchTemplateName",
        under="LaunchTemplateData",
    ),
    "aws:ec2/natGateway:NatGateway": Kind("AWS::EC2::NatGateway"),
    "aws:ec2/route:Route": Kind("AWS::EC2::Route"),
    "aws:ec2/routeTable:RouteTable": Kind("AWS::EC2::RouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind("AWS::EC2::SubnetRouteTableAssociation"),
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        "AWS::EC2::SecurityGroup",
        {"name": "GroupName", "description": "GroupDescription"},
        left_out={"revokeRulesOnDelete": OF_PROVIDER},
        named="GroupName",
    ),
    "aws:ec2/subnet:Subnet": Kind("AWS::EC2::Subnet"),
    "aws:ec2/vpc:Vpc": Kind("AWS::EC2::VPC"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Kind("AWS::EC2::VPCEndpoint", {"policy": "PolicyDocument"}),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Kind(
        "AWS::ECR::Repository",
        {"repository": "RepositoryName", "policy": "LifecyclePolicy.LifecyclePolicyText"},
        part=True,
    ),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": Kind("AWS::ECR::PullThroughCacheRule"),
    "aws:ecr/repository:Repository": Kind(
        "AWS::ECR::Repository", {"name": "RepositoryName", "forceDelete": "EmptyOnDelete"}
    ),
    "aws:eks/accessEntry:AccessEntry": Kind("AWS::EKS::AccessEntry"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Kind(
        "AWS::EKS::AccessEntry",
        {"policyArn": "AccessPolicies[].PolicyArn", "accessScope": "AccessPolicies[].AccessScope"},
    ),
    "aws:eks/addon:Addon": Kind(
        "AWS::EKS::Addon",
        {"resolveConflictsOnCreate": "ResolveConflicts"},
        left_out={"resolveConflictsOnUpdate": ONE_OF_CFN},
    ),
    "aws:eks/cluster:Cluster": Kind(
        "AWS::EKS::Cluster",
        {
            "vpcConfig": "ResourcesVpcConfig",
            "enabledClusterLogTypes": "Logging.ClusterLogging.EnabledTypes",
        },
        left_out={"defaultAddonsToRemoves": OF_PROVIDER},
        named="Name",
    ),
    "aws:eks/nodeGroup:NodeGroup": Kind(
        "AWS::EKS::Nodegroup",
        {"nodeRoleArn": "NodeRole", "subnetIds": "Subnets", "nodeGroupName": "NodegroupName"},
        named="NodegroupName",
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Kind("AWS::EKS::PodIdentityAssociation"),
    "aws:iam/role:Role": Kind(
        "AWS::IAM::Role",
        {"assumeRolePolicy": "AssumeRolePolicyDocument", "name": "RoleName"},
        left_out={"forceDetachPolicies": OF_PROVIDER},
        named="RoleName",
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        "AWS::IAM::RolePolicy",
        {"role": "RoleName", "policy": "PolicyDocument", "name": "PolicyName"},
        named="PolicyName",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(
        "AWS::IAM::Role", {"role": "RoleName", "policyArn": "ManagedPolicyArns[]"}, part=True
    ),
    "aws:kms/key:Key": Kind("AWS::KMS::Key", {"deletionWindowInDays": "PendingWindowInDays"}),
    "aws:lb/listener:Listener": Kind(
        "AWS::ElasticLoadBalancingV2::Listener",
        {"certificateArn": "Certificates[].CertificateArn"},
        left_out={"tcpIdleTimeoutSeconds": OF_ATTRIBUTES},
    ),
    "aws:lb/loadBalancer:LoadBalancer": Kind(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        {"loadBalancerType": "Type"},
        left_out={
            "internal": "CloudFormation's Scheme, of two values",
            "enableDeletionProtection": OF_ATTRIBUTES,
            "enableCrossZoneLoadBalancing": OF_ATTRIBUTES,
        },
        named="Name",
    ),
    "aws:lb/targetGroup:TargetGroup": Kind(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            "healthCheck.interval": "HealthCheckIntervalSeconds",
            "healthCheck.timeout": "HealthCheckTimeoutSeconds",
            "healthCheck.healthyThreshold": "HealthyThresholdCount",
            "healthCheck.unhealthyThreshold": "UnhealthyThresholdCount",
            "healthCheck.protocol": "HealthCheckProtocol",
            "healthCheck.path": "HealthCheckPath",
            "healthCheck.port": "HealthCheckPort",
            "healthCheck.matcher": "Matcher.HttpCode",
        },
        left_out={
            "deregistrationDelay": OF_ATTRIBUTES,
            "preserveClientIp": OF_ATTRIBUTES,
            "targetHealthStates": OF_ATTRIBUTES,
        },
        named="Name",
    ),
    "aws:route53/record:Record": Kind(
        "AWS::Route53::RecordSet",
        {"zoneId": "HostedZoneId", "records": "ResourceRecords", "aliases": "AliasTarget"},
        left_out={"allowOverwrite": OF_PROVIDER},
    ),
    "aws:s3/bucket:Bucket": Kind(
        "AWS::S3::Bucket", {"bucket": "BucketName"}, left_out={"forceDestroy": OF_PROVIDER}, named="BucketName"
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Kind(
        "AWS::S3::Bucket", {"bucket": "BucketName"}, under="LifecycleConfiguration", part=True
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Kind("AWS::S3::BucketPolicy", {"policy": "PolicyDocument"}),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Kind(
        "AWS::S3::Bucket", {"bucket": "BucketName"}, under="PublicAccessBlockConfiguration", part=True
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Kind(
        "AWS::S3::Bucket",
        {"bucket": "BucketName", "rules": "BucketEncryption.ServerSideEncryptionConfiguration"},
        part=True,
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Kind("AWS::S3::Bucket", {"bucket": "BucketName"}, part=True),
    "aws:secretsmanager/secret:Secret": Kind(
        "AWS::SecretsManager::Secret",
        left_out={"recoveryWindowInDays": "an argument of DeleteSecret, of 7 to 30 days or 0 for none"},
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Kind(
        "AWS::EC2::SecurityGroupEgress",
        {
            "securityGroupId": "GroupId",
            "cidrIpv4": "CidrIp",
            "referencedSecurityGroupId": "DestinationSecurityGroupId",
        },
        left_out={"tags": UNTAGGED},
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Kind(
        "AWS::EC2::SecurityGroupIngress",
        {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "referencedSecurityGroupId": "SourceSecurityGroupId"},
        left_out={"tags": UNTAGGED},
    ),
}

RENAMED_INSIDE: Mapping[str, str] = {
    "applyserversideencryptionbydefault": "serversideencryptionbydefault",
    "kmsmasterkeyid": "kmsmasterkeyid",
    "name": "dnsname",  # of an alias
    "zoneid": "hostedzoneid",
    "filter": "",  # of a lifecycle rule: CloudFormation has its prefix in the rule itself
}
"""Property inside a structure, in small letters → CloudFormation's where that has no property of the same name; empty
joins its content with what is around it."""


class UnknownPropertyError(Exception):
    """CloudFormation has no such property."""


def told(kind: str, name: str, inputs: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """Return a resource as CloudFormation would be told it. Raises `UnknownPropertyError`, and KeyError for a type
    without a row in `KINDS`."""
    row = KINDS[kind]
    shape = schema(row.schema)
    value: dict[str, Any] = copy.deepcopy(dict(row.added))
    for key, given in sorted(_flat(inputs, row)):
        if key in row.left_out or given is None:
            continue
        target = row.renamed.get(key)
        if target is None:
            inside = f"{row.under}." if row.under else ""
            known = _property(_at(shape, row.under), key) if inside else None
            target = f"{inside}{known}" if known else _property(shape, key)
        if not target:
            raise UnknownPropertyError(f"{row.schema} has no {key}")
        _put(value, target, given, shape)
    if row.named and _get(value, row.named) is None:
        small = kind == "aws:s3/bucket:Bucket"
        _put(value, row.named, (name.lower() if small else name) + GENERATED, shape)
    return row, value


def _flat(inputs: Mapping[str, Any], row: Kind) -> Iterator[tuple[str, Any]]:
    """Yield the inputs, with those structures as dotted paths that CloudFormation has no structure for."""
    structures = {path.partition(".")[0] for path in row.renamed if "." in path}
    for key, given in inputs.items():
        if key in structures and isinstance(given, Mapping):
            yield from ((f"{key}.{member}", item) for member, item in given.items())
        else:
            yield key, given


def problems(kind: str, name: str, inputs: Mapping[str, Any]) -> list[str]:
    """List what AWS's rules have against a resource."""
    try:
        row, value = told(kind, name, inputs)
    except UnknownPropertyError as error:
        return [str(error)]
    rules = schema(row.schema)
    if row.part:
        rules = {key: rule for key, rule in rules.items() if key not in ("required", "requiredXor", "requiredOr")}
    errors = sorted(Rules(rules).iter_errors(value), key=lambda error: error.json_path)
    found = [f"{error.json_path}: {error.message}"[:300] for error in errors]
    read_only = {path.split("/")[2] for path in rules.get("readOnlyProperties", ()) if path.count("/") == 2}
    return found + [f"$.{key}: AWS alone says it" for key in sorted(read_only & value.keys())]


@cache
def schema(type_name: str) -> dict[str, Any]:
    """Return CloudFormation's schema of a type."""
    index = json.loads((SCHEMAS / "providers" / f"{REGION}.json").read_text())
    found: dict[str, Any] = json.loads((SCHEMAS / "resources" / f"{index[type_name]}.json").read_text())
    return found


def _resolved(shape: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = shape.get("$ref")
    return root["definitions"][reference.rpartition("/")[2]] if reference else shape


def _at(shape: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the shape at a dotted path, with the definitions of the whole."""
    here = shape
    for step in filter(None, path.split(".")):
        here = _resolved(here["properties"][step.removesuffix("[]")], shape)
        if step.endswith("[]"):
            here = _resolved(here["items"], shape)
    return {**here, "definitions": shape["definitions"]} if here is not shape else here


def _comparable(name: str) -> str:
    return re.sub(r"(?<=[^s])s$", "", name.lower())


def _property(shape: Mapping[str, Any], key: str) -> str | None:
    names = {_comparable(name): name for name in shape.get("properties", {})}
    return names.get(_comparable(key)) or names.get(_comparable(RENAMED_INSIDE.get(key.lower(), "")))


def _put(value: dict[str, Any], path: str, given: Any, root: Mapping[str, Any]) -> None:
    *before, last = path.split(".")
    here, shape = value, root
    for step in before:
        shape = _resolved(shape["properties"][step.removesuffix("[]")], root)
        if step.endswith("[]"):
            shape = _resolved(shape["items"], root)
            here = here.setdefault(step.removesuffix("[]"), [{}])[0]
        else:
            here = here.setdefault(step, {})
    name = last.removesuffix("[]")
    here[name] = _like(shape["properties"][name], [given] if last.endswith("[]") else given, root)


def _get(value: Mapping[str, Any], path: str) -> Any:
    here: Any = value
    for step in path.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def _like(shape: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> Any:
    """Spell and type a Pulumi value as the schema has it, without making a wrong value right."""
    shape = _resolved(shape, root)
    kinds = shape.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, Mapping) and "array" in kinds:
        items = _resolved(shape.get("items", {}), root)
        if {"Key", "Value"} <= items.get("properties", {}).keys():
            return [{"Key": str(key), "Value": str(item)} for key, item in sorted(value.items())]
        value = [value]  # Pulumi's provider has one block where AWS has a list
    if isinstance(value, list) and len(value) == 1 and kinds == ["object"]:
        (value,) = value  # and the other way round
    if isinstance(value, Mapping):
        return dict(_members(shape, value, root))
    if isinstance(value, list | tuple):
        items = _resolved(shape.get("items", {}), root)
        only = set(items.get("properties", {})) == {"Type"}
        return [_like(items, {"type": item} if only and isinstance(item, str) else item, root) for item in value]
    if isinstance(value, str):
        return _scalar(kinds, value)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return str(value) if kinds == ["string"] and not isinstance(value, bool) else value


def _members(shape: Mapping[str, Any], value: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if not shape.get("properties"):
        yield from value.items()
        return
    for key, item in value.items():
        if item is None:
            continue
        if RENAMED_INSIDE.get(key.lower()) == "" and _property(shape, key) is None:
            yield from _members(shape, item, root)
            continue
        name = _property(shape, key)
        if name is None:
            raise UnknownPropertyError(f"{sorted(shape['properties'])} has no {key}")
        yield name, _like(shape["properties"][name], item, root)


def _scalar(kinds: list[str], text: str) -> Any:
    if "string" in kinds and "object" not in kinds:
        return text
    if "object" in kinds and text.startswith("{"):
        return json.loads(text)
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?\d+(\.\d+)?", text) and {"integer", "number"} & {*kinds}:
        return float(text) if "." in text else int(text)
    return text


def _required_xor(validator: Any, names: list[str], value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, Mapping) and sum(name in value for name in names) != 1:
        yield ValidationError(f"exactly one of {', '.join(names)} is required")


def _required_or(validator: Any, names: list[str], value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, Mapping) and not any(name in value for name in names):
        yield ValidationError(f"one of {', '.join(names)} is required")


def _excluded(validator: Any, rules: Mapping[str, list[str]], value: Any, schema: Any) -> Iterator[ValidationError]:
    for name, others in rules.items():
        together = [other for other in others if isinstance(value, Mapping) and name in value and other in value]
        if together:
            yield ValidationError(f"{name} excludes {', '.join(together)}")


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not regex.search(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


Rules = extend(
    Draft202012Validator,
    {"pattern": _pattern, "requiredXor": _required_xor, "requiredOr": _required_or, "dependentExcluded": _excluded},
)
"""cfn-lint adds these keywords to JSON Schema, and its patterns have classes of Unicode, as JavaScript's."""
