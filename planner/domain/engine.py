"""The engine that serves open-weight models on own machines, vLLM: what each of its releases began to serve, or ceased.

The engine runs a model by the class that the model's published configuration names. A release either has this class
or has not. So it is with the formats of weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

ENGINE = "vLLM"
DEPLOYED = "0.33.0"
"""The release of the engine that the charts run, and that plans are made for where they name no image."""
TAG = re.compile(r"(v?[0-9]+(?:\.[0-9]+){1,3}(?:\.post[0-9]+)?)(?:[-+](?!.*(?:rc|dev|alpha|beta|nightly)).+)?")
"""The tag of an image that names a release, with what it was built for, like `v0.33.0-cu129`. What comes before a
release has its number and is none."""


@dataclass(frozen=True, order=True)
class Version:
    """The number of a release. Numbers are compared one by one, so that 0.9.2 is before 0.10.0.

    numbers: its numbers, without zeros at the end.
    post: number of a release that mends it, as in `0.8.5.post1`; 0 for the release itself.
    text: how it is written.
    """

    numbers: tuple[int, ...]
    post: int = 0
    text: str = field(default="", compare=False)

    @classmethod
    def of(cls, text: str) -> Version:
        """Return the version of a text. Raises ValueError when it is none."""
        found = re.fullmatch(r"v?([0-9]+(?:\.[0-9]+)*)(?:\.post([0-9]+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is no version: write it like {DEPLOYED}")
        numbers = tuple(map(int, re.sub(r"(?:\.0+)+$", "", found[1]).split(".")))
        return cls(numbers, int(found[2] or 0), text.removeprefix("v"))

    @classmethod
    def of_tag(cls, tag: str | None) -> Version | None:
        """Return the release that the tag of an image names; None where it names none."""
        found = TAG.fullmatch(tag or "")
        return cls.of(found[1]) if found else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class ModelClass:
    """The class by which the engine runs a model.

    name: the first of `architectures` in its published configuration, like `Qwen3ForCausalLM`.
    source, as_of: where it was read, and the day that the source states.
    """

    name: str
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class StatedMinimum:
    """The first release that serves a model, where the class of the model is older than what the model needs.

    version: the release.
    because: what the model needs of it.
    source, as_of: where it was read, and the day that the source states.
    """

    version: str
    because: str
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class EngineRelease:
    """What is new in one release.

    key: its number.
    classes: model classes that it has and the release before it had not.
    dropped: model classes that the release before it had.
    formats: formats of weights that it is the first to name.
    source, as_of: the file in which they stand, and the day on which it was packed.
    """

    key: str
    classes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    source: str
    as_of: str

    @cached_property
    def version(self) -> Version:
        """Its number, to be compared."""
        return Version.of(self.key)


class Engine:
    """The releases that were read, in their order."""

    def __init__(self, releases: Iterable[EngineRelease]) -> None:
        """releases: what is new in each."""
        self._since: dict[str, EngineRelease] = {}
        self._until: dict[str, EngineRelease] = {}
        self._formats: dict[str, EngineRelease] = {}
        for release in sorted(releases, key=lambda each: each.version):
            for name in release.classes:
                self._since[name] = release
                self._until.pop(name, None)
            self._until.update(dict.fromkeys(release.dropped, release))
            for name in release.formats:
                self._formats.setdefault(name, release)

    def since(self, model_class: str) -> EngineRelease | None:
        """Return the release from which on the engine has a class; None where no release has it that was read."""
        return self._since.get(model_class)

    def until(self, model_class: str) -> EngineRelease | None:
        """Return the release from which on the engine has a class no longer; None where it has it, or never had."""
        return self._until.get(model_class)

    def since_format(self, name: str) -> EngineRelease | None:
        """Return the first release that names a format of weights; None where that is not known."""
        return self._formats.get(name)
