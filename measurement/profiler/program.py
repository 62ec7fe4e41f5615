"""Measures what a GPU reaches: memory bandwidth, matrix products, attention, all-reduce, kernel launches.

It needs Python 3.10 and PyTorch, and it is one file, so that it runs wherever vLLM does. It prints one JSON document,
`spillway.profile/1`, on stdout and its progress on stderr. Every row has the median, the p10 and the p90 of its timed
repeats, in milliseconds a call. What could not be measured is a gap with its reason and never a zero.

On a GPU, calls are captured as a CUDA graph, as the engine does when it decodes. CUDA events time them after some
seconds of load; the program does not set clocks. Calls take turns over so many copies of their operands that no cache
serves them. All-reduce runs in one process for each GPU. These processes meet by a file and talk over loopback, and the
program ends each of them by its own id.

    exit code 0  everything was measured
    exit code 2  the command line was wrong
    exit code 3  there is no PyTorch
    exit code 4  there are not the GPUs that were asked for
    exit code 5  the GPU failed
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

SCHEMA = "spillway.profile/1"
NO_TORCH, NO_GPU, BROKEN = 3, 4, 5

TOKENS = (1, 64, 512, 2048, 8, 256, 32, 128, 8192)
"""Rows of the left operand, which is a decode batch or a chunk of prompts. In this order a coarse grid is complete when
time ends early."""
DENSE_MODELS = ((4096, 14336, 32, 8, 128), (8192, 28672, 64, 8, 128), (5120, 25600, 64, 8, 128))
"""Hidden size, inner width, heads, key-value heads and head size of 8B, 70B and 32B models."""
DTYPES = ("bf16", "fp8", "int8", "fp16")
DECODE = tuple((batch, context) for context in (2048, 8192, 512, 32768) for batch in (32, 1, 128, 8))
PROMPTS = (2048, 512, 8192, 128)
READS = (2**30, 2**26, 2**32, 2**28, 2**24, 2**22)
MESSAGES = (2**13, 2**14, 2**16, 2**18, 2**20, 2**22, 2**24, 2**26)

CASE_S = 0.06
"""Seconds of timed calls of a case, unless `LEAST` repeats take longer."""
LEAST, MOST = 5, 30
"""Timed repeats of a case, at least and at most."""
REPEAT_MS = 0.5
"""Length of one timed repeat at least, ms. It is far above the resolution of a CUDA event."""
MOST_CALLS = 256
"""Calls of one repeat at most."""
WARM_S, ANSWER_S = 2.0, 20.0
"""Seconds of load before clocks are read, and seconds that the driver has for its answer."""
MEETING_S = 60.0
"""Seconds for which a rank waits for the others."""
GRACE_S = 3.0
"""Seconds between asking a rank to end and forcing it to."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
TIME_OVER = "the time limit was reached"
WEIGHTS = {"bandwidth": 5.0, "launch": 2.0, "gemm": 55.0, "attention": 20.0, "all_reduce": 25.0}
"""Weights by which the sections share the time. What a section does not use goes to those after it."""

Case = dict[str, Any]
Call = Callable[[], Any]


class Unavailable(Exception):
    """A case that this machine or this PyTorch cannot run; the message is the reason."""


