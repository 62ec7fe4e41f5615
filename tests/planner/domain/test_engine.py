"""Releases of the engine: their order, what each has, and from which one on a model is served."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.catalog import Catalog
from planner.domain.engine import DEPLOYED, Engine, EngineRelease, ModelClass, StatedMinimum, Version
from planner.domain.engine_minimum import engine_gap, engine_minimum, unserved
from planner.domain.models import Model, WeightFormat
from planner.domain.prices import earliest_day
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
WRITTEN = {"source": "page", "as_of": "2026-11-30"}


def release(key: str, *classes: str, dropped: tuple[str, ...] = (), formats: tuple[str, ...] = ()) -> EngineRelease:
    return EngineRelease(key=key, classes=classes, dropped=dropped, formats=formats, source=f"file {key}", as_of="2026")


def of_class(name: str | None, native: WeightFormat = "bf16", stated: str = "") -> Model:
    """A model of that class."""
    minimum = StatedMinimum(version=stated, because="its cache", **WRITTEN) if stated else None
    known = ModelClass(name=name, **WRITTEN) if name else None
    plain = CATALOG.models["qwen3-8b"]
    return replace(plain, native=native, quantizations={}, model_class=known, engine_minimum=minimum)


ENGINE = Engine(
    [
        release("0.9.0", "Old", "Back", "Plain", formats=("fp8",)),
        release("0.10.0", dropped=("Back", "Old")),
        release("0.11.0", "Back", formats=("mxfp4",)),
        release("0.34.0", "New"),
    ]
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.9.2", "0.10.0"),
        ("0.8.5", "0.8.5.post1"),
        ("0.8.5.post1", "0.8.6"),
        ("0.10.1", "0.10.1.1"),
        ("0.33.0", "1.0"),
        ("v0.3", "0.3.1"),
    ],
)
def test_releases_are_ordered_by_their_numbers(before: str, after: str) -> None:
    assert Version.of(before) < Version.of(after)
    assert not Version.of(after) <= Version.of(before)


@pytest.mark.parametrize("text", ["", "latest", "0.34.0rc1", "0.34.", "34.x", "0.34.0.dev3"])
def test_what_is_no_number_of_a_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        Version.of(text)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 3))
def test_zeros_at_the_end_make_no_other_release(numbers: list[int], post: int, zeros: int) -> None:
    text, end = ".".join(map(str, numbers)), f".post{post}" if post else ""
    assert Version.of(text + end) == Version.of(text + ".0" * zeros + end)
    assert str(Version.of(text + end)) == text + end


def test_a_class_that_comes_back_is_there_from_then_on() -> None:
    since, until = ENGINE.since("Back"), ENGINE.until("Old")
    assert since is not None
    assert until is not None
    assert (since.key, until.key) == ("0.11.0", "0.10.0")
    assert ENGINE.until("Back") is None
    assert ENGINE.since("Unheard") is None


@pytest.mark.parametrize(
    ("model", "version", "because"),
    [
        (of_class("Plain"), "0.9.0", "class Plain"),
        (of_class("Plain", "fp8"), "0.9.0", "class Plain"),
        (of_class("Plain", "mxfp4"), "0.11.0", "weights in mxfp4"),
        (of_class("Plain", stated="0.12.0"), "0.12.0", "its cache"),
        (of_class("New", stated="0.12.0"), "0.34.0", "class New"),
        (of_class(None, stated="0.12.0"), "0.12.0", "its cache"),
        (of_class("Plain", "int4-qat"), "0.9.0", "class Plain"),
    ],
)
def test_the_minimum_is_the_latest_of_what_is_needed(model: Model, version: str, because: str) -> None:
    found = engine_minimum(model, ENGINE)
    assert found is not None
    assert (found.version.text, found.because) == (version, because)
    assert found.source
    assert engine_gap(model, ENGINE) is None


@pytest.mark.parametrize(("name", "why"), [(None, "is not known"), ("Unheard", "has its class Unheard")])
def test_what_nobody_knows_is_a_gap_and_holds_nothing_against_a_model(name: str | None, why: str) -> None:
    model = of_class(name, "mxfp4")
    assert engine_minimum(model, ENGINE) is None
    assert unserved(model, ENGINE) is None
    gap = engine_gap(model, ENGINE)
    assert gap is not None
    assert why in gap.message
    assert gap.hint


@pytest.mark.parametrize(
    ("model", "deployed", "reason"),
    [
        (of_class("New"), "0.33.0", "vLLM serves it from 0.34.0 on (class New), and plans run 0.33.0"),
        (of_class("Old"), "0.33.0", "vLLM has its class Old no longer from 0.10.0 on, and plans run 0.33.0"),
        (
            of_class("Plain", "mxfp4"),
            "0.10.0",
            "vLLM serves it from 0.11.0 on (weights in mxfp4), and plans run 0.10.0",
        ),
        (of_class("Plain", stated="1.0"), "0.34", "vLLM serves it from 1.0 on (its cache), and plans run 0.34"),
        (of_class("New"), "0.34.0", None),
        (of_class("Old"), "0.9.0", None),
        (of_class("Back"), "0.33.0", None),
    ],
)
def test_a_release_that_lacks_something_does_not_serve(model: Model, deployed: str, reason: str | None) -> None:
    found = unserved(model, ENGINE, deployed=deployed)
    assert (found.reason if found else None) == reason


def test_the_shipped_releases_are_whole() -> None:
    releases = list(CATALOG.engine_releases.values())
    assert len(releases) > 60
    assert max(each.version for each in releases) == Version.of(DEPLOYED)
    days = [earliest_day(each.as_of) for each in sorted(releases, key=lambda each: each.version)]
    assert days == sorted(days)
    assert days[-1] <= date(2026, 11, 30)
    held: set[str] = set()
    for each in sorted(releases, key=lambda each: each.version):
        assert f"vLLM {each.key}, " in each.source
        assert set(each.formats) <= set(get_args(WeightFormat))
        assert not held & set(each.classes)
        assert held >= set(each.dropped)
        held = held - set(each.dropped) | set(each.classes)


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("qwen3-32b", "0.8.4"),
        ("qwen3-32b-yarn", "0.8.4"),
        ("gpt-oss-120b", "0.10.1"),
        ("glm-4.7-flash", "0.15.0"),
        ("olmo-2-7b-instruct", "0.6.5"),
        ("muse-spark-open-816b-a42b", DEPLOYED),
    ],
)
def test_shipped_models_have_the_release_that_is_known(model: str, version: str) -> None:
    found = CATALOG.engine_minimum(CATALOG.models[model])
    assert found is not None
    assert found.version.text == version


def test_of_nearly_all_shipped_models_a_release_is_known_and_all_that_can_be_planned_are_served() -> None:
    known = [key for key, model in CATALOG.models.items() if CATALOG.engine_minimum(model)]
    assert len(known) >= 107
    refused = {key for key, model in CATALOG.models.items() if unserved(model, CATALOG.engine)}
    assert refused == {key for key, model in CATALOG.models.items() if model.not_served}


def test_only_what_the_engine_does_not_serve_is_in_digests() -> None:
    keys = ["model/gpt-oss-20b", "model/qwen3-8b"]
    before = CATALOG.facts_digest(keys)

    def digest(*releases: EngineRelease) -> str:
        rows = {**CATALOG.engine_releases, **{each.key: each for each in releases}}
        return replace(CATALOG, engine_releases=rows).facts_digest(keys)

    assert digest(release("99.0", "SomeOther", dropped=("GptOssForCausalLM",))) == before
    earlier = release("0.33.0.post1", dropped=("GptOssForCausalLM",))
    assert digest(earlier) == before
    assert digest(replace(CATALOG.engine_releases[DEPLOYED], dropped=("GptOssForCausalLM",))) != before
    named = ModelClass(name="Unheard", **WRITTEN)
    renamed = _with(CATALOG, "qwen3-8b", replace(CATALOG.models["qwen3-8b"], model_class=named))
    assert renamed.facts_digest(keys) == before
    stated = StatedMinimum(version="99.0", because="its cache", **WRITTEN)
    later = _with(CATALOG, "qwen3-8b", replace(CATALOG.models["qwen3-8b"], engine_minimum=stated))
    assert later.facts_digest(keys) != before


def _with(catalog: Catalog, key: str, model: Model) -> Catalog:
    return replace(catalog, models={**catalog.models, key: model})
