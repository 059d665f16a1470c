"""The same traffic, more or less of it."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.traffic.trace import Trace

_WEEK: Final = 7 * 86400.0
_NEAR: Final = 1800.0
"""Seconds by which a copy is moved at most, beside whole weeks."""


def scaled(trace: Trace, factor: float, *, seed: int = 0) -> Trace:
    """Make a trace of `factor` times as many requests, at the same hours of the week.

    Fewer: each request stays with the probability `factor`. More: others like these come too, each
    copy moved by whole weeks, around the end, where there is more than one, and by up to half an
    hour; so bursts stay bursts, and two of one hour meet by chance alone. The last copy is thinned
    as above.

    Args:
        trace: what is scaled.
        factor: above 0.
        seed: of what is drawn.

    """
    random = np.random.default_rng(seed)
    whole = int(factor)
    parts = [_copy(trace, number, random) for number in range(whole)]
    rest = factor - whole
    if rest > 0:
        drawn = random.random(len(trace)) < rest
        parts.append(tuple(column[drawn] for column in _copy(trace, whole, random)))
    seconds, audio, users = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(seconds, kind="stable")
    return Trace(
        start=trace.start,
        seconds=seconds[order],
        audio_seconds=audio[order],
        users=users[order],
        names=trace.names,
        span=trace.span,
    )


_Columns = tuple[NDArray[Any], ...]


def _copy(trace: Trace, number: int, random: np.random.Generator) -> _Columns:
    """Arrivals, audio and users; copy 0 is the trace itself."""
    weeks = int(trace.span // _WEEK)
    if not number:
        return trace.seconds, trace.audio_seconds, trace.users
    seconds = trace.seconds
    if weeks > 1:
        # only within whole weeks, so that hours and weekdays stay what they are
        moved = (number % weeks or int(random.integers(1, weeks))) * _WEEK
        around = weeks * _WEEK
        seconds = np.where(seconds < around, (seconds + moved) % around, seconds)
    seconds = seconds + random.uniform(-_NEAR, _NEAR)
    return seconds % trace.span, trace.audio_seconds, trace.users
