"""How the GPUs of one replica share its model, in vLLM's words, and which of these layouts are offered.

    tensor parallelism         TP n                 every GPU holds a slice of each weight
    expert parallelism         TP n, EP             experts lie whole on one GPU each; all else is cut as before
    data-parallel attention    DP d × TP t, EP      d copies of the attention with t GPUs each share the experts

Each copy has its own KV cache and scheduler, so that `max_num_seqs` and `max_num_batched_tokens` are those of one copy
(vLLM's documentation of data-parallel deployment). Its API servers give requests to the copy with the shortest queues.

Copies are offered for models with experts, on Hopper and newer GPUs with NVLink: we hold no run with copies on older
ones, and over PCIe those of a single model. Expert parallelism without copies is as fast as tensor parallelism in the
runs that we hold. It is offered where that cannot run: where a GPU's slice of an expert would cut through a group of
weights that share a scale, which vLLM refuses (vllm issues 17569, 52997 and 54178).
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.coefficients import link_class
from planner.performance.memory import cuts_experts

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
COPIES_FROM = 9.0
"""Least compute capability of GPUs for which copies of the attention are offered."""


@dataclass(frozen=True, slots=True, order=True)
class Parallelism:
    """A layout of one replica.

    tensor_parallel_size: GPUs of one copy of the attention.
    data_parallel_size: copies of the attention.
    enable_expert_parallel: whether experts lie whole on one GPU each.
    """

    tensor_parallel_size: int
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False

    @property
    def gpus(self) -> int:
        """Return the GPUs of the replica."""
        return self.tensor_parallel_size * self.data_parallel_size

    @property
    def expert_parallel_size(self) -> int:
        """Return the number of GPUs that share out whole experts; 1 where each expert is cut among them."""
        return self.gpus if self.enable_expert_parallel else 1

    @property
    def word(self) -> str:
        """Return the word for it in names, like `dp8` or `ep`; it is empty for tensor parallelism alone."""
        if self.data_parallel_size > 1:
            return f"dp{self.data_parallel_size}"
        return "ep" if self.enable_expert_parallel else ""


COPIES = tuple(Parallelism(tp, dp, True) for tp, dp in ((1, 2), (1, 4), (1, 8), (2, 4), (4, 2)))
"""Layouts with copies of the attention, on up to eight GPUs of one node."""


def offered(model: Model, quantization: Quantization, gpu: Gpu) -> tuple[Parallelism, ...]:
    """Return the layouts that plans weigh for a model on one kind of GPU. Whether each loads is another question."""
    cut = tuple(Parallelism(size) for size in TENSOR_PARALLEL_SIZES)
    if model.architecture.experts is None:
        return cut
    whole = tuple(
        Parallelism(size, enable_expert_parallel=True)
        for size in TENSOR_PARALLEL_SIZES[1:]
        if not cuts_experts(model.architecture, quantization, size)
    )
    has_runs = link_class(gpu.link) == "nvlink" and float(gpu.compute_capability) >= COPIES_FROM
    return (*cut, *whole, *(COPIES if has_runs else ()))
