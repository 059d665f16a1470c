"""One model, one thread, and a loop that is never held up."""

import asyncio
import threading
import time

import pytest

from handlers.model_thread import CheckCancelled, ModelThread


async def test_all_work_is_done_on_one_and_the_same_thread() -> None:
    thread = ModelThread("test")
    names = await asyncio.gather(
        *(thread.run(lambda _check: threading.current_thread().name) for _ in range(5))
    )
    names.append(thread.call(lambda: threading.current_thread().name))  # as a load does
    assert len(set(names)) == 1
    assert names[0] != threading.current_thread().name


async def test_an_error_arrives_as_it_was_raised() -> None:
    def work(_check: CheckCancelled) -> None:
        raise LookupError("here")  # noqa: EM101

    with pytest.raises(LookupError, match="here"):
        await ModelThread("test").run(work)


async def test_cancelled_work_ends_and_frees_the_thread() -> None:
    thread = ModelThread("test")
    started, ended = threading.Event(), threading.Event()

    def endless(check: CheckCancelled) -> None:
        started.set()
        try:
            while True:
                check()
                time.sleep(0.001)
        finally:
            ended.set()

    task = asyncio.create_task(thread.run(endless))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(thread.run(lambda _check: "next"), 5) == "next"
    assert ended.is_set()


async def test_work_cancelled_while_it_waits_is_never_started() -> None:
    thread = ModelThread("test")
    release, ran = threading.Event(), threading.Event()
    first = asyncio.create_task(thread.run(lambda _check: release.wait(5)))
    second = asyncio.create_task(thread.run(lambda _check: ran.set()))
    await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    release.set()
    await first
    assert await thread.run(lambda _check: "next") == "next"
    assert not ran.is_set()
