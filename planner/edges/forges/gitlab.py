"""GitLab, hosted or a team's own: notes of a merge request.

A job's own token may not write notes. A token of the project or the group does it, with the scope `api`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from planner.edges.forges.conversation import Comment, Conversation, ForgeError, Target
from planner.edges.forges.web import Web

LIMIT = 1_000_000


class GitLab:
    """A merge request at GitLab."""

    limit = LIMIT
    can_hide = False

    def __init__(self, target: Target) -> None:
        self._web = Web(target.api_url, ("PRIVATE-TOKEN", target.token))
        self._merge = f"projects/{quote(target.repository, safe='')}/merge_requests/{target.number}"
        self._page = ""

    def conversation(self) -> Conversation:
        """Return the merge request with its notes; those of the system are none."""
        merge = self._web.get(self._merge).value
        self._page = str(merge.get("web_url") or "")
        me = self._me()
        comments = [
            self._comment(note, me)
            for answer in self._web.pages(f"{self._merge}/notes?per_page=100&order_by=created_at&sort=asc")
            for note in answer.value
            if not note.get("system")
        ]
        return Conversation(tuple(comments), str(merge.get("sha") or ""))

    def create(self, body: str) -> Comment:
        """Write a new note."""
        return self._comment(self._web.post(f"{self._merge}/notes", {"body": body}).value, None)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the body of a note."""
        return self._comment(self._web.put(f"{self._merge}/notes/{comment.key}", {"body": body}).value, None)

    def hide(self, comment: Comment) -> None:
        """GitLab folds no note away."""
        raise ForgeError(0, "GitLab folds no note away")

    def delete(self, comment: Comment) -> None:
        """Delete a note."""
        self._web.delete(f"{self._merge}/notes/{comment.key}")

    def _me(self) -> int | None:
        """Return the number of the token's user; None where it may not be asked for."""
        try:
            found = self._web.get("user").value.get("id")
        except ForgeError as error:
            if error.status not in (403, 404):
                raise
            return None
        return found if isinstance(found, int) else None

    def _comment(self, note: dict[str, Any], me: int | None) -> Comment:
        author = (note.get("author") or {}).get("id")
        number = int(note["id"])
        url = f"{self._page}#note_{number}" if self._page else ""
        return Comment(str(number), number, str(note["body"]), url, None if me is None else author == me)
