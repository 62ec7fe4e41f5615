"""Public price lists that a refresh reads into a team's own files.

What they state is a list price, wherever it stands: it ages, and what a team has agreed is taken off it. A price of any
other source in a team's own files is what the team pays.
"""

from __future__ import annotations

PRICE_LIST = "AWS Price List Query API, get_products"
"""Source of the prices of machines."""
HOSTED_MODELS = "genai-prices"
"""Source of the prices of hosted models, which its version follows."""


def is_list_price(source: str) -> bool:
    """Return whether a source is one of these lists."""
    return source == PRICE_LIST or source.partition(" ")[0] == HOSTED_MODELS
