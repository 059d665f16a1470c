"""Questions to one endpoint over HTTP, asked again where that may help."""

import asyncio
import io
import json
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp

from handlers.errors import (
    EndpointAccessDenied,
    EndpointError,
    EndpointFailed,
    EndpointNotFound,
    EndpointUnreachable,
    ParleyError,
    ReplyInvalid,
    RequestRefused,
    RequestTooLarge,
    ResultTooLarge,
)
from handlers.logs import redact
from handlers.retry_after import asked_pause
from orchestrator.patience import Patience

REQUEST_BYTES: Final = 10 * 1024**2
"""Largest request that RunPod takes at /run."""
ANSWER_BYTES: Final = 32 * 1024**2
"""Largest answer that is read; RunPod's own are up to 20 MB and some."""

_EXCERPT_BYTES: Final = 4096
_EXCERPT_CHARACTERS: Final = 300
_BLOCK_BYTES: Final = 2**18
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NO_ADDRESS: Final = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)

T = TypeVar("T")


class TransientError(Exception):
    """A try failed in a way that the next may not.

    Attributes:
        failure: what is raised if there is no next try.
        asked: seconds that the platform asked to wait, 0 where it did not.

    """

    def __init__(self, failure: ParleyError, *, asked: float = 0.0) -> None:
        super().__init__()
        self.failure = failure
        self.asked = asked


class Exchange:
    """What one endpoint is asked, and how it answers: JSON objects, or typed errors.

    The key is sent with each request and shown nowhere else.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        session: aiohttp.ClientSession,
        api_key: str,
        base_url: str,
        patience: Patience,
    ) -> None:
        self._endpoint = endpoint
        self._session = session
        self._address = f"{base_url.rstrip('/')}/{quote(endpoint, safe='')}"
        self._headers = {"Authorization": f"Bearer {api_key}", "User-Agent": "parley"}
        self._secrets = (api_key,) if api_key else ()
        self._patience = patience
        self._timeout = aiohttp.ClientTimeout(
            # no total: a large answer takes its time; the deadline of the job bounds it
            total=None,
            sock_connect=patience.request_seconds,
            sock_read=patience.request_seconds,
        )

    async def ask(self, method: str, *path: str, until: float = math.inf) -> dict[str, Any]:
        """Ask for a JSON object; see `once` and `persist`."""
        return await self.persist(lambda: self.once(method, *path), until=until)

    async def persist(self, attempt: Callable[[], Awaitable[T]], *, until: float = math.inf) -> T:
        """Try, and try again after a `TransientError`.

        Args:
            attempt: one try.
            until: time of the event loop's clock; a pause that would end after it is not begun.
                Without one, `Patience.attempts` bounds the tries.

        Raises:
            ParleyError: the failure of the last try.

        """
        failures = 0
        while True:
            try:
                return await attempt()
            except TransientError as signal:
                failures += 1
                pause = self._patience.backoff(failures, asked=signal.asked)
                late = asyncio.get_running_loop().time() + pause >= until
                if late or (until == math.inf and failures >= self._patience.attempts):
                    raise signal.failure from signal.__cause__
            await asyncio.sleep(pause)

    async def once(self, method: str, *path: str, body: bytes | None = None) -> dict[str, Any]:
        """Ask for a JSON object, one time.

        Args:
            method: of HTTP.
            path: its parts below the endpoint.
            body: JSON.

        Raises:
            TransientError: 408, 429, 5xx, a lost connection, a timeout, an answer that is no JSON
                object.
            EndpointError: all else that is not 2xx; `EndpointNotFound` stands for every 404.

        """
        url = "/".join((self._address, *(quote(part, safe="") for part in path)))
        headers, data = self._headers, None
        if body is not None:  # as a file: large bytes would be sent in one go
            headers, data = headers | {"Content-Type": "application/json"}, io.BytesIO(body)
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,  # the key would go with it
                timeout=self._timeout,
            ) as response:
                if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._refusal(response, sent=len(body or b""))
                return self._read(await self._content(response))
        except aiohttp.ClientError as error:
            failure = EndpointUnreachable(self._endpoint, reason=why_unreachable(error))
            if isinstance(error, (*_NO_ADDRESS, aiohttp.ClientSSLError)):
                raise failure from error
            raise TransientError(failure) from error

    def excerpt(self, text: str) -> str:
        """Make a line of what somebody else wrote, short and without secrets."""
        hidden = redact(text, secrets=self._secrets)[:_EXCERPT_BYTES]
        line = " ".join(hidden.split())
        return line if len(line) <= _EXCERPT_CHARACTERS else f"{line[:_EXCERPT_CHARACTERS]}..."

    async def _content(self, response: aiohttp.ClientResponse) -> bytearray:
        content = await content_of(response, most=ANSWER_BYTES)
        if len(content) > ANSWER_BYTES:
            raise ResultTooLarge(size=len(content), limit=ANSWER_BYTES)
        return content

    def _read(self, content: bytearray) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            # a proxy's page, of a moment in which the platform is not there
            raise TransientError(ReplyInvalid(self._endpoint, reason="no JSON")) from error
        if not isinstance(answer, dict):
            raise TransientError(ReplyInvalid(self._endpoint, reason="no JSON object"))
        return answer

    async def _refusal(
        self, response: aiohttp.ClientResponse, *, sent: int
    ) -> EndpointError | TransientError:
        status = response.status
        if status in _DENIED:
            return EndpointAccessDenied(self._endpoint, status=status)
        if status == HTTPStatus.NOT_FOUND:
            return EndpointNotFound(self._endpoint)
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return RequestTooLarge(size=sent, limit=REQUEST_BYTES)
        again = status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        if again or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            asked = asked_pause(response.headers.get("Retry-After"))
            return TransientError(EndpointFailed(self._endpoint, status=status), asked=asked)
        text = (await response.content.read(_EXCERPT_BYTES)).decode(errors="replace").strip()
        reason = "a web page" if text.startswith("<") else self.excerpt(text)
        return RequestRefused(self._endpoint, status=status, reason=reason or "no reason given")


async def content_of(response: aiohttp.ClientResponse, *, most: int) -> bytearray:
    """What a response holds; what is longer than `most` bytes is cut one block after it."""
    content = bytearray()
    async for block in response.content.iter_chunked(_BLOCK_BYTES):
        content += block
        if len(content) > most:
            break
    return content


def why_unreachable(error: Exception) -> str:
    """Why a request got no answer, as the end of a sentence; it never holds an address or a key."""
    if isinstance(error, _NO_ADDRESS):
        return "its address is no http(s) URL"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the host's certificate or TLS is not in order"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the host does not take the connection"
    return "the connection was lost"
