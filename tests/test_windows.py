"""Windows tile the audio, and fall into pauses."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.audio.tape import Samples
from handlers.windows import SILENCE_DB, Window, cut, is_silent

RATE = 1000


def tone(seconds: float, *, level: float = 0.5) -> Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 100 * time)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), dtype=np.float32)


@given(
    seconds=st.lists(st.floats(0.0, 4.0), max_size=12),
    longest=st.floats(1.0, 10.0),
)
def test_windows_tile_the_audio_and_keep_the_limit(seconds: list[float], longest: float) -> None:
    pieces = [tone(s) if i % 2 else silence(s) for i, s in enumerate(seconds)]
    samples = np.concatenate([silence(0), *pieces])
    windows = list(cut(samples, sample_rate=RATE, longest=longest))
    assert windows[0].first == 0
    assert windows[-1].last == len(samples)
    assert all(a.last == b.first for a, b in itertools.pairwise(windows))
    assert all(w.last - w.first <= longest * RATE for w in windows)
    assert all(w.last > w.first for w in windows[:-1])


def test_short_audio_is_one_window() -> None:
    assert list(cut(tone(3), sample_rate=RATE, longest=10)) == [Window(0, 3000)]


def test_the_cut_falls_into_the_pause() -> None:
    samples = np.concatenate([tone(8), silence(0.4), tone(8)])
    first, _second = cut(samples, sample_rate=RATE, longest=10)
    assert 8.0 < first.last / RATE < 8.4


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
