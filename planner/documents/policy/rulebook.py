"""The rules that judge an environment, by name, with the overrides of it, and everything that is wrong with them.

A rule is called `FILE.KIND`, like `finance.monthly_cost`, and one of the environment itself `policy.KIND`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from planner.documents.complaints import read_as
from planner.domain.catalog import Catalog
from planner.domain.engine import Version
from planner.domain.gaps import did_you_mean
from planner.domain.policy import (
    HORIZON,
    OWN,
    EndLimits,
    MinimumVersions,
    Names,
    Override,
    PolicyFile,
    PriceAges,
    Rule,
)
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, Path, read

CHANGES = frozenset({"cost_change", "cost_change_share"})
"""Kinds of rules that compare with a base, and say nothing of one side alone."""
CODES = {"ENV001": "POL001", "ENV002": "POL002", "ENV003": "POL003", "ENV004": "POL004"}
"""What a problem is called in a file of rules, by what it is called in an environment."""
KNOWN_NAMES = {"providers": "provider", "residency": "place", "licences": "licence"}
"""Rules whose names are those of the catalog → what such a name is called."""


@dataclass(frozen=True)
class RuleSet:
    """The rules of one file, or of an environment.

    name: first part of their names.
    environments: the only environments that they judge; None = all.
    rules: by kind.
    document, path: where they stand.
    """

    name: str
    environments: tuple[str, ...] | None
    rules: Mapping[str, Rule]
    document: Document
    path: Path

    def at(self, kind: str) -> Span | None:
        """Return where a rule stands."""
        return self.document.key((*self.path, kind))


@dataclass(frozen=True)
class Rulebook:
    """Everything by which an environment is judged. document: its file, in which the overrides stand."""

    sets: tuple[RuleSet, ...]
    overrides: tuple[Override, ...]
    document: Document

    def rules(self) -> dict[str, tuple[Rule, Span | None]]:
        """Return each rule with its place, by name."""
        return {f"{each.name}.{kind}": (rule, each.at(kind)) for each in self.sets for kind, rule in each.rules.items()}

    @property
    def compares(self) -> bool:
        """Say whether some rule compares with a base."""
        return any(CHANGES & each.rules.keys() for each in self.sets)

    def problems(self) -> Iterator[Problem]:
        """Yield overrides that match no rule, that nobody may give, or that stand beside another one of the rule."""
        rules, seen = self.rules(), set[str]()
        for index, override in enumerate(self.overrides):
            where, name = self.document.at(("overrides", index, "rule")), override.rule
            if name not in rules:
                hint = did_you_mean(name, rules) if rules else "no rule judges this environment: remove the override"
                yield Problem("POL006", f"the override matches no rule: `{name}`", where, hint)
            elif rules[name][0].may_override is None:
                hint = "the rule states in `may_override` who may; change the environment, or the rule"
                yield Problem("POL006", f"nobody may override `{name}`", where, hint)
            elif name in seen:
                yield Problem("POL005", f"two overrides of `{name}`", where, "keep one of them")
            seen.add(name)


def rules_of_file(text: str, file: str, name: str) -> RuleSet:
    """Return the rules of a file. Raises `Problems` with POL001 to POL005."""
    try:
        document = read(text, file)
        if not isinstance(document.value, dict):
            message = "a file of rules is a mapping of keys"
            raise Problems([Problem("ENV004", message, Span(file, 1), "see docs/policy.md")])
        value, document, found = read_as(PolicyFile, document)
        if value is None or found:
            raise Problems(found)
    except Problems as problems:
        raise Problems(replace(p, code=CODES[p.code]) for p in problems.problems) from None
    return RuleSet(name, value.environments, value.rules.stated(), document, ("rules",))


def sound_rules(text: str, file: str, name: str) -> RuleSet | None:
    """Return the rules of a file that can be read although others cannot, so that they are judged too; None if none."""
    try:
        document = read(text, file)
    except Problems:
        return None
    stated = document.value if isinstance(document.value, dict) else {}
    rules = stated.get("rules")
    sound: dict[str, Rule] = {}
    for kind, rule in rules.items() if isinstance(rules, dict) else ():
        try:
            sound |= PolicyFile.model_validate({"version": stated.get("version"), "rules": {kind: rule}}).rules.stated()
        except ValidationError:
            continue
    names = stated.get("environments")
    environments = tuple(names) if isinstance(names, list) and all(isinstance(each, str) for each in names) else None
    return RuleSet(name, environments, sound, document, ("rules",))


def rule_problems(rules: RuleSet, catalog: Catalog, environments: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with rules of the right form: contradictions (POL005), and names that nothing has (POL007).

    environments: names of those that there are.
    """
    for index, name in enumerate(rules.environments or ()):
        if name not in environments:
            where = rules.document.at(("environments", index))
            yield Problem("POL007", f"there is no environment `{name}` here", where, did_you_mean(name, environments))
    for kind, rule in rules.rules.items():
        path = (*rules.path, kind)
        if isinstance(rule, PriceAges):
            for prices in ("api", "ec2", "platform"):
                yield from _limits(getattr(rule, prices), rules.document, (*path, prices), may_be_silent=True)
            silent = all(limits.warn is limits.deny is None for limits in (rule.api, rule.ec2, rule.platform))
            if silent:
                yield _silent(rules.document, path)
        elif isinstance(rule, Names):
            yield from _names(kind, rule, rules.document, path, catalog)
        elif "deny" in type(rule).model_fields:
            yield from _limits(rule, rules.document, path)


