"""A table that keeps names and figures whole on a terminal of any width.

A wide terminal has one line a row. On a narrower one the table gives way step by step, in the order that its view
states: a column becomes a heading above the rows that share its value, or a line below its row, or is left out, and
then the caption names it with the width that shows it. Sentences fold at blanks. A name never folds while any step is
left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from planner.faces.layout import GAP, INDENT, Column, Kind, Layout, Step, above, below, laid_out, left_out
from planner.faces.prose import Prose, Words, folded, text_of, whole
