"""A calibration as a file: `calibration/NAME.yaml` beside the environments, written by `spillway perf calibrate`.

The file holds everything that a plan takes from it: coefficients, factors and residuals by GPU. It also holds
everything that it rests on: files and runs with their digests, the engine's versions, the day, the shipped coefficients
that it started from. The same runs give the same bytes. It is computed and reviewed, and never edited.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.documents.calibration_text import AGAIN, digest_of, document_of, rounded
from planner.performance.calibration import Calibration, weights_class
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import Document

FORMAT = "spillway.calibration/1"
HEAD = "# Written by `spillway perf calibrate`: computed, not edited. Plans beside it use it for the GPUs below.\n"
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shipped(_Part):
    """The shipped coefficients are those that a calibration started from.

    as_of: their day.
    """

    as_of: str
    digest: Sha256


class File(_Part):
    """A file is one that was read.

    tool: the benchmark tool that wrote it.
    sha256: digest of its text.
    """

    file: str
    tool: str
    sha256: Sha256


class CalibratedRun(_Part):
    """A calibrated run says where it stands, what it ran on, under which condition, and what it measured.

    file, part: the file, and the place of the run in it.
    digest: digest of what was read of it.
    load: whether a fixed number of requests was kept in flight (`closed`), or they came at a rate (`open`).
    in_flight: mean number of requests in the engine.
    input_tokens, output_tokens: mean lengths of a request, tokens.
    completed: number of requests that were completed.
    tpot_ms, ttft_ms: median (or else mean) time per output token and to the first token, ms; None where not measured.
    """

    file: str
    part: str
    digest: Sha256
    model: str
    quantization: str
    kv_cache_dtype: str
    gpu: str
    tensor_parallel_size: int
    engine_version: str
    date: str
    load: Literal["closed", "open"]
    in_flight: float
    input_tokens: float
    output_tokens: float
    completed: int
    tpot_ms: float | None
    ttft_ms: float | None


class CalibrationFile(_Part):
    """A calibration file is the whole file.

    name: name of the calibration, and of its file.
    date: day of the calibration.
    files, runs: what it rests on.
    gpus: what plans read, by GPU.
    """

    format: Literal["spillway.calibration/1"]
    name: str
    date: str
    engine_versions: tuple[str, ...]
    shipped: Shipped
    files: tuple[File, ...]
    runs: tuple[CalibratedRun, ...]
    gpus: dict[str, Calibration]

    @property
    def digest(self) -> str:
        """Return the sha256 of everything in it, whatever its form on disk."""
        return digest_of(plain(self))


def plain(file: CalibrationFile) -> dict[str, Any]:
    """Return the file as plain values, numbers with six significant digits."""
    values: dict[str, Any] = rounded(file.model_dump(mode="json"))
    return values


def render(file: CalibrationFile) -> str:
    """Return the file's text."""
    return HEAD + yaml.safe_dump(plain(file), sort_keys=False, allow_unicode=True, width=120)


def load(text: str, file: str) -> CalibrationFile:
    """Read a calibration from its text. Raises `Problems` with CAL020 for every value that does not fit."""
    document = document_of(text, file)
    try:
        return _of_own_classes(CalibrationFile.model_validate(with_newer_terms(document.value)), document)
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            path = tuple(step for step in detail["loc"] if isinstance(step, str | int))
            message = f"{'.'.join(map(str, path)) or 'the file'}: {detail['msg']}"
            problems.append(Problem("CAL020", message, document.at(path), AGAIN))
        raise Problems(problems) from error


def with_newer_terms(values: Any) -> Any:
    """Return the plain values of a file with 0.0 for each term of a coefficient that an older release did not have.

    The model that such a file was made with had no time of an API server and none of an eager layer, and its other
    coefficients were fitted without them. The zero makes it the same model again. Where a value has another shape than
    a calibration, it stays as it is, and the form of the file is judged later.
    """
    filled = copy.deepcopy(values)
    for calibration in _parts_of(filled, "gpus"):
        coefficients = calibration.get("coefficients")
        if isinstance(coefficients, dict):
            coefficients.setdefault("eager_ms_per_layer", 0.0)
        for engine in _parts_of(coefficients, "engines"):
            engine.setdefault("server_ms_per_token", 0.0)
    return filled


def _parts_of(values: Any, key: str) -> list[dict[str, Any]]:
    """Return the mappings in the mapping at a key; none where something else stands there."""
    parts = values.get(key) if isinstance(values, dict) else None
    return [each for each in parts.values() if isinstance(each, dict)] if isinstance(parts, dict) else []


def _of_own_classes(file: CalibrationFile, document: Document) -> CalibrationFile:
    """Return the file if runs with an fp8 KV cache have a correction of their own.

    Older releases took them for runs without, and such a factor holds for neither.
    """
    problems = []
    for index, run in enumerate(file.runs):
        name = weights_class(run.model, run.quantization, "fp8")
        own = file.gpus[run.gpu].corrections if run.gpu in file.gpus else {}
        if run.kv_cache_dtype == "fp8" and name not in own:
            message = f"runs[{index}] has an fp8 KV cache, and {run.gpu} has no correction {name}"
            problems.append(Problem("CAL020", message, document.at(("runs", index)), AGAIN))
    if problems:
        raise Problems(problems)
    return file
