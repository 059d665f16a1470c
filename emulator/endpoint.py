"""The doors: a local RunPod with the endpoints of a manifest, or with one endpoint alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from emulator.faults import Faults
from emulator.fleet import Fleet, Pace
from emulator.jobs import Job
from emulator.limits import Limits
from emulator.manifest import EndpointSpec, Manifest
from emulator.page import StatusPage
from emulator.platform import LocalPlatform
from emulator.process import WorkerProcess
from emulator.queue import JobQueue
from emulator.status import Status
from emulator.worker import Equipment

_ALONE: Final = "local"
"""The id of an endpoint that is alone."""


class WorkerEnded(RuntimeError):
    """The worker ended before it answered; its log says why."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"The worker ended before it answered. Its log is {log}.")


@dataclass(frozen=True, slots=True)
class LocalRunPod:
    """A platform with a fleet for each endpoint."""

    platform: LocalPlatform
    fleets: Mapping[str, Fleet]

    @property
    def base_url(self) -> str:
        """What RUNPOD_ENDPOINT_BASE_URL has to say for the SDK's clients to come here."""
        return self.platform.base_url

    @property
    def api_key(self) -> str:
        return self.platform.api_key

    @property
    def faults(self) -> Faults:
        return self.platform.faults

    def share(self, path: Path) -> str:
        """Serve a file to workers; the result is its URL."""
        return self.platform.share(path)


@asynccontextmanager
async def local_runpod(  # noqa: PLR0913 - each has a default but two
    manifest: Manifest,
    *,
    logs: Path,
    environment: Mapping[str, str] | None = None,
    api_key: str = "local",
    limits: Limits | None = None,
    pace: Pace | None = None,
    port: int = 0,
) -> AsyncIterator[LocalRunPod]:
    """Run the endpoints of a manifest, and stop all of it at the end.

    Args:
        manifest: the endpoints.
        logs: takes a folder for each endpoint, with a file for each worker.
        environment: of all workers; what the manifest says is stronger.
        api_key: what callers have to show.
        limits: RunPod's numbers, or others.
        pace: how fast the fleets act.
        port: of the platform; 0 is any that is free.

    Raises:
        OSError: the port is taken.

    """
    platform = LocalPlatform(api_key=api_key, limits=limits, port=port)
    statuses: dict[str, Status] = {}
    page = StatusPage(statuses, faults=platform.faults, quota=manifest.workers_quota)
    platform.add_routes(page.routes())
    async with platform:
        fleets = {}
        for spec in manifest.endpoints:
            settings = spec.settings(platform_url=platform.url, api_key=api_key)
            equip = _equipment(
                platform,
                spec.id,
                settings={**(environment or {}), **settings},
                log=partial(_log_in, logs / spec.id),
            )
            fleets[spec.id] = fleet = _fleet(platform, spec, equip, pace)
            queue = platform.queues[spec.id]
            statuses[spec.id] = Status(fleet, queue, logs=logs / spec.id)
        async with _running(*fleets.values()):
            yield LocalRunPod(platform, fleets)


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """Give it jobs with `ask`, or `submit` and watch `updates`."""

    platform: LocalPlatform
    queue: JobQueue
    fleet: Fleet
    log: Path

    @property
    def process(self) -> WorkerProcess:
        """The worker's.

        Raises:
            WorkerEnded: there is none at the moment.

        """
        for process in self.fleet.processes.values():
            return process
        raise WorkerEnded(self.log)

    def share(self, path: Path) -> str:
        """Serve a file to the worker; the result is its URL."""
        return self.platform.share(path)

    async def submit(self, **job_input: Any) -> Job:  # noqa: ANN401
        """Queue a job."""
        return self.queue.submit({"input": job_input})

    async def updates(self, job: Job) -> AsyncIterator[Job]:
        """Yield the job now and at each change, until it is final.

        Raises:
            WorkerEnded: nobody is left to finish it.

        """
        troubled = asyncio.ensure_future(self.fleet.troubled())
        try:
            while not job.state.is_final:
                yield job
                change = asyncio.ensure_future(job.changed.wait())
                await asyncio.wait((change, troubled), return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                if troubled.done() and not job.state.is_final:
                    raise WorkerEnded(self.log)
            yield job
        finally:
            troubled.cancel()

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
    """Run one worker, started at once, with a platform of its own, and stop both at the end.

    Args:
        module: the worker's entry point, as `python -m` takes it.
        environment: its settings, beside those that connect it to the platform.
        log: the file that takes its output.

    """
    spec = EndpointSpec(id=_ALONE, command=("{python}", "-m", module), workers_min=1, workers_max=1)
    _discard(log)
    async with LocalPlatform() as platform:
        equip = _equipment(platform, spec.id, settings=environment, log=lambda _worker: log)
        # a worker that cannot start is told to whoever waits at once
        fleet = _fleet(platform, spec, equip, Pace(crashes=1))
        async with _running(fleet):
            yield LocalEndpoint(platform, platform.queues[spec.id], fleet, log)


def _equipment(
    platform: LocalPlatform,
    endpoint: str,
    *,
    settings: Mapping[str, str],
    log: Callable[[str], Path],
) -> Callable[[str], Equipment]:
    def equip(worker: str) -> Equipment:
        connection = platform.worker_environment(endpoint, worker)
        return Equipment(environment={**connection, **settings}, log=log(worker))

    return equip


def _discard(log: Path) -> None:
    log.unlink(missing_ok=True)


def _log_in(folder: Path, worker: str) -> Path:
    return folder / f"{worker}.log"


def _fleet(
    platform: LocalPlatform,
    spec: EndpointSpec,
    equip: Callable[[str], Equipment],
    pace: Pace | None,
) -> Fleet:
    queue = platform.add(spec.id, execution_timeout=spec.execution_timeout_seconds)
    fleet = Fleet(spec, queue, equip=equip, faults=platform.faults, pace=pace)
    platform.attach(spec.id, fleet)
    return fleet


@asynccontextmanager
async def _running(*fleets: Fleet) -> AsyncIterator[None]:
    try:
        for fleet in fleets:
            await fleet.start()
        yield
    finally:
        async with asyncio.TaskGroup() as closing:
            for fleet in fleets:
                closing.create_task(fleet.close())
