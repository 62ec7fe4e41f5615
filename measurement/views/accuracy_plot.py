"""Draws predicted against measured figures as SVG text. The same rows give the same bytes.

Both axes are logarithmic, and each kind of figure has a colour. On the line the figures are equal; the band reaches 25
% to either side of it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from measurement.evidence.accuracy import KINDS, ScoredRow
from measurement.views.accuracy import WORDS
from planner.faces.figures import count_words
from planner.words.diagnostics import Problem, Problems

COLOURS = {"tpot": "#1f77b4", "ttft": "#d62728", "throughput": "#2ca02c", "e2e": "#9467bd"}
UNITS = {"tpot": "ms", "ttft": "ms", "throughput": "tokens/s, req/s", "e2e": "ms"}
BAND = 0.25


def accuracy_svg(rows: Sequence[ScoredRow]) -> str:
    """The picture of these rows. It loads matplotlib here, because that takes most of a second.

    Raises `Problems` with USE003 where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install -e '.[plot]'"
        raise Problems(
            [Problem("USE003", "--plot needs the package matplotlib, which is not installed", hint=hint)]
        ) from error

    with matplotlib.rc_context({"svg.hashsalt": "spillway", "svg.fonttype": "none", "font.size": 9.0}):
        figure = Figure(figsize=(7.0, 6.4), layout="tight")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_yscale("log")
        values = [value for row in rows for value in (row.measured, row.predicted)] or [1.0, 10.0]
        ends = [min(values) / 1.3, max(values) * 1.3]
        axes.fill_between(ends, [end * (1 - BAND) for end in ends], [end * (1 + BAND) for end in ends], color="#eeeeee")
        axes.plot(ends, ends, color="#555555", linewidth=0.8)
        for kind in KINDS:
            part = sorted((row.measured, row.predicted) for row in rows if row.kind == kind)
            if part:
                measured, predicted = zip(*part, strict=True)
                label = f"{WORDS[kind]} ({UNITS[kind]}), {count_words(len(part), 'row')}"
                axes.plot(measured, predicted, ".", markersize=3.5, alpha=0.5, color=COLOURS[kind], label=label)
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.set_xlabel("measured")
        axes.set_ylabel("predicted")
        axes.set_title(f"Predicted against measured; band ±{BAND:.0%}")
        if rows:
            axes.legend(loc="upper left", frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    shorter = re.sub(r"(\d\.\d\d)\d+", r"\1", text.getvalue())  # a hundredth of a pixel is enough
    return "\n".join(line.rstrip() for line in shorter.splitlines()) + "\n"
