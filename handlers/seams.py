"""Join the words of windows that overlap: each word once, in order."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from handlers.timeline import Word

TOLERANCE: Final = 0.24
"""Seconds by which two windows may differ about the time of one word: three frames."""

_SAME_WORD: Final = 4.0
_SAME_PLACE: Final = 1.0

Pair = tuple[Word | None, Word | None]


def join(parts: Iterable[tuple[float, Sequence[Word]]], *, reach: float) -> list[Word]:
    """Join the words of windows that follow each other.

    Near a seam both windows hear the same words. These are aligned, in order, by their texts and
    times, and of two that stand for one word the one stays whose window hears more around it:
    the left window's before the seam, the right one's after it. A word that only one window has
    stays where that window is the better one, or about. So nothing is decided at a window's edge,
    where words are cut off and misheard.

    Others look for a common run or subsequence, and cut there (parakeet-mlx's `alignment.py`,
    NeMo's `chunking_utils.py`); an alignment needs no such run, and keeps each side's words up to
    the seam.

    Args:
        parts: for each window where its words begin, in seconds, and what it heard, in order.
        reach: seconds beyond the seams that both windows hear, at most.

    Returns:
        In order; starts never step back.

    """
    words: list[Word] = []
    for seam, heard in parts:
        if not heard:
            continue  # nobody knows better there than the window before
        tail: list[Word] = []
        while words and words[-1].end >= seam - reach - TOLERANCE:
            tail.append(words.pop())
        count = next(
            (i for i, w in enumerate(heard) if w.start > seam + reach + TOLERANCE), len(heard)
        )
        for pair in _aligned(tail[::-1], heard[:count]):
            if word := _chosen(pair, seam):
                words.append(_not_before(word, words))
        words += heard[count:]
    return words


def _chosen(pair: Pair, seam: float) -> Word | None:
    left, right = pair
    if left and right:
        return left if _middle(left) + _middle(right) < 2 * seam else right
    if left:
        return left if _middle(left) < seam + TOLERANCE else None
    return right if right and _middle(right) >= seam - TOLERANCE else None


def _not_before(word: Word, words: Sequence[Word]) -> Word:
    if words and word.start < words[-1].start:
        start = words[-1].start
        return replace(word, start=start, end=max(start, word.end))
    return word


def _aligned(left: Sequence[Word], right: Sequence[Word]) -> list[Pair]:
    """Pair words that stand for one, with the most likeness in all; the rest stays alone."""
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    likeness = [[_likeness(a, b) for b in right] for a in left]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            both = best[i + 1][j + 1] + likeness[i][j] if likeness[i][j] else 0.0
            best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
    pairs: list[Pair] = []
    i = j = 0
    while i < len(left) and j < len(right):
        like = likeness[i][j]
        if like and best[i][j] == best[i + 1][j + 1] + like:
            pairs.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j] and (
            best[i][j] != best[i][j + 1] or left[i].start <= right[j].start
        ):
            pairs.append((left[i], None))
            i += 1
        else:
            pairs.append((None, right[j]))
            j += 1
    return pairs + [(word, None) for word in left[i:]] + [(None, word) for word in right[j:]]


def _likeness(one: Word, other: Word) -> float:
    """How much two words seem to be one; 0 where they cannot be."""
    apart = abs(one.start - other.start)
    near = 1 - apart / (2 * TOLERANCE)
    if apart <= TOLERANCE and _letters(one) == _letters(other):
        return _SAME_WORD + near
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    if shared > 0 and shared > shorter / 2:
        return _SAME_PLACE + max(0.0, near)
    return 0.0


def _letters(word: Word) -> str:
    return "".join(letter for letter in word.text.casefold() if letter.isalnum()) or word.text


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2
