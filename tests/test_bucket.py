"""A bucket, on a real S3 server, and on hosts that misbehave."""

import asyncio
import hashlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from handlers.bucket import Bucket
from handlers.errors import BucketRefused, BucketUnreachable
from handlers.s3 import Access
from handlers.settings import Settings, SettingsError
from tests.buckets import KEY_ID, SECRET, LocalBucket, local_bucket, opened
from tests.test_floors import modules_after
from tests.web import answering, serving

CONTENT = b"what the platform does not carry " * 1000


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalBucket]:
    with local_bucket() as local:
        yield local


async def downloaded(link: str) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(link, encoded=True)) as response,
    ):
        return response.status, response.content_type, await response.read()


async def test_a_link_gives_the_bytes_that_were_put(s3: LocalBucket) -> None:
    bucket = s3.open()
    stored = await bucket.put(CONTENT, suffix=".json", content_type="application/json")
    assert stored.bytes == len(CONTENT)
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    given = await downloaded(await bucket.link(stored.key))
    assert given == (200, "application/json", CONTENT)


async def test_keys_begin_with_the_prefix_and_the_day_and_cannot_be_guessed(
    s3: LocalBucket,
) -> None:
    bucket = s3.open(bucket_prefix="mine/")
    before = datetime.now(UTC).date().isoformat()
    keys = {(await bucket.put(b"same", suffix=".audio")).key for _ in range(20)}
    days = {before, datetime.now(UTC).date().isoformat()}
    assert len(keys) == 20
    for prefix, day, name in (key.split("/") for key in keys):
        assert prefix == "mine"
        assert day in days
        assert name.endswith(".audio")
        assert len(name) >= 32 + len(".audio")


