"""The local RunPod's one server: both APIs of all its endpoints, and files for jobs to fetch."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from emulator.caller_api import CallerApi
from emulator.faults import Faults
from emulator.files import Files
from emulator.hosted import Crew, Hosted, Meter, Strangers
from emulator.limits import Limits
from emulator.loopback import loopback_only
from emulator.queue import JobQueue
from emulator.webhooks import Webhooks
from emulator.worker_api import WorkerApi

_SWEEP_SECONDS: Final = 0.1
_LONGEST_URL: Final = 128 * 1024
"""A ping names all jobs of its worker."""


class LocalPlatform:
    """On loopback: `async with LocalPlatform() as platform`.

    Args:
        api_key: what callers have to show.
        limits: RunPod's numbers, or others.
        port: to listen at; 0 is any that is free.

    """

    def __init__(
        self,
        *,
        api_key: str = "local",
        limits: Limits | None = None,
        port: int = 0,
    ) -> None:
        self.api_key = api_key
        self.limits = limits or Limits()
        self._port = port
        self.faults = Faults()
        self._endpoints: dict[str, Hosted] = {}
        self._files = Files()
        self._webhooks = Webhooks(self.limits)
        self._workers = WorkerApi(self._endpoints, limits=self.limits, faults=self.faults)
        callers = CallerApi(
            self._endpoints, api_key=api_key, limits=self.limits, faults=self.faults
        )
        self._application = web.Application(middlewares=[loopback_only])
        self.add_routes([*self._workers.routes(), *callers.routes(), *self._files.routes()])
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            handler_cancellation=True,  # a worker that is gone must not be given a job
            shutdown_timeout=0.1,
            max_line_size=_LONGEST_URL,
        )
        self._url = ""
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:  # the port is taken
            await self._runner.cleanup()
            raise
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self._runner.cleanup()
        await self._webhooks.close()

    def add_routes(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Serve more pages on the same server; before it runs."""
        self._application.add_routes(routes)

    @property
    def url(self) -> str:
        return self._url

    @property
    def base_url(self) -> str:
        """What RUNPOD_ENDPOINT_BASE_URL has to say for the SDK's clients to come here."""
        return f"{self._url}/v2"

    @property
    def queues(self) -> Mapping[str, JobQueue]:
        return {name: endpoint.queue for name, endpoint in self._endpoints.items()}

    def add(
        self, endpoint_id: str, *, execution_timeout: float = 600.0, crew: Crew | None = None
    ) -> JobQueue:
        """Open an endpoint.

        Args:
            endpoint_id: its part of the URL.
            execution_timeout: in seconds, for jobs that do not say.
            crew: runs its workers; without one they come by themselves.

        """
        queue = JobQueue(
            endpoint_id,
            execution_timeout=execution_timeout,
            limits=self.limits,
            finished=self._webhooks.tell,
        )
        hosted = Hosted(queue, crew or Strangers(), Meter(self.limits))
        self._endpoints[endpoint_id] = hosted
        return queue

    def remove(self, endpoint_id: str) -> None:
        """Close an endpoint: its jobs are cancelled and forgotten, and it is not found any more."""
        self._endpoints.pop(endpoint_id).queue.close()

    def attach(self, endpoint_id: str, crew: Crew) -> None:
        """Tell this crew from now on what an endpoint's workers do."""
        self._endpoints[endpoint_id].crew = crew

    def worker_environment(self, endpoint_id: str, worker_id: str) -> dict[str, str]:
        """What makes an unmodified SDK worker take this endpoint's jobs, and nothing else."""
        return self._workers.environment(self._url, endpoint_id, worker_id)

    def share(self, path: Path) -> str:
        """Serve one file under a URL that nobody can guess."""
        return self._url + self._files.share(path)

    async def _sweep(self) -> None:
        while True:
            for endpoint in self._endpoints.values():
                endpoint.queue.sweep()
            await asyncio.sleep(_SWEEP_SECONDS)
