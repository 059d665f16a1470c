"""The jobs of one endpoint: who gets which, and what workers, callers and time do to them."""

import asyncio
import heapq
import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from emulator.jobs import BadRequest, Job, Policy, State, UnknownJob
from emulator.limits import Limits
from emulator.line import Line
from emulator.stops import StopSignals

_LOST: Final = "job timed out after 1 retries"
"""RunPod's own words for a job that no worker finished."""
_RESERVED: Final = frozenset({"id", "input"})


@dataclass(slots=True)
class Totals:
    """How often something happened since the start."""

    completed: int = 0
    failed: int = 0
    """Those that timed out are among them."""
    cancelled: int = 0
    retried: int = 0


class JobQueue:
    """Jobs in the order of their submission; a final job never changes, except by `retry`.

    Args:
        endpoint: its id.
        execution_timeout: in seconds, for jobs whose policy does not say.
        limits: how long things are kept and repeated.
        finished: told each job that becomes final.
        clock: seconds.

    """

    def __init__(
        self,
        endpoint: str,
        *,
        execution_timeout: float = 600.0,
        limits: Limits | None = None,
        finished: Callable[[Job], None] = lambda _job: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.totals = Totals()
        self.changed = asyncio.Event()
        """Set, and replaced by a new one, when a job is queued, taken or final."""
        self._limits = limits or Limits()
        self._default = Policy(execution_timeout=execution_timeout, ttl=self._limits.ttl)
        self._finished = finished
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._line = Line()
        self._running: dict[str, Job] = {}
        self._held: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self._stops = StopSignals(self._limits)
        self._due: list[tuple[float, int, Job]] = []
        self._serial = itertools.count()

    # --- towards callers

    def submit(self, request: Mapping[str, Any], *, sync: bool = False) -> Job:
        """Queue a job for the next worker that asks.

        Raises:
            BadRequest: it has no input, or its policy or webhook makes no sense.

        """
        if request.get("input") is None:
            message = 'The request needs an "input".'
            raise BadRequest(message)
        webhook = request.get("webhook")
        if webhook is not None and not isinstance(webhook, str):
            message = "webhook must be a URL."
            raise BadRequest(message)
        policy = Policy.read(request.get("policy"), default=self._default, limits=self._limits)
        now = self._clock()
        job = Job(
            id=f"{'sync-' if sync else ''}{uuid.uuid4()}-e1",
            endpoint=self.endpoint,
            input=request["input"],
            extra={key: value for key, value in request.items() if key not in _RESERVED},
            policy=policy,
            webhook=webhook or None,
            retention=self._limits.sync_retention if sync else self._limits.async_retention,
            submitted=now,
            queued=now,
            expires=now + policy.ttl,
        )
        self._jobs[job.id] = job
        self._at(job.expires, job)
        self._enqueue(job)
        return job

    def get(self, job_id: str) -> Job:
        """Find a job.

        Raises:
            UnknownJob: there is none, or none any more.

        """
        job = self._jobs.get(job_id)
        if job is not None and job.expires <= self._clock():
            self._expire(job)
            job = None
        if job is None:
            raise UnknownJob(job_id)
        return job

    def recent(self, count: int) -> list[Job]:
        """Give the latest jobs, the newest first."""
        return list(itertools.islice(reversed(self._jobs.values()), count))

    def keep(self, job_id: str, seconds: float) -> None:
        """Forget a result earlier than usual: so long after now, or after its job is final."""
        job = self.get(job_id)
        job.retention = min(job.retention, seconds)
        if job.state.is_final:
            job.expires = min(job.expires, self._clock() + seconds)
            self._at(job.expires, job)

    def cancel(self, job_id: str) -> None:
        """Take a job out of the queue, or tell its worker to stop it."""
        self._abandon(self.get(job_id), State.CANCELLED)

    def retry(self, job_id: str) -> None:
        """Queue a failed job once more under its id.

        Raises:
            BadRequest: it did not fail.

        """
        job = self.get(job_id)
        if job.state not in {State.FAILED, State.TIMED_OUT}:
            message = f"Only a job that is FAILED or TIMED_OUT can be retried; it is {job.state}."
            raise BadRequest(message)
        job.losses = 0
        job.finished = None
        job.expires = max(job.submitted + job.policy.ttl, self._clock() + self._limits.shortest_ttl)
        self._at(job.expires, job)
        self._requeue(job)

    def limit(self, execution_timeout: float) -> None:
        """Give jobs that come from now on so many seconds, where their policy does not say."""
        self._default = replace(self._default, execution_timeout=execution_timeout)

    def close(self) -> None:
        """Cancel all jobs, and forget them."""
        for job in [*self._jobs.values()]:
            self._abandon(job, State.CANCELLED)
        self._jobs.clear()

    def purge(self) -> int:
        """Cancel all jobs that wait; give their number."""
        waiting = self._line.all()
        for job in waiting:
            self._abandon(job, State.CANCELLED)
        return len(waiting)

    def drain_stream(self, job_id: str) -> list[Any]:
        """Give the chunks that nobody was given yet."""
        job = self.get(job_id)
        chunks, job.chunks = job.chunks, []
        return chunks

    # --- towards workers

    async def take(self, worker: str, *, most: int, wait: float) -> list[Job]:
        """Give a worker up to `most` jobs, as soon as there is one; none after `wait` seconds."""
        if not await self._line.wait(worker, seconds=wait):
            self._line.call()  # it may have been called before it was dismissed
            return []
        jobs = [self._start(worker) for _ in range(min(most, len(self._line)))]
        self._line.call()
        return jobs

    def put_back(self, worker: str, jobs: Sequence[Job]) -> None:
        """Queue jobs again that did not reach their worker, as though it had never asked."""
        for job in reversed(jobs):
            if self._held[worker].pop(job.id, None) is job and not job.state.is_final:
                del self._running[job.id]
                job.worker = job.started = None
                self._enqueue(job, first=True)

    async def to_stop(self, worker: str, *, wait: float) -> list[str]:
        """Give the ids of a worker's jobs that were cancelled or timed out."""
        return await self._stops.wait(worker, seconds=wait)

    def finish(self, worker: str, job_id: str, body: Mapping[str, Any]) -> bool:
        """Take what a worker posts about a job: progress, an output, or an error.

        Returns whether it changed the job. It does not where the job is final, or no longer that
        worker's.

        Raises:
            UnknownJob: there is no such job.

        """
        job = self.get(job_id)
        is_progress = body.get("status") == State.IN_PROGRESS
        if not is_progress:
            self._stops.withdraw(worker, job_id)
        if job.id not in self._held[worker]:
            return False
        if is_progress:
            job.output = body.get("output")
            job.announce()
        elif error := body.get("error"):
            self._end(job, State.FAILED, output=body.get("output"), error=error)
        else:
            self._end(job, State.COMPLETED, output=body.get("output"))
        return True

    def stream(self, worker: str, job_id: str, chunk: Mapping[str, Any]) -> None:
        """Take a part of an output.

        Raises:
            UnknownJob: there is no such job.

        """
        job = self.get(job_id)
        if job.id in self._held[worker]:
            job.chunks.append(dict(chunk))
            job.announce()

    def holds(self, worker: str, job_ids: Iterable[str]) -> None:
        """Note which jobs a worker says it has; one that it disowns for long is lost."""
        named = frozenset(job_ids)
        now = self._clock()
        for job in self._held[worker].values():
            if job.id in named:
                job.disowned = None
            elif job.disowned is None:
                job.disowned = now
                self._at(now + self._limits.lost_job, job)

    def idle(self, worker: str) -> None:
        """Note that a worker asks for work and has none: what it had to stop has ended."""
        self._stops.forget(worker)
        self.holds(worker, ())

    def dismiss(self, worker: str) -> None:
        """Give a worker nothing more; its open polls return at once."""
        self._line.dismiss(worker)
        self._stops.release(worker)

    def worker_gone(self, worker: str) -> None:
        """Queue what a worker leaves behind once more; what was lost before fails."""
        self._line.gone(worker)
        self._stops.gone(worker)
        for job in reversed(self.running_on(worker)):
            self._lose(job)
        self._held.pop(worker, None)

    # --- time

    def sweep(self) -> None:
        """Do what time demands: end, hand on or forget jobs whose hour has come."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, job = heapq.heappop(self._due)
            if self._jobs.get(job.id) is not job:
                continue
            if job.expires <= now:
                self._expire(job)
            elif job.state is State.IN_PROGRESS:
                self._check(job, now)

    # --- numbers

    @property
    def waiting(self) -> int:
        """How many jobs wait; those of low priority do not count."""
        return self._line.high

    @property
    def waiting_low(self) -> int:
        return self._line.low

    @property
    def longest_wait(self) -> float:
        """For how many seconds the oldest has waited; those of low priority do not count."""
        return max(0.0, self._clock() - self._line.oldest)

    @property
    def running(self) -> int:
        return len(self._running)

    def running_on(self, worker: str) -> tuple[Job, ...]:
        """Give the jobs that a worker has."""
        return tuple(self._held.get(worker, {}).values())

    # --- inside

    def _enqueue(self, job: Job, *, first: bool = False) -> None:
        job.state = State.IN_QUEUE
        self._line.put(job, first=first)
        self._tell(job)

    def _requeue(self, job: Job, *, first: bool = False) -> None:
        job.retries += 1
        self.totals.retried += 1
        job.queued = self._clock()
        job.worker = job.started = job.output = job.error = None
        job.chunks = []
        self._enqueue(job, first=first)

    def _start(self, worker: str) -> Job:
        job = self._line.pop()
        job.state, job.worker, job.started = State.IN_PROGRESS, worker, self._clock()
        job.disowned = None
        self._running[job.id] = self._held[worker][job.id] = job
        self._at(job.started + job.policy.execution_timeout, job)
        self._tell(job)
        return job

    def _check(self, job: Job, now: float) -> None:
        started = now if job.started is None else job.started
        if started + job.policy.execution_timeout <= now:
            self._abandon(job, State.TIMED_OUT)
        elif job.disowned is not None and job.disowned + self._limits.lost_job <= now:
            self._lose(job)

    def _lose(self, job: Job) -> None:
        if job.losses:
            self._end(job, State.FAILED, error=_LOST)
            return
        self._release(job)
        job.losses += 1
        self._requeue(job, first=True)

    def _abandon(self, job: Job, state: State) -> None:
        if job.state.is_final:
            return
        if job.state is State.IN_PROGRESS and job.worker is not None:
            self._stops.send(job.worker, job.id)
        self._end(job, state)

    def _end(self, job: Job, state: State, *, output: Any = None, error: Any = None) -> None:  # noqa: ANN401
        self._release(job)
        job.state, job.output, job.error, job.finished = state, output, error, self._clock()
        job.expires = job.finished + job.retention
        self._at(job.expires, job)
        match state:
            case State.COMPLETED:
                self.totals.completed += 1
            case State.CANCELLED:
                self.totals.cancelled += 1
            case _:
                self.totals.failed += 1
        self._tell(job)
        self._finished(job)

    def _expire(self, job: Job) -> None:
        self._abandon(job, State.TIMED_OUT)
        self._jobs.pop(job.id, None)

    def _release(self, job: Job) -> None:
        self._line.remove(job)
        self._running.pop(job.id, None)
        if job.worker is not None and job.worker in self._held:
            self._held[job.worker].pop(job.id, None)

    def _at(self, when: float, job: Job) -> None:
        heapq.heappush(self._due, (when, next(self._serial), job))

    def _tell(self, job: Job) -> None:
        job.announce()
        self.changed.set()
        self.changed = asyncio.Event()
