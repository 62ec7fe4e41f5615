"""What the twin sells: providers, their models, prices, speed and limits, read from one JSON file.

    {"version": "1.0", "providers": {"openai": {"api_key": "sk-test", "manners": "openai", "models": {"gpt-4.1-mini":
      {"usd_per_mtok": {"input": "0.40", "output": "1.60"}, "ttft_ms": 450, "tpot_ms": 9, "context_tokens": 1047576,
       "limits": {"rpm": 5000, "tpm": 2000000}}}}}}

A provider answers below `/NAME/v1`, and calls that name its own host below its `base_url`. Prices are USD per million
tokens; times are real milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Manners = Literal["openai", "bare"]


class OffersFileError(ValueError):
    """The offers file cannot be used. The message names every problem."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OfferPrice(_Frozen):
    """A price is in USD per million tokens. The twin caches nothing, so cached input has no price here."""

    input: Annotated[Decimal, Field(ge=0)]
    output: Annotated[Decimal, Field(ge=0)]


class OfferLimits(_Frozen):
    """Limits are requests (`rpm`) and tokens (`tpm`) a real minute; None is no limit."""

    rpm: Annotated[int, Field(gt=0)] | None = None
    tpm: Annotated[int, Field(gt=0)] | None = None


class Offer(_Frozen):
    """An offer is one model of one provider.

    usd_per_mtok: price, USD per million tokens.
    context_tokens: input and output that the model holds together, tokens.
    ttft_ms: time to the first token that a client sees without a network, milliseconds.
    tpot_ms: time from one token to the next, milliseconds.
    """

    usd_per_mtok: OfferPrice
    context_tokens: Annotated[int, Field(gt=0)]
    ttft_ms: Annotated[float, Field(gt=0)] = 400.0
    tpot_ms: Annotated[float, Field(ge=0)] = 10.0
    limits: OfferLimits = OfferLimits()


class Seller(_Frozen):
    """A seller is one provider and what it sells.

    api_key: key that callers must show; None lets any caller in.
    base_url: URL at which the world knows it, `https://HOST/PATH`; None where nobody calls it by its own name.
    manners: how it says no (see `twin.api.manners`).
    """

    api_key: str | None = None
    base_url: Annotated[str, Field(pattern=r"^https://[a-z0-9.-]+(/[A-Za-z0-9._/-]*[A-Za-z0-9._-])?$")] | None = None
    manners: Manners = "openai"
    models: Mapping[str, Offer] = Field(min_length=1)

    @property
    def place(self) -> tuple[str, str] | None:
        """Return host and path of its own URL."""
        parts = urlsplit(self.base_url or "")
        return (parts.netloc, parts.path) if self.base_url else None


class Offers(_Frozen):
    """The offers are the whole file: provider -> what it sells."""

    version: Literal["1.0"]
    providers: Mapping[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")], Seller] = Field(min_length=1)


def read_offers(path: Path) -> Offers:
    """Read the offers of a file. Raises OffersFileError."""
    try:
        return Offers.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OffersFileError(f"cannot read the offers file {path}: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise OffersFileError(f"{path} is not an offers file: {problems}") from error
