"""Shows a calibration in the terminal: each run beside what the model expects of it, and the factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from measurement.calibration.runs import ExpectedFigures, OwnRun
from planner.documents.calibration import CalibrationFile
from planner.faces.layout import Kind, TableColumn, above, below, figures, names
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable
from planner.performance.calibration import Calibration


def runs_view(compared: Sequence[tuple[OwnRun, ExpectedFigures, ExpectedFigures]]) -> FoldingTable:
    """Measured figures beside expected ones.

    compared: (run, expectation of the shipped model, expectation of the calibrated model).
    """
    rows = []
    for own, shipped, now in compared:
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
        TableColumn("TPOT shipped", Kind.FIGURE, beside="shipped"),
        TableColumn("TPOT now", Kind.FIGURE, beside="now"),
        *figures("TTFT"),
        TableColumn("TTFT shipped", Kind.FIGURE, beside="shipped"),
        TableColumn("TTFT now", Kind.FIGURE, beside="now"),
    )
    steps = (below("of"), below("in flight", "in", "out"), below("TTFT", "TTFT shipped", "TTFT now"))
    return FoldingTable("Runs", columns, rows, steps)


def factors_view(file: CalibrationFile) -> Iterator[RenderableType]:
    """What plans will use: the factors of each class, and the bounds of micro-benchmarks."""
    rows = []
    for gpu, calibration in sorted(file.gpus.items()):
        for name, correction in sorted(calibration.corrections.items()):
            residuals = correction.residuals.get("step")
            rows.append(
                (
                    gpu,
                    name,
                    ", ".join(map(str, correction.tensor_parallel_sizes)),
                    str(correction.conditions),
                    f"{correction.step:.3f}",
                    f"{correction.first_token:.3f}",
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


def _caps(calibration: Calibration) -> str:
    """The bounds of a micro-benchmark in words."""
    bounds = calibration.caps
    if bounds is None:
        return ""
    shares = [] if bounds.bandwidth is None else [f"{bounds.bandwidth:.0%} of bandwidth"]
    shares += [f"{share:.0%} of {kind} compute" for kind, share in sorted(bounds.compute.items())]
    shares += [] if bounds.link_bandwidth is None else [f"{bounds.link_bandwidth:.0%} of the link"]
    return ", ".join(shares) or "nothing that bounds"


def _ms(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f} ms"


def _off(measured: float | None, expected: float) -> str:
    """How far an expected figure is off the measured one, in percent of it."""
    return "—" if measured is None else f"{expected / measured - 1.0:+.0%}"
