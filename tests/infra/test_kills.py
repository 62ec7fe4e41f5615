"""A run that is killed leaves nothing that the next one does not find again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.kills import survive

pytestmark = pytest.mark.engine


def test_an_environment_comes_up_through_kills_and_leaves_nothing(tmp_path: Path) -> None:
    found = survive(tmp_path, seed=13, kills=4, most_orders=28)
    assert len(found.kills) >= 3  # the last may find a run that is over
    assert any("DEP085" in line for line in found.told)
    assert found.last is not None
    assert found.last.status == 0, found.last.output
    assert {name: count for name, count in found.names.items() if count > 1} == {}
    assert found.unknown == set()
    assert found.again is not None
    assert found.again.changed() == {}
    assert set(found.left) <= {"aws:kms/key:Key"}
