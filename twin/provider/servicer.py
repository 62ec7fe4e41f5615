"""gRPC requests of the engine -> questions of the contract -> gRPC replies.

Secrets are taken off on the way in and put back on the way out, so that an output which repeats a secret input is
encrypted in the state like the input. The module knows the protocol's habits: an empty id means "gone", a status detail
tells of a failed creation that left something behind, and a diff names every changed path.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import (
    ResourceProviderServicer,
    plugin_pb2,
    provider_pb2,
    status_pb2,
)

from twin.provider.arguments import InputProblem
from twin.provider.contract import (
    Difference,
    ImitatedProvider,
    OperationError,
    PartialOperationError,
    Resource,
    ResourceState,
)
from twin.provider.wire import Properties, decode, encode, is_known, plain, seal

Reply = TypeVar("Reply")

_KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class Servicer(ResourceProviderServicer):  # type: ignore[misc]
    """The servicer is the gRPC face of one provider."""

    def __init__(self, provider: ImitatedProvider) -> None:
        self._provider = provider

    # Plugin

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._provider.sdk.version)

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Programs carry generated SDKs; a schema would only serve languages that read it at run time.
        return provider_pb2.GetSchemaResponse(
            schema=f'{{"name": "{self._provider.package}", "version": "{self._provider.sdk.version}"}}'
        )

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._provider.cancel()
        return empty_pb2.Empty()

    # Configuration

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = decode(request.news)
        problems = self._provider.check_configuration(plain(inputs))
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=_failures(problems))

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        old, new = plain(decode(request.old_inputs)), plain(decode(request.news))
        return _diff_response(_answer(context, lambda: self._provider.diff_configuration(old, new)))

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        configuration = plain(decode(request.args))
        _answer(context, lambda: self._provider.configure(configuration))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # Resources

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = decode(request.news)
        old = plain(decode(request.olds))
        resource = _resource(request)
        result = _answer(context, lambda: self._provider.check(resource, old, plain(inputs), request.randomSeed))
        return provider_pb2.CheckResponse(
            inputs=encode(seal(result.inputs, inputs)), failures=_failures(result.problems)
        )

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        old = _state(request.id, request.old_inputs, request.olds)
        inputs = plain(decode(request.news))
        difference = _answer(context, lambda: self._provider.diff(_resource(request), old, inputs))
        return _diff_response(difference)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = decode(request.properties)
        resource = _resource(request)
        if request.preview:
            outputs = _answer(context, lambda: self._provider.plan_create(resource, plain(inputs)))
            return provider_pb2.CreateResponse(id="", properties=encode(self._with_secrets(outputs, inputs)))
        _require_known(inputs, resource, context)
        state = self._answer_with_state(
            context, inputs, lambda: self._provider.create(resource, plain(inputs), request.timeout)
        )
        return provider_pb2.CreateResponse(id=state.id, properties=encode(self._with_secrets(state.outputs, inputs)))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        secret_inputs = decode(request.inputs)
        old = _state(request.id, request.inputs, request.properties)
        state = _answer(context, lambda: self._provider.read(_resource(request), old))
        if state is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(
            id=state.id,
            inputs=encode(seal(state.inputs, secret_inputs)),
            properties=encode(self._with_secrets(state.outputs, secret_inputs)),
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = decode(request.news)
        old = _state(request.id, request.old_inputs, request.olds)
        resource = _resource(request)
        if request.preview:
            outputs = _answer(context, lambda: self._provider.plan_update(resource, old, plain(inputs)))
            return provider_pb2.UpdateResponse(properties=encode(self._with_secrets(outputs, inputs)))
        _require_known(inputs, resource, context)
        state = self._answer_with_state(
            context, inputs, lambda: self._provider.update(resource, old, plain(inputs), request.timeout)
        )
        return provider_pb2.UpdateResponse(properties=encode(self._with_secrets(state.outputs, inputs)))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        old = _state(request.id, request.old_inputs, request.properties)
        _answer(context, lambda: self._provider.delete(_resource(request), old, request.timeout))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        arguments = plain(decode(request.args))
        result = _answer(context, lambda: self._provider.invoke(request.tok, arguments))
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    def _with_secrets(self, outputs: Properties, inputs: Properties) -> Properties:
        """Make outputs as secret as the inputs that they repeat."""
        repeated_inputs = {output: inputs.get(name) for output, name in self._provider.repeats.items()}
        secret_outputs: Properties = seal(outputs, {**repeated_inputs, **inputs})
        return secret_outputs

    def _answer_with_state(self, context: Any, inputs: Properties, question: Callable[[], Reply]) -> Reply:
        """Answer as `_answer` does. A resource that exists and is not well reaches the state, and its secrets stay
        secret."""
        try:
            return _answer(context, question)
        except PartialOperationError as error:
            detail = provider_pb2.ErrorResourceInitFailed(
                id=error.state.id,
                properties=encode(self._with_secrets(error.state.outputs, inputs)),
                inputs=encode(seal(error.state.inputs, inputs)),
                reasons=[error.reason],
            )
            _abort_with(context, detail, error.reason)


def _answer(context: Any, question: Callable[[], Reply]) -> Reply:
    """Return the provider's answer, or raise its error as the status that the engine expects."""
    try:
        return question()
    except PartialOperationError:
        raise
    except OperationError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except Exception:
        # A fault of the imitation itself: say so with the place, or it would read like a fault of the program.
        context.abort(grpc.StatusCode.INTERNAL, f"the twin provider failed:\n{traceback.format_exc()}")
    raise AssertionError("abort returned")  # pragma: no cover - abort always raises


def _abort_with(context: Any, detail: Any, reason: str) -> NoReturn:
    status_detail = any_pb2.Any()
    status_detail.Pack(detail)
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message=f"resource is not ready: {reason}", details=[status_detail]
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, status.message)
    raise AssertionError("abort returned")  # pragma: no cover - abort always raises


def _diff_response(difference: Difference) -> Any:
    changes = difference.changes
    verdict = provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=verdict,
        diffs=sorted({change.top for change in changes}),
        replaces=sorted({change.top for change in changes if change.replaces}),
        detailedDiff={
            change.path: provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replaces], inputDiff=True)
            for change in changes
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=difference.delete_first,
    )


def _resource(request: Any) -> Resource:
    # urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME
    parts = request.urn.split("::", 3)
    return Resource(request.urn, request.type or parts[2].rsplit("$", 1)[-1], request.name or parts[3])


def _state(identifier: str, inputs: Any, outputs: Any) -> ResourceState:
    return ResourceState(identifier, plain(decode(inputs)), plain(decode(outputs)))


def _failures(problems: list[InputProblem]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems]


def _require_known(inputs: Properties, resource: Resource, context: Any) -> None:
    if not is_known(inputs):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{resource.urn}: an input is still unknown outside a preview")
