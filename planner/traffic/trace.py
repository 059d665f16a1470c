"""Requests as they came: when, with how much audio, by whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = -1
"""The user of a request of whom nobody says whose it is."""
DAY_SECONDS: Final = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """The requests of one span of time.

    The arrays are kept as they come where their dtype fits, and cannot be written to.

    Attributes:
        start: time 0, which knows its zone and is told in UTC.
        seconds: float64[n], of each arrival since `start`; ascending, none below 0.
        audio_seconds: float64[n], each above 0.
        users: int32[n], each an index into `names`, or `UNKNOWN`.
        names: of users.
        span: seconds that were observed, from `start`; what a month is scaled from.

    Raises:
        ValueError: the parts do not fit each other.

    """

    start: datetime
    seconds: NDArray[np.float64]
    audio_seconds: NDArray[np.float64]
    users: NDArray[np.int32]
    names: tuple[str, ...]
    span: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", _fixed(self.seconds, np.float64))
        object.__setattr__(self, "audio_seconds", _fixed(self.audio_seconds, np.float64))
        object.__setattr__(self, "users", _fixed(self.users, np.int32))
        for problem in _problems(self):
            message = f"this is no trace: {problem}"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def days(self) -> float:
        """Days that were observed."""
        return self.span / DAY_SECONDS

    @property
    def end(self) -> datetime:
        """When the observation ended."""
        return self.start + timedelta(seconds=self.span)


def window(trace: Trace, *, since: datetime | None, until: datetime | None) -> Trace:
    """The requests of a stated time, which is what was observed then.

    Args:
        trace: of some time.
        since: the first moment, aware; None: the trace's own.
        until: the moment after the last, aware; None: the trace's own.

    Raises:
        ValueError: it ends before it begins.

    """
    begins = trace.start if since is None else since.astimezone(UTC)
    ends = trace.end if until is None else until.astimezone(UTC)
    if ends <= begins:
        message = f"{ends.isoformat()} is not after {begins.isoformat()}"
        raise ValueError(message)
    moved = trace.seconds - (begins - trace.start).total_seconds()
    span = (ends - begins).total_seconds()
    # the last request of a trace may lie at its very end
    kept = (moved >= 0) & ((moved <= span) if until is None else (moved < span))
    return Trace(
        start=begins,
        seconds=moved[kept],
        audio_seconds=trace.audio_seconds[kept],
        users=trace.users[kept],
        names=trace.names,
        span=span,
    )


def _fixed(values: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    view = np.ascontiguousarray(values, dtype=dtype).view()
    view.flags.writeable = False
    return view


def _problems(trace: Trace) -> Iterator[str]:
    """What is wrong with a trace, as ends of a sentence; each holds if those before it do not."""
    seconds, audio, users = trace.seconds, trace.audio_seconds, trace.users
    if seconds.ndim != 1 or not (seconds.shape == audio.shape == users.shape):
        yield "its arrays differ in length"
    if trace.start.utcoffset() != timedelta(0):
        yield "its start is not told in UTC"
    if not (np.isfinite(trace.span) and trace.span >= 0):
        yield "its span is no length of time"
    if len(seconds):
        if not (np.isfinite(seconds).all() and seconds[0] >= 0 and (np.diff(seconds) >= 0).all()):
            yield "its arrivals do not ascend from 0"
        if seconds[-1] > trace.span:
            yield "an arrival lies beyond its span"
        if not (np.isfinite(audio).all() and audio.min() > 0):
            yield "a request has no audio"
        if users.min() < UNKNOWN or users.max() >= len(trace.names):
            yield "a user has no name"
