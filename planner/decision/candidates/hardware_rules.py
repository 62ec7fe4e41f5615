"""Which machines an environment and its routes admit by name."""

from __future__ import annotations

from planner.domain.route import HardwareRules


def allows(rules: HardwareRules, *names: str) -> bool:
    """Say whether a machine of these names (its instance type, its GPU) may serve.

    Only two rules are read here: a name that is excluded, and a list `only` that is empty and so admits nothing.
    """
    return rules.only != () and not set(names) & set(rules.exclude)
