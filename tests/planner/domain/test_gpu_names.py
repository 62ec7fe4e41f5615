"""A name means a GPU by its key, its driver's name, or the longest of its spellings; else it means none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.domain.gpu_names import gpu_assumed, gpu_called, gpu_reported, plain_name
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
ALL = CATALOG.all_gpus


@pytest.mark.parametrize("key", sorted(ALL))
def test_every_key_spelling_and_driver_s_name_means_its_own_gpu(key: str) -> None:
    gpu = ALL[key]
    for name in (key, key.lower(), key.replace("-", " "), gpu.name, *gpu.spellings, *gpu.runtime_names):
        assert gpu_called(name, ALL) is gpu, name
    for name in gpu.runtime_names:
        assert gpu_reported(name, ALL) is gpu


def test_spellings_and_driver_s_names_are_said_once() -> None:
    spelled = [frozenset(plain_name(name).split()) for gpu in ALL.values() for name in gpu.spellings]
    reported = [name for gpu in ALL.values() for name in gpu.runtime_names]
    assert len(set(spelled)) == len(spelled)
    assert len(set(reported)) == len(reported)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"),
        ("NVIDIA A100-SXM-80 GB", "A100-80GB"),
        ("A100 PCIe", "A100-80GB-PCIe"),
        ("A100", None),
        ("H100NVL", "H100-NVL"),
        ("H200 NVL", None),
        ("L40S PCIe", "L40S"),
        ("GB200", None),
        ("", None),
    ],
)
def test_the_longest_spelling_counts_and_a_form_factor_must_be_spelled(name: str, key: str | None) -> None:
    found = gpu_called(name, ALL)
    assert (found and found.key) == key


def test_a_driver_s_name_is_taken_to_the_letter() -> None:
    assert gpu_reported("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", ALL) is None
    assert gpu_reported("NVIDIA H100 PCIe", CATALOG.gpus) is None


def test_a_bare_a100_is_assumed_to_be_the_larger() -> None:
    assert gpu_assumed("8 x A100 SXM", ALL) is ALL["A100-80GB"]
    assert gpu_assumed("A10", ALL) is None


def test_among_equal_spellings_the_first_key_counts() -> None:
    twin = {"B1": replace(ALL["L4"], key="B1"), "A1": replace(ALL["L4"], key="A1")}
    found = gpu_called("an L4", twin)
    assert found
    assert found.key == "A1"
