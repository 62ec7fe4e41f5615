"""A trace's prompts as block hashes, replayed against the caches of a pool: what the formulas of `prefix` stand for."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Literal

Routing = Literal["random", "affinity"]
"""How requests find a replica: by chance, or the one that has the most of their prompt and is not ahead of the others.
"""
AHEAD = 1.1
"""Blocks of prompts that a replica may have got, relative to the mean, before affinity passes it over."""


def replayed_hit_share(
    prompts: Iterable[Sequence[int]], blocks_of_cache: int, replicas: int, routing: Routing, seed: int = 0
) -> float:
    """Return the share of all blocks of the prompts that are found, when each replica keeps the blocks used last.

    prompts: the block hashes of each prompt, in order of arrival; a hash stands for its block and all before it.
    blocks_of_cache: blocks that one replica keeps; 0: all.
    seed: which random numbers are drawn, for `random`.
    """
    caches: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(replicas)]
    given = [0] * replicas
    chance = random.Random(seed)
    found = 0
    for blocks in prompts:
        if routing == "affinity":
            most = AHEAD * (sum(given) + len(blocks)) / replicas
            free = [k for k in range(replicas) if given[k] <= most]
            chosen = max(free, key=lambda k: (_leading(blocks, caches[k]), -given[k], -k))
        else:
            chosen = chance.randrange(replicas)
        given[chosen] += len(blocks)
        found += _leading(blocks, caches[chosen])
        _use(caches[chosen], blocks, blocks_of_cache)
    return found / max(sum(given), 1)


def _leading(blocks: Sequence[int], cache: OrderedDict[int, None]) -> int:
    """Return the number of blocks at the start of a prompt that a cache has."""
    count = 0
    for block in blocks:
        if block not in cache:
            break
        count += 1
    return count


def _use(cache: OrderedDict[int, None], blocks: Sequence[int], most: int) -> None:
    """Put the blocks of a prompt into a cache as those used last. The last block of a prompt goes before its first."""
    for block in reversed(blocks):
        cache[block] = None
        cache.move_to_end(block)
    while most and len(cache) > most:
        cache.popitem(last=False)
