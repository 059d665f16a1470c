"""The Python client for programs without an event loop."""

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent import futures
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from handlers.errors import JobCancelled
from handlers.progress import Progress, ignore
from handlers.replies import Reply
from orchestrator.client import DEFAULT_SECONDS, AsyncClient, Audio, JobOptions

Result = TypeVar("Result")


class Client:
    """`AsyncClient` for programs without an event loop; several threads may share one.

        with Client.orch("endpoint-id") as client:
            reply = client.transcribe("meeting.mp3", max_speakers=4)

    An interrupt, or leaving the block, cancels the jobs that are under way.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def single(
        cls, endpoint: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> Self:
        """Ask one endpoint that holds both engines; see `AsyncClient.single`."""
        return cls(AsyncClient.single(endpoint, api_key=api_key, base_url=base_url))

    @classmethod
    def orch(
        cls, endpoint: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> Self:
        """Ask an orchestrator, that asks the two others; see `AsyncClient.orch`."""
        return cls(AsyncClient.orch(endpoint, api_key=api_key, base_url=base_url))

    @classmethod
    def split(
        cls,
        *,
        transcription: str,
        diarization: str,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> Self:
        """Ask both endpoints at once; see `AsyncClient.split`."""
        client = AsyncClient.split(
            transcription=transcription,
            diarization=diarization,
            api_key=api_key,
            base_url=base_url,
        )
        return cls(client)

    def transcribe(
        self,
        audio: Audio,
        *,
        within: float = DEFAULT_SECONDS,
        progress: Progress = ignore,
        **options: Unpack[JobOptions],
    ) -> Reply:
        """Find out who said what, when; see `AsyncClient.transcribe`.

        Args:
            audio: a URL (http, https, data), a path, or the bytes of a recording.
            within: seconds in which the reply must be there.
            progress: told every step, in a thread of the client's own.
            **options: what else is asked; see `JobOptions`.

        Raises:
            ParleyError: there is no reply; the leaf says why, and what to do.

        """
        return self._run(
            self._client.transcribe(audio, within=within, progress=progress, **options)
        )

    def close(self) -> None:
        """Cancel what is under way, and close the connections: for good."""
        with self._lock:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        atexit.unregister(self.close)
        asyncio.run_coroutine_threadsafe(self._wind_up(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        with self._lock:
            if self._closed:
                work.close()
                message = "The client is closed. Make a new one."
                raise RuntimeError(message)
            loop = self._running_loop()
            task = asyncio.run_coroutine_threadsafe(_started(work), loop).result()
        outcome = asyncio.run_coroutine_threadsafe(_outcome(task), loop)
        try:
            return outcome.result()
        except futures.CancelledError as error:
            message = "The client was closed; its jobs were cancelled. Send them again if wanted."
            raise JobCancelled.said(message) from error
        except BaseException:
            if not outcome.done():  # an interrupt: the jobs' cancelling is waited for
                loop.call_soon_threadsafe(task.cancel)
                futures.wait((outcome,))
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="parley", daemon=True
            )
            self._thread.start()
            # a program that ends without closing leaves no job on the platform
            atexit.register(self.close)
        return self._loop

    async def _wind_up(self) -> None:
        this = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not this]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()


async def _started(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    return asyncio.create_task(work)


async def _outcome(task: asyncio.Task[Result]) -> Result:
    return await task
