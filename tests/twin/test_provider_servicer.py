"""The protocol, through a real gRPC channel and a provider that only remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import ResourceProviderStub, provider_pb2, status_pb2

from twin.provider.arguments import InputProblem, Sdk
from twin.provider.contract import (
    CheckedInputs,
    Difference,
    ImitatedProvider,
    OperationError,
    PartialOperationError,
    Resource,
    ResourceState,
)
from twin.provider.difference import PropertyChange
from twin.provider.serve import start
from twin.provider.wire import UNKNOWN, Properties, Secret, decode, encode

URN = "urn:pulumi:dev::project::my:component:Pool$aws:eks/nodeGroup:NodeGroup::gpu"


class Remembering(ImitatedProvider):
    """Answers with what a test put into it."""

    package = "aws"

    def __init__(self) -> None:
        self.sdk = Sdk("pulumi_aws")
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.present = True

    def _note(self, *question: Any) -> None:
        self.asked.append(question)
        if self.error is not None:
            raise self.error

    def check_configuration(self, configuration: Properties) -> list[InputProblem]:
        return [InputProblem("colour", "unknown setting")] if "colour" in configuration else []

    def configure(self, configuration: Properties) -> None:
        self._note("configure", configuration)

    def check(self, resource: Resource, old_inputs: Properties, inputs: Properties, seed: bytes) -> CheckedInputs:
        self._note("check", resource, inputs)
        return CheckedInputs({**inputs, "name": "made-up"}, [InputProblem("bogus", "unknown property")])

    def diff(self, resource: Resource, old: ResourceState, inputs: Properties) -> Difference:
        self._note("diff", old, inputs)
        return Difference(
            [PropertyChange("name", "update", True), PropertyChange("size.max", "add", False)], delete_first=True
        )

    def plan_create(self, resource: Resource, inputs: Properties) -> Properties:
        self._note("plan_create", inputs)
        return {**inputs, "arn": UNKNOWN}

    def create(self, resource: Resource, inputs: Properties, timeout_s: float) -> ResourceState:
        self._note("create", resource, inputs)
        return ResourceState("id-1", inputs, {**inputs, "arn": "arn:1"})

    def read(self, resource: Resource, old: ResourceState) -> ResourceState | None:
        self._note("read", old)
        return ResourceState(old.id, {**old.inputs, "size": 7}, old.outputs) if self.present else None

    def plan_update(self, resource: Resource, old: ResourceState, inputs: Properties) -> Properties:
        self._note("plan_update", old, inputs)
        return {**inputs, "version": UNKNOWN}

    def update(self, resource: Resource, old: ResourceState, inputs: Properties, timeout_s: float) -> ResourceState:
        self._note("update", old, inputs)
        return ResourceState(old.id, inputs, inputs)

    def delete(self, resource: Resource, old: ResourceState, timeout_s: float) -> None:
        self._note("delete", old)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        self._note("invoke", token, arguments)
        return {"answer": 42}


@pytest.fixture
def provider() -> Remembering:
    return Remembering()


@pytest.fixture
def engine(provider: Remembering) -> Iterator[Any]:
    server, port = start(provider)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ResourceProviderStub(channel)
    server.stop(grace=None).wait()


def test_the_plugin_has_the_version_of_the_sdk(engine: Any, provider: Remembering) -> None:
    from google.protobuf import empty_pb2

    assert engine.GetPluginInfo(empty_pb2.Empty()).version == provider.sdk.version
    assert engine.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets


def test_secrets_come_off_on_the_way_in_and_on_again_on_the_way_out(engine: Any, provider: Remembering) -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=encode({"key": Secret("k"), "name": "n"}))
    answer = engine.Create(request)
    resource = Resource(URN, "aws:eks/nodeGroup:NodeGroup", "gpu")
    assert provider.asked == [("create", resource, {"key": "k", "name": "n"})]
    assert (answer.id, decode(answer.properties)) == ("id-1", {"key": Secret("k"), "name": "n", "arn": "arn:1"})


def test_a_preview_creates_nothing_and_knows_nothing_computed(engine: Any, provider: Remembering) -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=encode({"name": UNKNOWN}), preview=True)
    answer = engine.Create(request)
    assert provider.asked == [("plan_create", {"name": UNKNOWN})]
    assert (answer.id, decode(answer.properties)) == ("", {"name": UNKNOWN, "arn": UNKNOWN})


def test_an_update_preview_is_a_plan(engine: Any, provider: Remembering) -> None:
    request = provider_pb2.UpdateRequest(id="i", urn=URN, news=encode({"a": 1}), preview=True)
    assert decode(engine.Update(request).properties) == {"a": 1, "version": UNKNOWN}
    assert provider.asked[0][0] == "plan_update"


def test_an_unknown_outside_a_preview_is_refused(engine: Any, provider: Remembering) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        engine.Create(provider_pb2.CreateRequest(urn=URN, properties=encode({"name": UNKNOWN})))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert provider.asked == []


def test_check_reports_problems_by_property(engine: Any) -> None:
    answer = engine.Check(provider_pb2.CheckRequest(urn=URN, news=encode({"bogus": Secret(1)}), randomSeed=b"s"))
    assert [(failure.property, failure.reason) for failure in answer.failures] == [("bogus", "unknown property")]
    assert decode(answer.inputs) == {"bogus": Secret(1), "name": "made-up"}


def test_settings_are_checked(engine: Any) -> None:
    answer = engine.CheckConfig(provider_pb2.CheckRequest(urn=URN, news=encode({"colour": "red"})))
    assert [failure.property for failure in answer.failures] == ["colour"]


def test_a_diff_names_paths_and_replacements(engine: Any) -> None:
    request = provider_pb2.DiffRequest(id="i", urn=URN, old_inputs=encode({"a": 1}), news=encode({"a": 2}))
    answer = engine.Diff(request)
    assert list(answer.diffs) == ["name", "size"]
    assert list(answer.replaces) == ["name"]
    assert answer.deleteBeforeReplace
    kinds = {path: change.kind for path, change in answer.detailedDiff.items()}
    assert kinds == {"name": provider_pb2.PropertyDiff.UPDATE_REPLACE, "size.max": provider_pb2.PropertyDiff.ADD}


def test_gone_is_an_empty_id(engine: Any, provider: Remembering) -> None:
    request = provider_pb2.ReadRequest(id="i", urn=URN, inputs=encode({"key": Secret("k")}))
    answer = engine.Read(request)
    assert (answer.id, decode(answer.inputs)) == ("i", {"key": Secret("k"), "size": 7})
    provider.present = False
    assert engine.Read(request).id == ""


def test_a_refusal_is_the_cloud_s_own_text(engine: Any, provider: Remembering) -> None:
    provider.error = OperationError("operation error EKS: no")
    with pytest.raises(grpc.RpcError) as caught:
        engine.Delete(provider_pb2.DeleteRequest(id="i", urn=URN))
    assert caught.value.details() == "operation error EKS: no"


def test_what_exists_and_is_not_well_reaches_the_state(engine: Any, provider: Remembering) -> None:
    provider.error = PartialOperationError(
        ResourceState("id-9", {"key": "k"}, {"key": "k", "status": "FAILED"}), "no capacity"
    )
    with pytest.raises(grpc.RpcError) as caught:
        engine.Create(provider_pb2.CreateRequest(urn=URN, properties=encode({"key": Secret("k")})))
    trailing = dict(caught.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("id-9", ["no capacity"])
    assert decode(detail.properties) == {"key": Secret("k"), "status": "FAILED"}


def test_a_fault_of_the_imitation_says_so_with_its_place(engine: Any, provider: Remembering) -> None:
    provider.error = KeyError("oops")
    with pytest.raises(grpc.RpcError) as caught:
        engine.Invoke(provider_pb2.InvokeRequest(tok="a:b:c"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "the twin provider failed" in caught.value.details()
    assert "test_provider_servicer.py" in caught.value.details()


def test_functions_answer(engine: Any) -> None:
    answer = engine.Invoke(provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion", args=encode({"a": 1})))
    assert decode(getattr(answer, "return")) == {"answer": 42}
