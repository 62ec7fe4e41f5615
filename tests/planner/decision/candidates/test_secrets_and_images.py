"""Secrets and mirrored images of a plan: which there are, what they cost, and that older environments know neither."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from planner.decision.candidates.platform import MIRRORED_IMAGES_GB, cluster_parts
from planner.domain.environment import Images, Platform
from planner.edges.catalog_files import load_catalog
from planner.money.cost import cluster_lines

PRICES = load_catalog().prices


def platform(**changes: object) -> Platform:
    base = {"account": "123456789012", "region": "us-east-1", "zones": ("use1-az4", "use1-az6")}
    return Platform.model_validate({**base, **changes})


def test_an_environment_that_says_nothing_writes_nothing() -> None:
    assert not {"images", "secrets"} & platform().model_dump(mode="json").keys()
    parts = cluster_parts(platform(), 1.0, PRICES, ["OPENAI_API_KEY"])
    assert (parts.secrets, parts.mirrored_images_gb) == ((), None)
    assert not {"secrets", "mirrored_images_gb"} & parts.model_dump(mode="json").keys()


@pytest.mark.parametrize(
    ("changes", "secrets"),
    [
        ({"secrets": "secrets-manager"}, ("A_KEY", "B_KEY", "client-keys")),
        ({"images": {"mirror": "ecr"}}, ("docker-hub",)),
        ({"images": {"mirror": "harbor.acme.example/mirror"}}, ()),
        ({"secrets": "secrets-manager", "images": {"mirror": "ecr"}}, ("A_KEY", "B_KEY", "client-keys", "docker-hub")),
    ],
)
def test_each_key_is_one_secret_and_each_secret_is_on_the_bill(
    changes: dict[str, object], secrets: tuple[str, ...]
) -> None:
    parts = cluster_parts(platform(**changes), 1.0, PRICES, ["B_KEY", "A_KEY", "B_KEY"])
    assert parts.secrets == secrets
    lines = {line.name: line for line in cluster_lines("us-east-1", parts, PRICES)[0]}
    assert ("secrets" in lines) is bool(secrets)
    if secrets:
        assert str(lines["secrets"].usd_per_month) == f"{0.4 * len(secrets):.2f}"
    kept = lines.get("images in the account's registry")
    assert (kept is not None) == (parts.mirrored_images_gb is not None)
    if kept is not None:
        assert kept.quantity == MIRRORED_IMAGES_GB


@pytest.mark.parametrize("mirror", ["ECR", "registry", "https://registry.example.com", "registry.example.com/", ""])
def test_a_mirror_that_cannot_be_meant_is_refused(mirror: str) -> None:
    with pytest.raises(ValidationError):
        Images(mirror=mirror)


@pytest.mark.parametrize("mirror", ["ecr", "registry.example.com", "registry.example.com:5000/a/b-c"])
def test_a_mirror_is_amazons_or_an_address(mirror: str) -> None:
    assert Images(mirror=mirror).mirror == mirror
