"""The digest of a chart follows what a release depends on, and nothing else; its path is the same in every checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra import charts
from infra.charts import chart
from infra.settings import ROOT


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "charts" / "gateway", tmp_path / "charts" / "gateway")
    monkeypatch.setattr(charts, "ROOT", tmp_path)
    return tmp_path / "charts" / "gateway"


def test_a_copy_has_the_same_digest_and_path(copy: Path) -> None:
    here = chart("gateway")
    (copy / "README.md").write_text("notes")
    (copy / "ci" / "more-values.yaml").write_text("{}")
    assert chart("gateway") == here
    assert here.path == "./charts/gateway"


@pytest.mark.parametrize("file", ["values.yaml", "Chart.yaml", "templates/deployment.yaml"])
def test_a_changed_file_changes_the_digest(copy: Path, file: str) -> None:
    before = chart("gateway").digest
    with (copy / file).open("a") as changed:
        changed.write("\n# changed\n")
    assert chart("gateway").digest != before


def test_a_renamed_template_changes_the_digest(copy: Path) -> None:
    before = chart("gateway").digest
    (copy / "templates" / "service.yaml").rename(copy / "templates" / "services.yaml")
    assert chart("gateway").digest != before


def test_a_chart_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="no chart in"):
        chart("nothing")
