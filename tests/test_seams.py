"""Whatever is said and wherever it is cut, each word comes out once, in order."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from handlers.audio.tape import Samples
from handlers.seams import join
from handlers.timeline import Word
from handlers.windows import Window, cut, margin

RATE = 1000
FRAME = 80
"""Samples: what one frame of the engine covers, here as there 80 ms."""

TEXTS = ("no", "yes", "I", "am", "Berlin", "contract")


def oracle(words: Sequence[Word], window: Window, *, slips: Sequence[int] = (0,)) -> list[Word]:
    """Hear what a window holds: whole words as they are, and of words at its edges a piece.

    `slips` are frames by which this window is wrong about times.
    """
    first, last = window.first / RATE, window.last / RATE
    heard = []
    for index, word in enumerate(words):
        start, end = max(word.start, first), min(word.end, last)
        if start >= end:
            continue
        slip = slips[index % len(slips)] * FRAME / RATE
        text = word.text if (start, end) == (word.start, word.end) else word.text[:1]
        heard.append(Word(text, start + slip, end + slip))
    return heard


def joined(
    windows: Sequence[Window], heard: Sequence[Sequence[Word]], *, reach: float
) -> list[str]:
    parts = [(w.begin / RATE, words) for w, words in zip(windows, heard, strict=True)]
    found = join(parts, reach=reach)
    assert [word.start for word in found] == sorted(word.start for word in found)
    return [word.text for word in found]


@st.composite
def sounds(draw: st.DrawFn) -> Samples:
    """Anything that has no silence: levels change, but never by as much as silence would."""
    levels = draw(st.lists(st.floats(0.1, 0.3), min_size=1, max_size=60))
    noise = np.random.default_rng(draw(st.integers(0, 9))).normal(size=len(levels) * RATE)
    return (np.repeat(levels, RATE) * noise).astype(np.float32)


@st.composite
def timelines(draw: st.DrawFn, *, least: int, most: int, gap: int = 0) -> list[Word]:
    """Words anywhere on a minute, in milliseconds from `least` to `most` long."""
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(TEXTS), st.integers(gap, 1500), st.integers(least, most)),
            max_size=80,
        )
    )
    words, clock = [], 0
    for text, pause, length in drawn:
        words.append(Word(text, (clock + pause) / RATE, (clock + pause + length) / RATE))
        clock += pause + length
    return words


@given(sounds(), st.floats(2, 12), st.data())
def test_each_word_comes_out_once_wherever_it_lies(
    samples: Samples, longest: float, data: st.DataObject
) -> None:
    wide = margin(sample_rate=RATE, longest=longest, frame=FRAME)
    end = len(samples) / RATE
    words = [w for w in data.draw(timelines(least=1, most=2 * wide)) if w.end <= end]
    windows = list(cut(samples, sample_rate=RATE, longest=longest, frame=FRAME))
    heard = [oracle(words, window) for window in windows]
    assert joined(windows, heard, reach=wide / RATE) == [word.text for word in words]


@given(sounds(), st.floats(8, 12), st.data())
def test_windows_may_disagree_by_a_frame(
    samples: Samples, longest: float, data: st.DataObject
) -> None:
    wide = margin(sample_rate=RATE, longest=longest, frame=FRAME)
    end = len(samples) / RATE
    slip = st.lists(st.integers(-1, 1), min_size=1, max_size=7)
    drawn = data.draw(timelines(least=2 * FRAME, most=2 * wide - 4 * FRAME, gap=2 * FRAME))
    words = [w for w in drawn if w.end <= end]
    windows = list(cut(samples, sample_rate=RATE, longest=longest, frame=FRAME))
    heard = [oracle(words, window, slips=data.draw(slip)) for window in windows]
    assert joined(windows, heard, reach=wide / RATE) == [word.text for word in words]


@st.composite
def talks(draw: st.DrawFn) -> tuple[Samples, list[Word]]:
    """Words that sound 25 dB above a background that is anything below."""
    words = draw(timelines(least=60, most=900))
    seconds = (words[-1].end if words else 0) + draw(st.floats(0.0, 8.0))
    generator = np.random.default_rng(draw(st.integers(0, 9)))
    samples = generator.normal(size=round(seconds * RATE)) * draw(st.floats(0.0, 0.01))
    for word in words:
        first, last = round(word.start * RATE), round(word.end * RATE)
        samples[first:last] = generator.normal(size=last - first) * draw(st.floats(0.18, 0.3))
    return samples.astype(np.float32), words


@given(talks(), st.floats(5, 12))
def test_each_word_that_sounds_comes_out_once(
    talk: tuple[Samples, list[Word]], longest: float
) -> None:
    samples, words = talk
    wide = margin(sample_rate=RATE, longest=longest, frame=FRAME)
    words = [w for w in words if w.end - w.start <= 2 * wide / RATE]
    windows = list(cut(samples, sample_rate=RATE, longest=longest, frame=FRAME))
    heard = [oracle(words, window) for window in windows]
    assert joined(windows, heard, reach=wide / RATE) == [word.text for word in words]


def test_of_two_hearings_of_one_word_the_better_window_s_stays() -> None:
    left = [Word("the", 8.0, 8.2), Word("contract", 8.4, 9.0), Word("is", 9.5, 9.6)]
    right = [Word("a", 8.0, 8.2), Word("contract", 8.4, 9.0), Word("was", 9.44, 9.6)]
    found = join([(0.0, left), (9.0, right)], reach=1.0)
    assert [word.text for word in found] == ["the", "contract", "was"]


def test_a_word_that_the_better_window_missed_near_the_seam_stays() -> None:
    late = Word("Friday.", 9.0, 9.24)
    assert join([(0.0, [late]), (9.0, [])], reach=1.0) == [late]


def test_what_only_the_window_before_heard_stays_where_the_next_one_heard_nothing() -> None:
    late = Word("yes.", 9.4, 9.8)
    assert join([(0.0, [late]), (9.0, [])], reach=1.0) == [late]
