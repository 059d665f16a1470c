"""Audio that a caller holds itself, as something that every endpoint can be told."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from handlers.bucket import Bucket, Object
from handlers.errors import BucketUnreachable, RequestTooLarge
from handlers.inline import decoded
from handlers.sources import AudioSource

Inline = bytes | Path
"""A recording that a caller holds: its bytes, or the file with them."""

MOST_INLINE_BYTES: Final = 10_000_000
"""What the platform takes as one request to `/run`; base64 is a third longer than the audio."""

_GROUP: Final = 3
"""Bytes that become four characters of base64."""


@asynccontextmanager
async def as_reference(
    source: AudioSource | Inline, *, bucket: Bucket | None, within: float
) -> AsyncIterator[AudioSource]:
    """Give what to tell the endpoints about audio: a URL, wherever there can be one.

    Inline audio goes into the bucket once, however many endpoints are told about it, and is
    removed when the block ends, fails or is cancelled. Without a bucket it stays inline.

    Args:
        source: what a job names, or the bytes of a recording, or a local file with it.
        bucket: where inline audio goes.
        within: seconds for its upload.

    Raises:
        InvalidEncoding: the source holds no base64.
        RequestTooLarge: there is no bucket, and bytes or a file cannot be sent inline.
        StorageError: the bucket refuses, or cannot be reached.
        OSError: the file cannot be read.

    """
    if isinstance(source, AudioSource) and source.inline is None:
        yield source
    elif bucket is None:
        yield source if isinstance(source, AudioSource) else _inline(source)
    else:
        stored = await _stored(source, bucket=bucket, within=within)
        del source  # hundreds of recordings would stay in memory while their jobs wait
        try:
            yield AudioSource(url=await bucket.link(stored.key))
        finally:
            await bucket.remove(stored.key)


async def _stored(source: AudioSource | Inline, *, bucket: Bucket, within: float) -> Object:
    content = decoded(source.inline or "") if isinstance(source, AudioSource) else source
    try:
        async with asyncio.timeout(within):
            return await bucket.put(content, suffix=".audio")
    except TimeoutError as error:
        reason = f"the audio was not uploaded within {within:.0f} s"
        raise BucketUnreachable(bucket=bucket.name, reason=reason) from error


def _inline(source: Inline) -> AudioSource:
    length = source.stat().st_size if isinstance(source, Path) else len(source)
    size = -(-length // _GROUP) * 4
    if size > MOST_INLINE_BYTES:
        raise RequestTooLarge(size=size, limit=MOST_INLINE_BYTES)
    content = source.read_bytes() if isinstance(source, Path) else source
    return AudioSource(base64=base64.b64encode(content).decode())
