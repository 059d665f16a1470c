"""The one composition: words and speakers at the same time, then together."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from handlers.diarizer import Diarizer, SpeakerCount
from handlers.errors import EngineCrashed, ParleyError
from handlers.progress import Phase, Progress, Step, ignore
from handlers.segments import build_transcript, relabel
from handlers.timeline import (
    AudioFacts,
    Diarization,
    Machine,
    Model,
    Report,
    Spent,
    Transcript,
    Transcription,
)
from handlers.transcriber import Transcriber

Audio = TypeVar("Audio")
Answer = TypeVar("Answer")
First = TypeVar("First")
Second = TypeVar("Second")

OnDiarizationFailure = Literal["fail", "transcript_only"]


@dataclass(frozen=True, slots=True)
class Options:
    """What to find out.

    Attributes:
        speakers: how many speakers to look for.
        language: two letters, or None to let the model find out.
        on_diarization_failure: whether a diarizer that fails fails the whole, or leaves words
            without speakers and a warning.

    """

    speakers: SpeakerCount = field(default_factory=SpeakerCount)
    language: str | None = None
    on_diarization_failure: OnDiarizationFailure = "fail"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who said what, and how that was found out.

    Attributes:
        transcript: the answer.
        language: of the words, where known.
        models: by role, `transcriber` and `diarizer`.
        seconds: how long each phase took, by the clock on the wall; `transcribe.fetch` is what an
            endpoint reports of its phase `fetch`.
        warnings: what a reader should know about the answer.
        audio: the recording, where an endpoint opened it.
        spent: what the workers of endpoints gave, by role.
        machine: what the engines run on, where they are of this process.

    """

    transcript: Transcript
    language: str | None
    models: dict[str, Model]
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    audio: AudioFacts | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)
    machine: Machine | None = None


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
    raised as it is; `options` may choose words without speakers where the diarizer fails.

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
    lost: ParleyError | None = None
    diarization: Diarization | None = None
    if diarizer is None:
        transcription = await words
    else:
        turns = clock.time(
            "diarize", diarizer.diarize(audio, speakers=options.speakers, progress=progress)
        )
        if options.on_diarization_failure == "transcript_only":
            transcription, (diarization, lost) = await _both(words, _tolerated(turns))
        else:
            transcription, diarization = await _both(words, turns)
    began = time.monotonic()
    named = relabel(diarization) if diarization else None
    # hours of words take a second, in which other jobs want to be served
    transcript = await asyncio.to_thread(build_transcript, transcription.words, named)
    clock.seconds["align"] = time.monotonic() - began
    progress(Step("align", 1.0))
    reports = _reports(transcription, diarization)
    return Conversation(
        transcript=transcript,
        language=transcription.language,
        models=_models(transcription, diarization),
        seconds=clock.seconds | _seconds(reports),
        warnings=_warnings(transcription, diarization, lost, reports.values()),
        audio=next((report.audio for report in reports.values()), None),
        spent={role: own for report in reports.values() for role, own in report.spent.items()},
        machine=transcription.machine or (diarization.machine if diarization else None),
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    async def time(self, phase: Phase, work: Awaitable[Answer]) -> Answer:
        began = time.monotonic()
        answer = await work
        self.seconds[phase] = time.monotonic() - began
        return answer


async def _both(words: Awaitable[First], turns: Awaitable[Second]) -> tuple[First, Second]:
    """Await two branches at once; the first failure cancels the other and is raised bare."""
    first, second = asyncio.ensure_future(words), asyncio.ensure_future(turns)
    try:
        return await asyncio.gather(first, second)
    finally:
        for branch in (first, second):
            branch.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def _tolerated(
    turns: Awaitable[Diarization],
) -> tuple[Diarization | None, ParleyError | None]:
    try:
        return await turns, None
    except ParleyError as error:
        if isinstance(error, EngineCrashed) and error.here:
            raise  # this process has to end, and what it still answers may be wrong
        return None, error


def _models(transcription: Transcription, diarization: Diarization | None) -> dict[str, Model]:
    found = {
        "transcriber": transcription.model,
        "diarizer": diarization.model if diarization else None,
    }
    return {role: model for role, model in found.items() if model is not None}


def _reports(transcription: Transcription, diarization: Diarization | None) -> dict[Phase, Report]:
    found: dict[Phase, Report | None] = {
        "transcribe": transcription.report,
        "diarize": diarization.report if diarization else None,
    }
    return {phase: report for phase, report in found.items() if report is not None}


def _seconds(reports: Mapping[Phase, Report]) -> dict[str, float]:
    return {
        f"{phase}.{part}": spent
        for phase, report in reports.items()
        for part, spent in report.seconds.items()
    }


def _warnings(
    transcription: Transcription,
    diarization: Diarization | None,
    lost: ParleyError | None,
    reports: Iterable[Report],
) -> tuple[str, ...]:
    # both endpoints open the same recording, and may say the same of it
    warnings = dict.fromkeys(warning for report in reports for warning in report.warnings)
    warnings |= dict.fromkeys(transcription.warnings)
    warnings |= dict.fromkeys(diarization.warnings if diarization else ())
    if lost is not None:
        warnings[f"The diarizer failed, words have no speaker: {lost} ({lost.code})"] = None
    if not transcription.words:
        warnings["No words were found in the audio."] = None
    elif diarization is not None and not diarization.turns:
        warnings["No speech was found by the diarizer; words have no speaker."] = None
    return tuple(warnings)
