"""The door to the library that draws: a canvas of so many pixels, on which charts put lines, areas, bars and words.

A chart is drawn for a wide page and for a narrow one, because letters must not shrink with the page. The library is
loaded when the first chart is drawn, since it takes most of a second. Where it is not installed there are no pictures,
and a report shows the tables alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

from planner.faces.report.palette import LIGHT, Ink
from planner.faces.report.svg import Picture, cleaned

WIDE, NARROW = 560, 336
"""Widths of a picture, pixels."""
LETTERS = 12
"""Size of letters, pixels."""
LETTER_WIDTH, HANDLE = 6.7, 52
"""Width of a letter of that size, and of what stands before a name in a legend, pixels. Both are generous."""


@dataclass
class Canvas:
    """A canvas is one picture that is being drawn. axes: the library's. tips: what a part says to a resting pointer."""

    width: int
    height: int
    axes: Any
    tips: dict[str, str] = field(default_factory=dict)

    @property
    def narrow(self) -> bool:
        """Say whether it is drawn for a narrow page."""
        return self.width == NARROW

    def line(
        self,
        points: Sequence[tuple[float, float | None]],
        ink: Ink,
        label: str = "",
        dashed: bool = False,
        width: float = 1.8,
    ) -> None:
        """Draw a line, with a gap where there is no value."""
        gap = float("nan")
        ups = [gap if y is None else y for _, y in points]
        style = (0, (4, 3)) if dashed else "solid"
        self.axes.plot(
            [x for x, _ in points], ups, color=LIGHT[ink], linestyle=style, linewidth=width, label=label or None
        )

    def dot(
        self, x: float, y: float, ink: Ink, tip: str, shape: Literal["o", "^", "x"] = "o", hollow: bool = False
    ) -> None:
        """Draw a dot."""
        face = LIGHT["paper" if hollow else ink]
        (mark,) = self.axes.plot(
            [x], [y], shape, color=LIGHT[ink], markerfacecolor=face, markersize=6.5, markeredgewidth=1.6, zorder=4
        )
        self._tell(mark, tip)

    def area(
        self,
        edges: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        ink: Ink,
        label: str = "",
        faint: bool = False,
    ) -> None:
        """Fill between two flights of steps. edges: one more than there are steps."""
        self.axes.fill_between(
            edges,
            [*low, low[-1]],
            [*high, high[-1]],
            step="post",
            color=LIGHT[ink],
            alpha=0.35 if faint else 0.85,
            linewidth=0,
            label=label or None,
        )

    def across(self, y: float, ink: Ink, label: str = "", dashed: bool = False) -> None:
        """Draw a level line over the whole width."""
        style = (0, (4, 3)) if dashed else "solid"
        self.axes.axhline(y, color=LIGHT[ink], linestyle=style, linewidth=1.6, zorder=3, label=label or None)

    def upright(self, x: float, ink: Ink, words: str) -> None:
        """Draw an upright line with words at its top."""
        self.axes.axvline(x, color=LIGHT[ink], linewidth=1.0, linestyle=(0, (2, 2)), zorder=2)
        self.axes.annotate(
            words, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(-4, -13), textcoords="offset points",
            ha="right", color=LIGHT[ink],
        )  # fmt: skip

    def stripe(self, left: float, right: float, words: str, tip: str) -> None:
        """Shade an upright stripe with a word at its foot."""
        stripe = self.axes.axvspan(left, right, facecolor=LIGHT["base"], alpha=0.16, linewidth=0, zorder=0)
        for edge in (left, right):
            self.axes.axvline(edge, color=LIGHT["paper"], linewidth=2, zorder=0.5)
        self._tell(stripe, tip)
        middle = (left * right) ** 0.5 if self.axes.get_xscale() == "log" else (left + right) / 2
        self.axes.annotate(
            words, (middle, 0.0), xycoords=("data", "axes fraction"), xytext=(0, 5), textcoords="offset points",
            ha="center", color=LIGHT["quiet"],
        )  # fmt: skip

    def bar(
        self, left: float, right: float, top: float, height: float, ink: Ink, tip: str = "", hollow: bool = False
    ) -> None:
        """Draw a lying bar; coordinates are pixels from the upper left corner."""
        from matplotlib.patches import Rectangle

        face: Any = "none" if hollow else LIGHT[ink]
        least = max(right - left, 1.0)
        bar = Rectangle(
            (left, top), least, height, facecolor=face, edgecolor=LIGHT[ink], linewidth=1.2 if hollow else 0
        )
        self.axes.add_patch(bar)
        if tip:
            self._tell(bar, tip)

    def tick(self, x: float, top: float, bottom: float, ink: Ink, dashed: bool = False) -> None:
        """Draw a short upright line; coordinates are pixels from the upper left corner."""
        style = (0, (3, 2)) if dashed else "solid"
        self.axes.plot([x, x], [top, bottom], color=LIGHT[ink], linewidth=1.4, linestyle=style)

    def words(
        self, x: float, y: float, text: str, ink: Ink = "ink", side: Literal["left", "right", "center"] = "left"
    ) -> None:
        """Write words; coordinates are pixels from the upper left corner, of the line's foot."""
        self.axes.text(x, y, text, color=LIGHT[ink], ha=side, va="baseline")

    def scales(
        self,
        across: Sequence[tuple[float, str]],
        up: Callable[[float], str],
        across_words: str,
        up_words: str,
        logarithmic: bool = False,
        whole: bool = False,
    ) -> None:
        """Set the two scales.

        across: places and words of the lower one. up: how a value of the other is written. whole: in whole numbers.
        """
        from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

        if logarithmic:
            self.axes.set_xscale("log")
        self.axes.xaxis.set_major_locator(FixedLocator([place for place, _ in across]))
        self.axes.xaxis.set_minor_locator(NullLocator())
        words = dict(across)
        self.axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: words.get(place, "")))
        self.axes.yaxis.set_major_locator(
            MaxNLocator(5 if self.height >= 240 else 4, steps=[1, 2, 2.5, 5, 10], integer=whole)
        )
        self.axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: up(value)))
        self.axes.set_xlabel(across_words, loc="left", labelpad=7)
        self.axes.set_title(up_words, loc="left", fontsize=LETTERS, color=LIGHT["quiet"])
        self.axes.grid(axis="y", color=LIGHT["grid"], linewidth=1)
        self.axes.set_axisbelow(True)

    def limits(self, across: tuple[float, float], up: tuple[float, float]) -> None:
        """Set the ends of both scales."""
        self.axes.set_xlim(*across)
        self.axes.set_ylim(*up)

    def legend_mark(self, ink: Ink, shape: str, label: str, hollow: bool = False) -> None:
        """Name a dot in the legend."""
        face = LIGHT["paper" if hollow else ink]
        self.axes.plot(
            [], [], shape, color=LIGHT[ink], markerfacecolor=face, markersize=6.5, markeredgewidth=1.6, label=label
        )

    def legend(self) -> None:
        """Name what is drawn, below the picture's scale of values."""
        labels = self.axes.get_legend_handles_labels()[1]
        longest = max(map(len, labels), default=0) * LETTER_WIDTH + HANDLE
        beside = max(1, min(len(labels), int(self.width / longest)))
        self.axes.figure.legend(
            loc="outside lower left", ncols=beside, frameon=False, labelcolor=LIGHT["ink"],
            handlelength=1.6, borderpad=0.3, columnspacing=1.6,
        )  # fmt: skip

    def _tell(self, artist: Any, tip: str) -> None:
        name = f"tip-{len(self.tips)}"
        artist.set_gid(name)
        self.tips[name] = tip


