"""Makes a log of what RunPod itself says of an endpoint's jobs.

RunPod keeps no history of jobs that could be asked for. What its pages tell (docs.runpod.io, send
requests and operation reference, 2026):

- `GET /requests` is there: a table of rates names it (10 in 10 s, 2 at once). Which jobs it lists,
  how many and in what shape is documented nowhere. Expected is what the local platform answers,
  `{"requests": [{"id": ..., "status": ...}]}`; another shape is told as `JobsUnlisted`.
- `GET /status/{id}` tells `delayTime` (from being queued to the worker, of the last attempt),
  `executionTime`, `workerId` and `output`: for 30 minutes after the end of a job that came by /run,
  for one minute by /runsync. Then it is 404.
- No answer tells when a job was submitted, nor by whom; nor do webhooks, which repeat the status.
- `GET /health` counts completed and failed jobs; `GET /v2/billing/serverless` sums money by time.
  Neither knows single jobs.

So past traffic cannot be read, and an endpoint's jobs are recorded by watching them: a job came
between the poll that first lists it and the poll before. How long its audio is stands in the output
of Parley's workers (`usage.audio_seconds`), unless the job failed or its result was too large and
went to a bucket. Whose it is nobody says. A client that logs its own requests knows all of this
better.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from handlers.errors import EndpointNotFound
from orchestrator.exchange import Exchange
from orchestrator.patience import Patience
from orchestrator.update import Update
from planner.errors import JobsUnlisted, RecordNotWritten

SHORTEST_PAUSE: Final = 2.0
"""Seconds between polls at least: RunPod takes 10 in 10 s, of all who ask."""
_AT_ONCE: Final = 8
"""How many jobs are asked for at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came of watching an endpoint.

    Attributes:
        jobs: that were written, one a line.
        without_audio: those of them whose audio's length nobody told.
        before: jobs that were there already: when they came is not known, and they are left out.
        jumps: polls that list none of the jobs that the poll before listed: others may have come
            and gone in between. Watch more often.

    """

    jobs: int = 0
    without_audio: int = 0
    before: int = 0
    jumps: int = 0


async def record_jobs(  # noqa: PLR0913  what is watched, and how long, by name
    endpoint: str,
    *,
    session: aiohttp.ClientSession,
    api_key: str,
    into: Path,
    seconds: float,
    every: float = 5.0,
    base_url: str = "https://api.runpod.ai/v2",
    patience: Patience | None = None,
    stop: asyncio.Event | None = None,
    told: Callable[[Recorded], None] = lambda _so_far: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Recorded:
    """Watch an endpoint's jobs and add a line for each to a log that `planner.traffic.log` reads.

    A line holds `time` (the job came then, or up to `within_seconds` before), `audio_seconds` (null
    where nobody told), `id`, `status`, `delay_seconds`, `execution_seconds` and `worker`. Jobs that
    are not done at the end are written as they are.

    Args:
        endpoint: RunPod's id.
        session: its connections.
        api_key: of the endpoint.
        into: the log; lines are added.
        seconds: how long to watch.
        every: seconds between polls, at least `SHORTEST_PAUSE` for RunPod's own.
        base_url: of RunPod's API, or of the local platform.
        patience: how long a request may take, and how often it is tried.
        stop: ends it earlier, as if its time were over.
        told: what was recorded so far, after each poll.
        now: the time, aware.

    Raises:
        JobsUnlisted: the list of jobs is none that is known.
        RecordNotWritten: the log cannot be written.
        ParleyError: the endpoint is not there, refuses the key, or cannot be asked.

    """
    patience = patience or Patience()
    exchange = Exchange(
        endpoint, session=session, api_key=api_key, base_url=base_url, patience=patience
    )
    clock = asyncio.get_running_loop().time
    ends = clock() + seconds
    watch = _Watch(exchange, endpoint=endpoint, patience=patience, now=now)
    stop = stop or asyncio.Event()
    last = False
    while not last:
        last = stop.is_set() or clock() >= ends
        lines = await watch.poll(last=last)
        await asyncio.to_thread(_append, into, lines)
        told(watch.recorded)
        if not last:
            pause = min(every, max(0.0, ends - clock()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
    return watch.recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sighting:
    """When a job was seen first, and how long nobody had looked then."""

    seen: datetime
    unseen: timedelta


class _Watch:
    """What is known of an endpoint's jobs from poll to poll."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        endpoint: str,
        patience: Patience,
        now: Callable[[], datetime],
    ) -> None:
        self.recorded = Recorded()
        self._exchange = exchange
        self._endpoint = endpoint
        self._patience = patience
        self._now = now
        self._open: dict[str, _Sighting] = {}
        self._listed: Mapping[str, str] = {}
        self._looked: datetime | None = None

    async def poll(self, *, last: bool) -> list[dict[str, Any]]:
        """Look once, and give the lines of jobs that are done; at the last time of all jobs."""
        until = asyncio.get_running_loop().time() + self._patience.outage_seconds
        answer = await self._exchange.ask("GET", "requests", until=until)
        moment = self._now()
        listed = _listed(answer, endpoint=self._endpoint)
        fresh = [job for job in listed if job not in self._listed and job not in self._open]
        if self._looked is None:
            self._count(before=len(fresh))
        else:
            self._count(jumps=int(bool(self._listed) and len(fresh) == len(listed) > 0))
            unseen = moment - self._looked
            self._open |= {job: _Sighting(seen=moment, unseen=unseen) for job in fresh}
        self._listed, self._looked = listed, moment
        ripe = [job for job in self._open if last or listed.get(job) not in _RUNNING]
        found = await self._ask_all(ripe)
        lines = []
        for job, update in zip(ripe, found, strict=True):
            if last or update is None or update.is_final:
                lines.append(self._line(job, update))
                del self._open[job]
        return lines

    async def _ask_all(self, jobs: list[str]) -> list[Update | None]:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def ask(job: str) -> Update | None:
            async with slots:
                return await self._ask(job)

        tasks = [asyncio.create_task(ask(job)) for job in jobs]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _ask(self, job: str) -> Update | None:
        """What the platform says of a job; None where it has forgotten it."""
        until = asyncio.get_running_loop().time() + self._patience.outage_seconds
        try:
            answer = await self._exchange.ask("GET", "status", job, until=until)
        except EndpointNotFound:
            return None
        return Update.read(answer, endpoint=self._endpoint)

    def _line(self, job: str, update: Update | None) -> dict[str, Any]:
        sighting = self._open[job]
        came, unseen = sighting.seen, sighting.unseen
        delay, execution = (update.delay, update.execution) if update else (None, None)
        if update and update.is_final and delay is not None and execution is not None:
            # it came so long before it was seen to be done, or earlier
            latest = self._now() - timedelta(seconds=max(0.0, delay + execution))
            latest = max(latest, came - unseen)
            if latest < came:
                came, unseen = latest, unseen - (came - latest)
        audio = _audio_seconds(update.output) if update else None
        self._count(jobs=1, without_audio=int(audio is None))
        return {
            "time": came.astimezone(UTC).isoformat(timespec="milliseconds"),
            "within_seconds": round(unseen.total_seconds(), 3),
            "audio_seconds": audio,
            "id": job,
            "status": update.state if update else None,
            "delay_seconds": delay,
            "execution_seconds": execution,
            "worker": update.worker if update else None,
        }

    def _count(
        self, *, jobs: int = 0, without_audio: int = 0, before: int = 0, jumps: int = 0
    ) -> None:
        so_far = self.recorded
        self.recorded = Recorded(
            jobs=so_far.jobs + jobs,
            without_audio=so_far.without_audio + without_audio,
            before=so_far.before + before,
            jumps=so_far.jumps + jumps,
        )


_RUNNING: Final = frozenset({"IN_QUEUE", "IN_PROGRESS", "RUNNING"})


def _listed(answer: Mapping[str, Any], *, endpoint: str) -> dict[str, str]:
    """States by id, in the order of the list.

    Raises:
        JobsUnlisted: this is no list of jobs.

    """
    jobs = answer.get("requests")
    if not isinstance(jobs, list):
        raise JobsUnlisted(endpoint, reason="it holds no list `requests`")
    found = {}
    for job in jobs:
        name = job.get("id") if isinstance(job, Mapping) else None
        if not (isinstance(name, str) and name):
            raise JobsUnlisted(endpoint, reason="an item of it has no `id`")
        found[name] = str(job.get("status"))
    return found


def _audio_seconds(output: object) -> float | None:
    """How long the audio was, as Parley's workers tell."""
    usage = output.get("usage") if isinstance(output, Mapping) else None
    seconds = usage.get("audio_seconds") if isinstance(usage, Mapping) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        found = float(seconds)
    except OverflowError:  # JSON has whole numbers of any length
        return None
    return found if math.isfinite(found) and found > 0 else None


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
    except OSError as error:
        raise RecordNotWritten(str(path), reason=error.strerror or "it failed") from error
