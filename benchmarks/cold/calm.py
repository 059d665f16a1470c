"""What else runs on this machine: a start beside it says nothing."""

import os
import resource
import time
from pathlib import Path
from typing import Final, Self

_STAT: Final = Path("/proc/stat")
_TICK: Final = os.sysconf("SC_CLK_TCK")
_WORKS: Final = (0, 1, 2, 5, 6)
"""The columns of user, nice, system and both kinds of interrupts."""
_LOOK_SECONDS: Final = 1.0

DISTURBED: Final = 0.2
"""Cores that others used on average, from which a start is done again."""


class Others:
    """Tells how many cores others than this process and its children have used, on average."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy() - _own()

    @property
    def cores(self) -> float:
        """Since the beginning; a child counts as ours once it has ended."""
        return max(0.0, (_busy() - _own() - self._busy) / (time.monotonic() - self._began))

    @classmethod
    def wait(cls, *, patience: float) -> Self:
        """Wait until they do next to nothing, or so many seconds."""
        until = time.monotonic() + patience
        while True:
            others = cls()
            time.sleep(_LOOK_SECONDS)
            if others.cores < DISTURBED or time.monotonic() > until:
                return cls()


def _busy() -> float:
    columns = _STAT.read_text().partition("\n")[0].split()[1:]
    return sum(int(columns[number]) for number in _WORKS) / _TICK


def _own() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
