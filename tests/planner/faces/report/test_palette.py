"""Both themes: contrast by the formula of WCAG 2.2, and a name for each colour."""

from __future__ import annotations

import pytest

from planner.faces.report.palette import DARK, LIGHT, NAMES, as_variables, both_themes

TEXT = ("ink", "quiet", "own", "more", "less", "warn")
MARKS = ("own", "api", "base", "more", "less")


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_a_contrast_of_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out(theme: dict[str, str]) -> None:
    reached = {name: contrast(theme[name], theme["paper"]) for name in (*TEXT, *MARKS)}
    assert [name for name in TEXT if reached[name] < 4.5] == []
    assert [name for name in MARKS if reached[name] < 3] == []


def test_each_name_has_one_colour_in_each_theme() -> None:
    assert set(LIGHT) == set(DARK) == set(NAMES)
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert all(f"--{name}:light-dark({LIGHT[name]},{DARK[name]})" in both_themes() for name in NAMES)


def test_a_colour_without_a_name_is_refused() -> None:
    assert as_variables('<path style="fill: #0B5CAD"/>') == '<path style="fill: var(--own)"/>'
    with pytest.raises(ValueError, match="#123456 has no name"):
        as_variables('<path style="fill: #123456"/>')
