"""The policy document: what a plan allows the gateway to do, as frozen values.

It says the promises of a lock in the words of traffic: the pools and their gates, the API providers and their prices,
and for each route its privacy class, its weights by input band, its fallback chain, and the times after which it
spills. It holds no prices of GPUs, no state and no secrets, only the names of environment variables. `document` reads
it.

Unknown keys are refused, also within a major version: a rule that this gateway does not know is a rule that it would
not keep. All durations are milliseconds of the gateway's clock; a replay at N-fold speed writes them divided by N.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.features import FEATURES, OPTIONAL_PLAIN_FIELDS

SUPPORTED_MAJOR = 1

_Privacy = Literal["public", "internal", "restricted"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _decimal_text(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('prices are decimal strings, such as "0.40"')
    return value


def _known_features(values: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(values) - FEATURES.keys())
    if unknown:
        raise ValueError(f"unknown feature {', '.join(unknown)}; known: {', '.join(sorted(FEATURES))}")
    return values


def _known_plain_fields(values: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(values) - OPTIONAL_PLAIN_FIELDS)
    if unknown:
        raise ValueError(
            f"unknown field {', '.join(unknown)}; may be refused: {', '.join(sorted(OPTIONAL_PLAIN_FIELDS))}"
        )
    return values


def _replica_url(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.username
    ):
        raise ValueError(f"{value!r} is not the root of a replica; write http://HOST:PORT")
    return value.rstrip("/")


def _api_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError(f"{value!r} is not a base URL; write https://HOST/v1")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError(f"{value!r} would send prompts and keys in clear text; use https (http is for loopback only)")
    return value.rstrip("/")


def _dns_address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not host or "/" in host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
_ModelName = Annotated[str, Field(min_length=1)]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Price = Annotated[Decimal, BeforeValidator(_decimal_text), Field(ge=0, max_digits=12, decimal_places=6)]
_Features = Annotated[tuple[str, ...], AfterValidator(_known_features)]
_Share = Annotated[float, Field(ge=0, le=1), AfterValidator(_finite)]
_Weight = Annotated[float, Field(ge=0), AfterValidator(_finite)]
_Milliseconds = Annotated[int, Field(gt=0)]
_Tokens = Annotated[int, Field(gt=0)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PoolPolicy(_Document):
    """A pool is one vLLM release: the policy says where its replicas are and how many requests each may hold.

    `address` is a headless service (`HOST:PORT`) that has one A record for each ready replica; `endpoints` are fixed
    URLs of replicas. Exactly one of the two is given.
    """

    model: str = Field(min_length=1, description="served_model_name that the replicas answer to")
    address: Annotated[str, AfterValidator(_dns_address)] | None = None
    endpoints: tuple[Annotated[str, AfterValidator(_replica_url)], ...] | None = Field(default=None, min_length=1)
    max_in_flight: int = Field(gt=0, description="requests that one replica may hold at once")
    max_model_len: _Tokens
    supports: _Features = ()

    @model_validator(mode="after")
    def _one_way_to_find_replicas(self) -> Self:
        if (self.address is None) == (self.endpoints is None):
            raise ValueError("give either `address` (headless service) or `endpoints` (replica URLs)")
        return self


class TokenPrice(_Document):
    """A token price is in USD per million tokens. `cached_input` null means that cached input is billed as input."""

    input: _Price
    cached_input: _Price | None = None
    output: _Price


class RateLimits(_Document):
    """Rate limits say what the account at the provider may ask in a minute; null means that no limit is known.

    rpm: requests a minute.
    tpm: tokens a minute.

    All APIs of a provider draw on one account: where they state different limits, the smallest counts.
    """

    rpm: int | None = Field(default=None, gt=0)
    tpm: int | None = Field(default=None, gt=0)


class ApiPolicy(_Document):
    """An API is one model at one hosted provider that speaks OpenAI's protocol.

    renames: OpenAI's name of a field -> the provider's.
    refuses: plain sampling fields that the model does not accept. A request that carries one is not sent there, because
        fields are never dropped.
    usd_per_mtok: price, USD per million tokens.
    context_tokens: input and output that the model holds together, tokens.
    """

    provider: str = Field(min_length=1)
    protocol: Literal["openai"]
    base_url: Annotated[str, AfterValidator(_api_url)]
    model: str = Field(min_length=1)
    api_key_env: _EnvironmentVariable | None = None
    supports: _Features = ()
    refuses: Annotated[tuple[str, ...], AfterValidator(_known_plain_fields)] = ()
    renames: Mapping[str, str] = Field(default_factory=dict)
    usd_per_mtok: TokenPrice
    context_tokens: _Tokens
    limits: RateLimits = RateLimits()


class BandPolicy(_Document):
    """A band says how the requests of one length are shared.

    max_input_tokens: longest input of the band, tokens; null for any length.
    api_share: part of the requests that goes straight to the fallback chain, 0 to 1.
    weights: pool -> weight by which the rest is drawn; weights need not sum to 1.
    refused: whether its inputs are too long for everything that serves the route, so that they are refused.
    cut_to_tokens: tokens that a pool keeps of its inputs, as the pool's model counts them; null where they stay whole.
    """

    max_input_tokens: _Tokens | None
    weights: Mapping[_Name, _Weight] = Field(default_factory=dict)
    api_share: _Share = 0.0
    refused: bool = False
    cut_to_tokens: _Tokens | None = None

    @property
    def keeps_traffic_local(self) -> bool:
        """Tell whether some requests of this band are meant for a local pool."""
        return any(weight > 0 for weight in self.weights.values())


class FirstTokenPromise(_Document):
    """A promise says how late the first token of 95 in 100 streams may come; it is measured and never enforced.

    base_ms: time for an empty prompt, milliseconds.
    per_1k_input_ms: what every 1,000 input tokens add to it, milliseconds.
    """

    base_ms: float = Field(gt=0)
    per_1k_input_ms: float = Field(default=0.0, ge=0)

    def seconds(self, input_tokens: int) -> float:
        """Return the promise for a prompt of this length, seconds."""
        return (self.base_ms + self.per_1k_input_ms * input_tokens / 1000) / 1000


class RoutePolicy(_Document):
    """A route is what clients ask for by the name in `model`; the policy says what may be done for them.

    bytes_per_token: UTF-8 bytes of prompt text per input token, the measure in which the bands were planned.
    models: pool -> model name that its replicas are asked for: a LoRA adapter of the route. A pool that is absent is
        asked by its own name. Replicas share nothing between the prompts of two names.
    fallback: names of the APIs that take the overflow, in order.
    api_max_input_tokens: API -> longest input that may be sent there, tokens. It is a limit of billing and not of
        reading: longer inputs have no known price there. An API that is absent has no such limit.
    overflow: whether an input that is too long for the pools may go to the chain.
    spill_after_ms: time after which a stream without a first event spills, milliseconds.
    deadline_ms: time to the end of a whole answer or to the first event of a stream, milliseconds.
    queue_ms: longest wait for a local place where nothing else may serve, milliseconds.
    max_output_tokens: cap on the output of every request, tokens.
    first_token: when the first token of a stream is promised; null where nothing is.
    most_full: part of a replica's places that may be taken when a request of the route is let in. Below 1 the route may
        wait: it leaves places to routes that are answered at once, and its requests come after theirs in the queue.
    """

    privacy: _Privacy
    bytes_per_token: float = Field(gt=0, le=64)
    bands: tuple[BandPolicy, ...] = Field(min_length=1)
    models: Mapping[_Name, _ModelName] = Field(default_factory=dict)
    fallback: tuple[_Name, ...] = ()
    api_max_input_tokens: Mapping[_Name, _Tokens] = Field(default_factory=dict)
    overflow: Literal["refuse", "api"] = "refuse"
    spill_after_ms: _Milliseconds
    deadline_ms: _Milliseconds
    queue_ms: int = Field(ge=0)
    max_output_tokens: _Tokens | None = None
    first_token: FirstTokenPromise | None = None
    most_full: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)

    def band_index_of(self, input_tokens: int) -> int:
        """Return the index of the first band that admits `input_tokens`."""
        for index, band in enumerate(self.bands):
            if band.max_input_tokens is None or input_tokens <= band.max_input_tokens:
                return index
        raise AssertionError("the last band of a loaded route admits any length")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            *_band_order_problems(self.bands),
            *_share_problems(self),
            *_privacy_problems(self),
            *_time_problems(self),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Policy(_Document):
    """The policy is the whole document. `load_policy` reads it and makes sure that every name in it resolves."""

    version: str = Field(pattern=r"^\d+\.\d+$")
    environment: _Name
    lock_digest: _Digest
    pools: Mapping[_Name, PoolPolicy]
    apis: Mapping[_Name, ApiPolicy] = Field(default_factory=dict)
    routes: Mapping[_Name, RoutePolicy] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*version_problems(self.version), *_name_problems(self), *_host_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def version_problems(version: str) -> list[str]:
    """List what is wrong with the document's version; nothing is, if this gateway reads its major."""
    major = version.partition(".")[0]
    if major.isdigit() and int(major) != SUPPORTED_MAJOR:
        return [f"version: {version} is of another major; this gateway reads {SUPPORTED_MAJOR}.x"]
    return []


