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
