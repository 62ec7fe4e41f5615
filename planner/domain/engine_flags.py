"""What the engine must be told of a model: how to read its calls of tools and its thoughts, and how to write a chat.

The names are those of the engine's own command line.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EngineFlags:
    """The flags of one model. None leaves a flag out.

    tool_call_parser: how calls of tools are read, so that requests may leave the choice of tools to the model
    (`tool_choice: auto`).
    reasoning_parser: how thoughts are told from the answer.
    chat_template: file among the examples of the engine's image, which is used in place of the model's own template.
    tokenizer_mode: how chats are written where that is code and no template.
    source, as_of: where these were read, and the day.
    """

    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    chat_template: str | None = None
    tokenizer_mode: str | None = None
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A repository gives its files to accounts alone that accepted the licence there.

    source, as_of: where this was read, and the day.
    """

    source: str
    as_of: str
