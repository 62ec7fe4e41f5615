"""The problem of Mélange (Griggs et al., arXiv 2404.14527), and four ways to write it down.

A service has buckets of requests of one size (prompt × answer), each with a rate. A GPU type has a price and, for each
bucket, the highest rate that one GPU serves. How many GPUs of each type carry everything for the least money?

- `slices`: Mélange's own program. A bucket is cut into equal slices, and each slice goes to one GPU type: a column
  that is 0 or 1 for each slice and GPU type. The slices of a bucket are alike, so that a search meets each answer many
  times.
- `counted`: the same problem. A column counts the slices of a bucket on a GPU type, so that each answer is met once.
- `shares`: the same without slices. A GPU type serves any share of a bucket. Each answer of Mélange is one of these, so
  that the cheapest is never dearer than Mélange's; it need not be made of slices.
- `whole`: the question of our planner. A bucket goes to one GPU type whole, because the weights of its gateway say
  which pool serves a band. Each answer is one of Mélange's, so that the cheapest is never cheaper than Mélange's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from planner.decision.choice.linear import Linear
from planner.decision.choice.question import Flow, Question, ReplicaClass
from planner.domain.offerings import Gpu
from planner.words.units import HOURS_PER_MONTH

INPUTS = (25, 100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
"""Largest prompts of the buckets, tokens."""
OUTPUTS = (25, 100, 250, 500, 1000, 2000)
"""Largest answers of the buckets, tokens."""
WEIGHT_BYTES, PARAMETERS, KV_BYTES_PER_TOKEN = 16.06e9, 8.03e9, 131_072.0
"""The model of the instances: Llama 3.1 8B in bf16."""
TPOT_S = 0.1
MEMORY_SHARE, BANDWIDTH_SHARE, COMPUTE_SHARE = 0.9, 0.8, 0.5
MOST_SEQUENCES = 256
NOISE = 0.15
"""How far a drawn throughput may lie from the roofline, as measured ones do."""


@dataclass(frozen=True)
class Allocation:
    """An allocation problem.

    usd_per_hour: price of a GPU, by type.
    rates: requests/s, by bucket.
    most: highest requests/s that one GPU serves, by bucket and then by type; above 0.
    slices: parts into which a bucket is cut.
    """

    usd_per_hour: tuple[float, ...]
    rates: tuple[float, ...]
    most: tuple[tuple[float, ...], ...]
    slices: int

    @property
    def types(self) -> range:
        """The GPU types."""
        return range(len(self.usd_per_hour))

    @property
    def buckets(self) -> range:
        """The buckets."""
        return range(len(self.rates))

    def load(self, bucket: int, kind: int) -> float:
        """How many GPUs of a type the whole of a bucket keeps busy."""
        return self.rates[bucket] / self.most[bucket][kind]


def slices(problem: Allocation) -> Linear:
    """Mélange's program: each slice of a bucket goes to one GPU type."""
    program, parts = _gpus(problem), range(problem.slices)
    for b in problem.buckets:
        for s in parts:
            terms = [(program.binary(f"x[{b},{s},{g}]"), 1.0) for g in problem.types]
            program.equal(f"slice[{b},{s}]", terms, 1.0)
    for g in problem.types:
        load = [(f"x[{b},{s},{g}]", problem.load(b, g) / problem.slices) for b in problem.buckets for s in parts]
        program.at_most(f"load[{g}]", [*load, (f"y[{g}]", -1.0)], 0.0)
    return program


def counted(problem: Allocation) -> Linear:
    """The same problem: a column counts the slices of a bucket on a GPU type."""
    program = _gpus(problem)
    return _spread(program, problem, lambda name: program.integer(name, upper=float(problem.slices)), problem.slices)


def shares(problem: Allocation) -> Linear:
    """The problem without slices: a GPU type serves any share of a bucket."""
    program = _gpus(problem)
    return _spread(program, problem, lambda name: program.continuous(name, upper=1.0), 1)


