"""The `aws` commands of a document, run on an imitated account: botocore's own models judge their names and options.

It understands what the documents use: an operation of an API with its options, whose values are text, numbers, JSON,
`KEY=VALUE` or `file://PATH`, and `--query`. Commands that AWS's tool has beside the APIs (`s3 cp`, …) are none of it.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

API_OF = {"s3api": "s3"}
"""Word of the command → name of the API, where they differ."""
TAKEN_BY_THE_TOOL = ("region", "query", "output")


class NoSuchCommandError(ValueError):
    """AWS's tool would not know this command, or an option of it."""


@dataclass
class AmazonCli:
    """The tool works in `folder`; `outputs` holds what each command printed."""

    folder: Path
    region: str = "us-east-1"
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, stdin: str = "") -> str:
        """Run one command. Raises what AWS answers, and `NoSuchCommandError`."""
        _, service, operation, *options = shlex.split(command)
        given = dict(_pairs(options))
        client = boto3.client(API_OF.get(service, service), region_name=given.get("region", self.region))
        method = operation.replace("-", "_")
        if method not in client.meta.method_to_api_mapping:
            raise NoSuchCommandError(f"{service} has no {operation}")
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
        members = {xform_name(name, "-"): (name, shape) for name, shape in model.input_shape.members.items()}
        if unknown := given.keys() - members.keys() - {*TAKEN_BY_THE_TOOL}:
            raise NoSuchCommandError(f"{service} {operation} has no {', '.join(sorted(unknown))}")
        arguments = {
            members[option][0]: self._value(text, members[option][1].type_name, stdin)
            for option, text in given.items()
            if option in members
        }
        answer = getattr(client, method)(**arguments)
        found = answer
        for name in given["query"].split(".") if "query" in given else ():
            found = found[name]
        self.outputs[f"{service} {operation}"] = text = (
            found if isinstance(found, str) else json.dumps(found, default=str)
        )
        return text

    def _value(self, text: str, kind: str, stdin: str) -> Any:
        if text.startswith("file://"):
            path = text.removeprefix("file://")
            text = stdin if path == "/dev/stdin" else (self.folder / path).read_text()
        if kind in ("double", "float", "integer", "long"):
            return float(text) if kind in ("double", "float") else int(text)
        if kind in ("structure", "list", "map"):
            return json.loads(text) if text[:1] in "{[" else dict(part.split("=", 1) for part in text.split(","))
        return text


def _pairs(options: list[str]) -> list[tuple[str, str]]:
    names, values = options[::2], options[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise NoSuchCommandError(f"options come in pairs: {' '.join(options)}")
    return [(name.removeprefix("--"), value) for name, value in zip(names, values, strict=True)]
