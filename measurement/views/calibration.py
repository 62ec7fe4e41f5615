"""A calibration for the terminal: each run beside what the model expected, the factors, the runs to make next.

`vllm bench serve` commands are whole: pasted against a running server they write a file that says itself what it ran
on, so that `spillway perf calibrate` needs no option for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from measurement.calibration.next_runs import Suggestion
from measurement.calibration.runs import Deployment, Expected, OwnRun
from planner.documents.calibration import CalibrationFile
from planner.faces.layout import Column, Kind, above, below, figures, names
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable
from planner.performance.calibration import Calibration

COMMAND_WIDTH = 100
ENGINE_URL = "http://127.0.0.1:8000"


def runs_view(judged: Sequence[tuple[OwnRun, Expected, Expected]]) -> FoldingTable:
    """Measured figures beside the expected ones, as shipped and calibrated: (run, shipped, calibrated)."""
    rows = []
    for own, shipped, now in judged:
        run, measured = own.run, own.figures()
        tpot, ttft = measured.get("tpot"), measured.get("ttft")
        rows.append(
            (
                f"{own.file} {run.part}".strip(),
                str(own.deployment),
                f"{run.load:.0f}" if run.is_closed_loop else f"{run.load:.1f} at {run.rate_per_s:g}/s",
                f"{run.input_tokens:.0f}",
                f"{run.output_tokens:.0f}",
                _ms(tpot),
                _off(tpot, shipped.tpot_ms),
                _off(tpot, now.tpot_ms),
                _ms(ttft),
                _off(ttft, shipped.ttft_ms),
                _off(ttft, now.ttft_ms),
            )
        )
    columns = (
        *names("run", "of"),
        *figures("in flight", "in", "out", "TPOT"),
        Column("TPOT shipped", Kind.FIGURE, beside="shipped"),
        Column("TPOT now", Kind.FIGURE, beside="now"),
        *figures("TTFT"),
        Column("TTFT shipped", Kind.FIGURE, beside="shipped"),
        Column("TTFT now", Kind.FIGURE, beside="now"),
    )
    steps = (below("of"), below("in flight", "in", "out"), below("TTFT", "TTFT shipped", "TTFT now"))
    return FoldingTable("Runs", columns, rows, steps)


def factors_view(file: CalibrationFile) -> Iterator[RenderableType]:
    """What plans will use: factors by class, and the bounds of micro-benchmarks."""
    rows = []
    for gpu, calibration in sorted(file.gpus.items()):
        for name, found in sorted(calibration.corrections.items()):
            residuals = found.residuals.get("step")
            rows.append(
                (
                    gpu,
                    name,
                    ", ".join(map(str, found.tensor_parallel_sizes)),
                    str(found.conditions),
                    f"{found.step:.3f}",
                    f"{found.first_token:.3f}",
                    f"{residuals.p10:.2f} to {residuals.p90:.2f}" if residuals else "one run",
                )
            )
    if rows:
        columns = (
            *names("GPU", "class", "on GPUs"),
            *figures("runs", "step ×", "TTFT ×", "held-out p10 to p90"),
        )
        yield FoldingTable("Calibration", columns, rows, (above("GPU"), below("held-out p10 to p90")))
    for gpu, calibration in sorted(file.gpus.items()):
        if calibration.caps is not None:
            yield Prose(f"{gpu} reached at most {_caps(calibration)} of its datasheet", rest="  ")


def next_lines(suggestions: Sequence[Suggestion]) -> Iterator[str]:
    """The runs to make next, best first, each with its command; how to serve stands before the first of each.

    Plain lines, because a command that a table cut off could not be pasted.
    """
    if suggestions:
        yield f"Runs to make next on {suggestions[0].deployment.gpu.key}, the one that teaches most first"
    served: set[str] = set()
    for number, each in enumerate(suggestions, 1):
        yield ""
        yield f"{number}. {each.deployment}: {each.place}, {each.concurrency} in flight, {each.input_tokens} tokens in"
        command = serve_command(each.deployment)
        if command not in served:
            yield "   serve"
            yield from _shown(command)
            served.add(command)
        ranges = f"then TPOT is known within × {each.tpot_range:.2f}, TTFT within × {each.ttft_range:.2f} (p90)"
        yield f"   run, about {max(1.0, each.minutes):.0f} min; {ranges}"
        yield from _shown(bench_command(each))


def serve_command(d: Deployment) -> str:
    """`vllm serve` of a deployment, without a prefix cache that earlier runs could warm."""
    words = ["vllm", "serve", _served(d), "--tensor-parallel-size", str(d.tensor_parallel_size)]
    if d.quantization.at_load:
        words += ["--quantization", d.quantization.name]
    if d.kv != "bf16":
        words += ["--kv-cache-dtype", d.kv]
    if d.max_num_batched_tokens is not None:
        words += ["--max-num-batched-tokens", str(d.max_num_batched_tokens)]
    return shlex.join([*words, "--disable-prefix-caching"])


def bench_command(suggestion: Suggestion) -> str:
    """`vllm bench serve` of one run; its result says what it ran on."""
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
        "model": _served(d),
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
    """File of a run, in which its condition shows."""
    d = suggestion.deployment
    lengths = f"{suggestion.input_tokens}x{suggestion.output_tokens}"
    class_name = f"{d.model.key}-{d.quantization.name}-{d.gpu.key.lower()}-tp{d.tensor_parallel_size}"
    return f"{class_name}-{lengths}-c{suggestion.concurrency}.json"


def _shown(command: str) -> Iterator[str]:
    """A command over several lines that can still be pasted: an option and its values stay together."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > COMMAND_WIDTH:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + part
    for number, line in enumerate(lines):
        yield "      " + ("  " if number else "") + line + (" \\" if number < len(lines) - 1 else "")


def _served(d: Deployment) -> str:
    return d.quantization.checkpoint or d.model.hf_id


def _caps(calibration: Calibration) -> str:
    bounds = calibration.caps
    if bounds is None:
        return ""
    said = [] if bounds.bandwidth is None else [f"{bounds.bandwidth:.0%} of bandwidth"]
    said += [f"{share:.0%} of {kind} compute" for kind, share in sorted(bounds.compute.items())]
    said += [] if bounds.link_bandwidth is None else [f"{bounds.link_bandwidth:.0%} of the link"]
    return ", ".join(said) or "nothing that bounds"


def _ms(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f} ms"


def _off(measured: float | None, expected: float) -> str:
    """Expected over measured, in percent."""
    return "—" if measured is None else f"{expected / measured - 1.0:+.0%}"
