"""AWS Budgets: an amount, and who hears when it is passed."""

from __future__ import annotations

from typing import Any

from twin.aws.account import Account
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


def _budget(inputs: Properties) -> dict[str, Any]:
    budget: dict[str, Any] = {
        "BudgetName": inputs["name"],
        "BudgetType": inputs["budgetType"],
        "TimeUnit": inputs["timeUnit"],
    }
    if inputs.get("limitAmount"):
        budget["BudgetLimit"] = {"Amount": str(inputs["limitAmount"]), "Unit": inputs.get("limitUnit", "USD")}
    if inputs.get("costTypes"):
        given = {name[0].upper() + name[1:]: value for name, value in inputs["costTypes"].items() if value is not None}
        budget["CostTypes"] = {name: value for name, value in given.items() if not name.startswith("__")}
    if inputs.get("costFilters"):
        budget["CostFilters"] = {item["name"]: item["values"] for item in inputs["costFilters"]}
    return budget


def _notification(item: Properties) -> dict[str, Any]:
    addresses = [
        *({"SubscriptionType": "EMAIL", "Address": a} for a in item.get("subscriberEmailAddresses") or ()),
        *({"SubscriptionType": "SNS", "Address": a} for a in item.get("subscriberSnsTopicArns") or ()),
    ]
    return {
        "Notification": {
            "ComparisonOperator": item["comparisonOperator"],
            "NotificationType": item["notificationType"],
            "Threshold": float(item["threshold"]),
            "ThresholdType": item["thresholdType"],
        },
        "Subscribers": addresses,
    }


def _create(aws: Account, inputs: Properties) -> CreatedResource:
    name = inputs["name"]
    aws.call(
        "budgets",
        "CreateBudget",
        AccountId=aws.id,
        Budget=_budget(inputs),
        NotificationsWithSubscribers=[_notification(item) for item in inputs.get("notifications") or ()],
    )
    arn = f"arn:aws:budgets::{aws.id}:budget/{name}"
    return CreatedResource(f"{aws.id}:{name}", {"arn": arn, "accountId": aws.id})


def _update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    # moto cannot change a budget; making it anew has the same result.
    _delete(aws, old)
    _create(aws, inputs)
    return UpdatedResource({})


def _delete(aws: Account, old: ResourceState) -> None:
    aws.call("budgets", "DeleteBudget", AccountId=aws.id, BudgetName=old.inputs["name"])


KINDS = (
    ResourceKind(
        "aws:budgets/budget:Budget",
        create=_create,
        update=_update,
        delete=_delete,
        replace_on=paths("name namePrefix accountId"),
        unordered=paths("costFilters notifications"),
        generated_name=GeneratedName(longest=100),
    ),
)
