"""Cut long audio into windows that an engine can take, in silence where there is any."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from handlers.audio.tape import Samples

_HOP_SECONDS: Final = 0.02
_SMOOTH_HOPS: Final = 10
_BLOCK_HOPS: Final = 100
"""Hops looked at together: few enough to stay in a processor's nearest cache."""

_PAUSE_HOPS: Final = 15
"""Shorter than these 0.3 s, a silence may be a stop inside a word."""
_ENOUGH_HOPS: Final = 30
"""A silence of 0.6 s is as good as a longer one: then the later is better."""
_NEAR_FLOOR: Final = 10**0.4
"""Silence is at most 4 dB above the floor, which is what the quietest 0.15 s stay below."""
_CONTRAST: Final = 10**0.8
"""Silence is at least 8 dB below what is loud: steady noise and music have none."""
_STANDS_OUT: Final = 10.0
"""Speech is at least 10 dB above the background."""
_LOUD_HOPS: Final = 15
_FAINT: Final = 10**-6.5
"""Below this mean square, -65 dB of full scale, nothing is meant to be heard."""
_PREEMPHASIS: Final = 0.97
_MARGIN_SECONDS: Final = 1.0
_SILENT_MARGIN_SECONDS: Final = 0.25

SILENCE_DB: Final = -70.0
"""Audio whose loudest 20 ms stay below this level, in decibels of full scale, holds no speech."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of audio for an engine, in samples, each end excluded.

    Attributes:
        first: the engine hears from here,
        last: to here.
        begin: words are this window's from here,
        end: to here. These stretches tile the audio; what is heard may overlap.

    """

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class _Seam:
    """Where one window's words end and the next one's begin, and what both hear around it."""

    at: int
    first: int
    last: int


def is_silent(samples: Samples, *, sample_rate: int) -> bool:
    """Whether there is nothing to hear: see `SILENCE_DB`.

    Args:
        samples: float32, shape (samples,).
        sample_rate: hertz.

    """
    hop = int(_HOP_SECONDS * sample_rate)
    for first in range(0, len(samples), _BLOCK_HOPS * hop):
        power = _power(samples[first : first + _BLOCK_HOPS * hop], hop)
        if power.size and float(power.max()) > 10 ** (SILENCE_DB / 10):
            return False
    return True


def seems_voiced(samples: Samples, *, sample_rate: int) -> bool:
    """Whether something stands out of the background for 0.3 s or more, as speech does.

    Steady noise, however loud, does not; music may.

    Args:
        samples: float32, shape (samples,).
        sample_rate: hertz.

    """
    power = _sharp_power(samples, int(_HOP_SECONDS * sample_rate))
    if not power.size:
        return False
    floor = max(float(np.percentile(power, 10)), _FAINT)
    return int(np.count_nonzero(power > floor * _STANDS_OUT)) >= _LOUD_HOPS


def margin(*, sample_rate: int, longest: float, frame: int = 1) -> int:
    """How far beyond a seam without silence both of its windows hear, in samples.

    A word of up to twice this is heard in full by the window that its middle belongs to.
    """
    return int(min(_MARGIN_SECONDS, longest / 8) * sample_rate) // frame * frame


