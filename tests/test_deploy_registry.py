"""Whether images and models are to be had, asked of hosts as the real ones answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from deploy.hub import gives
from deploy.registry import Reference, is_there


@pytest.mark.parametrize(
    ("image", "address"),
    [
        ("ghcr.io/me/parley-single:1", "https://ghcr.io/v2/me/parley-single/manifests/1"),
        ("me/parley:2", "https://registry-1.docker.io/v2/me/parley/manifests/2"),
        ("docker.io/me/parley:2", "https://registry-1.docker.io/v2/me/parley/manifests/2"),
        ("python:3.11", "https://registry-1.docker.io/v2/library/python/manifests/3.11"),
        ("localhost:5000/parley:3", "http://localhost:5000/v2/parley/manifests/3"),
        ("r.example:8443/a/b/c:4-baked", "https://r.example:8443/v2/a/b/c/manifests/4-baked"),
    ],
)
def test_an_image_is_where_its_name_says(image: str, address: str) -> None:
    assert Reference.read(image).address == address


@asynccontextmanager
async def registry(*, status: int = 200, scheme: str = "Bearer") -> AsyncIterator[str]:
    """A registry that gives everybody a token, as public ones do, and looks at it."""

    async def manifest(request: web.Request) -> web.Response:
        if status == 200 and request.match_info["name"] != "me/there":
            return web.Response(status=404)
        if request.headers.get("Authorization") == "Bearer anonymous":
            return web.Response(status=status)
        realm = f"http://{request.host}/token"
        asked = f'{scheme} realm="{realm}",service="s",scope="repository:me/there:pull"'
        return web.Response(status=401, headers={"WWW-Authenticate": asked})

    async def token(request: web.Request) -> web.Response:
        assert dict(request.query) == {"service": "s", "scope": "repository:me/there:pull"}
        assert "Authorization" not in request.headers
        return web.json_response({"token": "anonymous"})

    application = web.Application()
    application.router.add_route("*", "/v2/{name:.+}/manifests/{tag}", manifest)
    application.router.add_get("/token", token)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "status", "scheme", "there"),
    [
        ("me/there", 200, "Bearer", True),
        ("me/elsewhere", 200, "Bearer", False),
        ("me/there", 404, "Bearer", False),
        ("me/there", 401, "Bearer", False),
        ("me/there", 200, "Basic", False),
        ("me/there", 500, "Bearer", None),
        ("me/there", 429, "Bearer", None),
    ],
)
async def test_a_registry_says_whether_it_has_an_image(
    name: str, status: int, scheme: str, there: object
) -> None:
    async with registry(status=status, scheme=scheme) as host, aiohttp.ClientSession() as session:
        assert await is_there(f"{host}/{name}:1", session=session) is there


async def test_a_registry_that_is_not_there_says_nothing() -> None:
    async with aiohttp.ClientSession() as session:
        assert await is_there("127.0.0.1:9/me/there:1", session=session) is None


@pytest.mark.parametrize(
    ("status", "given"),
    [(200, True), (401, False), (403, False), (404, False), (429, None), (500, None), (302, None)],
)
async def test_the_hub_says_whether_a_token_may_read_a_model(status: int, given: object) -> None:
    async def check(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer hf_x"
        headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    application = web.Application()
    application.router.add_get("/api/models/org/name/auth-check", check)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        hub = f"http://{host}:{port}/"
        assert await gives("org/name", token="hf_x", session=session, hub=hub) is given  # noqa: S106
    await runner.cleanup()


async def test_a_hub_that_is_not_there_says_nothing() -> None:
    async with aiohttp.ClientSession() as session:
        hub = "http://127.0.0.1:9"
        assert await gives("org/name", token="hf_x", session=session, hub=hub) is None  # noqa: S106
