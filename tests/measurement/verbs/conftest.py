"""The verbs of `perf` run in the same checkouts as the planner's."""

from __future__ import annotations

from tests.planner.cli.conftest import checkout, unplanned

__all__ = ["checkout", "unplanned"]
