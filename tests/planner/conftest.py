"""Plans of tests stand alone: what stands beside a plan takes four times as long as the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.planner import small


@pytest.fixture
def alone() -> Iterator[None]:
    """Plans have no alternatives and no break-even; plans that `small` keeps for all tests do."""
    with small.alone():
        yield
