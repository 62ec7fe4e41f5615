"""Clients of AWS that answer what a test wrote: botocore checks calls and answers, and nothing leaves the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import botocore.session
from botocore.stub import Stubber

from planner.edges.aws_account import Account, Call


def stubbed(*answers: tuple[Call, Mapping[str, Any] | str]) -> tuple[Account, list[Stubber]]:
    """Return an account whose calls get these answers in order, service by service; a text is an error's code."""
    stubbers: dict[str, Stubber] = {}
    for call, answer in answers:
        stubber = stubbers.setdefault(call.service, Stubber(_client(call.service)))
        if isinstance(answer, str):
            stubber.add_client_error(call.operation, answer, f"why it is {answer}")
        else:
            stubber.add_response(call.operation, dict(answer))
    for stubber in stubbers.values():
        stubber.activate()
    return Account(lambda service, _: stubbers[service].client), list(stubbers.values())


def _client(service: str) -> Any:
    session = botocore.session.Session()
    return session.create_client(
        service, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


def product(
    usd: str, name: str = "g6e.xlarge", region: str = "us-east-1", unit: str = "Hrs", currency: str = "USD"
) -> str:
    """Return a product as the price list writes it."""
    dimension = {"unit": unit, "pricePerUnit": {currency: usd}, "beginRange": "0", "endRange": "Inf"}
    return json.dumps(
        {
            "product": {"attributes": {"instanceType": name, "regionCode": region, "operatingSystem": "Linux"}},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {"SKU.TERM": {"priceDimensions": {"SKU.TERM.RATE": dimension}}}},
        }
    )


class ImitatedAws:
    """Clients whose account sells every type that is asked for at one price, and what was asked of them.

    prices: USD an hour by type; other types have no price. zones: zone ids by type that sell it. quotas: vCPUs by code.
    failing: operations that fail, with the error's code.
    """

    def __init__(
        self,
        prices: Mapping[str, str] | None = None,
        zones: Mapping[str, Sequence[str]] | None = None,
        quotas: Mapping[str, float] | None = None,
        failing: Mapping[str, str] | None = None,
    ) -> None:
        self.prices, self.zones, self.quotas = prices or {}, zones or {}, quotas or {}
        self.failing, self.asked = failing or {}, list[tuple[str, str, str]]()

    def account(self) -> Account:
        """Return the account."""
        return Account(lambda service, region: _Imitated(self, service, region))

    def answer(self, operation: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to one call."""
        match operation:
            case "get_products":
                fields = {each["Field"]: each["Value"] for each in wanted["Filters"]}
                name, region = fields["instanceType"], fields["regionCode"]
                usd = self.prices.get(name)
                return {"PriceList": [] if usd is None else [product(usd, name, region)]}
            case "describe_instance_type_offerings":
                types = wanted["Filters"][0]["Values"]
                rows = [{"InstanceType": name, "Location": zone} for name in types for zone in self.zones.get(name, ())]
                return {"InstanceTypeOfferings": rows}
            case "get_service_quota":
                value = self.quotas.get(wanted["QuotaCode"])
                return {"Quota": {} if value is None else {"Value": value}}
        return {}


class _Imitated:
    def __init__(self, world: ImitatedAws, service: str, region: str) -> None:
        self._world, self._service, self._region = world, service, region

    def __getattr__(self, operation: str) -> Any:
        def call(**wanted: Any) -> Mapping[str, Any]:
            from botocore.exceptions import ClientError

            self._world.asked.append((self._service, self._region, operation))
            if code := self._world.failing.get(operation):
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
            return self._world.answer(operation, wanted)

        return call
