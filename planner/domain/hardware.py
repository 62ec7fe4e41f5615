"""What the words of `hardware:` mean: GPUs, machines and their families, precisions, sizes of replicas and machines.

Each word is of one kind. `only: [L40S, tp1]` names two kinds and means both: a GPU L40S, and replicas of one GPU. Words
of the same kind are alternatives: `only: [L40S, H100]` means either.

    gpu        L40S             the GPU
    machine    g6e.xlarge, g6e  the instance type, or its family
    precision  fp8              the format of the weights
    replica    tp4, dp8, ep     how the GPUs of one replica share the model: cut among four GPUs; eight copies of the
                                attention; experts that lie whole on one GPU each
    size       gpus8            the GPUs of the machine
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from planner.domain.catalog import Catalog
from planner.domain.models import WeightFormat
from planner.domain.offerings import InstanceType

WordKind = Literal["gpu", "machine", "precision", "replica", "size"]
_SIZES: Mapping[str, WordKind] = {"tp": "replica", "dp": "replica", "gpus": "size"}
_LAYOUTS = ("tp1", "tp2", "tp4", "tp8", "dp2", "dp4", "dp8", "ep")


@dataclass(frozen=True)
class HardwareChoice:
    """One way to serve: what a rule may name of it. A part that is not chosen yet is empty, or 0.

    gpu: key of the GPU.
    precision: format of the weights.
    tensor_parallel_size: GPUs of one copy of the attention.
    data_parallel_size: copies of the attention. A replica with several goes by their number, and not as `tp1`.
    enable_expert_parallel: whether experts lie whole on one GPU each.
    instance_type, family, gpu_count: the machine, and its GPUs.
    """

    gpu: str = ""
    precision: str = ""
    tensor_parallel_size: int = 0
    instance_type: str = ""
    family: str = ""
    gpu_count: int = 0
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False

    @property
    def gpus(self) -> int:
        """Return the GPUs of one replica; 0 where its size is not chosen yet."""
        return self.tensor_parallel_size * self.data_parallel_size

    def names(self, kind: WordKind) -> frozenset[str]:
        """Return what words of a kind may call it; empty where that part is not chosen yet."""
        names = {
            "gpu": (self.gpu,),
            "machine": (self.instance_type, self.family),
            "precision": (self.precision,),
            "replica": self._layout(),
            "size": (f"gpus{self.gpu_count}" if self.gpu_count else "",),
        }
        return frozenset(name for name in names[kind] if name)

    def _layout(self) -> tuple[str, ...]:
        copies, size = self.data_parallel_size, self.tensor_parallel_size
        whole = "ep" if self.enable_expert_parallel else ""
        return (f"dp{copies}" if copies > 1 else f"tp{size}" if size else "", whole)


def kind_of(word: str, catalog: Catalog) -> WordKind | None:
    """Return the kind of a word; None when it is no word for hardware."""
    if word in catalog.gpus:
        return "gpu"
    if any(word in (row.key, row.family) for row in catalog.instances.values()):
        return "machine"
    if word in get_args(WeightFormat):
        return "precision"
    if word == "ep":
        return "replica"
    if match := re.fullmatch(r"(tp|dp|gpus)[1-9]\d?", word):
        return _SIZES[match[1]]
    return None


def words_for_hardware(catalog: Catalog) -> tuple[str, ...]:
    """Return all words that `hardware:` knows, sorted."""
    machines = {name for row in catalog.instances.values() for name in (row.key, row.family)}
    sizes = {f"gpus{row.gpu_count}" for row in catalog.instances.values()}
    return tuple(sorted({*catalog.gpus, *machines, *get_args(WeightFormat), *sizes, *_LAYOUTS}))


def missing(words: Sequence[str], hardware: HardwareChoice, catalog: Catalog) -> tuple[str, ...]:
    """Return the words of the first kind of which none matches; none when each kind that is named matches.

    A part of the hardware that is not chosen yet misses nothing.
    """
    kinds: dict[WordKind, list[str]] = {}
    for word in words:
        if (kind := kind_of(word, catalog)) is not None:
            kinds.setdefault(kind, []).append(word)
    for kind, named in kinds.items():
        names = hardware.names(kind)
        if names and names.isdisjoint(named):
            return tuple(named)
    return ()


def matching(words: Sequence[str], hardware: HardwareChoice, catalog: Catalog) -> tuple[str, ...]:
    """Return the words that match, in their order."""
    kinds = ((word, kind_of(word, catalog)) for word in words)
    return tuple(word for word, kind in kinds if kind is not None and word in hardware.names(kind))


def of_machine(instance: InstanceType) -> HardwareChoice:
    """Return a machine as hardware, with nothing on it yet."""
    return HardwareChoice(
        gpu=instance.gpu, instance_type=instance.key, family=instance.family, gpu_count=instance.gpu_count
    )
