"""The engine's questions about AWS resources, answered for every type alike.

What differs between types is in their `ResourceKind`. What is common is here: names that the provider invents, default
tags, outputs of a preview, the record that AWS keeps, faults, and the nodes that follow a node group.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from twin.aws import control_planes, faults, instances, pace, tagged
from twin.aws.account import Account
from twin.aws.kinds import GeneratedName, ResourceKind
from twin.aws.registry import function_of, kind_of
from twin.aws.store import AccountState, ResourceRecord, Store
from twin.aws.world import World, inquiry, transaction
from twin.provider.arguments import GENERATED, InputProblem, Sdk, UnknownTypeError
from twin.provider.contract import (
    CheckedInputs,
    Difference,
    ImitatedProvider,
    OperationError,
    PartialOperationError,
    Resource,
    ResourceState,
)
from twin.provider.difference import PropertyChange, property_changes
from twin.provider.wire import UNKNOWN, Properties

_MOST_TAGS = 50
_CONFIGURATION = frozenset(
    {
        "accessKey", "allowedAccountIds", "assumeRoles", "assumeRoleWithWebIdentity", "customCaBundle", "defaultTags",
        "ec2MetadataServiceEndpoint", "ec2MetadataServiceEndpointMode", "endpoints", "forbiddenAccountIds",
        "httpProxy", "httpsProxy", "ignoreTags", "insecure", "maxRetries", "noProxy", "profile", "region",
        "retryMode", "s3UsEast1RegionalEndpoint", "s3UsePathStyle", "secretKey", "sharedConfigFiles",
        "sharedCredentialsFiles", "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation",
        "skipRequestingAccountId", "stsRegion", "tagPolicyCompliance", "token", "tokenBucketRateLimiterCapacity",
        "useDualstackEndpoint", "useFipsEndpoint", "userAgents", "version",
    }
)  # fmt: skip


class AwsProvider(ImitatedProvider):
    """This is the AWS provider over one imitated account."""

    package = "aws"
    repeats = MappingProxyType({"tagsAll": "tags"})

    def __init__(self, store: Store, sdk: Sdk) -> None:
        self.sdk = sdk
        self._store = store
        self._region: str | None = None
        self._default_tags: dict[str, str] = {}

    def check_configuration(self, configuration: Properties) -> list[InputProblem]:
        unknown = sorted(set(configuration) - _CONFIGURATION)
        return [InputProblem(name, "unknown setting of the AWS provider") for name in unknown]

    def configure(self, configuration: Properties) -> None:
        region = configuration.get("region")
        if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
            raise OperationError(f"invalid AWS region: {region!r}; set `region` of the provider")
        with self._store.exclusive_use():
            account = self._store.load().account
        allowed = _setting_value(configuration.get("allowedAccountIds")) or []
        forbidden = _setting_value(configuration.get("forbiddenAccountIds")) or []
        if (allowed and account not in allowed) or account in forbidden:
            raise OperationError(f"AWS account ID not allowed: {account}")
        self._region = region
        self._default_tags = (_setting_value(configuration.get("defaultTags")) or {}).get("tags") or {}

    def check(self, resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes) -> CheckedInputs:
        kind = kind_of(resource.type)
        full_inputs = dict(inputs)
        if kind.generated_name is not None:
            _complete_name(kind.generated_name, resource, old_inputs, full_inputs, seed)
        try:
            problems = self.sdk.problems(resource.type, full_inputs)
        except UnknownTypeError as error:
            raise OperationError(str(error)) from error
        return CheckedInputs(full_inputs, [*problems, *_tag_problems(full_inputs.get("tags"))])

    def diff(self, resource: Resource, old: ResourceState, inputs: Properties) -> Difference:
        kind = kind_of(resource.type)
        replacing = kind.replace_on | kind.replace_also(old.inputs, inputs)
        changes = property_changes(old.inputs, inputs, replace_on=replacing, unordered=kind.unordered)
        if kind.update is None:
            changes = [PropertyChange(change.path, change.kind, replaces=True) for change in changes]
        if "tagsAll" in old.outputs and not any(change.top == "tags" for change in changes):
            # New default tags of the provider reach resources whose own inputs did not change.
            changes += property_changes({"tagsAll": old.outputs["tagsAll"]}, {"tagsAll": self._all_tags(inputs)})
        rule = kind.generated_name
        # Two resources cannot bear one name at a time; a name that the provider invented, it can invent anew.
        same_name = (
            rule is not None
            and old.inputs.get(rule.property) == inputs.get(rule.property)
            and rule.property not in (inputs.get(GENERATED) or ())
        )
        return Difference(changes, same_name and any(change.replaces for change in changes))

    def plan_create(self, resource: Resource, inputs: Properties) -> Properties:
        later = dict.fromkeys(self.sdk.resource(resource.type).outputs, UNKNOWN)
        return {**later, **self._outputs(kind_of(resource.type), inputs, {})}

    def create(self, resource: Resource, inputs: Properties, timeout_s: float) -> ResourceState:
        kind = kind_of(resource.type)
        faults.strike_before(self._store, "create", resource)
        with transaction(self._store) as (state, world):
            created = kind.create(self._account(state, world, inputs), inputs)
            # The real provider says the id among the outputs of every type, also where the schema has no such output.
            outputs = {**self._outputs(kind, inputs, created.outputs), "id": created.id}
            record = ResourceRecord(resource.name, self._region_of(inputs), inputs, outputs)
            pace.begin(record, kind, "create")
            before = state.records.setdefault(kind.token, {}).get(created.id)
            if before is not None and before.status() is not None:
                raise OperationError(f"api error ResourceInUseException: {created.id} is {before.status()}")
            state.records[kind.token][created.id] = record  # settings are put anew over those that are there
        faults.strike_after(self._store, "create", resource)
        answer = self._state_with_nodes(kind, ResourceState(created.id, inputs, outputs), created.failure)
        pace.wait(record)
        return answer

    def read(self, resource: Resource, old: ResourceState) -> ResourceState | None:
        kind = kind_of(resource.type)
        self._recover(kind, old.id)
        with inquiry(self._store) as (state, _):
            records = state.records.get(resource.type, {})
            identifier = old.id
            if identifier not in records and kind.identify is not None:
                identifier = kind.identify(records, old.id) or old.id
            record = records.get(identifier)
        if record is None:
            return None
        if kind.changes_nodes and record.status() is None:
            # Machines join by themselves, also where the provider was killed that waited for them.
            with contextlib.suppress(TimeoutError):
                self._settle_nodes(kind, ResourceState(identifier, record.inputs, record.outputs))
        return ResourceState(identifier, record.inputs, pace.seen(record))

    def _recover(self, kind: ResourceKind, identifier: str) -> None:
        """Let the service go on with what it still lacks, as an Auto Scaling group does while nobody looks."""
        if kind.recover is None:
            return
        with inquiry(self._store) as (state, _):
            record = state.records.get(kind.token, {}).get(identifier)
        if record is None or record.outputs.get("status") != "DEGRADED":
            return
        with transaction(self._store) as (state, world):
            record = _record_of(state, kind, identifier)
            before = ResourceState(identifier, record.inputs, record.outputs)
            record.outputs.update(kind.recover(self._account(state, world, record.inputs), before).outputs)
        self._settle_nodes(kind, before)

    def plan_update(self, resource: Resource, old: ResourceState, inputs: Properties) -> Properties:
        kind = kind_of(resource.type)
        later = dict.fromkeys(kind.recomputed, UNKNOWN)
        return {**_without_inputs(old), **self._outputs(kind, inputs, {}), **later}

    def update(self, resource: Resource, old: ResourceState, inputs: Properties, timeout_s: float) -> ResourceState:
        kind = kind_of(resource.type)
        if kind.update is None:
            raise OperationError(f"{resource.type} cannot be updated in place")
        faults.strike_before(self._store, "update", resource)
        with transaction(self._store) as (state, world):
            record = _record_of(state, kind, old.id)
            pace.require_rest(kind, record, "update")
            before = ResourceState(old.id, record.inputs, record.outputs)
            alike = {key for key in kind.sent_if_changed if old.inputs.get(key) == inputs.get(key)}
            inputs = {**inputs, **{key: record.inputs[key] for key in alike if key in record.inputs}}
            result = kind.update(self._account(state, world, inputs), before, inputs)
            computed = {**_without_inputs(before), **result.outputs}
            held = inputs if result.inputs is None else result.inputs
            record.inputs, record.outputs = held, {**self._outputs(kind, held, computed), "id": old.id}
            pace.begin(record, kind, "update")
        faults.strike_after(self._store, "update", resource)
        answer = self._state_with_nodes(kind, ResourceState(old.id, held, record.outputs), result.failure)
        pace.wait(record)
        return answer

    def delete(self, resource: Resource, old: ResourceState, timeout_s: float) -> None:
        kind = kind_of(resource.type)
        faults.strike_before(self._store, "delete", resource)
        with transaction(self._store) as (state, world):
            record = state.records.get(kind.token, {}).get(old.id)
            if record is not None and record.status() != "DELETING":
                pace.require_rest(kind, record, "delete")
                before = ResourceState(old.id, record.inputs, record.outputs)
                kind.delete(self._account(state, world, record.inputs), before)
                tagged.remember(state, kind.token, old.id, record)
                pace.begin(record, kind, "delete")
                if record.status() is None:
                    del state.records[kind.token][old.id]
        faults.strike_after(self._store, "delete", resource)
        self._settle_nodes(kind, old)
        if record is not None:
            pace.wait(record)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        function = function_of(token)
        with inquiry(self._store) as (state, world):
            return function(self._account(state, world, arguments), arguments)

    def _account(self, state: AccountState, world: World, inputs: Mapping[str, Any]) -> Account:
        return Account(state, world, self._region_of(inputs), self._default_tags)

    def _region_of(self, inputs: Mapping[str, Any]) -> str:
        region = inputs.get("region") or self._region
        if region is None:
            raise OperationError("the AWS provider was not configured: no region")
        return str(region)

    def _all_tags(self, inputs: Properties) -> Any:
        tags = inputs.get("tags") or {}
        return tags if tags is UNKNOWN else {**self._default_tags, **tags}

    def _outputs(self, kind: ResourceKind, inputs: Properties, computed: Properties) -> Properties:
        """Put the outputs together: the type's defaults, then the inputs, then what AWS adds, as far as the SDK
        declares them."""
        declared = self.sdk.resource(kind.token).outputs
        outputs = {**kind.defaults, **inputs, **computed}
        if "tagsAll" in declared:
            outputs["tagsAll"] = self._all_tags(inputs)
        if "region" in declared:
            outputs["region"] = inputs.get("region") or self._region
        return {name: value for name, value in outputs.items() if name in declared and value is not None}

    def _state_with_nodes(self, kind: ResourceKind, state: ResourceState, failure: str | None) -> ResourceState:
        try:
            self._settle_nodes(kind, state)
        except TimeoutError as error:
            failure = failure or f"NodeCreationFailure: Unhealthy nodes in the kubernetes cluster: {error}"
        if failure is not None:
            raise PartialOperationError(state, failure)
        return state

    def _settle_nodes(self, kind: ResourceKind, group: ResourceState) -> None:
        if kind.settle:
            for folder in control_planes.offered():
                kind.settle(self._store, folder / "kubeconfig")
        if kind.changes_nodes:
            instances.settle(self._store, str(group.inputs["clusterName"]), self._region_of(group.inputs))


def _record_of(state: AccountState, kind: ResourceKind, identifier: str) -> ResourceRecord:
    record = state.records.get(kind.token, {}).get(identifier)
    if record is None:
        raise OperationError(f"{kind.token} {identifier} does not exist any more; refresh the stack")
    return record


def _without_inputs(old: ResourceState) -> Properties:
    """Return what AWS added to the inputs. An input that the program no longer gives is not kept."""
    return {name: value for name, value in old.outputs.items() if name not in old.inputs}


def _complete_name(
    rule: GeneratedName, resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes
) -> None:
    """Invent the name as the real provider does. A resource that has a name keeps it."""
    if inputs.get(rule.property) is not None:
        return
    prefix = inputs.get(rule.unless) if rule.unless else None
    inputs[GENERATED] = [rule.property]
    old_name = old_inputs.get(rule.property) if rule.property in (old_inputs.get(GENERATED) or ()) else None
    if old_name is not None and (prefix is None or str(old_name).startswith(str(prefix))):
        inputs[rule.property] = old_name
        return
    digits = hashlib.sha256(seed + resource.urn.encode()).hexdigest()
    if prefix is not None:
        inputs[rule.property] = prefix if prefix is UNKNOWN else f"{prefix}{digits[:26]}"[: rule.longest]
        return
    stem = resource.name.lower() if rule.lower_case else resource.name
    name = f"{stem}-{digits[:7]}"
    if len(name) > rule.longest:
        raise OperationError(f"the name {name!r} is longer than {rule.longest} characters; give {rule.property}")
    inputs[rule.property] = name


def _tag_problems(tags: Any) -> list[InputProblem]:
    if not isinstance(tags, dict):
        return []
    problems = [InputProblem("tags", f"more than {_MOST_TAGS} tags")] if len(tags) > _MOST_TAGS else []
    for key, value in tags.items():
        if key.startswith("aws:"):
            problems.append(InputProblem(f"tags.{key}", "tag keys that start with aws: are reserved"))
        elif len(key) > 128 or (isinstance(value, str) and len(value) > 256):
            problems.append(
                InputProblem(f"tags.{key}", "a tag's key has at most 128 characters, its value at most 256")
            )
    return problems


def _setting_value(value: Any) -> Any:
    """Read a provider setting. Settings that are not text arrive as JSON."""
    return json.loads(value) if isinstance(value, str) else value
