"""What endpoints answer: compact, exact, and the same after a journey as JSON."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.cold_start import ColdStart
from handlers.conversation import Options, transcribe_conversation
from handlers.diarizer import SpeakerCount
from handlers.jobs import Job
from handlers.progress import Progress
from handlers.replies import AnyReply, DiarizationReply, Reply, TranscriptionReply, Usage, compose
from handlers.settings import Settings
from handlers.timeline import (
    AudioFacts,
    Diarization,
    Model,
    Report,
    Transcription,
    Turn,
    Word,
)

HOURS = 6
WORDS_PER_MINUTE = 180
"""Fast talk without a pause for six hours."""
TURN_SECONDS = 2.0
MODEL = Model("nvidia/parakeet-tdt-0.6b-v2", "0" * 40, "cache")
FACTS = AudioFacts(HOURS * 3600.0, "0" * 64, 10**9, "flac", "flac", 44_100, 2)


def talk(hours: float) -> tuple[Word, ...]:
    gap = 60 / WORDS_PER_MINUTE
    count = int(hours * 60 * WORDS_PER_MINUTE)
    return tuple(
        Word("wonderful", round(n * gap, 3), round(n * gap + 0.287, 3), confidence=0.987)
        for n in range(count)
    )


def turns(hours: float) -> tuple[Turn, ...]:
    count = int(hours * 3600 / TURN_SECONDS)
    return tuple(
        Turn(
            round(n * TURN_SECONDS + 0.031, 3),
            round((n + 1) * TURN_SECONDS, 3),
            f"SPEAKER_{n % 8:02d}",
        )
        for n in range(count)
    )


def transcription(hours: float) -> TranscriptionReply:
    return TranscriptionReply(words=talk(hours), language="en", model=MODEL, **beside())


def diarization(hours: float) -> DiarizationReply:
    return DiarizationReply(
        turns=turns(hours),
        exclusive=turns(hours),
        embeddings={f"SPEAKER_{n:02d}": tuple([0.123456] * 256) for n in range(8)},
        model=MODEL,
        **beside(),
    )


def beside() -> dict[str, Any]:
    usage = Usage(audio_seconds=FACTS.seconds, processing_seconds=1.0)
    return {"audio": FACTS, "timings": {"total": 1.0}, "usage": usage, "warnings": ()}


@pytest.mark.parametrize(
    "reply", [transcription(HOURS), diarization(HOURS)], ids=["words", "turns"]
)
def test_six_hours_fit_into_half_of_what_the_platform_delivers(reply: AnyReply) -> None:
    size = len(json.dumps({"output": reply.body()}))
    assert size < Settings().max_result_bytes / 2, size


@pytest.mark.parametrize("hours", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("kind", [transcription, diarization])
def test_a_body_is_what_the_model_dumps_in_its_order(
    kind: Callable[[float], AnyReply], hours: float
) -> None:
    """Long lists are dumped in pieces: that shows nowhere."""
    reply = kind(hours)
    dumped = reply.model_dump(mode="json", exclude={"cold_start"})
    assert json.dumps(reply.body()) == json.dumps(dumped)
    warm = reply.model_copy(update={"cold_start": ColdStart(seconds=1.5, phases={"imports": 1.0})})
    assert json.dumps(warm.body()) == json.dumps(warm.model_dump(mode="json"))


@pytest.mark.parametrize("reply", [transcription(0.1), diarization(0.1)], ids=["words", "turns"])
def test_a_reply_is_the_same_after_its_journey(reply: AnyReply) -> None:
    assert type(reply).model_validate(json.loads(json.dumps(reply.body()))) == reply


class Engine:
    """Six hours of talk, at once."""

    async def transcribe(
        self, audio: str, *, language: str | None, progress: Progress
    ) -> Transcription:
        del audio, language, progress
        return Transcription(talk(HOURS), model=MODEL)

    async def diarize(
        self, audio: str, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        del audio, speakers, progress
        return Diarization(turns(HOURS), turns(HOURS), model=MODEL)


async def test_six_hours_of_who_said_what_fit_without_a_bucket() -> None:
    found = await transcribe_conversation(
        "six hours", transcriber=Engine(), diarizer=Engine(), options=Options()
    )
    job = Job(audio_url="https://example.com/a.flac")
    reply = compose(job, found, report=Report(FACTS), began=0.0)
    assert len(json.dumps({"output": reply.body()})) < Settings().max_result_bytes
    without = compose(
        job.model_copy(update={"word_timestamps": False}), found, report=Report(FACTS), began=0.0
    )
    assert all(not segment.words for segment in without.segments)
    assert without.text == reply.text


def test_a_reply_of_a_newer_worker_is_read() -> None:
    body = transcription(0.01).body() | {"mood": "cheerful"}
    assert TranscriptionReply.model_validate(body) == transcription(0.01)


def test_the_facts_of_the_audio_are_kept() -> None:
    facts = replace(FACTS, channels=1)
    reply = transcription(0.01).model_copy(update={"audio": facts})
    assert Reply.model_fields["audio"].annotation is AudioFacts
    assert TranscriptionReply.model_validate(reply.body()).audio == facts
