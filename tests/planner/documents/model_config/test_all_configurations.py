"""All published configurations that the project has gathered: a row or a named problem, totals equal or explained.

The files lie beside the checkout and are not part of it; without them the test is skipped. `python -m
tools.catalog.configurations FOLDER` prints what is compared here.
"""

from __future__ import annotations

from functools import cache

import pytest

from planner.edges.catalog_files import load_catalog
from tests.examples import ROOT
from tools.catalog.configurations import ReadConfiguration, read_all

_PLACES = [ROOT.parent / "shared", ROOT.parents[1] / "shared"]
FOLDER = next((place / "data" / "configs" for place in _PLACES if place.is_dir()), _PLACES[0] / "data" / "configs")
pytestmark = pytest.mark.skipif(not (FOLDER / "index.csv").exists(), reason="the gathered configurations are not here")
OTHER_FILE = {"gemma-3-12b-it", "gemma-3-4b-it", "llama-2-13b-chat"}
"""Shipped models whose gathered file is of another revision: its vocabulary or its context differ."""


@cache
def everything() -> tuple[ReadConfiguration, ...]:
    """All gathered configurations."""
    return tuple(read_all(FOLDER))


def test_each_makes_a_row_or_a_named_problem() -> None:
    refused = [read for read in everything() if read.derived is None]
    for read in refused:
        assert {problem.code for problem in read.problems} <= {"CFG002", "CFG003", "CFG005", "CFG007"}
        assert all(problem.where and problem.message and problem.hint for problem in read.problems)
    assert len(everything()) - len(refused) >= 180


def test_nine_of_ten_published_totals_are_equal_or_explained_by_name() -> None:
    counted = [read for read in everything() if read.derived is not None and read.published is not None]
    open_ones = [read.row["file"] for read in counted if read.parts is None]
    assert len([read for read in counted if read.parts == ()]) >= 85
    assert len(open_ones) <= 0.1 * len(counted), open_ones
    for read in counted:
        assert read.derived is not None
        assert read.published is not None
        beside = sum(part.weights for part in read.parts or ())
        assert read.parts is None or read.published == read.derived.architecture.params_loaded + beside


def test_shipped_rows_agree_with_their_published_configuration() -> None:
    models = load_catalog().models
    seen = 0
    for read in everything():
        key = read.row["catalog_key"]
        if read.derived is None or key not in models or read.row["form"] == "class defaults" or key in OTHER_FILE:
            continue
        mine, shipped = read.derived.architecture, models[key].architecture
        seen += 1
        for name in (
            *("params_total", "params_active", "kv_bytes_per_token_growing", "kv_bytes_per_token_windowed"),
            *("layers", "hidden", "heads", "kv_heads", "head_dim", "full_layers", "sliding_layers", "linear_layers"),
            *("sliding_window", "linear_state_elements", "vocab", "tied_embeddings"),
            *("experts", "latent", "linear", "indexer", "compressed"),
        ):
            assert getattr(mine, name) == getattr(shipped, name), (key, name)
        assert read.derived.max_context == models[key].max_context, key
        assert read.derived.stored.native == models[key].native, key
    assert seen >= 35
