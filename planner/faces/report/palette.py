"""The colours of the report in both themes, by what they mean. Text has a contrast of 4.5 to its ground, marks have 3.

A chart is drawn with the light colours, each of which stands for one name; they become variables of the style sheet,
so that the same picture follows the theme of the page around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

Ink = Literal["ink", "quiet", "grid", "paper", "own", "api", "base", "more", "less", "warn"]
"""What a colour means: text, secondary text, thin lines, the ground, own machines, hosted APIs, the base of a change,
dearer or denied, cheaper or passed, a warning."""

LIGHT: Mapping[Ink, str] = {
    "ink": "#1b1f24",
    "quiet": "#56606b",
    "grid": "#dfe3e7",
    "paper": "#ffffff",
    "own": "#0b5cad",
    "api": "#b0560c",
    "base": "#838c95",
    "more": "#b3261e",
    "less": "#1a7a48",
    "warn": "#8f5a00",
}
DARK: Mapping[Ink, str] = {
    "ink": "#e6e9ec",
    "quiet": "#a3adb7",
    "grid": "#31373e",
    "paper": "#15181c",
    "own": "#6cb2f7",
    "api": "#f0a45f",
    "base": "#7d8791",
    "more": "#ff8f85",
    "less": "#5bc98e",
    "warn": "#e8b04a",
}
NAMES: tuple[Ink, ...] = get_args(Ink)
_NAME_OF = {colour: name for name, colour in LIGHT.items()}


def as_variables(svg: str) -> str:
    """Turn the light colours of a picture into variables of the theme. Raises ValueError for any other colour."""

    def variable(match: re.Match[str]) -> str:
        colour = match[0].lower()
        if colour not in _NAME_OF:
            raise ValueError(f"{colour} has no name in the palette")
        return f"var(--{_NAME_OF[colour]})"

    return re.sub(r"#[0-9a-fA-F]{6}\b", variable, svg)


def declarations(colours: Mapping[Ink, str]) -> str:
    """Return the variables of one theme as CSS declarations."""
    return ";".join(f"--{name}:{colours[name]}" for name in NAMES)


def both_themes() -> str:
    """Return the variables as CSS declarations that follow the colour scheme of their element."""
    return ";".join(f"--{name}:light-dark({LIGHT[name]},{DARK[name]})" for name in NAMES)
