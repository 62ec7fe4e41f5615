"""Which properties a resource type takes, read from the source of the SDK that programs are written against.

An imitation that accepted any property would let a program pass here and fail at the real provider. The generated SDK
names every property, says which are required and how they nest, and is installed beside the program at the same
version; so it is the reference. It is read as text: importing one of these packages takes seconds and memory, while
cutting one class out of a file takes milliseconds.

The module does not judge values: enumerations, formats and limits belong to the imitated service.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from twin.provider.wire import UNKNOWN, Secret

GENERATED: Final = "__defaults"
"""Name of the input that lists the inputs which the provider completed by itself. The bridged providers keep it in the
state."""

Container = Literal["one", "many", "map"]


@dataclass(frozen=True)
class Property:
    """A property is one input of a resource type.

    name: its name on the wire.
    required: whether it must be given.
    container: whether it is one value, a list or a map.
    scalar: type of its value or values, None for objects and free-form values.
    """

    name: str
    required: bool
    container: Container
    scalar: Literal["bool", "int", "float", "str"] | None
    nested: str | None
    """Class of the object, or of each object in the list or map; None for scalars and free-form values."""


@dataclass(frozen=True)
class InputProblem:
    """A problem says what is wrong with one property.

    path: path of the property, empty when the problem concerns the resource as a whole.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class ResourceSchema:
    """A schema names the inputs and outputs of one resource type, by their names on the wire."""

    token: str
    inputs: Mapping[str, Property]
    outputs: frozenset[str]
    inputs_source: Path
    """The file that holds the classes of nested inputs."""


class UnknownTypeError(LookupError):
    """The SDK has no such resource type or function."""


class Sdk:
    """An SDK is one installed package, such as `pulumi_aws`.

    Raises `ModuleNotFoundError` when the package is not installed.
    """

    def __init__(self, package: str) -> None:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"the package {package} is not installed", name=package)
        self.folder = Path(spec.origin).parent

    @cached_property
    def version(self) -> str:
        """Return the version of the provider that the SDK asks the engine for."""
        return str(json.loads((self.folder / "pulumi-plugin.json").read_text())["version"])

    def resource(self, token: str) -> ResourceSchema:
        """Return the schema of a type token such as `aws:eks/nodeGroup:NodeGroup`.

        Raises `UnknownTypeError` when the SDK has no such type.
        """
        source, class_name = self._source_of(token)
        return _resource_schema(token, source, class_name)

    def problems(self, token: str, inputs: Mapping[str, Any]) -> list[InputProblem]:
        """List unknown, missing and wrongly shaped properties of a resource. The list is empty when the program may
        stand."""
        schema = self.resource(token)
        return list(_object_problems(schema.inputs, inputs, "", schema.inputs_source))

    def _source_of(self, token: str) -> tuple[Path, str]:
        parts = token.split(":")
        if len(parts) != 3:
            raise UnknownTypeError(f"{token} is not a type token of the form package:module:Name")
        _, module, class_name = parts
        # `eks/nodeGroup:NodeGroup` names its file in the module; `helm.sh/v3:Release` lies in the folder helm/v3.
        group, _, rest = module.partition("/")
        folder = Path(group.split(".")[0]) if rest == _lower_first(class_name) else Path(group.split(".")[0], rest)
        for file_name in (f"{_snake(class_name)}.py", f"{class_name}.py"):
            source = self.folder / folder / file_name
            if source.is_file():
                return source, class_name
        raise UnknownTypeError(f"{token}: the installed SDK {self.folder.name} {self.version} has no such type")


def _object_problems(
    properties: Mapping[str, Property], values: Mapping[str, Any], path: str, source: Path
) -> Iterator[InputProblem]:
    for name in sorted(set(values) - set(properties)):
        if name != GENERATED:
            yield InputProblem(_join(path, name), f"unknown property; known are {', '.join(sorted(properties))}")
    for name, prop in sorted(properties.items()):
        value = values.get(name)
        if value is None:
            if prop.required:
                yield InputProblem(_join(path, name), "required property is missing")
            continue
        yield from _value_problems(prop, value, _join(path, name), source)


