"""Signals to workers to stop a job that was cancelled or timed out."""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass

from emulator.limits import Limits


@dataclass(slots=True)
class _Signal:
    ends: float
    due: float
    pause: float


class StopSignals:
    """What each worker has to stop.

    The SDK drops a signal for a job that it took and has not begun, and does not say what it
    stopped; so a signal is repeated, ever more rarely, until it is withdrawn or too old.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._signals: defaultdict[str, dict[str, _Signal]] = defaultdict(dict)
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._released: set[str] = set()

    def send(self, worker: str, job_id: str) -> None:
        """Tell a worker to stop a job."""
        now = asyncio.get_running_loop().time()
        limits = self._limits
        self._signals[worker][job_id] = _Signal(now + limits.stop_signal, now, limits.stop_repeat)
        self._tell(worker)

    def withdraw(self, worker: str, job_id: str) -> None:
        """Say no more about one job."""
        if worker in self._signals:
            self._signals[worker].pop(job_id, None)

    def forget(self, worker: str) -> None:
        """Say no more about any of a worker's jobs."""
        self._signals.pop(worker, None)

    def release(self, worker: str) -> None:
        """Let this worker's polls return at once, now and later."""
        self._released.add(worker)
        self._tell(worker)

    def gone(self, worker: str) -> None:
        """Know nothing of this worker any more."""
        self._tell(worker)
        for known in (self._signals, self._news):
            known.pop(worker, None)
        self._released.discard(worker)

    async def wait(self, worker: str, *, seconds: float) -> list[str]:
        """Give the ids of the jobs to stop, as soon as there are some."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while True:
            now = clock()
            due = self._due(worker, now)
            if due or now >= end or worker in self._released:
                return due
            next_due = (signal.due for signal in self._signals[worker].values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(end, *next_due, end)):
                    await self._news[worker].wait()

    def _due(self, worker: str, now: float) -> list[str]:
        signals = self._signals[worker]
        for job_id in [job_id for job_id, signal in signals.items() if signal.ends <= now]:
            del signals[job_id]
        due = [job_id for job_id, signal in signals.items() if signal.due <= now]
        for job_id in due:
            signal = signals[job_id]
            signal.due = now + signal.pause
            signal.pause *= 2
        return due

    def _tell(self, worker: str) -> None:
        if news := self._news.pop(worker, None):
            news.set()
