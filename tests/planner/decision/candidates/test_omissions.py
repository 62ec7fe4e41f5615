"""Omissions: counted by their kind, found by the words of their subject."""

from __future__ import annotations

from typing import get_args

from planner.decision.candidates.omissions import MEANING, Omission, OmissionKind, about, counted

A = Omission("memory", "llama-3.3-70b (bf16) on 1 × L4", "needs 140 GiB of 24", "chat")
B = Omission("memory", "llama-3.3-70b (bf16) on 2 × L4", "needs 70 GiB of 24")
C = Omission("price", "g6e.xlarge", "no price")
D = Omission("format", "gpt-oss-120b (mxfp4) on 1 × T4", "no mxfp4")


def test_counts_are_by_kind_the_most_frequent_first_then_by_name() -> None:
    assert counted([C, A, D, B]) == ((MEANING["memory"], 2), (MEANING["format"], 1), (MEANING["price"], 1))
    assert counted([]) == ()


def test_the_same_omission_counts_once() -> None:
    assert counted([A, A, B]) == ((MEANING["memory"], 2),)


def test_every_kind_has_a_meaning() -> None:
    assert set(MEANING) == set(get_args(OmissionKind))


def test_all_words_must_be_in_the_subject_in_any_case_and_order() -> None:
    assert about([A, B, C, D], ["L4", "LLAMA"]) == (A, B)
    assert about([B, A, A], ["2 ×"]) == (B,)
    assert about([A, B], ["llama", "h100"]) == ()
    assert about([D, C], []) == (D, C)
