"""Reserved instances of the imitated account: bought at the terminal, listed by `aws ec2 describe-reserved-instances`.

Rows are as EC2 describes them, standard and regional, on shared Linux machines. The CLI's `--filters` of one name and
several values are understood; another filter than these is refused, as EC2 does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twin.aws.store import EXISTING, Store
from twin.aws.world import transaction

SECONDS: Final = {"1y": 31_536_000, "3y": 94_608_000}
"""Term -> its length, seconds."""
PAYMENTS: Final = ("No Upfront", "Partial Upfront", "All Upfront")
TABLE: Final = f"{EXISTING}reserved"
_FILTERS: Final = {"state": "State", "instance-type": "InstanceType", "scope": "Scope"}


def buy(store: Store, region: str, instance_type: str, count: int, term: str, payment: str) -> None:
    """Put a reservation into the account."""
    row: dict[str, Any] = {
        "Region": region,
        "InstanceType": instance_type,
        "InstanceCount": count,
        "Duration": SECONDS[term],
        "OfferingType": payment,
        "OfferingClass": "standard",
        "ProductDescription": "Linux/UNIX",
        "InstanceTenancy": "default",
        "Scope": "Region",
        "State": "active",
    }
    with transaction(store) as (state, _):
        table = state.tables.setdefault(TABLE, {})
        row["ReservedInstancesId"] = f"{len(table) + 1:08x}-0000-4000-8000-000000000000"
        table[row["ReservedInstancesId"]] = row


def described(table: dict[str, dict[str, Any]], region: str, filters: Iterable[str]) -> dict[str, Any]:
    """Return what the CLI prints. Raises `ValueError` for a filter that EC2 does not have, or that is not imitated."""
    rows = [row for row in table.values() if row["Region"] == region]
    for text in filters:
        name, _, values = text.removeprefix("Name=").partition(",Values=")
        if name not in _FILTERS:
            raise ValueError(f"InvalidParameterValue: The filter '{name}' is invalid")
        rows = [row for row in rows if row[_FILTERS[name]] in values.split(",")]
    shown = sorted(rows, key=lambda row: str(row["ReservedInstancesId"]))
    return {"ReservedInstances": [{key: value for key, value in row.items() if key != "Region"} for row in shown]}
