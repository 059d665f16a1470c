"""The jobs of one endpoint: their states, and who waits for what."""

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The states of a job, as RunPod names them."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        return self in {State.COMPLETED, State.FAILED, State.CANCELLED}


@dataclass
class Job:
    """One job; `output` is its latest progress until it is final."""

    id: str
    input: dict[str, Any]
    state: State = State.IN_QUEUE
    output: Any = None
    error: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def announce(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class JobQueue:
    """Jobs in the order of their submission; a final job never changes again."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._arrived = asyncio.Condition()
        self._stopping: asyncio.Queue[str | None] = asyncio.Queue()
        self._closed = False

    def __getitem__(self, job_id: str) -> Job:
        return self._jobs[job_id]

    async def submit(self, job_input: dict[str, Any]) -> Job:
        """Queue a job for the next worker that asks."""
        job = Job(id=f"{uuid.uuid4()}-e1", input=job_input)
        self._jobs[job.id] = job
        async with self._arrived:
            self._waiting.append(job)
            self._arrived.notify()
        return job

    async def take(self, *, wait: float) -> Job | None:
        """Give the next job to a worker; None where there is none within `wait` seconds."""
        async with self._arrived:
            try:
                await asyncio.wait_for(self._arrived.wait_for(self._has_news), wait)
            except TimeoutError:
                return None
            if self._closed:
                return None
            job = self._waiting.popleft()
        job.state = State.IN_PROGRESS
        job.announce()
        return job

    async def close(self) -> None:
        """Give out no more jobs, and let those go who wait for one or for a signal to stop."""
        async with self._arrived:
            self._closed = True
            self._arrived.notify_all()
        await self._stopping.put(None)

    def _has_news(self) -> bool:
        return self._closed or bool(self._waiting)

    def finish(self, job_id: str, body: dict[str, Any]) -> None:
        """Take what a worker posts about a job: progress, an output, or an error."""
        job = self._jobs[job_id]
        if job.state.is_final:
            return
        if body.get("status") == State.IN_PROGRESS:
            job.output = body.get("output")
        elif error := body.get("error"):
            job.state, job.error, job.output = State.FAILED, error, body.get("output")
        else:
            job.state, job.output = State.COMPLETED, body.get("output")
        job.announce()

    async def cancel(self, job_id: str) -> None:
        """Take a job out of the queue, or tell its worker to stop it."""
        job = self._jobs[job_id]
        if job.state.is_final:
            return
        if job.state is State.IN_PROGRESS:
            await self._stopping.put(job_id)
        else:
            self._waiting.remove(job)
        job.state = State.CANCELLED
        job.announce()

    async def to_stop(self, *, wait: float) -> str | None:
        """Give the id of a running job that was cancelled; None where there is none."""
        try:
            return await asyncio.wait_for(self._stopping.get(), wait)
        except TimeoutError:
            return None
