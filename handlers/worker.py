"""The glue to RunPod: jobs in, replies, progress and errors out."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from handlers.bucket import Bucket
from handlers.departure import Departure, end_process
from handlers.errors import EngineCrashed, InternalError, ParleyError, ResultTooLarge
from handlers.lean_imports import import_leanly
from handlers.leaving import Leaving
from handlers.logs import current_job
from handlers.pieces import json_bytes
from handlers.progress import Progress, Step
from handlers.replies import LargeReply

_log = logging.getLogger(__name__)

_CLOSE_SECONDS: Final = 5.0
"""How long a finished job waits for a progress message that is still on its way."""
_ENVELOPE_BYTES: Final = len(b'{"output": }')
"""What the SDK puts around a reply."""
_SHOWN_BYTES: Final = 100_000
"""The SDK spells a reply out for its log, twice and whatever the level; what is longer, it may not:
it takes as long as all its other work on a reply, and stops every other job of the worker."""

Job = dict[str, Any]
Answer = Callable[[Any, Progress], Awaitable[dict[str, Any]]]
"""Answers the `input` of a job."""

Check = Callable[[], None]
"""Raises where the worker cannot serve."""

Post = Callable[[Job, dict[str, Any]], Awaitable[None]]
"""Delivers one progress message of a job to the platform."""


class Handler(Protocol):
    """What the SDK calls."""

    async def __call__(self, job: Job) -> dict[str, Any]: ...


def create_handler(
    answer: Answer,
    *,
    post: Post,
    max_result_bytes: int,
    progress_interval: float,
    bucket: Bucket | None = None,
) -> Handler:
    """Wrap what answers jobs into a handler for the SDK.

    The handler never raises, but for its own cancellation: every failure becomes the JSON text of
    an error body under `error`, because the SDK would otherwise send the traceback to the caller.
    Where an engine of this process is lost it asks to be replaced, by `refresh_worker`.

    Args:
        answer: gives the reply to the `input` of a job, ready for JSON.
        post: delivers progress.
        max_result_bytes: what is larger the platform would lose.
        progress_interval: least seconds between two progress messages.
        bucket: takes the replies that are too large; without one they are refused.

    """

    async def handler(job: Job) -> dict[str, Any]:
        began = time.monotonic()
        name = str(job.get("id"))
        current_job.set(name)
        publisher = ProgressPublisher(job, post=post, interval=progress_interval)
        try:
            reply = await answer(job.get("input"), publisher.report)
            reply = await _deliverable(reply, limit=max_result_bytes, bucket=bucket)
        except ParleyError as error:
            _log.warning("job %s failed: %s: %s", name, error.code, error)
            return _failed(error)
        except Exception:  # noqa: BLE001  the SDK would send the traceback to the caller
            _log.exception("job %s met an unexpected error", name)
            return _failed(InternalError(job=name))
        finally:
            await publisher.close()
        _log.info("job %s done in %.1f s", name, time.monotonic() - began)
        return reply

    return handler


class ProgressPublisher:
    """Sends the latest progress of one job, at most once an interval, and never after its result.

    The SDK's own `progress_update` starts a thread for each message, and a message that arrives
    after the result leaves the job in progress for ever; here one task sends them in turn, and
    `close` waits for it before the result may go.
    """

    def __init__(self, job: Job, *, post: Post, interval: float) -> None:
        self._job = job
        self._post = post
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._latest: dict[str, float] = {}
        self._news = asyncio.Event()
        self._sending = False
        self._closed = False
        self._task = self._loop.create_task(self._send())

    def report(self, step: Step) -> None:
        """Take a step, from any thread."""
        self._loop.call_soon_threadsafe(self._take, step)

    async def close(self) -> None:
        """Take no more steps, and let a message on its way arrive or give it up."""
        self._closed = True
        try:
            if self._sending:
                await asyncio.wait((self._task,), timeout=_CLOSE_SECONDS)
        finally:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _take(self, step: Step) -> None:
        if not self._closed:
            self._latest[step.phase] = max(step.done, self._latest.get(step.phase, 0.0))
            self._news.set()

    async def _send(self) -> None:
        while not self._closed:
            await self._news.wait()
            self._news.clear()
            self._sending = True
            try:
                await self._post(self._job, self._message())
            except Exception as error:  # noqa: BLE001  progress is no reason to fail a job
                _log.warning("progress was not delivered: %s", type(error).__name__)
            self._sending = False
            if not self._closed:
                await asyncio.sleep(self._interval)

    def _message(self) -> dict[str, Any]:
        return {"progress": {phase: round(done, 3) for phase, done in self._latest.items()}}


def serve(
    answer: Answer,
    *,
    max_result_bytes: int,
    progress_interval: float,
    bucket: Bucket | None = None,
    concurrency: int = 1,
) -> None:
    """Take jobs from RunPod until the worker is stopped, or an engine of its process is lost.

    Call it in the main thread.

    Args:
        answer: as for `create_handler`, like the next three.
        max_result_bytes: what is larger the platform would lose.
        progress_interval: least seconds between two progress messages of one job.
        bucket: takes the replies that are too large.
        concurrency: how many jobs the worker has at once.

    """
    import_leanly()
    import runpod  # noqa: PLC0415

    departure = Departure(leave=end_process)
    handler = create_handler(
        departure.guarding(answer),
        post=platform_post(),
        max_result_bytes=max_result_bytes,
        progress_interval=progress_interval,
        bucket=bucket,
    )

    from runpod.serverless.modules.worker_state import JobsProgress  # noqa: PLC0415

    leaving = Leaving(held=JobsProgress().get_job_count, leave=partial(end_process, 0))

    def at_once(_now: int) -> int:
        leaving.listen()  # now that the SDK has set its own handlers
        # constant while all is well: the SDK takes no job while it changes from one to another
        return departure.concurrency(concurrency)

    runpod.serverless.start({"handler": handler, "concurrency_modifier": at_once})


def require(checks: Iterable[Check]) -> None:
    """Let the SDK run checks before it takes jobs; one that raises ends the worker."""
    import_leanly()
    import runpod  # noqa: PLC0415

    for check in checks:
        runpod.serverless.register_fitness_check(check)


def platform_post() -> Post:
    """Deliver progress as the SDK delivers results; outside a platform, to the log.

    To be used in one event loop: all messages go through one session, which ends with the loop.
    """
    from runpod.http_client import AsyncClientSession  # noqa: PLC0415
    from runpod.serverless.modules.rp_http import send_result  # noqa: PLC0415

    async def one_session() -> AsyncIterator[Any]:
        """Give the same session for ever; a loop that ends closes its generators, and so this."""
        async with AsyncClientSession() as session:
            while True:
                yield session

    sessions = one_session()

    async def send(job: Job, message: dict[str, Any]) -> None:
        session = await anext(sessions)
        await send_result(session, {"status": "IN_PROGRESS", "output": message}, job)

    async def log(job: Job, message: dict[str, Any]) -> None:
        _log.info("job %s: %s", job.get("id"), message["progress"])

    return send if "RUNPOD_WEBHOOK_POST_OUTPUT" in os.environ else log


class _Unspoken(dict[str, Any]):
    """A reply that is too long to be shown, in whatever log."""

    def __repr__(self) -> str:
        return "a long reply"


async def _deliverable(
    reply: dict[str, Any], *, limit: int, bucket: Bucket | None
) -> dict[str, Any]:
    """Give the reply, or what says where it is; refuse what is no valid JSON."""
    content = await asyncio.to_thread(json_bytes, reply)
    size = len(content) + _ENVELOPE_BYTES
    if size <= limit:
        return reply if size <= _SHOWN_BYTES else _Unspoken(reply)
    if bucket is None:
        raise ResultTooLarge(size=size, limit=limit)
    stored = await bucket.put(content, suffix=".json", content_type="application/json")
    link = await bucket.link(stored.key)
    return LargeReply(result_url=link, bytes=stored.bytes, sha256=stored.sha256).model_dump()


def _failed(error: ParleyError) -> dict[str, Any]:
    failure: dict[str, Any] = {"error": json.dumps(error.body())}
    if isinstance(error, EngineCrashed) and error.here:
        failure["refresh_worker"] = True  # CUDA does not recover within a process
    return failure
