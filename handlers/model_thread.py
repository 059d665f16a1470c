"""One thread that owns a model, so that the event loop never waits for it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

CheckCancelled = Callable[[], None]
"""Raises `WorkCancelled` once nobody waits for the work any more."""


class WorkCancelled(Exception):
    """Stops work on the model's thread after its job was cancelled."""


class ModelThread:
    """Runs work on a model one piece at a time, always on the same thread."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, work: Callable[[CheckCancelled], Result]) -> Result:
        """Do a piece of work when the thread is free.

        Args:
            work: gets a function to call now and then; where the caller was cancelled meanwhile,
                that call ends the work, so that the thread is free for the next job.

        """
        cancelled = threading.Event()

        def check() -> None:
            if cancelled.is_set():
                raise WorkCancelled

        def attempt() -> Result:
            check()
            return work(check)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, attempt)
        except asyncio.CancelledError:
            cancelled.set()
            raise
