"""Questions to RunPod's management API, with a deadline, asked again where that may help.

https://docs.runpod.io/api-reference-v2. Nothing is changed there, so any question may be repeated.
"""

import asyncio
import ipaddress
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from handlers.retry_after import asked_pause
from orchestrator.exchange import content_of, why_unreachable
from planner.errors import (
    AccountAddressInvalid,
    AccountAnswerInvalid,
    AccountError,
    AccountKeyMissing,
    AccountRefused,
    AccountUnreachable,
)

RUNPOD_API: Final = "https://api.runpod.io"

_ANSWER_BYTES: Final = 32 * 1024**2
_EXCERPT: Final = 300
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for RunPod; in seconds."""

    request_seconds: float = 30.0
    attempts: int = 4
    first_pause: float = 1.0
    """Longest pause after the first failure; it doubles with each further one."""
    longest_asked: float = 60.0
    """A pause that RunPod asks for is kept up to this; above it, the question is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom to ask, and with which key.

    Attributes:
        key: RUNPOD_API_KEY; shown nowhere.
        base: RUNPOD_API_BASE, where that is another platform than RunPod.

    """

    key: SecretStr
    base: str = RUNPOD_API

    @classmethod
    def read(cls, variables: Mapping[str, str], *, what: str) -> Self:
        """Read the environment; a variable that is empty counts as not set.

        Args:
            variables: the environment.
            what: is to be asked, for messages: "prices".

        Raises:
            AccountKeyMissing: there is no key.
            AccountAddressInvalid: the address is none to send a key to.

        """
        key = variables.get("RUNPOD_API_KEY", "").strip()
        base = variables.get("RUNPOD_API_BASE", "").strip() or RUNPOD_API
        if not key:
            raise AccountKeyMissing(what=what)
        if not _is_safe(base):
            raise AccountAddressInvalid
        return cls(key=SecretStr(key), base=base.rstrip("/"))


class Management:
    """Asks for an account.

    Args:
        account: whose.
        session: its connections.
        patience: how long is waited.

    """

    def __init__(
        self,
        account: Account,
        *,
        session: aiohttp.ClientSession,
        patience: Patience | None = None,
    ) -> None:
        self._account = account
        self._session = session
        self._patience = patience or Patience()

    async def get(self, path: str, *, what: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401  JSON
        """Read what a path below /v2 holds.

        Args:
            path: without a slash at its beginning.
            what: is asked, for messages.
            query: of the address.

        Raises:
            AccountError: it cannot be read; the leaf says why.

        """
        failures = 0
        while True:
            try:
                return await self._once(path, what=what, query=query)
            except _Again as signal:
                failures += 1
                hopeless = signal.asked > self._patience.longest_asked
                if hopeless or failures >= self._patience.attempts:
                    raise signal.failure from None
                longest = self._patience.first_pause * 2.0 ** (failures - 1)
                pause = signal.asked + random.uniform(0.0, longest)
            await asyncio.sleep(pause)

    async def _once(self, path: str, *, what: str, query: Mapping[str, str] | None) -> Any:  # noqa: ANN401  JSON
        key = self._account.key.get_secret_value()
        try:
            async with self._session.get(
                f"{self._account.base}/v2/{path}",
                params=query,
                headers={"Authorization": f"Bearer {key}", "User-Agent": "parley"},
                allow_redirects=False,  # the key would go with it
                timeout=aiohttp.ClientTimeout(total=self._patience.request_seconds),
            ) as response:
                content = await _content(response)
                return self._answer(response, content, what=what)
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = AccountUnreachable(what=what, reason=why_unreachable(error))
            if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientSSLError):
                raise failure from None
            raise _Again(failure) from None

    def _answer(self, response: aiohttp.ClientResponse, content: bytes, *, what: str) -> Any:  # noqa: ANN401  JSON
        status = response.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = asked_pause(response.headers.get("Retry-After"))
            reason = f"it has been asked too often; it wants {asked:.0f} s of rest"
            raise _Again(AccountUnreachable(what=what, reason=reason), asked=asked)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Again(AccountUnreachable(what=what, reason=f"it answers HTTP {status}"))
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if status != HTTPStatus.OK:
            raise AccountRefused(what=what, http=status, reason=self._reason(answer))
        if not isinstance(answer, dict):
            raise AccountAnswerInvalid(what=what, reason="it is no JSON object")
        return answer

    def _reason(self, answer: object) -> str:
        """What RunPod says is wrong, in a line, without the key."""
        said = answer.get("detail") or answer.get("title") if isinstance(answer, dict) else None
        text = " ".join(str(said or "no reason given").split())
        return text.replace(self._account.key.get_secret_value(), "***")[:_EXCERPT].rstrip(".")


class _Again(Exception):
    """A try failed in a way that the next may not; `failure` is raised if there is none."""

    def __init__(self, failure: AccountError, *, asked: float = 0.0) -> None:
        super().__init__()
        self.failure = failure
        self.asked = asked


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = await content_of(response, most=_ANSWER_BYTES)
    if len(content) > _ANSWER_BYTES:
        message = "longer than any answer is"
        raise aiohttp.ClientPayloadError(message)
    return bytes(content)


def _is_safe(base: str) -> bool:
    try:
        parts = urlsplit(base)
        host = parts.hostname or ""
    except ValueError:
        return False
    local = host in _LOCAL or _is_loopback(host)
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
