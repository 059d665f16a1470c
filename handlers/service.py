"""A job from its input to its reply, with engines of this process."""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from handlers.audio import Recording, open_audio
from handlers.conversation import transcribe_conversation
from handlers.diarizer import Diarizer, SpeakerCount
from handlers.errors import ModelError
from handlers.jobs import AudioJob, DiarizationJob, Job, TranscriptionJob, read_job
from handlers.progress import Phase, Progress, Step
from handlers.replies import DiarizationReply, TranscriptionReply, Usage, compose
from handlers.settings import Settings
from handlers.timeline import AudioFacts, Diarization, Report
from handlers.transcriber import Transcriber

Engine = TypeVar("Engine")

_log = logging.getLogger(__name__)


class Resident(Generic[Engine]):
    """An engine that is loaded once and stays.

    A load that fails is tried again by the next job that needs the engine: weights that come late
    are found then, and until they come every job is told what is missing.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def get(self) -> Engine:
        """The engine, loaded where it is not yet.

        Raises:
            ModelError: it cannot be loaded.

        """
        with self._lock:
            if self._engine is None:
                self._engine = self._load()
            return self._engine

    def failure(self) -> ModelError | None:
        """Load the engine now; what keeps it from that, or None."""
        try:
            self.get()
        except ModelError as error:
            return error
        return None

    def warm(self) -> list[ModelError]:
        """Load the engine now; what keeps it from that is logged, and left to the jobs."""
        failure = self.failure()
        if failure is None:
            return []
        _log.error("%s: %s", failure.code, failure)
        return [failure]


class ConversationService:
    """Answers jobs with both engines in this process."""

    def __init__(
        self,
        *,
        transcriber: Resident[Transcriber[Recording]],
        diarizer: Resident[Diarizer[Recording]],
        settings: Settings,
    ) -> None:
        self._transcriber = transcriber
        self._diarizer = diarizer
        self._settings = settings

    def warm(self) -> list[ModelError]:
        """Load both engines at the same time before the first job; jobs are told what fails."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="warm") as other:
            diarizer = other.submit(self._diarizer.warm)
            return [*self._transcriber.warm(), *diarizer.result()]

    def _engines(self, job: Job) -> tuple[Transcriber[Recording], Diarizer[Recording] | None]:
        """Give the engines that a job needs; where both are missing, say so at once."""
        try:
            transcriber = self._transcriber.get()
        except ModelError as error:
            if job.diarize and (second := self._diarizer.failure()):
                message = f"{error} {second}"
                raise type(error)(message) from error
            raise
        if not job.diarize:
            return transcriber, None
        missing = self._diarizer.failure()
        return transcriber, _Missing(missing) if missing else self._diarizer.get()

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `Reply` ready for JSON.

        Whatever happens, no file is left behind.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        began = time.monotonic()
        job = read_job(raw, Job)
        async with _opened(job, settings=self._settings, progress=progress) as recording:
            transcriber, diarizer = await asyncio.to_thread(self._engines, job)
            conversation = await transcribe_conversation(
                recording,
                transcriber=transcriber,
                diarizer=diarizer,
                options=job.options,
                progress=progress,
            )
        report = _report(recording)
        reply = await asyncio.to_thread(compose, job, conversation, report=report, began=began)
        progress(Step("format", 1.0))
        return reply.body()


class TranscriptionService:
    """Answers jobs with the words alone."""

    def __init__(
        self, transcriber: Resident[Transcriber[Recording]], *, settings: Settings
    ) -> None:
        self._transcriber = transcriber
        self._settings = settings

    def warm(self) -> list[ModelError]:
        """Load the engine before the first job; what fails is left to the jobs."""
        return self._transcriber.warm()

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `TranscriptionReply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        began = time.monotonic()
        job = read_job(raw, TranscriptionJob)
        async with _opened(job, settings=self._settings, progress=progress) as recording:
            engine = await asyncio.to_thread(self._transcriber.get)
            ready = time.monotonic()
            found = await engine.transcribe(recording, language=job.language, progress=progress)
        report = _report(recording)
        timings, usage = _account(report, "transcribe", ready=ready, began=began)
        return TranscriptionReply(
            words=found.words,
            language=found.language,
            model=found.model,
            audio=report.audio,
            timings=timings,
            usage=usage,
            warnings=report.warnings,
        ).body()


class DiarizationService:
    """Answers jobs with the turns alone."""

    def __init__(self, diarizer: Resident[Diarizer[Recording]], *, settings: Settings) -> None:
        self._diarizer = diarizer
        self._settings = settings

    def warm(self) -> list[ModelError]:
        """Load the engine before the first job; what fails is left to the jobs."""
        return self._diarizer.warm()

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `DiarizationReply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        began = time.monotonic()
        job = read_job(raw, DiarizationJob)
        async with _opened(job, settings=self._settings, progress=progress) as recording:
            engine = await asyncio.to_thread(self._diarizer.get)
            ready = time.monotonic()
            found = await engine.diarize(recording, speakers=job.speakers, progress=progress)
        report = _report(recording)
        timings, usage = _account(report, "diarize", ready=ready, began=began)
        return DiarizationReply(
            turns=found.turns,
            exclusive=found.exclusive,
            embeddings=found.embeddings,
            model=found.model,
            audio=report.audio,
            timings=timings,
            usage=usage,
            warnings=report.warnings,
        ).body()


class _Missing:
    """A diarizer that could not be loaded: a failure of its branch, not of the job as a whole."""

    def __init__(self, failure: ModelError) -> None:
        self._failure = failure

    async def diarize(
        self, audio: Recording, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        del audio, speakers, progress
        raise self._failure


@asynccontextmanager
async def _opened(
    job: AudioJob, *, settings: Settings, progress: Progress
) -> AsyncIterator[Recording]:
    """Open a job's audio; no file is left behind, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="parley-") as folder:
        yield await open_audio(
            job.source, settings=settings, folder=Path(folder), progress=progress
        )


def _report(recording: Recording) -> Report:
    return Report(
        audio=AudioFacts(
            seconds=recording.duration,
            sha256=recording.sha256,
            bytes=recording.bytes,
            container=recording.container,
            codec=recording.codec,
            sample_rate=recording.original_sample_rate,
            channels=recording.channels,
        ),
        seconds={str(phase): spent for phase, spent in recording.seconds_spent.items()},
        warnings=recording.warnings,
    )


def _account(
    report: Report, phase: Phase, *, ready: float, began: float
) -> tuple[dict[str, float], Usage]:
    """Timings and usage of a job with one engine that has just ended."""
    now = time.monotonic()
    spent = {**report.seconds, phase: now - ready, "total": now - began}
    usage = Usage(audio_seconds=report.audio.seconds, processing_seconds=round(now - began, 3))
    return {name: round(seconds, 3) for name, seconds in spent.items()}, usage
