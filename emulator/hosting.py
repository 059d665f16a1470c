"""Endpoints that come and go: each with a queue, a fleet, and a place on the status page."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.fleet import Fleet, Pace
from emulator.manifest import EndpointSpec
from emulator.platform import LocalPlatform
from emulator.status import Status
from emulator.worker import Equipment, Life, WorkerView


class Hosting:
    """What runs the endpoints of a platform.

    Args:
        platform: serves them.
        logs: takes a folder for each endpoint, with a file for each worker.
        environment: of all workers; an endpoint's own is stronger.
        pace: how fast the fleets act.

    """

    def __init__(
        self,
        platform: LocalPlatform,
        *,
        logs: Path,
        environment: Mapping[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.fleets: dict[str, Fleet] = {}
        self.statuses: dict[str, Status] = {}
        self._platform = platform
        self._logs = logs
        self._environment = environment or {}
        self._pace = pace
        self._settings: dict[str, Mapping[str, str]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._lives: list[Life] = []

    async def open(self, spec: EndpointSpec, settings: Mapping[str, str]) -> None:
        """Run an endpoint.

        Args:
            spec: what to run, and how many.
            settings: the environment of its workers.

        """
        self._settings[spec.id] = settings
        queue = self._platform.add(spec.id, execution_timeout=spec.execution_timeout_seconds)
        fleet = Fleet(
            spec,
            queue,
            equip=lambda worker: self._equipment(spec.id, worker),
            faults=self._platform.faults,
            pace=self._pace,
            lived=self._lives.append,
        )
        self.fleets[spec.id] = fleet
        self.statuses[spec.id] = Status(fleet, queue, logs=self._logs / spec.id)
        self._platform.attach(spec.id, fleet)
        await fleet.start()

    def change(self, spec: EndpointSpec, settings: Mapping[str, str], *, version: int) -> None:
        """Run an endpoint in another way: see `Fleet.change`."""
        self._settings[spec.id] = settings
        self._platform.queues[spec.id].limit(spec.execution_timeout_seconds)
        self.fleets[spec.id].change(spec, version=version)

    def close(self, endpoint: str) -> None:
        """Let an endpoint go: nobody finds it any more, and its workers are being stopped."""
        self._platform.remove(endpoint)
        del self.statuses[endpoint], self._settings[endpoint]
        task = asyncio.create_task(self.fleets.pop(endpoint).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close_all(self) -> None:
        """Stop all workers; no process is left."""
        async with asyncio.TaskGroup() as closing:
            for fleet in self.fleets.values():
                closing.create_task(fleet.close())
            for task in self._closing:
                closing.create_task(_finish(task))

    def workers(self, endpoint: str) -> tuple[WorkerView, ...]:
        """Give an endpoint's workers; those that crashed are among them."""
        return self.fleets[endpoint].workers

    def lives(self) -> Sequence[Life]:
        """Give the workers that have ended, of all endpoints there were."""
        return self._lives

    def log(self, endpoint: str, worker: str) -> Path | None:
        """Give the log of a worker that runs or ran; None where there is none."""
        return self.statuses[endpoint].log(worker)

    def connection(self, endpoint: str) -> tuple[str, ...]:
        """Name the variables that connect a worker."""
        return tuple(self._platform.worker_environment(endpoint, ""))

    def _equipment(self, endpoint: str, worker: str) -> Equipment:
        connection = self._platform.worker_environment(endpoint, worker)
        return Equipment(
            environment={**connection, **self._environment, **self._settings[endpoint]},
            log=self._logs / endpoint / f"{worker}.log",
        )


async def _finish(task: asyncio.Task[None]) -> None:
    await task
