"""A job that is cancelled while its audio is decoded."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from handlers.audio.decoding import Stopped
from handlers.audio.recording import _in_thread


async def test_work_that_is_given_up_complains_to_nobody() -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    started = threading.Event()

    def work(stop: threading.Event) -> None:
        started.set()
        stop.wait(10)
        raise Stopped

    task = asyncio.create_task(_in_thread(work))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
