"""What all values of a plan share: they are frozen, and they keep keys that a newer format added."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Provenance = Literal["measured", "calibrated", "analytic"]
"""Provenance says how a performance figure is known: by measurement, by a fit of measurements, or by computation."""
VerdictState = Literal["pass", "warn", "deny"]
"""A verdict lets a plan pass, warns of it, or denies its deployment."""


class PlanPart(BaseModel):
    """A part is any value of a plan. It keeps the keys of a newer minor version, as the content digest covers them."""

    model_config = ConfigDict(frozen=True, extra="allow")
