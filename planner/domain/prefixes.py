"""How much of a trace's prompts had been sent before: from the hashes of their blocks, or guessed from sessions.

A hash names a block of tokens *and all that stands before it*, as in the Mooncake traces and in vLLM's own cache. So a
cache of any size finds a prompt's blocks up to the first one that it forgot. A cache that forgets what it used longest
ago finds a block when fewer blocks were used since than it holds (its stack distance). The distance of a prompt's k-th
block is the largest of its first k. So one pass tells what caches of all sizes find.

Memory is bounded: blocks and sessions that were not used for longest are forgotten beyond a limit, as they would be in
a cache of that size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from planner.domain.traces import PrefixReuse

MOST_BLOCKS = 1_000_000
"""Blocks that are remembered."""
MOST_SESSIONS = 500_000
"""Sessions that are remembered."""
_NEARLY_ALL = 0.9
"""Share of the requests that begin with a block, from which on it belongs to the prefix of all."""
_MOST_SHARED = 4096
"""Blocks of a prompt that may belong to the prefix of all."""
_FIRST_CACHE_BLOCKS = 64
"""The smallest cache of the curve, blocks; each further one is twice as large."""
_SLOTS = 1 << 20
"""Places of a request in the order of use; they are numbered anew when they run out."""


class HashTally:
    """Replays the hash chains of requests in the order of time.

    block_tokens: tokens of a block; the last block of a prompt may hold fewer.
    """

    def __init__(self, block_tokens: int, most_blocks: int = MOST_BLOCKS) -> None:
        self._block_tokens = block_tokens
        self._most = most_blocks
        self._used: dict[int, int] = {}  # block → slot of the request that used it last, the longest unused first
        self._recent = _Recent()
        self._first: list[Counter[int]] = []  # which block stands at each place, over all requests
        self._tokens = self._seen = self.requests = 0
        self._found: Counter[int] = Counter()  # tokens by the octave of the cache that finds them

    def add(self, chain: Sequence[int], input_tokens: int) -> None:
        """Add the prompt of one request."""
        self.requests += 1
        self._tokens += input_tokens
        self._note_first(chain)
        used, recent = self._used, self._recent
        slot = recent.new_slot(used)
        size = self._block_tokens
        hit, deepest, at, left = True, 0, -1, input_tokens
        for block in chain:
            tokens, left = min(size, left), left - min(size, left)
            before = used.pop(block, None)
            used[block] = slot
            if before is None:
                hit = False
                recent.put(slot, 1)
                continue
            if hit and before != slot:
                if before != at:
                    at, deepest = before, max(deepest, recent.used_since(before))
                self._seen += tokens
                self._found[max(0, (deepest - 1).bit_length())] += tokens
            if before != slot:
                recent.put(before, -1)
                recent.put(slot, 1)
        while len(used) > self._most:
            forgotten = next(iter(used))
            recent.put(used.pop(forgotten), -1)

    def reuse(self) -> PrefixReuse | None:
        """Return what was found; None without prompts."""
        if not self._tokens:
            return None
        shared = self._shared_blocks() * self._block_tokens
        shared_tokens = min(float(shared), self._tokens / self.requests)
        common = shared_tokens * self.requests
        others = self._tokens - common

        def share(tokens: float) -> float:
            return round(min(1.0, max(0.0, (tokens - common) / others)), 6) if others > 0 else 0.0

        curve, found, octaves = [], 0, max(self._found, default=0)
        for octave in range(octaves + 1):
            found += self._found[octave]
            if 1 << octave >= _FIRST_CACHE_BLOCKS or octave == octaves:
                curve.append(((1 << octave) * self._block_tokens, share(found)))
        return PrefixReuse(round(shared_tokens, 3), share(self._seen), "hashes", tuple(curve))

    def _note_first(self, chain: Sequence[int]) -> None:
        """Note which blocks the prompts begin with, as deep as one block was common so far."""
        for place, block in enumerate(chain[:_MOST_SHARED]):
            if place == len(self._first):
                self._first.append(Counter())
            counter = self._first[place]
            counter[block] += 1
            if len(counter) > 64:  # as Misra and Gries count: what most requests share survives
                self._first[place] = counter = Counter({b: n - 1 for b, n in counter.items() if n > 1})
            if counter[block] < _NEARLY_ALL / 2 * self.requests:
                break

    def _shared_blocks(self) -> int:
        """Return how many blocks nearly all requests begin with."""
        for place, counter in enumerate(self._first):
            if max(counter.values(), default=0) < _NEARLY_ALL * self.requests:
                return place
        return len(self._first)


class SessionTally:
    """Guesses from sessions: a prompt of a session repeats what its last request sent and got, if it is no shorter."""

    def __init__(self, most_sessions: int = MOST_SESSIONS) -> None:
        self._most = most_sessions
        self._history: dict[int, tuple[int, int]] = {}  # session → tokens of its last prompt and answer
        self._tokens = self._seen = self.requests = self.further = 0

    def add(self, session: int, input_tokens: int, output_tokens: int) -> None:
        """Add one request of a session."""
        self.requests += 1
        self._tokens += input_tokens
        before = self._history.pop(session, None)
        if before is not None:
            self.further += 1
            if input_tokens >= before[0]:
                self._seen += min(input_tokens, sum(before))
        self._history[session] = (input_tokens, output_tokens)
        if len(self._history) > self._most:
            del self._history[next(iter(self._history))]

    def reuse(self) -> PrefixReuse | None:
        """Return the estimate; None when no session has a second request."""
        if not self.further or not self._tokens:
            return None
        return PrefixReuse(None, round(self._seen / self._tokens, 6), "sessions")


class _Recent:
    """Counts the blocks whose last use was in each request, in a binary indexed tree over the requests."""

    def __init__(self) -> None:
        self._tree = [0] * (_SLOTS + 1)
        self._next = 0
        self._total = 0

    def new_slot(self, used: dict[int, int]) -> int:
        """Return the slot of a new request. When all are taken, those still in use are numbered anew, in place."""
        if self._next == _SLOTS - 1:
            slots = {slot: number for number, slot in enumerate(sorted(set(used.values())))}
            for block in used:
                used[block] = slots[used[block]]
            self._tree = [0] * (_SLOTS + 1)
            self._total, self._next = 0, len(slots)
            for slot in used.values():
                self.put(slot, 1)
        self._next += 1
        return self._next - 1

    def put(self, slot: int, count: int) -> None:
        """Change the number of blocks of a slot."""
        self._total += count
        tree, place = self._tree, slot + 1
        while place <= _SLOTS:
            tree[place] += count
            place += place & -place

    def used_since(self, slot: int) -> int:
        """Return how many blocks were last used in this slot or later: a cache that holds them still has them."""
        total, place = self._total, slot
        tree = self._tree
        while place > 0:
            total -= tree[place]
            place -= place & -place
        return total
