"""What one resource type is made of: a small table of what AWS does with it.

Most of a type is data (which changes replace it, which lists are sets, whether the provider invents its name); the
rest is up to three functions over one `Account`. What a type gives back is only what AWS adds to its inputs: the
provider completes the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twin.aws.account import Account
from twin.provider.contract import State
from twin.provider.wire import Properties


@dataclass(frozen=True)
class Made:
    """A resource that AWS has taken on: its id, what AWS adds to its inputs, and why it is not well, if so."""

    id: str
    outputs: Properties
    failure: str | None = None


@dataclass(frozen=True)
class Changed:
    """A resource after an update in place."""

    outputs: Properties
    failure: str | None = None


@dataclass(frozen=True)
class GeneratedName:
    """The name the provider invents when the program gives none: the logical name, a dash, seven hex digits."""

    property: str = "name"
    unless: str = "namePrefix"
    """The property that lets AWS choose the rest of the name; the provider then completes it itself."""
    prefix: str = ""
    longest: int = 128
    lower_case: bool = False


Create = Callable[[Account, Properties], Made]
Update = Callable[[Account, State, Properties], Changed]
Delete = Callable[[Account, State], None]


def accept(account: Account, old: State, inputs: Properties) -> Changed:
    """An update that AWS takes without a rule of its own."""
    return Changed({})


def forget(account: Account, old: State) -> None:
    """A deletion of something that is only a relation of other resources."""


@dataclass(frozen=True)
class Kind:
    """One resource type. `update` None says that every change replaces."""

    token: str
    create: Create
    delete: Delete
    update: Update | None = accept
    replace_on: frozenset[str] = frozenset()
    """Path prefixes whose change the service cannot take in place."""
    unordered: frozenset[str] = frozenset()
    """Lists that the service keeps as sets."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Outputs of inputs that were not given."""
    generated_name: GeneratedName | None = None
    recomputed: frozenset[str] = frozenset()
    """Outputs that any update changes; unknown in a preview of one."""
    recover: Callable[[Account, State], Changed] | None = None
    """What the service goes on trying by itself between two operations, if anything; asked for at each read."""
    changes_nodes: bool = False
    """Whether operations on it add or remove machines of the cluster."""


def paths(text: str) -> frozenset[str]:
    """A set of property paths from words."""
    return frozenset(text.split())
