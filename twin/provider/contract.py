"""The questions that the Pulumi engine asks a provider, in plain Python.

An `ImitatedProvider` answers them for one cloud. It sees property trees without secret wrappers (the servicer takes
them off and puts them back) and raises the errors below. gRPC, the protocol's plan-time unknowns and secrets stay
outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from twin.provider.arguments import InputProblem, Sdk
from twin.provider.difference import PropertyChange, property_changes
from twin.provider.wire import Properties


@dataclass(frozen=True)
class Resource:
    """A resource says which resource of the program is meant."""

    urn: str
    type: str
    name: str


@dataclass(frozen=True)
class ResourceState:
    """A state is a resource as it stands: its id at the cloud, what was asked for, and what came of it."""

    id: str
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True)
class CheckedInputs:
    """Checked inputs are completed with defaults and generated names; `problems` says what is wrong with them."""

    inputs: Properties
    problems: list[InputProblem] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """A difference says what an update would change."""

    changes: list[PropertyChange]
    delete_first: bool = False
    """A replacement must wait for the old resource to go, because both would have one name."""


class OperationError(Exception):
    """The operation failed and left nothing that the state must know of."""


class PartialOperationError(OperationError):
    """The resource exists but is not as it should be. The next update is to continue from `state`."""

    def __init__(self, state: ResourceState, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


class ImitatedProvider(ABC):
    """An imitated provider answers the engine's questions. Calls may come from several threads at once."""

    package: str
    sdk: Sdk
    repeats: Mapping[str, str] = MappingProxyType({})
    """Outputs that hold an input under another name, and are as secret as it is: output -> input."""

    @abstractmethod
    def check_configuration(self, configuration: Properties) -> list[InputProblem]:
        """List what is wrong with the provider's own settings."""

    def diff_configuration(self, old: Properties, new: Properties) -> Difference:
        """Say what changes of the provider's own settings mean. To replace the provider replaces all its resources."""
        return Difference(property_changes(old, new))

    @abstractmethod
    def configure(self, configuration: Properties) -> None:
        """Take the settings. This is called once, before any question about resources."""

    @abstractmethod
    def check(self, resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes) -> CheckedInputs:
        """Complete and judge inputs. `old_inputs` is empty for a new resource; `seed` makes names repeatable."""

    @abstractmethod
    def diff(self, resource: Resource, old: ResourceState, inputs: Properties) -> Difference:
        """Say what an update to `inputs` would change."""

    @abstractmethod
    def plan_create(self, resource: Resource, inputs: Properties) -> Properties:
        """Return the outputs as far as they are known before the resource exists. This changes nothing."""

    @abstractmethod
    def create(self, resource: Resource, inputs: Properties, timeout_s: float) -> ResourceState:
        """Make the resource. Raises `OperationError` or `PartialOperationError`."""

    @abstractmethod
    def read(self, resource: Resource, old: ResourceState) -> ResourceState | None:
        """Return the resource as it is now, or None when it is gone."""

    @abstractmethod
    def plan_update(self, resource: Resource, old: ResourceState, inputs: Properties) -> Properties:
        """Return the outputs as far as they are known before the update. This changes nothing."""

    @abstractmethod
    def update(self, resource: Resource, old: ResourceState, inputs: Properties, timeout_s: float) -> ResourceState:
        """Change the resource in place. Raises `OperationError` or `PartialOperationError`."""

    @abstractmethod
    def delete(self, resource: Resource, old: ResourceState, timeout_s: float) -> None:
        """Remove the resource. A resource that is gone already counts as removed."""

    @abstractmethod
    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Answer a function such as `aws:index/getCallerIdentity:getCallerIdentity`."""

    def cancel(self) -> None:  # noqa: B027 - most operations are short and simply finish
        """The engine wants running operations to end soon."""

    def close(self) -> None:  # noqa: B027 - a provider without children of its own has nothing to end
        """The engine is done: end what was started."""
