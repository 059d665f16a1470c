"""How a worker that is asked to end does so at once when it has nothing to do."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_LOOK_SECONDS: Final = 0.1


class Leaving:
    """Ends the process on SIGTERM and SIGINT as soon as it holds no job.

    The SDK waits for its polls, which the platform holds open for a minute or more, and takes a
    job that comes by them and never runs it (`rp_scale.JobScaler.run`). A process that ends hangs
    up instead: the platform gives the job to another worker.
    """

    def __init__(self, *, held: Callable[[], int], leave: Callable[[], object]) -> None:
        """Plan nothing yet.

        Args:
            held: how many jobs are in hand, their results not yet delivered.
            leave: ends the process.

        """
        self._held = held
        self._leave = leave
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Hear the signals after whoever hears them now, in the event loop; once is enough."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._after(signal.getsignal(number)))

    def _after(self, before: Any) -> Callable[[int, FrameType | None], None]:  # noqa: ANN401
        def heard(number: int, frame: FrameType | None) -> None:
            if callable(before):
                before(number, frame)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._begin)

        return heard

    def _begin(self) -> None:
        if self._end is None:
            self._end = asyncio.get_running_loop().create_task(self._go())

    async def _go(self) -> None:
        while self._held():  # noqa: ASYNC110  the SDK counts, and tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        self._leave()
