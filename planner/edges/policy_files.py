"""The folder `policies/` beside the environments: files of rules that whoever owns them may keep to themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from planner.documents.policy.rulebook import RuleSet, rules_of_file, sound_rules
from planner.domain.policy import FILE_NAME, OWN
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span

FOLDER = "policies"
"""Name of the folder beside the environments."""
Doubts = Callable[[RuleSet], Iterable[Problem]]
"""What finds what is wrong with rules that can be read."""


def policies_beside(folder: Path, doubts: Doubts = lambda _: ()) -> tuple[RuleSet, ...]:
    """Return the rules of each file, by name. Raises `Problems` with everything that is wrong with any of them.

    folder: the folder of the environments. What nobody would read there is refused, for it may be meant as a rule.
    doubts: what is wrong with rules that can be read. Those of a file in which others cannot be read are asked too.
    """
    own = folder / FOLDER
    if not own.exists():
        return ()
    if not own.is_dir():
        raise Problems([Problem("POL008", f"{own} is no folder", hint=f"rules stand in {own}/NAME.yaml")])
    found: list[Problem] = list(_unread(sorted(own.iterdir())))
    sets: list[RuleSet] = []
    for path in sorted(own.glob("*.yaml")):
        text = read_text(path)
        try:
            rules: RuleSet | None = rules_of_file(text, str(path), path.stem)
        except Problems as problems:
            found += problems.problems
            rules = sound_rules(text, str(path), path.stem)
        if rules is not None:
            found += doubts(rules)
            sets.append(rules)
    if found:
        raise Problems(found)
    return tuple(sets)


def _unread(paths: Sequence[Path]) -> Iterator[Problem]:
    """Find what is no file of rules, but hidden files and Markdown; and names that a rule cannot have."""
    for path in paths:
        where = Span(str(path), 1)
        if path.name.startswith(".") or path.suffix == ".md":
            continue
        if path.suffix != ".yaml" or not path.is_file():
            hint = "rules stand in files called NAME.yaml; move it away"
            yield Problem("POL008", f"{path} is not read", where, hint)
        elif path.stem == OWN or not re.fullmatch(FILE_NAME, path.stem):
            hint = f"lower-case letters, digits and hyphens, 30 at most, a letter first; not `{OWN}`"
            yield Problem("POL008", f"`{path.stem}` cannot be the first part of the name of a rule", where, hint)
