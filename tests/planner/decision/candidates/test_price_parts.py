"""The tokens of a request by price part: cached input only where everything about it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from planner.decision.candidates.price_parts import Recognised, recognised_prefix, tokens_by_price_part
from planner.domain.apis import PricePart, PromptCaching
from planner.domain.workload import Mix
from planner.edges.catalog_files import load_catalog

ROW = next(row for row in load_catalog().apis if row.key == "openai/gpt-4.1-mini")
AUTOMATIC = PromptCaching(kind="automatic", minimum_tokens=1024, step_tokens=128, source="a page", as_of="2026")
PRICED: dict[PricePart, object] = {"cached-input": 1}
MIX = Mix((1000.0, 3000.0), (100.0, 300.0), (0.5, 0.5))


def recognised(
    shared: float, caching: PromptCaching | None = AUTOMATIC, parts: Mapping[PricePart, object] = PRICED
) -> Recognised:
    return recognised_prefix(ROW, caching, parts, shared)


@pytest.mark.parametrize(
    ("shared", "tokens"), [(1024, 1024), (1151, 1024), (1152, 1152), (1400, 1280), (1408, 1408), (5000, 4992)]
)
def test_a_prefix_is_recognised_in_steps(shared: float, tokens: float) -> None:
    assert recognised(shared) == Recognised(tokens)


def test_there_is_no_discount_without_all_facts() -> None:
    assert recognised(1023).why_not == "too-short"
    assert recognised(1400, None).why_not == "unknown"
    assert recognised(1400, replace(AUTOMATIC, kind="explicit")).why_not == "marks"
    assert recognised(1400, replace(AUTOMATIC, minimum_tokens=None)).why_not == "no-minimum"
    assert recognised(1400, parts={"cached-input": 1, "cache-write": 1}).why_not == "writes"
    assert recognised(1400, parts={}).why_not == "no-price"
    assert recognised(0, None) == Recognised()


def test_a_model_may_have_a_minimum_of_its_own() -> None:
    caching = replace(AUTOMATIC, minimum_by_model={"gpt-4.1-mini": 2048})
    assert recognised(1400, caching).why_not == "too-short"
    assert recognised(2048, caching) == Recognised(2048)


def test_no_token_is_lost_between_the_parts() -> None:
    plain, cached = tokens_by_price_part(ROW, MIX), tokens_by_price_part(ROW, MIX, 1024)
    assert plain == {"input": 2000.0, "output": 200.0}
    assert cached == {"input": 2000.0 - 512.0, "cached-input": 512.0, "output": 200.0}  # prompts of 1,000 are shorter


def test_long_prompts_have_their_own_price_of_cached_input() -> None:
    parts = tokens_by_price_part(replace(ROW, long_context_above=2000), MIX, 1024)
    assert parts == {
        "input": 500.0,
        "output": 50.0,
        "long-input": 988.0,
        "long-cached-input": 512.0,
        "long-output": 150.0,
    }


def test_the_shipped_catalog_says_how_providers_recognise_prompts() -> None:
    providers = load_catalog().providers
    openai, google = providers["openai"].prompt_caching, providers["google"].prompt_caching
    assert openai is not None
    assert google is not None
    assert (openai.kind, openai.minimum("gpt-4.1-mini"), openai.step_tokens) == ("automatic", 1024, 128)
    assert (google.minimum("gemini-2.5-flash"), google.minimum("gemini-3.8-flash")) == (2048, 4096)
    anthropic = providers["anthropic"].prompt_caching
    assert anthropic is not None
    assert anthropic.kind == "explicit"
    assert providers["together"].prompt_caching is None
