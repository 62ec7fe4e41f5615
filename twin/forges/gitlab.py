"""GitLab: notes of a merge request below `/api/v4`, in pages by the header `Link`. A job's own token is refused."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from twin.forges.world import NUMBER, REPOSITORY, TOKENS, Note, User, World

LONGEST = 1_000_000
PAGE = f"https://gitlab.example/{REPOSITORY}/-/merge_requests/{NUMBER}"


def routes(world: World) -> list[web.RouteDef]:
    """Return what GitLab serves."""
    gitlab = _GitLab(world)
    merge = "/gitlab/api/v4/projects/{project}/merge_requests/{number}"
    return [
        web.get("/gitlab/api/v4/user", gitlab.user),
        web.get(merge, gitlab.merge),
        web.get(f"{merge}/notes", gitlab.listed),
        web.post(f"{merge}/notes", gitlab.create),
        web.put(f"{merge}/notes/{{id}}", gitlab.update),
        web.delete(f"{merge}/notes/{{id}}", gitlab.delete),
    ]


def _no(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _number(name: str) -> int:
    return sum(name.encode())


class _GitLab:
    def __init__(self, world: World) -> None:
        self.world = world

    def _note(self, note: Note) -> dict[str, Any]:
        author = {"id": _number(note.author), "username": note.author}
        return {"id": note.number, "body": note.body, "author": author, "system": note.author == "system"}

    def _user(self, request: web.Request, is_writing: bool = False) -> User | web.Response:
        """Return who calls about the merge request, or the refusal."""
        user = TOKENS.get(request.headers.get("PRIVATE-TOKEN", ""))
        if user is None:
            return _no(401, "401 Unauthorized")
        if "project" in request.match_info and request.match_info["project"] != REPOSITORY:
            return _no(404, "404 Project Not Found")
        if "number" in request.match_info and request.match_info["number"] != str(NUMBER):
            return _no(404, "404 Not found")
        return _no(403, "403 Forbidden") if is_writing and not user.may_write else user

    async def user(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        if not user.may_ask:
            return _no(403, "insufficient_scope")
        return web.json_response({"id": _number(user.name), "username": user.name})

    async def merge(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        return web.json_response({"iid": NUMBER, "sha": self.world.head, "web_url": PAGE})

    async def listed(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        size = min(int(request.query.get("per_page", 20)), 100, self.world.page_size)
        page = int(request.query.get("page", 1))
        kept = [note for note in self.world.notes if not note.is_deleted]
        if request.query.get("sort", "desc") == "desc":
            kept.reverse()
        shown = kept[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(kept):
            following = request.url.update_query(page=page + 1)
            headers = {"Link": f'<{following}>; rel="next", <{request.url}>; rel="first"', "X-Next-Page": str(page + 1)}
        return web.json_response([self._note(note) for note in shown], headers=headers)

    async def _body(self, request: web.Request) -> str | web.Response:
        value = json.loads(await request.read())
        body = value.get("body") if isinstance(value, dict) else None
        if not isinstance(body, str) or not body.strip():
            return _no(400, "body is missing")
        if len(body) > LONGEST:
            return _no(400, f'400 Bad request - Note {{:note=>["is too long (maximum is {LONGEST} characters)"]}}')
        return body

    async def create(self, request: web.Request) -> web.Response:
        user = self._user(request, is_writing=True)
        body = await self._body(request)
        if isinstance(user, web.Response):
            return user
        if isinstance(body, web.Response):
            return body
        return web.json_response(self._note(self.world.add(user.name, body)), status=201)

    async def update(self, request: web.Request) -> web.Response:
        note = self._own(request)
        body = await self._body(request)
        if isinstance(note, web.Response):
            return note
        if isinstance(body, web.Response):
            return body
        note.body = body
        return web.json_response(self._note(note))

    async def delete(self, request: web.Request) -> web.Response:
        note = self._own(request)
        if isinstance(note, web.Response):
            return note
        note.is_deleted = True
        return web.Response(status=204)

    def _own(self, request: web.Request) -> Note | web.Response:
        """Return a note that the caller wrote, or the refusal."""
        user = self._user(request, is_writing=True)
        if isinstance(user, web.Response):
            return user
        note = self.world.note(int(request.match_info["id"]))
        if note is None:
            return _no(404, "404 Note Not Found")
        return note if note.author == user.name else _no(403, "403 Forbidden")
