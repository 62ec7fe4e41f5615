"""Runs the profiler on a real PyTorch whose GPU is imitated: `python imitated_gpu.py PROGRAM ARGUMENTS…`.

Tensors of the device `cuda` lie in main memory. A CUDA graph records the real operations that are made while it is
captured, and replays them; events read the clock. So everything but the kernels is the program's own and PyTorch's, and
the names and parameters that it uses are checked against those that PyTorch has. From the environment: IMITATED_GPUS,
IMITATED_CAPABILITY (`8.9`), UNCAPTURABLE (an operation that a graph refuses), BROKEN (an operation after which the GPU
answers no more).
"""

from __future__ import annotations

import inspect
import os
import runpy
import sys
import time
import types
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

GPUS = int(os.environ.get("IMITATED_GPUS", "1"))
CAPABILITY = tuple(int(part) for part in os.environ.get("IMITATED_CAPABILITY", "8.9").split("."))
UNCAPTURABLE, BROKEN = os.environ.get("UNCAPTURABLE", "none"), os.environ.get("BROKEN", "none")
PROPERTIES = {
    "name": "NVIDIA L4",
    "major": CAPABILITY[0],
    "minor": CAPABILITY[1],
    "total_memory": 2**34,
    "multi_processor_count": 58,
    "L2_cache_size": 2**20,
    "uuid": "12-34",
}

is_broken = False


class OnCpu(TorchFunctionMode):
    """Tensors of a GPU are made in main memory."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


class Recorder(TorchDispatchMode):
    """Every operation, carried out and remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if UNCAPTURABLE in str(func):
            raise RuntimeError("operation not permitted when stream is capturing")
        self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


class Graph:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def replay(self) -> None:
        for func, args, kwargs in self.calls:
            func(*args, **kwargs)


class Capture:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        inspect.signature(REAL_CAPTURE).bind(*args, **kwargs)
        self.graph, self.recorder = args[0], Recorder()

    def __enter__(self) -> None:
        self.recorder.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.recorder.__exit__(*error)
        self.graph.calls = self.recorder.calls


class Event:
    def __init__(self, enable_timing: bool) -> None:
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: Event) -> float:
        return 1000 * (end.at - self.at)


def synchronize() -> None:
    if is_broken:
        raise RuntimeError("CUDA error: unspecified launch failure")


def break_it(*_: Any, **__: Any) -> None:
    global is_broken
    is_broken = True
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


IMITATED: dict[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: GPUS,
    "get_device_properties": lambda gpu: types.SimpleNamespace(**PROPERTIES),
    "get_device_name": lambda gpu: PROPERTIES["name"] if gpu < 4 else "Tesla T4",
    "get_device_capability": lambda: CAPABILITY,
    "Event": Event,
    "CUDAGraph": Graph,
    "graph": Capture,
    "synchronize": synchronize,
    "mem_get_info": lambda: (2**33, 2**34),
    "memory_reserved": lambda: 0,
    "memory_allocated": lambda: 0,
    "empty_cache": lambda: None,
}
REAL_CAPTURE = torch.cuda.graph

if __name__ == "__main__":
    missing = [name for name in IMITATED if not hasattr(torch.cuda, name)]
    missing += [name for name in PROPERTIES if not hasattr(torch._C._CudaDeviceProperties, name)]
    if missing:
        sys.exit(f"this PyTorch has no {', '.join(missing)}")
    for name, value in IMITATED.items():
        setattr(torch.cuda, name, value)
    torch.mm = lambda left, right: time.sleep(0.001)  # the load that warms a GPU up would take a CPU minutes
    if BROKEN != "none":
        setattr(torch, BROKEN, break_it)
    sys.argv = sys.argv[1:]
    with OnCpu():
        runpy.run_path(sys.argv[0], run_name="__main__")
