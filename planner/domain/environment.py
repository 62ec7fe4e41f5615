"""What a team wants: the file `environments/NAME.yaml`, as a frozen value.

The file holds human intent only; every decision stands in the lock. Keys that a later release plans with (tiers,
compliance sets) are refused with ENV010 and a plain sentence, instead of being
ignored. The JSON Schema of this model is published in `docs/schemas/environment.schema.json`, with the docstrings of
the classes below; `docs/environment.md` explains each key.
"""

from __future__ import annotations

import ipaddress
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from planner.domain.buying import Purchase
from planner.domain.engine_image import EngineImage
from planner.domain.environment_part import Cidr, Day, EnvironmentPart, Text, months_later
from planner.domain.existing_cluster import ExistingCluster
from planner.domain.ingress import Ingress, PoolTls
from planner.domain.policy import AgeLimits, Override, Rules
from planner.domain.route import HardwareRules, Route
from planner.words.fields import left_out_at
from planner.words.units import Count, DurationMs, Share, Usd

ROUTE_NAME = r"^[a-z][a-z0-9-]{0,29}$"
"""What a route, and an environment, may be called."""
RESOURCE_NAME = r"^[a-z0-9][a-z0-9-]{0,62}[a-z0-9]$"
"""What a resource of an account, which becomes a part of its address, may be called."""
MIRROR = r"^(ecr|[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)*)$"
"""A mirror of images: the word `ecr`, or the host of a registry with a path in it."""
POLICY_ARN = r"^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/.+$"
"""How IAM spells the address of a policy."""
TOPIC_ARN = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$"
"""How SNS spells the address of a topic."""
EMAIL = r"^[^@\s]+@[^@\s]+$"
"""What an address of mail looks like."""


def _vpc(text: str) -> str:
    if not 16 <= ipaddress.IPv4Network(text).prefixlen <= 20:
        raise ValueError(f"`{text}` must be between /16, the most of a VPC, and /20, the least that holds three zones")
    return text


class Network(EnvironmentPart):
    """The network that is made, or one that is there already (`vpc` and `subnets`)."""

    cidr: Annotated[Cidr, AfterValidator(_vpc)] | None = None
    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")] | None = left_out_at(None)
    subnets: dict[Text, Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]] = left_out_at({})


class Endpoint(EnvironmentPart):
    """Who may reach the Kubernetes API: from outside the network (empty = private only), and from inside."""

    public_cidrs: tuple[Cidr, ...] = ()
    private_from: tuple[Cidr, ...] = left_out_at(())


class Roles(EnvironmentPart):
    """IAM role ARNs that may administer the cluster, besides the one that deploys it, and what bounds those made."""

    deploy: str | None = None
    admin: tuple[str, ...] = ()
    boundary: Annotated[str, Field(pattern=POLICY_ARN)] | None = left_out_at(None)


class Alerts(EnvironmentPart):
    """Who hears of it when AWS bills, or expects to bill, more than the plan says."""

    emails: Annotated[tuple[Annotated[str, Field(pattern=EMAIL)], ...], Field(max_length=10)] = ()
    sns: Annotated[str, Field(pattern=TOPIC_ARN)] | None = None
    tags_active: bool = False


class Images(EnvironmentPart):
    """Where nodes take container images from.

    mirror: `ecr`, the account's own registry, which fetches each image once; or the address of a registry that holds
    copies, such as `registry.example.com/mirror`. Without one, images come from where they are published.
    """

    mirror: Annotated[str, Field(pattern=MIRROR)] | None = None


class Platform(EnvironmentPart):
    """Where it runs. It has no other home than the environment and its lock.

    An account and zones are needed where the cluster is made, and say nothing where it is there already.
    """

    account: Annotated[str, Field(pattern=r"^\d{12}$", description="AWS account id, 12 digits, quoted")] = left_out_at(
        ""
    )
    region: Text
    zones: Annotated[tuple[str, ...], Field(min_length=2, description="zone ids like use1-az1, two or more")] = (
        left_out_at(())
    )
    nat: Literal["none", "single", "per-zone"] = "single"
    network: Network = Network()
    endpoint: Endpoint = Endpoint()
    roles: Roles = Roles()
    alerts: Alerts = left_out_at(Alerts())
    kubernetes: Annotated[str, Field(pattern=r"^1\.\d{2}$", description='a version, quoted: "1.36"')] = "1.36"
    cluster: ExistingCluster | None = left_out_at(None)
    images: Images = left_out_at(Images())
    secrets: Literal["kubernetes", "secrets-manager"] = left_out_at("kubernetes")
    ingress: Ingress = left_out_at(Ingress())
    patches: Day | None = left_out_at(
        None, description="raise it to move node images and add-ons to what EKS recommends on the next deployment"
    )
    pool_tls: PoolTls | None = left_out_at(None)
    engine: EngineImage = left_out_at(EngineImage())


class Horizon(EnvironmentPart):
    """The months over which retirements and commitments are judged."""

    start: Day
    months: Annotated[int, Field(ge=1, le=36)] = 12

    @property
    def end(self) -> date:
        """The first day after the last month."""
        return months_later(self.start, self.months)


class ProviderLimits(EnvironmentPart):
    """What an API account may use a minute."""

    tpm: Count | None = None
    rpm: Count | None = None


class Measured(EnvironmentPart):
    """Latency that the team measured at a provider."""

    ttft_p95: DurationMs
    measured: Day


