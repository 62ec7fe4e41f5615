"""Prefix reuse: what caches of every size would find, against a cache that is played through."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.domain import prefixes
from planner.domain.prefixes import HashTally, SessionTally

CHAINS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=60)


def _prompts(paths: list[list[int]]) -> list[tuple[tuple[int, ...], int]]:
    """Chains of hashes, in which a block stands for all that is before it too, and the tokens of each prompt."""
    numbers: dict[tuple[int, ...], int] = {}
    chains = [tuple(numbers.setdefault(tuple(path[: k + 1]), len(numbers)) for k in range(len(path))) for path in paths]
    return [(chain, 10 * len(chain) - (index % 3)) for index, chain in enumerate(chains)]


def _played(prompts: list[tuple[tuple[int, ...], int]], blocks: int) -> int:
    """Tokens that a cache of so many blocks finds, which forgets what it used longest ago."""
    cache: OrderedDict[int, None] = OrderedDict()
    found = 0
    for chain, tokens in prompts:
        hit, left = True, tokens
        for block in chain:
            hit = hit and block in cache
            found += min(10, left) if hit else 0
            left -= min(10, left)
            cache[block] = None
            cache.move_to_end(block)
            while len(cache) > blocks:
                cache.popitem(last=False)
    return found


@given(CHAINS)
@settings(deadline=None)
def test_the_curve_is_what_caches_find(paths: list[list[int]]) -> None:
    prompts = _prompts(paths)
    tally = HashTally(10)
    for chain, tokens in prompts:
        tally.add(chain, tokens)
    for octave in range(8):
        found = sum(tokens for bound, tokens in tally._found.items() if bound <= octave)
        assert found == _played(prompts, 1 << octave)
    assert tally._seen == _played(prompts, 10_000)


def test_a_prefix_of_all_stands_apart() -> None:
    tally = HashTally(100)
    for request in range(50):
        tally.add((1, 2, 1000 + request // 5), 300)
    reuse = tally.reuse()
    assert reuse is not None
    assert reuse.shared_tokens == 200
    # Of the 100 other tokens of each prompt four in five were sent before. The first prompt's prefix was not found.
    assert reuse.session_share == pytest.approx((49 * 200 + 40 * 100 - 50 * 200) / (50 * 100))
    assert reuse.measured == "hashes"


def test_one_odd_request_does_not_hide_the_prefix_of_all() -> None:
    tally = HashTally(16)
    for request in range(40):
        tally.add((7, 8) if request != 20 else (5, 6), 32)
    reuse = tally.reuse()
    assert reuse is not None
    assert reuse.shared_tokens == 32


def test_memory_is_bounded_and_slots_are_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "_SLOTS", 64)
    bounded, whole = HashTally(10, most_blocks=8), HashTally(10)
    prompts = _prompts([[k % 5, k % 3, k % 2] for k in range(300)])
    for chain, tokens in prompts:
        bounded.add(chain, tokens)
        whole.add(chain, tokens)
    assert len(bounded._used) <= 8
    assert whole._seen == _played(prompts, 10_000)
    assert sum(tokens for octave, tokens in whole._found.items() if octave <= 3) == _played(prompts, 8)
    assert bounded._seen == _played(prompts, 8)


def test_sessions_repeat_their_history_when_prompts_grow() -> None:
    tally = SessionTally()
    tally.add(1, 100, 20)
    tally.add(2, 500, 10)
    tally.add(1, 150, 30)  # 120 of 150 were sent
    tally.add(1, 160, 5)  # 160 of 160: cut to the prompt
    tally.add(2, 90, 5)  # another conversation: shorter than before
    reuse = tally.reuse()
    assert reuse is not None
    assert reuse.session_share == pytest.approx((120 + 160) / 1000)
    assert (reuse.shared_tokens, reuse.measured) == (None, "sessions")


def test_no_second_request_tells_nothing() -> None:
    tally = SessionTally(most_sessions=2)
    for session in range(5):
        tally.add(session, 10, 1)
    assert tally.reuse() is None
    assert len(tally._history) == 2
    assert HashTally(16).reuse() is None
