"""A recording on its way: each word once, and what could not be understood is said."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.hearing import Hearing
from handlers.progress import Step, ignore
from handlers.timeline import Word
from handlers.windows import cut
from handlers.word_decoder import Stretch

FRAME = 1280


def recording(samples: Samples) -> Recording:
    return Recording(
        samples, sha256="", bytes=0, container="", codec="", original_sample_rate=1, channels=1
    )


def speech(seconds: float) -> Samples:
    """Bursts of a quarter of a second, as far apart."""
    count = round(seconds * SAMPLE_RATE)
    bursts = (np.arange(count) // (SAMPLE_RATE // 4)) % 2
    return (bursts * np.random.default_rng(0).normal(scale=0.1, size=count)).astype(np.float32)


def steady(seconds: float) -> Samples:
    count = round(seconds * SAMPLE_RATE)
    return np.random.default_rng(0).normal(scale=0.1, size=count).astype(np.float32)


class Ear:
    """Hears words where they are; from a stretch that begins at one of `deaf`, none."""

    def __init__(self, words: Sequence[Word], *, deaf: Sequence[int] = ()) -> None:
        self.asked: list[Stretch] = []
        self._words = words
        self._deaf = deaf

    async def __call__(self, stretch: Stretch) -> list[Word]:
        self.asked.append(stretch)
        if stretch.first in self._deaf:
            return []
        first = stretch.first / SAMPLE_RATE
        last = first + len(stretch.samples) / SAMPLE_RATE
        return [word for word in self._words if word.start >= first and word.end <= last]


def hearing(samples: Samples, ear: Ear) -> Hearing:
    return Hearing(recording(samples), decode=ear, longest=10, frame=FRAME)


@given(starts=st.lists(st.integers(0, 5900), max_size=60, unique=True))
async def test_each_word_once_in_order(starts: list[int]) -> None:
    words = [Word(f"w{s}", s / 100, s / 100 + 0.5) for s in sorted(starts)]
    found = await hearing(steady(60), Ear(words)).words(ignore, ahead=4)
    assert [word.text for word in found] == [word.text for word in words]


async def test_progress_grows_to_the_end() -> None:
    steps: list[Step] = []
    await hearing(steady(60), Ear([])).words(steps.append, ahead=4)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == 1


async def test_windows_begin_on_the_engine_s_frames_and_none_is_too_long() -> None:
    ear = Ear([])
    await hearing(speech(60), ear).words(ignore, ahead=4)
    assert all(stretch.first % FRAME == 0 for stretch in ear.asked)
    assert all(stretch.seconds <= 10 for stretch in ear.asked)


async def test_silence_is_not_decoded() -> None:
    ear = Ear([])
    assert await hearing(np.zeros(60 * SAMPLE_RATE, np.float32), ear).words(ignore, ahead=4) == []
    assert ear.asked == []


async def test_noise_without_words_is_no_cause_for_a_warning() -> None:
    ear = Ear([])
    noise = hearing(steady(8), ear)
    assert await noise.words(ignore, ahead=4) == []
    assert noise.warnings == ()
    assert len(ear.asked) == 1


async def test_a_voiced_window_without_words_is_heard_again_with_other_edges() -> None:
    word = Word("yes", 4.0, 4.5)
    ear = Ear([word], deaf=[0])
    voiced = hearing(speech(8), ear)
    assert await voiced.words(ignore, ahead=4) == [word]
    assert voiced.warnings == ()
    assert len(ear.asked) == 2


async def test_a_word_of_the_next_window_is_no_answer_for_one_that_has_none_of_its_own() -> None:
    own, other = Word("mine", 3.0, 3.5), Word("theirs", 8.0, 8.4)
    steadily = steady(20) * (1 + (np.arange(20 * SAMPLE_RATE) // 4000) % 2 * 3).astype(np.float32)
    windows = list(cut(steadily, sample_rate=SAMPLE_RATE, longest=10, frame=FRAME))
    first = windows[0]
    late = replace(other, start=first.end / SAMPLE_RATE + 0.3, end=first.end / SAMPLE_RATE + 0.6)

    class Distracted(Ear):
        async def __call__(self, stretch: Stretch) -> list[Word]:
            heard = await super().__call__(stretch)
            return [late] if stretch.first == first.first and len(self.asked) == 1 else heard

    ear = Distracted([own, late])
    found = await hearing(steadily, ear).words(ignore, ahead=1)
    assert [word.text for word in found] == ["mine", "theirs"]


async def test_no_word_ends_after_the_recording() -> None:
    class Late(Ear):
        async def __call__(self, stretch: Stretch) -> list[Word]:
            self.asked.append(stretch)
            return [Word("yes", 7.8, 8.3)]

    (word,) = await hearing(speech(8), Late([])).words(ignore, ahead=4)
    assert (word.start, word.end) == (7.8, 8.0)


async def test_the_warning_says_where_nothing_was_understood() -> None:
    ear = Ear([])
    sound = np.concatenate([speech(6), np.zeros(6 * SAMPLE_RATE, np.float32), speech(4)])
    voiced = hearing(sound, ear)
    assert await voiced.words(ignore, ahead=4) == []
    (warning,) = voiced.warnings
    assert (
        warning == "Something sounds but no words were found at seconds 0.0 to 7.0, 10.9 to 16.0."
    )


async def test_words_that_a_wider_hearing_finds_in_the_next_window_stay_there() -> None:
    ear = Ear([Word("yes", 8.3, 8.5)], deaf=[0])
    sound = np.concatenate([speech(7), np.zeros(SAMPLE_RATE, np.float32), speech(7)])
    found = await hearing(sound, ear).words(ignore, ahead=4)
    assert [word.text for word in found] == ["yes"]
