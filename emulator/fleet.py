"""The workers of one endpoint: started when there is work, stopped when there is none."""

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

from emulator.faults import Faults
from emulator.guard import Guard
from emulator.jobs import Job
from emulator.manifest import EndpointSpec
from emulator.process import WorkerProcess
from emulator.queue import JobQueue
from emulator.scaling import Load, wanted_workers
from emulator.worker import Equipment, Life, Worker, WorkerView

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a fleet acts, in seconds.

    Args:
        tick: between two looks at a queue that has no news.
        grace: for a worker to end by itself before it is killed.
        start: for a worker to ask for its first job before it is given up.
        capacity: between two tries to start a worker where there is no capacity.
        crashes: so many workers in a row end before they ask for a job until there is a pause.
        pause: the first one; each further is twice as long.
        longest_pause: but no longer than this.

    """

    tick: float = 0.2
    grace: float = 5.0
    start: float = 420.0
    capacity: float = 2.0
    crashes: int = 3
    pause: float = 5.0
    longest_pause: float = 300.0


class Fleet:
    """The workers of one endpoint.

    Args:
        spec: what to run, and how many.
        queue: their jobs.
        equip: gives what a worker's process gets, by the worker's id.
        faults: what goes wrong.
        pace: how fast it acts.
        lived: told of every worker that has ended.

    """

    def __init__(  # noqa: PLR0913  each is one collaborator
        self,
        spec: EndpointSpec,
        queue: JobQueue,
        *,
        equip: Callable[[str], Equipment],
        faults: Faults,
        pace: Pace | None = None,
        lived: Callable[[Life], None] = lambda _life: None,
    ) -> None:
        self.spec = spec
        self.version = 1
        self._queue = queue
        self._equip = equip
        self._faults = faults
        self._pace = pace or Pace()
        self._lived = lived
        self._workers: dict[str, Worker] = {}
        self._crashed: list[Worker] = []
        self._troubled = asyncio.Event()
        self._paused_until = self._latest_start = -math.inf
        self._guard = Guard()
        self._watching: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Watch the queue from now on."""
        await self._guard.start()
        self._watching = asyncio.create_task(self._watch())

    def change(self, spec: EndpointSpec, *, version: int) -> None:
        """Follow another configuration from now on.

        Workers of an older version are given nothing more, and are stopped once they are idle.
        """
        is_new, self.spec, self.version = version != self.version, spec, version
        if is_new:  # what crashed before may run now
            self._crashed.clear()
            self._troubled.clear()
        self._look()

    async def close(self) -> None:
        """Stop all workers; no process is left, whatever happens."""
        self._is_closed = True
        if self._watching:
            self._watching.cancel()
        for worker in [*self._workers.values()]:
            self._stop(worker)
        lives = [worker.life for worker in self._workers.values() if worker.life]
        try:
            await asyncio.gather(*lives, *self._errands, return_exceptions=True)
        finally:
            await self._guard.close()
        if self._watching:
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    # --- towards people

    @property
    def workers(self) -> tuple[WorkerView, ...]:
        """All there are, and those that ended before they asked for a job since one last did."""
        self._see()
        return tuple(worker.view() for worker in (*self._crashed, *self._workers.values()))

    @property
    def trouble(self) -> str:
        """Why no worker is started although one is wanted; empty where all is well."""
        if not self._troubled.is_set():
            return ""
        latest = self._crashed[-1]
        return (
            f"{len(self._crashed)} workers of {self.spec.id} in a row ended before they asked for "
            f"a job; the last one {latest.reason}. Its log is {latest.equipment.log}."
        )

    async def troubled(self) -> None:
        """Wait until there is trouble."""
        await self._troubled.wait()

    @property
    def processes(self) -> dict[str, WorkerProcess]:
        """The processes that run, by the ids of their workers."""
        workers = self._workers.values()
        return {worker.id: worker.process for worker in workers if worker.process}

    # --- towards the platform

    def asked(self, worker: str) -> None:
        """Note that a worker asked for a job: it is ready."""
        known = self._workers.get(worker)
        if known and not known.has_asked:
            known.has_asked = True
            known.since = time.monotonic()
            self._crashed.clear()
            self._troubled.clear()

    def job_taken(self, worker: str, jobs: Iterable[Job]) -> None:
        """Note that a worker took jobs."""
        known = self._workers.get(worker)
        if not known:
            return
        for job in jobs:
            known.see(known.held | {job.id})
            if fault := self._faults.take("kill_worker", self.spec.id):
                _log.info("Killing worker %s in %s s, as wished.", worker, fault.seconds)
                asyncio.get_running_loop().call_later(fault.seconds, _kill, known)

    def unhealthy(self, worker: str, reason: str) -> None:
        """Note that a worker says so of itself; it is to end by itself now."""
        if known := self._workers.get(worker):
            known.reason = f"reported itself unhealthy: {reason}"
            asyncio.get_running_loop().call_later(self._pace.grace, _kill, known)

    def refresh(self, worker: str) -> None:
        """Note that a worker asked, with a result, to be replaced (`stopPod`)."""
        if known := self._workers.get(worker):
            self._stop(known)

    def counts(self) -> dict[str, int]:
        """Count the workers under the keys of `/health`."""
        states = Counter(worker.state for worker in self.workers)
        return {
            "idle": states["idle"],
            "initializing": states["initializing"],
            "ready": states["idle"] + states["running"],
            "running": states["running"],
            "throttled": states["throttled"],
            "unhealthy": states["unhealthy"],
        }

    # --- inside

    async def _watch(self) -> None:
        while True:
            news = self._queue.changed
            self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.tick):
                    await news.wait()

    def _look(self) -> None:
        """Bring the workers to what the queue wants."""
        if self._is_closed:
            return
        self._see()
        self._retire()
        now = time.monotonic()
        alive = [w for w in self._workers.values() if self._is_current(w)]
        load = Load(
            waiting=self._queue.waiting,
            longest_wait=self._queue.longest_wait,
            running=self._queue.running,
            workers=len(alive),
            since_start=now - self._latest_start,
        )
        surplus = len(alive) - wanted_workers(self.spec, load)
        if surplus > 0:
            for worker in self._spare(alive)[:surplus]:
                self._stop(worker)
        # those that are being stopped still hold memory
        room = self.spec.workers_max - len(self._workers)
        for _ in range(min(-surplus, room, self._allowed_starts(alive))):
            self._hire()

    def _see(self) -> None:
        """Note what each worker does."""
        latest = time.monotonic() - self._pace.start
        for worker in self._workers.values():
            worker.see(frozenset(job.id for job in self._queue.running_on(worker.id)))
            is_late = worker.process and not worker.has_asked and worker.since < latest
            if is_late and not worker.reason:
                worker.reason = f"did not ask for a job within {self._pace.start:.0f} s"
                _kill(worker)

    def _retire(self) -> None:
        """Let workers of older versions go."""
        for worker in self._workers.values():
            if worker.version == self.version:
                continue
            self._queue.dismiss(worker.id)
            if not worker.held:
                self._stop(worker)

    def _is_current(self, worker: Worker) -> bool:
        return worker.version == self.version and not worker.is_stopping

    def _spare(self, alive: Iterable[Worker]) -> list[Worker]:
        """Give those that may go, the most dispensable first."""
        throttled = [worker for worker in alive if worker.is_throttled]
        idle = [w for w in alive if w.idle_seconds > self.spec.idle_seconds]
        return throttled + sorted(idle, key=lambda worker: worker.since)

    def _allowed_starts(self, alive: Iterable[Worker]) -> int:
        """After crashes one worker at a time is tried, after a pause."""
        if not self._troubled.is_set():
            return self.spec.workers_max
        is_tried = any(not worker.has_asked for worker in alive)
        return 0 if is_tried or time.monotonic() < self._paused_until else 1

    def _hire(self) -> None:
        worker_id = secrets.token_hex(7)
        worker = Worker(worker_id, self._equip(worker_id), self.version)
        self._workers[worker_id] = worker
        self._latest_start = time.monotonic()
        worker.life = asyncio.create_task(self._live(worker))

    async def _live(self, worker: Worker) -> None:
        try:
            await self._begin(worker)
        except OSError as error:
            worker.reason = f"could not be started: {error}"
        finally:
            self._part(worker)
            self._look()

    async def _begin(self, worker: Worker) -> None:
        while self._faults.take("no_capacity", self.spec.id):
            worker.is_throttled = True
            await asyncio.sleep(self._pace.capacity)
        worker.is_throttled = False
        if fault := self._faults.take("slow_start", self.spec.id):
            await asyncio.sleep(fault.seconds)
        worker.since = time.monotonic()
        worker.process = await WorkerProcess.start(
            self.spec.arguments(),
            environment=worker.equipment.environment,
            log=worker.equipment.log,
            guard=self._guard,
        )
        began = time.time()
        try:
            status = await worker.process.ended()
        finally:
            self._lived(Life(self.spec.id, began, time.time()))
        worker.reason = worker.reason or f"ended with status {status}"

    def _stop(self, worker: Worker) -> None:
        if worker.is_stopping:
            return
        worker.is_stopping = True
        self._queue.dismiss(worker.id)
        if worker.process:
            self._run_errand(worker.process.stop(grace=self._pace.grace))
        elif worker.life:
            worker.life.cancel()

    def _part(self, worker: Worker) -> None:
        """Let go of a worker that has ended."""
        del self._workers[worker.id]
        self._queue.worker_gone(worker.id)
        if worker.has_asked or worker.is_stopping:
            return
        self._crashed.append(worker)
        if len(self._crashed) >= self._pace.crashes:
            doublings = len(self._crashed) - self._pace.crashes
            pause = min(self._pace.pause * 2**doublings, self._pace.longest_pause)
            self._paused_until = time.monotonic() + pause
            self._troubled.set()
            _log.warning("%s The next try is in %.0f s.", self.trouble, pause)

    def _run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _kill(worker: Worker) -> None:
    if worker.process:
        worker.process.kill()
