"""Replies that were too large for the platform, fetched from where their worker put them."""

import asyncio
import hashlib
import json
import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from pydantic import ValidationError
from yarl import URL

from handlers.errors import (
    BucketRefused,
    BucketUnreachable,
    ReplyInvalid,
    ResultTooLarge,
)
from handlers.replies import LargeReply
from orchestrator.exchange import content_of

MOST_RESULT_BYTES: Final = 256 * 2**20
"""Far above what hours of audio give; it bounds the memory that a wrong link can take."""
RESULT_SECONDS: Final = 120.0
"""Deadline of a download with its retries."""

_ATTEMPTS: Final = 4
_FIRST_PAUSE_SECONDS: Final = 0.5
"""Before the second try; it doubles with each further one."""
_TRY: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=30)


async def resolve(
    output: Any,  # noqa: ANN401
    *,
    session: aiohttp.ClientSession,
    limit: int = MOST_RESULT_BYTES,
    endpoint: str = "unknown",
    within: float = RESULT_SECONDS,
) -> Any:  # noqa: ANN401
    """Give the reply itself, whether it is the output of a job or the output says where it is.

    Args:
        output: of a job that is done.
        session: without credentials of its own, since they would go to the bucket.
        limit: most bytes of a reply.
        endpoint: that had the job, for messages.
        within: seconds for the download with its retries.

    Raises:
        ReplyInvalid: what is behind the link is not what the worker put there.
        ResultTooLarge: more than `limit`.
        BucketRefused: the link is valid no more, or the object is gone.
        BucketUnreachable: the bucket's host does not give it in time, also when asked again.

    """
    if not isinstance(output, Mapping) or "result_url" not in output:
        return output
    try:
        promise = LargeReply.model_validate(output)
        address = URL(promise.result_url, encoded=True)  # its signature is of exactly this text
    except (ValidationError, ValueError):
        raise ReplyInvalid(endpoint, reason="a link to a result that is none") from None
    if address.scheme not in {"http", "https"} or not address.host:
        raise ReplyInvalid(endpoint, reason="a link to a result that is no http(s) URL")
    if promise.bytes > limit:
        raise ResultTooLarge(size=promise.bytes, limit=limit)
    try:
        async with asyncio.timeout(within):
            content = await _fetched(session, address, size=promise.bytes)
    except TimeoutError as error:
        reason = f"a result of {promise.bytes} bytes did not arrive within {within:g} s"
        raise BucketUnreachable(bucket=address.host, reason=reason) from error
    if len(content) != promise.bytes or hashlib.sha256(content).hexdigest() != promise.sha256:
        raise ReplyInvalid(endpoint, reason="a result that changed on its way")
    try:
        return json.loads(content)
    except ValueError:
        raise ReplyInvalid(endpoint, reason="a result that is no JSON") from None


async def _fetched(session: aiohttp.ClientSession, address: URL, *, size: int) -> bytes:
    attempt = 1
    while True:
        try:
            return await _tried(session, address, size=size)
        except BucketUnreachable:
            if attempt == _ATTEMPTS:
                raise
        longest = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
        await asyncio.sleep(random.uniform(longest / 2, longest))
        attempt += 1


async def _tried(session: aiohttp.ClientSession, address: URL, *, size: int) -> bytes:
    """Download once; what is longer than `size` is cut one block after it."""
    host = str(address.host)  # all of the address that may be shown: the rest is a key
    try:
        async with session.get(address, allow_redirects=False, timeout=_TRY) as response:
            _judge(response.status, host=host)
            return bytes(await content_of(response, most=size))
    except TimeoutError as error:  # of one try: the deadline of all cancels instead
        raise BucketUnreachable(bucket=host, reason="it stopped answering") from error
    except aiohttp.ClientError as error:
        raise BucketUnreachable(bucket=host, reason=type(error).__name__) from error


def _judge(status: int, *, host: str) -> None:
    if status == HTTPStatus.OK:
        return
    reason = f"a link to a result answered HTTP {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise BucketUnreachable(bucket=host, reason=reason)
    raise BucketRefused(bucket=host, reason=reason)
