"""How a worker goes whose engine is lost: no new job, a word to everybody who waits, and out."""

import asyncio
import contextlib
import contextvars
import logging
import multiprocessing
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never

from handlers.errors import EngineCrashed
from handlers.progress import Progress

_Answer = Callable[[Any, Progress], Awaitable[dict[str, Any]]]

_log = logging.getLogger(__name__)

_LAST_WORDS_SECONDS: Final = 30.0
"""How long the results of the jobs in hand may take to reach the platform."""
_STATUS: Final = 1
"""What the process ends with: something went wrong."""


class Departure:
    """Ends a worker after a crash that its process does not survive.

    A worker that stayed would fail job after job within milliseconds, faster than any sound one
    can take them: the platform acts on a result's `stopPod` when it gets to it, and the SDK asks
    for jobs until then. Once this has begun,

    - the SDK takes no more jobs (`concurrency`);
    - every job in hand ends with the crash as its error, in whatever phase it is;
    - a job that comes all the same, by a poll that was open, is not begun: the platform gives it
      to another worker once this one is gone;
    - the process ends when the results have been delivered, whatever its threads do.

    Until then it costs nothing. One event loop at a time may use it.
    """

    def __init__(
        self, *, leave: Callable[[], object], patience: float = _LAST_WORDS_SECONDS
    ) -> None:
        """Plan nothing yet.

        Args:
            leave: ends the process.
            patience: seconds that the results of the jobs in hand may take before that.

        """
        self._leave = leave
        self._patience = patience
        self._crash: EngineCrashed | None = None
        self._holds: set[asyncio.Timeout] = set()
        self._deliveries: set[asyncio.Task[Any]] = set()
        self._end: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether an engine was lost."""
        return self._crash is not None

    def concurrency(self, usual: int) -> int:
        """How many jobs the SDK may have at once, as its `concurrency_modifier` says.

        At 0 it takes none for ever: `JobScaler.set_scale` waits inside the loop that takes jobs.
        """
        return 0 if self.has_begun else usual

    def guarding(self, answer: _Answer) -> _Answer:
        """Let jobs be answered while the engines live.

        To be called in the task that delivers the result afterwards. What it gives raises
        `EngineCrashed` too where an engine is lost by another job.
        """

        async def guarded(raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
            if self.has_begun:
                await _for_ever()
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  a coroutine runs in a task
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)
            hold = asyncio.timeout(None)
            try:
                async with hold:
                    self._holds.add(hold)
                    try:
                        return await answer(raw, progress)
                    finally:
                        self._holds.discard(hold)
            except EngineCrashed as error:
                if error.here:
                    self._begin(error)
                raise
            except TimeoutError:
                if self._crash is None or not hold.expired():
                    raise
                raise self._crash from None

        return guarded

    def _begin(self, crash: EngineCrashed) -> None:
        if self.has_begun:
            return
        _log.error("the worker takes no more jobs and ends: %s", crash)
        self._crash = crash
        loop = asyncio.get_running_loop()
        for hold in self._holds:
            hold.reschedule(loop.time())
        # its log lines are of no job
        self._end = loop.create_task(self._go(), context=contextvars.Context())

    async def _go(self) -> None:
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=self._patience)
        if self._deliveries:
            _log.error("%d results were not delivered", len(self._deliveries))
        self._leave()


def end_process(status: int = _STATUS) -> Never:
    """End this process and its children now.

    Not by `sys.exit`: a thread that hangs in a dead engine would keep the process. And not alone:
    the SDK's heartbeat is a child that would tell the platform for ever that all is well.
    """
    for child in multiprocessing.active_children():
        child.kill()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(status)


async def _for_ever() -> Never:
    await asyncio.Event().wait()
    raise AssertionError
