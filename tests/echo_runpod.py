"""A local RunPod with one endpoint of echoing SDK workers, for the tests of its fleet."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from emulator.endpoint import LocalRunPod, local_runpod
from emulator.fleet import Fleet, Pace
from emulator.jobs import Job
from emulator.manifest import EndpointSpec, Manifest
from emulator.queue import JobQueue

ECHO = ("{python}", "-m", "tests.echo_worker")
PATIENCE = 60.0
"""Seconds after which a test gives up; nothing takes nearly as long on an idle machine."""


@dataclass(frozen=True)
class EchoRunPod:
    runpod: LocalRunPod
    fleet: Fleet
    queue: JobQueue
    logs: Path
    mark: str

    def submit(self, **wish: Any) -> Job:
        return self.queue.submit({"input": wish})

    async def ask(self, **wish: Any) -> Job:
        job = self.submit(**wish)
        await final(job)
        return job

    def processes(self) -> list[psutil.Process]:
        """All that the fleet's workers have started, and they themselves."""
        return marked(self.mark)


@asynccontextmanager
async def echo_runpod(
    logs: Path,
    *,
    command: tuple[str, ...] = ECHO,
    environment: dict[str, str] | None = None,
    pace: Pace | None = None,
    **options: Any,
) -> AsyncIterator[EchoRunPod]:
    mark = secrets.token_hex(8)
    marks = {**(environment or {}), "ECHO_MARK": mark}
    spec = EndpointSpec(id="echo", command=command, environment=marks, **options)
    pace = pace or Pace(grace=1.0)
    async with local_runpod(Manifest(endpoints=(spec,)), logs=logs, pace=pace) as runpod:
        queue = runpod.platform.queues["echo"]
        yield EchoRunPod(runpod, runpod.fleets["echo"], queue, logs / "echo", mark)


async def final(*jobs: Job) -> None:
    async with asyncio.timeout(PATIENCE):
        for job in jobs:
            while not job.state.is_final:
                await job.changed.wait()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ECHO_MARK") == mark:
                found.append(process)
        except psutil.Error:  # it is gone, or somebody else's
            continue
    return found
