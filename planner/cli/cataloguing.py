"""`catalog`: the team's own rows beside its environments."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.cli.output import note, show, show_json
from planner.documents.model_config.derive import derive
from planner.documents.model_config.index import check_index, without_index
from planner.documents.model_config.row import Origin, as_yaml, row_of, tuned_row
from planner.domain.catalog import Catalog
from planner.domain.engine import Engine
from planner.domain.engine_minimum import engine_gap, unserved
from planner.domain.gaps import Gap
from planner.domain.models import REPOSITORY, WEIGHTS_ADDRESS, Model
from planner.edges.catalog_files import load_catalog
from planner.edges.files import read_text, write_text
from planner.edges.model_sources import model_files
from planner.edges.own_catalog import catalog_beside, own_model_path, read_own_model
from planner.faces.models import model_view
from planner.performance.memory import weights_bytes
from planner.words.diagnostics import Problem, Problems

KEY = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")
"""The form of a model's key: what stands in accept lists."""
_DATED = re.compile(r"^ *(?:as_of|source): .*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options of `add-model` say; empty where they say nothing.

    key: name of the row.
    hf_id, revision: repository and commit.
    weights: where own weights lie.
    base: the model of the catalog whose shape own weights have.
    licence: the model's licence.
    """

    key: str = ""
    hf_id: str = ""
    revision: str = ""
    weights: str = ""
    base: str = ""
    licence: str = ""


def add_model(subject: str, index: Path | None, asked: Asked, folder: Path, replace: bool, form: str) -> None:
    """Derive the row of a model, show it, and write it into the own catalog beside the environments."""
    shipped, catalog = load_catalog(), catalog_beside(folder)
    if problems := [*_misnamed(subject, asked), *_own_base(asked, shipped, catalog)]:
        raise Problems(problems)
    if asked.base:
        row, told, default = _tuned(subject, asked)
    else:
        row, told, default = _derived(subject, index, asked)
    key = asked.key or default
    if not KEY.fullmatch(key):
        hint = "name it with --name: lower-case letters, digits, dots and hyphens"
        raise Problems([Problem("USE003", f"`{key}` cannot be the key of a model", hint=hint)])
    text, path = as_yaml(row), own_model_path(folder, key)
    model = read_own_model(key, text, str(path), shipped)
    told = [*told, *_told(model, catalog.own.get(f"model/{key}") is None and key in catalog.models, catalog.engine)]
    if form == "json":
        show_json({"key": key, "file": str(path), "row": row, "told": told})
    else:
        show(model_view(model, _sizes(model), told, catalog.engine_minimum(model)))
    _write(path, text, replace, key in shipped.models)


def _misnamed(subject: str, asked: Asked) -> Iterator[Problem]:
    """Yield a problem for each option that names no place of weights."""
    if asked.weights and not WEIGHTS_ADDRESS.fullmatch(asked.weights):
        hint = "write s3://BUCKET/PREFIX, with plain letters, digits, dots, hyphens and _; in the region of the cluster"
        yield Problem("USE003", f"`{asked.weights}` is no place of weights", hint=hint)
    hf_id = asked.hf_id or (subject if asked.base else "")
    if hf_id and not REPOSITORY.fullmatch(hf_id):
        yield Problem("USE003", f"`{hf_id}` is no repository", hint="write ORG/MODEL, as Hugging Face names it")


def _own_base(asked: Asked, shipped: Catalog, catalog: Catalog) -> Iterator[Problem]:
    """Yield a problem where the base is an own row: plans take shapes from shipped rows alone.

    A row that stands for its own base may be written again: it has the shape of the shipped row as before.
    """
    again = asked.base == asked.key and asked.base in shipped.models
    if f"model/{asked.base}" in catalog.own and not again:
        message = f"`{asked.base}` is a row of your own catalog, and a base is a shipped model"
        hint = f"copy catalog/models/{asked.base}.yaml to the new key and change it there, or give the configuration"
        yield Problem("USE003", message, hint=hint)


def _derived(subject: str, index: Path | None, asked: Asked) -> tuple[dict[str, Any], list[str], str]:
    """Return the row that a configuration makes, what is told of it, and the key that follows from its name."""
    if not subject:
        hint = "give its configuration, or --base KEY for own weights of the shape of a known model"
        raise Problems([Problem("USE003", "no model is named", hint=hint)])
    files = model_files(subject, index, asked.revision)
    derived = derive(files.config, files.quantization)
    checked = check_index(derived, files.index, files.config) if files.index else without_index(derived, files.config)
    hf_id = asked.hf_id or files.hf_id
    if hf_id is None and not asked.weights:
        hint = (
            "name its repository with --hf-id ORG/MODEL, or the place of own weights with --weights s3://BUCKET/PREFIX"
        )
        raise Problems([Problem("USE003", "nothing says where the weights come from", hint=hint)])
    origin = _origin(asked, hf_id or asked.key, files.source, asked.revision or files.revision)
    beside = [f"the checkpoint also holds {part.name}: {part.weights:+,} parameters" for part in checked.beside]
    if files.index is None:
        beside.append("no index of the checkpoint was read: the parameters are counted from the shape alone")
    told = [*checked.derived.assumed, *beside]
    return row_of(checked.derived, origin), told, (hf_id or "").rpartition("/")[2].lower()


def _tuned(subject: str, asked: Asked) -> tuple[dict[str, Any], list[str], str]:
    """Return the row of own weights that have the shape of a model of the catalog."""
    hf_id = asked.hf_id or subject
    if not hf_id and not asked.weights:
        hint = "name them with --weights s3://BUCKET/PREFIX or with --hf-id ORG/MODEL"
        raise Problems([Problem("USE003", "nothing says where the own weights lie", hint=hint)])
    origin = _origin(asked, hf_id or asked.key, f"own weights of the shape of {asked.base}", asked.revision or None)
    told = [f"its shape, context and precision are those of {asked.base}: nobody has read its own configuration"]
    return tuned_row(asked.base, origin), told, hf_id.rpartition("/")[2].lower()


def _origin(asked: Asked, hf_id: str, source: str, revision: str | None) -> Origin:
    return Origin(
        hf_id=hf_id,
        revision=revision if revision and re.fullmatch(r"[0-9a-f]{40}", revision) else None,
        weights=asked.weights or None,
        licence=asked.licence or None,
        source=source,
        as_of=datetime.date.today().isoformat(),
    )


def _told(model: Model, replaces: bool, engine: Engine) -> list[str]:
    """Return what plans will say of the row."""
    entry = [f"accept it as `{model.key}`"]
    shipped = ["it stands for the shipped row of the same key"] if replaces else []
    gaps = (*model.gaps(), engine_gap(model, engine), unserved(model, engine))
    return [*entry, *shipped, *(gap.message if isinstance(gap, Gap) else gap.reason for gap in gaps if gap is not None)]


def _sizes(model: Model) -> Sequence[tuple[str, float]]:
    return [(way.name, weights_bytes(model, way, 1)) for way in model.precisions() if way.checkpoint is not None]


def _write(path: Path, text: str, replace: bool, is_shipped: bool) -> None:
    """Write the row. What is there is kept unless it may be replaced; another day alone is no other content.

    is_shipped: whether a shipped model has this name.
    """
    if path.exists():
        before = read_text(path)
        if _DATED.sub("", before) == _DATED.sub("", text):
            note(f"{path} is unchanged")
            return
        if not replace:
            lines = difflib.unified_diff(
                before.splitlines(), text.splitlines(), "as it is", "as derived", "", "", 0, ""
            )
            note("\n".join(lines))
            hint = "give --replace to write the new one; plans that use it are stale then"
            raise Problems([Problem("CFG010", f"{path} says something else", hint=hint)], exit_code=1)
    elif is_shipped and not replace:
        message = f"`{path.stem}` is a shipped model, and would mean your own row from then on"
        hint = "give it another name with --name, or --replace to stand for the shipped row"
        raise Problems([Problem("CFG010", message, hint=hint)], exit_code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    note(f"wrote {path}; environments beside it can accept it")
