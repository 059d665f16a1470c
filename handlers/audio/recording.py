"""From what a job names to samples: fetched once, hashed, decoded once."""

import asyncio
import contextvars
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from handlers.audio.decoding import decode
from handlers.audio.download import download
from handlers.audio.fetched import Fetched, new_file, removed_on_failure
from handlers.audio.scratch import typed_full
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.inline import decoded
from handlers.progress import Phase, Progress, Step, ignore
from handlers.settings import Settings
from handlers.sources import AudioSource

Result = TypeVar("Result")

_THREADS: Final = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="audio")
"""Of their own: many long recordings at once must not keep what else needs a thread waiting."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The sound of a job, and what was known of it before it became samples.

    Attributes:
        samples: float32, mono, at `sample_rate`, full scale at 1, shape (samples,). Read-only, and
            mapped from a file, so that hours of it take memory only where they are looked at.
        sha256: of the bytes that were sent, in hexadecimal.
        bytes: how many were sent.
        container: such as `wav`, `mov` or `matroska`.
        codec: such as `pcm_s16le`, `aac` or `opus`.
        original_sample_rate: hertz, as sent.
        channels: as sent.
        warnings: what was wrong with the file and could be helped, in sentences.
        seconds_spent: by the clock on the wall, for the phases `fetch` and `decode`.

    """

    samples: Samples = field(repr=False)
    sha256: str
    bytes: int
    container: str
    codec: str
    original_sample_rate: int
    channels: int
    warnings: tuple[str, ...] = ()
    seconds_spent: dict[Phase, float] = field(default_factory=dict)
    sample_rate: Final[int] = field(default=SAMPLE_RATE, init=False)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def slice(self, start: float, end: float) -> Samples:
        """Give the samples between two times, as far as there are any.

        Args:
            start: seconds from the beginning.
            end: seconds from the beginning.

        Returns:
            A view, shape (samples,).

        """
        first, last = (max(0, round(time * self.sample_rate)) for time in (start, end))
        return self.samples[first:last]


async def open_audio(
    source: AudioSource, *, settings: Settings, folder: Path, progress: Progress = ignore
) -> Recording:
    """Fetch and decode the audio that a source names.

    Nothing is left in `folder`, whatever happens: the samples outlive their file's name.

    Args:
        source: where the audio is.
        settings: bounds of size, duration and downloads.
        folder: for temporary files; needs room for the audio as sent and 64 kB for each second.
        progress: told the steps of the phases `fetch` and `decode`.

    Raises:
        AudioError: the audio cannot be had or used; the leaf says why.
        ScratchFull: the folder has no room for it.

    """
    began = time.monotonic()
    with typed_full(), tempfile.TemporaryDirectory(dir=folder) as room:
        fetched = await fetch(source, settings=settings, folder=Path(room), progress=progress)
        halfway = time.monotonic()
        decoded = await _in_thread(
            lambda stop: decode(
                fetched.path,
                max_seconds=settings.max_audio_seconds,
                stop=stop,
                progress=progress,
            )
        )
    return Recording(
        samples=decoded.samples,
        sha256=fetched.sha256,
        bytes=fetched.size,
        container=decoded.container,
        codec=decoded.codec,
        original_sample_rate=decoded.sample_rate,
        channels=decoded.channels,
        warnings=decoded.warnings,
        seconds_spent={"fetch": halfway - began, "decode": time.monotonic() - halfway},
    )


async def fetch(
    source: AudioSource, *, settings: Settings, folder: Path, progress: Progress = ignore
) -> Fetched:
    """Bring the bytes that a source names into a new file of `folder`, without decoding them.

    The file is the caller's; none is left if this fails or is cancelled.

    Raises:
        InvalidEncoding: inline audio is not base64.
        AudioTooLarge: more than `settings.max_audio_bytes`.
        DownloadError: the URL gives no audio; the leaf says why.
        OSError: it cannot be written.

    """
    path = folder / f"{uuid.uuid4().hex}.audio"
    if source.inline is None and source.url is not None:
        return await download(source.url, path, settings=settings, progress=progress)
    text = source.inline or ""
    limit = settings.max_audio_bytes
    with removed_on_failure(path):
        fetched = await _in_thread(lambda _stop: _write_inline(text, path, limit=limit))
    progress(Step("fetch", 1.0))
    return fetched


def _write_inline(text: str, path: Path, *, limit: int) -> Fetched:
    content = decoded(text, limit=limit)
    with new_file(path, limit=limit) as file:
        file.write(content)
    return file.fetched()


async def _in_thread(work: Callable[[threading.Event], Result]) -> Result:
    """Do blocking work beside the event loop, and see it end: a thread cannot be cancelled.

    `work` is given an event that is set when its result is no longer wanted.
    """
    stop = threading.Event()
    begun = _THREADS.submit(contextvars.copy_context().run, work, stop)
    done = asyncio.wrap_future(begun)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop.set()
        if not begun.cancel():  # it waits for no thread any more, but has one
            await asyncio.wait({done})
            done.exception()  # how given-up work ends is nobody's concern, and no line in a log
        raise
