"""Which environments changed files touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.pull_request import touched

NAMES = ("dev", "later", "prod", "staging")
LOCKED = ("dev", "prod", "staging")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], ()),
        (["prod.yaml"], ("prod",)),
        (["prod.lock.json", "dev.yaml"], ("dev", "prod")),
        (["gone.yaml", "gone.lock.json"], ()),
        (["Pulumi.prod.yaml", "README.md"], ()),
        (["own.trace.json"], LOCKED),
        (["catalog/prices/api/openai.yaml"], LOCKED),
        (["calibration/l4.yaml"], LOCKED),
        (["catalog/prod.yaml", "later.yaml"], NAMES),
    ],
)
def test_files_touch_environments(paths: list[str], names: tuple[str, ...]) -> None:
    assert touched(paths, NAMES, LOCKED) == names


FILES = st.sampled_from(["dev.yaml", "prod.lock.json", "x.trace.json", "catalog/a.yaml", "Pulumi.dev.yaml", "no.yaml"])


@given(st.lists(FILES), st.lists(FILES))
def test_more_files_never_touch_less(some: list[str], more: list[str]) -> None:
    alone, together = set(touched(some, NAMES, LOCKED)), set(touched([*more, *some], NAMES, LOCKED))
    assert alone <= together <= set(NAMES)
    assert touched([*more, *some], NAMES, LOCKED) == touched([*some, *more], reversed(NAMES), reversed(LOCKED))
