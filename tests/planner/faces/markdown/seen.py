"""What a reader of Markdown sees, by a parser that others wrote."""

from __future__ import annotations

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from planner.faces.markdown.escaping import NO_WIDTH

_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tokens(markdown: str) -> list[Token]:
    """All tokens, those inside of lines too."""
    return list(_flat(_PARSER.parse(markdown)))


def kinds(markdown: str) -> set[str]:
    """The kinds of tokens."""
    return {token.type for token in tokens(markdown)}


def words(inline: Token) -> str:
    """The text that is seen of a line, without characters that have no width."""
    return "".join(child.content for child in inline.children or ()).replace(NO_WIDTH, "")


def html(markdown: str) -> list[str]:
    """Pieces of HTML."""
    return [token.content for token in tokens(markdown) if token.type in ("html_block", "html_inline")]


def _flat(found: list[Token]) -> Iterator[Token]:
    for token in found:
        yield token
        yield from _flat(token.children or [])