def _limits(rule: Any, document: Document, path: Path, may_be_silent: bool = False) -> Iterator[Problem]:
    """Require a limit, and that what is denied lies beyond what warns."""
    warn, deny = rule.warn, rule.deny
    if not may_be_silent and warn in (None, ()) and deny in (None, ()):
        yield _silent(document, path)
    if isinstance(warn, tuple) and (both := sorted(set(warn) & set(deny))):
        message = f"{path[-1]}: `{both[0]}` both warns and is denied"
        yield Problem("POL005", message, document.at(path), "keep one of them")
    if isinstance(warn, tuple) or None in (warn, deny) or HORIZON in (warn, deny):
        return
    falls = isinstance(rule, EndLimits | MinimumVersions)
    beyond = in_order(deny) < in_order(warn) if falls else in_order(deny) > in_order(warn)
    if not beyond:
        message = f"{path[-1]}: what is denied does not lie beyond what warns"
        hint = f"let `deny` be {'less' if falls else 'more'} than `warn`, or leave `warn` out"
        yield Problem("POL005", message, document.at((*path, "deny")), hint)


def in_order(limit: Any) -> Any:
    """Return what limits are compared by: releases by their numbers, all others as they are."""
    return Version.of(limit) if isinstance(limit, str) else limit


def _silent(document: Document, path: Path) -> Problem:
    return Problem("POL005", f"{path[-1]}: this rule can never speak", document.key(path), "give it `warn` or `deny`")


def _names(kind: str, rule: Names, document: Document, path: Path, catalog: Catalog) -> Iterator[Problem]:
    """Require that lists do not contradict each other, and that the catalog has their names."""
    lists = {"allow": rule.allow or (), "warn": rule.warn, "deny": rule.deny}
    if rule.allow is None and not rule.warn and not rule.deny:
        yield _silent(document, path)
    for name in sorted(set(rule.deny) & {*lists["allow"], *rule.warn}):
        message = f"{kind}: `{name}` is denied, and stands in another list too"
        yield Problem("POL005", message, document.key((*path, "deny")), "keep one of them")
    known = _known(kind, catalog)
    for word, names in lists.items():
        for index, name in enumerate(names):
            if name not in known:
                message = f"the catalog has no {KNOWN_NAMES[kind]} `{name}`"
                yield Problem("POL007", message, document.at((*path, word, index)), did_you_mean(name, known))


def _known(kind: str, catalog: Catalog) -> Iterable[str]:
    if kind == "providers":
        return sorted(catalog.providers)
    if kind == "residency":
        return catalog.places.words
    return sorted({model.licence for model in catalog.models.values() if model.licence is not None})


def own_rules(rules: Mapping[str, Rule], document: Document) -> RuleSet:
    """Return the rules of an environment itself."""
    return RuleSet(OWN, None, rules, document, (OWN,))
