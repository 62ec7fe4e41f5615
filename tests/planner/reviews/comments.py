"""A comment is read back: its headline, its tables, its lists, and what each figure in it may be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from html import unescape

FIGURE = re.compile(r"(?P<less>< )?(?P<sign>[+−])?\$?(?P<number>\d[\d,]*(?:\.\d+)?) ?(?P<unit>%|points|ms|s|days?)?")
SCALE = {"%": Decimal("0.01"), "points": Decimal("0.01"), "s": Decimal(1000)}
"""What a unit is worth in shares and in milliseconds."""


def says(shown: str, value: Decimal | None) -> bool:
    """Say whether a figure is this value, rounded to the digits that it shows."""
    if value is None or shown == "—":
        return value is None and shown == "—"
    if shown == "none":
        return abs(value) < Decimal("0.0000005")
    match = FIGURE.fullmatch(shown)
    if match is None:
        return False
    number = match["number"].replace(",", "")
    scale = SCALE.get(match["unit"] or "", Decimal(1))
    told = Decimal(number) * scale * (-1 if match["sign"] == "−" else 1)
    if match["less"]:
        is_signed = match["sign"] is None or (value < 0) == (told < 0)
        return is_signed and number in ("0.1", "1") and 0 < abs(value) < abs(told) / 2 * Decimal("1.0001")
    half = scale * Decimal(10) ** -len(number.partition(".")[2]) / 2
    return abs(told - value) <= half * Decimal("1.0001") and (not match["sign"] or value * told >= 0)


def says_both(shown: str, was: Decimal | None, now: Decimal | None) -> bool:
    """Say whether a cell like `2 → 3` has both values; one figure stands for two that read the same."""
    parts = shown.split(" → ")
    if len(parts) == 2:
        return says(parts[0], was) and says(parts[1], now)
    return says(shown, now) and (was is None or says(shown, was))


@dataclass
class Comment:
    """A comment that was read.

    tables: rows of each table by its title, with their cells.
    lists: items of each list by its title; titles of folded parts keep their counts.
    sentences: paragraphs by the title above them.
    """

    headline: str = ""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    sentences: dict[str, list[str]] = field(default_factory=dict)


def plain(text: str) -> str:
    """A text without the marks of Markdown."""
    text = re.sub(r"\\([\\`*\[\]~_])", r"\1", unescape(text)).replace("\u200b", "")
    return text.replace("**", "").replace("`", "").strip()


def read_comment(text: str) -> Comment:
    """Read a comment. Every line of it stands somewhere in the result."""
    told, title, rows = Comment(), "", 0
    for line in text.splitlines():
        rows = rows + 1 if line.startswith("|") else 0
        if line.startswith("### "):
            told.headline = plain(line.removeprefix("### "))
        elif match := re.fullmatch(r"<details><summary>(.*)</summary>|\*\*([^*]*)\*\*", line):
            title = plain(match[1] or match[2])
        elif line in ("", "</details>", "```", "```diff"):
            continue
        elif rows:
            if rows == 1 and line.startswith("| A month"):
                title = "A month"
            if rows > 2:
                cells = [plain(cell) for cell in line.removeprefix("|").removesuffix("|").split("|")]
                told.tables.setdefault(title, []).append(cells)
        elif re.match(r"[-+] ", line):
            told.lists.setdefault(title, []).append(plain(line) if title.startswith("Cost") else plain(line[2:]))
        else:
            told.sentences.setdefault(title, []).append(plain(line))
    return told
