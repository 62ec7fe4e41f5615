"""Asks the guardrails about everything that the program registers, and bounds every role that it makes.

The engine asks before it registers a resource, with the values that it would send, in previews and in `up` alike. A
refusal is an error of the run with the code and what to do, and the resource is not made.

A Deployment that states no number of replicas leaves it to an autoscaler. One that stated a number before, and is taken
over, would fall to one replica until the autoscaler sees it; so the number that it had is never a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from infra import guardrails
from infra.guardrails import Granted
from planner.words.diagnostics import text_lines

ROLE = "aws:iam/role:Role"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


class GuardrailError(Exception):
    """A resource may not be what the program wants it to be. Its text lists every reason."""


@dataclass(frozen=True, eq=False)
class Judge:
    """The judge is what the engine asks before it registers a resource."""

    granted: Granted

    async def __call__(self, args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        """Raise `GuardrailError` for a resource that a guardrail refuses, once its inputs are known."""
        inputs = await pulumi.Output.from_input(args.props).future(with_unknowns=True)
        try:
            refuse(args.type_, args.name, inputs or {}, self.granted)
        except GuardrailError as refusal:
            pulumi.log.error(str(refusal))  # what is raised here reaches people inside a stack trace
            raise
        return _scaled_by_others(args, inputs or {})


def guard(granted: Granted) -> None:
    """Let nothing be registered from now on that the guardrails refuse, and no role without the boundary."""
    if granted.boundary is not None:
        pulumi.runtime.register_stack_transformation(lambda args: _bounded(args, str(granted.boundary)))
    pulumi.runtime.register_resource_transform(Judge(granted))


def refuse(kind: str, name: str, inputs: Mapping[str, Any], granted: Granted) -> None:
    """Raise `GuardrailError` for a resource that a guardrail refuses."""
    against = guardrails.problems(kind, name, inputs, granted)
    if against:
        raise GuardrailError("\n".join(text_lines(against)))


def _scaled_by_others(
    args: pulumi.ResourceTransformArgs, inputs: Mapping[str, Any]
) -> pulumi.ResourceTransformResult | None:
    """Leave the number of replicas to whoever scales the Deployment; None for every other resource."""
    spec = inputs.get("spec")
    if args.type_ != DEPLOYMENT or not isinstance(spec, Mapping) or "replicas" in spec:
        return None
    left = pulumi.ResourceOptions(ignore_changes=["spec.replicas"])
    return pulumi.ResourceTransformResult(args.props, pulumi.ResourceOptions.merge(args.opts, left))


def _bounded(args: pulumi.ResourceTransformationArgs, boundary: str) -> pulumi.ResourceTransformationResult | None:
    if args.type_ != ROLE:
        return None
    return pulumi.ResourceTransformationResult({**args.props, "permissions_boundary": boundary}, args.opts)
