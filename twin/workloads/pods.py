"""What a pod's container would run: an engine with its limits, or a program with its command line. The module is pure.

Everything comes from the pod itself, except for the coefficients of the engine's clock, which no pod states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from twin.engine.clock import EngineClock
from twin.workloads.objects import Object

_ENGINE: Final = ["vllm", "serve"]
_PROGRAM: Final = ["python", "-m"]
_ANY_ADDRESS: Final = ("0.0.0.0", "::")
_VLLM_PORT: Final = 8000


class PodError(ValueError):
    """What a pod says cannot be run here. The message names the pod and why."""


@dataclass(frozen=True)
class PodName:
    """A pod's name. A pod that comes back under its name (a StatefulSet's) has another uid."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def name_of(pod: Object) -> PodName:
    """Return the name of a pod."""
    metadata = pod["metadata"]
    return PodName(metadata["namespace"], metadata["name"], metadata["uid"])


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is Ready and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and pod["metadata"].get("deletionTimestamp") is None


def grace_seconds(pod: Object) -> float:
    """Return how long a pod may take to end when it is deleted, seconds."""
    return float(pod["spec"].get("terminationGracePeriodSeconds", 30))


def kind_of(pod: Object) -> Literal["engine", "program"] | None:
    """Return what a pod's first container would run; None for what is not run here, such as a Job without a port."""
    container = pod["spec"]["containers"][0]
    command = container.get("command") or []
    if command == _ENGINE:
        return "engine"
    return "program" if command[:2] == _PROGRAM and len(command) == 3 and container.get("ports") else None


def ports_of(pod: Object) -> tuple[int, ...]:
    """Return the ports that a pod's first container states or listens on by its command."""
    container = pod["spec"]["containers"][0]
    stated = [int(port["containerPort"]) for port in container.get("ports") or ()]
    return tuple(stated) if kind_of(pod) != "engine" else (engine_port(pod),)


def named_ports(pod: Object) -> dict[str, int]:
    """Return the ports of all containers that have a name."""
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return {port["name"]: int(port["containerPort"]) for port in ports if "name" in port}


def engine_port(pod: Object) -> int:
    """Return the port on which the engine of a pod listens."""
    return _number(pod, _flags(pod), "port") or _VLLM_PORT


def engine_clock(pod: Object, clocks: Mapping[str, EngineClock]) -> EngineClock:
    """Return the clock of a pod's engine: the coefficients of the model's clock under the limits of the arguments.

    clocks: by the name under which a model is served.

    With speculative decoding the clock keeps its own tokens of a step, as those depend on what drafts are accepted.
    Raises `PodError`.
    """
    flags = _flags(pod)
    if "ssl-certfile" in flags or "ssl-keyfile" in flags:
        raise PodError(f"{name_of(pod)} serves with TLS, whose certificates nobody issues here")
    names = flags.get("served-model-name") or []
    if len(names) != 1 or names[0] not in clocks:
        raise PodError(f"{name_of(pod)} serves {', '.join(names) or 'no name'}, which has no clock")
    clock = clocks[names[0]]
    copies = _number(pod, flags, "data-parallel-size") or 1
    servers = _number(pod, flags, "api-server-count") or 1
    tokens = _required(pod, flags, "max-num-batched-tokens") * copies
    waiting_tokens = _number(pod, flags, "max-num-queued-tokens")
    stated = {
        "model": names[0],
        "max_model_len": _required(pod, flags, "max-model-len"),
        "max_num_seqs": _required(pod, flags, "max-num-seqs") * copies,
        "max_num_batched_tokens": clock.max_num_batched_tokens if "speculative-config" in flags else tokens,
        "max_num_queued_reqs": _number(pod, flags, "max-num-queued-reqs"),
        "max_num_queued_tokens": None if waiting_tokens is None else waiting_tokens * servers,
        "adapters": tuple(module.partition("=")[0] for module in flags.get("lora-modules", ())),
    }
    try:
        return EngineClock.model_validate({**clock.model_dump(), **stated})
    except ValueError as error:
        raise PodError(f"the engine of {name_of(pod)} would refuse its arguments: {error}") from error


def command_of(pod: Object, address: str, root: str) -> tuple[str, list[str]]:
    """Return module and arguments of a program's pod, as they work on this machine.

    address: the pod's own, in place of all addresses of a container.
    root: folder in which the pod's mounted files lie.
    """
    container = pod["spec"]["containers"][0]
    mounts = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts") or ()]
    arguments = [_here(text, address, root, mounts) for text in container.get("args") or ()]
    return container["command"][2], arguments


def readiness(pod: Object) -> tuple[int, str] | None:
    """Return port and path that say whether a program's pod is ready; None where it has no such probe."""
    probe = (pod["spec"]["containers"][0].get("readinessProbe") or {}).get("httpGet")
    if probe is None:
        return None
    port = probe["port"]
    return named_ports(pod)[port] if isinstance(port, str) else int(port), probe["path"]


def _here(text: str, address: str, root: str, mounts: Iterable[str]) -> str:
    flag, equals, value = text.partition("=")
    if not equals:
        flag, value = "", text
    if value in _ANY_ADDRESS:
        value = address
    elif any(value == mount or value.startswith(f"{mount}/") for mount in mounts):
        value = f"{root}{value}"
    return f"{flag}{equals}{value}"


def _flags(pod: Object) -> dict[str, list[str]]:
    """Return the values of each flag: those after `=`, or the words up to the next flag."""
    flags: dict[str, list[str]] = {}
    current: list[str] = []
    for text in pod["spec"]["containers"][0].get("args") or ():
        if not text.startswith("--"):
            current.append(text)
            continue
        name, equals, value = text.removeprefix("--").partition("=")
        current = flags.setdefault(name, [])
        current += [value] if equals else []
    return flags


def _number(pod: Object, flags: Mapping[str, list[str]], name: str) -> int | None:
    values = flags.get(name)
    if values is None:
        return None
    if len(values) != 1 or not values[0].isdigit():
        raise PodError(f"--{name} of {name_of(pod)} is {' '.join(values) or 'empty'}, which is no number")
    return int(values[0])


def _required(pod: Object, flags: Mapping[str, list[str]], name: str) -> int:
    value = _number(pod, flags, name)
    if value is None:
        raise PodError(f"{name_of(pod)} states no --{name}, whose default depends on a model and a GPU")
    return value


def variables_of(pod: Object) -> list[dict[str, Any]]:
    """Return the variables of a program's container, as the pod states them."""
    return list(pod["spec"]["containers"][0].get("env") or ())
