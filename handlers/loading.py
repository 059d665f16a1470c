"""What the loaders of both engines share."""

import gc
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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


IMPORTS: Final = threading.Lock()
"""Held by whoever imports an engine: two threads gain nothing there, and may each end up with
modules that the other one has only begun."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while modules and models are made, of which none is."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
