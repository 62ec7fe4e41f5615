"""A model, or a format, that the release of the engine lacks falls by name; one of which nobody knows is planned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.decision.candidates.market import survey
from planner.decision.candidates.omissions import EngineLacks, Omission
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.decision.suggestions import suggestions
from planner.documents.environment_file import parse
from planner.domain.catalog import Catalog
from planner.domain.engine import EngineRelease
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.words.diagnostics import Problems
from tests.planner.decision.test_bound_rules import KEPT, text

pytestmark = pytest.mark.usefixtures("alone")

SHIPPED = load_catalog()


def later(*, classes: tuple[str, ...] = (), formats: tuple[str, ...] = ()) -> Catalog:
    """The catalog with an engine that has these from a release on that plans do not run yet."""
    rows = {
        key: replace(
            row,
            classes=tuple(name for name in row.classes if name not in classes),
            formats=tuple(name for name in row.formats if name not in formats),
        )
        for key, row in SHIPPED.engine_releases.items()
    }
    rows["99.0"] = EngineRelease(key="99.0", classes=classes, formats=formats, source="registry", as_of="2026-11-30")
    return replace(SHIPPED, engine_releases=rows)


def inputs(accept: str, catalog: Catalog) -> Inputs:
    return Inputs(parse(text(accept), "case.yaml")[0], catalog, load_coefficients(), {})


def fell(accept: str, catalog: Catalog) -> list[Omission]:
    return [o for o in survey(inputs(accept, catalog)).omissions if o.kind == "engine"]


def served(accept: str, catalog: Catalog) -> set[tuple[str, str]]:
    return {(c.shape.model.key, c.shape.quantization.name) for c in survey(inputs(accept, catalog)).classes}


def test_a_model_whose_class_comes_later_falls_once_and_the_other_is_planned() -> None:
    catalog = later(classes=("GptOssForCausalLM",))
    (omission,) = fell("qwen3-8b, gpt-oss-20b", catalog)
    assert (omission.candidate.model, omission.candidate.quantization, omission.route) == ("gpt-oss-20b", "", "chat")
    assert isinstance(omission.cause, EngineLacks)
    assert "from 99.0 on (class GptOssForCausalLM)" in omission.cause.unserved.reason
    assert {model for model, _ in served("qwen3-8b, gpt-oss-20b", catalog)} == {"qwen3-8b"}
    assert fell("qwen3-8b, gpt-oss-20b", SHIPPED) == []


def test_a_format_that_comes_later_falls_alone() -> None:
    catalog = later(formats=("fp8",))
    (omission,) = fell("qwen3-8b", catalog)
    assert (omission.candidate.model, omission.candidate.quantization) == ("qwen3-8b", "fp8")
    assert served("qwen3-8b", catalog) == {("qwen3-8b", "bf16")}
    assert ("qwen3-8b", "fp8") in served("qwen3-8b", SHIPPED)


def test_a_plan_tells_what_the_engine_lacks() -> None:
    plan = optimize(inputs("gpt-oss-20b, qwen3-8b", later(classes=("Qwen3ForCausalLM",))), kept=KEPT).plan
    told = [v.message for v in plan.verdicts if "Qwen3ForCausalLM" in v.message]
    assert len(told) == 1
    assert "vLLM serves it from 99.0 on" in told[0]


def test_without_another_model_there_is_no_plan_and_a_way_out() -> None:
    with pytest.raises(Problems) as refused:
        optimize(inputs("qwen3-8b", later(classes=("Qwen3ForCausalLM",))), kept=KEPT)
    (problem,) = refused.value.problems
    assert problem.code == "INF001"
    assert "is not served by the release of the engine that plans run" in problem.message
    assert "spillway catalog show MODEL" in problem.hint
    assert problem.about == ("routes", "chat", "quality")


def test_a_model_of_which_no_release_is_known_is_planned() -> None:
    rows = {
        key: replace(row, classes=tuple(name for name in row.classes if name != "GptOssForCausalLM"))
        for key, row in SHIPPED.engine_releases.items()
    }
    catalog = replace(SHIPPED, engine_releases=rows)
    assert catalog.engine_minimum(catalog.models["gpt-oss-20b"]) is None
    assert fell("gpt-oss-20b", catalog) == []
    assert served("gpt-oss-20b", catalog)


def test_suggestions_leave_out_what_the_engine_does_not_serve() -> None:
    def against(catalog: Catalog) -> str:
        return {s.entry: s.against for s in suggestions(catalog, {}, None, "", "")}["gpt-oss-20b"]

    assert against(SHIPPED) == ""
    assert "from 99.0 on" in against(later(classes=("GptOssForCausalLM",)))


def test_the_stated_image_says_which_release_runs() -> None:
    """A newer image serves what the charts' engine does not; a tag that tells nothing leaves the charts' release."""
    catalog = later(classes=("GptOssForCausalLM",))

    def fallen(image: str) -> list[str]:
        stated = text("qwen3-8b, gpt-oss-20b").replace("use1-az6]}", f"use1-az6], engine: {{image: '{image}'}}}}")
        asked = Inputs(parse(stated, "case.yaml")[0], catalog, load_coefficients(), {})
        return [o.candidate.model for o in survey(asked).omissions if o.kind == "engine"]

    assert fallen("vllm/vllm-openai:v99.0") == []
    assert fallen("vllm/vllm-openai:v98.0-cu130") == ["gpt-oss-20b"]
    assert fallen("vllm/vllm-openai:nightly") == ["gpt-oss-20b"]
