"""The EKS operations that moto lacks: add-ons, access entries, access policies, Pod Identity, version updates.

Parameters have passed botocore's validation when they arrive here. Objects live in the store's tables, keyed as EKS
keys them; responses carry the fields that the provider reads. Errors and their texts are EKS's.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from twin.aws import releases
from twin.aws.account import Account, AwsError, imitates

ADDONS = frozenset(
    {
        "adot", "amazon-cloudwatch-observability", "aws-ebs-csi-driver", "aws-efs-csi-driver",
        "aws-fsx-csi-driver", "aws-guardduty-agent", "aws-mountpoint-s3-csi-driver",
        "aws-network-flow-monitoring-agent",
        "aws-secrets-store-csi-driver-provider", "aws-privateca-connector", "cert-manager", "coredns",
        "eks-node-monitoring-agent", "eks-pod-identity-agent", "external-dns", "kube-proxy", "kube-state-metrics",
        "metrics-server", "prometheus-node-exporter", "snapshot-controller", "vpc-cni",
    }
)  # fmt: skip
"""Add-ons that EKS lists for every cluster version (`eks:DescribeAddonVersions`)."""

ACCESS_POLICIES = frozenset(
    f"arn:aws:eks::aws:cluster-access-policy/AmazonEKS{name}Policy"
    for name in ("ClusterAdmin", "Admin", "AdminView", "Edit", "View", "AutoNode", "Hybrid")
)

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
"""Kubernetes versions that EKS offers, in order. An upgrade takes one step."""


def _table(aws: Account, name: str) -> dict[str, Any]:
    return aws.state.tables.setdefault(f"eks.{name}", {})


def _refuse(operation: str, code: str, message: str) -> AwsError:
    return AwsError("eks", operation, code, message)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(*parts: str) -> str:
    return "|".join(parts)


def _stored(aws: Account, table: str, operation: str, message: str, *parts: str) -> dict[str, Any]:
    stored: dict[str, Any] | None = _table(aws, table).get(_key(*parts))
    if stored is None:
        raise _refuse(operation, "ResourceNotFoundException", message)
    return stored


@imitates("eks", "CreateAddon")
def _create_addon(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster = aws.call("eks", "DescribeCluster", name=request["clusterName"])["cluster"]
    name = request["addonName"]
    if name not in ADDONS:
        message = f"Addon {name} specified is not supported in {cluster['version']} kubernetes version"
        raise _refuse("CreateAddon", "InvalidParameterException", message)
    if _key(cluster["name"], name) in _table(aws, "addons"):
        raise _refuse("CreateAddon", "ResourceInUseException", "Addon already exists.")
    _require_json(request.get("configurationValues"), "CreateAddon")
    for association in request.get("podIdentityAssociations") or ():
        _require_pod_role(aws, "CreateAddon", association["roleArn"])
    addon = {
        **request,
        "addonVersion": request.get("addonVersion") or releases.addon_version(aws, _version(aws, cluster)),
        "addonArn": aws.arn("eks", f"addon/{cluster['name']}/{name}/{uuid.uuid4()}"),
        "status": "ACTIVE",
        "createdAt": _now(),
        "modifiedAt": _now(),
    }
    _table(aws, "addons")[_key(cluster["name"], name)] = addon
    return {"addon": addon}


@imitates("eks", "UpdateAddon")
def _update_addon(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    parts = (request["clusterName"], request["addonName"])
    addon = _stored(aws, "addons", "UpdateAddon", f"No addon: {parts[1]} found in cluster: {parts[0]}", *parts)
    _require_json(request.get("configurationValues"), "UpdateAddon")
    addon.update(request, modifiedAt=_now())
    return {"update": {"status": "Successful"}}


@imitates("eks", "DeleteAddon")
def _delete_addon(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    parts = (request["clusterName"], request["addonName"])
    addon = _stored(aws, "addons", "DeleteAddon", f"No addon: {parts[1]} found in cluster: {parts[0]}", *parts)
    del _table(aws, "addons")[_key(*parts)]
    return {"addon": addon}


def _require_json(text: str | None, operation: str) -> None:
    if text is None:
        return
    try:
        json.loads(text)
    except ValueError as error:
        message = f"ConfigurationValue provided in request is not supported: not JSON ({error})"
        raise _refuse(operation, "InvalidParameterException", message) from error


@imitates("eks", "CreateAccessEntry")
def _create_access_entry(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster, principal = request["clusterName"], request["principalArn"]
    aws.call("eks", "DescribeCluster", name=cluster)
    if not principal.startswith("arn:aws:iam::") or ":" not in principal[len("arn:aws:iam::") :]:
        message = "The specified principalArn is invalid: invalid principal."
        raise _refuse("CreateAccessEntry", "InvalidParameterException", message)
    if _key(cluster, principal) in _table(aws, "access_entries"):
        message = "The specified access entry resource is already in use on this cluster."
        raise _refuse("CreateAccessEntry", "ResourceInUseException", message)
    if any(group.startswith("system:") for group in request.get("kubernetesGroups") or ()):
        message = "The kubernetes group name is invalid: it cannot start with system:"
        raise _refuse("CreateAccessEntry", "InvalidParameterException", message)
    entry = {
        **request,
        "accessEntryArn": aws.arn("eks", _access_entry_path(cluster, principal)),
        "type": request.get("type", "STANDARD"),
        "username": request.get("username") or principal,
        "createdAt": _now(),
        "modifiedAt": _now(),
    }
    _table(aws, "access_entries")[_key(cluster, principal)] = entry
    return {"accessEntry": entry}


def _access_entry_path(cluster: str, principal: str) -> str:
    """Spell the entry as EKS does: cluster, kind, account and name of the principal, and a number of its own."""
    account, _, rest = principal.removeprefix("arn:aws:iam::").partition(":")
    kind, _, name = rest.partition("/")
    return f"access-entry/{cluster}/{kind}/{account}/{name}/{uuid.uuid4()}"


@imitates("eks", "UpdateAccessEntry")
def _update_access_entry(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    entry = _access_entry(aws, "UpdateAccessEntry", request["clusterName"], request["principalArn"])
    entry.update(request, modifiedAt=_now())
    return {"accessEntry": entry}


@imitates("eks", "DeleteAccessEntry")
def _delete_access_entry(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster, principal = request["clusterName"], request["principalArn"]
    _access_entry(aws, "DeleteAccessEntry", cluster, principal)
    del _table(aws, "access_entries")[_key(cluster, principal)]
    # EKS drops the entry's policies with it.
    policies = _table(aws, "access_policies")
    for key in [key for key in policies if key.startswith(_key(cluster, principal, ""))]:
        del policies[key]
    return {}


def _access_entry(aws: Account, operation: str, cluster: str, principal: str) -> dict[str, Any]:
    message = f"The specified principalArn could not be found. You can view your available access entries: {principal}"
    return _stored(aws, "access_entries", operation, message, cluster, principal)


@imitates("eks", "AssociateAccessPolicy")
def _associate_access_policy(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster, principal, policy = request["clusterName"], request["principalArn"], request["policyArn"]
    _access_entry(aws, "AssociateAccessPolicy", cluster, principal)
    if policy not in ACCESS_POLICIES:
        raise _refuse("AssociateAccessPolicy", "InvalidParameterException", f"The policyArn {policy} is not valid.")
    scope = request["accessScope"]
    if scope.get("type") == "namespace" and not scope.get("namespaces"):
        message = "namespaces must be given for an access scope of type namespace"
        raise _refuse("AssociateAccessPolicy", "InvalidParameterException", message)
    association = {**request, "associatedAt": _now(), "modifiedAt": _now()}
    _table(aws, "access_policies")[_key(cluster, principal, policy)] = association
    return {"associatedAccessPolicy": association}


@imitates("eks", "DisassociateAccessPolicy")
def _disassociate_access_policy(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    key = _key(request["clusterName"], request["principalArn"], request["policyArn"])
    _table(aws, "access_policies").pop(key, None)
    return {}


@imitates("eks", "CreatePodIdentityAssociation")
def _create_pod_identity(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster = aws.call("eks", "DescribeCluster", name=request["clusterName"])["cluster"]["name"]
    account = (cluster, request["namespace"], request["serviceAccount"])
    if _key(*account) in _table(aws, "pod_identities"):
        raise _refuse("CreatePodIdentityAssociation", "ResourceInUseException", "Association already exists: a-twin")
    _require_pod_role(aws, "CreatePodIdentityAssociation", request["roleArn"])
    identifier = f"a-{uuid.uuid4().hex[:17]}"
    association = {
        **request,
        "associationId": identifier,
        "associationArn": aws.arn("eks", f"podidentityassociation/{cluster}/{identifier}"),
        "createdAt": _now(),
        "modifiedAt": _now(),
    }
    _table(aws, "pod_identities")[_key(*account)] = association
    return {"association": association}


@imitates("eks", "UpdatePodIdentityAssociation")
def _update_pod_identity(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    association = _pod_identity(aws, "UpdatePodIdentityAssociation", request["associationId"])
    if request.get("roleArn"):
        _require_pod_role(aws, "UpdatePodIdentityAssociation", request["roleArn"])
    association.update(request, modifiedAt=_now())
    return {"association": association}


@imitates("eks", "DeletePodIdentityAssociation")
def _delete_pod_identity(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    association = _pod_identity(aws, "DeletePodIdentityAssociation", request["associationId"])
    table = _table(aws, "pod_identities")
    del table[next(key for key, value in table.items() if value is association)]
    return {"association": association}


def _pod_identity(aws: Account, operation: str, identifier: str) -> dict[str, Any]:
    for association in _table(aws, "pod_identities").values():
        if association["associationId"] == identifier:
            stored: dict[str, Any] = association
            return stored
    raise _refuse(operation, "ResourceNotFoundException", f"The association {identifier} does not exist.")


def _require_pod_role(aws: Account, operation: str, arn: str) -> None:
    """Make sure that the role exists and lets EKS's pods assume it and tag the session."""
    try:
        role = aws.call("iam", "GetRole", RoleName=arn.rsplit("/", 1)[-1])["Role"]
    except AwsError as error:
        message = f"Role provided in the request does not exist: {arn}"
        raise _refuse(operation, "InvalidParameterException", message) from error
    allowed_actions: set[str] = set()
    for statement in role["AssumeRolePolicyDocument"].get("Statement", ()):
        services = (statement.get("Principal") or {}).get("Service", [])
        if statement.get("Effect") == "Allow" and "pods.eks.amazonaws.com" in _as_list(services):
            allowed_actions |= set(_as_list(statement.get("Action", [])))
    if not {"sts:AssumeRole", "sts:TagSession"} <= allowed_actions:
        raise _refuse(operation, "InvalidParameterException", "Trust policy of the given role is not valid.")


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@imitates("eks", "UpdateClusterVersion")
def _update_cluster_version(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    cluster = aws.call("eks", "DescribeCluster", name=request["name"])["cluster"]
    before, after = _version(aws, cluster), request["version"]
    both_offered = before in VERSIONS and after in VERSIONS
    if not both_offered or VERSIONS.index(after) != VERSIONS.index(before) + 1:
        message = f"Unsupported Kubernetes minor version update from {before} to {after}"
        raise _refuse("UpdateClusterVersion", "InvalidParameterException", message)
    _table(aws, "versions")[_key(request["name"], "current")] = after
    return {"update": {"status": "Successful"}}


def _version(aws: Account, cluster: dict[str, Any]) -> str:
    """Return the version that the cluster has now. moto keeps that of creation; later ones are noted here."""
    return str(_table(aws, "versions").get(_key(cluster["name"], "current"), cluster["version"]))


@imitates("eks", "UpdateNodegroupVersion")
def _update_nodegroup_version(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    aws.call("eks", "DescribeNodegroup", clusterName=request["clusterName"], nodegroupName=request["nodegroupName"])
    return {"update": {"status": "Successful"}}
