"""An own region says of every type which zones sell it, whatever its family says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.documents.region_file import region_text
from planner.edges.catalog_yaml import read

TYPES = ("g6.xlarge", "g6.48xlarge", "g6e.xlarge", "g6e.12xlarge", "g6e.48xlarge", "p5.48xlarge")
ZONES = ("use1-az1", "use1-az2", "use1-az6")
SOURCE = "EC2 describe_instance_type_offerings"


def test_a_family_has_the_zones_of_most_types_and_others_are_named() -> None:
    zones = {"g6e.xlarge": ZONES[:2], "g6e.12xlarge": ZONES[:2], "g6e.48xlarge": ZONES[:1], "g6.xlarge": ZONES[2:]}
    assert region_text(zones, TYPES, SOURCE, "2026-11-30") == (
        "families:\n"
        "  g6: [use1-az6]\n"
        "  g6e: [use1-az1, use1-az2]\n"
        "  p5: []\n"
        "types:\n"
        "  g6.48xlarge: []\n"
        "  g6e.48xlarge: [use1-az1]\n"
        "source: EC2 describe_instance_type_offerings\n"
        "as_of: 2026-11-30\n"
        "...\n"
    )


@given(st.dictionaries(st.sampled_from(TYPES), st.sets(st.sampled_from(ZONES), min_size=1).map(sorted)))
def test_the_zones_of_every_type_come_back(zones: dict[str, list[str]]) -> None:
    value = read(region_text(zones, TYPES, SOURCE, "2026-11-30"), "f").value
    families, others = value["families"], value.get("types", {})
    read_back = {name: others.get(name, families.get(name.partition(".")[0], [])) for name in TYPES}
    assert {name: where for name, where in read_back.items() if where} == zones
    assert families.keys() == {name.partition(".")[0] for name in TYPES}, "what is left out keeps its shipped zones"
    assert (value["source"], value["as_of"]) == (SOURCE, "2026-11-30")
