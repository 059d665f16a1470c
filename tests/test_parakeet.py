"""The transcriber with the demo's model: many jobs, long ones, very short ones."""

import asyncio
from collections.abc import Sequence

import kaldialign
import numpy as np
import pytest

from demo.generate import conversation
from demo.hub import HUB, TRANSCRIBER
from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.parakeet import ParakeetTranscriber, load_parakeet
from handlers.progress import Step, ignore
from handlers.settings import Settings
from handlers.timeline import Word
from handlers.word_decoder import Stretch, WordDecoder

JOBS = 32
DEMO = {"transcriber_model": TRANSCRIBER, "hub_cache": HUB}


def recording(samples: Samples) -> Recording:
    return Recording(
        samples, sha256="", bytes=0, container="", codec="", original_sample_rate=1, channels=1
    )


def load(**changes: object) -> ParakeetTranscriber:
    return load_parakeet(Settings.read().model_copy(update={**DEMO, **changes}))


@pytest.fixture(scope="module")
def transcriber() -> ParakeetTranscriber:
    return load(window_seconds=10.0)


@pytest.fixture(scope="module")
def decoder(transcriber: ParakeetTranscriber) -> WordDecoder:
    return transcriber._decoder


@pytest.fixture(scope="module")
def talk() -> Samples:
    pieces = conversation(seed="windows", speakers=(3, 3), seconds=(60, 60))
    return np.concatenate([piece.samples for piece in pieces])


def clips(talk: Samples) -> list[Samples]:
    """Short jobs: parts of a conversation, from 1 to 6 s."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(SAMPLE_RATE, 6 * SAMPLE_RATE, JOBS)
    firsts = [int(rng.integers(0, len(talk) - length)) for length in lengths]
    return [talk[f : f + n] for f, n in zip(firsts, lengths, strict=True)]


async def heard(transcriber: ParakeetTranscriber, samples: Samples) -> tuple[Word, ...]:
    found = await transcriber.transcribe(recording(samples), language=None, progress=ignore)
    return found.words


async def test_jobs_at_once_get_what_they_get_one_by_one(
    transcriber: ParakeetTranscriber, talk: Samples
) -> None:
    """The same words at the same times; confidences to the three digits that a reply has."""
    jobs = clips(talk)
    alone = [await heard(transcriber, job) for job in jobs]
    together = await asyncio.gather(*(heard(transcriber, job) for job in jobs))
    for one, other in zip(alone, together, strict=True):
        assert [(w.text, w.start, w.end) for w in one] == [(w.text, w.start, w.end) for w in other]
        pairs = zip(one, other, strict=True)
        assert all(a.confidence == pytest.approx(b.confidence, abs=0.002) for a, b in pairs)
    assert sum(map(len, alone)) > JOBS


async def test_a_job_that_is_cancelled_leaves_the_others_alone(
    transcriber: ParakeetTranscriber, talk: Samples
) -> None:
    long = asyncio.ensure_future(heard(transcriber, talk))
    short = asyncio.ensure_future(heard(transcriber, talk[: 3 * SAMPLE_RATE]))
    await asyncio.sleep(0.05)
    long.cancel()
    assert await short == await heard(transcriber, talk[: 3 * SAMPLE_RATE])
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_each_job_is_told_its_own_progress(
    transcriber: ParakeetTranscriber, talk: Samples
) -> None:
    told: list[list[Step]] = [[], []]
    jobs = (recording(talk), recording(talk[: 20 * SAMPLE_RATE]))
    await asyncio.gather(
        *(
            transcriber.transcribe(job, language=None, progress=steps.append)
            for job, steps in zip(jobs, told, strict=True)
        )
    )
    for steps in told:
        done = [step.done for step in steps]
        assert done == sorted(done)
        assert done[-1] == 1
    assert len(told[0]) > len(told[1])


async def test_words_lie_where_one_window_over_everything_puts_them(
    transcriber: ParakeetTranscriber, decoder: WordDecoder, talk: Samples
) -> None:
    """To the frame: windows begin on its grid, 80 ms."""
    part = talk[: 25 * SAMPLE_RATE]
    (whole,) = decoder.words([Stretch(part, 0)])
    cut = await heard(transcriber, part)
    pairs = kaldialign.align([w.text for w in whole], [w.text for w in cut], "<gap>")
    same = [(one, other) for one, other in pairs if one == other]
    assert len(same) >= 0.95 * len(whole)
    apart = list(_apart(whole, cut))
    assert np.mean([gap == 0 for gap in apart]) > 0.9
    assert max(apart) <= 0.081
    frames = [word.start / 0.08 for word in cut]
    assert frames == pytest.approx(np.round(frames), abs=0.02)


def _apart(whole: Sequence[Word], cut: Sequence[Word]) -> Sequence[float]:
    """How far apart words of one text are that both have about there."""
    gaps = []
    for word in whole:
        near = [abs(w.start - word.start) for w in cut if w.text == word.text]
        if near and min(near) < 0.5:
            gaps.append(min(near))
    return gaps


def test_a_very_short_clip_has_its_words_where_they_are(
    decoder: WordDecoder, talk: Samples
) -> None:
    """Though the model hears it in the middle of a second of silence, a quarter later."""
    quarter, found = SAMPLE_RATE // 4, 0
    (words,) = decoder.words([Stretch(talk[: 20 * SAMPLE_RATE], 0)])
    for word in words:
        middle = round((word.start + word.end) / 2 * SAMPLE_RATE)
        first = max(0, (middle - quarter) // decoder.frame * decoder.frame)
        (short,) = decoder.words([Stretch(talk[first : middle + quarter], first)])
        same = [one for one in short if one.text == word.text]
        assert all(abs(one.start - word.start) <= 0.161 for one in same)
        found += len(same)
    assert found > 1


async def test_decoding_is_never_set_up_again(
    transcriber: ParakeetTranscriber, talk: Samples
) -> None:
    before = transcriber._engine.decoding
    await heard(transcriber, talk[: 5 * SAMPLE_RATE])
    assert transcriber._engine.decoding is before


async def test_half_the_bits_are_enough_for_the_same_words(
    transcriber: ParakeetTranscriber, talk: Samples
) -> None:
    part = talk[: 20 * SAMPLE_RATE]
    exact = [word.text for word in await heard(transcriber, part)]
    coarse = load(window_seconds=10.0, transcriber_precision="bfloat16")
    rough = [word.text for word in await heard(coarse, part)]
    assert kaldialign.edit_distance(exact, rough)["total"] <= 0.1 * len(exact)
    assert {p.dtype for p in coarse._engine.encoder.parameters()} != {
        p.dtype for p in transcriber._engine.encoder.parameters()
    }
