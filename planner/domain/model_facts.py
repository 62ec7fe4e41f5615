"""How a model counts tokens, and how many it thinks before it answers.

Lengths of an environment and of a trace are counted in one tokenizer; a model's own may make more or fewer tokens of
the same text. What it thinks comes before the answer, and is paid for and takes time as output does:

    input  = ratio · stated input
    output = ratio · stated output + reasoning tokens

Figures come from the environment (`models.NAME`), else from the catalog. Without either the ratio is 1 and nothing is
thought, and both are named as unknown. The names are those of accept lists, so that one entry holds for the model and
for its hosted copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.domain.catalog import Catalog
from planner.domain.environment import ModelFacts
from planner.domain.workload import Mix


@dataclass(frozen=True)
class TokenCounts:
    """How one model counts.

    ratio: tokens of the model ÷ stated tokens.
    reasoning: tokens that it thinks for one answer.
    ratio_known, reasoning_known: whether the figure is more than an assumption.
    """

    ratio: float = 1.0
    reasoning: float = 0.0
    ratio_known: bool = False
    reasoning_known: bool = False

    @property
    def change_nothing(self) -> bool:
        """Return whether the model has the stated tokens."""
        return self.ratio == 1.0 and self.reasoning == 0.0

    def mix(self, stated: Mix) -> Mix:
        """Return the lengths that the model counts."""
        if self.change_nothing:
            return stated
        return Mix(
            tuple(tokens * self.ratio for tokens in stated.input_tokens),
            tuple(tokens * self.ratio + self.reasoning for tokens in stated.output_tokens),
            stated.weights,
        )


AS_STATED = TokenCounts()
"""The model has the stated tokens, as far as anybody knows."""


def token_counts(name: str, facts: Mapping[str, ModelFacts], catalog: Catalog) -> TokenCounts:
    """Return how a model counts. name: as in accept lists, without a precision."""
    measured = facts.get(name)
    hosted = [row for row in catalog.apis if name in (row.slug, row.hosts)]
    model = catalog.models.get(name)
    published = [row.tokens for row in (model, *hosted) if row is not None and row.tokens is not None]
    ratios = [measured.tokenizer_ratio if measured else None, *(row.tokenizer_ratio for row in published)]
    thoughts = [measured.reasoning_tokens if measured else None, *(row.reasoning_tokens for row in published)]
    ratio = next((value for value in ratios if value is not None), None)
    reasoning = next((value for value in thoughts if value is not None), None)
    return TokenCounts(
        ratio=1.0 if ratio is None else ratio,
        reasoning=0.0 if reasoning is None else reasoning,
        ratio_known=ratio is not None,
        reasoning_known=reasoning is not None or thinks(name, catalog) is False,
    )


def thinks(name: str, catalog: Catalog) -> bool | None:
    """Return whether a model may think before it answers, as its hosts state it; None when none of them does."""
    stated = [row.reasoning for row in catalog.apis if name in (row.slug, row.hosts) and row.reasoning is not None]
    return any(stated) if stated else None
