"""One at a time among the processes of many hosts, by nothing but files that they all see.

A network volume may have no locks (`flock` succeeds for everybody on some of them), hosts may
disagree about the time, and a holder may vanish without a word. So a lease is a numbered file:

- who creates the next number first, holds it: creating exclusively is atomic on every volume;
- the holder writes to it again and again; who sees no change for long, by a clock of its own,
  creates the next number;
- a number is never taken twice while a higher one is there, and a holder that finds a higher one
  has lost its lease, however long it was asleep.

Whoever does work under a lease must bear that another does the same for a moment: a holder that
sleeps longer than the lease lasts learns of its loss when it wakes.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_log = logging.getLogger(__name__)

_BEATS: Final = 6
"""Signs of life within the time after which a holder counts as dead."""
_WIDTH: Final = 160
"""Of what is written, always: a full disk then takes every beat after the first."""


class LeaseLost(Exception):
    """Another holds the lease by now."""


class Lease:
    """A lease that this process holds until it leaves the context."""

    def __init__(self, path: Path, *, holder: str, seconds: float) -> None:
        self._path = path
        self._holder = holder
        self._pause = seconds / _BEATS
        self._left = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise LeaseLost where another has taken over."""
        if self._lost:
            raise LeaseLost

    def _live(self) -> None:
        beat = 0
        while not self._left.wait(self._pause):
            beat += 1
            try:
                write_beat(self._path, holder=self._holder, beat=beat)
                self._lost = _number(self._path) < max(_numbers(self._path.parent), default=0)
            except FileNotFoundError:  # the next holder sweeps
                self._lost = True
            except OSError as error:  # the volume may come back
                _log.debug("no sign of life in %s: %s", self._path, error)
            if self._lost:
                return


class Watch:
    """Sees whether a folder's lease is held, and takes it when it is not.

    Args:
        folder: holds the lease; everybody must see the same.
        seconds: without a sign of life, after which a holder counts as dead.
        clock: counts seconds.

    """

    def __init__(
        self, folder: Path, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._clock = clock
        self._seen: tuple[int, bytes] | None = None
        self._since = 0.0

    @property
    def holder(self) -> str:
        """Who held it when it was last looked at, in words."""
        return self._seen[1].decode(errors="replace").strip() if self._seen else ""

    def try_take(self) -> Lease | None:
        """Take it, or None where somebody alive holds it.

        Raises:
            OSError: the folder cannot be written to.

        """
        with suppress(FileNotFoundError):  # another has just swept the folder
            return self._try_take()
        return None

    def _try_take(self) -> Lease | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        top = max(_numbers(self._folder), default=0)
        if top and self._is_alive(top):
            return None
        if top:
            _log.warning("no sign of life from %s for %g s", self.holder, self._seconds)
        return self._create(top + 1)

    def _is_alive(self, number: int) -> bool:
        try:
            seen = number, _path(self._folder, number).read_bytes()
        except FileNotFoundError:
            return False
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        return self._clock() - self._since < self._seconds

    def _create(self, number: int) -> Lease | None:
        path = _path(self._folder, number)
        holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:  # another was first
            return None
        try:
            write_beat(path, holder=holder, beat=0)
            numbers = _numbers(self._folder)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        if number < max(numbers, default=number):  # what was seen of the folder was old
            path.unlink(missing_ok=True)
            return None
        for old in numbers:
            if old < number:
                _path(self._folder, old).unlink(missing_ok=True)
        return Lease(path, holder=holder, seconds=self._seconds)


def write_beat(path: Path, *, holder: str, beat: int) -> None:
    """Give a sign of life, where the lease is still there."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, f"{holder} {beat}".ljust(_WIDTH)[:_WIDTH].encode(), 0)
    finally:
        os.close(descriptor)  # others on a network volume see it from here on


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number}"


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _numbers(folder: Path) -> list[int]:
    found = (path.name.removeprefix("lease.") for path in folder.glob("lease.*"))
    return [int(number) for number in found if number.isdecimal()]
