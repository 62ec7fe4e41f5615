"""One part of a configuration, read key by key: each fact has several names, and each name a type.

A reading notes what is wrong and goes on, so that one run tells everything. A fact that is missing is None, and it was
noted as a problem where it is needed. What the engine takes from the class of the model, because the file leaves it
out, is noted as `assumed`: nothing is filled in silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.documents.model_config.config_json import JsonFile
from planner.words.diagnostics import Problem
from planner.words.spans import Path

WHOLE = "take the whole `config.json` of the model"
"""Hint for what is missing."""
MOST = 10**9
"""Largest number that a configuration can mean by a width, a count or a length."""


@dataclass
class Notes:
    """What a reading tells beside its values.

    problems: what is wrong.
    assumed: what follows from the class of the model, because the file does not say it, as sentences.
    """

    problems: list[Problem] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    def assume(self, sentence: str) -> None:
        """Note what was assumed, once."""
        if sentence not in self.assumed:
            self.assumed.append(sentence)


@dataclass(frozen=True)
class Keys:
    """A part of a configuration.

    file: the file that it stands in.
    value: its values.
    path: where it stands in the file.
    notes: what is told of it.
    defaults: values of the class, for keys that the part leaves out.
    """

    file: JsonFile
    value: Mapping[str, Any]
    path: Path
    notes: Notes
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, *names: str) -> bool:
        """Return whether one of the names has a value that is not null."""
        return self._found(names) is not None

    def plain(self, *names: str) -> Any:
        """Return the value of the first name that has one; None without."""
        found = self._found(names)
        return None if found is None else found[1]

    def count(self, *names: str, least: int = 1) -> int | None:
        """Return a whole number; None where no name has one."""
        found = self._found(names)
        if found is None:
            return None
        name, value = found
        value = self._same_everywhere(name, value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
            self.wrong(name, f"`{name}` is {_shown(value)}, which is no whole number of {least} or more")
            return None
        return value

    def need(self, *names: str, least: int = 1) -> int:
        """Return a whole number that every model has. Where it is missing a problem is noted, and 1 stands for it."""
        if not self.holds(*names) and (value := next((self.defaults[n] for n in names if n in self.defaults), None)):
            self.notes.assume(f"`{names[0]}` is not there: the class of the model has {value}")
            return int(value)
        before = len(self.notes.problems)
        value = self.count(*names, least=least)
        if value is None and len(self.notes.problems) == before:
            others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            self.note("CFG002", f"`{names[0]}`{others} is missing", (), WHOLE)
        return 1 if value is None else value

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return a truth value. default: what its absence means."""
        found = self._found(names)
        if found is None:
            return default
        name, value = found
        if not isinstance(value, bool):
            self.wrong(name, f"`{name}` is {_shown(value)}, which is neither true nor false")
            return default
        return value

    def word(self, *names: str) -> str | None:
        """Return a text; None where no name has one."""
        found = self._found(names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, str):
            self.wrong(name, f"`{name}` is {_shown(value)}, which is no text")
            return None
        return value

    def words(self, *names: str) -> list[str] | None:
        """Return a list of texts; None where no name has one."""
        found = self._found(names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(name, f"`{name}` is {_shown(value)}, which is no list of texts")
            return None
        return value

    def numbers(self, *names: str) -> list[int] | None:
        """Return a list of whole numbers; None where no name has one."""
        found = self._found(names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, list) or not all(isinstance(n, int) and not isinstance(n, bool) for n in value):
            self.wrong(name, f"`{name}` is {_shown(value)}, which is no list of whole numbers")
            return None
        return value

    def part(self, *names: str) -> Keys | None:
        """Return a part of this part; None where no name has one."""
        found = self._found(names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, dict):
            self.wrong(name, f"`{name}` is {_shown(value)}, which is no object")
            return None
        return Keys(self.file, value, (*self.path, name), self.notes)

    def note(self, code: str, message: str, path: Sequence[str | int] = (), hint: str = "") -> None:
        """Note a problem at a key of this part."""
        self.notes.problems.append(Problem(code, message, self.file.span((*self.path, *path)), hint))

    def wrong(self, name: str, message: str) -> None:
        """Note a value of the wrong form."""
        self.note("CFG003", message, (name,), "take the file as it is in the model's repository")

    def contradict(self, name: str, message: str) -> None:
        """Note two values that cannot both be true."""
        self.note("CFG004", message, (name,), "one of the two is not of this model: take the whole file anew")

    def lacks(self, name: str, message: str, hint: str = "") -> None:
        """Note something of a model that our catalog cannot say."""
        self.note("CFG005", message, (name,), hint or "accept a hosted copy of it, or another model")

    def _found(self, names: Sequence[str]) -> tuple[str, Any] | None:
        return next(((name, self.value[name]) for name in names if self.value.get(name) is not None), None)

    def _same_everywhere(self, name: str, value: Any) -> Any:
        """Return the one value of a list with a number for each layer; the list itself where they differ."""
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            return value[0]
        if isinstance(value, list) and value:
            self.lacks(name, f"`{name}` differs between layers, which a row of the catalog cannot say")
            return value[0]
        return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
