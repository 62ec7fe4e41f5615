"""Bitbucket Cloud below `/2.0`: pages name the next one, and what was deleted stays in the list without its words."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from aiohttp import web

from twin.forges.world import NUMBER, REPOSITORY, TOKENS, Note, User, World

LONGEST = 32_768


def routes(world: World) -> list[web.RouteDef]:
    """Return what Bitbucket serves."""
    bitbucket = _Bitbucket(world)
    pull = "/bitbucket/2.0/repositories/{owner}/{name}/pullrequests/{number}"
    return [
        web.get("/bitbucket/2.0/user", bitbucket.user),
        web.get(pull, bitbucket.pull),
        web.get(f"{pull}/comments", bitbucket.listed),
        web.post(f"{pull}/comments", bitbucket.create),
        web.put(f"{pull}/comments/{{id}}", bitbucket.update),
        web.delete(f"{pull}/comments/{{id}}", bitbucket.delete),
    ]


def _no(status: int, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"message": message}}, status=status)


def _token(request: web.Request) -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return text
    try:
        return base64.b64decode(text).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class _Bitbucket:
    def __init__(self, world: World) -> None:
        self.world = world

    def _comment(self, note: Note) -> dict[str, Any]:
        page = f"https://bitbucket.example/{REPOSITORY}/pull-requests/{NUMBER}/_/diff#comment-{note.number}"
        return {
            "id": note.number,
            "deleted": note.is_deleted,
            "content": {"raw": "" if note.is_deleted else note.body, "markup": "markdown"},
            "user": {"uuid": f"{{{note.author}}}"},
            "links": {"html": {"href": page}},
        }

    def _user(self, request: web.Request, is_writing: bool = False) -> User | web.Response:
        """Return who calls about the pull request, or the refusal."""
        user = TOKENS.get(_token(request))
        if user is None:
            return _no(401, "Token is invalid, expired, or not supported for this endpoint.")
        if "owner" in request.match_info:
            if f"{request.match_info['owner']}/{request.match_info['name']}" != REPOSITORY:
                return _no(404, f"Repository {request.match_info['name']} not found")
            if request.match_info["number"] != str(NUMBER):
                return _no(404, "Pull request not found")
        scopes = "Your credentials lack one or more required privilege scopes."
        return _no(403, scopes) if is_writing and not user.may_write else user

    async def user(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        if not user.may_ask:
            return _no(403, "Your credentials lack one or more required privilege scopes.")
        return web.json_response({"uuid": f"{{{user.name}}}"})

    async def pull(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        return web.json_response({"id": NUMBER, "source": {"commit": {"hash": self.world.head[:12]}}})

    async def listed(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if isinstance(user, web.Response):
            return user
        size = min(int(request.query.get("pagelen", 10)), 100, self.world.page_size)
        page = int(request.query.get("page", 1))
        shown = self.world.notes[(page - 1) * size : page * size]
        value: dict[str, Any] = {"pagelen": size, "page": page, "values": [self._comment(note) for note in shown]}
        if page * size < len(self.world.notes):
            value["next"] = str(request.url.update_query(page=page + 1))
        return web.json_response(value)

    async def _body(self, request: web.Request) -> str | web.Response:
        value = json.loads(await request.read())
        body = (value.get("content") or {}).get("raw") if isinstance(value, dict) else None
        if not isinstance(body, str) or not body.strip() or len(body) > LONGEST:
            return _no(400, f"Please enter a non-empty value less than {LONGEST} characters")
        return body

    async def create(self, request: web.Request) -> web.Response:
        user = self._user(request, is_writing=True)
        body = await self._body(request)
        if isinstance(user, web.Response):
            return user
        if isinstance(body, web.Response):
            return body
        return web.json_response(self._comment(self.world.add(user.name, body)), status=201)

    async def update(self, request: web.Request) -> web.Response:
        note = self._own(request)
        body = await self._body(request)
        if isinstance(note, web.Response):
            return note
        if isinstance(body, web.Response):
            return body
        note.body = body
        return web.json_response(self._comment(note))

    async def delete(self, request: web.Request) -> web.Response:
        note = self._own(request)
        if isinstance(note, web.Response):
            return note
        note.is_deleted = True
        return web.Response(status=204)

    def _own(self, request: web.Request) -> Note | web.Response:
        """Return a comment that the caller wrote, or the refusal."""
        user = self._user(request, is_writing=True)
        if isinstance(user, web.Response):
            return user
        note = self.world.note(int(request.match_info["id"]))
        if note is None:
            return _no(404, "Comment not found")
        return note if note.author == user.name else _no(403, "You can only change your own comments.")
