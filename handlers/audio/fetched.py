"""The audio as it was sent, in a file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from handlers.errors import AudioTooLarge


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file with the bytes that were sent.

    Attributes:
        path: of the file, which belongs to whoever asked for it.
        size: bytes.
        sha256: of the bytes, in hexadecimal.

    """

    path: Path
    size: int
    sha256: str


class NewFile:
    """A file that is measured and hashed while it is written.

    Attributes:
        size: bytes so far.

    """

    def __init__(self, path: Path, file: IO[bytes], *, limit: int) -> None:
        self._path = path
        self._file = file
        self._limit = limit
        self.size = 0
        self._hash = hashlib.sha256()

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            AudioTooLarge: they are more than the limit, all in all.

        """
        self.size += len(block)
        if self.size > self._limit:
            raise AudioTooLarge(limit=self._limit)
        self._hash.update(block)
        self._file.write(block)

    def fetched(self) -> Fetched:
        """What was written."""
        return Fetched(path=self._path, size=self.size, sha256=self._hash.hexdigest())


@contextmanager
def new_file(path: Path, *, limit: int) -> Iterator[NewFile]:
    """Write a file of at most `limit` bytes, over whatever an earlier try left there."""
    with path.open("wb") as file:
        yield NewFile(path, file, limit=limit)


@contextmanager
def removed_on_failure(path: Path) -> Iterator[None]:
    """Leave no file behind when the block fails or is cancelled."""
    try:
        yield
    except BaseException:  # a cancellation leaves nothing behind either
        path.unlink(missing_ok=True)
        raise
