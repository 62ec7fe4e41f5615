"""What to replay: arrivals in real milliseconds and, by route, how their requests look. It is read from one JSON file.

    {"version": "1.0",
     "routes": {"chat": {"canary": "internal", "max_tokens": 1024, "bytes_per_token": 4.0}},
     "arrivals": [[0, "chat", 1155, 211], …]}                     arrival ms, route, input tokens, output tokens

A prompt is as long as its tokens in the route's bytes per token, for that is how a gateway without a tokenizer tells
the input band. It opens with the twin's length hint and a canary of its privacy class, unique to the request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twin.engine.prompt import hint

_Arrival = tuple[
    Annotated[float, Field(ge=0)], str, Annotated[int, Field(ge=1, le=10**6)], Annotated[int, Field(ge=1, le=10**6)]
]

_FILLER = "The quick brown fox jumps over the lazy dog; "


class WorkloadFileError(ValueError):
    """The workload file cannot be used. The message names every problem."""


class RouteTraffic(BaseModel):
    """The traffic of a route says how its requests look.

    canary: privacy class that each prompt names.
    max_tokens: cap that a client sends; it never falls below the answer.
    bytes_per_token: UTF-8 bytes of prompt text per input token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    canary: Literal["public", "internal", "restricted"]
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    bytes_per_token: Annotated[float, Field(gt=0, le=64)] = 4.0
    stream: bool = True


class ReplayWorkload(BaseModel):
    """A workload holds the arrivals, in order of time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["1.0"]
    routes: Mapping[str, RouteTraffic] = Field(min_length=1)
    arrivals: tuple[_Arrival, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> ReplayWorkload:
        unknown = sorted({route for _, route, _, _ in self.arrivals} - set(self.routes))
        if unknown:
            raise ValueError(f"arrivals name unknown routes: {', '.join(unknown)}")
        times = [at_ms for at_ms, *_ in self.arrivals]
        if times != sorted(times):
            raise ValueError("arrivals must be in order of time")
        return self


def read_workload(path: Path) -> ReplayWorkload:
    """Read the workload of a file. Raises WorkloadFileError."""
    try:
        return ReplayWorkload.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkloadFileError(f"cannot read the workload file {path}: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in error.errors()
        )
        raise WorkloadFileError(f"{path} is not a workload file: {problems}") from error


def request_body(route: str, traffic: RouteTraffic, index: int, input_tokens: int, output_tokens: int) -> bytes:
    """Write the JSON body of request number `index`. Its prompt is `input_tokens · bytes_per_token` bytes long."""
    secret = hashlib.sha256(f"{route}/{index}".encode()).hexdigest()[:16]
    prompt = f"{hint(input_tokens, output_tokens)} canary-{traffic.canary}-{secret} "
    filler_bytes = round(input_tokens * traffic.bytes_per_token) - len(prompt)
    if filler_bytes > 0:
        prompt += (_FILLER * (filler_bytes // len(_FILLER) + 1))[:filler_bytes]
    body: dict[str, object] = {
        "model": route,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max(traffic.max_tokens, output_tokens),
    }
    if traffic.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()