def can_draw() -> bool:
    """Say whether the library that draws is installed."""
    return find_spec("matplotlib") is not None


def plotted(
    name: str, title: str, description: str, height: int, paint: Callable[[Canvas], None]
) -> tuple[Picture, ...]:
    """Return the wide and the narrow picture of a chart with two scales; none where nothing can be drawn."""
    sizes = (WIDE, NARROW) if can_draw() else ()
    return tuple(_drawn(name, title, description, width, height, paint, framed=True) for width in sizes)


def laid_out(
    name: str, title: str, description: str, height: Callable[[int], int], paint: Callable[[Canvas], None]
) -> tuple[Picture, ...]:
    """Return the wide and the narrow picture of a chart that places its parts itself; none where nothing can be drawn.

    height: of the picture with that width, pixels.
    """
    sizes = (WIDE, NARROW) if can_draw() else ()
    return tuple(_drawn(name, title, description, width, height(width), paint, framed=False) for width in sizes)


def _drawn(
    name: str, title: str, description: str, width: int, height: int, paint: Callable[[Canvas], None], framed: bool
) -> Picture:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.hashsalt": "spillway",
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": LETTERS,
        "text.color": LIGHT["ink"],
        "axes.labelcolor": LIGHT["quiet"],
        "xtick.color": LIGHT["quiet"],
        "ytick.color": LIGHT["quiet"],
        "text.parse_math": False,
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained" if framed else None)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot() if framed else figure.add_axes((0, 0, 1, 1))
        axes.patch.set_visible(False)
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LIGHT["base"])
        axes.tick_params(length=0, pad=6)
        if not framed:
            axes.set_axis_off()
            axes.set_xlim(0, width)
            axes.set_ylim(height, 0)
        canvas = Canvas(width, height, axes)
        paint(canvas)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    size = "wide" if width == WIDE else "narrow"
    body = cleaned(text.getvalue(), f"{name}-{size}", canvas.tips)
    return Picture(f"{name}-{size}", title, description, width, height, body)
