"""Rules as a file states them, and what they say of the plan that is built by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from planner.documents.lock import Lock
from planner.documents.policy.judge import judge, problems
from planner.documents.policy.rulebook import Rulebook, RuleSet, rules_of_file
from planner.documents.policy.subject import Base
from planner.documents.review import Check
from planner.domain.catalog import Catalog
from planner.domain.policy import Override
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problem
from planner.words.spans import Document
from tests.planner import plans

TODAY = date(2026, 12, 1)
EMPTY = Document("environments/prod.yaml", {}, {}, {})
PLAN = plans.plan()
BASE = Base(Decimal(10_000))
API = next(api for api in PLAN.apis)


def rules(stated: Mapping[str, Any], name: str = "team") -> RuleSet:
    """Rules of a file, as plain values."""
    text = yaml.safe_dump({"version": 1, "rules": dict(stated)})
    return rules_of_file(text, f"environments/policies/{name}.yaml", name)


def rulebook(stated: Mapping[str, Any], *overrides: Override) -> Rulebook:
    return Rulebook((rules(stated),), overrides, EMPTY)


def judged(
    kind: str,
    rule: Mapping[str, Any],
    lock: Lock | None = None,
    base: Base | None = BASE,
    engine: str | None = "v0.33.0",
    catalog: Catalog | None = None,
) -> Check:
    """The check of one rule."""
    book = rulebook({kind: rule})
    (check,) = judge(book, lock or plans.lock(), catalog or load_catalog(), TODAY, base, engine)
    return check


def told(book: Rulebook, today: date = TODAY) -> list[Problem]:
    """What a rulebook means for the deployment of the plan."""
    return list(problems(judge(book, plans.lock(), load_catalog(), today, BASE, "0.33.0"), book, today))


def changed(changes: Mapping[str, Any]) -> Lock:
    """The plan's lock with some values changed, by path."""
    return plans.lock(plans.bent(PLAN, changes))


def with_provider(**facts: Any) -> Catalog:
    """The catalog in which OpenAI states something else."""
    catalog = load_catalog()
    return replace(catalog, providers={**catalog.providers, "openai": replace(catalog.providers["openai"], **facts)})


def with_api(**facts: Any) -> Catalog:
    """The catalog in which the hosted model of the plan is another one."""
    catalog = load_catalog()
    return replace(catalog, apis=tuple(replace(a, **facts) if a.key == API.name else a for a in catalog.apis))


def with_model(key: str, **facts: Any) -> Catalog:
    """The catalog in which a model of the plan is another one."""
    catalog = load_catalog()
    return replace(catalog, models={**catalog.models, key: replace(catalog.models[key], **facts)})
