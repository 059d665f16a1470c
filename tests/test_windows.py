"""Windows tile the audio, and are cut in silence where there is any."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.audio.tape import Samples
from handlers.windows import SILENCE_DB, Window, cut, is_silent, margin, seems_voiced

RATE = 1000
FRAME = 80
HOP = 20
WIDE = margin(sample_rate=RATE, longest=10, frame=FRAME)


def tone(seconds: float, *, level: float = 0.5) -> Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 100 * time)).astype(np.float32)


def noise(seconds: float) -> Samples:
    return np.random.default_rng(1).normal(scale=0.3, size=int(seconds * RATE)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), dtype=np.float32)


@given(
    seconds=st.lists(st.floats(0.0, 4.0), max_size=12),
    longest=st.floats(1.0, 10.0),
)
def test_windows_tile_the_audio_and_keep_the_limit(seconds: list[float], longest: float) -> None:
    pieces = [tone(s) if i % 2 else silence(s) for i, s in enumerate(seconds)]
    samples = np.concatenate([silence(0), *pieces])
    windows = list(cut(samples, sample_rate=RATE, longest=longest, frame=FRAME))
    assert windows[0].first == windows[0].begin == 0
    assert windows[-1].last == windows[-1].end == len(samples)
    assert all(a.end == b.begin for a, b in itertools.pairwise(windows))
    assert all(w.first <= w.begin <= w.end <= w.last for w in windows)
    assert all(w.last - w.first <= longest * RATE for w in windows)
    assert all(w.begin < w.end for w in windows[:-1])
    assert all(w.first % FRAME == 0 for w in windows)


@given(seed=st.integers(0, 99), seconds=st.floats(0.0, 40.0), longest=st.floats(1.0, 10.0))
def test_no_more_than_two_windows_hear_a_place(seed: int, seconds: float, longest: float) -> None:
    samples = np.random.default_rng(seed).normal(size=int(seconds * RATE)).astype(np.float32)
    windows = list(cut(samples, sample_rate=RATE, longest=longest, frame=FRAME))
    assert all(a.last <= b.first for a, b in zip(windows, windows[2:], strict=False))


def test_short_audio_is_one_window() -> None:
    assert list(cut(tone(3), sample_rate=RATE, longest=10)) == [Window(0, 3000, 0, 3000)]


@given(pause=st.floats(0.4, 2.0), level=st.floats(0.0, 0.02))
def test_the_cut_falls_into_the_pause(pause: float, level: float) -> None:
    """And both windows hear of it up to a quarter of a second, but nothing of what is said."""
    background = np.random.default_rng(0).normal(scale=level, size=len(silence(14 + pause)))
    said = np.concatenate([noise(7), silence(pause), noise(7)])
    samples = (said + background[: len(said)]).astype(np.float32)
    first, second, *_ = cut(samples, sample_rate=RATE, longest=10, frame=FRAME)
    assert first.end == second.begin
    assert 7 * RATE < first.end < first.last <= (7 + pause) * RATE
    assert 7 * RATE <= second.first <= second.begin
    assert second.first - 7 * RATE < FRAME + 3 * HOP or second.begin - second.first == 3 * FRAME


def test_of_two_pauses_the_longer_is_cut_and_of_long_ones_the_later() -> None:
    short_last = np.concatenate([noise(4), silence(0.6), noise(2), silence(0.34), noise(4)])
    first, *_ = cut(short_last, sample_rate=RATE, longest=10)
    assert 4.0 < first.end / RATE < 4.6
    long_both = np.concatenate([noise(4), silence(1.2), noise(2), silence(0.8), noise(4)])
    first, *_ = cut(long_both, sample_rate=RATE, longest=10)
    assert 7.2 < first.end / RATE < 8.0


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_where_there_is_no_silence_windows_overlap(gap: float) -> None:
    """A stop inside a word is no silence."""
    samples = np.concatenate([noise(7), silence(gap), noise(7)])
    first, second, *_ = cut(samples, sample_rate=RATE, longest=10, frame=FRAME)
    assert first.last - first.end == second.begin - second.first == WIDE


def test_rumble_hides_no_silence() -> None:
    time = np.arange(14 * RATE) / RATE
    rumble = 0.3 * np.sin(2 * np.pi * 2 * time)
    said = np.concatenate([noise(6.5), silence(1), noise(6.5)])
    first, *_ = cut((said + rumble).astype(np.float32), sample_rate=RATE, longest=10)
    assert 6.5 < first.end / RATE < 7.5


@pytest.mark.parametrize(
    ("samples", "voiced"),
    [
        (silence(0), False),
        (silence(10), False),
        (np.random.default_rng(0).normal(scale=0.1, size=10 * RATE).astype(np.float32), False),
        (np.concatenate([silence(5), tone(0.1)]), False),
        (np.concatenate([silence(5), tone(1), silence(5)]), True),
    ],
)
def test_voice_stands_out_of_the_background(samples: Samples, *, voiced: bool) -> None:
    assert seems_voiced(samples, sample_rate=RATE) is voiced


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        (silence(0), True),
        (silence(100), True),
        (tone(1, level=10 ** ((SILENCE_DB - 3) / 20)), True),
        (tone(1, level=10 ** ((SILENCE_DB + 6) / 20)), False),
        (np.concatenate([silence(200), tone(0.05)]), False),
    ],
)
def test_silence_is_what_stays_below_the_level(samples: Samples, *, silent: bool) -> None:
    assert is_silent(samples, sample_rate=RATE) is silent
