"""Licences: each rule at its edge, and what stays open when the environment does not say enough."""

from __future__ import annotations

import pytest

from planner.domain.licences import Licensee, forbidden, unsure
from planner.domain.models import LicenceTerms
from planner.edges.catalog_files import load_catalog

PLACES = load_catalog().places
STRICT = LicenceTerms(
    non_commercial=True, excluded_places=("eu",), most_monthly_users=1_000, source="made up", as_of="2026-11-21"
)
OPEN = LicenceTerms(source="made up", as_of="2026-11-21")


@pytest.mark.parametrize(
    ("licensee", "rule"),
    [
        (Licensee(True, 10, "us"), "commercial use"),
        (Licensee(False, 10, "us"), None),
        (Licensee(False, 10, "fr"), "place"),
        (Licensee(False, 10, "eu"), "place"),
        (Licensee(False, 10, "ch"), None),
        (Licensee(False, 10, None), None),
        (Licensee(False, 1_000, "us"), None),
        (Licensee(False, 1_001, "us"), "monthly users"),
        (Licensee(False, None, "us"), None),
    ],
)
def test_the_first_rule_that_is_broken_is_told(licensee: Licensee, rule: str | None) -> None:
    assert forbidden(STRICT, licensee, PLACES) == rule
    assert forbidden(OPEN, licensee, PLACES) is None


def test_what_is_not_stated_stays_open() -> None:
    assert unsure(STRICT, Licensee(False, 10, "us")) == ""
    assert unsure(STRICT, Licensee(False, None, "us")) == "ends at 1,000 monthly users"
    assert unsure(STRICT, Licensee(False, None, None)) == "ends at 1,000 monthly users and excludes companies in eu"
    host = LicenceTerms(hosting_needs_permission=True, source="made up", as_of="2026-11-21")
    assert unsure(host, Licensee(False, 10, "us")) == "needs a permission to offer the model to others as a service"


def test_terms_of_the_catalog_say_what_its_text_says() -> None:
    """What the text forbids is typed, and nothing is typed that it does not say."""
    for model in load_catalog().models.values():
        words, terms = model.licence_limits, model.licence_terms or OPEN
        inherited = words.startswith(("as 3.1", "Llama licence of the base"))
        limited = inherited or "M MAU;" in words or words.endswith("M MAU")
        vision = model.key in ("llama-3.2-11b-vision-instruct", "llama-3.2-90b-vision-instruct")
        assert terms.non_commercial == ("NON-COMMERCIAL" in words), model.key
        assert (terms.most_monthly_users is not None) == limited, model.key
        assert terms.excluded_places == (("eu",) if vision or "llama-4" in model.key else ()), model.key
        assert terms.hosting_needs_permission == ("needs TII permission" in words), model.key
