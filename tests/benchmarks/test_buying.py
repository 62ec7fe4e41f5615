"""The benchmark of ways to buy: each option is one that prod can have, beside the fourth route."""

from __future__ import annotations

import pytest

from benchmarks.buying import OPTIONS, inputs_of


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_what_it_names_and_nothing_else(option: str) -> None:
    environment = inputs_of(option).environment
    assert set(environment.routes) == {"chat", "code", "extraction", "help"}
    assert environment.purchase.spot_share == (0.5 if "spot" in option else 0.0)
    assert set(environment.elastic_families) == ({"G", "P"} if "elastic" in option else set())
