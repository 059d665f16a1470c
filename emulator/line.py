"""Jobs that wait for workers, and workers that wait for jobs."""

import asyncio
import math
from collections import OrderedDict
from contextlib import suppress

from emulator.jobs import Job


class Line:
    """In order of arrival; jobs of low priority wait for all others."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._low: OrderedDict[str, Job] = OrderedDict()
        self._workers: OrderedDict[asyncio.Future[bool], str] = OrderedDict()
        self._dismissed: set[str] = set()

    def __len__(self) -> int:
        return len(self._jobs) + len(self._low)

    @property
    def high(self) -> int:
        """How many jobs wait that are not of low priority."""
        return len(self._jobs)

    @property
    def low(self) -> int:
        return len(self._low)

    @property
    def oldest(self) -> float:
        """Since when the first of them has waited, without those of low priority."""
        return min((job.queued for job in self._jobs.values()), default=math.inf)

    def all(self) -> list[Job]:
        return [*self._jobs.values(), *self._low.values()]

    def put(self, job: Job, *, first: bool = False) -> None:
        """Let a job wait, at the end or at the front."""
        jobs = self._of(job)
        jobs[job.id] = job
        if first:
            jobs.move_to_end(job.id, last=False)
        self.call()

    def remove(self, job: Job) -> None:
        """Let a job wait no more, where it does."""
        self._of(job).pop(job.id, None)

    def pop(self) -> Job:
        """Take the next job."""
        _, job = (self._jobs or self._low).popitem(last=False)
        return job

    async def wait(self, worker: str, *, seconds: float) -> bool:
        """Wait until there is a job; the result is whether this worker may take it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while worker not in self._dismissed and not len(self):
                    if not await self._turn(worker):
                        return False
        return len(self) > 0 and worker not in self._dismissed

    def call(self) -> None:
        """Tell the next worker if there is a job."""
        while self._workers and len(self):
            turn, _ = self._workers.popitem(last=False)
            if not turn.done():
                turn.set_result(True)
                return

    def dismiss(self, worker: str) -> None:
        """Give a worker nothing more, and let it wait no longer."""
        self._dismissed.add(worker)
        self._send_home(worker)

    def gone(self, worker: str) -> None:
        """Know nothing of a worker any more."""
        self._send_home(worker)
        self._dismissed.discard(worker)

    def _of(self, job: Job) -> OrderedDict[str, Job]:
        return self._low if job.policy.low_priority else self._jobs

    async def _turn(self, worker: str) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._workers[turn] = worker
        try:
            return await turn
        except asyncio.CancelledError:
            self._workers.pop(turn, None)
            self.call()  # it may have been this one's turn
            raise

    def _send_home(self, worker: str) -> None:
        for turn in [turn for turn, waits in self._workers.items() if waits == worker]:
            del self._workers[turn]
            if not turn.done():
                turn.set_result(False)