def _value_problems(prop: Property, value: Any, path: str, source: Path) -> Iterator[InputProblem]:
    if isinstance(value, Secret):
        value = value.value
    if value is UNKNOWN or (prop.scalar is None and prop.nested is None):
        return
    if prop.container == "many":
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)] if isinstance(value, list) else None
    elif prop.container == "map":
        items = [(f"{path}.{key}", item) for key, item in value.items()] if isinstance(value, dict) else None
    else:
        items = [(path, value)]
    if items is None:
        expected = "list" if prop.container == "many" else "map"
        yield InputProblem(path, f"expected a {expected}, got {type(value).__name__}")
        return
    for item_path, item in items:
        item = item.value if isinstance(item, Secret) else item
        if item is UNKNOWN or item is None:
            continue
        if prop.nested is not None:
            if not isinstance(item, dict):
                yield InputProblem(item_path, f"expected an object, got {type(item).__name__}")
            else:
                yield from _object_problems(_nested_properties(source, prop.nested), item, item_path, source)
        elif not _fits(prop.scalar, item):
            yield InputProblem(item_path, f"expected {prop.scalar}, got {type(item).__name__} {item!r}")


def _fits(scalar: str | None, value: Any) -> bool:
    """Tell whether a scalar can be read as the type.

    As with the real providers, numbers and booleans may come as text.
    """
    if isinstance(value, dict | list):
        return False
    text = str(value)
    if scalar == "bool":
        return isinstance(value, bool) or text in {"true", "false"}
    if scalar == "int":
        return not isinstance(value, bool) and re.fullmatch(r"-?\d+", text) is not None
    if scalar == "float":
        return not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", text) is not None
    return True


@lru_cache(maxsize=512)
def _resource_schema(token: str, source: Path, class_name: str) -> ResourceSchema:
    text = source.read_text()
    outputs = {wire for wire, _ in _getters(_class_body(text, class_name, source))}
    # The generator says `XInitArgs` where `XArgs` is already the name of a nested type.
    arguments = f"{class_name}InitArgs" if f"\nclass {class_name}InitArgs" in text else f"{class_name}Args"
    inputs = _properties(_class_body(text, arguments, source))
    for folder in (source.parent, *source.parent.parents):
        if (folder / "_inputs.py").is_file():
            return ResourceSchema(token, inputs, frozenset(outputs), folder / "_inputs.py")
    return ResourceSchema(token, inputs, frozenset(outputs), source)


@lru_cache(maxsize=1024)
def _nested_properties(source: Path, class_name: str) -> Mapping[str, Property]:
    return _properties(_class_body(_text(source), class_name, source))


@lru_cache(maxsize=32)
def _text(source: Path) -> str:
    return source.read_text()


def _class_body(text: str, class_name: str, source: Path) -> str:
    start = re.search(rf"^class {class_name}\b.*:$", text, re.MULTILINE)
    if start is None:
        raise UnknownTypeError(f"{source.name} of the installed SDK has no class {class_name}")
    end = re.search(r"^\S", text[start.end() :], re.MULTILINE)
    return text[start.start() : start.end() + end.start()] if end else text[start.start() :]


def _getters(body: str) -> list[tuple[str, str]]:
    """Return (name on the wire, name in Python) of each property of a generated class."""
    names = re.findall(r"@pulumi\.getter(?:\(name=\"([^\"]+)\"\))?\n    def (\w+)\(self\)", body)
    return [(wire or python, python) for wire, python in names]


def _properties(body: str) -> Mapping[str, Property]:
    wire_names = {python: wire for wire, python in _getters(body)}
    class_node = ast.parse(body).body[0]
    assert isinstance(class_node, ast.ClassDef)
    init = next(item for item in class_node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    properties = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        name = wire_names.get(argument.arg, argument.arg)
        properties[name] = _property(name, annotation, required=default is None)
    return properties


def _property(name: str, annotation: str, *, required: bool) -> Property:
    container: Container = "many" if "Sequence[" in annotation else "map" if "Mapping[" in annotation else "one"
    nested = re.search(r"'(?:\w+\.)*(\w+Args)'", annotation)
    scalars = re.findall(r"_builtins\.(bool|int|float|str)", annotation)
    # A policy may be text or an object, a port a number or text: with a choice of shapes, any of them stands.
    free = "Union[" in annotation or "Any" in annotation
    return Property(
        name=name,
        required=required,
        container=container,
        scalar=None if free or not scalars else scalars[-1],
        nested=None if free or nested is None else nested.group(1),
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]
