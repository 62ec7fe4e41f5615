"""Container images by reference: repository, tag and digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Image:
    """A container image is named by `tag`, by `digest`, or by both; the other may be None.

    pull_secrets: names of Kubernetes Secrets with an account at its registry.
    engine_version: release of the engine in it, where its tag does not tell; None where the tag does.
    """

    repository: str
    tag: str | None
    digest: str | None
    pull_secrets: tuple[str, ...] = ()
    engine_version: str | None = None

    @staticmethod
    def parse(reference: str) -> Image:
        """Split `REPOSITORY[:TAG][@sha256:…]` into its parts.

        Raises ValueError when neither tag nor digest is given.
        """
        name, _, digest = reference.partition("@")
        repository, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            repository, tag = name, ""
        if not repository or not (tag or digest):
            raise ValueError(f"`{reference}` is no image; write REPOSITORY:TAG@sha256:…")
        return Image(repository, tag or None, digest or None)

    @property
    def reference(self) -> str:
        """Return the image as a container names it."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"

    def values(self) -> dict[str, Any]:
        """Return the charts' `image` block."""
        values: dict[str, Any] = {
            "repository": self.repository,
            "tag": self.tag,
            "digest": self.digest,
            "requireDigest": self.digest is not None,
        }
        if self.engine_version is not None:
            values["engineVersion"] = self.engine_version
        return {**values, "pullSecrets": list(self.pull_secrets)} if self.pull_secrets else values
