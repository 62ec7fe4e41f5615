"""A picture as SVG: the library's text made small, alike on every run, readable aloud, and able to follow a theme.

Text stays text. Ids are those that something points to, and begin with the picture's name, so that many pictures can
stand in one page. Figures keep two decimals: a hundredth of a pixel is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from planner.faces.report.palette import DARK, LIGHT, as_variables, declarations

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
_TAG = re.compile(r"<[^>]+>")
_NOT_DRAWN = re.compile(r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*|<!--.*?-->", re.S)
_POINTERS = re.compile(r'url\(#([^)]+)\)|href="#([^"]+)"')


@dataclass(frozen=True)
class Picture:
    """A picture is one drawing in one size.

    name: unique in a page, such as `break-even-wide`.
    title, description: what a reader is told who does not see it.
    width, height: pixels of its coordinates.
    body: what stands inside the `svg` element.
    """

    name: str
    title: str
    description: str
    width: int
    height: int
    body: str

    @property
    def inline(self) -> str:
        """The element for a page, whose style sheet has the colours."""
        return self._element("", "")

    @property
    def standalone(self) -> str:
        """A file of its own, with its colours and its ground."""
        themes = (
            f":root{{{declarations(LIGHT)}}}@media (prefers-color-scheme:dark){{:root{{{declarations(DARK)}}}}}"
            f"text{{font-family:{FONT}}}"
        )
        ground = f'<rect width="{self.width}" height="{self.height}" style="fill: var(--paper)"/>\n'
        head = f"<style>{themes}</style>\n{ground}"
        return self._element(f'xmlns="http://www.w3.org/2000/svg" width="{self.width}" ', head) + "\n"

    def _element(self, attributes: str, head: str) -> str:
        return (
            f'<svg {attributes}viewBox="0 0 {self.width} {self.height}" role="img" stroke-linejoin="round"'
            f' aria-labelledby="{self.name}-title {self.name}-text">\n'
            f'<title id="{self.name}-title">{escape(self.title)}</title>\n'
            f'<desc id="{self.name}-text">{escape(self.description)}</desc>\n{head}{self.body}</svg>'
        )


def slug(name: str) -> str:
    """Return a name that an id and a file may have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def cleaned(text: str, name: str, tips: Mapping[str, str]) -> str:
    """Return the body of a picture from the library's file. Words in it are left as they are.

    name: of the picture, which begins its ids. tips: what is shown when the pointer rests on a part, by its id.
    """
    body = text[text.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = _NOT_DRAWN.sub("", body)
    wanted = {each for tag in _TAG.findall(body) for pair in _POINTERS.findall(tag) for each in pair if each}
    numbers = {each: f"{name}-{place}" for place, each in enumerate(sorted(wanted, key=body.index))}

    def tidy(match: re.Match[str]) -> str:
        tag = re.sub(r"(\d\.\d\d)\d+", r"\1", match[0])
        tag = re.sub(r"""\s*font-family:[^;"]*;?""", "", tag)
        tag = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", tag).replace("xlink:href", "href")
        tag = _POINTERS.sub(lambda m: m[0].replace(m[1] or m[2], numbers[m[1] or m[2]]), tag)
        tip = re.search(r' id="([^"]*)"', tag)
        told = f"\n<title>{escape(tips[tip[1]])}</title>" if tip and tip[1] in tips else ""
        tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{numbers[m[1]]}"' if m[1] in numbers else "", tag)
        return re.sub(r"\s*\n", " ", as_variables(tag)) + told

    lines = (line.strip() for line in _TAG.sub(tidy, body).splitlines())
    return "\n".join(line for line in lines if line) + "\n"
