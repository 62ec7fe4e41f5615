"""Every resource type and function that the twin imitates.

A type that is missing here is an error that says so. That is better than an imitation that silently takes anything.
"""

from __future__ import annotations

from twin.aws import (
    balancing,
    budgets,
    eks_cluster,
    eks_nodes,
    firewall,
    functions,
    identity,
    launch,
    names,
    network,
    registry_images,
    scheduled_actions,
    storage,
)
from twin.aws.functions import AwsFunction
from twin.aws.kinds import ResourceKind
from twin.provider.contract import OperationError

_FAMILIES = (
    *(network, firewall, identity, storage, launch, eks_cluster, eks_nodes),
    *(balancing, names, budgets, registry_images, scheduled_actions),
)

KINDS: dict[str, ResourceKind] = {kind.token: kind for family in _FAMILIES for kind in family.KINDS}


def kind_of(token: str) -> ResourceKind:
    """Return the resource type of a token. Raises `OperationError` for one that is not imitated."""
    if token not in KINDS:
        raise OperationError(f"the twin of AWS does not imitate {token}; it knows {', '.join(sorted(KINDS))}")
    return KINDS[token]


def kind_by_word(word: str) -> ResourceKind:
    """Return the resource type by its token or by its last word, such as `NodeGroup`, for people at a terminal."""
    matches = [kind for token, kind in KINDS.items() if word in (token, token.split(":")[-1])]
    if not matches:
        raise OperationError(f"the twin of AWS does not imitate {word!r}")
    return matches[0]


def function_of(token: str) -> AwsFunction:
    """Return the function of a token. Raises `OperationError` for one that is not imitated."""
    if token not in functions.FUNCTIONS:
        known = ", ".join(sorted(functions.FUNCTIONS))
        raise OperationError(f"the twin of AWS does not answer {token}; it answers {known}")
    return functions.FUNCTIONS[token]
