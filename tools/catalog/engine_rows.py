"""Writes what each release of the engine began and ceased to serve, from a folder of its published packages.

    python -m tools.catalog.engine_rows FOLDER [OUT_FOLDER]

FOLDER holds `vllm-VERSION.tar.gz`, or the wheel of a release that has no source package, as the package index has them.
Read are the tables of model classes and the names of weight formats; nothing of a package is run. The packages are
not part of this repository. The same input gives the same bytes.
"""

from __future__ import annotations

import ast
import datetime
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planner.domain.engine import Version
from tools.catalog.build import SHIPPED
from tools.catalog.raw_tables import Fact
from tools.catalog.yaml_text import facts_text

REGISTRIES = (
    "vllm/model_executor/models/registry.py",
    "vllm/model_executor/models/__init__.py",
    "vllm/model_executor/model_loader.py",
)
"""Files in which releases keep their tables of model classes, the newest place first."""
FORMATS = ("vllm/model_executor/layers/quantization/__init__.py", "vllm/model_executor/quantization_utils/__init__.py")
"""Files in which releases name the formats of weights, the newest place first."""
CLASS_TABLES = re.compile(
    r"_(?:(?:TEXT_|CONDITIONAL_)?GENERATION|MULTIMODAL|TRANSFORMERS(?:_SUPPORTED)?)_MODELS|_MODELS|_MODEL_REGISTRY"
)
"""Names of tables with classes that generate text. Encoders, drafters and ended classes have their own tables."""
FORMAT_TABLES = re.compile(r"QUANTIZATION_METHODS|QuantizationMethods|_QUANTIZATION_(?:CONFIG_)?REGISTRY")
NAMED_FORMATS = {
    "awq": "awq",
    "fp8": "fp8",
    "gptq": "gptq",
    "gpt_oss_mxfp4": "mxfp4",
    "modelopt_fp4": "nvfp4",
    "mxfp4": "mxfp4",
}
"""Name of a format in the engine → in the catalog. Formats that the engine reads under a shared name are not here."""
ANY_CLASS = re.compile(r"Transformers\w+")
"""Classes of the engine itself, for models that it has no class of."""


@dataclass(frozen=True)
class Package:
    """One release as its package has it.

    version: its number.
    day: the day on which it was packed.
    registry: path of its table of classes.
    classes, formats: names in its tables.
    """

    version: Version
    day: str
    registry: str
    classes: frozenset[str]
    formats: frozenset[str]


def main(arguments: list[str]) -> int:
    """Write the table; returns an exit code."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = [_package(path) for path in Path(arguments[0]).iterdir() if path.suffix in (".gz", ".whl")]
    out = Path(arguments[1]) if len(arguments) == 2 else SHIPPED
    path = out / "engines/vllm.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    releases = {str(row["key"]): {name: value for name, value in row.items() if name != "key"} for row in rows(found)}
    path.write_text(facts_text({"releases": releases}), encoding="utf-8")
    return 0


def rows(packages: list[Package]) -> Iterator[Fact]:
    """Yield what is new in each release, the oldest first; the newest one is there even where nothing is."""
    ordered = sorted(packages, key=lambda package: package.version)
    classes: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    for package in ordered:
        begun, ended, read = package.classes - classes, classes - package.classes, package.formats - formats
        classes, formats = package.classes, formats | package.formats
        if begun or ended or read or package is ordered[-1]:
            yield {
                "key": package.version.text,
                **({"classes": sorted(begun)} if begun else {}),
                **({"dropped": sorted(ended)} if ended else {}),
                **({"formats": sorted(read)} if read else {}),
                "source": f"vLLM {package.version.text}, {package.registry}",
                "as_of": package.day,
            }


def _package(path: Path) -> Package:
    """Read one package."""
    version = re.match(r"vllm-(.+?)(?:\.tar\.gz|-cp.*\.whl)$", path.name)
    assert version, f"{path.name} is no package of a release"
    texts, day = _wheel(path) if path.suffix == ".whl" else _source(path)
    classes = {name: _names(text, CLASS_TABLES) for name, text in texts.items() if name in REGISTRIES}
    registry = next(name for name in REGISTRIES if classes.get(name))
    named = next((_names(texts[name], FORMAT_TABLES) for name in FORMATS if name in texts), frozenset())
    return Package(
        Version.of(version[1]),
        day,
        registry,
        frozenset(name for name in classes[registry] if not ANY_CLASS.fullmatch(name)),
        frozenset(NAMED_FORMATS[name] for name in named if name in NAMED_FORMATS),
    )


def _source(path: Path) -> tuple[dict[str, str], str]:
    texts, day = {}, ""
    with tarfile.open(path, "r:gz") as packed:
        for member in packed:
            name = member.name.partition("/")[2]
            if name == "PKG-INFO":
                day = datetime.datetime.fromtimestamp(member.mtime, datetime.UTC).date().isoformat()
            elif name in (*REGISTRIES, *FORMATS) and (file := packed.extractfile(member)) is not None:
                texts[name] = file.read().decode()
    return texts, day


def _wheel(path: Path) -> tuple[dict[str, str], str]:
    with zipfile.ZipFile(path) as packed:
        there = packed.namelist()
        texts = {name: packed.read(name).decode() for name in (*REGISTRIES, *FORMATS) if name in there}
        about = next(name for name in there if name.endswith(".dist-info/METADATA"))
        year, month, day, *_ = packed.getinfo(about).date_time
    return texts, datetime.date(year, month, day).isoformat()


def _names(text: str, tables: re.Pattern[str]) -> frozenset[str]:
    """Return the keys of the tables of some names, and the items of lists."""
    names: set[str] = set()
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target, value = node.targets[0] if isinstance(node, ast.Assign) else node.target, node.value
        if not isinstance(target, ast.Name) or not tables.fullmatch(target.id):
            continue
        if isinstance(value, ast.Dict):
            keys = value.keys
        elif isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Tuple):
            keys = list(value.slice.elts)
        else:
            keys = list(value.elts) if isinstance(value, ast.List) else []
        names.update(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
    return frozenset(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