def _band_order_problems(bands: tuple[BandPolicy, ...]) -> list[str]:
    if any(band.max_input_tokens is None for band in bands[:-1]):
        return ["only the last band may have max_input_tokens null"]
    if bands[-1].max_input_tokens is not None:
        return ["the last band must have max_input_tokens null, else longer inputs have no rule"]
    bounds = [band.max_input_tokens for band in bands if band.max_input_tokens is not None]
    if any(later <= earlier for earlier, later in itertools.pairwise(bounds)):
        return ["bands must be ordered by rising max_input_tokens"]
    return []


def _share_problems(route: RoutePolicy) -> list[str]:
    problems = []
    if route.bands[0].refused:
        problems.append("bands[0]: the shortest inputs may not be refused")
    for index, band in enumerate(route.bands):
        if band.refused and (band.api_share > 0 or band.keeps_traffic_local):
            problems.append(f"bands[{index}]: a refused band has neither weights nor an api_share")
        if band.api_share < 1 and not band.keeps_traffic_local and not band.refused:
            problems.append(f"bands[{index}]: no pool has a weight, so api_share must be 1")
        if band.api_share > 0 and not route.fallback:
            problems.append(f"bands[{index}]: api_share {band.api_share} needs an API in `fallback`")
    for pool in sorted(route.models.keys() - {pool for band in route.bands for pool in band.weights}):
        problems.append(f"models: pool {pool!r} has no weight in any band")
    if len(set(route.fallback)) != len(route.fallback):
        problems.append("an API is named twice in `fallback`")
    for api in sorted(route.api_max_input_tokens.keys() - set(route.fallback)):
        problems.append(f"api_max_input_tokens: {api!r} is not in `fallback`")
    return problems