def whole(problem: Allocation) -> Question:
    """The question of our planner: a band goes to one class whole, at one level of load, without APIs or a reserve."""
    flows = (Flow("service", b, (rate,), (rate,), may_spill=False) for b, rate in enumerate(problem.rates))
    classes = (
        ReplicaClass(
            name=f"gpu-{g}",
            model="model",
            instance_type=f"gpu-{g}",
            gpus_per_node=1,
            gpus_per_replica=1,
            vcpus_per_node=1,
            quota_family="G",
            usd_per_node_hour=usd,
            exclusive=False,
            capacity={("service", b): problem.most[b][g] for b in problem.buckets},
            weights="weights",
            weights_usd_per_month=0.0,
        )
        for g, usd in enumerate(problem.usd_per_hour)
    )
    return Question(
        level_hours=(float(HOURS_PER_MONTH),),
        flows=tuple(flows),
        classes=tuple(classes),
        apis=(),
        platform_usd=0.0,
        survives_a_node=False,
    )


def _gpus(problem: Allocation) -> Linear:
    """A program with a whole number of GPUs of each type, at its price."""
    program = Linear()
    for g, usd in enumerate(problem.usd_per_hour):
        program.integer(f"y[{g}]", usd)
    return program


def _spread(program: Linear, problem: Allocation, column: Callable[[str], str], parts: int) -> Linear:
    """Add what serves each bucket, in so many parts of it, within the GPUs that are bought."""
    for b in problem.buckets:
        program.equal(f"bucket[{b}]", [(column(f"x[{b},{g}]"), 1.0) for g in problem.types], float(parts))
    for g in problem.types:
        load = [(f"x[{b},{g}]", problem.load(b, g) / parts) for b in problem.buckets]
        program.at_most(f"load[{g}]", [*load, (f"y[{g}]", -1.0)], 0.0)
    return program


def draw(seed: int, rate: float, gpus: Sequence[tuple[Gpu, float]], parts: int = 8) -> Allocation:
    """An instance of a seed: requests/s in all, over 60 sizes, and GPUs with their price, USD an hour.

    The sizes are lognormal around a mean that is drawn, each cell with noise of its own; throughputs are a roofline of
    the data sheet with noise.
    """
    random = Random(seed)
    sizes = [(_middle(INPUTS, i), _middle(OUTPUTS, o)) for i in range(len(INPUTS)) for o in range(len(OUTPUTS))]
    prompt, answer = random.uniform(5.5, 8.0), random.uniform(4.5, 6.0)
    weights = [
        math.exp(-((math.log(i) - prompt) ** 2 + (math.log(o) - answer) ** 2) / 2.0) * random.lognormvariate(0.0, 0.7)
        for i, o in sizes
    ]
    most = [tuple(highest_rate(gpu, i, o) * random.uniform(1 - NOISE, 1 + NOISE) for gpu, _ in gpus) for i, o in sizes]
    rates = tuple(rate * weight / sum(weights) for weight in weights)
    return Allocation(tuple(usd for _, usd in gpus), rates, tuple(most), parts)


def highest_rate(gpu: Gpu, prompt: float, answer: float) -> float:
    """Requests/s of one size that a GPU serves within the TPOT of the instances, by a roofline of its data sheet.

    Decoding reads the weights once a step and the cache of each sequence; the longest steps that keep the TPOT, and the
    memory, decide how many sequences run. Prompts take what their arithmetic takes, in between.
    """
    cache = KV_BYTES_PER_TOKEN * (prompt + answer / 2)
    bandwidth = gpu.bandwidth_gb_per_s * 1e9 * BANDWIDTH_SHARE
    room = gpu.memory_bytes * MEMORY_SHARE - WEIGHT_BYTES
    sequences = min(float(MOST_SEQUENCES), room / cache, (TPOT_S * bandwidth - WEIGHT_BYTES) / cache)
    step_s = (WEIGHT_BYTES + sequences * cache) / bandwidth
    prompt_s = 2 * PARAMETERS * prompt / (gpu.tflops["fp16"] * 1e12 * COMPUTE_SHARE)
    return 1.0 / (answer * step_s / sequences + prompt_s)


def _middle(ends: Sequence[int], index: int) -> float:
    """The middle of a range, tokens."""
    return (ends[index] + (ends[index - 1] if index else 1)) / 2
