"""Reads a folder of published configurations with an index, and tells how their totals compare.

    python -m tools.catalog.configurations FOLDER

Each line is one configuration: refused and why, or its total against the published one, equal or with the parts that
make the difference. The last line counts them. The folder has `index.csv` with the columns `file`,
`params_total_published`, `form` and `catalog_key`; a separate file of the quantization stands in its configuration
under `_hf_quant_config_json`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planner.documents.model_config.config_json import read_json
from planner.documents.model_config.derive import Derived, derive
from planner.documents.model_config.totals import Part, explained
from planner.words.diagnostics import Problem, Problems

ROUNDED = 1_000_000_000
"""A published total that is a multiple of it is a name of the model, and no count."""


@dataclass(frozen=True)
class ReadConfiguration:
    """One configuration of the folder.

    row: its row in the index.
    derived: what it makes; None where it is refused.
    problems: why it is refused.
    """

    row: dict[str, str]
    derived: Derived | None
    problems: tuple[Problem, ...] = ()

    @property
    def published(self) -> int | None:
        """The published total; None where there is none, or a rounded one."""
        total = int(self.row["params_total_published"] or 0)
        return None if total == 0 or total % ROUNDED == 0 else total

    @property
    def parts(self) -> tuple[Part, ...] | None:
        """What the published total holds beside the counted one; None where nothing explains it, or nothing is told."""
        if self.derived is None or self.published is None:
            return None
        return explained(self.published, self.derived)


def read_all(folder: Path) -> Iterator[ReadConfiguration]:
    """Yield every configuration that the index names."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield _read(folder / row["file"], row)


def _read(path: Path, row: dict[str, str]) -> ReadConfiguration:
    content = json.loads(path.read_text(encoding="utf-8"))
    beside = content.pop("_hf_quant_config_json", None)
    quantization = read_json(json.dumps(beside), "hf_quant_config.json") if beside else None
    try:
        return ReadConfiguration(row, derive(read_json(json.dumps(content, indent=1), path.name), quantization))
    except Problems as refused:
        return ReadConfiguration(row, None, refused.problems)


def _line(read: ReadConfiguration) -> str:
    if read.derived is None:
        return "refused: " + "; ".join(f"{problem.code} {problem.message}" for problem in read.problems)
    counted = f"{read.derived.architecture.params_loaded:,}"
    if read.published is None:
        return f"{counted}, and no published total"
    if read.parts is None:
        return f"{counted}, published {read.published:,}: not explained"
    beside = "; ".join(f"{part.name} {part.weights:+,}" for part in read.parts)
    return f"{counted}, published {read.published:,}: {beside or 'equal'}"


def main() -> None:
    """Print the comparison."""
    everything = list(read_all(Path(sys.argv[1])))
    for read in everything:
        print(f"{read.row['file'].removesuffix('.json')}: {_line(read)}")
    counted = [read for read in everything if read.derived is not None and read.published is not None]
    found = [read for read in counted if read.parts is not None]
    print(f"{len(found)} of {len(counted)} published totals are equal or explained: {len(found) / len(counted):.1%}")


if __name__ == "__main__":
    main()
