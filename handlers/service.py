"""A job from its input to its reply, with engines of this process."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Generic, TypeVar

from handlers.audio import Recording, open_audio
from handlers.audio.scratch import new_folder
from handlers.conversation import transcribe_conversation
from handlers.diarizer import Diarizer, SpeakerCount
from handlers.errors import ModelError
from handlers.jobs import AudioJob, DiarizationJob, Job, TranscriptionJob, read_job
from handlers.metering import Meter, charged
from handlers.progress import Phase, Progress, Step
from handlers.replies import DiarizationReply, TranscriptionReply, Usage, compose
from handlers.settings import Settings
from handlers.timeline import AudioFacts, Diarization, Report, Transcription
from handlers.transcriber import Transcriber

Engine = TypeVar("Engine")
Found = TypeVar("Found", bound=Transcription | Diarization)

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
        self._tries = 0
        self._failure: ModelError | None = None

    def get(self) -> Engine:
        """The engine, loaded where it is not yet.

        Raises:
            ModelError: it cannot be loaded.

        """
        tries = self._tries
        with self._lock:
            if self._engine is None:
                if self._failure is not None and self._tries != tries:
                    raise self._failure  # of the load that this one has waited for
                try:
                    self._engine = self._load()
                except ModelError as error:
                    self._failure = error
                    raise
                finally:
                    self._tries += 1
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
        self._meter = Meter()

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
        with self._meter.job() as taken:
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

            def composed() -> dict[str, Any]:
                reply = compose(job, conversation, report=report, began=began)
                spent = charged(taken(), machine=conversation.machine, settings=self._settings)
                return reply.charged("single", spent).body()

            body = await asyncio.to_thread(composed)
        progress(Step("format", 1.0))
        return body


class _EngineService(Generic[Engine]):
    """What the services of one engine share."""

    _role: ClassVar[str]

    def __init__(self, engine: Resident[Engine], *, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._meter = Meter()

    def warm(self) -> list[ModelError]:
        """Load the engine before the first job; what fails is left to the jobs."""
        return self._engine.warm()

    async def _done(
        self,
        job: AudioJob,
        work: Callable[[Engine, Recording], Awaitable[Found]],
        *,
        phase: Phase,
        progress: Progress,
    ) -> tuple[Found, dict[str, Any]]:
        """Open a job's audio and let the engine work on it; what it found, and what went beside."""
        began = time.monotonic()
        with self._meter.job() as taken:
            async with _opened(job, settings=self._settings, progress=progress) as recording:
                engine = await asyncio.to_thread(self._engine.get)
                ready = time.monotonic()
                found = await work(engine, recording)
            now, report = time.monotonic(), _report(recording)
            spent = charged(taken(), machine=found.machine, settings=self._settings)
        timings = {**report.seconds, phase: now - ready, "total": now - began}
        usage = Usage.of(report.audio, seconds=now - began).charged({self._role: spent})
        return found, {
            "audio": report.audio,
            "timings": {name: round(seconds, 3) for name, seconds in timings.items()},
            "usage": usage,
            "warnings": (*report.warnings, *found.warnings),
        }


class TranscriptionService(_EngineService[Transcriber[Recording]]):
    """Answers jobs with the words alone."""

    _role = "transcription"

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `TranscriptionReply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        job = read_job(raw, TranscriptionJob)
        found, beside = await self._done(
            job,
            lambda engine, audio: engine.transcribe(
                audio, language=job.language, progress=progress
            ),
            phase="transcribe",
            progress=progress,
        )
        reply = TranscriptionReply(
            words=found.words, language=found.language, model=found.model, **beside
        )
        return await asyncio.to_thread(reply.body)


class DiarizationService(_EngineService[Diarizer[Recording]]):
    """Answers jobs with the turns alone."""

    _role = "diarization"

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `DiarizationReply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        job = read_job(raw, DiarizationJob)
        found, beside = await self._done(
            job,
            lambda engine, audio: engine.diarize(audio, speakers=job.speakers, progress=progress),
            phase="diarize",
            progress=progress,
        )
        reply = DiarizationReply(
            turns=found.turns,
            exclusive=found.exclusive,
            embeddings=found.embeddings,
            model=found.model,
            **beside,
        )
        return await asyncio.to_thread(reply.body)


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
    with new_folder() as folder:
        yield await open_audio(job.source, settings=settings, folder=folder, progress=progress)


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
