"""Hosted models that are paid for by the token, and who hosts them.

A row is one model at one provider. A hosted copy of an open-weight model names that model in `hosts`, so that an accept
list that names the model also accepts the copy. Prices stand in the price snapshot under `api/PROVIDER/SLUG/PART`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from planner.domain.gaps import Gap
from planner.domain.models import TokenFigures

PricePart = Literal[
    "input",
    "cached-input",
    "cache-write",
    "output",
    "batch-input",
    "batch-output",
    "long-input",
    "long-cached-input",
    "long-output",
]
"""What a price is charged for, USD per million tokens. A price of `long-*` holds for the whole request when its input
exceeds `ApiModel.long_context_above`."""
BASE_URL = re.compile(r"https://[A-Za-z0-9.{}-]+(:[0-9]+)?(/[A-Za-z0-9._~{}/-]*)?")
"""The form of an API's address: by https alone, without a key or a query in it."""
REQUEST_FEATURES = frozenset(
    {
        "audio",
        "file",
        "functions",
        "image",
        "logit_bias",
        "logprobs",
        "n",
        "reasoning_effort",
        "response_format",
        "tools",
        "vllm",
    }
)
"""What a request may ask for, in the gateway's words."""
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
"""The form of the variable that holds a key."""


RESOURCE = "{resource}"
"""What stands in an address for the name that an account has at its provider."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A further address of a provider, which keeps requests in some places.

    base_url: address of the API, with the same words in braces as a provider's.
    api_key_variable: environment variable from which the gateway takes the key, which is one of an account there.
    residency: where it processes requests.
    price_factor: factor on the list prices; None = it has prices of its own, under `api/PROVIDER/SLUG@ENDPOINT/PART`.
    at_list_price: slugs of models that are not dearer there.
    models: slugs of the models that it serves; None = not stated: it is taken to serve all, and the plan says so.
    wire_models: id that is sent there, by slug, where ids differ; it then serves these models and no others.
    regions: AWS regions from which it is called, as a provider's.
    needs: what the account must be given first; empty when it needs nothing.
    source, as_of: where these facts were read, and the day that the source states.
    """

    base_url: str
    api_key_variable: str
    residency: tuple[str, ...]
    price_factor: float | None
    at_list_price: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    wire_models: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    needs: str = ""
    source: str
    as_of: str

    def factor(self, slug: str) -> float | None:
        """Return the factor on the list prices of a model; None where it has prices of its own there."""
        return 1.0 if slug in self.at_list_price else self.price_factor

    @property
    def served(self) -> tuple[str, ...] | None:
        """Return the slugs of the models that it serves; None = not stated."""
        return tuple(self.wire_models) or self.models


