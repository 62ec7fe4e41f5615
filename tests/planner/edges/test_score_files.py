"""Files of scores: the shipped ones are whole and belong to models of the catalog; bad ones are refused with lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.domain.gaps import Gap
from planner.domain.models import split_entry
from planner.edges.catalog_files import load_catalog
from planner.edges.score_files import known_metrics, read_metric
from planner.words.diagnostics import Problems

CATALOG = load_catalog()
METRICS = known_metrics(Path("nowhere"), CATALOG)
GOOD = """\
name: Answers of support
scale: share of 400 cases that were judged right
source: run of 2026-11-10
as_of: 2026-11-10
scores:
  gpt-oss-120b: {score: 0.86, reasoning: true}
  qwen3-32b: 0.83
...
"""


def test_every_shipped_score_is_of_a_model_of_the_catalog_with_source_and_day() -> None:
    assert len(METRICS["lmarena-text"].scores) >= 40
    for metric in METRICS.values():
        assert metric.source
        assert metric.as_of.startswith("2025-")
        for entry, row in metric.scores.items():
            assert not isinstance(CATALOG.accepted_entry(entry), Gap)
            assert row.score > 1000 if metric.key == "lmarena-text" else 0 < row.score < 1, (metric.key, entry)


def test_base_and_instruct_models_are_not_mixed() -> None:
    """Sources score the base model of one checkpoint, and another version of a second: neither has a score here."""
    for key in ("mmlu", "mmlu-pro", "gpqa", "math"):
        assert "qwen3-235b-a22b" not in METRICS[key].scores
    assert "mistral-7b-instruct-v0.3" not in METRICS["lmarena-text"].scores
    larger, smaller = (METRICS["lmarena-text"].scores[key].score for key in ("qwen3-235b-a22b", "qwen3-32b"))
    assert larger > smaller


def test_models_that_always_think_say_so_and_those_that_may_leave_it_open() -> None:
    told = {entry: row.reasoning for metric in METRICS.values() for entry, row in metric.scores.items()}
    assert (told["deepseek-r1"], told["gpt-oss-120b"], told["qwq-32b"]) == (True, True, True)
    assert (told["qwen3-32b"], told["glm-4.6"]) == (None, None)
    assert (told["llama-3.3-70b-instruct"], told["qwen3-30b-a3b-instruct-2507"]) == (False, False)


def test_a_file_of_a_team_is_read(tmp_path: Path) -> None:
    (tmp_path / "support.yaml").write_text(GOOD, encoding="utf-8")
    metric = read_metric("support", tmp_path / "support.yaml", CATALOG)
    assert metric.reached_by(0.83) == ("gpt-oss-120b", "qwen3-32b")
    assert metric.reached_by(0.84) == ("gpt-oss-120b",)
    assert metric.reached_by(0.5, {"qwen3-32b"}) == ("qwen3-32b",)
    assert (metric.scores["gpt-oss-120b"].reasoning, metric.scores["qwen3-32b"].reasoning) == (True, None)


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("qwen3-32b: 0.83", "qwen3-32bb: 0.83", "the catalog has no model 'qwen3-32bb'", 7),
        ("qwen3-32b: 0.83", "qwen3-32b: good", "scores.qwen3-32b.score", 7),
        ("qwen3-32b: 0.83", "qwen3-32b: .nan", "the score of qwen3-32b is nan, which is no figure", 7),
        ("qwen3-32b: 0.83", "qwen3-32b: 'nan'", "the score of qwen3-32b is nan, which is no figure", 7),
        ("qwen3-32b: 0.83", "qwen3-32b: true", "the score of qwen3-32b is True, which is no figure", 7),
        ("score: 0.86", "score: -.inf", "the score of gpt-oss-120b is -inf, which is no figure", 6),
        ("score: 0.86", "score: false", "the score of gpt-oss-120b is False, which is no figure", 6),
        ("as_of: 2026-11-10", "as_of: soon", "'soon' is not a date", 4),
        ("source: run of 2026-11-10\n", "", "source: Field required", 1),
        ("name: Answers of support", "nam: x\nname: y", "unknown key 'nam'; did you mean name?", 1),
        ("score: 0.86", "score: 0.86, thinks: true", "unknown key 'thinks'", 6),
        ("name: Answers of support", "key: support\nname: y", "unknown key 'key'", 1),
        ("source: run of 2026-11-10", "source: ' '", "no source", 3),
        (GOOD[GOOD.index("scores:") :], "scores: {}\n...\n", "has no scores", 5),
        ("  qwen3-32b: 0.83\n...\n", "  qwen3-32b: 0.83\n", "support.yaml does not end", 7),
    ],
    ids=[
        "unknown model",
        "no number",
        "nan",
        "text nan",
        "true",
        "infinite",
        "false",
        "no day",
        "no source",
        "unknown key",
        "unknown key of a score",
        "key",
        "empty source",
        "no scores",
        "cut off",
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str, line: int) -> None:
    file = tmp_path / "support.yaml"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(Problems) as refused:
        read_metric("support", file, CATALOG)
    (problem,) = refused.value.problems
    assert problem.code == "SCR001"
    assert message in problem.message
    assert problem.where is not None
    assert problem.where.line == line


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problems) as refused:
        read_metric("support", tmp_path / "none.yaml", CATALOG)
    assert "none.yaml cannot be read" in refused.value.problems[0].message


def test_own_scores_win_over_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "mmlu.yaml").write_text(GOOD, encoding="utf-8")
    assert set(known_metrics(tmp_path, CATALOG)["mmlu"].scores) == {"gpt-oss-120b", "qwen3-32b"}


def test_scores_name_whole_models() -> None:
    assert all(split_entry(entry)[1] is None for metric in METRICS.values() for entry in metric.scores)


def test_the_file_that_the_docs_show_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text(encoding="utf-8")
    shown = text[text.index("```yaml\nname: Answers of support") :].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "support.yaml").write_text(shown, encoding="utf-8")
    assert read_metric("support", tmp_path / "support.yaml", CATALOG).reached_by(0.85) == ("gpt-oss-120b",)
