"""What each release of the engine began and ceased to serve, read from packages that are made here."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from planner.edges.catalog_yaml import read
from tools.catalog import engine_rows

OLD, LIST, NEW = engine_rows.REGISTRIES[2], engine_rows.REGISTRIES[1], engine_rows.REGISTRIES[0]
FORMATS = engine_rows.FORMATS[0]
TABLES = """
_TEXT_GENERATION_MODELS = {{{text}}}
_EMBEDDING_MODELS = {{"Encoder": ("bert", "Bert")}}
_TRANSFORMERS_SUPPORTED_MODELS = {{{further}}}
_PREVIOUSLY_SUPPORTED_MODELS = {{"Gone": "0.10.0"}}
_VLLM_MODELS = {{**_TEXT_GENERATION_MODELS}}
"""


def packed(folder: Path, version: str, files: dict[str, str], day: int = 1_700_000_000) -> None:
    """Write a source package of a release."""
    with tarfile.open(folder / f"vllm-{version}.tar.gz", "w:gz") as package:
        for name, text in {"PKG-INFO": "Name: vllm", **files}.items():
            info = tarfile.TarInfo(f"vllm-{version}/{name}")
            info.size, info.mtime = len(text.encode()), day
            package.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """A folder of five releases, one of them as a wheel."""
    packed(tmp_path, "0.1.0", {OLD: '_MODEL_REGISTRY = {"First": 1, "Gone": 2}'})
    packed(tmp_path, "0.10.0", {NEW: TABLES.format(text='"First": 1, "Gone": 2, "Moved": 3', further="")})
    packed(
        tmp_path, "0.9.0", {LIST: "_MODELS = {'First': 1, 'Gone': 2}", FORMATS: 'QUANTIZATION_METHODS = ["fp8", "x"]'}
    )
    packed(tmp_path, "0.12.0", {NEW: TABLES.format(text='"First": 1', further='"Moved": ("transformers", "T")')})
    with zipfile.ZipFile(tmp_path / "vllm-0.11.0-cp38-abi3-linux.whl", "w") as wheel:
        about = zipfile.ZipInfo("vllm-0.11.0.dist-info/METADATA", (2026, 1, 29, 0, 0, 0))
        wheel.writestr(about, "Name: vllm")
        wheel.writestr(
            NEW, TABLES.format(text='"First": 1', further='"Moved": ("transformers", "T"), "TransformersX": 1')
        )
        wheel.writestr(FORMATS, 'from typing import Literal\nQuantizationMethods = Literal["mxfp4", "gpt_oss_mxfp4"]')
    return tmp_path


def test_what_is_new_is_told_by_release(releases: Path) -> None:
    assert engine_rows.main([str(releases), str(releases / "out")]) == 0
    text = (releases / "out/engines/vllm.yaml").read_text(encoding="utf-8")
    found = read(text, "vllm.yaml").value["releases"]
    assert {key: {name: row[name] for name in row if name != "source"} for key, row in found.items()} == {
        "0.1.0": {"classes": ["First", "Gone"], "as_of": "2023-11-14"},
        "0.9.0": {"formats": ["fp8"], "as_of": "2023-11-14"},
        "0.10.0": {"classes": ["Moved"], "as_of": "2023-11-14"},
        "0.11.0": {"dropped": ["Gone"], "formats": ["mxfp4"], "as_of": "2026-01-29"},
        "0.12.0": {"as_of": "2023-11-14"},
    }
    assert [row["source"] for row in found.values()] == [
        f"vLLM {key}, {path}" for key, path in zip(found, (OLD, LIST, NEW, NEW, NEW), strict=True)
    ]
    assert engine_rows.main([str(releases), str(releases / "out")]) == 0
    assert (releases / "out/engines/vllm.yaml").read_text(encoding="utf-8") == text


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine_rows.main([]) == 2
    assert "FOLDER" in capsys.readouterr().err
