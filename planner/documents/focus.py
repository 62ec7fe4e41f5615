"""A plan's bill as rows of FOCUS, the FinOps Open Cost and Usage Specification, version 1.2.

A row is one charge of one period. It is a forecast and no invoice: it has the columns, units and rules of FOCUS, so
that it can stand beside exports of real bills. What a plan cannot know is null and never zero:

* BillingAccountId and SubAccountId are known for AWS alone; FOCUS wants the first one everywhere.
* ListUnitPrice and ListCost are null for prices that a team agreed without a discount on a list price, and for machines
  that are paid for already.
* ConsumedQuantity is null, because nothing has been consumed.
* SkuId and SkuPriceId are the catalog's keys of the price, not the provider's own ids.
* A later phase has no lines yet, and so no quantity, price and service.

The invoice is taken to come from whom the price is of. Columns that FOCUS does not have begin with `x_` and stand last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from planner.documents.finance import Charge, Finance
from planner.domain.currency import Currency
from planner.domain.discounts import listed_usd
from planner.money.cost import PLATFORM
from planner.plan.cost import CostLine
from planner.plan.platform import PlannedPlatform
from planner.words.numbers import dollars, figure

FOCUS_VERSION = "1.2"
Cell = str | Decimal | None
"""A value of a column; None is null."""
AWS = "AWS"
OWN = "own machines"
"""Who sells the nodes of a cluster that is there already: the team knows it, and no lock."""
SERVICES: Mapping[str, tuple[str, str]] = {
    "ebs": ("Amazon Elastic Block Store", "Storage"),
    "ec2": ("Amazon Elastic Compute Cloud", "Compute"),
    "eks": ("Amazon Elastic Kubernetes Service", "Compute"),
    "kms": ("AWS Key Management Service", "Security"),
    "logs": ("Amazon CloudWatch", "Management and Governance"),
    "nat": ("Amazon Virtual Private Cloud", "Networking"),
    "public": ("Amazon Virtual Private Cloud", "Networking"),
    "s3": ("Amazon Simple Storage Service", "Storage"),
}
"""AWS's services and their category in FOCUS, by the first word of an item of the platform."""
UNITS: Mapping[str, str] = {
    "hour": "Hours",
    "month": "Months",
    "kWh": "kWh",
    "GB": "GB",
    "GB-month": "GB-Months",
    "Mtok": "1000000 Tokens",
}
"""Units of prices as FOCUS writes them."""


OF_A_LINE = (
    "BillingAccountId",
    "ContractedUnitPrice",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceName",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
)
"""Columns that only a cost line fills."""
UNKNOWN = (
    "AvailabilityZone",
    "BillingAccountName",
    "ChargeClass",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "RegionName",
    "ResourceId",
    "ResourceType",
    "SubAccountName",
)
"""Columns that no plan fills and that importers expect. That of corrections is null for what corrects nothing."""


def focus_rows(finance: Finance, currency: Currency | None = None) -> list[dict[str, Cell]]:
    """Return one row for each charge; all have the same columns in the same order."""
    rows = [_row(finance, charge) for charge in finance.charges]
    if currency is None:
        return rows
    rate: dict[str, Cell] = {
        "x_DisplayCurrency": currency.currency,
        "x_DisplayRate": currency.per_usd,
        "x_DisplayRateAsOf": currency.as_of,
        "x_DisplayRateSource": currency.source,
    }
    amounts = currency.of_parts(charge.usd for charge in finance.charges)
    return [{**row, "x_DisplayCost": amount, **rate} for row, amount in zip(rows, amounts, strict=True)]


def tags_of(environment: str) -> dict[str, str]:
    """Return the tags that everything deployed to AWS bears, so that planned and billed rows can be joined by them."""
    return {"spillway.dev/environment": environment, "managed-by": "pulumi"}


