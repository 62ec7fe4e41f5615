"""What all values of a plan share: they are frozen, and they keep the keys that a newer format added."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Provenance = Literal["measured", "calibrated", "analytic"]
VerdictState = Literal["pass", "warn", "deny"]


class PlanPart(BaseModel):
    """Base of everything in a plan. Unknown keys of a newer minor version are not read, but kept: the content digest
    of the lock covers them."""

    model_config = ConfigDict(frozen=True, extra="allow")
