"""Changes in words of a person: no JSON, no brackets of a program, and the bands as lengths of prompts."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.changes import KeyChange, with_whole_lists
from planner.documents.sentences import band_sentences, key_sentence, part_sentence, percent, plain
from planner.plan.traffic import PlannedRoute
from planner.words.numbers import figure
from tests.planner.documents.changes_of_plans import CHANGES, made
from tests.planner.plans import API, CHAT_POOL, bent, plan


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        ("routes.chat.traffic.requests_per_second.mean", 4.0, 9.5, "chat gets 4 → 9.5 requests/s on average"),
        ("routes.chat.data", "restricted", "internal", "data class of chat: restricted → internal"),
        ("routes.chat.residency", ["eu"], [], "chat may be processed in eu → any place"),
        ("routes.chat", None, {"data": "internal"}, "route chat is added"),
        ("routes.chat", {"data": "internal"}, None, "route chat is removed"),
        ("routes.chat.quality.accept", ["a", "b"], ["b", "c"], "chat also accepts c; chat no longer accepts a"),
        ("routes.chat.quality.accept", ["a", "b"], ["b", "a"], "chat accepts the same in another order: b, a"),
        ("routes.chat.too_long", None, {"rule": "refuse"}, "routes.chat.too_long is added"),
        ("routes.chat.tokens.input.p95", 4000.0, 8000.0, "routes.chat.tokens.input.p95: 4,000 → 8,000"),
        ("api.providers.google", None, {}, "account at google is added"),
        ("budget.monthly", "$20,000", None, "budget: $20,000 → not stated a month"),
        ("reserve.node", True, False, "a reserve for the loss of a node: yes → no"),
        ("hardware.only", None, ["H100"], "hardware.only: not stated → H100"),
    ],
)
def test_keys_of_an_environment(path: str, old: Any, new: Any, words: str) -> None:
    assert key_sentence(KeyChange(tuple(path.split(".")), old, new)) == words


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        ("nodes", 1, "1 to 3", "nodes: 1 → 1 to 3"),
        ("fallback", ["a/x"], ["b/y", "a/x"], "requests may now go to b/y"),
        ("fallback", ["a/x", "b/y"], ["b/y", "a/x"], "APIs are asked in another order: b/y, a/x"),
        ("engine.max_num_seqs", 64, 128, "max_num_seqs: 64 → 128"),
        ("public_cidrs", [], ["203.0.113.0/24"], "public_cidrs: none → 203.0.113.0/24"),
        ("base_url", "https://a", "https://b", "requests are sent to https://b, before to https://a"),
    ],
)
def test_values_of_a_part(path: str, old: Any, new: Any, words: str) -> None:
    assert part_sentence(KeyChange(tuple(path.split(".")), old, new)) == words


def chat(**bands: dict[str, Any]) -> PlannedRoute:
    """The chat route of the hand-made plan, short prompts up to 2,047 tokens, with some values of its bands changed."""
    return bent(
        plan(), {f"routes/0/bands/{name[-1]}/{k}": v for name, c in bands.items() for k, v in c.items()}
    ).routes[0]


AT_API = {"weights": {}, "api_share": "1"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (chat(), chat(), []),
        (chat(), chat(b1=AT_API), [f"prompts above 2,047 tokens now go to the API ({API})"]),
        (
            chat(b1=AT_API),
            chat(),
            [f"prompts above 2,047 tokens are now served by {CHAT_POOL}, and no longer by the API"],
        ),
        (chat(), chat(b0=AT_API, b1=AT_API), [f"all prompts now go to the API ({API})"]),
        (
            chat(b1=AT_API),
            chat(b0={"max_input_tokens": 999}, b1=AT_API),
            [f"prompts of 1,000 to 2,047 tokens now go to the API ({API})"],
        ),
        (chat(), chat(b0={"max_input_tokens": 999}), []),
        (
            chat(),
            chat(b1={"weights": {}, "api_share": "0", "refused_by_level": {"peak": "1"}}),
            ["prompts above 2,047 tokens are now refused"],
        ),
        (
            chat(),
            chat(b0={"weights": {CHAT_POOL: "0.25", "other": "0.75"}}),
            [
                f"prompts up to 2,047 tokens are now served by {CHAT_POOL} (25 %) and other (75 %), "
                f"before by {CHAT_POOL}"
            ],
        ),
        (
            chat(),
            chat(b0={"api_share": "0.3"}),
            ["prompts up to 2,047 tokens go to the API: 30 % of them at every hour, before 0 %"],
        ),
        (chat(), chat(b1={"cut_to_tokens": 8000}), ["prompts above 2,047 tokens are cut to 8,000 tokens"]),
    ],
)
def test_bands_are_told_as_lengths_of_prompts(old: PlannedRoute, new: PlannedRoute, words: list[str]) -> None:
    assert list(band_sentences(old, new)) == words


@pytest.mark.parametrize("name", [change.name for change in CHANGES])
def test_no_sentence_of_a_real_change_has_a_word_of_a_program(name: str) -> None:
    told = made(name).review()
    sentences = [cause.what for cause in told.attribution.causes]
    sentences += [each for part in told.touched for each in (*part.changes, part.order)]
    sentences += [each for route in told.routes for each in route.changes]
    for sentence in sentences:
        assert not any(mark in sentence for mark in ('"', "{", "[", "None", "True", "False", "band ")), sentence


def test_every_touched_part_that_changed_carries_its_values() -> None:
    for part in made("traffic").review().touched:
        assert part.values
        assert all(old != new for _, old, new in part.values)


@pytest.mark.parametrize(
    ("share", "words"), [("0", "0 %"), ("0.0001", "< 0.1 %"), ("0.034", "3.4 %"), ("0.42", "42 %")]
)
def test_a_share_that_is_not_nothing_never_reads_as_nothing(share: str, words: str) -> None:
    assert percent(figure(share)) == words


def test_plain_values() -> None:
    assert plain({"tpm": 2_000_000, "rpm": None}) == "tpm 2,000,000; rpm not stated"
    assert plain([]) == "none"


def test_lists_are_whole() -> None:
    old, new = {"a": ["x", "y"], "b": [{"c": 1}]}, {"a": ["x", "z"], "b": [{"c": 2}]}
    changes = (KeyChange(("a", 1), "y", "z"), KeyChange(("b", 0, "c"), 1, 2))
    assert with_whole_lists(changes, old, new) == (
        KeyChange(("a",), ["x", "y"], ["x", "z"]),
        KeyChange(("b",), [{"c": 1}], [{"c": 2}]),
    )
    assert with_whole_lists(changes, old, new, nested=False)[1] == changes[1]
