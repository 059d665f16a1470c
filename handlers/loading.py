"""What the loaders of both engines share."""

import ctypes
import gc
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
"""What `mallopt` calls them: `malloc.h` of the GNU C library."""
_LARGE: Final = 32 * 1024**2
"""Bytes; no threshold may be higher, and few of a network's intermediate results are."""
_KEPT: Final = 512 * 1024**2

_STRETCH: Final = 16 * 1024**2
"""Bytes asked for at once: the kernel answers as fast as the disk reads."""


def read_ahead(files: Iterable[Path]) -> threading.Thread:
    """Have files read into the page cache while this process does something else.

    Nothing is copied, and files that are there already cost next to nothing. Mapped files are then
    found in memory, instead of being read a few pages at a time where they are first touched.
    """
    paths = [path for path in files if path.is_file()]
    thread = threading.Thread(target=_read_all, args=(paths,), name="read-ahead", daemon=True)
    thread.start()
    return thread


def _read_all(paths: Iterable[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            for offset in range(0, os.fstat(file.fileno()).st_size, _STRETCH):
                os.posix_fadvise(file.fileno(), offset, _STRETCH, os.POSIX_FADV_WILLNEED)


class _Imports:
    """Lets one thread at a time import an engine, and takes what came in as there to stay.

    Two threads gain nothing there, and may each end up with modules that the other has only begun.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        gc.freeze()  # modules are no garbage, and looking through them takes a quarter of a second
        self._lock.release()


IMPORTS: Final = _Imports()
"""Held by whoever imports an engine."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while modules and models are made.

    What that leaves behind is looked for once, at the end, and free memory returned to the system.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.collect()
        _give_back()
    finally:
        if was_on:
            gc.enable()


def keep_one_heap() -> None:
    """Let all threads share one heap, and let it keep what a network will soon need again.

    The GNU C library gives each thread a heap of its own, of 64 MB at most, and returns what is
    free there at once: a model's thread then asks the system for the same memory time and again,
    which costs a processor a tenth of its time. Only the first thread's heap grows as needed. Call
    it before there are other threads; other C libraries have nothing of this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)


def _give_back() -> None:
    """Return free memory to the system, where the C library knows how."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
