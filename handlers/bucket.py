"""An S3-compatible bucket, for what the platform does not carry."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from handlers.errors import BucketUnreachable, StorageError
from handlers.s3 import Access, Host, Object, Upload
from handlers.settings import Settings

__all__ = ["Bucket", "Object"]

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_REMOVE_SECONDS: Final = 10.0
"""How long an object's removal may keep its job waiting."""
_GIVE_UP_SECONDS: Final = 5.0
"""How much of that an upload that was given up may take to end."""
_MOST_THREADS: Final = 8
_KEY_BYTES: Final = 24
"""Of randomness, in each key."""


class Bucket:
    """Keeps objects under names that nobody guesses, and signs links to them.

    Every call runs in one of a few threads of the bucket's own, never in the event loop.

    Args:
        access: where the bucket is, and what opens it.
        prefix: what keys begin with; the day, in UTC, follows.
        link_seconds: how long a link is valid.

    """

    def __init__(self, access: Access, *, prefix: str, link_seconds: int) -> None:
        self.name = access.name
        self._host = Host(access)
        self._prefix = prefix
        self._link_seconds = link_seconds
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="bucket")
        self._chores: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Give the bucket that the environment names, None where it names none.

        Raises:
            SettingsError: a variable that the bucket needs is missing or cannot be.

        """
        if settings.bucket_name is None:
            return None
        access = Access.from_settings(settings, name=settings.bucket_name)
        return cls(access, prefix=settings.bucket_prefix, link_seconds=settings.bucket_link_seconds)

    async def put(
        self,
        content: bytes | Path,
        *,
        suffix: str = "",
        content_type: str = "application/octet-stream",
    ) -> Object:
        """Store bytes, or a file, as a new object.

        A put that is cancelled, or loses its connection, leaves no object, as far as the host can
        still be reached: it may have stored what it did not confirm.

        Args:
            content: what to store.
            suffix: what the key ends with, such as `.json`.
            content_type: what whoever downloads it is told that it is.

        Raises:
            StorageError: the bucket refuses, or cannot be reached.
            OSError: the file cannot be read.

        """
        day = datetime.now(UTC).date().isoformat()
        key = f"{self._prefix}{day}/{secrets.token_urlsafe(_KEY_BYTES)}{suffix}"
        upload = Upload(content, key=key, content_type=content_type)
        sent = self._in_thread(lambda: self._host.send(upload))
        try:
            return await asyncio.shield(sent)
        except (asyncio.CancelledError, BucketUnreachable):
            upload.give_up()
            sent.add_done_callback(_unheard)
            await self._see_through(self._remove(key, after=sent))
            raise

    async def link(self, key: str) -> str:
        """Sign a link by which whoever has it downloads the object: a secret, while it is valid.

        Raises:
            StorageError: it cannot be signed.

        """
        return await self._in_thread(lambda: self._host.link(key, seconds=self._link_seconds))

    async def remove(self, key: str) -> None:
        """Remove an object, also when cancelled meanwhile; a failure is logged, not raised."""
        await self._see_through(self._remove(key))

    async def _remove(self, key: str, *, after: "asyncio.Future[Object] | None" = None) -> None:
        try:
            async with asyncio.timeout(_REMOVE_SECONDS):
                if after is not None:
                    await asyncio.wait({after}, timeout=_GIVE_UP_SECONDS)
                await self._in_thread(lambda: self._host.delete(key))
        except (StorageError, TimeoutError) as error:
            reason = str(error) or f"it takes more than {_REMOVE_SECONDS:g} s."
            _log.warning("%s may be left in the bucket: %s", key, reason)

    async def _see_through(self, chore: Coroutine[Any, Any, None]) -> None:
        """Wait for a chore that goes on when whoever waits is cancelled."""
        task = asyncio.create_task(chore)
        self._chores.add(task)  # the loop alone would not keep it
        task.add_done_callback(self._chores.discard)
        await asyncio.shield(task)

    def _in_thread(self, work: Callable[[], Result]) -> "asyncio.Future[Result]":
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


def _unheard(put: "asyncio.Future[Object]") -> None:
    """Take note of how a put that was given up ends, so that it is no line in a log."""
    if not put.cancelled():
        put.exception()
