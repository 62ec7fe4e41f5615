"""One server for all forges, with a middleware that notes calls and lets faults strike.

| path | does |
|---|---|
| `/github`, `/github/api/v3`, `/gitlab/api/v4`, `/bitbucket/2.0`, `/azure` | roots of the APIs |
| `GET /twin/state` | comments and calls |
| `PUT /twin/state` | begins anew: `head`, `page_size`, `comments` as `[author, body]` |
| `POST /twin/faults` | a fault for the next calls, as `world.Fault` |
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from twin.forges import azure, bitbucket, github, gitlab
from twin.forges.world import Fault, World, document

MAX_BODY_BYTES = 16 * 2**20


def application(world: World) -> web.Application:
    """Return the server."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_faults(world)])
    for forge in (github, gitlab, bitbucket, azure):
        app.router.add_routes(forge.routes(world))

    async def shown(_: web.Request) -> web.Response:
        return web.json_response({"comments": document(world), "calls": world.calls, "head": world.head})

    async def begun(request: web.Request) -> web.Response:
        value = json.loads(await request.read() or b"{}")
        fresh = World(**{key: value[key] for key in ("head", "page_size") if key in value})
        for author, body in value.get("comments", ()):
            fresh.add(author, body)
        for each in dataclasses.fields(World):
            setattr(world, each.name, getattr(fresh, each.name))
        return web.json_response({})

    async def struck(request: web.Request) -> web.Response:
        world.faults.append(Fault(**json.loads(await request.read())))
        return web.json_response({})

    app.router.add_get("/twin/state", shown)
    app.router.add_put("/twin/state", begun)
    app.router.add_post("/twin/faults", struck)
    return app


def _faults(world: World) -> Any:
    @web.middleware
    async def strike(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith("/twin/"):
            return await handler(request)
        world.calls.append(f"{request.method} {request.path}")
        fault = world.fault(request.method, request.path)
        if fault is None:
            return await handler(request)
        await asyncio.sleep(fault.delay_s)
        if fault.status is None:
            return await handler(request)
        if fault.status == 0:
            await handler(request)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return web.json_response(fault.body or {"message": "struck"}, status=fault.status, headers=fault.headers)

    return strike
