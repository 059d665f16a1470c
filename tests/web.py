"""A real web server on loopback, for everything that hosts do to those who download."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Host:
    """A host, and what it was asked."""

    base: URL
    requests: list[web.Request] = field(default_factory=list)

    def url(self, path: str = "/audio") -> str:
        return f"{str(self.base).rstrip('/')}{path}"

    @property
    def port(self) -> int:
        assert self.base.port is not None
        return self.base.port


@asynccontextmanager
async def serving(
    *behaviours: Behaviour, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Host]:
    """A host that treats its requests by `behaviours` in turn, all further ones by the last."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await behaviours[min(len(asked), len(behaviours)) - 1](request)

    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", handle)
    async with TestServer(application, host=address, port=port) as server:
        yield Host(server.make_url("/"), asked)


def giving(content: bytes, *, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers=headers)

    return behave


def answering(status: int, *, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text="secret inside")

    return behave


def redirecting(target: str, *, status: int = 302) -> Behaviour:
    headers = {"Location": target, "Set-Cookie": "session=1"}
    return answering(status, headers=headers)


def in_pieces(
    pieces: Sequence[bytes], *, pause: float = 0.0, promise: int | None = None, hang: bool = False
) -> Behaviour:
    """Send pieces with pauses, then hang up where fewer bytes came than promised, or never end."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if promise is None:
            response.enable_chunked_encoding()
        else:
            response.content_length = promise
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause)
        if hang:
            await asyncio.sleep(60)
        if promise is not None and request.transport is not None:
            request.transport.close()
        return response

    return behave


def hanging(seconds: float = 60) -> Behaviour:
    async def behave(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return behave
