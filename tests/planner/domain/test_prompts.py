"""What prompts repeat: declared by a team, or told by a trace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.documents.environment_file import parse
from planner.domain.prompts import ASSUMED_PAUSE_MS, NOTHING_REPEATED, RepeatedPrompts, repeated_prompts
from planner.domain.route import Route
from planner.domain.traces import PrefixReuse
from planner.edges.trace_files import shipped_trace
from tests.planner.plans import ENVIRONMENT

TRACE = shipped_trace("azure-conv-2023")
HASHED = replace(TRACE, prefix=PrefixReuse(128.0, 0.3, "hashes", ((1000, 0.1), (9000, 0.3))))


def route(tokens: str = "", traffic: str = "") -> Route:
    """The chat of the small plan, with more said of its tokens and traffic."""
    text = ENVIRONMENT.replace("output: {mean: 211, p95: 451}}", "output: {mean: 211, p95: 451}" + tokens + "}")
    text = text.replace("requests_per_second: {mean: 5}}", "requests_per_second: {mean: 5}" + traffic + "}")
    return parse(text, "prod.yaml")[0].routes["chat"]


def test_nothing_is_repeated_unless_somebody_says_so() -> None:
    assert repeated_prompts(route(), None) == NOTHING_REPEATED
    assert repeated_prompts(route(), TRACE) == NOTHING_REPEATED
    assert NOTHING_REPEATED.pause_ms == ASSUMED_PAUSE_MS


def test_what_is_declared_counts_before_what_a_trace_tells() -> None:
    said = repeated_prompts(route(", shared_prefix: 400, session_hit: 20%"), HASHED)
    assert said == RepeatedPrompts(400.0, 0.2)


def test_a_trace_tells_it_where_lengths_come_from_the_trace() -> None:
    unsaid = route().model_copy(update={"tokens": None})
    told = repeated_prompts(unsaid, HASHED)
    assert (told.shared_tokens, told.session_share) == (128.0, 0.3)
    assert told.curve == ((1000.0, 0.1), (9000.0, 0.3))
    assert told.requests_per_ms == pytest.approx(TRACE.burst.mean_rps / 1e3)
    sessions = replace(TRACE, prefix=PrefixReuse(None, 0.3, "sessions"))
    assert repeated_prompts(unsaid, sessions).shared_tokens == 0.0
    assert repeated_prompts(unsaid, sessions).guessed
    assert not told.guessed
    assert repeated_prompts(unsaid, TRACE) == NOTHING_REPEATED


def test_what_sessions_guess_can_be_overridden_without_lengths() -> None:
    sessions = replace(TRACE, prefix=PrefixReuse(None, 0.3, "sessions"))
    traced = ENVIRONMENT.replace("{profile: office", "{trace: azure-conv-2023, profile: office")
    lengths = "input: {mean: 1155, p95: 4000}, output: {mean: 211, p95: 451}"
    said = parse(traced.replace(lengths, "session_hit: 0%"), "prod.yaml")[0].routes["chat"]
    assert repeated_prompts(said, sessions) == NOTHING_REPEATED
    less = repeated_prompts(parse(traced.replace(lengths, "session_hit: 10%"), "prod.yaml")[0].routes["chat"], HASHED)
    assert (less.shared_tokens, less.session_share, less.guessed, less.curve) == (128.0, 0.1, False, ())
    prefix = repeated_prompts(parse(traced.replace(lengths, "shared_prefix: 64"), "p.yaml")[0].routes["chat"], sessions)
    assert (prefix.shared_tokens, prefix.session_share, prefix.guessed) == (64.0, 0.3, True)


def test_people_say_how_long_they_think() -> None:
    said = repeated_prompts(route(", session_hit: 20%", ", users: {concurrent: 100, think_time: 20s}"), None)
    assert (said.pause_ms, said.pause_stated) == (20_000.0, True)


def test_another_tokenizer_makes_other_lengths_of_it() -> None:
    longer = RepeatedPrompts(400.0, 0.2, curve=((1000.0, 0.1),)).times(1.5)
    assert longer == RepeatedPrompts(600.0, 0.2, curve=((1500.0, 0.1),))
