"""What all tests share: a twin cluster for those that ask, and the order of the expensive ones."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.forges import Forges, serving
from tests.tools import require_cluster_tools
from twin.cluster import LocalCluster, RunningCluster

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Workers share the cores: threads that wait for each other make a fit of one second take twenty."""
_EXPENSIVE = ("autoscaling", "cluster", "engine", "system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the expensive modules first; all tests of a module run on one worker, where they share its cluster."""
    items.sort(key=lambda item: not _is_expensive(item))


def _is_expensive(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(marker) for marker in _EXPENSIVE)


@pytest.fixture(scope="session")
def served_forges() -> Iterator[Forges]:
    with serving() as forges:
        yield forges


@pytest.fixture
def forges(served_forges: Forges) -> Forges:
    """Imitated forges, of which nobody has asked anything."""
    served_forges.begin()
    return served_forges


@pytest.fixture(scope="module")
def cluster() -> Iterator[RunningCluster]:
    """A control plane without nodes, shared by the tests of a module; each works in a namespace of its own."""
    require_cluster_tools()
    with LocalCluster() as running:
        yield running
