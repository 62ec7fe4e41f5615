"""The rules of `hardware:` held against candidates: what may serve a route, and what it would rather be served by.

The rules of the plan and those of a route hold together. A shape and a machine are judged apart, as each is known: the
shape by its GPU, precision and size, the machine by its type and family. A shape or machine that some routes rule out
serves the others alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import Omission, RuledOut
from planner.decision.inputs import Exemption
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.hardware import HardwareChoice, matching, missing, of_machine
from planner.domain.offerings import InstanceType, Offerings
from planner.domain.route import HardwareRules

Rule = tuple[tuple[str, ...], HardwareRules]
"""A rule, with the path of the key under which it stands."""


@dataclass(frozen=True)
class MachineRules:
    """All rules of an environment.

    rules: those that hold for each route.
    machines: the instance types that can be bought, sorted.
    catalog: the catalog, which knows what the words mean.
    """

    rules: Mapping[str, tuple[Rule, ...]]
    machines: tuple[InstanceType, ...]
    catalog: Catalog

    def against(self, route: str, hardware: HardwareChoice) -> RuledOut | None:
        """Return the first rule that leaves hardware out for a route; None when none does."""
        for path, rule in self.rules.get(route, ()):
            if rule.only is not None:
                if not rule.only:
                    return RuledOut((*path, "only"), (), "machine")
                if absent := missing(rule.only, hardware, self.catalog):
                    return RuledOut((*path, "only"), absent)
            if named := matching(rule.exclude, hardware, self.catalog):
                return RuledOut((*path, "not"), named)
        return None

    def prefers(self, route: str, hardware: HardwareChoice) -> bool:
        """Say whether hardware is what a route would rather be served by. Where nothing is preferred, all is."""
        stated = [rule.prefer for _, rule in self.rules.get(route, ()) if rule.prefer]
        return all(not missing(words, hardware, self.catalog) for words in stated)

    @property
    def prefer_something(self) -> bool:
        """Say whether some route has a preference."""
        return any(rule.prefer for rules in self.rules.values() for _, rule in rules)

    def allowed(
        self, routes: Sequence[RouteDemand], hardware: HardwareChoice, candidate: Candidate
    ) -> tuple[tuple[RouteDemand, ...], tuple[Omission, ...]]:
        """Return the routes that a shape may serve on some machine, and an omission for each other one."""
        whole = self._on_machines(hardware)
        left, fallen = [], []
        for route in routes:
            causes = [self.against(route.name, each) for each in whole]
            first = causes[0]
            if first is None or None in causes:
                left.append(route)
            else:
                fallen.append(Omission(candidate, first, route.name))
        return tuple(left), tuple(fallen)

    def _on_machines(self, hardware: HardwareChoice) -> list[HardwareChoice]:
        """Return a shape on each machine that can carry it; alone where none can."""
        hosts = [row for row in self.machines if row.gpu == hardware.gpu and row.gpu_count % hardware.gpus == 0]
        return [
            replace(hardware, instance_type=row.key, family=row.family, gpu_count=row.gpu_count) for row in hosts
        ] or [hardware]

    def machine_routes(self, instance: InstanceType) -> frozenset[str]:
        """Return the routes that a machine may serve, whatever stands on it."""
        return frozenset(name for name in self.rules if self.against(name, of_machine(instance)) is None)

    def ruled_out(self, instance: InstanceType, candidate: Candidate) -> tuple[Omission, ...]:
        """Return an omission for each route that a machine may not serve."""
        causes = [(name, self.against(name, of_machine(instance))) for name in self.rules]
        return tuple(Omission(candidate, cause, name) for name, cause in causes if cause is not None)

    def machine_fans(self, instance: InstanceType) -> frozenset[str]:
        """Return the routes that have a preference which a machine meets."""
        meant = of_machine(instance)
        return frozenset(
            name
            for name, rules in self.rules.items()
            if any(rule.prefer for _, rule in rules) and self.prefers(name, meant)
        )


def machine_rules(
    environment: Environment, catalog: Catalog, offerings: Offerings, exemptions: Collection[Exemption] = ()
) -> MachineRules:
    """Return the rules of an environment: those of the plan, and then those of each route.

    offerings: what can be bought.
    exemptions: rules that do not hold for a route.
    """
    rules = {
        name: (
            _left(name, ("hardware",), environment.hardware, exemptions),
            _left(name, ("routes", name, "hardware"), route.hardware, exemptions),
        )
        for name, route in environment.routes.items()
    }
    machines = {row.instance.key: row.instance for row in offerings}
    return MachineRules(rules, tuple(machines[key] for key in sorted(machines)), catalog)


def _left(route: str, path: tuple[str, ...], rules: HardwareRules, exemptions: Collection[Exemption]) -> Rule:
    """Return the rules under a path without those from which a route is exempt. Its preference is left."""
    free = {
        field: nothing
        for key, field, nothing in (("only", "only", None), ("not", "exclude", ()))
        if Exemption("hardware", route, rule=(*path, key)) in exemptions
    }
    return path, rules.model_copy(update=free)


def routes_with_a_preference(environment: Environment) -> frozenset[str]:
    """Return the routes for which some hardware is preferred."""
    whole = bool(environment.hardware.prefer)
    return frozenset(name for name, route in environment.routes.items() if whole or route.hardware.prefer)


def preferred_words(environment: Environment) -> tuple[str, ...]:
    """Return all words that an environment prefers, sorted."""
    rules = [environment.hardware, *(route.hardware for route in environment.routes.values())]
    return tuple(sorted({word for rule in rules for word in rule.prefer}))
