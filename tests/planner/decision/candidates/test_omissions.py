"""Omissions: counted by their kind, found by the names of their candidate."""

from __future__ import annotations

import pytest

from planner.decision.candidates.candidate import Candidate, names_all
from planner.decision.candidates.omissions import (
    DoesNotLoad,
    FormatNotRun,
    NoPrice,
    Omission,
    counts_by_kind,
    omissions_naming,
)
from planner.performance.memory import NoFit
from planner.performance.precision import Unsupported

A = Omission(Candidate("llama-3.3-70b", "bf16", "L4", 1), DoesNotLoad(NoFit("needs 140 GiB of 24")), "chat")
B = Omission(Candidate("llama-3.3-70b", "bf16", "L4", 2), DoesNotLoad(NoFit("needs 70 GiB of 24")))
C = Omission(Candidate(instance_type="g6e.xlarge"), NoPrice("ec2/us-east-1/g6e.xlarge/on-demand"))
D = Omission(Candidate("gpt-oss-120b", "mxfp4", "T4", 1), FormatNotRun(Unsupported("no mxfp4")))
E = Omission(Candidate("gpt-oss-120b", "mxfp4", "L40S", 1, "g6e.xlarge"), DoesNotLoad(NoFit("needs 62 GiB of 44")))


def test_counts_are_by_kind_the_most_frequent_first_then_by_name() -> None:
    assert counts_by_kind([C, A, D, B]) == (("memory", 2), ("format", 1), ("price", 1))
    assert counts_by_kind([]) == ()


def test_the_same_omission_counts_once() -> None:
    assert counts_by_kind([A, A, B]) == (("memory", 2),)


def test_all_words_must_be_in_the_names_in_any_case_and_order() -> None:
    assert omissions_naming([A, B, C, D], ["L4", "LLAMA"]) == (A, B)
    assert omissions_naming([A, B], ["llama", "h100"]) == ()
    assert omissions_naming([D, C], []) == (D, C)


def test_each_omission_is_told_once_in_its_order() -> None:
    assert omissions_naming([B, A, A, B], ["l4"]) == (B, A)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("L4", (A, B)),
        ("L40S", (E,)),
        ("L40", ()),
        ("70b", (A, B)),
        ("0b", ()),
        ("gpt", (D, E)),
        ("gpt-oss-120b", (D, E)),
        ("120", ()),
        ("g6e.xlarge", (C, E)),
        ("g6e", (C, E)),
        ("6e", ()),
        ("xlarge", (C, E)),
        ("mxfp4", (D, E)),
        ("fp4", ()),
        ("140", ()),
        (".*", ()),
    ],
)
def test_a_word_is_a_whole_part_of_a_name(word: str, found: tuple[Omission, ...]) -> None:
    """`L4` is no `L40S`; and words of the reason are no names."""
    assert omissions_naming([A, B, C, D, E], [word]) == found


def test_what_does_not_apply_to_a_candidate_is_no_name_of_it() -> None:
    assert Candidate(api="openai/gpt-5.4").names == ("openai/gpt-5.4",)
    assert A.candidate.names == ("llama-3.3-70b", "bf16", "L4")
    assert names_all(Candidate(api="openai/gpt-5.4"), ["openai", "gpt-5.4"])
    assert not names_all(Candidate(api="openai/gpt-5.4-mini"), ["gpt-5.41"])