def cut(samples: Samples, *, sample_rate: int, longest: float, frame: int = 1) -> Iterator[Window]:
    """Tile audio with windows, cut in silence or, where there is none in reach, overlapping.

    Silence is a stretch of 0.3 s or more near the floor of the audio at hand and far below what is
    loud there; rumble is filtered out before. The longest in the window's last two thirds is cut in
    its middle, and both windows hear up to 0.25 s of it beyond the cut. Where there is none, as in
    speech without a pause or in music, the quietest 0.2 s of the last third are cut, and both
    windows hear `margin` beyond it: words there are for `handlers.seams` to join.

    Everything is a pure function of the samples, and windows are given one by one: no more of the
    audio is looked at than a window of it.

    Args:
        samples: float32, shape (samples,).
        sample_rate: hertz.
        longest: seconds; nothing longer is heard at once.
        frame: samples; every window is heard from a multiple of this, so that frames of an engine
            lie where they would if it heard the whole.

    """
    wide = margin(sample_rate=sample_rate, longest=longest, frame=frame)
    most = int(longest * sample_rate) - 2 * wide - frame
    near = min(wide, int(_SILENT_MARGIN_SECONDS * sample_rate) // frame * frame)
    hop = int(_HOP_SECONDS * sample_rate)
    first = begin = 0
    while len(samples) - begin > most:
        power = _sharp_power(samples[begin : begin + most], hop)
        seam = _silent_seam(power, hop, begin, near, frame) or _loud_seam(
            power, hop, begin, wide, frame
        )
        yield Window(first, min(seam.last, len(samples)), begin, seam.at)
        first, begin = seam.first, seam.at
    yield Window(first, len(samples), begin, len(samples))


def _silent_seam(
    power: npt.NDArray[np.float32], hop: int, begin: int, near: int, frame: int
) -> _Seam | None:
    smooth = np.convolve(power, np.full(3, 1 / 3, dtype=np.float32), mode="same")
    floor = float(np.partition(smooth, _PAUSE_HOPS // 2)[_PAUSE_HOPS // 2])
    loud = float(np.percentile(smooth, 90))
    ceiling = 10 ** (SILENCE_DB / 10)
    if floor * _NEAR_FLOOR * _CONTRAST <= loud:
        ceiling = max(ceiling, floor * _NEAR_FLOOR)
    third = len(smooth) // 3
    quiet = np.concatenate(([False], smooth[third:] <= ceiling, [False]))
    starts, ends = np.flatnonzero(np.diff(quiet)).reshape(-1, 2).T + third
    lengths = ends - starts
    if not lengths.size or lengths.max() < _PAUSE_HOPS:
        return None
    best = len(lengths) - 1 - int(np.minimum(lengths, _ENOUGH_HOPS)[::-1].argmax())
    # a hop at the rim may hold the last of a word
    start, end = begin + int(starts[best] + 1) * hop, begin + int(ends[best] - 1) * hop
    at = _on_grid((start + end) // 2, frame)
    if not start <= at < end:  # a silence shorter than a frame
        return None
    return _Seam(
        at, first=max(_on_grid(start + frame - 1, frame), at - near), last=min(end, at + near)
    )


def _loud_seam(
    power: npt.NDArray[np.float32], hop: int, begin: int, wide: int, frame: int
) -> _Seam:
    third = 2 * len(power) // 3
    smooth = np.convolve(power[third:], np.ones(_SMOOTH_HOPS), mode="valid")
    quietest = third + int(smooth.argmin()) + _SMOOTH_HOPS // 2
    at = _on_grid(begin + quietest * hop, frame)
    return _Seam(at, first=at - wide, last=at + wide)


def _on_grid(sample: int, frame: int) -> int:
    return sample // frame * frame


def _sharp_power(samples: Samples, hop: int) -> npt.NDArray[np.float32]:
    """Mean square of each hop with bass turned down, as engines do before they look for words."""
    powers = []
    for first in range(0, len(samples), _BLOCK_HOPS * hop):
        sharp = np.array(samples[first : first + _BLOCK_HOPS * hop], dtype=np.float32)
        sharp[1:] -= _PREEMPHASIS * samples[first : first + len(sharp) - 1]
        if first:
            sharp[0] -= _PREEMPHASIS * samples[first - 1]
        powers.append(_power(sharp, hop))
    return np.concatenate(powers) if powers else np.zeros(0, dtype=np.float32)


def _power(samples: Samples, hop: int) -> npt.NDArray[np.float32]:
    """Mean square of each hop; what is left of the last hop is averaged over a whole one."""
    whole = len(samples) // hop * hop
    hops = samples[:whole].reshape(-1, hop)
    sums: npt.NDArray[np.float32] = np.einsum("ij,ij->i", hops, hops)
    rest = samples[whole:]
    if rest.size:
        sums = np.append(sums, rest @ rest)
    return sums / np.float32(hop)
