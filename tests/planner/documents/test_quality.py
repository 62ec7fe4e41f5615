"""Routes whose models are chosen by a score: the accept list that follows, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.edges.planning import plan
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

EVALUATION = """\
name: Own evaluation
scale: share of 400 cases that were judged right
source: run 7
as_of: 2026-11-10
scores: {gpt-oss-120b: 0.9, gpt-5.4-mini: 0.8, qwen3-32b: 0.7, qwen3-8b: 0.85}
...
"""


def text(quality: str) -> str:
    """Return the small environment with another `quality` of its first route."""
    return re.sub(r"    quality:\n(      .*\n)+", f"    quality: {quality}\n", small.text(), count=1)


def workspace(folder: Path, quality: str) -> Workspace:
    (folder / "evals").mkdir(parents=True)
    (folder / "evals" / "chat.yaml").write_text(EVALUATION, encoding="utf-8")
    return small.workspace(folder, text(quality))


def refused(folder: Path, quality: str) -> list[Problem]:
    with pytest.raises(Problems) as found:
        workspace(folder, quality).wanted("small")
    return list(found.value.problems)


@pytest.mark.parametrize(
    ("quality", "accept"),
    [
        ("{metric: own, scores: evals/chat.yaml, minimum: 0.8}", ("gpt-5.4-mini", "gpt-oss-120b", "qwen3-8b")),
        ("{metric: own, scores: evals/chat.yaml, minimum: 0.75, among: [gpt-oss-120b]}", ("gpt-oss-120b",)),
        ("{metric: lmarena-text, minimum: 1414}", ("glm-4.5", "qwen3-235b-a22b-instruct-2507")),
    ],
)
def test_the_models_that_reach_the_minimum_are_accepted(tmp_path: Path, quality: str, accept: tuple[str, ...]) -> None:
    route = next(iter(workspace(tmp_path, quality).wanted("small").environment.routes.values()))
    assert route.quality.accept == accept
    assert route.quality.source
    assert route.quality.date is not None


@pytest.mark.parametrize(
    ("as_of", "late"), [("2026-11-10", ""), ("2027-11-30", ""), ("2027-12-01", "2027-12-01"), ("2029-02", "2029-02-01")]
)
@pytest.mark.parametrize("date", ["", ", source: read, date: 2026-11-10"], ids=["of the metric", "stated"])
def test_figures_of_a_day_after_the_horizon_are_refused(tmp_path: Path, as_of: str, late: str, date: str) -> None:
    there = workspace(tmp_path, f"{{metric: own, scores: evals/chat.yaml, minimum: 0.8{date}}}")
    file = tmp_path / "evals" / "chat.yaml"
    file.write_text(EVALUATION.replace("as_of: 2026-11-10", f"as_of: {as_of}"), encoding="utf-8")
    if not late:
        assert there.wanted("small").environment.routes["chat"].quality.accept
        return
    with pytest.raises(Problems) as found:
        there.wanted("small")
    (problem,) = found.value.problems
    assert problem.code == "ENV005"
    assert problem.message.startswith(f"routes.chat.quality: `own` is of {late}, which is not before the end")
    assert problem.where is not None
    assert "metric: own" in small_line(there, problem.where.line)


def small_line(there: Workspace, line: int) -> str:
    """Return a line of the environment's file."""
    return there.environment_path("small").read_text(encoding="utf-8").splitlines()[line - 1]


def test_a_score_that_changes_the_list_makes_the_lock_stale_and_the_plan_says_what_it_rests_on(tmp_path: Path) -> None:
    among = "[gpt-5.4-mini, qwen3-32b, qwen3-8b]"
    there = workspace(tmp_path, f"{{metric: own, scores: evals/chat.yaml, minimum: 0.8, among: {among}}}")
    planned = plan(there, "small").lock.plan
    told = {verdict.name: verdict.message for verdict in planned.verdicts}
    (name,) = (name for name in told if name.startswith("quality "))
    assert told[name] == (
        "reached 0.8 in own: gpt-5.4-mini, qwen3-8b; less or no score: qwen3-32b (Own evaluation of 2026-11-10 (run 7))"
    )
    before = there.wanted("small").digest
    file = tmp_path / "evals" / "chat.yaml"
    file.write_text(EVALUATION.replace("qwen3-32b: 0.7", "qwen3-32b: 0.75"), encoding="utf-8")
    assert there.wanted("small").digest == before
    file.write_text(EVALUATION.replace("qwen3-32b: 0.7", "qwen3-32b: 0.85"), encoding="utf-8")
    assert there.wanted("small").digest != before


@pytest.mark.parametrize(
    ("quality", "code", "message"),
    [
        ("{metric: own, scores: evals/chat.yaml, minimum: 0.95}", "SCR002", "no model reaches 0.95 in `own`"),
        ("{metric: mmlu, minimum: 0.1, among: [glm-4.6]}", "SCR002", "no model of `among` has a score in `mmlu`"),
        ("{metric: mmluu, minimum: 0.1}", "ENV006", "there is no metric `mmluu`"),
        ("{metric: mmlu}", "ENV002", "missing key `routes.chat.quality.minimum`"),
        ("{accept: [gpt-oss-120b], source: own}", "ENV002", "missing key `routes.chat.quality.date`"),
        ("{metric: mmlu, minimum: 0.1, among: [nothing]}", "ENV006", "the catalog has no model 'nothing'"),
        (
            "{accept: [gpt-oss-120b], metric: mmlu, minimum: 0.1, source: own, date: 2026-11-01}",
            "ENV005",
            "routes.chat.quality: both `accept` and `metric`",
        ),
        (
            "{accept: [gpt-oss-120b], minimum: 0.1, source: own, date: 2026-11-01}",
            "ENV005",
            "routes.chat.quality: `minimum` without `metric`",
        ),
        ("{metric: own, scores: evals/none.yaml, minimum: 0.8}", "SCR001", "cannot be read"),
    ],
)
def test_what_says_too_little_or_too_much_is_refused(tmp_path: Path, quality: str, code: str, message: str) -> None:
    (problem,) = refused(tmp_path, quality)
    assert (problem.code, message in problem.message) == (code, True), problem.message
    if code != "SCR001":
        assert problem.where is not None
        assert problem.hint