@dataclass(frozen=True, kw_only=True)
class PromptCaching:
    """How a provider recognises what it computed before, and bills it at the price of cached input.

    kind: `automatic` without a word from the client, or `explicit` where requests must carry marks, which the gateway
    does not add.
    minimum_tokens: shortest prefix that is recognised; None = not stated.
    minimum_by_model: the same of hosted models that differ, by slug.
    step_tokens: beyond the shortest, a prefix is recognised in steps of so many tokens.
    source, as_of: where these facts were read, and the day that the source states.
    """

    kind: Literal["automatic", "explicit"]
    minimum_tokens: int | None
    step_tokens: int
    source: str
    as_of: str
    minimum_by_model: Mapping[str, int] = field(default_factory=dict)

    def minimum(self, slug: str) -> int | None:
        """Return the shortest prefix that is recognised for a hosted model, tokens; None = not stated."""
        return self.minimum_by_model.get(slug, self.minimum_tokens)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """How a provider takes work that may wait: files of requests, at prices of their own (`batch-input`).

    window_hours: time within which it states that a batch is done, hours.
    source, as_of: where this was read, and the day that the source states.
    """

    window_hours: float
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Who hosts models, how its API is spoken to, and what it does with the requests that it receives.

    key: name in the catalog and in environments.
    name: name for people.
    base_url: address of the API; None = not known, of a provider that is not called. `{region}` stands for an AWS
    region where a provider has regional addresses, and `{resource}` for the name that an account has there.
    protocol: language of the API: that of OpenAI's chat completions, which the gateway speaks, or another.
    api_key_variable: environment variable from which the gateway takes the key.
    renames: field of a request in OpenAI's spelling → how this provider spells it.
    features: word of `ApiModel.features` → what a request may then ask for, in the gateway's words
    (`gateway/features.py`).
    trains_on_data: whether it trains models on requests; None = not verified.
    retention: how long it keeps requests.
    zero_retention: how a customer can have nothing kept.
    hipaa: whether it signs an agreement under HIPAA; None = not verified.
    residency: where it processes requests, like `us`; None = not known. `{region}` stands for the AWS region whose
    address is called.
    retention_days: longest time for which it keeps requests of an account that has arranged nothing, days; None = not
    verified.
    zero_retention_possible: whether an account can have nothing kept; None = not verified.
    unread: names of those of these facts that rest on a claim or on memory, and were read in no terms.
    endpoints: further addresses, which keep requests in some places, by name.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    prompt_caching: how it recognises prompts; None = not known.
    billing: what a request is paid by: its tokens, or the time of a machine. Plans use what is paid by the token.
    not_called: why plans do not use the provider, as the end of a sentence; empty when they may.
    instead: what a team can do instead, as a sentence without a full stop; it goes with `not_called`.
    regions: AWS regions from which the address is called: the environment's where it is one of them, else the first;
    empty where no AWS region matters.
    stated_models: slugs of the models that its addresses are stated to answer; None = all that are listed.
    batches: how it takes work that may wait; None = not stated, and plans use no batch price of it.
    """

    key: str
    name: str
    base_url: str | None
    protocol: Literal["openai", "other"]
    api_key_variable: str
    renames: Mapping[str, str]
    features: Mapping[str, tuple[str, ...]]
    trains_on_data: bool | None
    retention: str
    zero_retention: str
    hipaa: bool | None
    residency: tuple[str, ...] | None
    source: str
    as_of: str
    retention_days: float | None = None
    zero_retention_possible: bool | None = None
    unread: tuple[Literal["trains_on_data", "residency", "retention_days", "zero_retention_possible"], ...] = ()
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    note: str = ""
    prompt_caching: PromptCaching | None = None
    billing: Literal["token", "second", "hour"] = "token"
    not_called: str = ""
    instead: str = ""
    regions: tuple[str, ...] = ()
    stated_models: tuple[str, ...] | None = None
    batches: Batches | None = None

    @property
    def has_deployments(self) -> bool:
        """Say whether an account has an address of its own there, and a name of its own for each model."""
        return RESOURCE in (self.base_url or "")

    def contradiction(self) -> str | None:
        """Say why plans could not use the provider although it does not say so; None where nothing is wrong."""
        if self.not_called:
            return None if self.instead else "`not_called` goes with `instead`, which says what to do"
        if self.base_url is None or self.protocol != "openai" or self.billing != "token":
            return "a provider without `not_called` has an address, speaks `openai` and bills by the `token`"
        return None

    def priced_apart(self, slug: str) -> tuple[str, ...]:
        """Return the names of the endpoints that serve a model at prices of their own, sorted."""
        return tuple(
            name
            for name, each in sorted(self.endpoints.items())
            if each.factor(slug) is None and (each.served is None or slug in each.served)
        )

    def takes(self, features: Iterable[str]) -> tuple[str, ...]:
        """Return what a request may ask of a model with these features, in the gateway's words, sorted."""
        return tuple(sorted({word for name in features for word in self.features.get(name, ())}))

    def malformed(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield (place, what is wrong) for what the gateway would refuse, and for a residency that names no place."""
        addresses = {(): (self.base_url, self.api_key_variable)} | {
            ("endpoints", name): (each.base_url, each.api_key_variable) for name, each in self.endpoints.items()
        }
        for place, (base_url, variable) in addresses.items():
            if base_url is not None and not BASE_URL.fullmatch(base_url):
                yield (*place, "base_url"), f"{base_url!r} is no address of an API: write https://HOST/v1"
            if not VARIABLE.fullmatch(variable):
                yield (*place, "api_key_variable"), f"{variable!r} is no variable: write capitals, digits and _"
        residencies = {(): self.residency} | {
            ("endpoints", name): each.residency for name, each in self.endpoints.items()
        }
        for place, residency in residencies.items():
            if residency == ():
                unknown = "" if place else ", and null where nobody knows it"
                yield (*place, "residency"), f"`residency` names no place: write [global] for anywhere{unknown}"
        for name, words in self.features.items():
            for word in sorted(set(words) - REQUEST_FEATURES):
                yield ("features", name), f"{word!r} is no feature of a request: {', '.join(sorted(REQUEST_FEATURES))}"

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is not known of this provider's data policy."""
        unknown = []
        if self.trains_on_data is None:
            unknown.append("whether it trains on requests")
        if self.residency is None:
            unknown.append("where it processes requests")
        return tuple(
            Gap("provider", self.key, f"{self.name}: {what} is not verified", "read its contract") for what in unknown
        )


LifecycleState = Literal["announced", "not-before", "none-announced", "deprecated"]
"""How long a hosted model is served. `announced`: the provider has named the day of its end. `not-before`: it has
promised to serve until a day at least. `none-announced`: its announcements were read, and there was none.
`deprecated`: it withdraws the model or already serves another one under its name, and the day is not known."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """What a provider says of how long it serves a model.

    not_before: the day until which it promised to serve the model at least; None without a promise.
    successors: what it offers instead: slugs of the catalog, else ids of the provider.
    weak: whether the state rests on other evidence than the provider's own word, or sources contradict each other.
    source, as_of: where this was read, and the day that the source states.
    note: what else a reader should know.
    """

    state: LifecycleState
    not_before: date | None = None
    successors: tuple[str, ...] = ()
    weak: bool = False
    source: str
    as_of: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiModel:
    """One model at one provider.

    key: `PROVIDER/SLUG`; in a plan `PROVIDER/SLUG@ENDPOINT` where a further address of the provider is called.
    provider: key of the provider.
    slug: name in accept lists.
    wire_model: id that is sent to the provider.
    hosts: key of the open-weight model that it serves; None when its weights are closed.
    context_tokens: most tokens of prompt and answer together; None = not stated.
    max_output_tokens: most tokens of an answer; None = not stated.
    long_context_above: tokens of input above which the `long-*` prices hold; None when there is no such length.
    features: what it can do, in the words of the price lists.
    reasoning: whether it may think before it answers (tokens that are paid for as output); None = not stated.
    retires: the day of its end, from which on nobody can rely on it; for an alias that of the snapshot that it points
    to; None = no day is known, and `lifecycle` says why.
    lifecycle: how long the provider serves it; None = nobody has read that, which is not the same as "for ever".
    status: `listed`, or `delisted` when it is gone from price lists.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    tokens: how it counts tokens and how much it thinks, where that was measured.
    """

    key: str
    provider: str
    slug: str
    wire_model: str
    hosts: str | None
    context_tokens: int | None
    max_output_tokens: int | None
    long_context_above: int | None
    features: tuple[str, ...]
    reasoning: bool | None
    retires: date | None
    status: Literal["listed", "delisted"]
    source: str
    as_of: str
    lifecycle: Lifecycle | None = None
    note: str = ""
    tokens: TokenFigures | None = None

    def price_key(self, part: PricePart) -> str:
        """Return the key of one of its prices in a price snapshot."""
        return f"api/{catalog_key(self.key)}/{part}"

    def contradiction(self) -> str | None:
        """Say where its end and its lifecycle contradict each other; None where they do not."""
        if self.lifecycle is None:
            return None
        if (self.retires is not None) != (self.lifecycle.state == "announced"):
            return "a day in `retires` goes with the state `announced`, and with no other"
        if (self.lifecycle.not_before is not None) != (self.lifecycle.state == "not-before"):
            return "a day in `not_before` goes with the state `not-before`, and with no other"
        return None

    @property
    def successors(self) -> tuple[str, ...]:
        """Return what the provider offers instead of it."""
        return self.lifecycle.successors if self.lifecycle else ()

    def serves_on(self, day: date) -> bool:
        """Return whether it still serves on that day, as far as its provider has announced."""
        return self.why_not(day) is None

    def ends_within(self, start: date, end: date) -> bool:
        """Return whether it serves on the day `start` and has an announced end before the day `end`."""
        return self.serves_on(start) and self.retires is not None and self.retires < end

    def why_not(self, day: date) -> str | None:
        """Return why nobody can rely on it on that day; None when one can."""
        if self.retires is not None and self.retires <= day:
            return f"{self.key} retires on {self.retires.isoformat()}"
        if self.status == "delisted":
            return f"{self.key} is no longer listed by its provider"
        if self.lifecycle is not None and self.lifecycle.state == "deprecated":
            return f"{self.key} is being withdrawn by its provider, and its last day is not known"
        return None


def called_region(regions: Sequence[str], region: str) -> str:
    """Return the AWS region whose address an environment in `region` calls."""
    return region if not regions or region in regions else regions[0]


BATCH = "@batch"
"""What ends the key of a hosted model in a plan where its batches are used, and not the address of single requests."""


def is_batch(key: str) -> bool:
    """Say whether a key of a plan names the batches of a hosted model."""
    return key.endswith(BATCH)


def catalog_key(key: str) -> str:
    """Return the key of a hosted model in the catalog, whichever address of its provider is called."""
    return key.partition("@")[0]
