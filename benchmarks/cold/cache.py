"""The page cache: emptied, filled, and how fast it and the disk below it give bytes."""

import os
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, get_args

Cache = Literal["warm", "dropped"]
CACHES: Final[tuple[Cache, ...]] = get_args(Cache)

_SWITCH: Final = Path("/proc/sys/vm/drop_caches")
_STRETCH: Final = 16 * 2**20
_THREADS: Final = 4


def drop(files: Iterable[Path]) -> str:
    """Empty the page cache, or where that is not permitted, take these files out of it.

    The result says which of the two was done. What lies below, such as the cache of a host of
    virtual machines, is out of reach.
    """
    os.sync()
    try:
        _SWITCH.write_text("3\n")
    except OSError:
        for path in files:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return "the weights alone dropped (posix_fadvise)"
    return "everything dropped (drop_caches)"


def fill(files: Iterable[Path]) -> None:
    """Read files into the page cache."""
    for path in files:
        _read(path)


def bandwidth(path: Path, *, cache: Cache, runs: int) -> float:
    """Bytes a second at which a file comes into memory: the median of some readings.

    Four readers at once, into memory that is there already: nothing that loads is faster.
    """
    if cache == "warm":
        fill((path,))
    speeds = []
    for _ in range(runs):
        if cache == "dropped":
            drop((path,))
        began = time.monotonic()
        _read(path)
        speeds.append(path.stat().st_size / (time.monotonic() - began))
    return statistics.median(speeds)


def _read(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file, ThreadPoolExecutor(_THREADS) as readers:
        number = file.fileno()

        def read(first: int) -> None:
            buffer = bytearray(_STRETCH)
            for offset in range(first, size, _THREADS * _STRETCH):
                os.preadv(number, [buffer], offset)

        for _ in readers.map(read, range(0, _THREADS * _STRETCH, _STRETCH)):
            pass
