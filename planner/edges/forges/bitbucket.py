"""Bitbucket Cloud: comments of a pull request. It shows no HTML, so that nothing is folded and the mark is a reference.

A token of a repository may not ask who it is. Comments are then found by their mark alone.
"""

from __future__ import annotations

import base64
from typing import Any

from planner.edges.forges.conversation import Comment, Conversation, ForgeError, Target
from planner.edges.forges.web import MOST_PAGES, Web

LIMIT = 32_768


class Bitbucket:
    """A pull request at Bitbucket."""

    limit = LIMIT
    can_hide = False

    def __init__(self, target: Target) -> None:
        self._web = Web(target.api_url, ("Authorization", _authorization(target.token)))
        self._pull = f"repositories/{target.repository}/pullrequests/{target.number}"

    def conversation(self) -> Conversation:
        """Return the pull request with its comments; those on lines of a file are none."""
        pull = self._web.get(self._pull).value
        me = self._me()
        comments: list[Comment] = []
        address: str | None = f"{self._pull}/comments?pagelen=100"
        for _ in range(MOST_PAGES):
            page = self._web.get(str(address)).value
            shown = (each for each in page["values"] if not each.get("deleted") and not each.get("inline"))
            comments += [_comment(each, me) for each in shown]
            address = page.get("next")
            if not address:
                head = ((pull.get("source") or {}).get("commit") or {}).get("hash")
                return Conversation(tuple(comments), str(head or ""))
        raise ForgeError(0, f"the pull request has more than {MOST_PAGES} pages of comments")

    def create(self, body: str) -> Comment:
        """Write a new comment."""
        return _comment(self._web.post(f"{self._pull}/comments", {"content": {"raw": body}}).value, None)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the body of a comment."""
        path = f"{self._pull}/comments/{comment.key}"
        return _comment(self._web.put(path, {"content": {"raw": body}}).value, None)

    def hide(self, comment: Comment) -> None:
        """Bitbucket folds no comment away."""
        raise ForgeError(0, "Bitbucket folds no comment away")

    def delete(self, comment: Comment) -> None:
        """Delete a comment."""
        self._web.delete(f"{self._pull}/comments/{comment.key}")

    def _me(self) -> str | None:
        """Return the id of the token's user; None where it may not be asked for."""
        try:
            return str(self._web.get("user").value.get("uuid") or "") or None
        except ForgeError as error:
            if error.status not in (401, 403, 404):
                raise
            return None


def _authorization(token: str) -> str:
    """Return the header of a token of a repository or a workspace, or of `user:password`."""
    return f"Basic {base64.b64encode(token.encode()).decode()}" if ":" in token else f"Bearer {token}"


def _comment(value: dict[str, Any], me: str | None) -> Comment:
    author = (value.get("user") or {}).get("uuid")
    return Comment(
        key=str(value["id"]),
        order=int(value["id"]),
        body=str((value.get("content") or {}).get("raw") or ""),
        url=str(((value.get("links") or {}).get("html") or {}).get("href") or ""),
        is_ours=None if me is None else author == me,
    )
