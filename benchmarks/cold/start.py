"""One start of one worker, in a process of its own, beside a platform that has a job for it."""

import asyncio
import re
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.cold.calm import Others
from benchmarks.cold.contests import DIARIZATION_ENDPOINT, TRANSCRIPTION_ENDPOINT, Contest, Worker
from emulator.guard import Guard
from emulator.hosted import Strangers
from emulator.jobs import Job, State
from emulator.platform import LocalPlatform
from emulator.process import WorkerProcess
from emulator.queue import JobQueue

_WITHIN: Final = 300.0
_READY: Final = re.compile(r"ready after [\d.]+ s \((?P<phases>[^)]*)\)")
_KIB: Final = 1024


class StartFailed(RuntimeError):
    """A worker ended, or failed its first job; the message names its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one start took.

    Attributes:
        taken: seconds from the start of the process until it was given its first job.
        answered: until that job's result was there; of an orchestrator, until both endpoints
            had been asked.
        peak_bytes: the most memory that the process had when it took the job.
        peak_answered_bytes: and when it had answered it.
        phases: seconds of each part, as the worker itself logs them; empty where it does not.
        others: cores that other programs used meanwhile, on average.

    """

    taken: float
    answered: float
    peak_bytes: int
    peak_answered_bytes: int
    phases: Mapping[str, float]
    others: float


async def start(contest: Contest, worker: Worker, *, log: Path) -> Start:
    """Start a worker, wait until it has answered one job, and end it.

    Raises:
        StartFailed: it ended, took too long, or failed the job.

    """
    _discard(log)
    async with LocalPlatform() as platform:
        children = [platform.add(child) for child in (TRANSCRIPTION_ENDPOINT, DIARIZATION_ENDPOINT)]
        first = _FirstJob()
        job = platform.add(contest.name, crew=first).submit({"input": dict(contest.job)})
        environment = {
            **platform.worker_environment(contest.name, "worker-1"),
            "RUNPOD_ENDPOINT_BASE_URL": platform.base_url,
            "RUNPOD_API_KEY": platform.api_key,
            **worker.environment,
        }
        guard = Guard()
        await guard.start()
        others, began = Others(), time.monotonic()
        process = await WorkerProcess.start(
            (sys.executable, "-m", worker.module), environment=environment, log=log, guard=guard
        )
        life = asyncio.create_task(process.ended())
        try:
            await _before(life, first.taken.wait(), log=log)
            peak = high_water(process.pid)
            await _before(life, _answered(job, children), log=log)
            answered = time.monotonic()
            peak_answered = high_water(process.pid)
        finally:
            process.kill()
            await life
            await guard.close()
    if job.state is State.FAILED:
        message = f"{worker.module} failed its job: {job.error}. Its log is {log}."
        raise StartFailed(message)
    return Start(
        taken=first.when - began,
        answered=answered - began,
        peak_bytes=peak,
        peak_answered_bytes=peak_answered,
        phases=read_phases(log),
        others=round(others.cores, 3),
    )


def read_phases(log: Path) -> Mapping[str, float]:
    """Read the one line in which a worker says where its start went."""
    found = _READY.search(log.read_text(errors="replace"))
    if not found:
        return {}
    parts = (part.rpartition(" ") for part in found["phases"].split(", "))
    return {name: float(seconds) for name, _, seconds in parts}


def high_water(pid: int) -> int:
    """The most memory that a process ever had, its mapped files included, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    return 0


class _FirstJob(Strangers):
    """Notes when a worker was given a job for the first time."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.when = 0.0

    def job_taken(self, worker: str, jobs: Sequence[Job]) -> None:
        del worker, jobs
        if not self.taken.is_set():
            self.when = time.monotonic()
            self.taken.set()


async def _before(life: asyncio.Task[int], wish: Coroutine[Any, Any, Any], *, log: Path) -> None:
    """Wait for something that never comes from a process that is gone."""
    wished = asyncio.ensure_future(wish)
    await asyncio.wait((wished, life), timeout=_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    if not wished.done():
        wished.cancel()
        how = f"ended with status {life.result()}" if life.done() else "took too long"
        message = f"The worker {how}. Its log is {log}."
        raise StartFailed(message)


def _discard(log: Path) -> None:
    log.unlink(missing_ok=True)


async def _answered(job: Job, children: Sequence[JobQueue]) -> None:
    """Wait until a job is final, or its worker has asked both endpoints and waits in turn."""
    while not (job.state.is_final or all(child.waiting for child in children)):
        news = (job.changed, *(child.changed for child in children))
        waits = [asyncio.ensure_future(event.wait()) for event in news]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
