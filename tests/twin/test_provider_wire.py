from __future__ import annotations

import copy
from typing import Any

from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from twin.provider.wire import UNKNOWN, Secret, decode, encode, is_known, plain, seal

_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
_VALUES = st.recursive(
    _SCALARS | st.just(UNKNOWN) | st.builds(Secret, _SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), _VALUES, max_size=5))
def test_properties_survive_the_wire(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == _without_none(properties)


def _without_none(value: Any) -> Any:
    """A key whose value is None is not sent; None inside a list is."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return Secret(_without_none(value.value)) if isinstance(value, Secret) else value


def test_unknowns_of_every_kind_are_understood() -> None:
    struct = struct_pb2.Struct()
    struct.update({"text": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "list": "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"})
    assert decode(struct) == {"text": UNKNOWN, "list": UNKNOWN}


def test_outputs_are_as_secret_as_the_inputs_they_repeat() -> None:
    inputs = {"values": {"keys": [Secret("k1"), "public"]}, "name": "n"}
    outputs = {"values": {"keys": ["k1", "public"]}, "name": "n", "arn": "a"}
    assert seal(outputs, inputs) == {"values": {"keys": [Secret("k1"), "public"]}, "name": "n", "arn": "a"}
    assert plain(seal(outputs, inputs)) == outputs


def test_there_is_one_unknown_even_in_copies() -> None:
    assert copy.deepcopy({"a": [UNKNOWN]})["a"][0] is UNKNOWN


def test_an_unknown_deep_inside_is_found() -> None:
    assert not is_known({"a": [{"b": Secret(UNKNOWN)}]})
    assert is_known({"a": [{"b": Secret("x")}]})
