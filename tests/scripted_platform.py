"""A platform that answers one endpoint's caller as a script says, over real HTTP on loopback."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "rpa-key-of-the-tests"


@dataclass(frozen=True)
class Asked:
    """A request, as it came."""

    route: str
    at: float
    job: str
    authorization: str
    body: Any


@dataclass
class Platform:
    """Each route answers by its script in turn, and then for ever as at the end of it."""

    scripts: dict[str, Sequence[Answer]]
    base_url: str = ""
    asked: list[Asked] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    most_open: dict[str, int] = field(default_factory=dict)

    def to(self, route: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.route == route]

    async def until_asked(self, route: str, times: int = 1) -> None:
        async with asyncio.timeout(30):
            while len(self.to(route)) < times:
                await asyncio.sleep(0.005)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        route = request.match_info["route"]
        text = await request.text()
        self.asked.append(
            Asked(
                route=route,
                at=asyncio.get_running_loop().time(),
                job=request.match_info.get("job", ""),
                authorization=request.headers.get("Authorization", ""),
                body=json.loads(text) if text else None,
            )
        )
        script = self.scripts[route]
        self.open[route] = self.open.get(route, 0) + 1
        self.most_open[route] = max(self.most_open.get(route, 0), self.open[route])
        try:
            return await script[min(len(self.to(route)), len(script)) - 1](request)
        finally:
            self.open[route] -= 1


@asynccontextmanager
async def scripted(
    *,
    run: Sequence[Answer] = (),
    status: Sequence[Answer] = (),
    cancel: Sequence[Answer] = (),
    health: Sequence[Answer] = (),
) -> AsyncIterator[Platform]:
    """Run a platform; a route without a script accepts, completes, cancels."""
    platform = Platform(
        {
            "run": run or (accepts(),),
            "status": status or (says("COMPLETED", output={"text": "yes"}),),
            "cancel": cancel or (says("CANCELLED"),),
            "health": health or (gives({"jobs": {}, "workers": {}}),),
        }
    )
    application = web.Application(client_max_size=2**25)
    application.router.add_route("*", "/v2/ep/{route}", platform.answer)
    application.router.add_route("*", "/v2/ep/{route}/{job}", platform.answer)
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        platform.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2"
        yield platform
    finally:
        await runner.cleanup()


def gives(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


def accepts(job: str = "job-1") -> Answer:
    return gives({"id": job, "status": "IN_QUEUE"})


def says(state: str, **rest: Any) -> Answer:
    """Say the state of the job that was asked for."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["job"], "status": state, **rest})

    return answer


def page(status: int) -> Answer:
    """The web page of a proxy."""

    async def answer(_request: web.Request) -> web.Response:
        text = f"<html><title>Error {status}</title>cloudflare</html>"
        return web.Response(status=status, text=text, content_type="text/html")

    return answer


def drops() -> Answer:
    """Hang up without an answer."""

    async def answer(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    return answer


def breaks_off() -> Answer:
    """Hang up in the middle of an answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"id": "job-1", ')
        if request.transport is not None:
            request.transport.close()
        return response

    return answer


def after(seconds: float, answer: Answer) -> Answer:
    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await answer(request)

    return late


def when(event: asyncio.Event, answer: Answer) -> Answer:
    async def waiting(request: web.Request) -> web.StreamResponse:
        await event.wait()
        return await answer(request)

    return waiting


def endless(block: bytes) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(block)
        return response

    return answer


def numbered(answers: Callable[[int], dict[str, Any]]) -> Answer:
    """Give the first request the answer to 1, and so on."""
    count = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response(answers(count))

    return answer
