"""Property values as the engine sends them, and back.

The engine sends protobuf structs in which three things are special: a value that is not known yet (a fixed string), a
secret (a map with a signature), and numbers (always doubles). Here they are `UNKNOWN`, `Secret` and `int | float`.
Assets, archives and resource references stay the maps that they are, because no imitated resource takes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

Properties = dict[str, Any]

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
# One text for each kind of value that may be unknown; programs written in Python use the first for every kind.
_UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN_TEXTS: Final = frozenset(
    {
        _UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """The value exists only after the operation. There is one instance, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __copy__(self) -> Unknown:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """The engine must encrypt this value in its state."""

    value: Any


def decode(struct: struct_pb2.Struct) -> Properties:
    """Read the properties of one request."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Write properties as a struct. Keys whose value is None are left out, as providers do."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            struct.fields[key].CopyFrom(_encode(value))
    return struct


def plain(value: Any) -> Any:
    """Return the value without its secret wrappers."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def seal(value: Any, like: Any) -> Any:
    """Put secret wrappers on `value` wherever `like` has them. So outputs stay as secret as the inputs that they
    repeat."""
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) else Secret(value)
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {key: seal(item, like.get(key)) for key, item in value.items()}
    if _is_list(value) and _is_list(like) and len(value) == len(like):
        return [seal(item, other) for item, other in zip(value, like, strict=True)]
    return value


def is_known(value: Any) -> bool:
    """Tell whether nothing in the value is unknown."""
    if isinstance(value, Secret):
        return is_known(value.value)
    if isinstance(value, Mapping):
        return all(is_known(item) for item in value.values())
    if _is_list(value):
        return all(is_known(item) for item in value)
    return value is not UNKNOWN


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
            return Secret(_decode(fields["value"]))
        return {key: _decode(item) for key, item in fields.items()}
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN_TEXTS else value.string_value
    if kind == "bool_value":
        return value.bool_value
    return None


def _encode(value: Any) -> struct_pb2.Value:
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=_UNKNOWN_TEXT)
    if isinstance(value, Secret):
        fields = {_SIGNATURE: struct_pb2.Value(string_value=_SECRET), "value": _encode(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=encode(value))
    if _is_list(value):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(item) for item in value]))
    return struct_pb2.Value(string_value=str(value))
