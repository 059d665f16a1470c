"""Where the seconds of a cold start go, from the start of the process to the first job.

Engines and the launcher note what they do; the launcher reads it once, when all is ready.
"""

import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from handlers.progress import Progress

Input = TypeVar("Input")
_Answer = Callable[[Input, Progress], Awaitable[dict[str, Any]]]

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class ColdStart:
    """A start that is over.

    Attributes:
        seconds: from the start of the process until ready.
        phases: seconds of each part; parts that ran at the same time add up to more.
        peak_bytes: the most main memory that the process had by then.

    """

    seconds: float
    phases: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    peak_bytes: int = 0

    def body(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "seconds": self.seconds,
            "phases": dict(self.phases),
            "peak_bytes": self.peak_bytes,
        }

    def __str__(self) -> str:
        """Say all of it in one line."""
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.phases.items())
        return f"ready after {self.seconds:.2f} s ({parts}), peak {self.peak_bytes / 1e9:.2f} GB"


class Stopwatch:
    """Takes the times of one start, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: dict[str, float] = {}
        self._note("interpreter", since_process_start())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Take the time of a part; the same name again adds to it."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._note(name, time.monotonic() - began)

    def read(self) -> ColdStart:
        """Give what has been noted until now."""
        with self._lock:
            phases = {name: round(seconds, 3) for name, seconds in self._phases.items()}
        return ColdStart(
            seconds=round(since_process_start(), 3),
            phases=MappingProxyType(phases),
            peak_bytes=_peak_bytes(),
        )

    def _note(self, name: str, seconds: float) -> None:
        with self._lock:
            self._phases[name] = self._phases.get(name, 0.0) + seconds


def tell_once(answer: _Answer[Input], start: ColdStart) -> _Answer[Input]:
    """Let the first reply that there is carry the start, under `cold_start`, and no later one."""
    untold = [start.body()]

    async def told(raw: Input, progress: Progress) -> dict[str, Any]:
        reply = await answer(raw, progress)
        return {**reply, "cold_start": untold.pop()} if untold else reply

    return told


def since_process_start() -> float:
    """Seconds that this process has existed, to a hundredth; 0 where the system does not say."""
    try:
        after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    began = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def _peak_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    _, _, peak = status.partition("VmHWM:")
    return int(peak.split()[0]) * _KIB if peak else 0


STOPWATCH: Final = Stopwatch()
"""Of this process; the first import of this module is where its own time begins."""
