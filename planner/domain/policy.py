"""Rules that a team holds every plan against: figures at which it warns and denies, and who may override a denial.

They stand in `policies/NAME.yaml` beside the environments, and under `policy:` in an environment. They are judged on
the day on which somebody looks, and no plan rests on them, so that a stricter rule needs no new plan.
`docs/policy.md` explains each rule; the docstrings of the classes below stand in the published JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from planner.domain.environment_part import Day, EnvironmentPart, Text
from planner.domain.route import Privacy
from planner.words.fields import left_out_at
from planner.words.units import DURATION, Count, DurationMs, Growth, Share, Usd, duration_ms, show_duration

OWN = "policy"
"""First part of the names of rules that stand in an environment; that of others is the name of their file."""
FILE_NAME = r"^[a-z][a-z0-9-]{0,29}$"
"""What a file of rules may be called."""
HORIZON = "horizon"
"""The word for the end of the horizon, where a rule counts days until something ends."""


def _time_left(value: Any) -> Any:
    return value if value == HORIZON else duration_ms(value)


TimeLeft = Annotated[
    float | Literal["horizon"],
    BeforeValidator(_time_left),
    PlainSerializer(lambda value: value if value == HORIZON else show_duration(value)),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": DURATION}, {"const": HORIZON}],
            "description": "a duration, like 90d, or `horizon`",
            "examples": ["90d"],
        }
    ),
]
"""Time until something ends, ms; or until the end of the environment's horizon. Written `90d` or `horizon`."""
Version = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,3}$", description='a version, quoted: "0.30"')]
"""A version of numbers; written `"0.30.1"`."""
State = Literal["warn", "deny"]


class Rule(EnvironmentPart):
    """What all rules have. Without `may_override` nobody may override a denial, and break-glass does not either."""

    why: Text | None = None
    may_override: Text | None = None


class UsdLimits(Rule):
    """Warns and denies above so many US dollars a month."""

    warn: Usd | None = None
    deny: Usd | None = None


class GrowthLimits(Rule):
    """Warns and denies above so many percent of the base."""

    warn: Growth | None = None
    deny: Growth | None = None


class ShareLimits(Rule):
    """Warns and denies above a share."""

    warn: Share | None = None
    deny: Share | None = None


class CountLimits(Rule):
    """Warns and denies above a number."""

    warn: Count | None = None
    deny: Count | None = None


class AgeLimits(EnvironmentPart):
    """Ages above which the prices of a kind warn, or deny the plan."""

    warn: DurationMs | None = None
    deny: DurationMs | None = None


class PriceAges(Rule):
    """Warns and denies when prices of the bill are older on the day of judgement."""

    api: AgeLimits = AgeLimits()
    ec2: AgeLimits = AgeLimits()
    platform: AgeLimits = AgeLimits()


class FactRule(Rule):
    """A rule over what others state. unknown: what is judged where nobody has stated or read it."""

    unknown: State = "warn"


class EndLimits(FactRule):
    """Warns and denies when something that the plan uses ends in less time."""

    warn: TimeLeft | None = None
    deny: TimeLeft | None = None


class MinimumVersions(FactRule):
    """Warns and denies below a version."""

    warn: Version | None = None
    deny: Version | None = None


class Names(Rule):
    """Warns of some names and denies some. Where `allow` stands, every other name is denied."""

    allow: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    warn: tuple[Text, ...] = ()
    deny: tuple[Text, ...] = ()


class Licences(Names, FactRule):
    """Names of licences, as the catalog writes them."""


class Providers(Names):
    """Keys of providers. routes: the only routes that it judges; empty = all."""

    routes: tuple[Text, ...] = ()


class PlacesOfData(Names, FactRule):
    """Words for places. routes: the only routes that it judges; empty = all."""

    routes: tuple[Text, ...] = ()


class DataClasses(Rule):
    """Warns and denies where data of a class goes: to hosted APIs, through clear text. routes: all when it is empty."""

    warn: tuple[Privacy, ...] = ()
    deny: tuple[Privacy, ...] = ()
    routes: tuple[Text, ...] = ()


class RouteState(FactRule):
    """Warns or denies when something is so at a provider. routes: the only routes that it judges; empty = all."""

    state: State
    routes: tuple[Text, ...] = ()


class RouteDurations(FactRule):
    """Warns and denies above a duration at a provider. routes: the only routes that it judges; empty = all."""

    warn: DurationMs | None = None
    deny: DurationMs | None = None
    routes: tuple[Text, ...] = ()


class FactState(FactRule):
    """Warns or denies when something is so."""

    state: State


class Rules(EnvironmentPart):
    """At most one rule of each kind; a second one of a kind stands in another file, and both count."""

    monthly_cost: UsdLimits | None = left_out_at(None)
    cost_change: UsdLimits | None = left_out_at(None)
    cost_change_share: GrowthLimits | None = left_out_at(None)
    gpus: CountLimits | None = left_out_at(None)
    nodes: CountLimits | None = left_out_at(None)
    quota: ShareLimits | None = left_out_at(None)
    spot_share: ShareLimits | None = left_out_at(None)
    computed_share: ShareLimits | None = left_out_at(None)
    api_data: DataClasses | None = left_out_at(None)
    clear_text: DataClasses | None = left_out_at(None)
    residency: PlacesOfData | None = left_out_at(None)
    providers: Providers | None = left_out_at(None)
    training: RouteState | None = left_out_at(None)
    retention: RouteDurations | None = left_out_at(None)
    retirement: EndLimits | None = left_out_at(None)
    licences: Licences | None = left_out_at(None)
    commercial_licence: FactState | None = left_out_at(None)
    engine_version: MinimumVersions | None = left_out_at(None)

    def stated(self) -> dict[str, Rule]:
        """Return the rules that are stated, by kind, in the order above."""
        found = {kind: getattr(self, kind) for kind in Rules.model_fields}
        return {kind: rule for kind, rule in found.items() if rule is not None}


class FileRules(Rules):
    """The rules of a file. `price_age` of an environment is a part of its plan, and that of a file is not."""

    price_age: PriceAges | None = left_out_at(None)

    def stated(self) -> dict[str, Rule]:
        """Return the rules that are stated, by kind."""
        return super().stated() | ({"price_age": self.price_age} if self.price_age is not None else {})


class PolicyFile(EnvironmentPart):
    """A file of rules for the environments beside it. environments: the only ones that it judges; empty = all."""

    version: Literal[1]
    environments: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    rules: FileRules


class Override(EnvironmentPart):
    """One rule that does not stop this environment until a day, with who answers for that and why.

    rule: its name, like `finance.monthly_cost`; `policy.KIND` for a rule of the environment itself.
    until: the last day on which it counts.
    """

    rule: Text
    reason: Text
    by: Text
    until: Day
