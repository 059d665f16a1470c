"""Sound as the engines take it, gathered in a file instead of memory."""

import tempfile
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import soxr

from handlers.errors import AudioEmpty, AudioTooLong

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Hertz: what both engines were trained on."""


class Tape:
    """Takes mono sound of any rate, block by block, and gives one array at `SAMPLE_RATE`.

    The file has no name: it is gone with its last user, however that ends. It is written as a
    file and mapped only when it is whole, because a full disk is an `OSError` to a writer and a
    fatal signal to whoever writes through a map.
    """

    def __init__(self, folder: Path, *, max_seconds: float) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
        self._max_seconds = max_seconds
        self._length = 0
        self._rate = SAMPLE_RATE
        self._resampler: soxr.ResampleStream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, sound: Samples, *, rate: int) -> None:
        """Append sound.

        Args:
            sound: shape (samples,).
            rate: hertz; it may change from one call to the next.

        Raises:
            AudioTooLong: there is more sound than `max_seconds`, all in all.

        """
        if rate != self._rate:
            self._flush()
            self._rate = rate
            if rate != SAMPLE_RATE:
                self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        if self._resampler is not None:
            sound = self._resampler.resample_chunk(sound)
        self._append(sound)

    def write_silence(self, seconds: float, *, rate: int) -> None:
        """Append silence; see `write`."""
        if self._length / SAMPLE_RATE + seconds > self._max_seconds:
            raise AudioTooLong(limit=self._max_seconds)
        left = round(seconds * rate)
        while left > 0:
            block = min(left, rate)
            self.write(np.zeros(block, dtype=np.float32), rate=rate)
            left -= block

    def finish(self) -> Samples:
        """Give everything that was written.

        Returns:
            Shape (samples,). Read-only, and backed by the file: it takes memory only where it is
            looked at.

        Raises:
            AudioEmpty: nothing was written.

        """
        self._flush()
        if self._length == 0:
            raise AudioEmpty
        self._file.flush()
        # private, not read-only, to the system: code that writes in spite of the flag, through a
        # tensor for instance, then changes a copy of its own instead of dying by a signal
        mapped = np.memmap(self._file, dtype=np.float32, mode="c", shape=(self._length,))
        samples = mapped.view(np.ndarray)
        samples.flags.writeable = False
        return samples

    def _flush(self) -> None:
        if self._resampler is not None:
            rest = np.zeros(0, dtype=np.float32)
            self._append(self._resampler.resample_chunk(rest, last=True))
            self._resampler = None

    def _append(self, sound: Samples) -> None:
        self._length += len(sound)
        if self._length > self._max_seconds * SAMPLE_RATE:
            raise AudioTooLong(limit=self._max_seconds)
        self._file.write(sound.tobytes())
