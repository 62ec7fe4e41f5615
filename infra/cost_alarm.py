"""The alarm on the bill: AWS tells somebody when a month costs, or will cost, more than the plan says.

AWS counts the environment alone where its tag is an active cost allocation tag, which somebody must switch on by hand.
Otherwise AWS can only count the whole account, and the alarm's name says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pulumi
import pulumi_aws as aws

from infra.naming import ENVIRONMENT_TAG
from planner.plan.cost import Cost
from planner.plan.platform import PlannedAlerts

THRESHOLD_PERCENT = 100


@dataclass(frozen=True)
class CostAlarmArgs:
    """Arguments of the alarm.

    usd_per_month: amount that AWS may bill in a month, USD.
    amortized: whether what is paid at once is spread over its term, as the plan spreads it for commitments.
    """

    environment: str
    usd_per_month: Decimal
    amortized: bool
    alerts: PlannedAlerts


def billed_by_amazon(cost: Cost) -> Decimal:
    """Return what AWS bills of a plan, USD a month: everything but hosted APIs, which their providers bill."""
    return sum((line.usd_per_month for line in cost.lines if not line.price.startswith("api/")), Decimal(0))


class CostAlarm(pulumi.ComponentResource):
    """The alarm's output is `budget`, its name at AWS."""

    budget: pulumi.Output[str]

    def __init__(self, name: str, args: CostAlarmArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:CostAlarm", name, None, opts)
        alone = args.alerts.tags_active
        watched = [
            aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{ENVIRONMENT_TAG}${args.environment}"])
        ]
        budget = aws.budgets.Budget(
            f"{name}-plan" if alone else f"{name}-plan-whole-account",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.usd_per_month:.2f}",
            limit_unit="USD",
            cost_filters=watched if alone else None,
            cost_types=aws.budgets.BudgetCostTypesArgs(use_amortized=True) if args.amortized else None,
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=THRESHOLD_PERCENT,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=sorted(args.alerts.emails) or None,
                    subscriber_sns_topic_arns=[args.alerts.sns] if args.alerts.sns else None,
                )
                for kind in ("ACTUAL", "FORECASTED")
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.budget = budget.name
        self.register_outputs({"budget": self.budget})
