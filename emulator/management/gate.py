"""What every call to the management API passes: faults, and the question who is there."""

import asyncio
import hmac
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from emulator.bodies import BodyTooLarge, read_object
from emulator.faults import MANAGEMENT, Fault, FaultKind, Faults
from emulator.jobs import BadRequest
from emulator.management.problems import Problem, bad

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REFUSALS: Final[tuple[tuple[FaultKind, HTTPStatus], ...]] = (
    ("answer_401", HTTPStatus.UNAUTHORIZED),
    ("answer_422", HTTPStatus.UNPROCESSABLE_ENTITY),
    ("answer_429", HTTPStatus.TOO_MANY_REQUESTS),
    ("answer_500", HTTPStatus.INTERNAL_SERVER_ERROR),
)
_BODY_BYTES: Final = 1_000_000
_GONE: Final = 499
"""For nobody: the connection is closed."""


class ConnectionGone(Exception):
    """The caller is not to be answered."""


class Gate:
    """Lets calls in.

    Args:
        api_key: what callers have to show.
        faults: what goes wrong.

    """

    def __init__(self, *, api_key: str, faults: Faults) -> None:
        self._api_key = api_key.encode()
        self._faults = faults

    def require_key(self, request: web.Request, *, in_query: bool = False) -> None:
        """See that a caller shows the key, as a bearer token or, where that is so, in the URL.

        Raises:
            Problem: it does not (401).

        """
        kind, _, shown = request.headers.get("Authorization", "").partition(" ")
        if in_query and "api_key" in request.query:
            kind, shown = "Bearer", request.query["api_key"]
        if kind != "Bearer" or not shown:
            raise Problem(HTTPStatus.UNAUTHORIZED, "missing bearer token")
        if not hmac.compare_digest(shown.strip().encode(), self._api_key):
            raise Problem(HTTPStatus.UNAUTHORIZED, "invalid bearer token")

    async def suffer(self, operation: str, endpoint: str) -> None:
        """Let go wrong what is to go wrong before something is done.

        Args:
            operation: what is asked for, as the API's description names it.
            endpoint: which endpoint it is about, or empty.

        Raises:
            Problem: the call is refused.
            ConnectionGone: it is not to be answered.

        """
        for kind, status in _REFUSALS:
            if fault := self.strikes(kind, operation, endpoint):
                raise _refusal(status, fault)
        if fault := self.strikes("answer_late", operation, endpoint):
            await asyncio.sleep(fault.seconds or math.inf)
        if self.strikes("close_connection", operation, endpoint):
            raise ConnectionGone

    def strikes(self, kind: FaultKind, operation: str, endpoint: str) -> Fault | None:
        """Tell whether a fault strikes a call now."""
        return self._faults.take(kind, endpoint, route=f"{MANAGEMENT}/{operation}")

    def guarded(self, operation: str, handler: Handler) -> Handler:
        """Let a handler of the REST API answer whoever may ask."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            endpoint = request.match_info.get("id", "")
            try:
                await self.suffer(operation, endpoint)
                self.require_key(request)
                answer = await handler(request)
                if self.strikes("lose_answer", operation, endpoint):
                    return hung_up(request)
            except ConnectionGone:
                return hung_up(request)
            except Problem as problem:
                return problem.answer()
            return answer

        return guarded


async def read_body(request: web.Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Problem: there is none (400), or it is too large (413).

    """
    try:
        return await read_object(request, most=_BODY_BYTES)
    except BadRequest as error:
        raise bad(str(error)) from None
    except BodyTooLarge as error:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from None


def _refusal(status: HTTPStatus, fault: Fault) -> Problem:
    if status is not HTTPStatus.TOO_MANY_REQUESTS:
        return Problem(status, "A fault was asked for.")
    headers = {"Retry-After": str(math.ceil(fault.seconds))}
    return Problem(status, "rate limit exceeded for the minute window", headers=headers)


def hung_up(request: web.Request) -> web.Response:
    """Close the connection instead of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=_GONE)
