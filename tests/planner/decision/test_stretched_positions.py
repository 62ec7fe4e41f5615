"""Models with stretched positions: an entry of its own, the same weights, more context, and the engine's setting."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from infra.values import rope_values
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

CATALOG = load_catalog()
STRETCHED = sorted(key for key, model in CATALOG.models.items() if model.positions is not None)


def test_there_are_some_and_each_is_its_model_but_for_the_positions() -> None:
    assert {"qwen2.5-72b-instruct-yarn", "qwen3-32b-yarn", "qwq-32b-yarn"} <= set(STRETCHED)
    for key in STRETCHED:
        model, plain = CATALOG.models[key], CATALOG.models[key.removesuffix("-yarn")]
        assert plain.positions is None
        assert model.positions is not None
        assert model.max_context == model.positions.factor * model.positions.original_max_position_embeddings
        assert model.max_context > plain.max_context
        same = replace(
            model,
            key=plain.key,
            positions=None,
            max_context=plain.max_context,
            note=plain.note,
            source=plain.source,
            as_of=plain.as_of,
            same_shape=plain.same_shape,
        )
        assert same == plain


def long_prompts(model: str) -> str:
    """Return the small environment whose restricted route has prompts of up to 100,000 tokens."""
    text = small.text()
    place = text.index("  extraction:")
    ours = text[place:].replace("input: {mean: 1800, p95: 4000}", "input: {mean: 30000, p95: 90000, max: 100k}")
    ours = ours.replace("ttft_p95: 3s", "ttft_p95: 60s").replace("{mean: 0.2}", "{mean: 0.01}")
    return text[:place] + ours.replace("accept: [qwen3-8b]", f"accept: [{model}]")


def test_only_the_stretched_entry_serves_prompts_beyond_the_configuration() -> None:
    with pytest.raises(Exception, match="INF001") as refused:
        small.planned_text(long_prompts("qwen3-8b"))
    assert isinstance(refused.value, Problems)
    assert "like qwen3-8b-yarn" in refused.value.problems[0].hint
    plan = small.planned_text(long_prompts("qwen3-8b-yarn")).lock.plan
    pool = next(pool for pool in plan.pools if pool.model == "qwen3-8b-yarn")
    assert (pool.hf_id, pool.engine.max_model_len) == ("Qwen/Qwen3-8B", 131_072)
    assert pool.engine.rope_parameters is not None
    assert json.loads(json.dumps(rope_values(pool.engine.rope_parameters))) == {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32_768,
        "rope_theta": 1e6,
    }
    others = [each for each in plan.pools if each.model != "qwen3-8b-yarn"]
    assert all(each.engine.rope_parameters is None for each in others)
    assert any(v.name == "positions" and "qwen3-8b-yarn" in v.message for v in plan.verdicts)
