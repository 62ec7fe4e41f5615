"""Files of own regions, `catalog/regions/REGION.yaml` beside the environments, as a refresh finds and writes them."""

from __future__ import annotations

from pathlib import Path

from planner.edges.catalog_entries import SUFFIX
from planner.edges.catalog_yaml import read
from planner.edges.files import read_text
from planner.edges.own_catalog import FOLDER

REGIONS = "regions"
SOURCE = "EC2 describe_instance_type_offerings"
"""How a region says that a refresh wrote it."""


def own_region_path(folder: Path, region: str) -> Path:
    """Return the path of an own region."""
    return folder / FOLDER / REGIONS / f"{region}{SUFFIX}"


def written_by_hand(path: Path) -> bool:
    """Return whether there is an own region that no refresh wrote. Raises `Problems` for one that cannot be read."""
    if not path.exists():
        return False
    value = read(read_text(path), str(path)).value
    return not isinstance(value, dict) or value.get("source") != SOURCE
