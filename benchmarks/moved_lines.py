"""How many lines of a lock move when one number of its environment changes, and in which part of the file they stand.

    python -m benchmarks.moved_lines [--environment prod] [--only TEXT] [--by-part] [--show]

Each change is planned beside the lock of the unchanged environment, as a pull request would do it. A line counts once,
whether it is changed, added or removed. A reader wants the lines that follow from the change, and no others.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.documents.lock import render
from planner.edges.planning import plan
from planner.edges.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "examples" / "environments"
PRICE_FILE = "catalog/prices/api/google.yaml"
PRICES = """\
unit: Mtok
sources:
  contract: {source: private offer 12, as_of: 2026-11-02}
prices:
  gemini-3.5-flash-lite:
    cached-input: {usd: 0.03, source: contract}
    input: {usd: 0.3, source: contract}
    output: {usd: 2.5, source: contract}
...
"""


@dataclass(frozen=True)
class Change:
    """One number that changes. file: of the workspace. pattern: where it stands. new: what stands there instead."""

    name: str
    pattern: str
    new: str
    file: str = ""


CHANGES = (
    Change("chat: mean rate +1 %", r"mean: 4\b", "mean: 4.04"),
    Change("chat: mean rate +50 %", r"mean: 4\b", "mean: 6"),
    Change("budget +$1,000", r"budget: {monthly: \$60000}", "budget: {monthly: $61000}"),
    Change("chat: TPOT 60 ms to 59 ms", "tpot_p95: 60ms", "tpot_p95: 59ms"),
    Change("margin p90 to p50", "margin: p90", "margin: p50"),
    Change("output price +1 %", r"usd: 2\.5\b", "usd: 2.525", PRICE_FILE),
)


def lines_moved(base: str, proposed: str) -> list[tuple[int, int, int, int]]:
    """Return the places that differ, as (first and last line of the base, first and last line of the other)."""
    matcher = difflib.SequenceMatcher(None, base.splitlines(), proposed.splitlines(), autojunk=False)
    return [(a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def parts_of(text: str) -> list[str]:
    """Return for each line the part in which it stands: the outermost key, and of the plan the next one too."""
    outer, inner, parts = "", "", list[str]()
    for line in text.splitlines():
        key = re.match(r'( +)"([^"]+)":', line)
        if key and len(key[1]) == 2:
            outer, inner = key[2], ""
        elif key and len(key[1]) == 4:
            inner = key[2]
        parts.append(f"plan.{inner}" if outer == "plan" and inner else outer)
    return parts


def count_moved(base: str, proposed: str) -> Counter[str]:
    """Return how many lines move in each part."""
    of_base, of_proposed, counts = parts_of(base), parts_of(proposed), Counter[str]()
    for a, b, c, d in lines_moved(base, proposed):
        counts.update(of_base[a:b] if b - a >= d - c else of_proposed[c:d])
    return counts


def moved(environment: str, change: Change, folder: Path) -> tuple[str, str]:
    """Return the lock before the change and after it."""
    workspace = Workspace(folder)
    path = workspace.environment_path(environment)
    path.write_text((ENVIRONMENTS / path.name).read_text(encoding="utf-8"), encoding="utf-8")
    changed = path
    if change.file:
        changed = folder / change.file
        changed.parent.mkdir(parents=True, exist_ok=True)
        changed.write_text(PRICES, encoding="utf-8")
    workspace.lock_path(environment).write_text(
        (ENVIRONMENTS / workspace.lock_path(environment).name).read_text(encoding="utf-8"), encoding="utf-8"
    )
    base = render(plan(workspace, environment).lock)
    workspace.lock_path(environment).write_text(base, encoding="utf-8")
    text, count = re.subn(change.pattern, change.new, changed.read_text(encoding="utf-8"), count=1)
    if not count:
        raise SystemExit(f"{change.name}: {changed.name} does not have {change.pattern}")
    changed.write_text(text, encoding="utf-8")
    return base, render(plan(Workspace(folder), environment).lock)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the lines that move with each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="prod")
    parser.add_argument("--show", action="store_true", help="print the lines that move")
    parser.add_argument("--only", default="", help="changes whose name has this")
    parser.add_argument("--by-part", action="store_true", help="how many lines move in each part of the lock")
    options = parser.parse_args(arguments)
    for change in CHANGES:
        if options.only not in change.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            base, proposed = moved(options.environment, change, Path(folder))
        counts = count_moved(base, proposed)
        print(f"{change.name:28} {counts.total():5} of {len(base.splitlines()):,} lines", flush=True)
        if options.show:
            shown = difflib.unified_diff(base.splitlines(), proposed.splitlines(), n=0, lineterm="")
            print("\n".join(line for line in shown if not line.startswith(("---", "+++", "@@"))), flush=True)
        if options.by_part:
            print(json.dumps(dict(counts.most_common())), flush=True)


if __name__ == "__main__":
    main()
