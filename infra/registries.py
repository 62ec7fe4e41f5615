"""Registries that publish images: where their layers lie, and how a mirror names what it takes from them.

Nodes reach S3 through the network's endpoint, whose policy admits named buckets only. Some registries keep their layers
in buckets of S3, so that a pull from them ends at that endpoint and is refused unless the bucket is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from infra.images import Image
from planner.words.names import bounded

AMAZON = "ecr"
"""The mirror that is the account's own registry."""
CACHE_PREFIX_LIMIT = 30
"""Most characters of the part of a repository's name that tells Amazon's registry where to fetch from."""


@dataclass(frozen=True)
class Registry:
    """A registry publishes images.

    host: name in front of its images.
    short: its part of the names of repositories that hold copies.
    upstream: address from which Amazon's registry fetches; None where it cannot.
    layers: bucket of S3 with its layers, `{region}` for that of the nodes; None where they lie elsewhere.
    needs_account: whether Amazon's registry fetches with an account there only.
    counts_pulls: whether it limits those who pull without an account.
    """

    host: str
    short: str
    upstream: str | None
    layers: str | None = None
    needs_account: bool = False
    counts_pulls: bool = False


DOCKER_HUB = Registry("docker.io", "hub", "registry-1.docker.io", "docker-images-prod", True, True)
PUBLISHED = (
    DOCKER_HUB,
    Registry("registry.k8s.io", "k8s", "registry.k8s.io", "prod-registry-k8s-io-{region}"),
    Registry("quay.io", "quay", "quay.io", "quayio-production-s3"),
    Registry("public.ecr.aws", "public", "public.ecr.aws"),
    Registry("nvcr.io", "nvidia", None),
    Registry("ghcr.io", "github", None),
)
"""Amazon's registry also fetches from ghcr.io, with an account there; nothing of ours asks for one."""


@dataclass(frozen=True)
class Mirror:
    """A mirror is where nodes take published images from.

    address: `ecr`, or host and path of a registry.
    account, region: those of the environment.
    prefix: beginning of its names, such as `spillway-prod`.
    """

    address: str
    account: str
    region: str
    prefix: str

    def place(self, image: Image) -> Image:
        """Return the image as nodes ask for it. One that no known registry publishes is the team's own and stays."""
        registry, path = published(image)
        if registry is None:
            return image
        if self.address != AMAZON:
            return replace(image, repository=f"{self.address}/{path}")
        if registry.upstream is None:
            return image
        host = f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"
        return replace(image, repository=f"{host}/{self.cached(registry)}/{path}")

    def cached(self, registry: Registry) -> str:
        """Return the beginning of the names of repositories that Amazon's registry fills from there."""
        return f"{cache_folder(self.prefix)}/{registry.short}"

    def fetched(self, images: Iterable[Image]) -> dict[Registry, tuple[str, ...]]:
        """Return the repositories that Amazon's registry fills, by where it fetches them from, sorted."""
        found: dict[Registry, set[str]] = {}
        for image in images:
            registry, path = published(image)
            if self.address == AMAZON and registry is not None and registry.upstream is not None:
                found.setdefault(registry, set()).add(path)
        return {registry: tuple(sorted(found[registry])) for registry in PUBLISHED if registry in found}


def cache_folder(prefix: str) -> str:
    """Return the first folder of all repositories that Amazon's registry fills for an environment."""
    return bounded(prefix, CACHE_PREFIX_LIMIT - len("/public"))


def published(image: Image) -> tuple[Registry | None, str]:
    """Return the known registry that publishes an image, and the image's path there.

    A name whose first part is no host is one of Docker Hub; one without a folder is in its folder `library`.
    """
    host, slash, path = image.repository.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = DOCKER_HUB.host, image.repository
    if host == DOCKER_HUB.host and "/" not in path:
        path = f"library/{path}"
    return next((registry for registry in PUBLISHED if registry.host == host), None), path


def layer_buckets(images: Iterable[Image], region: str) -> tuple[str, ...]:
    """Return the buckets that hold layers of these images, as nodes ask for them, sorted.

    That of the region's own registry is always among them: add-ons of EKS come from there.
    """
    found = {f"prod-{region}-starport-layer-bucket"}
    for image in images:
        registry, _ = published(image)
        if registry is not None and registry.layers is not None:
            found.add(registry.layers.format(region=region))
    return tuple(sorted(found))
