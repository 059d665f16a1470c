"""The doors: a local RunPod with the endpoints of a manifest, or with one endpoint alone."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emulator.faults import Faults
from emulator.fleet import Fleet, Pace
from emulator.hosting import Hosting
from emulator.jobs import Job
from emulator.limits import Limits
from emulator.management.account import Account
from emulator.management.api import ManagementApi, Setup
from emulator.manifest import EndpointSpec, Manifest
from emulator.page import StatusPage
from emulator.platform import LocalPlatform
from emulator.process import WorkerProcess
from emulator.queue import JobQueue
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
    setup: Setup | None = None,
) -> AsyncIterator[LocalRunPod]:
    """Run the endpoints of a manifest and those that are created, and stop all of it at the end.

    Args:
        manifest: the endpoints that are there from the start; the management API does not know
            them, but for their share of the quota.
        logs: takes a folder for each endpoint, with a file for each worker.
        environment: of all workers; what the manifest says is stronger.
        api_key: what callers have to show.
        limits: RunPod's numbers, or others.
        pace: how fast the fleets act.
        port: of the platform; 0 is any that is free.
        setup: what created endpoints are run with.

    Raises:
        OSError: the port is taken.

    """
    platform = LocalPlatform(api_key=api_key, limits=limits, port=port)
    hosting = Hosting(platform, logs=logs, environment=environment, pace=pace)
    page = StatusPage(hosting.statuses, faults=platform.faults, quota=manifest.workers_quota)
    platform.add_routes(page.routes())
    promised = sum(spec.workers_max for spec in manifest.endpoints)
    with tempfile.TemporaryDirectory() as state:
        management = ManagementApi(
            hosting,
            setup=setup or Setup(),
            account=Account(quota=manifest.workers_quota, promised_elsewhere=promised),
            state=Path(state),
            api_key=api_key,
            faults=platform.faults,
            limits=platform.limits,
            base_url=lambda: platform.base_url,
        )
        platform.add_routes(management.routes())
        async with platform:
            try:
                for spec in manifest.endpoints:
                    await hosting.open(
                        spec, spec.settings(platform_url=platform.url, api_key=api_key)
                    )
                yield LocalRunPod(platform, hosting.fleets)
            finally:
                await hosting.close_all()


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

        def equip(worker: str) -> Equipment:
            connection = platform.worker_environment(spec.id, worker)
            return Equipment(environment={**connection, **environment}, log=log)

        queue = platform.add(spec.id)
        # a worker that cannot start is told to whoever waits at once
        fleet = Fleet(spec, queue, equip=equip, faults=platform.faults, pace=Pace(crashes=1))
        platform.attach(spec.id, fleet)
        try:
            await fleet.start()
            yield LocalEndpoint(platform, queue, fleet, log)
        finally:
            await fleet.close()


def _discard(log: Path) -> None:
    log.unlink(missing_ok=True)
