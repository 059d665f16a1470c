"""Requests to RunPod's management API over HTTP, sent again where that may help."""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from deploy.errors import (
    AnswerInvalid,
    AnswerLost,
    DeployError,
    GraphqlRefused,
    KeyRefused,
    PlatformFailed,
    PlatformUnreachable,
    QuotaRefused,
    RateLimited,
    RequestRefused,
)
from deploy.secrets import Secrets, sounds_secret
from handlers.retry_after import asked_pause
from orchestrator.exchange import content_of, why_unreachable

RUNPOD_API: Final = "https://api.runpod.io"
"""Where RunPod is managed: REST below /v2, GraphQL at /graphql."""

_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ANSWER_BYTES: Final = 16 * 1024**2
_EXCERPT: Final = 400
_GRAPHQL: Final = "/graphql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for RunPod; in seconds."""

    request_seconds: float = 60.0
    """Deadline of one request."""
    attempts: int = 5
    """Most tries of one request."""
    first_pause: float = 1.0
    """Longest pause after the first failure; it doubles with each further one."""
    longest_pause: float = 20.0
    longest_asked: float = 90.0
    """A pause that RunPod asks for is kept up to this; above it, the request is given up."""

    def backoff(self, failures: int) -> float:
        """Choose the pause before the next try: exponential, with full jitter."""
        return random.uniform(0.0, min(self.longest_pause, self.first_pause * 2.0**failures))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    what: str = field(kw_only=True)
    query: Mapping[str, str] | None = field(default=None, kw_only=True)
    body: Mapping[str, Any] | None = field(default=None, kw_only=True, repr=False)


class _Again(Exception):
    """A try failed in a way that the next may not; `failure` is raised if there is none."""

    def __init__(self, failure: DeployError, *, asked: float = 0.0, lost: bool = False) -> None:
        super().__init__()
        self.failure = failure
        self.asked = asked
        self.lost = lost


