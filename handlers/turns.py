"""Who speaks when, as sets of stretches of time."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from math import isfinite

from handlers.timeline import Turn


def tidy(turns: Iterable[Turn]) -> list[Turn]:
    """Say the same with disjoint turns per speaker, ordered by start, none of them empty.

    Turns of one speaker that overlap or touch become one; turns of different speakers stay apart.

    Raises:
        ValueError: a time is NaN or infinite.

    """
    joined: dict[str, list[Turn]] = {}
    for turn in sorted(map(_finite, turns)):
        own = joined.setdefault(turn.speaker, [])
        if own and turn.start <= own[-1].end:
            own[-1] = replace(own[-1], end=max(own[-1].end, turn.end))
        elif turn.start < turn.end:
            own.append(turn)
    return sorted(chain.from_iterable(joined.values()))


def overlapped(turns: Iterable[Turn]) -> list[tuple[float, float]]:
    """Find where two or more speakers speak: disjoint stretches, ordered."""
    # At one instant an end (-1) comes before a start (+1): turns that only touch do not overlap.
    changes = sorted(change for turn in tidy(turns) for change in ((turn.start, 1), (turn.end, -1)))
    stretches: list[tuple[float, float]] = []
    speaking, since = 0, 0.0
    for moment, change in changes:
        if (speaking, change) == (1, 1):
            since = moment
        elif (speaking, change) == (2, -1):
            stretches.append((since, moment))
        speaking += change
    return stretches


def _finite(turn: Turn) -> Turn:
    if not (isfinite(turn.start) and isfinite(turn.end)):
        msg = f"A turn of {turn.speaker} lasts from {turn.start} to {turn.end}: not times."
        raise ValueError(msg)
    return turn
