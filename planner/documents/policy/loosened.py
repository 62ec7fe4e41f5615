"""Risks of a change to the rules themselves: a rule that is gone or says less, and a denial that is set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planner.documents.policy.rulebook import Rulebook, in_order
from planner.documents.review import Place, Risk
from planner.documents.sentences import plain
from planner.domain.policy import EndLimits, MinimumVersions, Rule
from planner.words.diagnostics import Span

UNSAID = frozenset({"why"})
"""Keys of a rule that judge nothing."""


def rule_risks(before: Rulebook, after: Rulebook) -> Iterator[Risk]:
    """Yield what the rules of the proposed side no longer hold up, by the name of the rule."""
    old, new = before.rules(), after.rules()
    for name, (rule, _) in sorted(old.items()):
        if name not in new:
            yield Risk(kind="policy", what=f"the rule {name} is removed: it stated {_stated(rule)}")
        elif _judges(rule) != _judges(new[name][0]) and not is_stricter(rule, new[name][0]):
            what = f"the rule {name} states other limits: {_stated(rule)} → {_stated(new[name][0])}"
            yield Risk(kind="policy", what=what, where=_place(new[name][1]))
    for index, override in enumerate(after.overrides):
        if override not in before.overrides:
            what = f"{override.rule} is overridden until {override.until}, by {override.by}: {override.reason}"
            yield Risk(kind="policy", what=what, where=_place(after.document.at(("overrides", index))))


def unknown_rules(after: Rulebook) -> Iterator[Risk]:
    """Yield that the rules of the base are not known, where there are rules now: one of them may say less."""
    if after.rules() or after.overrides:
        what = "the rules of the base are not known, so that nobody sees here whether one says less now"
        yield Risk(kind="policy", what=what)


def is_stricter(old: Rule, new: Rule) -> bool:
    """Say whether a rule warns and denies no later than before, and is else the same."""
    if type(old) is not type(new):
        return False
    was, will = _judges(old), _judges(new)
    limits = ("warn", "deny")
    if any(was.get(key) != will.get(key) for key in {*was, *will} - {*limits}):
        return False
    falls = isinstance(old, EndLimits | MinimumVersions)
    return all(_no_later(getattr(old, key, None), getattr(new, key, None), falls) for key in limits)


def _no_later(old: Any, new: Any, falls: bool) -> bool:
    """Say whether a limit speaks no later than it did. falls: whether it speaks below itself, and not above."""
    if old is None or old == new:
        return True
    if new is None or isinstance(old, tuple):
        return isinstance(old, tuple) and set(old) <= set(new or ())
    if type(old) is not type(new) or (isinstance(old, str) and not falls):
        return False
    return bool(in_order(new) >= in_order(old) if falls else in_order(new) <= in_order(old))


def _judges(rule: Rule) -> Mapping[str, Any]:
    values = rule.model_dump(mode="json", exclude_none=True)
    stated = {key: value for key, value in values.items() if key not in UNSAID and value != []}
    who = stated.pop("may_override", None)
    return {**stated, "may_override": who} if who else stated


def _stated(rule: Rule) -> str:
    return plain(_judges(rule))


def _place(span: Span | None) -> Place | None:
    return Place(file=span.file, line=span.line) if span else None