def _row(finance: Finance, charge: Charge) -> dict[str, Cell]:
    lock, line, period = finance.lock, charge.line, charge.period
    known = _of_line(charge, line, lock.plan.platform) if line else _of_phase(charge)
    component = line.component if line else None
    at_aws = line is not None and _seller(line) == AWS
    return {
        **dict(
            sorted(
                {
                    **dict.fromkeys(UNKNOWN),
                    **known,
                    "BilledCost": charge.usd,
                    "BillingCurrency": "USD",
                    "BillingPeriodEnd": _moment(period.month_end),
                    "BillingPeriodStart": _moment(period.month_start),
                    "ChargeCategory": "Usage",
                    "ChargeFrequency": "Usage-Based",
                    "ChargePeriodEnd": _moment(period.end),
                    "ChargePeriodStart": _moment(period.start),
                    "ContractedCost": charge.usd,
                    "EffectiveCost": charge.usd,
                    "Tags": json.dumps(tags_of(lock.name), sort_keys=True) if at_aws else None,
                }.items()
            )
        ),
        "x_Component": component,
        "x_CostKind": line.kind if line else None,
        "x_Environment": lock.name,
        "x_Forecast": "true",
        "x_PriceAsOf": line.as_of if line else None,
        "x_PriceSource": line.source if line else None,
    }


def _of_line(charge: Charge, line: CostLine, platform: PlannedPlatform) -> dict[str, Cell]:
    """Return what the columns say of a cost line."""
    kind, _, rest = line.price.partition("/")
    place, _, item = rest.partition("/")
    seller = OWN if _is_own(line, platform) else _seller(line)
    service, category = (None, "Compute") if seller == OWN else _service(kind, place, item)
    quantity = figure(line.quantity * charge.period.months)
    listed = _listed_usd(line)
    return {
        "BillingAccountId": platform.account if seller == AWS else None,
        "ChargeDescription": f"{line.name} for {line.component}",
        "ContractedUnitPrice": line.unit_price,
        "InvoiceIssuerName": seller,
        "ListCost": None if listed is None else charge.usd if listed == line.unit_price else dollars(quantity * listed),
        "ListUnitPrice": listed,
        "PricingCategory": _pricing(line),
        "PricingQuantity": quantity,
        "PricingUnit": UNITS.get(line.unit, line.unit),
        "ProviderName": seller,
        "PublisherName": seller,
        "RegionId": platform.region if seller == AWS else None,
        "ResourceName": line.component if kind != "api" and line.component != PLATFORM else None,
        "ServiceCategory": category,
        "ServiceName": service,
        "SkuId": line.price,
        "SkuPriceId": line.price,
        "SubAccountId": platform.account if seller == AWS else None,
    }


def _is_own(line: CostLine, platform: PlannedPlatform) -> bool:
    """Say whether a line is of machines that AWS does not sell."""
    stated = line.price.startswith("environment/")
    return stated and (platform.existing is not None or line.price.startswith("environment/purchase.owned["))


def _seller(line: CostLine) -> str:
    """Return who sells what a line pays for: the provider of an API, or AWS."""
    kind, _, rest = line.price.partition("/")
    return rest.partition("/")[0] if kind == "api" else AWS


def _of_phase(charge: Charge) -> dict[str, Cell]:
    """Return what the columns say of a later phase as a whole."""
    phase = charge.period.phase
    fleet = phase.fleet if phase else ""
    words = f"all of a later phase: {fleet}; its lines are planned before it begins"
    return {**dict.fromkeys(OF_A_LINE), "ChargeDescription": words, "ServiceCategory": "Other"}


def _service(kind: str, place: str, item: str) -> tuple[str | None, str]:
    """Return the service of a price and its category; None where it is not known."""
    if kind == "api":
        return place, "AI and Machine Learning"
    if kind in ("ec2", "environment"):
        return SERVICES["ec2"]
    return SERVICES.get(item.partition("-")[0], (None, "Other"))


def _listed_usd(line: CostLine) -> Decimal | None:
    """Return the list price of a line; None where what is paid says nothing of it."""
    if line.own_terms:
        return listed_usd(line.source)
    return None if line.price.startswith("environment/") else line.unit_price


def _pricing(line: CostLine) -> str:
    """Return FOCUS's category of a price. Machines that are paid for already, or under a commitment, are committed."""
    if line.price.startswith("environment/") or "/reserved-" in line.price:
        return "Committed"
    return "Dynamic" if line.price.endswith("/spot") else "Standard"


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
