"""An asyncio client of one RunPod endpoint: an errand in, its result or one typed error out."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from handlers.errors import (
    AudioError,
    DeadlineExceeded,
    EndpointFailed,
    EndpointNotFound,
    EndpointUnreachable,
    InvalidRequest,
    JobForgotten,
    ParleyError,
    ReplyInvalid,
    RequestTooLarge,
)
from orchestrator.exchange import REQUEST_BYTES, Exchange, TransientError
from orchestrator.patience import Patience
from orchestrator.update import Update

__all__ = ["Endpoint", "Patience", "Result", "Update"]

_log = logging.getLogger(__name__)

_SHORTEST_TTL_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 7 * 86400.0
_GRACE_SECONDS: Final = 10.0
"""What a job may outlive its deadline, so that it is the deadline that is reported."""
_CANCELS_AT_ONCE: Final = 16
"""RunPod refuses more than 20 of an endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a job gave."""

    output: Any
    job: str
    worker: str | None
    delay: float
    """Seconds from the submission to the worker, as the platform counts them."""
    execution: float
    """Seconds that the worker took."""
    submissions: int
    """Jobs that it took, of which this was the last."""


def ignore(_update: Update) -> None:
    """Updates that nobody watches."""


class Endpoint:
    """One RunPod endpoint, for any number of jobs at once.

    Attributes:
        id: RunPod's.
        session: its connections, also for what its answers point to.

    """

    def __init__(
        self,
        id: str,  # noqa: A002  it is what RunPod calls it
        *,
        session: aiohttp.ClientSession,
        api_key: str,
        base_url: str = "https://api.runpod.ai/v2",
        patience: Patience | None = None,
    ) -> None:
        self.id = id
        self.session = session
        self._patience = patience or Patience()
        self._exchange = Exchange(
            id, session=session, api_key=api_key, base_url=base_url, patience=self._patience
        )
        self._waiting = 0
        self._cancels = asyncio.Semaphore(_CANCELS_AT_ONCE)
        self._cancelled: deque[float] = deque(maxlen=self._patience.cancels)

    async def run(
        self,
        job_input: Mapping[str, Any],
        *,
        within: float,
        update: Callable[[Update], None] = ignore,
    ) -> Result:
        """Have a job done, if need be by several submissions.

        A job whose state is not final when this ends, for whatever reason, is cancelled. That
        takes up to `Patience.cancel_seconds` more, also where the caller itself is cancelled.

        Args:
            job_input: ready for JSON, and not empty.
            within: seconds for all of it; the job itself is given no more on the platform.
            update: told every state that is seen; it must neither block nor raise.

        Raises:
            DeadlineExceeded: no result `within` seconds.
            EndpointError: the platform, or a worker, gave none.
            ParleyError: what the worker itself says, where it is one of Parley's.

        """
        end = asyncio.get_running_loop().time() + within
        state = "not accepted yet"

        def watch(news: Update) -> None:
            nonlocal state
            state = news.state
            update(news)

        try:
            return await self._persist(job_input, end=end, update=watch)
        except TimeoutError as error:
            raise DeadlineExceeded(self.id, seconds=within, state=state) from error

    async def submit(self, job_input: Mapping[str, Any], *, within: float) -> Update:
        """Submit a job, which the platform ends by itself some time after `within` seconds.

        If this is cancelled while the platform creates the job, the job is cancelled too.
        """
        end = asyncio.get_running_loop().time() + within
        return await self._submit(job_input, end=end)

    async def status(self, job: str) -> Update:
        """Ask for the state of a job.

        Raises:
            JobForgotten: the platform does not know it, or not any more.

        """
        try:
            answer = await self._exchange.ask("GET", "status", job)
        except EndpointNotFound as error:
            raise JobForgotten(self.id, job=job) from error
        return Update.read(answer, endpoint=self.id)

    async def cancel(self, job: str) -> None:
        """Cancel a job; one that the platform does not know is none to cancel."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience.cancel_seconds
        async with self._cancels:
            if len(self._cancelled) == self._cancelled.maxlen:
                free = self._cancelled[0] + self._patience.cancel_window
                self._cancelled.append(max(free, clock()))
                await asyncio.sleep(free - clock())
            else:
                self._cancelled.append(clock())
            with suppress(EndpointNotFound):
                await self._exchange.ask("POST", "cancel", job, until=until)

    async def health(self) -> dict[str, Any]:
        """Ask for RunPod's counts of jobs and workers."""
        return await self._exchange.ask("GET", "health")

    async def _persist(
        self, job_input: Mapping[str, Any], *, end: float, update: Callable[[Update], None]
    ) -> Result:
        clock = asyncio.get_running_loop().time
        submissions = 0
        while clock() < end:
            submissions += 1
            async with asyncio.timeout_at(end):
                job = await self._submit(job_input, end=end)
            final = await self._follow(job, end=end, update=update)
            failure = final.failure(self.id, excerpt=self._exchange.excerpt)
            if failure is None:
                return _result(final, submissions=submissions)
            pause = self._patience.backoff(submissions)
            last = submissions >= self._patience.submissions or clock() + pause >= end
            # what a worker could not download it has tried several times itself
            if last or not failure.retryable or isinstance(failure, AudioError):
                raise failure
            _log.info("job %s of %s is submitted again: %s", job.job, self.id, failure.code)
            await asyncio.sleep(pause)
        raise TimeoutError

    async def _submit(self, job_input: Mapping[str, Any], *, end: float) -> Update:
        if not job_input:  # the platform drops an empty input, and fails a job without one
            message = "The job's input is empty. Say what is to be done."
            raise InvalidRequest(message)
        seconds = end - asyncio.get_running_loop().time()
        body = json.dumps({"input": job_input, "policy": _policy(seconds)}).encode()
        if len(body) > REQUEST_BYTES:
            raise RequestTooLarge(size=len(body), limit=REQUEST_BYTES)
        # Where the answer to /run is lost, a job may exist that nobody knows; then the next try
        # makes a second one. The first ends by its policy, at the latest.
        until = min(end, asyncio.get_running_loop().time() + self._patience.outage_seconds)
        created = await self._exchange.persist(lambda: self._create(body), until=until)
        _log.info("asked %s: job %s", self.id, created.job)
        return created

    async def _create(self, body: bytes) -> Update:
        request = asyncio.create_task(self._created(body))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            await _to_the_end(self._withdraw(request))
            raise

    async def _created(self, body: bytes) -> Update:
        return Update.read(await self._exchange.once("POST", "run", body=body), endpoint=self.id)

    async def _follow(self, job: Update, *, end: float, update: Callable[[Update], None]) -> Update:
        """Wait for the final state of a job, and cancel it where that does not come."""
        self._waiting += 1
        try:
            async with asyncio.timeout_at(end):
                update(job)
                return await self._poll(job.job, update=update)
        except JobForgotten:
            raise
        except (Exception, asyncio.CancelledError):
            await _to_the_end(self._withdraw(job))
            raise
        finally:
            self._waiting -= 1

    async def _poll(self, job: str, *, update: Callable[[Update], None]) -> Update:
        clock = asyncio.get_running_loop().time
        began = known = clock()
        while True:
            pause = self._patience.poll_pause(elapsed=clock() - began, waiting=self._waiting)
            await asyncio.sleep(pause)
            try:
                news = await self.status(job)
            except (EndpointFailed, EndpointUnreachable, ReplyInvalid):
                # the job goes on while the platform cannot be asked
                if clock() - known >= self._patience.outage_seconds:
                    raise
                continue
            except JobForgotten:
                if clock() - known >= self._patience.forgotten_seconds:
                    raise
                continue
            known = clock()
            if news.is_final:
                return news
            update(news)

    async def _withdraw(self, job: Update | asyncio.Task[Update]) -> None:
        """Cancel a job that nobody waits for, as well as that can be done in the time."""
        try:
            async with asyncio.timeout(self._patience.cancel_seconds):
                created = job if isinstance(job, Update) else await job
                await self.cancel(created.job)
        except (ParleyError, TransientError, TimeoutError) as error:
            name = job.job if isinstance(job, Update) else "whose id never came"
            why = type(error).__name__
            _log.warning(
                "job %s of %s was not cancelled and ends by itself: %s", name, self.id, why
            )


def _policy(seconds: float) -> dict[str, int]:
    """Let the platform forget a job some time after it is wanted; within RunPod's bounds.

    How long a worker may take is the endpoint's own to say.
    """
    ttl = min(max(seconds + _GRACE_SECONDS, _SHORTEST_TTL_SECONDS), _LONGEST_SECONDS)
    return {"ttl": round(ttl * 1000)}


def _result(final: Update, *, submissions: int) -> Result:
    return Result(
        output=final.output,
        job=final.job,
        worker=final.worker,
        delay=final.delay or 0.0,
        execution=final.execution or 0.0,
        submissions=submissions,
    )


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` whatever happens; a cancellation meanwhile is raised after it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    if not task.cancelled():
        task.result()
