"""Files that are read later: one plan reads few of them, each once, and damage is told when its file is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.edges import catalog_files
from planner.edges.catalog_files import load_catalog, package_folder, read_catalog
from planner.edges.catalog_yaml import CatalogDocument, FactLoader, TextLoader, read
from planner.words.diagnostics import Problems

DAY = "prices/2026-11-29"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that are read from now on, of a copy of the shipped catalog in `tmp_path / "data"`."""
    shutil.copytree(str(package_folder()), tmp_path / "data")
    files: list[str] = []

    def noted(text: str, file: str, loader: type[TextLoader] = FactLoader) -> CatalogDocument:
        files.append(file)
        return read(text, file, loader)

    monkeypatch.setattr("planner.edges.catalog_entries.read", noted)
    monkeypatch.setattr(catalog_files, "package_folder", lambda: tmp_path / "data")
    load_catalog.cache_clear()
    yield files
    load_catalog.cache_clear()


def test_a_region_is_read_with_its_prices_and_no_other_is(opened: list[str]) -> None:
    catalog = load_catalog()
    before = len(opened)
    assert not [file for file in opened if file.startswith(("models/", "regions/", f"{DAY}/ec2/"))]
    assert "eu-central-1" in catalog.regions
    assert len(list(catalog.regions)) == len(catalog.regions) == 37
    assert "qwen3-8b" in catalog.models
    assert opened[before:] == []
    assert catalog.offered_in("eu-central-1").available()
    assert catalog.offered_in("eu-central-1").available()
    assert opened[before:] == ["regions/eu-central-1.yaml", f"{DAY}/ec2/eu-central-1.yaml"]
    assert catalog.models["qwen3-8b"].key == "qwen3-8b"
    assert catalog.rows["model/qwen3-8b"]["key"] == "qwen3-8b"
    assert opened[before + 2 :] == ["models/qwen3-8b.yaml"]


def test_a_key_of_no_file_reads_nothing(opened: list[str]) -> None:
    catalog = load_catalog()
    before = len(opened)
    assert catalog.prices.price("ec2/mars-north-1/g5.xlarge/on-demand") is None
    assert catalog.prices.price("nonsense") is None
    assert catalog.regions.get("mars-north-1") is None
    assert "model/none" not in catalog.rows
    assert "nonsense" not in catalog.rows
    with pytest.raises(KeyError):
        catalog.models["none"]
    assert opened[before:] == []


def test_damage_is_told_when_its_file_is_asked_for_and_by_a_whole_reading(opened: list[str], tmp_path: Path) -> None:
    for file, old, new in (
        ("regions/eu-west-1.yaml", "g5:", "g55:"),
        ("models/qwen3-8b.yaml", "native: bf16", "native: int7"),
        (f"{DAY}/platform/eu-west-1.yaml", "usd: 0.1,", "usd: 0,"),
    ):
        path = tmp_path / "data" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    catalog = load_catalog()
    assert catalog.offered_in("eu-central-1")
    for ask, code in (
        (lambda: catalog.offered_in("eu-west-1"), "CAT006"),
        (lambda: catalog.models["qwen3-8b"], "CAT003"),
        (lambda: catalog.prices.price("platform/eu-west-1/kms-key"), "CAT005"),
    ):
        with pytest.raises(Problems) as caught:
            ask()
        assert [(problem.code, problem.where is not None) for problem in caught.value.problems] == [(code, True)]
    with pytest.raises(Problems) as whole:
        read_catalog(tmp_path / "data")
    assert {problem.code for problem in whole.value.problems} == {"CAT003", "CAT005", "CAT006"}


def test_a_whole_reading_finds_nothing_wrong_in_any_snapshot() -> None:
    for day in catalog_files.snapshots(package_folder()):
        catalog = read_catalog(package_folder(), day)
        assert len(catalog.models) == len(list(catalog.models.values())) > 100
        assert len(catalog.price_rows) == len(catalog.prices.rows) > 400


def test_prices_of_other_purchase_options_are_read_when_one_is_asked_for(opened: list[str], tmp_path: Path) -> None:
    catalog = load_catalog()
    assert catalog.offered_in("eu-central-1").available()
    before = len(opened)
    assert catalog.prices.price("ec2/eu-central-1/g6e.xlarge/reserved-1y/no-upfront") is not None
    assert catalog.prices.price("ec2/eu-central-1/g6e.xlarge/spot/euc1-az9") is None
    assert opened[before:] == [f"{DAY}/purchases/eu-central-1.yaml"]
    assert catalog.prices.cut_since("ec2/eu-central-1/p5.48xlarge/reserved-1y/no-upfront", "2025") is not None
    assert opened[before + 1 :] == ["cuts/p5.yaml"]
    assert load_catalog("2026-11-21").prices.price("ec2/us-east-1/g6e.xlarge/reserved-1y/no-upfront") is None


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            f"{DAY}/purchases/ap-east-1.yaml",
            "  g4dn.12xlarge:\n",
            "  g4dn.12xlarge:\n    on-demand: {usd: 4, source: github.com-2025-04-24}\n",
            "stands in the wrong file",
        ),
        (f"{DAY}/ec2/ap-east-1.yaml", "on-demand: {usd: 6.024,", "spot: {usd: 6.024,", "stands in the wrong file"),
        ("cuts/p5.yaml", "day: 2025-06-01", "day: in June", "day: "),
        ("cuts/p5.yaml", "as_of: 2025-06-05", "as_of: June", "'June' is not a date"),
    ],
)
def test_a_price_in_a_file_where_nobody_looks_for_it_is_refused(
    opened: list[str], tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    path = tmp_path / "data" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Problems) as caught:
        read_catalog(tmp_path / "data")
    (problem,) = caught.value.problems
    assert problem.code == "CAT003"
    assert told in problem.message
    assert problem.where is not None
    assert problem.where.file == file


def test_a_cut_of_a_family_that_nobody_sells_is_refused(opened: list[str], tmp_path: Path) -> None:
    cuts = tmp_path / "data" / "cuts"
    (cuts / "p9.yaml").write_text((cuts / "p5.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(Problems) as caught:
        read_catalog(tmp_path / "data")
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("CAT006", "there is no family 'p9'")
