"""Cut long audio into windows that an engine can take, in the quietest places."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from handlers.audio.tape import Samples

_HOP_SECONDS: Final = 0.02
_SMOOTH_HOPS: Final = 10
_SEARCH_SHARE: Final = 1 / 3

SILENCE_DB: Final = -70.0
"""Audio whose loudest 20 ms stay below this level, in decibels of full scale, holds no speech."""


@dataclass(frozen=True, slots=True)
class Window:
    """Samples `first` to `last`, the latter excluded."""

    first: int
    last: int


def is_silent(samples: Samples, *, sample_rate: int) -> bool:
    """Whether there is nothing to hear: see `SILENCE_DB`.

    Args:
        samples: float32, shape (samples,).
        sample_rate: hertz.

    """
    hop = int(_HOP_SECONDS * sample_rate)
    block = 3000 * hop
    for first in range(0, len(samples), block):
        power = _power(samples[first : first + block], hop)
        if power.size and float(power.max()) > 10 ** (SILENCE_DB / 10):
            return False
    return True


def cut(samples: Samples, *, sample_rate: int, longest: float) -> Iterator[Window]:
    """Tile audio with windows, each cut in the quietest place of its last third.

    The quietest place is the least mean power over 0.2 s, so that a cut falls into a pause where
    there is one. Windows follow each other without gap or overlap.

    Args:
        samples: float32, shape (samples,).
        sample_rate: hertz.
        longest: seconds; no window is longer.

    """
    hop = int(_HOP_SECONDS * sample_rate)
    most = int(longest * sample_rate)
    first = 0
    while len(samples) - first > most:
        begin = first + int(most * (1 - _SEARCH_SHARE))
        power = _power(samples[begin : first + most], hop)
        smooth = np.convolve(power, np.ones(_SMOOTH_HOPS), mode="valid")
        quietest = int(smooth.argmin()) + _SMOOTH_HOPS // 2
        last = begin + quietest * hop
        yield Window(first, last)
        first = last
    yield Window(first, len(samples))


def _power(samples: Samples, hop: int) -> npt.NDArray[np.float32]:
    """Mean square of each hop; what is left of the last hop is averaged over a whole one."""
    count = -(-len(samples) // hop)
    padded = np.zeros(count * hop, dtype=np.float32)
    padded[: len(samples)] = samples
    power: npt.NDArray[np.float32] = np.mean(padded.reshape(count, hop) ** 2, axis=1)
    return power