def _privacy_problems(route: RoutePolicy) -> list[str]:
    if route.privacy != "restricted":
        return []
    problems = []
    if route.fallback:
        problems.append("a restricted route may have no `fallback`: its requests never leave the local pools")
    if any(band.api_share > 0 for band in route.bands):
        problems.append("a restricted route may have no api_share above 0")
    if route.overflow != "refuse":
        problems.append("a restricted route must have overflow refuse")
    return problems


def _time_problems(route: RoutePolicy) -> list[str]:
    problems = []
    if route.spill_after_ms >= route.deadline_ms:
        problems.append(f"spill_after_ms {route.spill_after_ms} must be below deadline_ms {route.deadline_ms}")
    if route.queue_ms > route.deadline_ms:
        problems.append(f"queue_ms {route.queue_ms} must not exceed deadline_ms {route.deadline_ms}")
    return problems


def _name_problems(policy: Policy) -> list[str]:
    problems = []
    for name, route in policy.routes.items():
        for api in route.fallback:
            if api not in policy.apis:
                problems.append(f"routes.{name}.fallback: unknown API {api!r} (known: {_name_list(policy.apis)})")
        for index, band in enumerate(route.bands):
            for pool in band.weights:
                if pool not in policy.pools:
                    where = f"routes.{name}.bands[{index}].weights"
                    problems.append(f"{where}: unknown pool {pool!r} (known: {_name_list(policy.pools)})")
    return problems


def _host_problems(policy: Policy) -> list[str]:
    """Find pools that point at an API's host. They would carry restricted prompts outside under the name of a pool."""
    outside = {_host_of(api.base_url): name for name, api in policy.apis.items()}
    problems = []
    for name, pool in policy.pools.items():
        for url in pool.endpoints or (_address_url(pool.address or ""),):
            if (host := _host_of(url)) in outside:
                problems.append(f"pools.{name}: {urlsplit(url).netloc} is the host of API {outside[host]!r}")
    return problems


def _address_url(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"http://[{host}]:{port}" if ":" in host and not host.startswith("[") else f"http://{address}"


def _host_of(url: str) -> str:
    """Return the host as a resolver takes it, whatever the port. On loopback, where every port is another program, the
    port belongs to it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if host not in _LOOPBACK:
        return host
    return f"loopback:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _name_list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
