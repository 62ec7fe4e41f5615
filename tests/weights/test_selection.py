"""Weights come once and as safetensors; what is no weights comes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weights.manifest import NAME, CopiedFile, Manifest, StoredObject
from weights.selection import wanted

CASES = {
    "one file": (["model.safetensors", "config.json"], ["config.json", "model.safetensors"]),
    "no safetensors": (["pytorch_model.bin", "config.json"], []),
    "below folders alone": (["original/model.safetensors", "config.json"], []),
    "doubled": (["model.safetensors", "consolidated.safetensors", "params.json"], ["model.safetensors", "params.json"]),
    "doubled alone": (["consolidated.safetensors", "params.json"], ["consolidated.safetensors", "params.json"]),
    "other forms": (
        ["a.safetensors", "m.gguf", "m.onnx", "m.pth", "original/a.safetensors", "metal/model.bin", "x/y.jinja"],
        ["a.safetensors", "x/y.jinja"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wanted(case: str) -> None:
    names, chosen = CASES[case]
    assert list(wanted(names)) == chosen


NAMES = st.lists(
    st.builds(
        lambda folder, stem, ending: f"{folder}{stem}.{ending}",
        st.sampled_from(["", "original/"]),
        st.sampled_from(["model", "consolidated", "x"]),
        st.sampled_from(["safetensors", "bin", "json", "gguf"]),
    )
)


@given(NAMES)
def test_a_choice_is_a_part_and_choosing_again_changes_nothing(names: list[str]) -> None:
    chosen = wanted(names)
    assert set(chosen) <= set(names)
    assert wanted(chosen) == chosen
    assert wanted(reversed(names)) == chosen


FILES = st.lists(st.builds(CopiedFile, st.text(min_size=1), st.integers(0, 2**40), st.text(), st.text()), max_size=4)


@given(FILES, st.text(), st.text(), st.text())
def test_a_manifest_survives_its_text_and_proves_only_what_it_names(
    files: list[CopiedFile], repository: str, asked: str, commit: str
) -> None:
    files = list({file.name: file for file in files}.values())
    manifest = Manifest(repository, asked, commit, tuple(files))
    assert Manifest.parse(manifest.text()) == manifest
    held = {file.name: StoredObject(file.size, file.etag) for file in files}
    assert manifest.proves(repository, asked, {**held, NAME: StoredObject(1, "x")})
    assert manifest.proves(repository, commit, held)
    assert not manifest.proves(repository + "x", asked, held)
    for file in files:
        assert not manifest.proves(repository, asked, {**held, file.name: StoredObject(file.size + 1, file.etag)})
        assert not manifest.proves(repository, asked, {**held, file.name: StoredObject(file.size, file.etag + "x")})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2, "files": []}', '{"format": 1}'])
def test_a_strange_text_is_no_manifest(text: str) -> None:
    assert Manifest.parse(text) is None
