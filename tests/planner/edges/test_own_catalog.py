"""The team's own catalog beside its environments: its rows win, are checked, and make locks stale when they change."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from planner.documents.model_config.row import Origin, as_yaml, row_of, tuned_row
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from planner.edges.own_catalog import catalog_beside, own_model_path
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problems
from tests.planner import small
from tests.planner.documents.model_config.configs import derived

pytestmark = pytest.mark.usefixtures("alone")

DAY = date(2026, 12, 1)
ORIGIN = Origin(
    hf_id="acme/Acme-Chat-7B",
    revision="0123456789abcdef0123456789abcdef01234567",
    weights=None,
    licence="Apache-2.0",
    source="config.json, read from a file",
    as_of="2026-11-30",
)
TUNED = {"weights": "s3://acme-models/support/v3", "hf_id": "acme/support"}


def write(folder: Path, key: str, text: str) -> None:
    """Put a row into the own catalog."""
    path = own_model_path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def chat_row() -> str:
    """The text of a row of Qwen2.5's shape under another name."""
    return as_yaml(row_of(derived("Qwen__Qwen2.5-7B-Instruct"), ORIGIN))


def tuned_text(base: str = "qwen3-8b") -> str:
    """The text of a row of own weights with the shape of a shipped model."""
    return as_yaml(tuned_row(base, Origin(**{**vars(ORIGIN), **TUNED, "revision": None})))


def accepting(folder: Path, key: str) -> Workspace:
    """The small environment with an own model in its accept lists."""
    return small.workspace(folder, small.text().replace("accept: [qwen3-8b", f"accept: [{key}"))


def codes(folder: Path) -> set[str]:
    """The codes of the problems of an own catalog, each of which has a place or names the file."""
    with pytest.raises(Problems) as refused:
        catalog_beside(folder)
    return {problem.code for problem in refused.value.problems}


def test_without_an_own_catalog_the_shipped_one_is_used_as_it_is(tmp_path: Path) -> None:
    assert catalog_beside(tmp_path) is load_catalog()


def test_a_plan_hosts_a_model_that_was_added(tmp_path: Path) -> None:
    workspace = accepting(tmp_path, "acme-chat-7b")
    with pytest.raises(Problems, match="acme-chat-7b"):
        planning.plan(workspace, "small")
    write(tmp_path, "acme-chat-7b", chat_row())
    lock = planning.plan(workspace, "small").lock
    assert {pool.model for pool in lock.plan.pools} == {"acme-chat-7b"}
    assert {pool.revision for pool in lock.plan.pools} == {ORIGIN.revision}
    assert {pool.weights for pool in lock.plan.pools} == {None}
    assert "model/acme-chat-7b" in lock.consulted.facts
    (line,) = [verdict for verdict in lock.plan.verdicts if verdict.name == "own catalog"]
    assert (line.state, line.message) == ("pass", "acme-chat-7b of 2026-11-30")


def test_own_weights_take_the_shape_of_a_shipped_model_and_are_read_from_their_place(tmp_path: Path) -> None:
    workspace = accepting(tmp_path, "acme-support")
    write(tmp_path, "acme-support", tuned_text())
    catalog = workspace.catalog()
    assert catalog.models["acme-support"].architecture == catalog.models["qwen3-8b"].architecture
    lock = planning.plan(workspace, "small").lock
    assert {pool.weights for pool in lock.plan.pools} == {TUNED["weights"]}
    assert {pool.model for pool in lock.plan.pools} == {"acme-support"}


def test_an_own_row_wins_over_a_shipped_one_and_the_plan_says_so(tmp_path: Path) -> None:
    write(tmp_path, "qwen3-8b", as_yaml(row_of(derived("Qwen__Qwen2.5-7B-Instruct"), ORIGIN)))
    workspace = small.workspace(tmp_path)
    assert workspace.catalog().models["qwen3-8b"].hf_id == ORIGIN.hf_id
    lock = planning.plan(workspace, "small").lock
    (line,) = [verdict for verdict in lock.plan.verdicts if verdict.name == "own catalog"]
    assert line.message == "qwen3-8b of 2026-11-30, in place of the shipped row"


