"""What another stack of the environment's name has made: it is told once, left alone, and may stand in the way.

A stack whose state was lost or destroyed is another one too, as the digits of its mark are new. What it had made before
is told one by one with what it costs, since nobody else may look after it. A second state of one name, as of another
checkout, looks the same: so nothing of it is taken in unless somebody tags it anew.
"""

from __future__ import annotations

from collections.abc import Iterator

import pulumi

from infra.arns import removal
from infra.naming import STACK_TAG
from infra.presence import QUESTIONS, Stray, holds
from infra.stack_mark import is_earlier
from infra.stray_costs import told
from infra.telling import warn
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems

SECRET, REPOSITORY = "aws:secretsmanager/secret:Secret", "aws:ecr/repository:Repository"
NAMED_BY_ENVIRONMENT = (SECRET, REPOSITORY)
"""Types whose name at AWS is the environment's and no stack's: two stacks cannot have them side by side."""


class OtherStacks:
    """The resources of other stacks, by owner. Most are only listed; nobody asks whether they are there before it
    matters.

    mark: mark of this stack; None in the preview of a new one.
    """

    def __init__(self, asking: pulumi.InvokeOptions, plan: Plan, mark: str | None) -> None:
        self._asking, self._plan, self._mark = asking, plan, mark
        self._found: dict[str, list[Stray]] = {}

    def add(self, found: Stray) -> None:
        """Take note of a resource of another stack. What no question knows has an empty type."""
        self._found.setdefault(self._owner(found), []).append(found)

    def tell(self) -> None:
        """Tell of each stack once, with a resource of it that is there, and of each resource of an earlier state."""
        for owner, known in sorted(self._found.items()):
            if self._is_earlier(known[0]):
                for one in sorted(known, key=lambda one: one.arn):
                    self._tell_earlier(one, owner)
                continue
            example = next((one for one in known if self._may_be_there(one)), None)
            if example is None:
                continue  # the list is later than the account
            message = f"resources with the tag of this environment are of {owner}, such as {example.arn}; they are left"
            hint = "give environments of one account different names: secrets and images have room for one of a name"
            warn(Problem("DEP089", message, hint=hint, severity="warning"))

    def _tell_earlier(self, one: Stray, owner: str) -> None:
        if self._may_be_there(one):
            message = f"{one.arn} is of {owner}; {told(self._plan, one.type, one.name)}"
            warn(Problem("DEP089", message, hint=self._way_back(one), severity="warning"))

    def _way_back(self, one: Stray) -> str:
        """Say what brings a resource of an earlier state back, and what removes it."""
        mark = self._mark or "the mark that the first `up` gives"
        return (
            f"restore that state; or, where nobody has it any more, tag this {STACK_TAG}={mark}, so that `up` takes it "
            f"in, or remove it: {removal(one.arn)}"
        )

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
                if self._is_earlier(one):
                    hint = self._way_back(one)
                raise Problems([Problem("DEP090", message, hint=hint)], exit_code=1)

    def _all(self) -> Iterator[tuple[str, Stray]]:
        for owner, known in sorted(self._found.items()):
            for one in known:
                yield owner, one

    def _is_there(self, one: Stray) -> bool:
        return one.type not in QUESTIONS or holds(one, self._asking)

    def _may_be_there(self, one: Stray) -> bool:
        """Tell whether AWS holds it. An answer that AWS refuses about somebody else's resource ends no run."""
        try:
            return self._is_there(one)
        except Exception:  # what an invoke raises has no type of its own
            return True

    def _is_earlier(self, one: Stray) -> bool:
        return is_earlier(one.tags.get(STACK_TAG), self._mark)

    def _owner(self, one: Stray) -> str:
        if STACK_TAG not in one.tags:
            return "a stack that no tag names, as older versions made"
        if self._is_earlier(one):
            return f"an earlier state of this very stack, or another state of its name ({one.tags[STACK_TAG]})"
        return f"the stack {one.tags[STACK_TAG]}"


def _name_at_aws(one: Stray) -> str:
    """Return the name of a repository or a secret, to whose ARN AWS adds seven characters."""
    return one.arn.partition(":secret:")[2][: -len("-a1b2c3")] if one.type == SECRET else one.id
