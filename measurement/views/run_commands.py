"""The runs to make next as lines for people, with the commands that make them.

Each command of `vllm bench serve` is whole. Pasted against a running server, it writes a file that says itself what it
ran on, so that `spillway perf calibrate` needs no option for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from measurement.calibration.next_runs import Suggestion
from measurement.calibration.runs import Deployment

COMMAND_WIDTH = 100
"""Characters of a line of a command; a longer command goes on in the next line."""
ENGINE_URL = "http://127.0.0.1:8000"


def suggestion_lines(suggestions: Sequence[Suggestion]) -> Iterator[str]:
    """The runs to make next, the best one first, each with its command.

    The command that serves a deployment stands before the first run of it. The lines are plain, because nobody could
    paste a command that a table had cut off.
    """
    if suggestions:
        yield f"Runs to make next on {suggestions[0].deployment.gpu.key}, the one that teaches most first"
    shown: set[str] = set()
    for number, each in enumerate(suggestions, 1):
        yield ""
        yield f"{number}. {each.deployment}: {each.place}, {each.concurrency} in flight, {each.input_tokens} tokens in"
        command = serve_command(each.deployment)
        if command not in shown:
            yield "   serve"
            yield from _command_lines(command)
            shown.add(command)
        ranges = f"then TPOT is known within × {each.tpot_range:.2f}, TTFT within × {each.ttft_range:.2f} (p90)"
        yield f"   run, about {max(1.0, each.minutes):.0f} min; {ranges}"
        yield from _command_lines(bench_command(each))


def serve_command(d: Deployment) -> str:
    """The `vllm serve` of a deployment, without a prefix cache that earlier runs could warm."""
    words = ["vllm", "serve", _checkpoint(d), "--tensor-parallel-size", str(d.tensor_parallel_size)]
    if d.quantization.at_load:
        words += ["--quantization", d.quantization.name]
    if d.kv != "bf16":
        words += ["--kv-cache-dtype", d.kv]
    if d.max_num_batched_tokens is not None:
        words += ["--max-num-batched-tokens", str(d.max_num_batched_tokens)]
    return shlex.join([*words, "--disable-prefix-caching"])


def bench_command(suggestion: Suggestion) -> str:
    """The `vllm bench serve` of one run. Its result says what it ran on."""
    d = suggestion.deployment
    facts = {
        "model": d.model.key,
        "gpu": d.gpu.key,
        "tensor_parallel_size": d.tensor_parallel_size,
        "quantization": d.quantization.name,
        "kv_cache_dtype": "auto" if d.kv == "bf16" else d.kv,
    }
    options = {
        "base-url": ENGINE_URL,
        "model": _checkpoint(d),
        "dataset-name": "random",
        "random-input-len": suggestion.input_tokens,
        "random-output-len": suggestion.output_tokens,
        "max-concurrency": suggestion.concurrency,
        "num-prompts": suggestion.prompts,
        "seed": suggestion.seed,
        "percentile-metrics": "ttft,tpot,itl,e2el",
        "result-filename": result_name(suggestion),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    stated = [f"{name}={value}" for name, value in facts.items()]
    return shlex.join(["vllm", "bench", "serve", *words, "--save-result", "--metadata", *stated])


def result_name(suggestion: Suggestion) -> str:
    """Name of the file of a run, which shows the run's condition."""
    d = suggestion.deployment
    lengths = f"{suggestion.input_tokens}x{suggestion.output_tokens}"
    class_name = f"{d.model.key}-{d.quantization.name}-{d.gpu.key.lower()}-tp{d.tensor_parallel_size}"
    return f"{class_name}-{lengths}-c{suggestion.concurrency}.json"


def _command_lines(command: str) -> Iterator[str]:
    """A command in several lines that can still be pasted. An option and its values stay in one line."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > COMMAND_WIDTH:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + part
    for number, line in enumerate(lines):
        yield "      " + ("  " if number else "") + line + (" \\" if number < len(lines) - 1 else "")


def _checkpoint(d: Deployment) -> str:
    """The name under which vLLM loads the weights."""
    return d.quantization.checkpoint or d.model.hf_id
