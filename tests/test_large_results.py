"""Replies that are larger than the platform delivers, from the worker to the caller."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from handlers.bucket import Bucket
from handlers.errors import (
    BucketRefused,
    BucketUnreachable,
    ParleyError,
    ReplyInvalid,
    ResultTooLarge,
)
from handlers.progress import Progress
from handlers.worker import create_handler
from orchestrator.results import resolve
from tests.buckets import LocalBucket, local_bucket, opened
from tests.web import answering, giving, in_pieces, redirecting, serving

REPLY = {"text": "Grüße an alle. " * 1000, "segments": [{"start": 0.5}], "language": None}
CONTENT = json.dumps(REPLY).encode()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MANY = 10**6


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalBucket]:
    with local_bucket() as local:
        yield local


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened_session:
        yield opened_session


async def delivered(*, limit: int, bucket: Bucket | None) -> dict[str, Any]:
    """What a worker's handler gives the SDK."""

    async def answer(_raw: Any, _progress: Progress) -> dict[str, Any]:
        return REPLY

    async def post(_job: dict[str, Any], _message: dict[str, Any]) -> None:
        """Nobody looks at progress here."""

    handler = create_handler(
        answer, post=post, max_result_bytes=limit, progress_interval=0.0, bucket=bucket
    )
    return await handler({"id": "job-1", "input": {"audio_url": "https://example.com/a.wav"}})


async def test_a_large_reply_reaches_the_caller_through_the_bucket(
    s3: LocalBucket, session: aiohttp.ClientSession
) -> None:
    output = await delivered(limit=1000, bucket=s3.open())
    assert set(output) == {"result_url", "bytes", "sha256"}
    assert await resolve(output, session=session, limit=MANY) == REPLY
    key = URL(output["result_url"]).path.removeprefix(f"/{s3.name}/")
    stored = s3.client.get_object(Bucket=s3.name, Key=key)
    assert stored["ContentType"] == "application/json"
    content = stored["Body"].read()
    assert len(content) == output["bytes"]
    assert hashlib.sha256(content).hexdigest() == output["sha256"]


async def test_what_the_platform_delivers_does_not_go_through_the_bucket(s3: LocalBucket) -> None:
    before = s3.keys()
    size = len(json.dumps({"output": REPLY}, ensure_ascii=False).encode())
    assert await delivered(limit=size, bucket=s3.open()) == REPLY
    assert s3.keys() == before
    assert set(await delivered(limit=size - 1, bucket=s3.open())) > {"result_url"}


async def test_without_a_bucket_a_large_reply_fails_and_names_the_remedy() -> None:
    failure = json.loads((await delivered(limit=1000, bucket=None))["error"])
    assert failure["code"] == "result_too_large"
    assert "PARLEY_BUCKET_NAME" in failure["message"]


async def test_a_bucket_that_refuses_is_a_typed_failure_of_the_job() -> None:
    async with serving(answering(403)) as host:
        failed = await delivered(limit=1000, bucket=opened(host.url("")))
    assert json.loads(failed["error"])["code"] == "bucket_refused"


def at(url: str, **different: Any) -> dict[str, Any]:
    """What a worker says of a result at a URL."""
    promise = {"result_url": f"{url}?X-Amz-Signature=sig", "bytes": len(CONTENT), "sha256": SHA256}
    return {**promise, **different}


@pytest.mark.parametrize("output", [REPLY, {}, None, "text", [1]])
async def test_an_output_that_points_nowhere_is_the_reply(
    output: Any, session: aiohttp.ClientSession
) -> None:
    assert await resolve(output, session=session, limit=1) is output


async def test_a_link_is_asked_exactly_as_it_was_signed(session: aiohttp.ClientSession) -> None:
    async with serving(giving(CONTENT)) as host:
        signed = host.url("/b/parley%2Fa~b.json?X-Amz-Credential=k%2Fs3&x=%7E")
        await resolve(at("", result_url=signed), session=session)
        assert host.requests[0].raw_path == "/b/parley%2Fa~b.json?X-Amz-Credential=k%2Fs3&x=%7E"
        assert "Authorization" not in host.requests[0].headers