class Wire:
    """One account's connection. The key is sent with each request and shown nowhere else.

    Args:
        session: its connections.
        base: `RUNPOD_API`, or another platform's.
        key: of the account.
        secrets: hidden in what RunPod says.
        patience: how long is waited.

    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base: str,
        key: str,
        secrets: Secrets,
        patience: Patience | None = None,
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._host = urlsplit(base).hostname or "the host"
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "parley"}
        self._secrets = secrets.and_of(key)
        self._patience = patience or Patience()

    def hide_too(self, environment: Mapping[str, object]) -> None:
        """Hide what an endpoint's variables hold, where their names sound like secrets."""
        values = (str(value) for name, value in environment.items() if sounds_secret(name))
        self._secrets = self._secrets.and_of(*values)

    async def get(self, path: str, *, what: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401  JSON
        """Read what a path of REST v2 holds.

        Raises:
            DeployError: it cannot be read.

        """
        return await self._ask(_Request("GET", f"/v2/{path}", what=what, query=query))

    async def send(
        self,
        method: str,
        path: str,
        *,
        what: str,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> Any:  # noqa: ANN401  JSON
        """Change what a path of REST v2 holds; None where there is no answer to read.

        Args:
            method: of HTTP.
            path: below /v2.
            what: is done, for messages: "create the endpoint parley-single".
            body: JSON.
            repeatable: whether doing it twice is the same as once.

        Raises:
            AnswerLost: it is not repeatable, and nobody knows whether it was done.
            DeployError: it was not done.

        """
        request = _Request(method, f"/v2/{path}", what=what, body=body)
        return await self._ask(request, repeatable=repeatable)

    async def graphql(self, query: str, variables: Mapping[str, Any], *, what: str) -> Any:  # noqa: ANN401  JSON
        """Ask GraphQL something that may be asked twice, and give its `data`.

        Raises:
            GraphqlRefused: it says that the request is wrong.
            DeployError: it gave no answer.

        """
        body = {"query": query, "variables": dict(variables)}
        answer = await self._ask(_Request("POST", _GRAPHQL, what=what, body=body))
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if errors:
            raise self._graphql_failure(errors, what=what)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise AnswerInvalid(what=what, reason="GraphQL gave no data")
        return answer["data"]

    async def _ask(self, request: _Request, *, repeatable: bool = True) -> Any:  # noqa: ANN401  JSON
        failures = 0
        while True:
            try:
                return await self._once(request)
            except _Again as signal:
                failures += 1
                if signal.lost and not repeatable:
                    raise AnswerLost(what=request.what) from None
                hopeless = signal.asked > self._patience.longest_asked
                if failures >= self._patience.attempts or hopeless:
                    raise signal.failure from None
                pause = signal.asked + self._patience.backoff(failures)
            await asyncio.sleep(pause)

    async def _once(self, request: _Request) -> Any:  # noqa: ANN401  JSON
        try:
            async with self._session.request(
                request.method,
                self._base + request.path,
                params=request.query,
                json=request.body,
                headers=self._headers,
                allow_redirects=False,  # the key would go with it
                timeout=aiohttp.ClientTimeout(total=self._patience.request_seconds),
            ) as response:
                content = await _content(response)
                return self._answer(response, content, request=request)
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = why_unreachable(error)
            failure = PlatformUnreachable(what=request.what, host=self._host, reason=reason)
            if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientSSLError):
                raise failure from None
            # a connection that never was carried no request
            never = isinstance(error, aiohttp.ClientConnectorError)
            raise _Again(failure, lost=not never) from None

    def _answer(
        self, response: aiohttp.ClientResponse, content: bytes, *, request: _Request
    ) -> Any:  # noqa: ANN401  JSON
        status, what = response.status, request.what
        if status in _DENIED:
            raise KeyRefused(what=what, http=status)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = asked_pause(response.headers.get("Retry-After"))
            raise _Again(RateLimited(what=what, seconds=asked), asked=asked)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            raise _Again(PlatformFailed(what=what, http=status), lost=True)
        if status == HTTPStatus.NO_CONTENT:
            return None
        answer = _read(content)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            if answer is None:
                # a proxy's page, of a moment in which RunPod is not there
                raise _Again(AnswerInvalid(what=what, reason="no JSON"), lost=True)
            return answer
        if request.path == _GRAPHQL and isinstance(answer, dict) and answer.get("errors"):
            raise self._graphql_failure(answer["errors"], what=what)
        reason = self._reason(answer, content)
        if "workers quota" in reason.lower():
            raise QuotaRefused(reason=reason)
        raise RequestRefused(what=what, http=status, reason=reason)

    def _reason(self, answer: object, content: bytes) -> str:
        """What RunPod says is wrong, in a line, as RFC 9457 has it."""
        if isinstance(answer, dict):
            errors = answer.get("errors")
            listed = errors if isinstance(errors, list) else []
            said = [answer.get("detail") or answer.get("error") or answer.get("title"), *listed]
            text = "; ".join(str(part) for part in said if part)
        else:
            text = content[:_EXCERPT].decode(errors="replace")
            text = "a web page" if text.lstrip().startswith("<") else text
        return self._line(text) or "no reason given"

    def _graphql_failure(self, errors: object, *, what: str) -> DeployError:
        listed = errors if isinstance(errors, list) else [errors]
        said = [
            str(error.get("message", "")) if isinstance(error, dict) else str(error)
            for error in listed
        ]
        reason = self._line("; ".join(filter(None, said))) or "no reason given"
        if "workers quota" in reason.lower():
            return QuotaRefused(reason=reason)
        return GraphqlRefused(what=what, reason=reason)

    def _line(self, text: str) -> str:
        hidden = " ".join(self._secrets.hide(text).split()).rstrip(".")
        return hidden if len(hidden) <= _EXCERPT else f"{hidden[:_EXCERPT]}..."


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = await content_of(response, most=_ANSWER_BYTES)
    if len(content) > _ANSWER_BYTES:
        message = "longer than any answer is"
        raise aiohttp.ClientPayloadError(message)
    return bytes(content)


def _read(content: bytes) -> object:
    try:
        answer: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer
