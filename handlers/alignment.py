"""Words x turns -> words with speakers.

    clamp      a word ends where speech can have ended, not where the next one begins
    sweep      each word goes to the speaker whose exclusive turns hold most of it
    fill       a word in a gap goes to the turn with the nearest edge
    smooth     words that the turns do not decide follow the words around them
    mark       a word is overlapped where the regular turns of two speakers hold most of it

Exclusive turns hold one speaker at any time, so they say whom a transcriber that writes one stream
of words has heard; pyannote.audio publishes them for this use since 4.0. All steps together take
time in proportion to words and turns, once both are in order.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf, isfinite
from typing import Final

from handlers.smoothing import Shares, collapse_islands, settle_sentences
from handlers.timeline import Diarization, Turn, Word
from handlers.turns import overlapped, tidy

# A word with no duration still has to fall on one side of a turn's edge.
_INSTANT: Final = 0.001

# Unhurried speech has some 12 letters a second and numerals are read out: "1984" is four syllables.
# These bounds are about twice as slow, so only ends that run on into silence are cut.
_SECONDS_PER_WORD: Final = 0.75
_AT_ONCE: Final = _SECONDS_PER_WORD - 0.001
_SECONDS_PER_LETTER: Final = 0.1
_SECONDS_PER_DIGIT: Final = 0.4
_FIRST_WIDE_SCRIPT: Final = "\u2e80"


def assign_speakers(  # noqa: PLR0913 - each option is a documented knob of its own
    words: Sequence[Word],
    diarization: Diarization,
    *,
    overlap_share: float = 0.5,
    confident: float = 0.5,
    island_words: int = 3,
    island_seconds: float = 1.0,
    island_gap: float = 0.5,
    sentence_words: int = 50,
    sentence_gap: float = 1.0,
) -> tuple[Word, ...]:
    """Give each word its speaker.

    Words come back complete, in the order and with the text, start and confidence they had; an end
    may come earlier (`clamp_durations`). Words may come unsorted; turns too, and empty or
    overlapping. Without exclusive turns the regular ones decide, ties going to the turn that starts
    first. Without any turn the words keep whatever speaker they have, and that is None as a rule.

    `speaker_confidence` is the share of the word that lies in its speaker's turns. It is 0 for a
    word in a gap, and low for a word that smoothing has moved.

    Args:
        words: what was said.
        diarization: who speaks when.
        overlap_share: least share of a word during which two speakers speak, to call it overlapped.
        confident: share of a word in its speaker's turns from which on smoothing leaves it alone.
        island_words: most words that smoothing takes for an island; 0 turns it off.
        island_seconds: longest island, in seconds.
        island_gap: longest pause between an island and the words beside it, in seconds.
        sentence_words: longest sentence that may settle its own words by majority; 0 turns it off.
        sentence_gap: pause that ends a sentence without punctuation, in seconds.

    Raises:
        ValueError: a time is NaN or infinite.

    """
    order = sorted(range(len(words)), key=lambda index: words[index].start)
    timed: Sequence[Word] = clamp_durations([words[index] for index in order])
    turns = tidy(diarization.exclusive) or tidy(diarization.turns)
    if turns:
        labels, shares = _sweep_speakers(timed, turns)
        labels = collapse_islands(
            timed,
            labels,
            shares,
            max_words=island_words,
            max_seconds=island_seconds,
            max_gap=island_gap,
            confident=confident,
        )
        labels = settle_sentences(
            timed,
            labels,
            shares,
            max_words=sentence_words,
            max_gap=sentence_gap,
            confident=confident,
        )
        overlaps = _sweep_overlaps(timed, diarization.turns)
        timed = [
            Word(  # in order: `replace` takes five times as long
                word.text,
                word.start,
                word.end,
                word.confidence,
                label,
                share.get(label, 0.0),
                overlap > 0 and overlap >= overlap_share,
            )
            for word, label, share, overlap in zip(timed, labels, shares, overlaps, strict=True)
        ]
    placed = dict(zip(order, timed, strict=True))
    return tuple(placed[index] for index in range(len(words)))


def clamp_durations(words: Sequence[Word]) -> tuple[Word, ...]:
    """End each word where its speech can have ended.

    Transcribers let a word last until the next one begins, through any silence between them, and
    so into the turn of whoever answers. A word here lasts no longer than its text takes to say
    slowly, and never past the start of the word after it. Starts stay.

    Args:
        words: ordered by start.

    Raises:
        ValueError: a time is NaN or infinite.

    """
    ends = list(map(_latest_end, words))
    for index, (word, after) in enumerate(pairwise(words)):
        if word.start <= after.start < ends[index]:
            ends[index] = after.start
    return tuple(
        word if word.end == end else replace(word, end=end)
        for word, end in zip(words, ends, strict=True)
    )


def _latest_end(word: Word) -> float:
    if 0 <= word.end - word.start < _AT_ONCE:
        return word.end
    if not (isfinite(word.start) and isfinite(word.end)):
        msg = f"The word {word.text!r} lasts from {word.start} to {word.end}: not times."
        raise ValueError(msg)
    return min(max(word.start, word.end), round(word.start + _slowest(word.text), 3))


def _slowest(text: str) -> float:
    digits = sum(char.isdecimal() or char >= _FIRST_WIDE_SCRIPT for char in text)
    letters = sum(char.isalpha() and char < _FIRST_WIDE_SCRIPT for char in text)
    return _SECONDS_PER_WORD + _SECONDS_PER_DIGIT * digits + _SECONDS_PER_LETTER * letters


def _sweep_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> tuple[list[str], list[Shares]]:
    whole: dict[str, Shares] = {turn.speaker: {turn.speaker: 1.0} for turn in turns}
    labels: list[str] = []
    shares: list[Shares] = []
    for word, end, touching, beside in _sweep(words, turns):
        if len(touching) == 1 and touching[0].start <= word.start and end <= touching[0].end:
            label = touching[0].speaker
            share = whole[label]
        elif touching:
            share = _shares(word, end, touching)
            label = max(share, key=share.__getitem__)
        else:
            share = {}
            label = _nearest(word, beside).speaker
        labels.append(label)
        shares.append(share)
    return labels, shares


def _shares(word: Word, end: float, touching: Sequence[Turn]) -> dict[str, float]:
    share: dict[str, float] = {}
    for turn in touching:
        share[turn.speaker] = share.get(turn.speaker, 0.0) + _share(word, end, turn)
    # Rounding makes a tie a tie: sums of the same seconds differ in their last bits.
    return {speaker: round(min(part, 1.0), 6) for speaker, part in share.items()}


def _sweep_overlaps(words: Sequence[Word], turns: Sequence[Turn]) -> list[float]:
    """The share of each word in which two speakers speak."""
    shares = [0.0] * len(words)
    starts = [word.start for word in words]
    longest = max((_end(word) - word.start for word in words), default=0.0)
    for begin, end in overlapped(turns):
        both = Turn(begin, end, "")
        # of the words that start early enough, those that may last long enough
        for index in range(bisect_left(starts, begin - longest), bisect_left(starts, end)):
            last = _end(words[index])
            if begin < last:
                shares[index] += _share(words[index], last, both)
    return [round(share, 6) for share in shares]


_Beside = tuple[Turn | None, Turn | None]
"""The turn before a word, and the one after it."""
_NOBODY: Final[_Beside] = (None, None)


def _sweep(
    words: Sequence[Word], turns: Sequence[Turn]
) -> Iterator[tuple[Word, float, Sequence[Turn], _Beside]]:
    """Walk words and turns together, both ordered by start; there is a turn.

    Yields each word and its end with the turns that touch it and, where none does, those beside it.
    A turn is dropped as soon as it ends before a word, since all later words start later still.
    """
    active: list[Turn] = []
    before: Turn | None = None
    upcoming = 0
    soonest_start, soonest_end = turns[0].start, inf
    for word in words:
        start, end = word.start, _end(word)
        while soonest_start < end:
            active.append(turns[upcoming])
            soonest_end = min(soonest_end, turns[upcoming].end)
            upcoming += 1
            soonest_start = turns[upcoming].start if upcoming < len(turns) else inf
        if soonest_end <= start:
            over = [turn for turn in active if turn.end <= start]
            before = max((before, *over) if before else over, key=lambda turn: turn.end)
            active = [turn for turn in active if start < turn.end]
            soonest_end = min((turn.end for turn in active), default=inf)
        touching = [turn for turn in active if turn.start < end] if active else ()
        if touching:
            yield word, end, touching, _NOBODY
        else:
            after = active[0] if active else turns[upcoming] if upcoming < len(turns) else None
            yield word, end, touching, (before, after)


def _end(word: Word) -> float:
    return max(word.end, word.start + _INSTANT)


def _share(word: Word, end: float, turn: Turn) -> float:
    return (min(end, turn.end) - max(word.start, turn.start)) / (end - word.start)


def _nearest(word: Word, beside: _Beside) -> Turn:
    return min(
        (turn for turn in beside if turn),
        key=lambda turn: round(max(turn.start - word.end, word.start - turn.end), 6),
    )
