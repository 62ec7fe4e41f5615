"""Words for hardware: their kinds, that kinds are joined by "and" and words of one kind by "or"."""

from __future__ import annotations

import pytest

from planner.domain.hardware import HardwareChoice, kind_of, matching, missing, of_machine, words_for_hardware
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
SHAPE = HardwareChoice("L40S", "fp8", 2)
WHOLE = HardwareChoice("L40S", "fp8", 2, "g6e.12xlarge", "g6e", 4)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("L40S", "gpu"),
        ("g6e", "machine"),
        ("g6e.xlarge", "machine"),
        ("fp8", "precision"),
        ("awq", "precision"),
        ("tp1", "replica"),
        ("dp8", "replica"),
        ("ep", "replica"),
        ("gpus8", "size"),
        ("l40s", None),
        ("tp0", None),
        ("dp", None),
        ("tp", None),
        ("H100-PCIe", None),
    ],
)
def test_a_word_is_of_one_kind(word: str, kind: str | None) -> None:
    """`H100-PCIe` is measured by others and cannot be rented, so that no rule can name it."""
    assert kind_of(word, CATALOG) == kind


def test_every_word_that_is_offered_is_understood() -> None:
    assert all(kind_of(word, CATALOG) for word in words_for_hardware(CATALOG))


@pytest.mark.parametrize(
    ("words", "hardware", "absent"),
    [
        (["L40S"], WHOLE, ()),
        (["H100", "L40S"], WHOLE, ()),
        (["H100"], WHOLE, ("H100",)),
        (["L40S", "tp1"], WHOLE, ("tp1",)),
        (["L40S", "tp1", "tp2"], WHOLE, ()),
        (["L40S", "g6e", "fp8", "tp2", "gpus4"], WHOLE, ()),
        (["L40S", "p5"], WHOLE, ("p5",)),
        (["p5", "g6e.12xlarge"], WHOLE, ()),
        (["gpus8"], WHOLE, ("gpus8",)),
        (["g6", "gpus8"], SHAPE, ()),
        ([], WHOLE, ()),
    ],
)
def test_each_kind_that_is_named_must_match(
    words: list[str], hardware: HardwareChoice, absent: tuple[str, ...]
) -> None:
    """A shape has no machine yet, so that words for machines miss nothing of it."""
    assert missing(words, hardware, CATALOG) == absent


def test_any_word_that_matches_is_told() -> None:
    assert matching(["T4", "fp8", "g6e"], WHOLE, CATALOG) == ("fp8", "g6e")
    assert matching(["T4", "fp8", "g6e"], SHAPE, CATALOG) == ("fp8",)


def test_a_replica_goes_by_the_copies_of_its_attention_and_not_by_their_size() -> None:
    """`only: [tp1]` asks for replicas of one GPU, and eight copies of one GPU each are no such replica."""
    copies = HardwareChoice("H200", "fp8", 1, data_parallel_size=8, enable_expert_parallel=True)
    assert copies.gpus == 8
    assert missing(["tp1"], copies, CATALOG) == ("tp1",)
    assert missing(["tp1", "dp8"], copies, CATALOG) == ()
    assert matching(["tp1", "ep"], copies, CATALOG) == ("ep",)
    cut = HardwareChoice("H200", "fp8", 8, enable_expert_parallel=True)
    assert matching(["tp8", "dp8", "ep"], cut, CATALOG) == ("tp8", "ep")


def test_a_machine_is_hardware_without_a_model() -> None:
    row = CATALOG.instances["g6e.12xlarge"]
    assert of_machine(row) == HardwareChoice("L40S", "", 0, "g6e.12xlarge", "g6e", 4)