class ProviderAccount(EnvironmentPart):
    """One API account."""

    limits: ProviderLimits = ProviderLimits()
    latency: Measured | None = None
    resource: Annotated[str, Field(pattern=RESOURCE_NAME)] | None = left_out_at(None)
    deployments: dict[Text, Text] = left_out_at({})

    def deployment(self, model: str) -> str | None:
        """Return the name of a deployment of a model, `SLUG` or `SLUG@ENDPOINT`; None when there is none.

        An account that states no resource names its models as the provider does: a plan asks what such an account
        would be worth.
        """
        return self.deployments.get(model) if self.resource is not None else ""


class ApiAccounts(EnvironmentPart):
    """API accounts that the routes may spill to."""

    providers: dict[str, ProviderAccount] = Field(default={})
    monthly_budget: Usd | None = None


class Reserve(EnvironmentPart):
    """What must still stand after a loss: of a node, and of a zone with all nodes there."""

    node: bool = True
    zone: bool = left_out_at(False)


class ExistingMachines(EnvironmentPart):
    """Machines that are paid for already, and are filled before others are bought."""

    instance_type: Text
    count: Annotated[int, Field(ge=1, le=10_000)]
    usd_per_hour: Usd
    source: Text | None = left_out_at(None)
    as_of: Day | None = left_out_at(None)


class Hardware(HardwareRules):
    """Which machines may serve any route, and which are there already."""

    existing: tuple[ExistingMachines, ...] = ()


class ModelFacts(EnvironmentPart):
    """What the team measured of a model on its own prompts."""

    reasoning_tokens: Annotated[float, Field(ge=0, le=1e6)] | None = None
    tokenizer_ratio: Annotated[float, Field(ge=0.2, le=5)] | None = None
    measured: Day


class LicenceUse(EnvironmentPart):
    """Who uses the models and for what, as licences ask."""

    use: Literal["commercial", "non-commercial"] = "commercial"
    monthly_users: Count | None = None
    based_in: Text | None = None


class Budget(EnvironmentPart):
    """The most that the whole plan may cost."""

    monthly: Usd


class Policy(Rules):
    """Rules of the team that every plan is held against. `price_age` is judged as the plan is made."""

    price_age: dict[Literal["api", "ec2", "platform", "spot"], AgeLimits] = left_out_at({})


class Planning(EnvironmentPart):
    """How careful to be, and when a re-plan is worth its churn."""

    margin: Literal["p50", "p90"] = "p90"
    replan_threshold: Share = 0.05
    demand_uncertainty: Share = left_out_at(0.2)


class Environment(EnvironmentPart):
    """One environment: the whole file."""

    version: Literal[1]
    platform: Platform
    horizon: Horizon
    routes: Annotated[
        dict[Annotated[str, Field(pattern=ROUTE_NAME)], Route],
        Field(min_length=1, json_schema_extra={"additionalProperties": False}),
    ]
    api: ApiAccounts = ApiAccounts()
    quotas: dict[Literal["G", "P", "G-spot", "P-spot"], Count] = Field(
        default={},
        description="vCPUs that the account may run by family, and as spot; a family that is not named is a gap",
    )
    purchase: Purchase = left_out_at(Purchase())
    elastic: dict[Literal["G", "P"], bool] = left_out_at(
        {}, description="whether nodes of a quota family are given back when the load falls, and had again"
    )
    reserve: Reserve = Reserve()
    hardware: Hardware = left_out_at(Hardware())
    models: dict[Text, ModelFacts] = left_out_at({})
    licence: LicenceUse = left_out_at(LicenceUse())
    budget: Budget | None = None
    policy: Policy = left_out_at(Policy())
    planning: Planning = Planning()
    overrides: tuple[Override, ...] = left_out_at(())

    @property
    def elastic_families(self) -> frozenset[str]:
        """Return the quota families whose nodes may be given back."""
        return frozenset(family for family, allowed in self.elastic.items() if allowed)

    def as_planned(self) -> Environment:
        """Return the environment without the rules and overrides that are judged live, on which no plan rests."""
        policy = Policy(price_age=self.policy.price_age)
        return self.model_copy(update={"policy": policy, "overrides": ()})

    def with_route(self, name: str, **changes: Any) -> Environment:
        """Return the environment with some fields of one route changed. They are not validated."""
        return self.model_copy(update={"routes": {**self.routes, name: self.routes[name].model_copy(update=changes)}})

    def with_account(self, provider: str, account: ProviderAccount) -> Environment:
        """Return the environment with this account at a provider, in place of one that it has there."""
        providers = {**self.api.providers, provider: account}
        return self.model_copy(update={"api": self.api.model_copy(update={"providers": providers})})

    def with_non_commercial_use(self) -> Environment:
        """Return the environment in which the models are used for nothing commercial."""
        return self.model_copy(update={"licence": self.licence.model_copy(update={"use": "non-commercial"})})


PLANNED_LATER: dict[str, str] = {
    "compliance": "compliance sets are not planned yet; set `data:` and `residency:` on each route",
    "team": "engineering time is not planned yet; compare plans by their infrastructure cost",
    "routes.*.tiers": "routing by complexity is not planned yet; write one route a tier",
    "reserve.replica": "`reserve: {node: true}` covers the loss of a replica",
    "planning.scale_up_window": "rates are planned as the 95th percentile of 300 s windows",
}
"""Path of each key with which only a later release plans → why this one refuses it (ENV010). `*` is any name."""
TASKS_LATER = ("embed", "rerank")
"""Tasks of a route with which only a later release plans (ENV010)."""


def monthly_budget(environment: Environment) -> Decimal | None:
    """Return the budget in USD a month; None when the environment sets none."""
    return environment.budget.monthly if environment.budget else None
