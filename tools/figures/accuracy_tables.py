"""The figures of docs/accuracy.md and the points of docs/accuracy.svg, from the shipped table of measurements.

They take two minutes, for eighty fits; those of the shipped fit take a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from measurement.evidence.accuracy import (
    CHOICES,
    Accuracy,
    Choice,
    Score,
    ScoredRow,
    accuracy,
    reason_left_out,
    scored_rows,
)
from measurement.evidence.cross_validation import CrossValidation
from measurement.evidence.intervals import Intervals
from measurement.evidence.predictions import predict_rows
from measurement.evidence.published import PublishedRun
from measurement.evidence.words import QuotedKind
from measurement.files.fit_files import load_measurements
from measurement.views.accuracy import WORDS, accuracy_markdown, percent
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tools.figures.marks import table_lines

WAYS = ("sources", "cells", "gpus", "")
"""What the fits behind the predictions did not see; the last is the one shipped fit of all rows."""
HEADS = {"sources": "without the source", "cells": "without the cell", "gpus": "without the GPU", "": "the shipped fit"}
MACRO: dict[QuotedKind, dict[str, float]] = {
    "tpot": {"cells": 0.12, "gpus": 0.18},
    "throughput": {"cells": 0.15, "gpus": 0.22},
    "ttft": {"cells": 0.25},
}
"""Largest macro error that was aimed at."""
CELLS: dict[QuotedKind, tuple[float, float]] = {"tpot": (0.12, 0.45), "throughput": (0.15, 0.5), "ttft": (0.25, 0.9)}
"""Errors that are aimed at for a source that no fit saw: of the middle cell, and of nine cells in ten."""
UNSEEN_BIAS = 1.2
MOST_BIAS = 1.25
LEAST_ORDER = 0.9
COVERAGE = (0.75, 0.9)
JUDGED: tuple[QuotedKind, ...] = ("tpot", "throughput", "ttft")
ENGINES = {"vllm": "vLLM", "trt-llm": "TensorRT-LLM", "sglang": "SGLang", "tgi": "TGI"}


@dataclass(frozen=True)
class Weak:
    """A group of rows that is predicted badly, and what is likely behind it."""

    what: str
    kind: QuotedKind
    why: str
    holds: Callable[[PublishedRun], bool]
    by: str = "cells"


def of(gpu: str, family: str, engine: str, form: str = "") -> Callable[[PublishedRun], bool]:
    """Whether a run is of these; a format is that of the experts."""
    return lambda run: (run.gpu, run.family, run.engine) == (gpu, family, engine) and run.experts.startswith(form)


WEAK = (
    Weak(
        "InferenceX, all engines",
        "tpot",
        "recipes that are tuned to one machine and one load: a quarter faster than other sources say",
        lambda run: run.source == "aic_inferencex",
        "sources",
    ),
    Weak(
        "SGLang's cookbook on B200",
        "tpot",
        "steps take longer than those of SGLang in InferenceX, on the same GPU",
        lambda run: run.source == "sgl_cookbook" and run.gpu == "B200",
        "sources",
    ),
    Weak(
        "SGLang's cookbook on B200",
        "ttft",
        "some of the prompts were in a cache",
        lambda run: run.source == "sgl_cookbook" and run.gpu == "B200",
        "sources",
    ),
    Weak(
        "SGLang, DeepSeek R1 on B200",
        "ttft",
        "what a request waits in SGLang before its first step; on H200 it is predicted well",
        of("B200", "deepseek-r1", "sglang"),
    ),
    Weak(
        "TensorRT-LLM, DeepSeek R1 on H200",
        "ttft",
        "requests wait twice as long as SGLang's on the same GPUs; both are predicted alike",
        of("H200", "deepseek-r1", "trt-llm"),
    ),
    Weak(
        "TensorRT-LLM, DeepSeek R1 on B200",
        "tpot",
        "several tokens a step, most likely: multi-token prediction is not stated in these rows",
        of("B200", "deepseek-r1", "trt-llm"),
    ),
    Weak("TensorRT-LLM, DeepSeek R1 on H200", "tpot", "the same", of("H200", "deepseek-r1", "trt-llm")),
    Weak(
        "TensorRT-LLM of 2024, Mixtral 8x7B on H100",
        "throughput",
        "few wide experts reach more than the many narrow ones of all other models in the table",
        of("H100", "mixtral-8x7b-instruct", "trt-llm"),
    ),
    Weak(
        "TensorRT-LLM, Llama 4 Scout on H100",
        "throughput",
        "one expert a token and full attention in every fourth layer: eight rows",
        of("H100", "llama-4-scout", "trt-llm"),
    ),
    Weak(
        "vLLM, gpt-oss 120B on H100",
        "tpot",
        "mxfp4 experts, whose kernel differs from GPU to GPU",
        of("H100", "gpt-oss-120b", "vllm"),
    ),
    Weak(
        "vLLM, MiniMax M2.5 in fp8 on B200",
        "tpot",
        "block-scaled fp8 experts: no other model of these is measured there with vLLM",
        of("B200", "minimax-m2.5", "vllm", "fp8"),
    ),
    Weak(
        "vLLM, Kimi K2.5 in int4 on B200",
        "tpot",
        "served with expert parallelism, which is predicted as tensor parallelism",
        of("B200", "kimi-k2.5", "vllm", "int4"),
    ),
    Weak(
        "TensorRT-LLM of 2024, Llama 70B on PCIe A100",
        "throughput",
        "all-reduces over PCIe cost more than they do on L40S",
        of("A100-80GB-PCIe", "llama-3-70b-instruct", "trt-llm"),
    ),
    Weak(
        "A100, all rows of NIM from 2024",
        "tpot",
        "TensorRT-LLM before 1.0 is all that is known of this GPU",
        lambda run: run.gpu == "A100-80GB",
        "gpus",
    ),
)


@dataclass(frozen=True)
class Found:
    """Everything that the document tells, by what the fits did not see.

    intervals: how far off all sources are together.
    """

    runs: Mapping[str, PublishedRun]
    intervals: Intervals
    accuracies: Mapping[str, Accuracy]
    rows: Mapping[str, tuple[ScoredRow, ...]]


def found() -> Found:
    """Predict the shipped table three times."""
    catalog = load_catalog()
    runs, gpus = load_measurements(catalog), catalog.all_gpus
    folds = CrossValidation(runs, catalog)
    answers = {
        "sources": folds.predictions("sources"),
        "cells": folds.predictions("cells"),
        "gpus": folds.predictions("gpus"),
        "": predict_rows(runs, catalog, load_coefficients()),
    }
    told = {way: scored_rows(runs, answers[way], gpus) for way in WAYS}
    return Found(
        {run.id: run for run in runs},
        folds.source_intervals(),
        {way: accuracy(rows, missing, way) for way, (rows, missing) in told.items()},
        {way: tuple(row for row in rows if not reason_left_out(row)) for way, (rows, _) in told.items()},
    )


def shipped() -> list[str]:
    """The part that rests on no fit but the shipped one."""
    catalog = load_catalog()
    runs = load_measurements(catalog)
    rows, missing = scored_rows(runs, predict_rows(runs, catalog, load_coefficients()), catalog.all_gpus)
    return _table(accuracy(rows, missing, ""))


def parts(told: Found) -> dict[str, list[str]]:
    """The generated parts of the document."""
    tables = {
        name: _table(told.accuracies[way])
        for name, way in (("sources", "sources"), ("cells", "cells"), ("gpus", "gpus"), ("shipped", ""))
    }
    return {
        "stranger": stranger(told),
        "summary": summary(told),
        "weak": weak(told),
        "measured": measured(told),
        **tables,
    }


def stranger(told: Found) -> list[str]:
    """What a stranger finds: each source by a fit that saw nothing of it, beside what is aimed at."""
    whole = told.accuracies["sources"]
    rows = []
    for kind, (middle, nine) in CELLS.items():
        macro = next(m for m in whole.macro if m.kind == kind)
        words = WORDS[kind]
        rows.append((f"{words}: median of cells", f"≤ {100 * middle:.0f} %", _percent_marked(macro.middle, middle)))
        rows.append((f"{words}: nine in ten cells", f"≤ {100 * nine:.0f} %", _percent_marked(macro.nine, nine)))
    for kind in JUDGED:
        rows.append((f"{WORDS[kind]}: share in its 80 % interval", "75 to 90 %", _coverage(whole, kind)))
    for kind in JUDGED:
        worst = max(_by_gpu(whole, kind), key=_off)
        cell = _marked(f"{worst.bias:.2f} ({worst.group})", _off(worst) <= UNSEEN_BIAS)
        rows.append((f"{WORDS[kind]}: most biased GPU", f"within {UNSEEN_BIAS} ×", cell))
    for choice in CHOICES:
        rows.append((f"order of {choice} choices", f"≥ {100 * LEAST_ORDER:.0f} %", _order(whole, choice)))
    return table_lines(["figure", "aim", f">each source left out ({whole.rows} rows)"], rows)


def summary(told: Found) -> list[str]:
    """Each aim beside what is reached; bold where it is missed."""
    rows = []
    for kind, most in MACRO.items():
        aim = " / ".join(f"≤ {100 * value:.0f} %" for value in most.values())
        errors = [next(m.error for m in told.accuracies[way].macro if m.kind == kind) for way in WAYS]
        cells = [_marked(percent(e), e <= most.get(way, 1.0)) for way, e in zip(WAYS, errors, strict=True)]
        rows.append((f"{WORDS[kind]}, macro error", aim, *cells))
    for kind in JUDGED:
        worst = [max(_by_gpu(told.accuracies[way], kind), key=_off) for way in WAYS]
        cells = [_marked(f"{s.bias:.2f} ({s.group})", _off(s) <= MOST_BIAS) for s in worst]
        rows.append((f"{WORDS[kind]}, most biased GPU", f"within {MOST_BIAS} ×", *cells))
    shares = [told.accuracies[way].order[0].share for way in WAYS]
    order = [_marked(percent(share), share >= LEAST_ORDER) for share in shares]
    rows.append(("order of TP choices", f"≥ {100 * LEAST_ORDER:.0f} %", *order))
    for kind in JUDGED:
        cells = [_coverage(told.accuracies[way], kind) for way in WAYS]
        rows.append((f"{WORDS[kind]}, share in its 80 % interval", "75 to 90 %", *cells))
    return table_lines(["figure", "aim", *(f">{HEADS[way]}" for way in WAYS)], rows)


def weak(told: Found) -> list[str]:
    """The groups that are predicted worst."""
    rows = []
    for each in WEAK:
        group = [row for row in told.rows[each.by] if row.kind == each.kind and each.holds(told.runs[row.id])]
        (score,) = accuracy([replace(row, gpu="", link="") for row in group]).overall
        cells = (str(score.rows), percent(score.median), f"{score.bias:.2f}", percent(score.coverage))
        rows.append((each.what, f"{WORDS[each.kind]}, {HEADS[each.by]}", *cells, each.why))
    columns = ["rows of", "figure", ">rows", ">median error", ">predicted/measured", ">in interval", "likely why"]
    return table_lines(columns, rows)


def measured(told: Found) -> list[str]:
    """Rows by GPU and engine, of every GPU that can be planned for or was measured."""
    counted = Counter[tuple[str, str]]((r.gpu, r.engine) for r in told.runs.values())
    known = sorted({*load_catalog().gpus, *(gpu for gpu, _ in counted)})
    rows = [
        (gpu, *(str(counted[gpu, engine]) for engine in ENGINES), load_coefficients().provenance(gpu)) for gpu in known
    ]
    return table_lines(["GPU", *(f">{name}" for name in ENGINES.values()), "provenance of vLLM's figures"], rows)


def _table(found: Accuracy) -> list[str]:
    return accuracy_markdown(found).rstrip().splitlines()


def _by_gpu(found: Accuracy, kind: QuotedKind) -> list[Score]:
    return [score for score in found.tables["GPU"] if score.kind == kind]


def _coverage(found: Accuracy, kind: QuotedKind) -> str:
    share = next(score.coverage for score in found.overall if score.kind == kind)
    return _marked(percent(share), COVERAGE[0] <= share <= COVERAGE[1])


def _order(found: Accuracy, choice: Choice) -> str:
    whole = next(order for order in found.order if order.choice == choice and order.kind is None)
    text = f"{percent(whole.share)} of {whole.pairs} pairs"
    return _marked(text, whole.share >= LEAST_ORDER) if whole.pairs else "no pair"


def _off(score: Score) -> float:
    return max(score.bias, 1.0 / score.bias)


def _percent_marked(share: float, most: float) -> str:
    return _marked(percent(share), share <= most)


def _marked(text: str, reached: bool) -> str:
    return text if reached else f"**{text}**"
