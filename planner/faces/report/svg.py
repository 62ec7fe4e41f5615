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


def cleaned(text: str, name: str, tips: Mapping[str, str]) -> str:
    """Return the body of a picture from the library's file.

    name: of the picture, which begins its ids. tips: what is shown when the pointer rests on a part, by its id.
    """
    body = text[text.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = re.sub(
        r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*|<!--.*?-->", "", body, flags=re.S
    )
    body = re.sub(r"(\d\.\d\d)\d+", r"\1", body)
    body = re.sub(r"""\s*font-family:[^;"]*;?""", "", body)
    body = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", body)
    body = body.replace("xlink:href", "href")
    for tip, words in tips.items():
        body = body.replace(f'<g id="{tip}">', f"<g>\n<title>{escape(words)}</title>")
    wanted = {each for pair in _POINTERS.findall(body) for each in pair if each}
    numbers = {each: f"{name}-{place}" for place, each in enumerate(sorted(wanted, key=body.index))}
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{numbers[m[1]]}"' if m[1] in numbers else "", body)
    body = _POINTERS.sub(lambda m: m[0].replace(m[1] or m[2], numbers[m[1] or m[2]]), body)
    body = as_variables(body)
    lines = (line.strip() for line in body.splitlines())
    return re.sub(r"\n(?=[LCQ] )", " ", "\n".join(line for line in lines if line)) + "\n"