async def test_a_large_file_goes_in_parts(s3: LocalBucket, tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    with file.open("wb") as sparse:
        sparse.truncate(65 * 2**20)
    stored = await s3.open().put(file)
    head = s3.client.head_object(Bucket=s3.name, Key=stored.key)
    assert head["ContentLength"] == stored.bytes == 65 * 2**20
    assert head["ETag"].endswith('-5"')
    assert stored.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


async def test_a_removed_object_is_gone(s3: LocalBucket) -> None:
    bucket = s3.open()
    stored = await bucket.put(CONTENT)
    link = await bucket.link(stored.key)
    await bucket.remove(stored.key)
    assert (await downloaded(link))[0] == 404
    await bucket.remove(stored.key)


async def test_a_link_ends_when_it_is_told_to(s3: LocalBucket) -> None:
    link = URL(await s3.open(bucket_link_seconds=90).link("parley/x.json"), encoded=True)
    assert link.path == "/recordings/parley/x.json"
    assert link.query["X-Amz-Expires"] == "90"
    assert link.query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert SECRET not in str(link)


async def test_an_unreadable_file_is_the_callers_to_know(s3: LocalBucket, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await s3.open().put(tmp_path / "none.wav")


async def test_a_bucket_that_is_not_there_refuses(s3: LocalBucket) -> None:
    with pytest.raises(BucketRefused, match=r"'nobodys' refused: NoSuchBucket \(HTTP 404\)"):
        await s3.open(bucket_name="nobodys").put(CONTENT)


async def test_a_refusal_shows_neither_keys_nor_what_the_host_says() -> None:
    async with serving(answering(403)) as host:
        with pytest.raises(BucketRefused) as refused:
            await opened(host.url("")).put(CONTENT)
        assert len(host.requests) == 1
    assert "403" in str(refused.value)
    for secret in (KEY_ID, SECRET, "secret inside"):
        assert secret not in str(refused.value)


class Storing:
    """A host that keeps what it is sent, once it has failed as often as it is told to."""

    def __init__(self, *, failures: int) -> None:
        self.bodies: list[bytes] = []
        self._failures = failures

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        return web.Response(status=503 if len(self.bodies) <= self._failures else 200)


async def test_a_put_is_sent_whole_again_after_a_failure_of_the_host() -> None:
    store = Storing(failures=1)
    async with serving(store) as host:
        await opened(host.url("")).put(CONTENT)
    assert store.bodies == [CONTENT, CONTENT]


async def test_a_host_that_keeps_failing_is_unreachable_after_a_few_tries() -> None:
    async with serving(answering(500)) as host:
        with pytest.raises(BucketUnreachable, match="HTTP 500") as unreachable:
            await opened(host.url("")).put(CONTENT)
        puts = [request for request in host.requests if request.method == "PUT"]
    assert len(puts) == 8
    assert unreachable.value.retryable


async def test_a_host_that_nobody_answers_for_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        bucket = opened(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(BucketUnreachable, match="EndpointConnectionError"):
            await bucket.put(CONTENT)


async def test_removing_never_fails_a_job_and_says_what_may_be_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(answering(403)) as host:
        await opened(host.url("")).remove("parley/day/key")
    assert "parley/day/key may be left in the bucket" in caplog.text


class Lingering:
    """A host that takes an upload and never has enough of it; all else it does at once."""

    def __init__(self) -> None:
        self.uploading = asyncio.Event()
        self.removed: list[str] = []
        self.whole = False

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            self.removed.append(request.path)
            return web.Response(status=204)
        self.uploading.set()
        async for _ in request.content.iter_chunked(2**16):
            await asyncio.sleep(0.05)
        self.whole = True
        return web.Response()


async def test_a_cancelled_put_ends_soon_and_leaves_nothing() -> None:
    host = Lingering()
    async with serving(host) as served:
        put = asyncio.create_task(opened(served.url("")).put(bytes(40 * 2**20), suffix=".audio"))
        await asyncio.wait_for(host.uploading.wait(), 30)
        put.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(put, 30)
        upload = served.requests[0].path
        assert host.removed == [upload]
        assert not host.whole


async def test_a_removal_outlives_the_cancellation_of_its_job(s3: LocalBucket) -> None:
    bucket = s3.open()
    stored = await bucket.put(CONTENT)
    removal = asyncio.create_task(bucket.remove(stored.key))
    await asyncio.sleep(0)
    removal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await removal
    deadline = time.monotonic() + 30
    while stored.key in await asyncio.to_thread(s3.keys):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_no_name_is_no_bucket() -> None:
    assert Bucket.from_settings(Settings.read()) is None


def test_a_name_alone_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_BUCKET_NAME", "recordings")
    monkeypatch.setenv("BUCKET_ACCESS_KEY_ID", KEY_ID)
    with pytest.raises(
        SettingsError, match=r"not set: BUCKET_ENDPOINT_URL, BUCKET_SECRET_ACCESS_KEY$"
    ):
        Bucket.from_settings(Settings.read())


@pytest.mark.parametrize("url", ["recordings.example", "ftp://recordings.example", "https://"])
def test_an_address_that_is_none_names_its_variable(url: str) -> None:
    with pytest.raises(SettingsError, match="BUCKET_ENDPOINT_URL"):
        opened(url)


@pytest.mark.parametrize(
    ("given", "root", "region"),
    [
        (
            {"BUCKET_ENDPOINT_URL": "https://abc.r2.cloudflarestorage.com"},
            "https://abc.r2.cloudflarestorage.com",
            "auto",
        ),
        (
            {"BUCKET_ENDPOINT_URL": "https://s3.eu-central-1.amazonaws.com"},
            "https://s3.eu-central-1.amazonaws.com",
            "eu-central-1",
        ),
        (
            {"BUCKET_ENDPOINT_URL": "https://recordings.s3.us-east-2.amazonaws.com"},
            "https://s3.us-east-2.amazonaws.com",
            "us-east-2",
        ),
        (
            {"BUCKET_ENDPOINT_URL": "https://minio.local:9000", "bucket_region": "us-east-1"},
            "https://minio.local:9000",
            "us-east-1",
        ),
    ],
)
def test_an_address_is_read_as_the_documents_of_its_host_give_it(
    given: dict[str, Any], root: str, region: str
) -> None:
    keys = {"BUCKET_ACCESS_KEY_ID": KEY_ID, "BUCKET_SECRET_ACCESS_KEY": SECRET}
    access = Access.from_settings(Settings.model_validate({**given, **keys}), name="recordings")
    assert (access.url, access.region) == (root, region)
    assert SECRET not in repr(access)


def test_the_s3_library_is_loaded_by_who_uses_it_alone() -> None:
    assert modules_after("import handlers.bucket, handlers.worker").isdisjoint(
        {"boto3", "botocore", "numpy", "av"}
    )
