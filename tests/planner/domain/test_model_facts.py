"""How models count: by the environment, by the catalog, or as stated, which is then named as unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from planner.domain.environment import ModelFacts
from planner.domain.model_facts import AS_STATED, TokenCounts, thinks, token_counts
from planner.domain.models import TokenFigures
from planner.domain.workload import Mix
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
DAY = date(2026, 11, 1)


def test_what_the_team_measured_counts_before_the_catalog() -> None:
    facts = {"llama-3.1-8b-instruct": ModelFacts(tokenizer_ratio=1.2, reasoning_tokens=None, measured=DAY)}
    assert token_counts("llama-3.1-8b-instruct", facts, CATALOG) == TokenCounts(1.2, 0.0, True, True)
    assert token_counts("llama-3.1-8b-instruct", {}, CATALOG) == TokenCounts(1.0, 0.0, True, True)


def test_one_figure_may_be_measured_and_the_other_not() -> None:
    facts = {"gpt-oss-120b": ModelFacts(reasoning_tokens=300, measured=DAY)}
    assert token_counts("gpt-oss-120b", facts, CATALOG) == TokenCounts(1.0, 300.0, False, True)


def test_zero_reasoning_tokens_are_a_measurement() -> None:
    facts = {"gpt-oss-120b": ModelFacts(reasoning_tokens=0, measured=DAY)}
    assert token_counts("gpt-oss-120b", facts, CATALOG).reasoning_known


def test_a_model_that_thinks_has_unknown_reasoning_tokens() -> None:
    assert token_counts("gpt-oss-120b", {}, CATALOG) == AS_STATED


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("gpt-oss-120b", True),
        ("gpt-5.4-mini", True),
        ("gpt-4o-mini", False),
        ("llama-3.3-70b-instruct", False),
        ("qwen3-8b", None),
    ],
)
def test_who_thinks_is_what_hosts_state(name: str, answer: bool | None) -> None:
    assert thinks(name, CATALOG) is answer


def test_the_catalog_may_know_a_hosted_model() -> None:
    figures = TokenFigures(source="a report", as_of="2026-11", tokenizer_ratio=1.1, reasoning_tokens=500)
    rows = tuple(replace(row, tokens=figures) if row.slug == "gpt-5.4-mini" else row for row in CATALOG.apis)
    assert token_counts("gpt-5.4-mini", {}, replace(CATALOG, apis=rows)) == TokenCounts(1.1, 500.0, True, True)


def test_lengths_are_scaled_and_thoughts_come_before_the_answer() -> None:
    mix = Mix((1000.0, 2000.0), (100.0, 200.0), (0.75, 0.25))
    assert TokenCounts(1.1, 300.0).mix(mix) == Mix((1100.0, 2200.0), (100 * 1.1 + 300, 200 * 1.1 + 300), (0.75, 0.25))
    assert AS_STATED.mix(mix) is mix
