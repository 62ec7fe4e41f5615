"""Plans of tests stand alone: what stands beside a plan takes four times as long as the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.planner import small


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Plans have no alternatives and no break-even; plans that `small` keeps for all tests do.

    A test of a module that uses this has them all the same where it is marked `beside`.
    """
    if request.node.get_closest_marker("beside"):
        yield
        return
    with small.alone():
        yield
