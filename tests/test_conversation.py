"""The composition, with engines that the tests hold in their hands."""

import asyncio
from dataclasses import replace

import pytest

from handlers.conversation import Conversation, Options, transcribe_conversation
from handlers.diarizer import SpeakerCount
from handlers.errors import EngineCrashed, OutOfMemory
from handlers.progress import Progress, Step
from handlers.timeline import AudioFacts, Diarization, Model, Report, Transcription, Turn, Word

WORDS = (Word("Hello", 0.0, 0.4), Word("there.", 0.5, 0.9), Word("Hi.", 1.2, 1.5))
TURNS = (Turn(0.0, 1.0, "B"), Turn(1.1, 1.6, "A"))


class FixedTranscriber:
    """Gives the same words for every audio, after it was let go."""

    def __init__(self, *, gate: asyncio.Event | None = None) -> None:
        self.gate = gate
        self.started = asyncio.Event()
        self.cancelled = False
        self.language: str | None = None

    async def transcribe(
        self, audio: str, *, language: str | None, progress: Progress
    ) -> Transcription:
        assert audio == "audio"
        self.language = language
        self.started.set()
        try:
            if self.gate:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        progress(Step("transcribe", 1.0))
        return Transcription(WORDS, language="en", model=Model("words"))


class FixedDiarizer:
    """Gives the same turns for every audio, or fails."""

    def __init__(
        self, *, after: asyncio.Event | None = None, error: Exception | None = None
    ) -> None:
        self.after = after
        self.error = error
        self.speakers: SpeakerCount | None = None

    async def diarize(
        self, audio: str, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        assert audio == "audio"
        self.speakers = speakers
        if self.after:
            await self.after.wait()
        if self.error:
            raise self.error
        progress(Step("diarize", 1.0))
        return Diarization(TURNS, TURNS, model=Model("turns"))


async def compose(
    transcriber: FixedTranscriber, diarizer: FixedDiarizer | None, options: Options | None = None
) -> Conversation:
    return await transcribe_conversation(
        "audio", transcriber=transcriber, diarizer=diarizer, options=options
    )


async def test_words_meet_speakers_named_by_first_appearance() -> None:
    found = await compose(FixedTranscriber(), FixedDiarizer())
    said = [(segment.speaker, segment.text) for segment in found.transcript.segments]
    assert said == [("SPEAKER_00", "Hello there."), ("SPEAKER_01", "Hi.")]
    assert found.language == "en"
    assert found.models == {"transcriber": Model("words"), "diarizer": Model("turns")}
    assert set(found.seconds) == {"transcribe", "diarize", "align"}


async def test_both_engines_run_at_the_same_time() -> None:
    gate = asyncio.Event()
    transcriber = FixedTranscriber(gate=gate)
    diarizer = FixedDiarizer(after=transcriber.started)
    task = asyncio.create_task(compose(transcriber, diarizer))
    await asyncio.wait_for(transcriber.started.wait(), 1)
    await asyncio.sleep(0)
    assert diarizer.speakers is not None
    gate.set()
    assert (await asyncio.wait_for(task, 1)).transcript.speakers


async def test_without_a_diarizer_no_word_has_a_speaker() -> None:
    found = await compose(FixedTranscriber(), None)
    assert [word.text for word in found.transcript.words] == [word.text for word in WORDS]
    assert {word.speaker for word in found.transcript.words} == {None}
    assert found.transcript.turns == ()
    assert "diarizer" not in found.models


async def test_one_failure_cancels_the_other_branch_and_is_raised_bare() -> None:
    transcriber = FixedTranscriber(gate=asyncio.Event())
    diarizer = FixedDiarizer(after=transcriber.started, error=OutOfMemory("too much"))
    with pytest.raises(OutOfMemory, match="too much"):
        await asyncio.wait_for(compose(transcriber, diarizer), 1)
    assert transcriber.cancelled


async def test_cancelling_the_whole_cancels_the_branches() -> None:
    transcriber = FixedTranscriber(gate=asyncio.Event())
    task = asyncio.create_task(compose(transcriber, FixedDiarizer()))
    await transcriber.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transcriber.cancelled


async def test_options_reach_the_engines() -> None:
    transcriber, diarizer = FixedTranscriber(), FixedDiarizer()
    await compose(transcriber, diarizer, Options(SpeakerCount(exactly=2), language="en"))
    assert transcriber.language == "en"
    assert diarizer.speakers == SpeakerCount(exactly=2)


async def test_words_without_speakers_are_an_explicit_choice() -> None:
    kept = await transcribe_conversation(
        "audio",
        transcriber=FixedTranscriber(),
        diarizer=FixedDiarizer(error=OutOfMemory("The diarizer is out of memory.")),
        options=Options(on_diarization_failure="transcript_only"),
    )
    assert [word.text for word in kept.transcript.words] == ["Hello", "there.", "Hi."]
    assert all(word.speaker is None for word in kept.transcript.words)
    assert set(kept.models) == {"transcriber"}
    (warning,) = kept.warnings
    assert "out_of_memory" in warning


async def test_that_choice_hides_no_defect() -> None:
    choice = Options(on_diarization_failure="transcript_only")
    with pytest.raises(ZeroDivisionError):
        await transcribe_conversation(
            "audio",
            transcriber=FixedTranscriber(),
            diarizer=FixedDiarizer(error=ZeroDivisionError()),
            options=choice,
        )


async def test_that_choice_keeps_no_worker_whose_engine_is_lost() -> None:
    choice = Options(on_diarization_failure="transcript_only")
    with pytest.raises(EngineCrashed):
        await transcribe_conversation(
            "audio",
            transcriber=FixedTranscriber(),
            diarizer=FixedDiarizer(error=EngineCrashed("diarizer")),
            options=choice,
        )


async def test_what_endpoints_report_is_told_once() -> None:
    facts = AudioFacts(1.6, "ab", 9, "wav", "pcm_s16le", 16_000, 1)
    report = Report(facts, seconds={"delay": 2.5}, warnings=("The header is wrong.",))

    class Afar(FixedTranscriber):
        async def transcribe(
            self, audio: str, *, language: str | None, progress: Progress
        ) -> Transcription:
            found = await super().transcribe(audio, language=language, progress=progress)
            return replace(found, report=report)

    class AfarToo(FixedDiarizer):
        async def diarize(
            self, audio: str, *, speakers: SpeakerCount, progress: Progress
        ) -> Diarization:
            found = await super().diarize(audio, speakers=speakers, progress=progress)
            return replace(found, report=report)

    told = await transcribe_conversation("audio", transcriber=Afar(), diarizer=AfarToo())
    assert told.audio == facts
    assert told.warnings == ("The header is wrong.",)
    assert told.seconds["transcribe.delay"] == told.seconds["diarize.delay"] == 2.5
