"""A line through measurements of which some are wrong."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST: Final = 400
"""Points that slopes are taken between: all pairs of more would be many."""
_FAR: Final = 3.5
"""Robust standard deviations beyond which a point is left out."""
_OF_MEDIAN: Final = 1.4826
"""Makes the median of absolute deviations a standard deviation, where errors are normal."""
_SMALLEST: Final = 0.01
"""Of what is expected: so much is never far, as where half of the points are on a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Seconds of work for seconds of audio: `fixed + slope * audio`, none below 0.

    Attributes:
        fixed: seconds.
        slope: seconds for each second.
        kept: points that it was laid through.
        left_out: points that lay too far away.

    """

    fixed: float
    slope: float
    kept: int
    left_out: int


def fit(audio: Floats, seconds: Floats) -> Line:
    """Lay a line through points, least squares without those that lie far away.

    Which ones do is seen from the line whose slope is the median of all pairs' slopes, which up to
    29 % of wrong points cannot move far (Theil 1950; Sen 1968, doi:10.1080/01621459.1968.10480934).
    Recordings of one length alone cannot tell the fixed part: it is then 0.

    Args:
        audio: float64[n], n >= 1, seconds above 0.
        seconds: float64[n], of work.

    """
    fixed, slope = _median_line(audio, seconds)
    expected = fixed + slope * audio
    distances = np.abs(seconds - expected)
    spread = _OF_MEDIAN * float(np.median(distances))
    near = distances <= _FAR * np.maximum(spread, _SMALLEST * expected)
    fixed, slope = _least_squares(audio[near], seconds[near])
    kept = int(near.sum())
    return Line(fixed=fixed, slope=slope, kept=kept, left_out=len(audio) - kept)


def _median_line(audio: Floats, seconds: Floats) -> tuple[float, float]:
    every = max(1, -(-len(audio) // _MOST))
    x, y = audio[::every], seconds[::every]
    first, second = np.triu_indices(len(x), k=1)
    across = x[second] - x[first]
    apart = np.abs(across) > 1e-9 * x.max()
    if not apart.any():
        return 0.0, float(np.median(seconds / audio))
    slope = float(np.median((y[second] - y[first])[apart] / across[apart]))
    return float(np.median(seconds - slope * audio)), slope


def _least_squares(audio: Floats, seconds: Floats) -> tuple[float, float]:
    """Fixed part and slope, each at least 0."""
    middle = audio.mean()
    variance = float(((audio - middle) ** 2).sum())
    through_origin = float(audio @ seconds / (audio @ audio))
    if variance <= 1e-12 * float(audio @ audio):
        return 0.0, through_origin
    slope = float((audio - middle) @ (seconds - seconds.mean())) / variance
    fixed = float(seconds.mean() - slope * middle)
    if fixed < 0:
        return 0.0, through_origin
    if slope < 0:
        return float(seconds.mean()), 0.0
    return fixed, slope
