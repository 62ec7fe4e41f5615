"""Who may do what at AWS: trust and permission documents as plain values. It registers nothing.

Nodes and the control plane get AWS's managed policies by name; a pool may read its own weights and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy")
"""The CNI's policy is the node's: network interfaces are needed before Pod Identity can answer."""
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
EBS_POLICY = "service-role/AmazonEBSCSIDriverPolicy"
ADMIN_ACCESS_POLICY = "AmazonEKSClusterAdminPolicy"


def partition(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs spell it."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def managed_policy_arn(region: str, name: str) -> str:
    """ARN of a policy that AWS manages."""
    return f"arn:{partition(region)}:iam::aws:policy/{name}"


def access_policy_arn(region: str, name: str) -> str:
    """ARN of an EKS access policy."""
    return f"arn:{partition(region)}:eks::aws:cluster-access-policy/{name}"


def trust(service: str, *, account: str | None = None) -> str:
    """Trust document: an AWS service may take on the role; with `account`, only on behalf of that account."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole"],
    }
    if account is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return _document(statement)


def pod_identity_trust(account: str) -> str:
    """Trust document of a role that pods get through EKS Pod Identity."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def read_prefix(bucket_arn: str, prefix: str) -> str:
    """Permission to read the objects below one prefix of a bucket, and to list them."""
    return _document(
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{bucket_arn}/{prefix}/*"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket_arn],
            "Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
        },
    )


def storage_endpoint(bucket_arn: str, region: str) -> str:
    """Policy of the network's S3 endpoint: read the model bucket and the layers of the region's container registry."""
    layers = f"arn:{partition(region)}:s3:::prod-{region}-starport-layer-bucket"
    return _document(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
        },
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"{layers}/*"]},
    )


def encrypted_transport_only(bucket_arn: str) -> str:
    """Bucket policy: whoever may do something may do it over TLS only."""
    return _document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def flow_log_writer(log_group_arn: str) -> str:
    """Permission to write into one log group."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return _document({"Effect": "Allow", "Action": actions, "Resource": [log_group_arn, f"{log_group_arn}:*"]})


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
