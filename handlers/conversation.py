"""The one composition: words and speakers at the same time, then together."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from handlers.diarizer import Diarizer, SpeakerCount
from handlers.progress import Phase, Progress, Step, ignore
from handlers.segments import build_transcript, relabel
from handlers.timeline import Diarization, Model, Transcript, Transcription
from handlers.transcriber import Transcriber

Audio = TypeVar("Audio")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Options:
    """What to find out.

    Attributes:
        speakers: how many speakers to look for.
        language: two letters, or None to let the model find out.

    """

    speakers: SpeakerCount = field(default_factory=SpeakerCount)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who said what, and how that was found out.

    Attributes:
        transcript: the answer.
        language: of the words, where known.
        models: by role, `transcriber` and `diarizer`.
        seconds: how long each phase took, by the clock on the wall.
        warnings: what a reader should know about the answer.

    """

    transcript: Transcript
    language: str | None
    models: dict[str, Model]
    seconds: dict[Phase, float]
    warnings: tuple[str, ...]


async def transcribe_conversation(
    audio: Audio,
    *,
    transcriber: Transcriber[Audio],
    diarizer: Diarizer[Audio] | None,
    options: Options | None = None,
    progress: Progress = ignore,
) -> Conversation:
    """Find out who said what, when.

    Both engines run at the same time. Where one fails the other is cancelled, and the failure is
    raised as it is.

    Args:
        audio: what both engines take.
        transcriber: gives the words.
        diarizer: gives the turns; where it is None, no word gets a speaker.
        options: what to find out; `Options()` where None.
        progress: told the steps of both engines, from any thread.

    """
    options = options or Options()
    clock = _Clock()
    words = clock.time(
        "transcribe", transcriber.transcribe(audio, language=options.language, progress=progress)
    )
    if diarizer is not None:
        turns = clock.time(
            "diarize", diarizer.diarize(audio, speakers=options.speakers, progress=progress)
        )
        transcription, diarization = await _both(words, turns)
    else:
        transcription, diarization = await words, None
    began = time.monotonic()
    named = relabel(diarization) if diarization else None
    transcript = build_transcript(transcription.words, named)
    clock.seconds["align"] = time.monotonic() - began
    progress(Step("align", 1.0))
    return Conversation(
        transcript=transcript,
        language=transcription.language,
        models=_models(transcription, diarization),
        seconds=clock.seconds,
        warnings=_warnings(transcription, diarization),
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[Phase, float] = {}

    async def time(self, phase: Phase, work: Awaitable[Answer]) -> Answer:
        began = time.monotonic()
        answer = await work
        self.seconds[phase] = time.monotonic() - began
        return answer


async def _both(
    words: Awaitable[Transcription], turns: Awaitable[Diarization]
) -> tuple[Transcription, Diarization]:
    """Await two branches at once; the first failure cancels the other and is raised bare."""
    first, second = asyncio.ensure_future(words), asyncio.ensure_future(turns)
    try:
        return await asyncio.gather(first, second)
    finally:
        for branch in (first, second):
            branch.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


def _models(transcription: Transcription, diarization: Diarization | None) -> dict[str, Model]:
    found = {
        "transcriber": transcription.model,
        "diarizer": diarization.model if diarization else None,
    }
    return {role: model for role, model in found.items() if model is not None}


def _warnings(transcription: Transcription, diarization: Diarization | None) -> tuple[str, ...]:
    warnings = []
    if not transcription.words:
        warnings.append("No words were found in the audio.")
    elif diarization is not None and not diarization.turns:
        warnings.append("No speech was found by the diarizer; words have no speaker.")
    return tuple(warnings)
