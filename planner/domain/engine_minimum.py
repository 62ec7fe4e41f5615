"""From which release on the engine serves a model, as far as that is known, and whether the one that plans run does.

    minimum = the latest of the releases that are the first with its class, with the format of its weights, and with
              what its row states beside

It is a lower bound: a release with the class may lack something of a model that came later. A model whose class is not
known, or is in no release that was read, has no minimum, and nothing is held against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planner.domain.engine import DEPLOYED, ENGINE, Engine, EngineRelease, Version
from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization


@dataclass(frozen=True)
class EngineMinimum:
    """The first release that has all that is known to be needed.

    version: the release.
    because: what of the model needs it.
    source, as_of: where that was read, and the day that the source states.
    """

    version: Version
    because: str
    source: str
    as_of: str


@dataclass(frozen=True)
class Unserved:
    """The release that plans run does not serve a model.

    reason: why, as a clause that begins with the engine.
    """

    reason: str


def engine_minimum(model: Model, engine: Engine, way: Quantization | None = None) -> EngineMinimum | None:
    """Return the known minimum of a model; None where none is known. way: its precision; None = its native one."""
    by_class = _since_class(model, engine)
    stated = model.engine_minimum
    if by_class is None and stated is None:
        return None
    known = [by_class] if by_class else []
    if stated is not None:
        known.append(EngineMinimum(Version.of(stated.version), stated.because, stated.source, stated.as_of))
    known.extend(_formats(way or model.precisions()[0], engine))
    return max(known, key=lambda each: each.version)


def engine_gap(model: Model, engine: Engine) -> Gap | None:
    """Return that nobody knows which release serves a model; None where a minimum is known."""
    if engine_minimum(model, engine) is not None:
        return None
    if model.model_class is None:
        why = "the class of its configuration is not known"
        hint = "state `model_class` in its row, as the first of `architectures` in its config.json"
    else:
        why = f"no release that was read has its class {model.model_class.name}"
        hint = "state `engine_minimum` in its row, if its maker names a release"
    return Gap("model", model.key, f"from which release of {ENGINE} on {model.key} is served is not known: {why}", hint)


def unserved(
    model: Model, engine: Engine, way: Quantization | None = None, deployed: str = DEPLOYED
) -> Unserved | None:
    """Return why the engine does not serve a model; None where it does, or where nobody knows.

    way: its precision; None = its native one. deployed: the release that runs.
    """
    running = Version.of(deployed)
    minimum = engine_minimum(model, engine, way)
    if minimum is not None and minimum.version > running:
        return Unserved(f"{ENGINE} serves it from {minimum.version} on ({minimum.because}), and plans run {running}")
    ended = engine.until(model.model_class.name) if model.model_class else None
    if ended is not None and ended.version <= running and model.model_class is not None:
        name = model.model_class.name
        return Unserved(f"{ENGINE} has its class {name} no longer from {ended.version} on, and plans run {running}")
    return None


def _since_class(model: Model, engine: Engine) -> EngineMinimum | None:
    release = engine.since(model.model_class.name) if model.model_class else None
    return _first(release, f"class {model.model_class.name}") if release and model.model_class else None


def _formats(way: Quantization, engine: Engine) -> Iterator[EngineMinimum]:
    for name in dict.fromkeys((way.dense, way.experts)):
        if (release := engine.since_format(name)) is not None:
            yield _first(release, f"weights in {name}")


def _first(release: EngineRelease, because: str) -> EngineMinimum:
    return EngineMinimum(release.version, because, release.source, release.as_of)
