"""Azure DevOps: threads of a pull request. Who has no token is shown the page for signing in, with status 203."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from aiohttp import web

from twin.forges.world import NUMBER, REPOSITORY, TOKENS, Note, User, World

LONGEST = 150_000


def routes(world: World) -> list[web.RouteDef]:
    """Return what Azure DevOps serves."""
    azure = _Azure(world)
    pull = "/azure/{project}/_apis/git/repositories/{name}/pullRequests/{number}"
    comment = f"{pull}/threads/{{thread}}/comments/{{id}}"
    return [
        web.get("/azure/_apis/connectionData", azure.connection),
        web.get(pull, azure.pull),
        web.get(f"{pull}/threads", azure.listed),
        web.post(f"{pull}/threads", azure.create),
        web.patch(comment, azure.update),
        web.delete(comment, azure.delete),
    ]


def _no(status: int, message: str) -> web.Response:
    return web.json_response({"message": message, "errorCode": 0}, status=status)


def _token(request: web.Request) -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return text
    try:
        return base64.b64decode(text).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class _Azure:
    def __init__(self, world: World) -> None:
        self.world = world

    def _comment(self, note: Note) -> dict[str, Any]:
        value = {"id": 1, "parentCommentId": 0, "author": {"id": f"id-{note.author}"}, "commentType": "text"}
        return {**value, "isDeleted": True} if note.is_deleted else {**value, "content": note.body, "isDeleted": False}

    def _thread(self, note: Note) -> dict[str, Any]:
        return {"id": note.number, "comments": [self._comment(note)], "status": "closed", "isDeleted": False}

    def _user(self, request: web.Request, is_writing: bool = False) -> User | web.Response:
        """Return who calls about the pull request, or the refusal."""
        if not request.headers.get("Authorization"):
            return web.Response(status=203, text="<html>Sign in</html>", content_type="text/html")
        user = TOKENS.get(_token(request))
        if user is None:
            return web.Response(status=401)
        if not request.query.get("api-version", "").startswith("7.1"):
            return _no(400, "No api-version was supplied for the request.")
        if "project" in request.match_info:
            if f"{request.match_info['project']}/{request.match_info['name']}" != REPOSITORY:
                return _no(404, "TF401019: The Git repository does not exist or you do not have permissions.")
            if request.match_info["number"] != str(NUMBER):
                return _no(404, "TF401180: The requested pull request was not found.")
        needed = "TF401027: You need the Git 'PullRequestContribute' permission to perform this action."
        return _no(403, needed) if is_writing and not user.may_write else user

    async def connection(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        if not user.may_ask:
            return _no(403, "Access denied")
        return web.json_response({"authenticatedUser": {"id": f"id-{user.name}"}})

    async def pull(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        return web.json_response({"pullRequestId": NUMBER, "lastMergeSourceCommit": {"commitId": self.world.head}})

    async def listed(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        threads = [self._thread(note) for note in self.world.notes]
        return web.json_response({"value": threads, "count": len(threads)})

    def _content(self, value: Any) -> str | web.Response:
        content = value.get("content") if isinstance(value, dict) else None
        if not isinstance(content, str) or not content.strip():
            return _no(400, "Value cannot be null.\r\nParameter name: comment.Content")
        if len(content) > LONGEST:
            said = (
                f"A discussion comment cannot be longer than {LONGEST} characters.\r\nParameter name: comment.Content"
            )
            return _no(400, said)
        return content

    async def create(self, request: web.Request) -> web.Response:
        user = self._user(request, is_writing=True)
        if isinstance(user, web.Response):
            return user
        value = json.loads(await request.read())
        content = self._content((value.get("comments") or [None])[0])
        if isinstance(content, web.Response):
            return content
        return web.json_response(self._thread(self.world.add(user.name, content)))

    async def update(self, request: web.Request) -> web.Response:
        note = self._own(request)
        if isinstance(note, web.Response):
            return note
        content = self._content(json.loads(await request.read()))
        if isinstance(content, web.Response):
            return content
        note.body = content
        return web.json_response(self._comment(note))

    async def delete(self, request: web.Request) -> web.Response:
        note = self._own(request)
        if isinstance(note, web.Response):
            return note
        note.is_deleted = True
        return web.Response(status=200)

    def _own(self, request: web.Request) -> Note | web.Response:
        """Return a comment that the caller wrote, or the refusal."""
        user = self._user(request, is_writing=True)
        if isinstance(user, web.Response):
            return user
        note = self.world.note(int(request.match_info["thread"])) if request.match_info["id"] == "1" else None
        if note is None:
            return _no(404, "The comment does not exist.")
        return note if note.author == user.name else _no(403, "Only the author may change a comment.")
