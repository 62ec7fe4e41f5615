"""Who may do what at AWS: trust and permission documents as plain values. The module registers nothing.

Nodes and the control plane get AWS's managed policies by name. A pool may read its own weights and
those of its adapters, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy")
"""Managed policies of a node. The CNI's is among them, because network interfaces are needed before Pod Identity can
answer."""
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
EBS_POLICY = "service-role/AmazonEBSCSIDriverPolicy"
ADMIN_ACCESS_POLICY = "AmazonEKSClusterAdminPolicy"
WRITES = ("s3:AbortMultipartUpload", "s3:PutObject")
"""What a copy of weights may do beside reading. A large object is put together of parts that are put one by one."""


UPLOADING = (
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
"""What a machine asks of a bucket that it fills and reads."""


def partition(region: str) -> str:
    """Return the part of AWS that a region belongs to, as ARNs spell it."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def managed_policy_arn(region: str, name: str) -> str:
    """Return the ARN of a policy that AWS manages."""
    return f"arn:{partition(region)}:iam::aws:policy/{name}"


def access_policy_arn(region: str, name: str) -> str:
    """Return the ARN of an EKS access policy."""
    return f"arn:{partition(region)}:eks::aws:cluster-access-policy/{name}"


def trust(service: str, *, account: str | None = None) -> str:
    """Let an AWS service take on the role; with `account`, only on behalf of that account."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole"],
    }
    if account is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return _document(statement)


def pod_identity_trust(account: str) -> str:
    """Let pods take on the role through EKS Pod Identity."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def read_prefixes(*places: tuple[str, str]) -> str:
    """Permit to read the objects below some prefixes, and to list them.

    places: the ARN of the bucket and the prefix of each.
    """
    return _document(*(statement for place in places for statement in _reading(*place)))


def fill_prefix(bucket_arn: str, prefix: str, secret_arn: str | None) -> str:
    """Permit to write the objects below one prefix and to read them back; and to read one secret.

    secret_arn: the secret with the token of the weights' source; None without one.
    """
    read, listed = _reading(bucket_arn, prefix)
    writing = {"Effect": "Allow", "Action": [*WRITES], "Resource": [f"{bucket_arn}/{prefix}/*"]}
    secret = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [secret_arn]}
    return _document(read, listed, writing, *([secret] if secret_arn else []))


def secret_arn(name: str, account: str, region: str) -> str:
    """Return the ARN of a secret of the account. AWS adds six characters to its name, which nobody knows beforehand.

    name: its name, or its ARN.
    """
    if name.startswith("arn:"):
        return name
    return f"arn:{partition(region)}:secretsmanager:{region}:{account}:secret:{name}-??????"


def own_weights(address: str, region: str) -> tuple[str, str]:
    """Return the ARN of the bucket and the prefix of a team's own weights, `s3://BUCKET/PREFIX`."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return f"arn:{partition(region)}:s3:::{bucket}", prefix.rstrip("/")


def storage_endpoint(
    bucket_arn: str, region: str, own: Sequence[str] = (), layers: Sequence[str] = (), state: str | None = None
) -> str:
    """Permit what may pass the network's S3 endpoint. The endpoint is a wall and gives no rights: who asks must also be
    allowed to.

    bucket_arn: the model bucket, which pools read and machines inside the network may fill.
    own: addresses of the team's own weights.
    layers: buckets with layers of the images that run.
    state: bucket with Pulumi's state, where a machine inside the network deploys.
    """
    read = [_reading(*own_weights(address, region)) for address in own]
    buckets = [f"arn:{partition(region)}:s3:::{bucket}/*" for bucket in layers]
    deploying = [_passing(f"arn:{partition(region)}:s3:::{state}", *UPLOADING, "s3:DeleteObject")] if state else []
    return _document(
        _passing(bucket_arn, *UPLOADING),
        *({**statement, "Principal": "*"} for statements in read for statement in statements),
        *({"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [b]} for b in buckets),
        *deploying,
    )


def encrypted_transport_only(bucket_arn: str) -> str:
    """Deny everything at a bucket that does not come over TLS."""
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
    """Permit to write into one log group."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return _document({"Effect": "Allow", "Action": actions, "Resource": [log_group_arn, f"{log_group_arn}:*"]})


def read_secrets(*arns: str) -> str:
    """Permit to read the values of some secrets."""
    actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    return _document({"Effect": "Allow", "Action": actions, "Resource": sorted(arns)})


def fetch_images(*arns: str) -> str:
    """Permit to have some repositories filled from where their images are published."""
    return _document({"Effect": "Allow", "Action": ["ecr:BatchImportUpstreamImage"], "Resource": sorted(arns)})


def _passing(bucket_arn: str, *actions: str) -> dict[str, Any]:
    resources = [bucket_arn, f"{bucket_arn}/*"]
    return {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resources}


def _reading(bucket_arn: str, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{bucket_arn}/{prefix}/*"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket_arn],
            "Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
        },
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
