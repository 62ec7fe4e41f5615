"""What would fail while weights are copied or loaded, said before the first resource. The module is pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.settings import Weights
from infra.sizing import replica_share
from infra.streaming import LARGEST_TENSOR_BYTES, buffer_bytes, engine_bytes
from infra.weights_copy import copies
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

HUB = "https://huggingface.co"


def problems(plan: Plan, weights: Weights, token_secret: str | None, accepted: Sequence[str]) -> tuple[Problem, ...]:
    """List everything that speaks against the plan's weights.

    accepted: names of licences that were accepted at the Hub.
    """
    gated = {pool.hf_id: pool for pool in plan.pools if _from_hub(pool, weights) and pool.gated_licence}
    return (*_gated(gated, token_secret, accepted), *_host_memory(plan))


def warnings(plan: Plan, weights: Weights) -> tuple[Problem, ...]:
    """List what does not stop the run but should be known."""
    if weights == "copied" or not copies(plan.pools):
        return ()
    return tuple(_unpinned(plan))


def _from_hub(pool: Pool, weights: Weights) -> bool:
    return weights == "synced" and pool.weights is None


def _gated(gated: dict[str, Pool], token_secret: str | None, accepted: Sequence[str]) -> Iterator[Problem]:
    """Ask for the licence and the token of models that their makers give to known accounts alone."""
    for repository, pool in sorted(gated.items()):
        if pool.gated_licence not in accepted:
            message = f"{repository} is gated: its weights come after its licence ({pool.gated_licence}) was accepted"
            hint = (
                f"accept it at {HUB}/{repository} with the account of the token, and add {pool.gated_licence!r} to "
                "`spillway:acceptedLicences`; or copy the weights yourself (`spillway:weights: copied`)"
            )
            yield Problem("DEP060", message, hint=hint)
    if gated and token_secret is None:
        message = f"{', '.join(sorted(gated))}: gated weights need a token of Hugging Face, and none is named"
        hint = (
            "put a token with read access into AWS Secrets Manager and name the secret: `spillway:hubToken`; "
            "or copy the weights yourself (`spillway:weights: copied`)"
        )
        yield Problem("DEP061", message, hint=hint)


def _host_memory(plan: Plan) -> Iterator[Problem]:
    """Require that a replica's share of host memory holds the engine and the largest tensor while it loads."""
    groups = {group.name: group for group in plan.node_groups}
    for pool in plan.pools:
        group = groups.get(pool.node_group)
        if group is None or pool.engine.gpus > group.gpus_per_node:
            continue  # preflight tells it
        memory = replica_share(group, pool.engine.gpus).memory_mib << 20
        if buffer_bytes(memory, pool.engine) < LARGEST_TENSOR_BYTES:
            needed = engine_bytes(pool.engine) + pool.engine.gpus * LARGEST_TENSOR_BYTES
            message = (
                f"pool `{pool.name}`: a replica has {memory / 2**30:.1f} GiB of host memory on {group.instance_type}, "
                f"and needs {needed / 2**30:.1f} GiB while it loads"
            )
            yield Problem("DEP063", message, hint="forbid this instance type in `hardware:`, and plan again")


def _unpinned(plan: Plan) -> Iterator[Problem]:
    """Tell of weights whose revision nobody chose."""
    unpinned = sorted({pool.hf_id for pool in plan.pools if pool.weights is None and pool.revision is None})
    if unpinned:
        message = f"no revision is pinned for {', '.join(unpinned)}: the first copy takes what `main` names on its day"
        hint = "the copy stays at it; state `revision` in the model's row to choose"
        yield Problem("DEP062", message, hint=hint, severity="warning")
