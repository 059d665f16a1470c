"""One endpoint on this machine: a platform and a worker that takes its jobs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.platform import LocalPlatform
from emulator.queue import Job
from emulator.worker import running_worker


class WorkerEnded(RuntimeError):
    """The worker ended before it answered; its log says why."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"The worker ended before it answered. Its log is {log}.")


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """Give it jobs with `ask`, or `submit` and watch `updates`."""

    platform: LocalPlatform
    process: asyncio.subprocess.Process
    log: Path

    def share(self, path: Path) -> str:
        """Serve a file to the worker; the result is its URL."""
        return self.platform.share(path)

    async def submit(self, **job_input: Any) -> Job:  # noqa: ANN401
        """Queue a job."""
        return await self.platform.queue.submit(job_input)

    async def updates(self, job: Job) -> AsyncIterator[Job]:
        """Yield the job now and at each change, until it is final.

        Raises:
            WorkerEnded: nobody is left to finish it.

        """
        ended = asyncio.ensure_future(self.process.wait())
        try:
            while not job.state.is_final:
                yield job
                change = asyncio.ensure_future(job.changed.wait())
                await asyncio.wait((change, ended), return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                if ended.done() and not job.state.is_final:
                    raise WorkerEnded(self.log)
            yield job
        finally:
            ended.cancel()

    async def ask(self, **job_input: Any) -> Job:  # noqa: ANN401
        """Queue a job and wait until it is final.

        Raises:
            WorkerEnded: nobody is left to finish it.

        """
        job = await self.submit(**job_input)
        async for _ in self.updates(job):
            pass
        return job


@asynccontextmanager
async def local_endpoint(
    module: str, *, environment: Mapping[str, str], log: Path
) -> AsyncIterator[LocalEndpoint]:
    """Run a worker with a platform of its own, and stop both at the end.

    Args:
        module: the worker's entry point, as `python -m` takes it.
        environment: its settings, beside those that connect it to the platform.
        log: the file that takes its output.

    """
    async with LocalPlatform() as platform:
        connected = {**platform.worker_environment, **environment}
        async with running_worker(module, environment=connected, log=log) as process:
            try:
                yield LocalEndpoint(platform, process, log)
            finally:
                await platform.queue.close()  # an SDK worker that waits for a job cannot stop
