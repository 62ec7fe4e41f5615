"""`models suggest`: who may serve a route, with scores, and the line for an accept list."""

from __future__ import annotations

import json
import re

import pytest

from planner.edges.workspace import Workspace
from tests.planner.cli.command import spillway


def entries(*arguments: str) -> dict[str, dict[str, object]]:
    result = spillway("models", "suggest", *arguments, "--format", "json")
    assert result.status == 0, result.err
    return {row["entry"]: row for row in json.loads(result.out)}


def test_without_an_environment_every_model_that_can_be_served_is_named(checkout: Workspace) -> None:
    found = entries()
    assert "gpt-5.4-mini" in found
    assert found["gpt-oss-120b"]["scores"] != {}
    assert found["gpt-5.4-mini"]["openness"] is None


def test_a_restricted_route_is_offered_no_hosted_model(checkout: Workspace) -> None:
    found = entries("small", "extraction")
    assert all(row["hosted"] is None for row in found.values())
    assert "gpt-5.4-mini" not in found
    assert found["qwen3-8b"]["accepted"]


def test_apis_without_an_account_are_not_offered(checkout: Workspace) -> None:
    accounts = set(checkout.wanted("small").environment.api.providers)
    hosted = [row["hosted"] for row in entries("small", "chat").values() if row["hosted"]]
    assert hosted
    assert {str(copy["api"]).partition("/")[0] for copy in hosted if isinstance(copy, dict)} <= accounts


@pytest.mark.parametrize(
    ("terms", "offered"),
    [("no_training: true", True), ("retention: 30d", True), ("retention: 29d", False), ("zero_retention: true", True)],
)
def test_a_provider_that_breaks_the_terms_of_a_route_is_not_offered(
    checkout: Workspace, terms: str, offered: bool
) -> None:
    """OpenAI does not train on requests and keeps them for 30 days, or not at all where that is arranged."""
    path = checkout.environment_path("small")
    text = path.read_text(encoding="utf-8").replace("data: internal", f"data: internal\n    terms: {{{terms}}}")
    path.write_text(text, encoding="utf-8")
    found = entries("small", "chat")
    assert ("gpt-5.4-mini" in found) == offered
    assert any(row["hosted"] for row in found.values()) == offered
    assert "qwen3-8b" in found


@pytest.mark.parametrize(
    ("until", "arguments", "share"),
    [
        ("2026-11-30", ("small", "chat"), 1.0),
        ("2026-12-01", ("small", "chat"), 0.5),
        ("2026-10-31", (), 1.0),
        ("2099-12-31", (), 0.5),
    ],
    ids=["ended before the horizon", "holds on its first day", "ended", "holds"],
)
def test_hosted_prices_are_net_of_the_discounts_that_hold(
    checkout: Workspace, until: str, arguments: tuple[str, ...], share: float
) -> None:
    def usd() -> float:
        hosted = entries(*arguments)["gpt-5.4-mini"]["hosted"]
        assert isinstance(hosted, dict)
        return float(hosted["usd_per_mtok_output"])

    listed = usd()
    (checkout.folder / "catalog").mkdir()
    (checkout.folder / "catalog" / "discounts.yaml").write_text(
        f"discounts:\n  - {{on: api, percent: 50, source: offer, as_of: 2026-01-01, until: {until}}}\n...\n",
        encoding="utf-8",
    )
    assert usd() == pytest.approx(share * listed)


def test_a_minimum_gives_the_line_of_an_accept_list_and_the_best_come_first(checkout: Workspace) -> None:
    result = spillway("models", "suggest", "--minimum", "1414")
    assert "quality: {accept: [glm-4.5, qwen3-235b-a22b-instruct-2507], …}" in result.out
    elo = [float(figure) for figure in re.findall(r"lmarena-text ([0-9]+)", result.out)]
    assert elo == sorted(elo, reverse=True)
    assert "LMArena text leaderboard of 2025-08-04" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("small", "chatt"), "`small` has no route `chatt`"),
        (("--metric", "mmluu"), "there is no metric `mmluu`"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(
    checkout: Workspace, arguments: tuple[str, ...], message: str
) -> None:
    result = spillway("models", "suggest", *arguments)
    assert result.status == 2
    assert message in result.err
    assert "did you mean" in result.err


def test_a_route_is_judged_by_its_own_evaluation_too(checkout: Workspace) -> None:
    scores = "name: own\nscale: share\nsource: run 7\nas_of: 2026-11-10\nscores: {qwen3-8b: 0.85}\n...\n"
    (checkout.folder / "own.yaml").write_text(scores, encoding="utf-8")
    file = checkout.environment_path("small")
    text = file.read_text(encoding="utf-8")
    quality = "    quality: {metric: support, scores: own.yaml, minimum: 0.8}\n"
    file.write_text(re.sub(r"    quality:\n(      .*\n)+", quality, text, count=1), encoding="utf-8")
    found = entries("small", "chat", "--metric", "support")
    assert next(iter(found)) == "qwen3-8b"
    assert found["qwen3-8b"]["accepted"]
