"""What the provider says of a resource that is not there is told from a refusal."""

from __future__ import annotations

import re

import pytest

from infra.presence import answered


def failing(message: str) -> None:
    raise RuntimeError(message)


@pytest.mark.parametrize(
    "message",
    [
        "reading EKS Cluster (prod): couldn't find resource",
        "no matching EC2 VPC found",
        "query returned no results",
        "Search returned 0 results, please revise so only one is returned",
        "reading S3 Bucket (models): empty result",
        "api error NoSuchEntity: The role with name x cannot be found",
        "api error ResourceNotFoundException: No cluster found for name: prod.",
        "api error InvalidVpcID.NotFound: The vpc ID 'vpc-0a' does not exist",
        "ECR Repository (spillway-prod/hub/a) not found",
    ],
)
def test_what_is_absent_is_no_error(message: str) -> None:
    assert answered(lambda: failing(message)) is None


@pytest.mark.parametrize(
    "message",
    [
        "api error AccessDeniedException: not authorized to perform eks:DescribeCluster",
        "api error AccessDeniedException: User: arn:aws:iam::123456789012:user/ci is not authorized to perform: "
        "kms:DescribeKey on this resource because the resource does not exist in this Region, no resource-based "
        "policies allow access, or a resource-based policy explicitly denies access",
        "api error UnauthorizedOperation: You are not permitted to describe it, or it does not exist",
        "Rate exceeded",
        "timed out",
    ],
)
def test_a_refusal_is_an_error(message: str) -> None:
    with pytest.raises(RuntimeError, match=re.escape(message)):
        answered(lambda: failing(message))
