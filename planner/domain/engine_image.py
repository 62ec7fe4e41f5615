"""Which image of the engine pools run, as a team asks for it: one for all of them, and another that is tried beside it.

An image is named by its repository and a tag, which tells the release, and should have its digest. A canary takes over
some replicas of each pool: nothing more is bought for it, and nothing of the plan's arithmetic changes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from planner.domain.environment_part import EnvironmentPart
from planner.words.fields import left_out_at

IMAGE = (
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r":[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(@sha256:[0-9a-f]{64})?$"
)
"""How an image is spelled: REPOSITORY:TAG, with its digest or without."""

WRITTEN = "an image: REPOSITORY:TAG@sha256:…, where the digest has 64 characters"

ImageName = Annotated[str, Field(pattern=IMAGE)]


class EngineCanary(EnvironmentPart):
    """Another image of the engine, which some replicas of each pool run."""

    image: Annotated[ImageName, Field(description=WRITTEN)]
    replicas: Annotated[int, Field(ge=1, le=100)] = 1


class EngineImage(EnvironmentPart):
    """The image of the engine. Without one, pools run that of the charts."""

    image: Annotated[ImageName | None, Field(description=WRITTEN)] = None
    canary: EngineCanary | None = left_out_at(None)


def tag_of(image: str | None) -> str | None:
    """Return the tag of an image; None where there is no image."""
    return None if image is None else image.partition("@")[0].rpartition(":")[2]
