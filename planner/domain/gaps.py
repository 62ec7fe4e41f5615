"""What the catalog does not know, as a value with a name.

Missing is never zero. A look-up without a result returns a `Gap`, which travels into the plan and turns a verdict to
`warn` or `deny`. Nothing here raises, prints or guesses a value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Gap:
    """One fact that is not known.

    kind: what sort of fact is missing, like `price` or `latency`.
    subject: key of the row that is missing or incomplete, like `ec2/eu-central-1/p5.48xlarge/on-demand`.
    message: what is unknown, as a sentence.
    hint: what the reader can do about it; empty when there is nothing to do.
    """

    kind: str
    subject: str
    message: str
    hint: str = ""

    @property
    def key(self) -> str:
        """Key of the row among all rows of the catalog, like `price/ec2/eu-central-1/p5.48xlarge/on-demand`."""
        return f"{self.kind}/{self.subject}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is not known: the three known names nearest to it, or some of the known names.

    Capitals make no difference: a name that differs by them alone is the only one told.
    """
    names = sorted(set(known))
    same = [each for each in names if each.casefold() == name.casefold()]
    written = {each.casefold(): each for each in names}
    near = same or [written[each] for each in difflib.get_close_matches(name.casefold(), written, n=3, cutoff=0.6)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return "none is known"
    shown = ", ".join(names[:8])
    return f"known: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
