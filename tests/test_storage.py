"""What endpoints are told about audio that a caller holds itself."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.audio import fetch
from handlers.errors import BucketRefused, InvalidEncoding, RequestTooLarge
from handlers.settings import Settings
from handlers.sources import AudioSource
from orchestrator.storage import MOST_INLINE_BYTES, Inline, as_reference
from tests.buckets import LocalBucket, local_bucket, opened
from tests.web import answering, serving

CONTENT = bytes(range(256)) * 100
DIGITS = base64.b64encode(CONTENT).decode()


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalBucket]:
    with local_bucket() as local:
        yield local


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "meeting.wav"
    file.write_bytes(CONTENT)
    return file


async def fetched(reference: AudioSource, folder: Path) -> bytes:
    """What a worker gets of it."""
    settings = Settings(allow_private_addresses=True)
    return (await fetch(reference, settings=settings, folder=folder)).path.read_bytes()


INLINE = [
    AudioSource(base64=DIGITS),
    AudioSource(base64=base64.urlsafe_b64encode(CONTENT).decode()),
    AudioSource(base64=f"data:audio/wav;base64,{DIGITS}"),
    AudioSource(url=f"data:audio/wav;base64,{DIGITS}"),
    CONTENT,
]


@pytest.mark.parametrize("source", INLINE)
async def test_inline_audio_is_a_link_while_it_is_needed(
    s3: LocalBucket, source: AudioSource | bytes, tmp_path: Path
) -> None:
    async with as_reference(source, bucket=s3.open(), within=60) as reference:
        assert reference.inline is None
        assert len(s3.keys()) == 1
        assert await fetched(reference, tmp_path) == CONTENT
    assert s3.keys() == []


async def test_a_local_file_is_a_link_while_it_is_needed(
    s3: LocalBucket, recording: Path, tmp_path: Path
) -> None:
    async with as_reference(recording, bucket=s3.open(), within=60) as reference:
        assert await fetched(reference, tmp_path) == CONTENT
    assert s3.keys() == []


async def test_a_url_is_told_as_it_is(s3: LocalBucket) -> None:
    source = AudioSource(url="https://example.com/meeting.mp3?signature=1")
    async with as_reference(source, bucket=s3.open(), within=60) as reference:
        assert reference is source
        assert s3.keys() == []


async def test_a_job_that_fails_leaves_nothing(s3: LocalBucket) -> None:
    with pytest.raises(ZeroDivisionError):
        async with as_reference(CONTENT, bucket=s3.open(), within=60):
            raise ZeroDivisionError
    assert s3.keys() == []


async def test_a_job_that_is_cancelled_leaves_nothing(s3: LocalBucket) -> None:
    told = asyncio.Event()

    async def job() -> None:
        async with as_reference(CONTENT, bucket=s3.open(), within=60):
            told.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(job())
    await told.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert s3.keys() == []


async def test_what_is_no_base64_never_gets_into_the_bucket(s3: LocalBucket) -> None:
    for wrong in ("no base64!", DIGITS[:5], "data:audio/wav;base64,????"):
        with pytest.raises(InvalidEncoding):
            async with as_reference(AudioSource(base64=wrong), bucket=s3.open(), within=60):
                pass
    assert s3.keys() == []


async def test_a_bucket_that_refuses_fails_the_job() -> None:
    async with serving(answering(403)) as host:
        with pytest.raises(BucketRefused):
            async with as_reference(CONTENT, bucket=opened(host.url("")), within=60):
                pass


@pytest.mark.parametrize("source", INLINE[:-1])
async def test_without_a_bucket_a_source_stays_as_it_is(source: AudioSource) -> None:
    async with as_reference(source, bucket=None, within=60) as reference:
        assert reference is source


async def test_without_a_bucket_bytes_and_files_go_inline(recording: Path, tmp_path: Path) -> None:
    sources: list[Inline] = [CONTENT, recording]
    for source in sources:
        async with as_reference(source, bucket=None, within=60) as reference:
            assert await fetched(reference, tmp_path) == CONTENT


async def test_without_a_bucket_what_no_request_can_hold_is_refused(tmp_path: Path) -> None:
    whole = MOST_INLINE_BYTES // 4 * 3
    async with as_reference(bytes(whole), bucket=None, within=60) as reference:
        assert len(reference.base64 or "") == MOST_INLINE_BYTES
    long = tmp_path / "long.wav"
    with long.open("wb") as sparse:
        sparse.truncate(whole + 1)
    with pytest.raises(RequestTooLarge, match="PARLEY_BUCKET_NAME"):
        async with as_reference(long, bucket=None, within=60):
            pass
