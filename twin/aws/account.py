"""One call to AWS's API, by its own name and parameters, with AWS's own errors.

    aws.call("eks", "CreateCluster", name=..., roleArn=..., resourcesVpcConfig=...)

The call goes to moto, or to `eks_calls` where moto has no such operation. Either way botocore validates the parameters
first, and enumerations are held against the service model. A refusal is an `AwsError` whose text reads as the real
provider prints it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.aws.store import EXISTING, AccountState
from twin.aws.world import World
from twin.provider.contract import OperationError

Imitation = Callable[["Account", dict[str, Any]], dict[str, Any]]

CALLS = f"{EXISTING}calls"
"""Table of the operations that anybody has called, as CloudTrail would have them: `SERVICE:OPERATION`."""

_IMITATIONS: dict[tuple[str, str], Imitation] = {}
"""Operations that moto lacks, filled by `imitates`."""

# Services whose enumerations are complete in the service model; others grow there later than at the service.
_CLOSED_ENUMERATIONS = frozenset({"eks", "kms", "elbv2", "budgets"})


class AwsError(OperationError):
    """AWS refused. `code` is AWS's error code."""

    def __init__(self, service: str, operation: str, code: str, message: str) -> None:
        super().__init__(f"operation error {_SPOKEN.get(service, service)}: {operation}, api error {code}: {message}")
        self.code = code
        self.message = message


def imitates(service: str, operation: str) -> Callable[[Imitation], Imitation]:
    """Register a function as the imitation of an operation that moto lacks."""

    def register(call: Imitation) -> Imitation:
        _IMITATIONS[service, operation] = call
        return call

    return register


@dataclass(frozen=True)
class Account:
    """The imitated account, seen from one region within one transaction.

    default_tags: the provider's tags for every resource.
    """

    state: AccountState
    world: World
    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the twelve digits."""
        return self.state.account

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return AWS's response. Parameters that are None are left out. Raises `AwsError`."""
        from botocore import xform_name  # previews need none of it
        from botocore.exceptions import ClientError, ParamValidationError
        from botocore.validate import ParamValidator

        parameters = {name: value for name, value in parameters.items() if value is not None}
        self.state.tables.setdefault(CALLS, {})[f"{service}:{operation}"] = True
        client = self.world.client(service, self.region)
        shape = client.meta.service_model.operation_model(operation).input_shape
        if shape is not None and service in _CLOSED_ENUMERATIONS:
            _require_enumerations(service, operation, shape, parameters)
        imitation = _IMITATIONS.get((service, operation))
        try:
            if imitation is None:
                response: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
                return response
            report = ParamValidator().validate(parameters, shape)
            if report.has_errors():
                raise AwsError(service, operation, "ValidationException", report.generate_report())
            return imitation(self, parameters)
        except ParamValidationError as error:
            raise AwsError(service, operation, "ValidationException", str(error)) from error
        except ClientError as error:
            detail = error.response["Error"]
            raise AwsError(service, operation, detail["Code"], detail["Message"]) from error

    def tags(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """Return the tags of a resource: the provider's default tags, overridden by its own."""
        return {**self.default_tags, **(inputs.get("tags") or {})}

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.id}:{resource}"

    def zones(self) -> dict[str, str]:
        """Map each zone's name to its id, for the zones of the region."""
        zones = self.call("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
        return {zone["ZoneName"]: zone["ZoneId"] for zone in zones}

    def request(self, service: str, operation: str, inputs: Mapping[str, Any], names: str = "") -> dict[str, Any]:
        """Turn Pulumi inputs into parameters of an operation: the named properties, spelled and typed as AWS has them.

        `names` holds words; without any, all inputs are taken. Inputs that are absent stay absent.
        """
        selected = {name: inputs[name] for name in names.split() or inputs if inputs.get(name) is not None}
        parameters: dict[str, Any] = shape_like(self.shape(service, operation), selected)
        return parameters

    def shape(self, service: str, operation: str) -> Any:
        """Return botocore's shape of an operation's input."""
        return self.world.client(service, self.region).meta.service_model.operation_model(operation).input_shape


def shape_like(shape: Any, value: Any) -> Any:
    """Bring a Pulumi value into the spelling and types of a botocore shape.

    Names are matched without regard to case and plural (`instanceTypes`, `InstanceTypes`, `instanceType`), because the
    provider's names are AWS's own, in camel case and with plurals for lists. Names that AWS does not have are dropped,
    and a map of tags becomes AWS's list of keys and values.
    """
    if value is None:
        return None
    if shape.type_name == "structure":
        members = {_comparable(name): (name, member) for name, member in shape.members.items()}
        structure = {}
        for key, item in value.items():
            match = members.get(_comparable(key))
            if match is not None and item is not None:
                structure[match[0]] = shape_like(match[1], item)
        return structure
    if shape.type_name == "list" and isinstance(value, dict) and _is_tag(shape.member):
        return [{"Key": str(key), "Value": str(item)} for key, item in sorted(value.items())]
    if shape.type_name == "list":
        return [shape_like(shape.member, item) for item in (value if isinstance(value, list) else [value])]
    if shape.type_name == "map":
        return {str(key): shape_like(shape.value, item) for key, item in value.items()}
    if shape.type_name == "boolean":
        return value if isinstance(value, bool) else str(value) == "true"
    if shape.type_name in {"integer", "long"}:
        return int(value)
    if shape.type_name in {"float", "double"}:
        return float(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _is_tag(shape: Any) -> bool:
    """Tell whether a list of this member is AWS's form of a map of tags."""
    return shape.type_name == "structure" and set(shape.members) == {"Key", "Value"}


def _comparable(name: str) -> str:
    return re.sub(r"(?<=[^s])s$", "", name.lower())


def _require_enumerations(service: str, operation: str, shape: Any, value: Any, path: str = "") -> None:
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                _require_enumerations(service, operation, shape.members[name], item, f"{path}.{name}".strip("."))
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            _require_enumerations(service, operation, shape.member, item, path)
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        raise AwsError(
            service, operation, "InvalidParameterException", f"{path} is {value!r}; valid values are [{allowed}]"
        )


_SPOKEN = {
    "ec2": "EC2",
    "eks": "EKS",
    "iam": "IAM",
    "s3": "S3",
    "kms": "KMS",
    "logs": "CloudWatch Logs",
    "elbv2": "Elastic Load Balancing v2",
    "autoscaling": "Auto Scaling",
    "acm": "ACM",
    "route53": "Route 53",
    "secretsmanager": "Secrets Manager",
    "budgets": "Budgets",
    "ssm": "SSM",
    "sts": "STS",
}
