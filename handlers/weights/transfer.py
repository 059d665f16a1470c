"""A file in parts, several at once, that goes on where it broke off."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from handlers.weights.files import File, digest_of

_log = logging.getLogger(__name__)

PART_BYTES: Final = 16 * 2**20
_AT_ONCE: Final = 8
_ATTEMPTS: Final = 6
"""Of each part. Pauses begin at 0.2 s and double, so this bridges some seconds of trouble."""
_FIRST_PAUSE: Final = 0.2

Read = Callable[[int, int], bytes]
"""Gives the bytes from the first offset up to, and without, the second."""


Watcher = Callable[[File, int], None]
"""Is told how many bytes of a file are here, from any thread."""


class Interrupted(Exception):
    """A part did not come, or not as it should; another try may help."""


class Corrupted(Exception):
    """All of a file came, and it is not the file."""


def unwatched(_file: File, _done: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How files come here.

    Attributes:
        folder: of files, whole under their digest, or on their way.
        check: raises where it is to stop.
        watch: is told of every part.

    """

    folder: Path
    check: Callable[[], None]
    watch: Watcher = unwatched

    def fetch(self, file: File, read: Read) -> Path:
        """Fetch a file, or what is still missing of it, and hold it against its digest.

        Raises:
            Interrupted: a part does not come, also when asked again.
            Corrupted: what came is not the file; it is gone.
            OSError: it cannot be written: the disk is full.

        """
        whole = self.folder / file.digest
        if whole.exists():
            self.watch(file, file.bytes)
            return whole
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{file.digest}.partial"
        journal = self.folder / f"{file.digest}.parts"
        with closing(_Parts(file, partial, journal)) as parts:
            self.watch(file, parts.done)
            self._all(parts, read)
        journal.unlink(missing_ok=True)
        if partial.stat().st_size != file.bytes or digest_of(partial, like=file.digest) != (
            file.digest
        ):
            partial.unlink()
            message = f"{file.path} arrived damaged"
            raise Corrupted(message)
        partial.rename(whole)
        return whole

    def _all(self, parts: "_Parts", read: Read) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="transfer") as threads:
            running = [threads.submit(self._one, parts, n, read) for n in parts.missing()]
            try:
                for future in running:
                    future.result()
            except BaseException:
                parts.stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, parts: "_Parts", number: int, read: Read) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            if parts.stopped.is_set():
                return
            self.check()
            try:
                parts.put(number, read(*parts.range(number)))
            except Interrupted as error:
                if attempt == _ATTEMPTS:
                    raise
                _log.debug("%s, part %d: %s", parts.file.path, number, error)
                parts.stopped.wait(_FIRST_PAUSE * 2 ** (attempt - 1))
            else:
                self.watch(parts.file, parts.done)
                return


@dataclass
class _Parts:
    """The parts of a file on disk, and a journal of those that are there, with their sha256."""

    file: File
    partial: Path
    journal: Path
    done: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._data = os.open(self.partial, os.O_RDWR | os.O_CREAT, 0o644)
        self._here: set[int] = set()
        self._notes = self.journal.open("a+")
        try:
            os.ftruncate(self._data, self.file.bytes)
            self._remember()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._notes.close()
        os.close(self._data)

    def range(self, number: int) -> tuple[int, int]:
        first = number * PART_BYTES
        return first, min(first + PART_BYTES, self.file.bytes)

    def missing(self) -> Iterator[int]:
        count = -(-self.file.bytes // PART_BYTES)
        return (number for number in range(count) if number not in self._here)

    def put(self, number: int, data: bytes) -> None:
        first, last = self.range(number)
        digest = hashlib.sha256(data).hexdigest()
        if len(data) != last - first:
            message = f"{len(data)} of {last - first} bytes came"
            raise Interrupted(message)
        if self.file.parts and digest != self.file.parts[number]:
            message = "it came damaged"
            raise Interrupted(message)
        written = 0
        while written < len(data):
            written += os.pwrite(self._data, data[written:], first + written)
        with self._lock:
            self._notes.write(f"{number} {digest}\n")
            self._notes.flush()
            self._note(number)

    def _remember(self) -> None:
        """Take up what an earlier process left, as far as it is what that wrote."""
        self._notes.seek(0)
        for line in self._notes.readlines():
            number, _, digest = line.strip().partition(" ")
            if number.isdecimal() and int(number) not in self._here:
                first, last = self.range(int(number))
                if last > first:
                    data = os.pread(self._data, last - first, first)
                    if hashlib.sha256(data).hexdigest() == digest:
                        self._note(int(number))

    def _note(self, number: int) -> None:
        first, last = self.range(number)
        self._here.add(number)
        self.done += last - first
