"""Who speaks when, as sets of stretches of time."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, compress
from math import isfinite
from operator import attrgetter, lt
from typing import Final

from handlers.timeline import Turn

_START: Final = attrgetter("start")
_END: Final = attrgetter("end")


def tidy(turns: Iterable[Turn]) -> list[Turn]:
    """Say the same with disjoint turns per speaker, ordered by start, none of them empty.

    Turns of one speaker that overlap or touch become one; turns of different speakers stay apart.

    Raises:
        ValueError: a time is NaN or infinite.

    """
    joined: dict[str, list[Turn]] = {}
    for turn in sorted(map(_finite, turns), key=_START):
        own = joined.setdefault(turn.speaker, [])
        if own and turn.start <= own[-1].end:
            own[-1] = replace(own[-1], end=max(own[-1].end, turn.end))
        elif turn.start < turn.end:
            own.append(turn)
    # to sort by one number after the other takes a third of the time that comparing turns takes
    by_speaker = chain.from_iterable(joined[speaker] for speaker in sorted(joined))
    return sorted(sorted(by_speaker, key=_END), key=_START)


def overlapped(turns: Iterable[Turn]) -> list[tuple[float, float]]:
    """Find where two or more speakers speak: disjoint stretches, ordered."""
    alone = tidy(turns)
    starts = [turn.start for turn in alone]
    ends = sorted(turn.end for turn in alone)
    stretches: list[tuple[float, float]] = []
    # Two speak when more turns have begun, by two, than have ended: from the start of each turn to
    # the end that comes one place earlier among the ends, if that is later.
    for start, end in compress(zip(starts[1:], ends, strict=False), map(lt, starts[1:], ends)):
        if stretches and start < stretches[-1][1]:
            stretches[-1] = stretches[-1][0], end
        else:
            stretches.append((start, end))
    return stretches


def _finite(turn: Turn) -> Turn:
    if not (isfinite(turn.start) and isfinite(turn.end)):
        msg = f"A turn of {turn.speaker} lasts from {turn.start} to {turn.end}: not times."
        raise ValueError(msg)
    return turn
