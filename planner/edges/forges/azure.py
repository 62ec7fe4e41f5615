"""Azure DevOps: a comment is the first of a thread of its own, which is closed so that it asks for no answer.

The list of threads has no pages. Without a valid token the API shows its page for signing in, with status 203 or a
redirect; `web` reads both as 401.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from planner.edges.forges.conversation import Comment, Conversation, ForgeError, Target
from planner.edges.forges.web import Web

LIMIT = 150_000
VERSION = "api-version=7.1"
PAT_LENGTH = 52
"""Characters of a personal access token of the older kind; a newer one has 84. A token of a pipeline is far longer."""
_TEXT, _CLOSED = 1, 4


class AzureDevOps:
    """A pull request at Azure DevOps."""

    limit = LIMIT
    can_hide = False

    def __init__(self, target: Target) -> None:
        self._web = Web(target.api_url, ("Authorization", _authorization(target.token)))
        project, _, name = target.repository.partition("/")
        repository = f"{quote(project)}/_apis/git/repositories/{quote(name, safe='')}"
        self._pull = f"{repository}/pullRequests/{target.number}"
        self._page = f"{target.api_url.rstrip('/')}/{quote(project)}/_git/{quote(name)}/pullrequest/{target.number}"

    def conversation(self) -> Conversation:
        """Return the pull request with the first comment of each thread."""
        pull = self._web.get(f"{self._pull}?{VERSION}").value
        me = self._me()
        comments = []
        for thread in self._web.get(f"{self._pull}/threads?{VERSION}").value["value"]:
            first = next(iter(thread.get("comments") or ()), None)
            if first and not thread.get("isDeleted") and not first.get("isDeleted"):
                comments.append(self._comment(int(thread["id"]), first, me))
        return Conversation(tuple(comments), str((pull.get("lastMergeSourceCommit") or {}).get("commitId") or ""))

    def create(self, body: str) -> Comment:
        """Open a closed thread with the comment."""
        first = {"parentCommentId": 0, "content": body, "commentType": _TEXT}
        thread = self._web.post(f"{self._pull}/threads?{VERSION}", {"comments": [first], "status": _CLOSED}).value
        return self._comment(int(thread["id"]), thread["comments"][0], None)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the content of a comment."""
        value = self._web.put(self._path(comment), {"content": body}, "PATCH").value
        return self._comment(comment.order, value, None)

    def hide(self, comment: Comment) -> None:
        """Azure DevOps folds no comment away."""
        raise ForgeError(0, "Azure DevOps folds no comment away")

    def delete(self, comment: Comment) -> None:
        """Delete a comment, and its thread with it."""
        self._web.delete(self._path(comment))

    def _path(self, comment: Comment) -> str:
        thread, _, number = comment.key.partition("/")
        return f"{self._pull}/threads/{thread}/comments/{number}?{VERSION}"

    def _me(self) -> str | None:
        """Return the id of the token's identity; None where it may not be asked for."""
        try:
            user = self._web.get("_apis/connectionData?api-version=7.1-preview").value.get("authenticatedUser")
        except ForgeError as error:
            if error.status not in (403, 404):
                raise
            return None
        return str((user or {}).get("id") or "") or None

    def _comment(self, thread: int, value: dict[str, Any], me: str | None) -> Comment:
        author = (value.get("author") or {}).get("id")
        return Comment(
            key=f"{thread}/{value['id']}",
            order=thread,
            body=str(value.get("content") or ""),
            url=f"{self._page}?discussionId={thread}",
            is_ours=None if me is None else author == me,
        )


def _authorization(token: str) -> str:
    """Return the header of a pipeline's token, or of a personal access token."""
    if len(token) in (PAT_LENGTH, 84):
        return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"
    return f"Bearer {token}"
