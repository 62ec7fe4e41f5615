"""What vLLM takes for itself where nothing is said: sequences and tokens of a step, by release and GPU, as dated rows.

    default = the first row of the newest release, not newer than the engine's, that takes the GPU

vLLM decides by the GPU's memory and by words of its name (`EngineArgs.get_batch_defaults`), and by whether it serves
(`vllm serve`) or is called as a library (`LLM`). The rows were read from the wheels of 0.8.3, 0.8.4, 0.8.5, 0.9.0,
0.27.1, 0.28.0 and 0.33.0. Two cases are left out: `--performance-mode throughput` doubles both numbers, and a model
whose images must stay in one step raises the tokens to the largest image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from planner.domain.engine import DEPLOYED
from planner.domain.offerings import Gpu

PINNED_VERSION = DEPLOYED
"""Release of vLLM that the chart deploys."""
_VERSION = re.compile(r"(?<![\d.])(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDefaults:
    """One row: what a release takes for GPUs of one class.

    since: first release with this row.
    as_of: day of that release, YYYY-MM-DD.
    least_gib: memory of the GPU from which the row holds, GiB.
    named: words of which the GPU's name holds one; empty: any name.
    not_named: words that the GPU's name does not hold.
    max_num_seqs: most sequences in the batch.
    served_tokens: most tokens of one step (`max_num_batched_tokens`) of `vllm serve`.
    offline_tokens: most tokens of one step where the engine is called as a library.
    source: where the row was read.
    """

    since: tuple[int, int, int]
    as_of: str
    least_gib: float = 0.0
    named: tuple[str, ...] = ()
    not_named: tuple[str, ...] = ()
    max_num_seqs: int
    served_tokens: int
    offline_tokens: int
    source: str

    def takes(self, gpu: Gpu) -> bool:
        """Return whether the row holds for this GPU."""
        name = " ".join(gpu.runtime_names or (gpu.name,)).lower()
        is_named = not self.named or any(word in name for word in self.named)
        is_named = is_named and not any(word in name for word in self.not_named)
        return is_named and gpu.memory_bytes >= self.least_gib * 2.0**30


ROWS = (
    BatchDefaults(
        since=(0, 0, 0),
        as_of="2023-06-20",
        max_num_seqs=256,
        served_tokens=8192,
        offline_tokens=8192,
        source="the V0 engine took whole prompts, together up to the longest context; 8,192 is our stand-in for that",
    ),
    BatchDefaults(
        since=(0, 8, 0),
        as_of="2025-03-18",
        named=("h100", "h200"),
        max_num_seqs=1024,
        served_tokens=8192,
        offline_tokens=16384,
        source="vllm pull request 12369; wheel of 0.8.3",
    ),
    BatchDefaults(
        since=(0, 8, 0),
        as_of="2025-03-18",
        max_num_seqs=1024,
        served_tokens=2048,
        offline_tokens=8192,
        source="wheel of 0.8.3",
    ),
    BatchDefaults(
        since=(0, 8, 4),
        as_of="2025-04-14",
        named=("h100", "h200"),
        max_num_seqs=1024,
        served_tokens=8192,
        offline_tokens=16384,
        source="vllm pull request 16158; wheel of 0.8.4",
    ),
    BatchDefaults(
        since=(0, 8, 4),
        as_of="2025-04-14",
        max_num_seqs=256,
        served_tokens=2048,
        offline_tokens=8192,
        source="vllm pull request 16158, after reports of memory that ran out; wheel of 0.8.4",
    ),
    BatchDefaults(
        since=(0, 8, 5),
        as_of="2025-04-28",
        least_gib=70,
        max_num_seqs=1024,
        served_tokens=8192,
        offline_tokens=16384,
        source="vllm pull request 17073; wheel of 0.8.5",
    ),
    BatchDefaults(
        since=(0, 8, 5),
        as_of="2025-04-28",
        max_num_seqs=256,
        served_tokens=2048,
        offline_tokens=8192,
        source="wheel of 0.8.5",
    ),
    BatchDefaults(
        since=(0, 9, 0),
        as_of="2025-05-27",
        least_gib=70,
        not_named=("a100",),
        max_num_seqs=1024,
        served_tokens=8192,
        offline_tokens=16384,
        source="vllm pull request 17885: 70B at TP 2 on A100 lost a third with 8,192; wheels of 0.9.0 and 0.27.1",
    ),
    BatchDefaults(
        since=(0, 9, 0),
        as_of="2025-05-27",
        max_num_seqs=256,
        served_tokens=2048,
        offline_tokens=8192,
        source="wheels of 0.9.0 and 0.27.1",
    ),
    BatchDefaults(
        since=(0, 28, 0),
        as_of="2026-08-25",
        least_gib=160,
        max_num_seqs=1024,
        served_tokens=16384,
        offline_tokens=16384,
        source="vllm pull request 51726; wheels of 0.28.0 and 0.33.0",
    ),
    BatchDefaults(
        since=(0, 28, 0),
        as_of="2026-08-25",
        least_gib=70,
        not_named=("a100",),
        max_num_seqs=1024,
        served_tokens=8192,
        offline_tokens=16384,
        source="wheels of 0.28.0 and 0.33.0",
    ),
    BatchDefaults(
        since=(0, 28, 0),
        as_of="2026-08-25",
        max_num_seqs=256,
        served_tokens=2048,
        offline_tokens=8192,
        source="wheels of 0.28.0 and 0.33.0",
    ),
)
"""Rows in the order of releases; within a release the first that takes the GPU counts."""


def batch_defaults(gpu: Gpu, version: str = PINNED_VERSION, date: str = "") -> BatchDefaults:
    """Return the row that holds for a GPU and an engine. The pinned engine is meant where nothing is stated.

    version: version of vLLM as a source states it, or empty.
    date: day on which the engine ran, YYYY-MM-DD, or empty. It decides where the version holds no number: the newest
        release of that day is meant.
    """
    stated = _VERSION.search(version)
    if stated is None and not date:
        stated = _VERSION.search(PINNED_VERSION)
    if stated is not None:
        release = (int(stated[1]), int(stated[2]), int(stated[3] or 0))
        known = [row for row in ROWS if row.since <= release]
    else:
        known = [row for row in ROWS if row.as_of <= date] or [ROWS[0]]
    newest = max(row.since for row in known)
    return next(row for row in known if row.since == newest and row.takes(gpu))


def default_batched_tokens(gpu: Gpu) -> int:
    """Return the most tokens of one step that the pinned `vllm serve` takes for a GPU."""
    return batch_defaults(gpu).served_tokens
