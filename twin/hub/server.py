"""The Hub's HTTP interface: the files of a revision, and an address for the content of one.

The content of large files comes from another host, `localhost` beside `127.0.0.1`. It refuses a request that bears a
token, as hosts of signed addresses do.
"""

from __future__ import annotations

import re

from aiohttp import web

from twin.hub.world import LARGE, STRANGER, TOKEN, Repository, World

_ELSEWHERE = "/content/"


def application(world: World) -> web.Application:
    """Return the server."""
    app = web.Application()

    def with_token(request: web.Request) -> bool:
        """Say whether the request bears the token; one that nobody has is refused, also where none is needed."""
        borne = request.headers.get("Authorization")
        world.requests.append((request.path, borne == f"Bearer {TOKEN}"))
        if borne not in (None, f"Bearer {TOKEN}", f"Bearer {STRANGER}") and not request.path.startswith(_ELSEWHERE):
            raise web.HTTPUnauthorized(headers={"X-Error-Message": "Invalid credentials in Authorization header"})
        return borne == f"Bearer {TOKEN}"

    def found(request: web.Request, known: bool, revision: str, content: bool) -> tuple[Repository, str]:
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        repository = world.repositories.get(name)
        if repository is None:
            unseen = web.HTTPNotFound if "Authorization" in request.headers else web.HTTPUnauthorized
            raise unseen(headers={"X-Error-Code": "RepoNotFound"})
        if content and repository.gated and not known:
            unread = web.HTTPForbidden if "Authorization" in request.headers else web.HTTPUnauthorized
            raise unread(headers={"X-Error-Code": "GatedRepo"})
        commit = repository.revisions.get(revision)
        if commit is None:
            told = {"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"Invalid rev id: {revision}"}
            raise web.HTTPNotFound(headers=told)
        return repository, commit

    async def listed(request: web.Request) -> web.Response:
        repository, commit = found(request, with_token(request), request.match_info["revision"], content=False)
        gate = "manual" if repository.gated else False
        return web.json_response({"sha": commit, "gated": gate, "siblings": repository.siblings(commit)})

    async def resolved(request: web.Request) -> web.StreamResponse:
        repository, commit = found(request, with_token(request), request.match_info["revision"], content=True)
        path = request.match_info["path"]
        if path not in repository.commits[commit]:
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"})
        if path.endswith(LARGE):
            port = request.url.port
            place = f"{request.match_info['owner']}/{request.match_info['name']}/{commit}/{path}"
            raise web.HTTPFound(f"http://localhost:{port}{_ELSEWHERE}{place}")
        return await _sent(request, repository, path, repository.commits[commit][path])

    async def content(request: web.Request) -> web.StreamResponse:
        with_token(request)
        if "Authorization" in request.headers:
            raise web.HTTPBadRequest(text="Only one auth mechanism allowed")
        repository = world.repositories[f"{request.match_info['owner']}/{request.match_info['name']}"]
        path = request.match_info["path"]
        return await _sent(request, repository, path, repository.commits[request.match_info["revision"]][path])

    app.router.add_get("/api/models/{owner}/{name}/revision/{revision}", listed)
    app.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", resolved)
    app.router.add_get(_ELSEWHERE + "{owner}/{name}/{revision}/{path:.+}", content)
    return app


async def _sent(request: web.Request, repository: Repository, path: str, whole: bytes) -> web.StreamResponse:
    if path in repository.spoilt:
        whole = whole[:-1] + bytes([whole[-1] ^ 1])
    span = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    start = int(span[1]) if span else 0
    cuts = repository.cuts.get(path)
    cut = cuts.pop(0) if cuts else None
    answer = web.StreamResponse(status=206 if span else 200)
    answer.content_length = len(whole) - start
    await answer.prepare(request)
    await answer.write(whole[start:] if cut is None else whole[start : start + cut])
    if cut is not None:
        if request.transport is not None:
            request.transport.close()
        return answer
    await answer.write_eof()
    return answer
