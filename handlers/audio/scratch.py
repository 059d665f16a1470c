"""The worker's own disk, on which audio lies while it is worked on, and which can be full."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from handlers.errors import ScratchFull

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def typed_full() -> Iterator[None]:
    """Tell a disk that is full from what is wrong with Parley; closing a file can find it full too.

    Raises:
        ScratchFull: there was no room.

    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ScratchFull from error


@contextmanager
def new_folder() -> Iterator[Path]:
    """Give a folder that goes with all that is in it.

    Raises:
        ScratchFull: there is no room, not even for a folder.

    """
    with typed_full():
        try:
            folder = tempfile.TemporaryDirectory(prefix="parley-")
        except FileNotFoundError as error:  # `tempfile` tries a few places, by writing there
            raise ScratchFull from error
    with folder as path:
        yield Path(path)
