"""Whether a licence allows what an environment does with a model, as far as its terms can be held against a plan.

The terms bind whoever runs the weights. A hosted copy is run by its provider, so that they are its matter there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.domain.models import LicenceTerms
from planner.domain.places import Places

LicenceRule = Literal["commercial use", "place", "monthly users"]


@dataclass(frozen=True)
class Licensee:
    """Whoever runs the models.

    commercial: whether the use is commercial.
    monthly_users: monthly active users of its products; None = not stated.
    based_in: the place of its company; None = not known.
    """

    commercial: bool
    monthly_users: int | None
    based_in: str | None


def forbidden(terms: LicenceTerms, licensee: Licensee, places: Places) -> LicenceRule | None:
    """Return the first rule of a licence that the licensee breaks; None when it breaks none that is known."""
    if terms.non_commercial and licensee.commercial:
        return "commercial use"
    if licensee.based_in is not None and places.holds(terms.excluded_places, licensee.based_in):
        return "place"
    most, users = terms.most_monthly_users, licensee.monthly_users
    if most is not None and users is not None and users > most:
        return "monthly users"
    return None


def unsure(terms: LicenceTerms, licensee: Licensee) -> str:
    """Return what of a licence cannot be judged, as the end of a sentence; empty when all of it is."""
    asks = []
    if terms.most_monthly_users is not None and licensee.monthly_users is None:
        asks.append(f"ends at {terms.most_monthly_users:,} monthly users")
    if terms.excluded_places and licensee.based_in is None:
        asks.append(f"excludes companies in {', '.join(terms.excluded_places)}")
    if terms.hosting_needs_permission:
        asks.append("needs a permission to offer the model to others as a service")
    return " and ".join(asks)
