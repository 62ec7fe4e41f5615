"""What another stack of the environment's name has made: it is told once, left alone, and may stand in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from infra.naming import STACK_TAG
from infra.presence import QUESTIONS, Stray, holds
from infra.telling import warn
from planner.words.diagnostics import Problem, Problems

SECRET, REPOSITORY = "aws:secretsmanager/secret:Secret", "aws:ecr/repository:Repository"
NAMED_BY_ENVIRONMENT = (SECRET, REPOSITORY)
"""Types whose name at AWS is the environment's and no stack's: two stacks cannot have them side by side."""


class OtherStacks:
    """The resources of other stacks, by owner. Most are only listed; nobody asks whether they are there before it
    matters."""

    def __init__(self, asking: pulumi.InvokeOptions) -> None:
        self._asking = asking
        self._found: dict[str, list[Stray]] = {}

    def add(self, found: Stray) -> None:
        """Take note of a resource of another stack. What no question knows has an empty type."""
        self._found.setdefault(_owner(found.tags), []).append(found)

    def tell(self) -> None:
        """Tell of each stack once, with a resource of it that is there."""
        for owner, known in sorted(self._found.items()):
            example = next((one for one in known if self._is_there(one)), None)
            if example is None:
                continue  # the list is later than the account
            message = f"resources with the tag of this environment are of {owner}, such as {example.arn}; they are left"
            hint = "give environments of one account different names: secrets and images have room for one of a name"
            warn(Problem("DEP089", message, hint=hint, severity="warning"))

    def require_free(self, token: str, name: str) -> None:
        """Refuse a name at AWS that another stack has taken. A name that ends with `/` stands for all below it.

        Raises `Problems`.
        """
        for owner, one in self._all():
            taken = _name_at_aws(one)
            below = name.endswith("/") and taken.startswith(name)
            if one.type == token and (taken == name or below) and self._is_there(one):
                message = f"{taken} is there already and is of {owner}: {one.arn}"
                hint = "give one of the two environments another name; an account has room for one in a region"
                raise Problems([Problem("DEP090", message, hint=hint)], exit_code=1)

    def _all(self) -> Iterator[tuple[str, Stray]]:
        for owner, known in sorted(self._found.items()):
            for one in known:
                yield owner, one

    def _is_there(self, one: Stray) -> bool:
        return one.type not in QUESTIONS or holds(one, self._asking)


def _owner(tags: Mapping[str, str]) -> str:
    return f"the stack {tags[STACK_TAG]}" if STACK_TAG in tags else "a stack that no tag names, as older versions made"


def _name_at_aws(one: Stray) -> str:
    """Return the name of a repository or a secret, to whose ARN AWS adds seven characters."""
    return one.arn.partition(":secret:")[2][: -len("-a1b2c3")] if one.type == SECRET else one.id