class Failed(Exception):
    """The program cannot go on.

    code: exit code.
    """

    def __init__(self, code: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


@dataclass
class Run:
    """One run of the program.

    torch: the module of PyTorch.
    device: `cuda` or `cpu`.
    graphs: whether calls are captured as CUDA graphs.
    cache_bytes: size of the cache that operands must not be served from, bytes.
    ends_at: when the run must end, by the monotonic clock, seconds.
    rows: measured cases by section.
    gaps: missing cases by what they are and why.
    """

    torch: Any
    device: str
    graphs: bool
    cache_bytes: int
    ends_at: float
    rows: dict[str, list[Case]] = field(default_factory=dict)
    gaps: dict[tuple[str, str], Case] = field(default_factory=dict)

    def gap(self, what: str, why: str, case: Case) -> None:
        """Add a case to the gaps. Cases of the same kind with the same reason are counted together."""
        gap = self.gaps.setdefault((what, why), {"what": what, "why": why, "cases": 0, "example": case})
        gap["cases"] += 1

    def until(self, section: str) -> float:
        """When a section must end so that those after it have their share of the time, by the monotonic clock."""
        names = list(WEIGHTS)
        left = max(0.0, self.ends_at - time.monotonic())
        return time.monotonic() + left * WEIGHTS[section] / sum(WEIGHTS[name] for name in names[names.index(section) :])

    def free_bytes(self) -> int:
        """Bytes of memory that a case may take."""
        if self.device == "cpu":
            return available_memory() // 4
        free, _ = self.torch.cuda.mem_get_info()
        cached = self.torch.cuda.memory_reserved() - self.torch.cuda.memory_allocated()
        return int(0.8 * (free + cached))

    def copies(self, size: int) -> int:
        """How many operands take turns, so that none is still in the cache when its turn comes.

        size: bytes of one operand. Raises Unavailable when they do not fit the memory.
        """
        count = min(MOST_CALLS, max(1, math.ceil(4 * self.cache_bytes / size)))
        if count * size > self.free_bytes():
            raise Unavailable(f"needs {count * size / 1e9:.1f} GB of memory, more than is free")
        return count

    def synchronize(self) -> None:
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def measure(self, section: str, cases: Sequence[Case], prepare: Callable[[Case], list[Call]]) -> None:
        """Time every case of a section, until the section's time is over.

        prepare: the calls of a case, which are then made in turn.
        """
        until, started = self.until(section), time.monotonic()
        rows = self.rows.setdefault(section, [])
        for case in cases:
            what = " ".join([section, *(str(case[key]) for key in ("phase", "kind", "dtype") if key in case)])
            if time.monotonic() > until:
                self.gap(what, TIME_OVER, case)
                continue
            try:
                calls = prepare(case)
                rows.append({**case, **timing(self, calls)})
            except Unavailable as reason:
                self.gap(what, str(reason), case)
            except (RuntimeError, TypeError, ValueError, AttributeError) as error:
                self.gap(what, short_reason(error), case)
                try:
                    self.synchronize()
                except RuntimeError as fault:
                    raise Failed(BROKEN, f"the GPU failed: {short_reason(fault)}", "look at dmesg; reset it") from fault
        say(f"{section}: {len(rows)} of {len(cases)} cases in {time.monotonic() - started:.0f} s")


def timing(run: Run, calls: Sequence[Call], fixed: tuple[int, int] | None = None) -> Case:
    """The time of one call in ms, over timed repeats that each make all `calls` several times.

    fixed: (rounds of all calls in a repeat, number of repeats). Processes that wait for each other must agree on them.
    """
    clock = _cuda_seconds if run.device == "cuda" else _cpu_seconds
    for call in calls:
        call()
    rough_s = max(1e-7, clock(run, lambda: [call() for call in calls], 1)[0])
    if fixed is None:
        rounds = max(1, min(MOST_CALLS // len(calls), math.ceil(REPEAT_MS / 1000 / rough_s)))
        repeats = max(LEAST, min(MOST, int(CASE_S / (rounds * rough_s))))
    else:
        rounds, repeats = fixed
    series = list(calls) * rounds
    play = _graph_replay(run, series) if run.graphs else None
    replay = play or (lambda: [call() for call in series])
    replay()
    milliseconds = sorted(1000 * seconds / len(series) for seconds in clock(run, replay, repeats))
    return {
        "ms": six_digits(percentile(milliseconds, 0.5)),
        "ms_p10": six_digits(percentile(milliseconds, 0.1)),
        "ms_p90": six_digits(percentile(milliseconds, 0.9)),
        "repeats": repeats,
        "graph": play is not None,
    }


def _graph_replay(run: Run, calls: Sequence[Call]) -> Call | None:
    """A call that replays these calls as one CUDA graph; None where one of them cannot be captured."""
    graph = run.torch.cuda.CUDAGraph()
    try:
        with run.torch.cuda.graph(graph, capture_error_mode="thread_local"):  # NCCL's watchdog thread may ask meanwhile
            for call in calls:
                call()
    except RuntimeError:
        run.synchronize()
        return None
    replay: Call = graph.replay
    return replay


def _cuda_seconds(run: Run, play: Call, repeats: int) -> list[float]:
    events = [[run.torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for start, end in events:
        start.record()
        play()
        end.record()
    run.torch.cuda.synchronize()
    return [start.elapsed_time(end) / 1000 for start, end in events]


def _cpu_seconds(run: Run, play: Call, repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        play()
        seconds.append(time.perf_counter() - started)
    return seconds


# What is measured


def bandwidth(run: Run, sizes: Sequence[int]) -> None:
    """Measure reading, which is a sum, and copying.

    sizes: bytes that one call moves, in both directions together.
    """
    torch = run.torch

    def prepare(case: Case) -> list[Call]:
        copying = case["kind"] == "copy"
        count = case["bytes"] // (8 if copying else 4)
        sources = [torch.randn(count, device=run.device) for _ in range(run.copies(case["bytes"]))]
        return [partial(torch.empty_like(x).copy_, x) if copying else x.sum for x in sources]

    run.measure("bandwidth", [{"kind": kind, "bytes": size} for size in sizes for kind in ("read", "copy")], prepare)
    for row in run.rows["bandwidth"]:
        row["gb_per_s"] = six_digits(row["bytes"] / row["ms"] / 1e6)


def launch(run: Run, kernels: int = 64) -> None:
    """Measure a chain of small kernels, started one by one and as a CUDA graph. `ms` is the time of one kernel."""
    x, graphs = run.torch.zeros(4096, device=run.device), run.graphs

    def prepare(case: Case) -> list[Call]:
        run.graphs = case["kind"] == "graph"
        if run.graphs and not graphs:
            raise Unavailable("CUDA graphs need a GPU")
        return [partial(x.add_, 1)] * kernels

    run.measure("launch", [{"kind": kind, "kernels": kernels} for kind in ("stream", "graph")], prepare)
    run.graphs = graphs


def gemm(run: Run, shapes: Sequence[tuple[int, int]], tokens: Sequence[int], dtypes: Sequence[str]) -> None:
    """Measure products of m tokens with a weight of n outputs and k inputs.

    shapes: (n, k) of each weight.
    tokens: each m.
    """
    cases = [{"dtype": form, "m": m, "n": n, "k": k} for m in tokens for form in dtypes for n, k in shapes]
    run.measure("gemm", cases, lambda case: product_calls(run, **case))


def product_calls(run: Run, dtype: str, m: int, n: int, k: int) -> list[Call]:
    """The calls of one matrix product, each with its own weight."""
    torch = run.torch
    x, weight = (m, k), (n, k)
    if dtype in ("bf16", "fp16"):
        form = sixteen_bit(run, dtype)
        copies = run.copies(2 * (n * k + m * k + m * n))
        left = torch.randn(x, device=run.device, dtype=form)
        weights = [torch.randn(weight, device=run.device, dtype=form) for _ in range(copies)]
        return [partial(torch.nn.functional.linear, left, w) for w in weights]
    copies = run.copies(n * k + m * k + 4 * m * n)
    if dtype == "int8":
        whole = partial(torch.randint, -128, 128, device=run.device, dtype=torch.int8)
        left = whole(x)
        return [partial(torch._int_mm, left, whole(weight).t()) for _ in range(copies)]
    one = torch.ones((), device=run.device)
    left, *weights = (
        torch.randn(shape, device=run.device, dtype=torch.float16).to(torch.float8_e4m3fn)
        for shape in (x, *([weight] * copies))
    )
    options = {"scale_a": one, "scale_b": one, "out_dtype": torch.bfloat16, "use_fast_accum": run.device == "cuda"}
    return [partial(torch._scaled_mm, left, w.t(), **options) for w in weights]


def sixteen_bit(run: Run, dtype: str) -> Any:
    """The 16-bit type of that name. Raises Unavailable for bf16 on GPUs before Ampere, which only imitate it."""
    if dtype == "bf16" and run.device == "cuda" and run.torch.cuda.get_device_capability() < (8, 0):
        raise Unavailable("no bf16 below compute capability 8.0")
    return run.torch.bfloat16 if dtype == "bf16" else run.torch.float16


def attention(
    run: Run, heads: Sequence[tuple[int, int, int]], decode: Sequence[tuple[int, int]], prompts: Sequence[int]
) -> None:
    """Measure attention by PyTorch's fused kernels: of one new token of each sequence, and of prompts (causal).

    heads: (query heads, key-value heads, head size) on one GPU.
    decode: (sequences, tokens of context).
    prompts: tokens of a prompt.
    """
    torch = run.torch
    dtype = "bf16"
    try:
        form = sixteen_bit(run, dtype)
    except Unavailable:
        dtype, form = "fp16", torch.float16
    if run.device == "cuda":
        torch.backends.cuda.enable_math_sdp(False)  # it writes the whole matrix of scores, which no engine does
    attend, draw = torch.nn.functional.scaled_dot_product_attention, partial(torch.randn, device=run.device, dtype=form)

    def prepare(case: Case) -> list[Call]:
        h, kv, d, b, length = (case[key] for key in ("heads", "kv_heads", "head_dim", "batch", "context"))
        if case["phase"] == "decode":  # the queries that share keys stand as rows of one product
            q, caches = draw(b, kv, h // kv, d), range(run.copies(4 * b * kv * length * d))
            return [partial(attend, q, draw(b, kv, length, d), draw(b, kv, length, d)) for _ in caches]
        run.copies(8 * b * h * length * d)
        return [partial(attend, *(draw(b, h, length, d) for _ in "qkv"), is_causal=True)]

    shapes = [{"dtype": dtype, "heads": h, "kv_heads": kv, "head_dim": d} for h, kv, d in heads]
    cases = [{"phase": "decode", **shape, "batch": b, "context": c} for b, c in decode for shape in shapes]
    cases += [{"phase": "prefill", **shape, "batch": 1, "context": c} for c in prompts for shape in shapes]
    run.measure("attention", cases, prepare)


# All-reduce: one process a GPU


def all_reduce(run: Run, groups: Sequence[int], sizes: Sequence[int]) -> None:
    """Measure all-reduces. The longest of the ranks' medians counts.

    groups: numbers of ranks.
    sizes: bytes of a message.
    """
    until, started = run.until("all_reduce"), time.monotonic()
    rows = run.rows.setdefault("all_reduce", [])
    if not groups:
        run.gap("all_reduce", "it takes two GPUs", {})
    for done, ranks in enumerate(groups):
        mine = time.monotonic() + (until - time.monotonic()) / (len(groups) - done)
        try:
            try:
                rows += all_reduce_rows(run.device, "graph" if run.graphs else "stream", ranks, sizes, mine)
            except Unavailable as reason:
                if not run.graphs or time.monotonic() > mine:
                    raise
                say(f"all_reduce: {ranks} ranks without CUDA graphs: {reason}")
                rows += all_reduce_rows(run.device, "stream", ranks, sizes, mine)
        except Unavailable as reason:
            run.gap(f"all_reduce {ranks} ranks", str(reason), {"ranks": ranks})
    say(f"all_reduce: {len(rows)} of {len(groups) * len(sizes)} cases in {time.monotonic() - started:.0f} s")


def all_reduce_rows(device: str, mode: str, ranks: int, sizes: Sequence[int], until: float) -> list[Case]:
    """Start the ranks, wait for them, and join what they measured. Whatever happens, no rank outlives this call.

    mode: `graph` or `stream`.
    until: when the ranks are ended, by the monotonic clock, seconds.
    """
    with tempfile.TemporaryDirectory(prefix="profile-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        children: list[subprocess.Popen[bytes]] = []
        stack.callback(end, children)
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}
        common = [sys.executable, os.path.abspath(__file__), "--device", device, "--mode", mode, "--ranks", str(ranks)]
        common += ["--meeting", name, "--parent", str(os.getpid()), "--messages", ",".join(map(str, sizes))]
        for rank in range(ranks):
            log = stack.enter_context((folder / f"{rank}.log").open("wb"))
            command = [*common, "--rank", str(rank)]
            children.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        while any(child.poll() is None for child in children) and not any(child.returncode for child in children):
            if time.monotonic() > until:
                raise Unavailable(TIME_OVER)
            time.sleep(0.05)
        for rank, child in enumerate(children):
            if child.returncode:
                words = (folder / f"{rank}.log").read_text(errors="replace").split("\n")
                raise Unavailable(f"rank {rank}: {next(filter(str.strip, reversed(words)), 'no word')[:200]}")
        results = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(ranks)]
    return [max(rows, key=lambda row: float(row["ms"])) for rows in zip(*results, strict=True)]


def end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the processes that still run. All are asked at once; those that do not end in `GRACE_S` are killed."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.terminate()
    deadline = time.monotonic() + GRACE_S
    for child in running:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def be_rank(args: argparse.Namespace) -> None:
    """Be one rank of an all-reduce: meet the others, check that a sum is right, time the messages, write the rows."""
    die_with(args.parent)
    torch, distributed = importlib.import_module("torch"), importlib.import_module("torch.distributed")
    on_gpu = args.device == "cuda"
    device = f"cuda:{args.rank}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(args.rank)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"file://{args.meeting}/store",
        rank=args.rank,
        world_size=args.ranks,
        timeout=timedelta(seconds=MEETING_S),
    )
    ones = torch.ones(8, device=device)
    distributed.all_reduce(ones)
    if ones.tolist() != [float(args.ranks)] * 8:
        sys.exit(f"the sum over {args.ranks} ranks is {ones.tolist()}")
    run = Run(torch, args.device, args.mode == "graph", 0, math.inf)
    rows = []
    for size in args.messages:
        message = torch.zeros(size // 2, device=device, dtype=torch.float16)
        times = timing(run, [partial(distributed.all_reduce, message)], fixed=(20 if size <= 2**20 else 5, 20))
        if times["graph"] != run.graphs:
            sys.exit("all-reduce cannot be captured")
        rows.append({"ranks": args.ranks, "bytes": size, **times})
    Path(args.meeting, f"{args.rank}.json").write_text(json.dumps(rows))
    os._exit(0)  # taking a process group down can hang, and there is nothing left to lose


def die_with(parent: int) -> None:
    """Let Linux end this process when its parent ends."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


# The machine


def available_memory() -> int:
    """Free main memory, bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 * 2**30


def processor() -> str:
    """The name of the CPU."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def driver_values(fields: str, gpu: Any, meanwhile: Call) -> list[str]:
    """What `nvidia-smi` says about a GPU, one text for each field; empty where it does not know.

    fields: names with commas between them.
    meanwhile: is called again and again until the answer is there.
    """
    program, count = shutil.which("nvidia-smi"), fields.count(",") + 1
    if program is None:
        return [""] * count
    query = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    query += [f"--id=GPU-{gpu.uuid}"] if hasattr(gpu, "uuid") else ["--id=0"]
    query_run = subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + ANSWER_S
    while query_run.poll() is None and time.monotonic() < deadline:
        meanwhile()
    query_run.kill()
    values = [value.strip() for value in query_run.communicate()[0].split(",")]
    return [value if value[:1].isdigit() else "" for value in values] if len(values) == count else [""] * count


def state_under_load(torch: Any) -> Case:
    """Load the GPU until its clocks settle, and return the clocks, the power and the temperature then."""
    x = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)

    def work() -> None:
        for _ in range(20):
            torch.mm(x, x)
        torch.cuda.synchronize()

    started = time.monotonic()
    while time.monotonic() < started + WARM_S:
        work()
    names = ("sm_mhz", "memory_mhz", "max_sm_mhz", "watt", "limit_watt", "celsius")
    fields = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu"
    values = driver_values(fields, torch.cuda.get_device_properties(0), work)
    return {name: float(value) for name, value in zip(names, values, strict=True) if value}


def machine(torch: Any, device: str, gpus: int) -> Case:
    """What is measured, as the first fields of the document. Raises Failed when the GPUs are not all alike."""
    common = {"device": device, "torch": torch.__version__, "cuda": torch.version.cuda}
    if device == "cpu":
        return {"gpu": processor(), "gpus": 0, **common, "cuda": None, "driver": None}
    properties = torch.cuda.get_device_properties(0)
    if others := {torch.cuda.get_device_name(gpu) for gpu in range(gpus)} - {properties.name}:
        raise Failed(NO_GPU, f"there are {properties.name} and {', '.join(others)}", "choose with CUDA_VISIBLE_DEVICES")
    return {
        "gpu": properties.name,
        "gpus": gpus,
        **common,
        "driver": driver_values("driver_version", properties, partial(time.sleep, 0.05))[0] or None,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "memory_bytes": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
        "l2_bytes": getattr(properties, "L2_cache_size", None),
    }


# Words


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def six_digits(value: float) -> float:
    """The value with six significant digits."""
    return float(f"{value:.6g}")


def short_reason(error: BaseException) -> str:
    """The message of an error as one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).split(". ")[0][:200]


def say(line: str) -> None:
    """Write a line of progress."""
    print(line, file=sys.stderr, flush=True)


def document(values: Case) -> str:
    """The document as JSON, with one row in each line."""

    def lines() -> Iterator[str]:
        for key, value in values.items():
            if isinstance(value, list) and value:
                yield f" {json.dumps(key)}: [\n  " + ",\n  ".join(json.dumps(row) for row in value) + "\n ]"
            else:
                yield f" {json.dumps(key)}: {json.dumps(value)}"

    return "{\n" + ",\n".join(lines()) + "\n}"


def numbers(length: int) -> Callable[[str], tuple[int, ...]]:
    """A parser of that many whole numbers with commas between them; 0 stands for any number of them."""

    def parse(text: str) -> tuple[int, ...]:
        values = tuple(int(part) for part in text.split(","))
        if min(values) < 1 or (length and len(values) != length):
            raise ValueError(text)
        return values

    parse.__name__ = f"{length or 'some'} numbers with commas"
    return parse


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The parsed command line. It ends the program when the command line is wrong."""
    parser = argparse.ArgumentParser(prog="profile", description="Measures what a GPU reaches.", allow_abbrev=False)
    add, hidden = parser.add_argument, argparse.SUPPRESS
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--gpus", type=int, default=0, help="GPUs of the all-reduce; default: all that are visible")
    add("--gemm", type=numbers(2), action="append", default=[], metavar="N,K", help="outputs and inputs of a weight")
    add("--attention", type=numbers(3), action="append", default=[], metavar="HEADS,KV,DIM", help="heads on one GPU")
    add("--tensor-parallel-size", type=int, action="append", default=[], help="default: 1 and 4")
    add("--dtype", choices=DTYPES, action="append", default=[], help="default: all of them")
    add("--quick", action="store_true", help="a few small shapes: tries the program, calibrates nothing")
    add("--time-limit", type=float, default=240.0, metavar="SECONDS")
    add("--log", default="", metavar="FILE", help="where progress and errors go instead of stderr")
    for name in ("--mode", "--meeting"):
        add(name, help=hidden)
    for name in ("--rank", "--ranks", "--parent"):
        add(name, type=int, help=hidden)
    add("--messages", type=numbers(0), help=hidden)
    parsed = parser.parse_args(given)
    if parsed.time_limit <= 0 or parsed.gpus < 0 or min(parsed.tensor_parallel_size, default=1) < 1:
        parser.error("--time-limit, --gpus and --tensor-parallel-size are above zero")
    return parsed


def dense_shapes(sizes: Sequence[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """(weights, heads) on one GPU of dense models, cut for these tensor-parallel sizes."""
    shapes, heads = [], []
    for tp in sizes:
        for hidden, inner, h, kv, d in DENSE_MODELS:
            own = max(1, kv // tp)
            shapes += [((h // tp + 2 * own) * d, hidden), (hidden, h // tp * d)]
            shapes += [(2 * inner // tp, hidden), (hidden, inner // tp)]
            heads.append((h // tp, own, d))
    return list(dict.fromkeys(shapes)), list(dict.fromkeys(heads))


def profile(args: argparse.Namespace) -> Case:
    """The whole document of what was asked for. Raises Failed."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        hint = "run it where vLLM runs, or name a Python that has PyTorch"
        raise Failed(NO_TORCH, f"{sys.executable} cannot load PyTorch: {short_reason(error)}", hint) from error
    started, on_gpu = time.monotonic(), args.device == "cuda"
    visible = torch.cuda.device_count() if on_gpu and torch.cuda.is_available() else 0
    if on_gpu and visible < max(1, args.gpus):
        message = f"PyTorch {torch.__version__} sees {visible} GPUs" + (f", not {args.gpus}" if args.gpus else "")
        raise Failed(NO_GPU, message, "is the driver there? `--device cpu --quick` tries the program without a GPU")
    gpus = (args.gpus or visible) if on_gpu else max(2, args.gpus)
    torch.manual_seed(0)
    gc.freeze()  # some versions collect garbage before every capture, and so they have little to look at
    about = machine(torch, args.device, gpus)
    cache = (about["l2_bytes"] or 2**27) if on_gpu else 0
    run = Run(torch, args.device, on_gpu, cache, started + args.time_limit)
    shapes, heads = dense_shapes(args.tensor_parallel_size or (1, 4))
    if args.gemm or args.attention:
        shapes, heads = args.gemm, args.attention
    if args.quick:
        shapes, heads = (args.gemm or [(256, 512), (512, 256)]), (args.attention or [(8, 2, 64)])
    tokens, messages = (TOKENS[:2], MESSAGES[:2]) if args.quick else (TOKENS, MESSAGES)
    with torch.inference_mode():
        if on_gpu:
            about["under_load"] = state_under_load(torch)
        bandwidth(run, (2**26, 2**22) if args.quick else READS)
        launch(run)
        gemm(run, shapes, tokens, args.dtype or DTYPES)
        attention(run, heads, ((2, 256), (1, 512)) if args.quick else DECODE, (128,) if args.quick else PROMPTS)
    if on_gpu:
        torch.cuda.empty_cache()
    all_reduce(run, [n for n in (2, 4, 8, 16) if n <= gpus], messages)
    about["grid"] = "quick" if args.quick else "full"
    about["seconds"] = six_digits(time.monotonic() - started)
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return {"schema": SCHEMA, "date": date, **about, **run.rows, "gaps": list(run.gaps.values())}


def main(given: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    args = arguments(given)
    if args.rank is not None:
        be_rank(args)
    if args.log:
        os.dup2(os.open(args.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), sys.stderr.fileno())
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not get into the document
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the ranks are ended
    try:
        print(document(profile(args)), file=answer, flush=True)
    except Failed as failure:
        say(f"error: {failure}\nhint: {failure.hint}")
        return failure.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