async def test_failures_of_the_host_are_tried_again(session: aiohttp.ClientSession) -> None:
    broken_off = in_pieces([CONTENT[:100]], promise=len(CONTENT))
    async with serving(answering(503), broken_off, giving(CONTENT)) as host:
        assert await resolve(at(host.url()), session=session) == REPLY
        assert len(host.requests) == 3


async def refused(
    output: dict[str, Any], session: aiohttp.ClientSession, **bounds: Any
) -> ParleyError:
    with pytest.raises(ParleyError) as failure:
        await resolve(output, session=session, **bounds)
    assert "sig" not in str(failure.value).split("Check")[0]
    return failure.value


async def test_a_link_that_is_valid_no_more_is_not_tried_again(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(answering(403)) as host:
        failure = await refused(at(host.url()), session)
        assert len(host.requests) == 1
    assert isinstance(failure, BucketRefused)
    assert "HTTP 403" in str(failure)


async def test_a_host_that_keeps_failing_is_unreachable(session: aiohttp.ClientSession) -> None:
    async with serving(answering(500)) as host:
        failure = await refused(at(host.url()), session)
        assert len(host.requests) == 4
    assert isinstance(failure, BucketUnreachable)


async def test_a_host_slower_than_the_deadline_is_unreachable(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(in_pieces([CONTENT[:100]], hang=True)) as host:
        failure = await refused(at(host.url()), session, within=0.3)
    assert isinstance(failure, BucketUnreachable)


async def test_a_result_above_the_limit_is_not_even_asked_for(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(giving(CONTENT)) as host:
        failure = await refused(at(host.url()), session, limit=len(CONTENT) - 1)
        assert host.requests == []
    assert isinstance(failure, ResultTooLarge)


async def test_no_more_is_read_than_was_promised(session: aiohttp.ClientSession) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(2**16))
            sent += 2**16

    async with asyncio.timeout(60), serving(endless) as host:
        failure = await refused(at(host.url()), session)
    assert isinstance(failure, ReplyInvalid)
    assert sent < 100 * 2**20


@pytest.mark.parametrize(
    "content", [CONTENT.replace(b"alle", b"Anna"), CONTENT[:-1], CONTENT + b" "]
)
async def test_other_bytes_than_the_workers_are_no_reply(
    content: bytes, session: aiohttp.ClientSession
) -> None:
    async with serving(giving(content)) as host:
        failure = await refused(at(host.url()), session, endpoint="abc")
    assert isinstance(failure, ReplyInvalid)
    assert "'abc'" in str(failure)


async def test_what_is_no_json_is_no_reply(session: aiohttp.ClientSession) -> None:
    content = b"no json"
    digest = hashlib.sha256(content).hexdigest()
    async with serving(giving(content)) as host:
        output = at(host.url(), bytes=len(content), sha256=digest)
        assert isinstance(await refused(output, session), ReplyInvalid)


async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession) -> None:
    async with serving(giving(CONTENT)) as other, serving(redirecting(other.url())) as host:
        assert isinstance(await refused(at(host.url()), session), BucketRefused)
        assert other.requests == []


@pytest.mark.parametrize(
    "different",
    [
        {"result_url": "file:///etc/passwd"},
        {"result_url": "no url"},
        {"result_url": "http://[broken"},
        {"result_url": None},
        {"bytes": "many"},
        {"sha256": None},
    ],
)
async def test_what_is_no_promise_of_a_worker_is_no_reply(
    different: dict[str, Any], session: aiohttp.ClientSession
) -> None:
    async with serving(giving(CONTENT)) as host:
        failure = await refused(at(host.url(), **different), session)
        assert host.requests == []
    assert isinstance(failure, ReplyInvalid)