def test_a_lock_is_stale_when_an_own_row_changes_or_goes(tmp_path: Path) -> None:
    write(tmp_path, "acme-chat-7b", chat_row())
    workspace = accepting(tmp_path, "acme-chat-7b")
    small.workspace(tmp_path, small.text().replace("accept: [qwen3-8b", "accept: [acme-chat-7b"))
    lock = planning.plan(workspace, "small").lock
    workspace = small.workspace(tmp_path, workspace.environment_path("small").read_text(encoding="utf-8"), lock)
    assert "LOCK010" not in {problem.code for problem in workspace.judgement("small", DAY)[1]}
    write(tmp_path, "acme-chat-7b", chat_row().replace("max_context: 32_768", "max_context: 16_384"))
    assert "LOCK010" in {problem.code for problem in workspace.judgement("small", DAY)[1]}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("base: qwen3-8b", "base: qwen3-8c", "CAT006"),
        ("as_of: 2026-11-30", "as_of: soon", "CAT003"),
        ("...", "", "CAT002"),
        ("hf_id: acme/support", "hf_id: acme/*", "CAT003"),
        ("hf_id: acme/support", "hf_id: ../support", "CAT003"),
        ("hf_id: acme/support", "hf_id: acme/sup port", "CAT003"),
        ("revision: null", "revision: main*", "CAT003"),
        ("licence: Apache-2.0", "licence: Apache-2.0\nlicense: MIT", "CAT003"),
        ("revision: null", "revision: null\nrevision: main", "CAT004"),
    ],
)
def test_a_damaged_row_is_told_with_its_place(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in tuned_text()
    write(tmp_path, "acme-support", tuned_text().replace(old, new))
    with pytest.raises(Problems) as refused:
        catalog_beside(tmp_path)
    problem = refused.value.problems[0]
    assert problem.code == code
    assert problem.where is not None
    assert problem.where.file == str(own_model_path(tmp_path, "acme-support"))


def test_a_shipped_variant_can_be_a_base_and_a_shipped_model_has_no_own_variant(tmp_path: Path) -> None:
    write(tmp_path, "acme-support", tuned_text("qwen3-32b-yarn"))
    models = catalog_beside(tmp_path).models
    assert models["acme-support"].max_context == models["qwen3-32b-yarn"].max_context > models["qwen3-32b"].max_context
    write(tmp_path, "acme-long", "variant_of: qwen3-32b\nmax_context: 131_072\n...\n")
    with pytest.raises(Problems) as refused:
        catalog_beside(tmp_path)
    (problem,) = refused.value.problems
    assert (problem.code, problem.where and problem.where.line) == ("CAT006", 1)
    assert "write `base: qwen3-32b`" in problem.hint


def test_an_own_model_has_own_variants(tmp_path: Path) -> None:
    write(tmp_path, "acme-chat-7b", chat_row())
    write(tmp_path, "acme-chat-short", "variant_of: acme-chat-7b\nmax_context: 8_192\n...\n")
    models = catalog_beside(tmp_path).models
    assert models["acme-chat-short"].max_context == 8192
    assert models["acme-chat-short"].architecture == models["acme-chat-7b"].architecture


SCORES = "name: n\nscale: s\nsource: t\nas_of: 2026-11-01\nscores:\n  qwen3-8b: 0.5\n...\n"


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("support.yml", SCORES, "CAT002", "scores/support.yml is no catalog file"),
        ("support.yaml", SCORES.replace("qwen3-8b: 0.5", "qwen3-8b: good"), "SCR001", "score"),
        ("support.yaml", SCORES.replace("qwen3-8b", "qwen3-8c"), "SCR001", "qwen3-8c"),
        ("support.yaml", SCORES.replace("scale: s\n", ""), "SCR001", "scale"),
        ("support.yaml", "a: [", "SCR001", ""),
        ("support.yaml", SCORES, "", ""),
    ],
)
def test_own_scores_are_checked_whether_a_route_asks_for_them_or_not(
    tmp_path: Path, name: str, text: str, code: str, words: str
) -> None:
    path = tmp_path / "catalog" / "scores" / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    if not code:
        assert catalog_beside(tmp_path).models.keys() == load_catalog().models.keys()
        return
    with pytest.raises(Problems) as refused:
        catalog_beside(tmp_path)
    (problem,) = refused.value.problems
    assert (problem.code, words in problem.message) == (code, True)


def test_scores_of_an_own_model_that_is_damaged_are_not_told_as_scores_of_no_model(tmp_path: Path) -> None:
    write(tmp_path, "acme-support", tuned_text().replace("as_of: 2026-11-30", "as_of: soon").replace("hf_id", "hf_idd"))
    path = tmp_path / "catalog" / "scores" / "support.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SCORES.replace("qwen3-8b", "acme-support"), encoding="utf-8")
    assert codes(tmp_path) == {"CAT003"}


@pytest.mark.parametrize(
    "weights",
    [
        "s3://team-bucket/*",
        "s3://b/${aws:username}",
        "/etc/passwd",
        "s3://team-bucket",
        "s3://team-bucket//v3",
        "s3://Team/v3",
        "s3://192.168.0.1/v3",
        "s3://a..b/v3",
    ],
)
def test_what_is_no_place_of_weights_never_reaches_an_access_policy(tmp_path: Path, weights: str) -> None:
    text = tuned_text().replace(f'"{TUNED["weights"]}"', TUNED["weights"])
    assert f"weights: {TUNED['weights']}\n" in text
    write(tmp_path, "acme-support", text.replace(TUNED["weights"], f'"{weights}"'))
    with pytest.raises(Problems) as refused:
        catalog_beside(tmp_path)
    (problem,) = refused.value.problems
    assert problem.code == "CAT003"
    assert problem.where is not None
    assert problem.where.source.startswith("weights:")


@pytest.mark.parametrize("weights", ["s3://acme-models/v3", "s3://acme.models.eu/a_b/v3.1/"])
def test_a_bucket_with_a_prefix_is_a_place_of_weights(tmp_path: Path, weights: str) -> None:
    write(tmp_path, "acme-support", tuned_text().replace(TUNED["weights"], weights))
    assert catalog_beside(tmp_path).models["acme-support"].weights == weights


def test_the_base_of_a_row_is_a_shipped_model_alone(tmp_path: Path) -> None:
    write(tmp_path, "acme-chat-7b", chat_row())
    write(tmp_path, "acme-support", tuned_text("acme-chat-7b"))
    with pytest.raises(Problems, match="no shipped model 'acme-chat-7b'"):
        catalog_beside(tmp_path)


def test_what_nobody_reads_is_told(tmp_path: Path) -> None:
    write(tmp_path, "acme-support", tuned_text())
    (tmp_path / "catalog" / "traces").mkdir()
    (tmp_path / "catalog" / "models" / "notes.txt").write_text("", encoding="utf-8")
    assert codes(tmp_path) == {"CAT002", "CAT007"}


def test_a_native_precision_needs_no_entry_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "acme-fp4", as_yaml(row_of(derived("nvidia__Qwen3-235B-A22B-NVFP4"), ORIGIN)))
    accepted = catalog_beside(tmp_path).accepted_entry("acme-fp4")
    assert [way.name for way in getattr(accepted, "precisions", ())] == ["nvfp4"]
