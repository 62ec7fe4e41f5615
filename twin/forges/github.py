"""GitHub: GraphQL that lists and folds away, REST that writes; GitHub Enterprise has both below `/api`."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from twin.forges.world import NUMBER, REPOSITORY, TOKENS, Note, User, World

LONGEST = 65_536


def routes(world: World) -> list[web.RouteDef]:
    """Return what GitHub serves at a root of its own and at that of GitHub Enterprise."""
    github = _GitHub(world)
    found = [web.post("/github/graphql", github.graphql), web.post("/github/api/graphql", github.graphql)]
    for root in ("/github", "/github/api/v3"):
        issues = f"{root}/repos/{{owner}}/{{name}}/issues"
        found += [
            web.post(f"{issues}/{{number}}/comments", github.create),
            web.patch(f"{issues}/comments/{{id}}", github.update),
            web.delete(f"{issues}/comments/{{id}}", github.delete),
        ]
    return found


def _no(status: int, message: str, **more: Any) -> web.Response:
    return web.json_response({"message": message, **more, "status": str(status)}, status=status)


def _user(request: web.Request) -> User | None:
    return TOKENS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))


def _rest(note: Note) -> dict[str, Any]:
    return {
        "id": note.number,
        "node_id": f"IC_{note.number}",
        "html_url": f"https://github.example/{REPOSITORY}/pull/{NUMBER}#issuecomment-{note.number}",
        "body": note.body,
        "user": {"login": f"{note.author}[bot]", "type": "Bot"},
    }


class _GitHub:
    def __init__(self, world: World) -> None:
        self.world = world

    async def _body(self, request: web.Request) -> str | web.Response:
        """Return the body that may be written, or the refusal."""
        user = _user(request)
        if user is None:
            return _no(401, "Bad credentials")
        if request.match_info["owner"] + "/" + request.match_info["name"] != REPOSITORY:
            return _no(404, "Not Found")
        if not user.may_write:
            return _no(403, "Resource not accessible by integration")
        if request.method == "DELETE":
            return ""
        value = json.loads(await request.read())
        body = value.get("body") if isinstance(value, dict) and set(value) == {"body"} else None
        if not isinstance(body, str) or not body.strip():
            return _no(422, "Validation Failed", errors=["Body can't be blank"])
        if len(body) > LONGEST:
            error = {"resource": "IssueComment", "code": "unprocessable", "field": "data"}
            said = f"Body is too long (maximum is {LONGEST} characters)"
            return _no(422, "Validation Failed", errors=[{**error, "message": said}])
        return body

    async def create(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        if request.match_info["number"] != str(NUMBER):
            return _no(404, "Not Found")
        user = _user(request)
        assert user is not None
        return web.json_response(_rest(self.world.add(user.name, body)), status=201)

    async def update(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        note = self.world.note(int(request.match_info["id"]))
        if note is None:
            return _no(404, "Not Found")
        note.body = body  # a token that may write changes what others wrote, too
        return web.json_response(_rest(note))

    async def delete(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        note = self.world.note(int(request.match_info["id"]))
        if note is None:
            return _no(404, "Not Found")
        note.is_deleted = True
        return web.Response(status=204)

    async def graphql(self, request: web.Request) -> web.Response:
        user = _user(request)
        if user is None:
            return _no(401, "Bad credentials")
        value = json.loads(await request.read())
        query, variables = value["query"], value.get("variables") or {}
        if "minimizeComment" in query:
            return self._hidden(user, variables)
        if f"{variables.get('owner')}/{variables.get('name')}" != REPOSITORY:
            return _errors("NOT_FOUND", "Could not resolve to a Repository with that name.", {"repository": None})
        if variables.get("number") != NUMBER:
            said = f"Could not resolve to a PullRequest with the number of {variables.get('number')}."
            return _errors("NOT_FOUND", said, {"repository": {"pullRequest": None}})
        if "first: 100" not in query:
            return _errors("ARGUMENT_LIMIT", "Requesting more than 100 records exceeds the `first` limit.", None)
        start = int(variables.get("after") or 0)
        kept = [note for note in self.world.notes if not note.is_deleted]
        page = kept[start : start + self.world.page_size]
        end = start + len(page)
        nodes = [
            {
                "id": f"IC_{note.number}",
                "databaseId": note.number,
                "url": _rest(note)["html_url"],
                "body": note.body,
                "isMinimized": note.is_hidden,
                "author": {"login": note.author},
            }
            for note in page
        ]
        info = {"hasNextPage": end < len(kept), "endCursor": str(end)}
        pull = {"headRefOid": self.world.head, "comments": {"nodes": nodes, "pageInfo": info}}
        viewer = {"login": f"{user.name}[bot]"}
        return web.json_response({"data": {"viewer": viewer, "repository": {"pullRequest": pull}}})

    def _hidden(self, user: User, variables: dict[str, Any]) -> web.Response:
        note = self.world.note(int(str(variables["id"]).removeprefix("IC_")))
        if not user.may_write:
            return _errors("FORBIDDEN", "Resource not accessible by integration", {"minimizeComment": None})
        if note is None:
            return _errors("NOT_FOUND", "Could not resolve to a node with that id.", {"minimizeComment": None})
        note.is_hidden = True
        return web.json_response({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}})


def _errors(kind: str, message: str, data: Any) -> web.Response:
    return web.json_response({"data": data, "errors": [{"type": kind, "message": message}]})
