"""What one resource type is made of: a small table of what AWS does with it.

Most of a type is data: which changes replace it, which lists are sets, whether the provider invents its name. The rest
is up to three functions over one `Account`. A type gives back only what AWS adds to its inputs; the provider completes
the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twin.aws.account import Account
from twin.aws.store import ResourceRecord, Store
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


@dataclass(frozen=True)
class CreatedResource:
    """AWS has taken on this resource.

    outputs: what AWS adds to its inputs.
    failure: why the resource is not well, None if it is.
    """

    id: str
    outputs: Properties
    failure: str | None = None


@dataclass(frozen=True)
class UpdatedResource:
    """AWS has updated this resource in place. The fields are those of a created one."""

    outputs: Properties
    failure: str | None = None
    inputs: Properties | None = None
    """What the resource holds now, where it did not take what was asked for."""


@dataclass(frozen=True)
class GeneratedName:
    """The provider invents a name when the program gives none: the logical name, a dash, seven hex digits.

    property: input that holds the name.
    longest: most characters that the name may have.
    """

    property: str = "name"
    unless: str = "namePrefix"
    """The property that lets AWS choose the rest of the name. The provider then completes it itself."""

    longest: int = 128
    lower_case: bool = False


CreateCall = Callable[[Account, Properties], CreatedResource]
UpdateCall = Callable[[Account, ResourceState, Properties], UpdatedResource]
DeleteCall = Callable[[Account, ResourceState], None]


def no_rule(account: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    """Take an update for which AWS has no rule of its own."""
    return UpdatedResource({})


@dataclass(frozen=True)
class ResourceKind:
    """A kind is one resource type.

    token: the type's token, such as `aws:eks/nodeGroup:NodeGroup`.
    create, delete, update: what AWS does. `update` None says that every change replaces the resource.
    generated_name: how the provider names it, None if the program must.
    """

    token: str
    create: CreateCall
    delete: DeleteCall
    update: UpdateCall | None = no_rule
    replace_on: frozenset[str] = frozenset()
    """Path prefixes whose change the service cannot take in place."""
    replace_also: Callable[[Properties, Properties], frozenset[str]] = lambda old, new: frozenset()
    """Further ones, by the old inputs and the new."""
    unordered: frozenset[str] = frozenset()
    """Lists that the service keeps as sets."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Outputs of inputs that were not given."""
    generated_name: GeneratedName | None = None
    sent_if_changed: frozenset[str] = frozenset()
    """Inputs that the provider sends to AWS where the engine changes them, and else leaves as AWS has them."""
    recomputed: frozenset[str] = frozenset()
    """Outputs that any update changes. They are unknown in a preview of one."""
    recover: Callable[[Account, ResourceState], UpdatedResource] | None = None
    """What the service goes on trying by itself between two operations, if anything. It is asked for at each read."""
    changes_nodes: bool = False
    """Whether operations on it add or remove machines of the cluster."""
    identify: Callable[[Mapping[str, ResourceRecord], str], str | None] | None = None
    """Finds the id of what an import names in the provider's own way, where that is not the id."""
    minutes: Mapping[str, float] = field(default_factory=dict)
    """Minutes that AWS takes: operation -> minutes. What is not named is done at once."""
    one_order_at_a_time: str = ""
    """What EKS calls it when it refuses an order because it still works on another; empty where it takes them all."""
    settle: Callable[[Store, Path], None] | None = None
    """What else of a cluster follows it, brought to what the account holds; it is given the cluster's kubeconfig."""


def paths(text: str) -> frozenset[str]:
    """Make a set of property paths from words."""
    return frozenset(text.split())
