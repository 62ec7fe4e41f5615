"""The part of GitHub's expression language that this project's Action and workflows use. Everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKENS = re.compile(r"\s*(?:(&&|\|\||==|!=|!|\(|\))|'((?:[^']|'')*)'|([A-Za-z_][\w.-]*(?:\(\))?))")
Value = str | bool


class Expression:
    """One expression: `||` over `&&` over comparisons, of contexts, texts in single quotes, and functions of a run."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[[], bool]]) -> None:
        self.contexts, self.functions = contexts, functions
        self.tokens = self._tokens(text.strip())
        self.called: set[str] = set()

    def value(self) -> Value:
        result = self._either()
        assert not self.tokens, f"not understood: {self.tokens}"
        return result

    @staticmethod
    def _tokens(text: str) -> list[tuple[str, str]]:
        tokens, place = [], 0
        while place < len(text):
            match = TOKENS.match(text, place)
            assert match, f"not understood: {text[place:]!r}"
            sign, quoted, name = match.groups()
            kind = "sign" if sign else "name" if name else "text"
            tokens.append((kind, sign or name or (quoted or "").replace("''", "'")))
            place = match.end()
        return tokens

    def _take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def _either(self) -> Value:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Value:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = other if value else value
        return value

    def _compared(self) -> Value:
        value = self._one()
        if sign := self._take("==", "!="):
            return (str(value).lower() == str(self._one()).lower()) == (sign == "==")
        return value

    def _one(self) -> Value:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            value = self._either()
            assert self._take(")")
            return value
        kind, word = self.tokens.pop(0)
        if kind == "text":
            return word
        assert kind == "name"
        if word.endswith("()"):
            self.called.add(word[:-2])
            return self.functions[word[:-2]]()
        found: Any = self.contexts
        for step in word.split("."):
            found = found.get(step, "") if isinstance(found, Mapping) else ""
        return "" if found is None else found if isinstance(found, str | bool) else str(found)


def filled(text: str, contexts: Mapping[str, Any]) -> str:
    """A text with its `${{ }}` evaluated, as a runner fills it in."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(Expression(match[1], contexts, {}).value()), text)
