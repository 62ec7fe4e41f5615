"""Adapters of the team's own catalog: read with their base, refused with their place, and named in accept lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.domain.adapters import MAX_LORA_RANKS, Adapter, max_lora_rank
from planner.domain.catalog import AcceptedEntry, Catalog
from planner.domain.gaps import Gap
from planner.edges.own_catalog import catalog_beside, own_model_path
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems
from tests.planner import small
from tests.planner.edges.test_own_prices import worked_files
from tests.planner.edges.test_own_prices import write as write_files

pytestmark = pytest.mark.usefixtures("alone")

ROW = """\
base: llama-3.1-8b-instruct
weights: s3://acme-adapters/support/v1
rank: 16
source: training run 7
as_of: 2026-11-20
...
"""
OWN_BASE = """\
base: qwen3-8b
hf_id: acme-chat
weights: s3://acme-models/chat/v3
licence: Apache-2.0
source: training run 3
as_of: 2026-11-01
...
"""


def write(folder: Path, name: str, text: str = ROW) -> Path:
    """Put an adapter into the own catalog."""
    path = folder / "catalog" / "adapters" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def entry(catalog: Catalog, text: str) -> AcceptedEntry:
    """What an entry that is known stands for."""
    found = catalog.accepted_entry(text)
    assert not isinstance(found, Gap)
    return found


def refused(folder: Path) -> tuple[Problem, ...]:
    """The problems of an own catalog."""
    with pytest.raises(Problems) as told:
        catalog_beside(folder)
    return told.value.problems


def test_an_adapter_stands_for_its_base_in_the_precisions_of_the_base_and_is_hosted_by_nobody(tmp_path: Path) -> None:
    write(tmp_path, "acme-support")
    catalog = catalog_beside(tmp_path)
    plain, adapted = entry(catalog, "llama-3.1-8b-instruct"), entry(catalog, "acme-support")
    assert plain.adapter is None
    assert plain.apis
    assert adapted.adapter == catalog.adapters["acme-support"]
    assert (adapted.entry, adapted.model, adapted.precisions) == ("acme-support", plain.model, plain.precisions)
    assert adapted.apis == ()
    assert [way.name for way in entry(catalog, "acme-support@fp8").precisions] == ["fp8"]
    assert isinstance(catalog.accepted_entry("acme-support@int3"), Gap)
    assert catalog.adapters_of("llama-3.1-8b-instruct") == ("acme-support",)
    assert catalog.adapters_of("qwen3-8b") == ()
    near = catalog.accepted_entry("acme-suport")
    assert isinstance(near, Gap)
    assert "acme-support" in near.hint


def test_an_adapter_may_have_a_base_of_the_own_catalog(tmp_path: Path) -> None:
    write(tmp_path, "acme-support", ROW.replace("llama-3.1-8b-instruct", "acme-chat"))
    path = own_model_path(tmp_path, "acme-chat")
    path.parent.mkdir(parents=True)
    path.write_text(OWN_BASE, encoding="utf-8")
    model = entry(catalog_beside(tmp_path), "acme-support").model
    assert model is not None
    assert (model.key, model.weights) == ("acme-chat", "s3://acme-models/chat/v3")


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "words"),
    [
        ("base: llama-3.1-8b-instruct", "base: llama-3.1-8b-instrukt", "CAT006", 1, "llama-3.1-8b-instrukt"),
        ("base: llama-3.1-8b-instruct\n", "", "CAT003", 1, "base"),
        ("weights: s3://acme-adapters/support/v1\n", "", "CAT003", 1, "weights"),
        ("weights: s3://acme-adapters/support/v1", "weights: s3://acme-adapters/*", "CAT003", 2, "no place"),
        ("weights: s3://acme-adapters/support/v1", "weights: s3://acme-adapters", "CAT003", 2, "no place"),
        ("rank: 16\n", "", "CAT003", 1, "rank"),
        ("rank: 16", "rank: 0", "CAT003", 3, "no adapter of rank 0: it is 1 to 512"),
        ("rank: 16", "rank: 1024", "CAT003", 3, "no adapter of rank 1024"),
        ("rank: 16", "rank: sixteen", "CAT003", 3, "rank"),
        ("rank: 16", "rank: 16\nalpha: 32", "CAT003", 4, "unknown key 'alpha'"),
        ("source: training run 7", "source: ''", "CAT003", 4, "no source"),
        ("as_of: 2026-11-20", "as_of: soon", "CAT003", 5, "soon"),
        ("...", "", "CAT002", 1, ""),
    ],
)
def test_a_damaged_row_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, code: str, line: int, words: str
) -> None:
    assert ROW.count(old) == 1
    path = write(tmp_path, "acme-support", ROW.replace(old, new))
    problem = refused(tmp_path)[0]
    assert (problem.code, words in problem.message) == (code, True)
    assert problem.where is not None
    assert problem.where.file == str(path)
    assert code == "CAT002" or problem.where.line == line


@pytest.mark.parametrize("name", ["qwen3-8b", "gpt-5.4-mini"])
def test_no_adapter_has_the_name_of_a_model(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    (problem,) = refused(tmp_path)
    assert (problem.code, problem.message) == ("CAT004", f"{name} is the name of a model already")


def test_no_adapter_has_the_name_of_an_own_hosted_model(tmp_path: Path) -> None:
    write_files(tmp_path, {path: text for path, text in worked_files().items() if "acme" in path})
    hosted = tmp_path / "catalog" / "providers" / "acme.yaml"
    hosted.write_text(hosted.read_text(encoding="utf-8").replace("  qwen3-8b:", "  acme-support:"), encoding="utf-8")
    prices = tmp_path / "catalog" / "prices" / "api" / "acme.yaml"
    prices.write_text(prices.read_text(encoding="utf-8").replace("qwen3-8b", "acme-support"), encoding="utf-8")
    write(tmp_path, "acme-support")
    (problem,) = refused(tmp_path)
    assert (problem.code, problem.message) == ("CAT004", "acme-support is the name of a model already")


@pytest.mark.parametrize("name", ["Acme", "acme support", "acme=x", "acme@awq", "-acme", "a" * 64])
def test_a_name_is_what_a_folder_and_an_argument_take(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    (problem,) = refused(tmp_path)
    assert "is no name of an adapter" in problem.message


def test_all_problems_of_models_and_adapters_come_in_one_run(tmp_path: Path) -> None:
    write(tmp_path, "a", ROW.replace("rank: 16", "rank: 0"))
    write(tmp_path, "b", ROW.replace("base: llama", "base: lama"))
    path = own_model_path(tmp_path, "c")
    path.parent.mkdir(parents=True)
    path.write_text(OWN_BASE.replace("qwen3-8b", "qwen3-8c"), encoding="utf-8")
    (tmp_path / "catalog" / "notes.txt").write_text("", encoding="utf-8")
    found = [(problem.code, Path(problem.where.file).name) for problem in refused(tmp_path) if problem.where]
    assert sorted(found) == [("CAT003", "a.yaml"), ("CAT006", "b.yaml"), ("CAT006", "c.yaml"), ("CAT007", "notes.txt")]


def test_the_digest_of_facts_covers_the_row(tmp_path: Path) -> None:
    write(tmp_path, "acme-support")
    before = catalog_beside(tmp_path).facts_digest(["adapter/acme-support"])
    write(tmp_path, "acme-support", ROW.replace("v1", "v2"))
    after = catalog_beside(tmp_path).facts_digest(["adapter/acme-support"])
    (tmp_path / "catalog" / "adapters" / "acme-support.yaml").rename(tmp_path / "catalog" / "adapters" / "other.yaml")
    assert len({before, after, catalog_beside(tmp_path).facts_digest(["adapter/acme-support"])}) == 3


def test_the_old_form_of_an_entry_says_how_an_adapter_is_added(tmp_path: Path) -> None:
    text = small.text().replace("accept: [qwen3-8b, gpt", "accept: [llama-3.1-8b-instruct+lora:support, gpt")
    small.workspace(tmp_path, text)
    with pytest.raises(Problems) as told:
        Workspace(tmp_path).wanted("small")
    (problem,) = told.value.problems
    assert problem.code == "ENV010"
    assert "catalog/adapters/NAME.yaml with `base: llama-3.1-8b-instruct`" in problem.hint


@pytest.mark.parametrize(
    ("ranks", "held"), [((), 0), ((1,), 1), ((4,), 8), ((16, 8), 16), ((17,), 32), ((257,), 320), ((512,), 512)]
)
def test_the_engine_is_started_with_the_least_rank_that_holds_all(ranks: tuple[int, ...], held: int) -> None:
    adapters = [
        Adapter(key=f"a{i}", base="b", weights="s3://aaa/b", rank=rank, source="s", as_of="2026-11-01")
        for i, rank in enumerate(ranks)
    ]
    assert max_lora_rank(adapters) == held
    assert held == 0 or held in MAX_LORA_RANKS
