"""One thread that owns a model, so that the event loop never waits for it."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")

CheckCancelled = Callable[[], None]
"""Raises `WorkCancelled` once nobody waits for the work any more."""
Steps = Generator[None, None, Result]
"""Work that pauses now and then, where the model may do something else."""


class WorkCancelled(Exception):
    """Stops work on the model's thread after its job was cancelled."""


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result


class ModelThread:
    """Runs work on a model one piece at a time, always on the same thread.

    Let it load the model too. torch keeps a team of helping threads for each thread that computes,
    and as soon as there are more of them than cores they no longer wait awake for the next piece:
    a processor then takes half as long again, however idle the other team is.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: set[object] = set()

    def call(self, work: Callable[[], Result]) -> Result:
        """Do a piece of work and wait for it: for what comes before there is an event loop."""
        return self._pool.submit(work).result()

    async def run(self, work: Callable[[CheckCancelled], Result]) -> Result:
        """Do a piece of work when the thread is free.

        Args:
            work: gets a function to call now and then; where the caller was cancelled meanwhile,
                that call ends the work, so that the thread is free for the next job.

        """
        with _checking() as check:

            def attempt() -> Result:
                check()
                return work(check)

            return await self._turn(attempt)

    async def in_turns(self, work: Callable[[CheckCancelled], Steps[Result]]) -> Result:
        """Do work step by step, and let whoever else waits for the thread have a turn in between.

        So what is short is done after a few steps of what is long, whichever came first. While
        nobody waits, steps follow each other at once.

        Args:
            work: makes the steps; as for `run`. Where the caller is cancelled in a pause, they are
                closed on another thread: nothing may be held over a pause that is bound to this.

        """
        with _checking() as check:
            steps = work(check)

            def turn() -> _Done[Result] | None:
                while True:
                    check()
                    try:
                        next(steps)
                    except StopIteration as end:
                        return _Done(end.value)
                    if self._waiting:
                        return None

            while (done := await self._turn(turn)) is None:
                pass
            return done.result

    async def _turn(self, piece: Callable[[], Result]) -> Result:
        """Wait in line for the thread, as long as it takes, and use it once."""
        ticket = object()
        self._waiting.add(ticket)

        def begun() -> Result:
            self._waiting.discard(ticket)
            return piece()

        context = contextvars.copy_context()  # what is logged on the thread names its job
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, lambda: context.run(begun))
        finally:
            self._waiting.discard(ticket)  # cancelled, it may never have begun


@contextmanager
def _checking() -> Iterator[CheckCancelled]:
    """Give what ends work after the block was cancelled."""
    cancelled = threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise WorkCancelled

    try:
        yield check
    except asyncio.CancelledError:
        cancelled.set()
        raise
