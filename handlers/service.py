"""A job from its input to its reply."""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from handlers.audio import AudioSource, Recording, open_audio
from handlers.conversation import Conversation, transcribe_conversation
from handlers.diarizer import Diarizer
from handlers.errors import ModelError
from handlers.formats import render
from handlers.progress import Progress, Step
from handlers.schema import AudioFacts, Job, Reply, Usage, read_job, without_words
from handlers.settings import Settings
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

    def warm(self) -> None:
        """Load both engines before the first job; what fails is left to the jobs."""
        for engine in (self._transcriber, self._diarizer):
            if failure := engine.failure():
                _log.error("%s: %s", failure.code, failure)

    def _engines(
        self, *, diarize: bool
    ) -> tuple[Transcriber[Recording], Diarizer[Recording] | None]:
        """Give the engines that a job needs; where both are missing, say so at once."""
        try:
            transcriber = self._transcriber.get()
        except ModelError as error:
            if diarize and (second := self._diarizer.failure()):
                message = f"{error} {second}"
                raise type(error)(message) from error
            raise
        return transcriber, self._diarizer.get() if diarize else None

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a reply ready for JSON.

        Whatever happens, no file is left behind.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        began = time.monotonic()
        job = read_job(raw)
        with tempfile.TemporaryDirectory(prefix="parley-") as folder:
            recording = await open_audio(
                AudioSource(url=job.audio_url, base64=job.audio_base64),
                settings=self._settings,
                folder=Path(folder),
                progress=progress,
            )
            transcriber, diarizer = await asyncio.to_thread(self._engines, diarize=job.diarize)
            conversation = await transcribe_conversation(
                recording,
                transcriber=transcriber,
                diarizer=diarizer,
                options=job.options,
                progress=progress,
            )
        reply = _reply(job, recording, conversation, began=began)
        progress(Step("format", 1.0))
        return reply.body()


def _reply(job: Job, recording: Recording, conversation: Conversation, *, began: float) -> Reply:
    transcript = conversation.transcript
    rendering = time.monotonic()
    formats = render(transcript, job.formats, name=job.name, duration=recording.duration)
    now = time.monotonic()
    phases = {**recording.seconds_spent, **conversation.seconds, "format": now - rendering}
    timings = {**{str(phase): spent for phase, spent in phases.items()}, "total": now - began}
    return Reply(
        text=transcript.text,
        language=conversation.language,
        segments=transcript.segments if job.word_timestamps else without_words(transcript),
        speakers=transcript.speakers,
        turns=transcript.turns,
        formats=formats,
        audio=AudioFacts(
            seconds=recording.duration,
            sha256=recording.sha256,
            bytes=recording.bytes,
            container=recording.container,
            codec=recording.codec,
            sample_rate=recording.original_sample_rate,
            channels=recording.channels,
        ),
        models=conversation.models,
        timings=timings,
        usage=Usage(audio_seconds=recording.duration, processing_seconds=now - began),
        warnings=(*recording.warnings, *conversation.warnings),
    )
