"""The policy document: what a plan allows the gateway to do, as frozen values.

It stands for the promises of a lock in the words of traffic: pools and their gates, API providers and their prices,
and per route the privacy class, the weights by input band, the fallback chain and the times after which it spills.
It holds no prices of GPUs, no secrets (only the names of environment variables) and no state; `document` reads it.

Unknown keys are refused, also within a major version: a rule that this gateway does not know is one it would not keep.
All durations are milliseconds of the gateway's clock; a replay at N-fold speed writes them divided by N.
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

Privacy = Literal["public", "internal", "restricted"]

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


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Price = Annotated[Decimal, BeforeValidator(_decimal_text), Field(ge=0, max_digits=12, decimal_places=6)]
Features = Annotated[tuple[str, ...], AfterValidator(_known_features)]
Share = Annotated[float, Field(ge=0, le=1), AfterValidator(_finite)]
Weight = Annotated[float, Field(ge=0), AfterValidator(_finite)]
Milliseconds = Annotated[int, Field(gt=0)]
Tokens = Annotated[int, Field(gt=0)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Pool(_Document):
    """One vLLM release: where its replicas are found and how many requests each may hold.

    `address` is a headless service (`HOST:PORT`, one A record a ready replica); `endpoints` are fixed replica URLs.
    """

    model: str = Field(min_length=1, description="served_model_name that the replicas answer to")
    address: Annotated[str, AfterValidator(_dns_address)] | None = None
    endpoints: tuple[Annotated[str, AfterValidator(_replica_url)], ...] | None = Field(default=None, min_length=1)
    max_in_flight: int = Field(gt=0, description="requests that one replica may hold at once")
    max_model_len: Tokens
    supports: Features = ()

    @model_validator(mode="after")
    def _one_way_to_find_replicas(self) -> Self:
        if (self.address is None) == (self.endpoints is None):
            raise ValueError("give either `address` (headless service) or `endpoints` (replica URLs)")
        return self


class TokenPrice(_Document):
    """USD per million tokens. `cached_input` null means: cached input is billed as input."""

    input: Price
    cached_input: Price | None = None
    output: Price


class RateLimits(_Document):
    """Requests and tokens per minute of the account at the provider; null means no known limit.

    All APIs of a provider draw on one account: where they state different limits, the smallest counts.
    """

    rpm: int | None = Field(default=None, gt=0)
    tpm: int | None = Field(default=None, gt=0)


class Api(_Document):
    """One model at one hosted provider that speaks OpenAI's protocol.

    `renames` maps OpenAI field names to the provider's. `refuses` names plain sampling fields the model does not accept
    (a request that carries one is not sent there; fields are never dropped).
    """

    provider: str = Field(min_length=1)
    protocol: Literal["openai"]
    base_url: Annotated[str, AfterValidator(_api_url)]
    model: str = Field(min_length=1)
    api_key_env: EnvironmentVariable | None = None
    supports: Features = ()
    refuses: Annotated[tuple[str, ...], AfterValidator(_known_plain_fields)] = ()
    renames: Mapping[str, str] = Field(default_factory=dict)
    usd_per_mtok: TokenPrice
    context_tokens: Tokens
    limits: RateLimits = RateLimits()


class Band(_Document):
    """How requests of up to `max_input_tokens` (null: any length) are shared.

    `api_share` of them goes straight to the fallback chain; the rest is drawn over the pools in proportion to
    `weights` (which need not sum to 1).
    """

    max_input_tokens: Tokens | None
    weights: Mapping[Name, Weight] = Field(default_factory=dict)
    api_share: Share = 0.0

    @property
    def keeps_traffic_local(self) -> bool:
        """Whether some requests of this band are meant for a local pool."""
        return any(weight > 0 for weight in self.weights.values())


class Route(_Document):
    """What clients ask for by the name in `model`, and what may be done for them.

    `spill_after_ms`: a stream without a first event by then spills. `deadline_ms`: end to end for whole answers, to
    the first event for streams. `queue_ms`: longest wait for a local place where nothing else may serve.
    `overflow`: whether an input that is too long for the pools may go to the chain.
    `bytes_per_token`: UTF-8 bytes of prompt text per input token, the measure in which the bands were planned.
    """

    privacy: Privacy
    bytes_per_token: float = Field(gt=0, le=64)
    bands: tuple[Band, ...] = Field(min_length=1)
    fallback: tuple[Name, ...] = ()
    overflow: Literal["refuse", "api"] = "refuse"
    spill_after_ms: Milliseconds
    deadline_ms: Milliseconds
    queue_ms: int = Field(ge=0)
    max_output_tokens: Tokens | None = None

    def band_index_of(self, input_tokens: int) -> int:
        """Index of the first band that admits `input_tokens`."""
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
    """The whole document. Load it with `load_policy`; every name in it resolves."""

    version: str = Field(pattern=r"^\d+\.\d+$")
    environment: Name
    lock_digest: Digest
    pools: Mapping[Name, Pool]
    apis: Mapping[Name, Api] = Field(default_factory=dict)
    routes: Mapping[Name, Route] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*version_problems(self.version), *_name_problems(self), *_host_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def version_problems(version: str) -> list[str]:
    major = version.partition(".")[0]
    if major.isdigit() and int(major) != SUPPORTED_MAJOR:
        return [f"version: {version} is of another major; this gateway reads {SUPPORTED_MAJOR}.x"]
    return []


def _band_order_problems(bands: tuple[Band, ...]) -> list[str]:
    if any(band.max_input_tokens is None for band in bands[:-1]):
        return ["only the last band may have max_input_tokens null"]
    if bands[-1].max_input_tokens is not None:
        return ["the last band must have max_input_tokens null, else longer inputs have no rule"]
    bounds = [band.max_input_tokens for band in bands if band.max_input_tokens is not None]
    if any(later <= earlier for earlier, later in itertools.pairwise(bounds)):
        return ["bands must be ordered by rising max_input_tokens"]
    return []


def _share_problems(route: Route) -> list[str]:
    problems = []
    for index, band in enumerate(route.bands):
        if band.api_share < 1 and not band.keeps_traffic_local:
            problems.append(f"bands[{index}]: no pool has a weight, so api_share must be 1")
        if band.api_share > 0 and not route.fallback:
            problems.append(f"bands[{index}]: api_share {band.api_share} needs an API in `fallback`")
    if len(set(route.fallback)) != len(route.fallback):
        problems.append("an API is named twice in `fallback`")
    return problems


def _privacy_problems(route: Route) -> list[str]:
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


def _time_problems(route: Route) -> list[str]:
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
                problems.append(f"routes.{name}.fallback: unknown API {api!r} (known: {_listed(policy.apis)})")
        for index, band in enumerate(route.bands):
            for pool in band.weights:
                if pool not in policy.pools:
                    where = f"routes.{name}.bands[{index}].weights"
                    problems.append(f"{where}: unknown pool {pool!r} (known: {_listed(policy.pools)})")
    return problems


def _host_problems(policy: Policy) -> list[str]:
    """A pool that points at an API's host would carry restricted prompts outside under the name of a pool."""
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
    """The host as a resolver takes it, whatever the port; on loopback, where every port is another program, with it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if host not in _LOOPBACK:
        return host
    return f"loopback:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
