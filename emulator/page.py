"""The status page: what the endpoints do at the moment, and a form for faults."""

import base64
import hashlib
import math
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from emulator.bodies import BodyTooLarge, read_object
from emulator.faults import ANY, MANAGEMENT, Fault, Faults
from emulator.jobs import BadRequest
from emulator.management import operations
from emulator.management.catalog import POOLS
from emulator.status import LOGS, Status

ROUTES: Final = (
    *("run", "runsync", "status", "stream", "cancel", "retry", "health", "purge-queue"),
    *("requests", "job-done", MANAGEMENT),
)
"""What `answer_500` can be about; the kind of a management call can follow a slash."""
_CALLS: Final = [f"{MANAGEMENT}/{name}" for name in (*operations.REST, *operations.GRAPHQL)]

_PAGE: Final = Path(__file__).with_name("page.html")
_FAULT_BYTES: Final = 10_000
_QUIET: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "kind": str,
    "endpoint": str,
    "every": int,
    "times": (int, type(None)),
    "seconds": (int, float),
    "route": str,
}


class StatusPage:
    """`/`, and what it asks for under `/emulator`.

    Args:
        statuses: of the endpoints, by their ids; they may come later.
        faults: what the form adds to and clears.
        quota: how many workers the account may have.

    """

    def __init__(self, statuses: Mapping[str, Status], *, faults: Faults, quota: int) -> None:
        self._statuses = statuses
        self._faults = faults
        self._quota = quota
        self._html = _PAGE.read_text(encoding="utf-8")
        self._policy = _content_policy(self._html)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/", self._page),
            web.get("/emulator/status.json", self._status),
            web.get("/emulator/faults", self._list),
            web.post("/emulator/faults", _refusing(self._add)),
            web.delete("/emulator/faults", self._clear),
            web.get(LOGS + "/{endpoint}/{worker}", self._log),
        ]

    async def _page(self, _request: web.Request) -> web.Response:
        headers = {**_QUIET, "Content-Security-Policy": self._policy}
        return web.Response(text=self._html, content_type="text/html", headers=headers)

    async def _status(self, _request: web.Request) -> web.Response:
        endpoints = [status.facts() for status in self._statuses.values()]
        facts = {
            "quota": {
                "workers": self._quota,
                "promised": sum(endpoint["workers_max"] for endpoint in endpoints),
                "present": sum(endpoint["present"] for endpoint in endpoints),
            },
            "endpoints": endpoints,
            "faults": self._active(),
        }
        return web.json_response(facts, headers=_QUIET)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": self._active()}, headers=_QUIET)

    async def _add(self, request: web.Request) -> web.Response:
        body = await read_object(request, most=_FAULT_BYTES)
        self._faults.add(read_fault(body, endpoints=self._statuses))
        facts = {"faults": self._active()}
        return web.json_response(facts, status=HTTPStatus.CREATED, headers=_QUIET)

    async def _clear(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self._list(request)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        status = self._statuses.get(request.match_info["endpoint"])
        path = status.log(request.match_info["worker"]) if status else None
        if path is None:
            raise web.HTTPNotFound(text="There is no such log.")
        headers = {
            **_QUIET,
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.FileResponse(path, headers=headers)

    def _active(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults.active()]


def read_fault(values: Mapping[str, Any], *, endpoints: Collection[str]) -> Fault:
    """Read a fault by the names of its fields, for endpoints that there are.

    Raises:
        ValueError: a field is unknown, or its value makes no sense.

    """
    problem = ""
    for name, value in values.items():
        if name not in _TYPES:
            problem = f"A fault has no {name!r}, but {', '.join(_TYPES)}."
        elif not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            problem = f"{name!r} of a fault cannot be {value!r}."
    endpoint, route = values.get("endpoint", ANY), values.get("route", ANY)
    places = POOLS if values.get("kind") == "empty_pool" else endpoints
    if problem:
        pass
    elif "kind" not in values:
        problem = "A fault needs a 'kind'."
    elif endpoint not in {ANY, *places}:
        problem = f"There is no endpoint {endpoint!r}; there are {', '.join(places)}, and *."
    elif route not in {ANY, *ROUTES, *_CALLS}:
        problem = f"There is no route {route!r}; there are {', '.join(ROUTES)}, and *."
    elif not math.isfinite(values.get("seconds", 0.0)):
        problem = "'seconds' of a fault must be finite."
    if problem:
        raise ValueError(problem)
    return Fault(**values)


def _refusing(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def refusing(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (BadRequest, BodyTooLarge, ValueError) as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)

    return refusing


def _content_policy(html: str) -> str:
    """Allow what is in the page itself, by its hash, and talk to where it came from."""

    def hashes(tag: str) -> str:
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()) for block in blocks]
        return " ".join(f"'sha256-{digest.decode()}'" for digest in digests)

    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes('script')}",
            f"style-src {hashes('style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )
