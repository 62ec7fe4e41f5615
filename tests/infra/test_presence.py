"""What the provider says of a resource that is not there is told from a refusal."""

from __future__ import annotations

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
    ["api error AccessDeniedException: not authorized to perform eks:DescribeCluster", "Rate exceeded", "timed out"],
)
def test_a_refusal_is_an_error(message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        answered(lambda: failing(message))
