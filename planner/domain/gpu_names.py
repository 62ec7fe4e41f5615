"""GPUs as people, drivers and publications write them.

A name means the GPU whose key or driver's name it is. Any other name means the GPU with the longest spelling of which
all words stand in the name: `NVIDIA A100 80GB PCIe` holds `A100 80GB`, and also `A100 PCIE 80GB`, which is longer. A
name that says PCIe or NVL, where its spelling does not, means no board with NVLink. Spellings are facts of the catalog;
nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from planner.domain.offerings import Gpu

FORM_FACTORS = frozenset({"PCIE", "NVL"})
"""Words for a card of a chip that also comes on boards with NVLink."""


def gpu_reported(name: str, gpus: Mapping[str, Gpu]) -> Gpu | None:
    """Return the GPU that a driver or a runtime reports under exactly this name; None without one."""
    return next((gpu for _, gpu in sorted(gpus.items()) if name in gpu.runtime_names), None)


def gpu_called(name: str, gpus: Mapping[str, Gpu]) -> Gpu | None:
    """Return the GPU that a name means; None when it means none of `gpus`."""
    if exact := next((gpu for _, gpu in sorted(gpus.items()) if name.lower() == gpu.key.lower()), None):
        return exact
    if reported := gpu_reported(name, gpus):
        return reported
    words = _words(name)
    fitting = [
        (-len(spelled), gpu.key)
        for gpu in gpus.values()
        for spelled in map(_words, gpu.spellings)
        if spelled <= words and not (gpu.link.startswith("nvlink") and FORM_FACTORS & (words - spelled))
    ]
    return gpus[min(fitting)[1]] if fitting else None


def gpu_assumed(name: str, gpus: Mapping[str, Gpu]) -> Gpu | None:
    """Return the GPU that is assumed when a name leaves open which card of a chip it is, like `A100`."""
    words = _words(name)
    return next((gpu for _, gpu in sorted(gpus.items()) if words.intersection(gpu.assumed_for)), None)


def plain_name(name: str) -> str:
    """Return a name as capital words: `A100-SXM4-40GB` → `A100 SXM4 40GB`. Any PCI becomes PCIE, and `40 G` 40GB."""
    text = re.sub(r"[^A-Z0-9]+", " ", name.upper())
    text = re.sub(r"(?<=\d)(?=SXM|PCI|NVL)", " ", text)
    text = re.sub(r"\b(\d+) ?G(?:I?B)?\b", r"\1GB", text)
    return re.sub(r"\bPCI\w*", "PCIE", text)


def _words(name: str) -> frozenset[str]:
    return frozenset(plain_name(name).split())
