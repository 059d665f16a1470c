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

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, compress, count, zip_longest
from math import inf, isfinite
from operator import gt
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

_NEVER: Final = Turn(inf, inf, "")
"""After the last turn."""


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
    order = sorted(range(len(words)), key=[word.start for word in words].__getitem__)
    timed: Sequence[Word] = clamp_durations(list(map(words.__getitem__, order)))
    turns = tidy(diarization.exclusive) or tidy(diarization.turns)
    if turns:
        starts, ends = _heard(timed)
        labels, shares = _sweep_speakers(timed, starts, ends, turns)
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
        overlaps = _sweep_overlaps(starts, ends, diarization.turns)
        crowded = {at for at, share in overlaps.items() if share >= overlap_share and share > 0}
        timed = [
            Word(
                word.text,
                word.start,
                word.end,
                word.confidence,
                label,
                share.get(label, 0.0),
                at in crowded,
            )
            for at, word, label, share in zip(count(), timed, labels, shares, strict=False)
        ]
    back = sorted(range(len(order)), key=order.__getitem__)
    return tuple(map(timed.__getitem__, back))


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
    starts = [word.start for word in words]
    ends = [
        word.end if 0 <= word.end - word.start < _AT_ONCE else _latest_end(word) for word in words
    ]
    for at in compress(count(), map(gt, ends, starts[1:])):
        if starts[at] <= starts[at + 1]:
            ends[at] = starts[at + 1]
    return tuple(
        [
            word if word.end == end else _ending(word, end)
            for word, end in zip(words, ends, strict=True)
        ]
    )


def _ending(word: Word, end: float) -> Word:
    # in order: `replace` takes five times as long
    return Word(
        word.text,
        word.start,
        end,
        word.confidence,
        word.speaker,
        word.speaker_confidence,
        word.overlap,
    )


def _latest_end(word: Word) -> float:
    if not (isfinite(word.start) and isfinite(word.end)):
        msg = f"The word {word.text!r} lasts from {word.start} to {word.end}: not times."
        raise ValueError(msg)
    return min(max(word.start, word.end), round(word.start + _slowest(word.text), 3))


def _slowest(text: str) -> float:
    digits = sum(char.isdecimal() or char >= _FIRST_WIDE_SCRIPT for char in text)
    letters = sum(char.isalpha() and char < _FIRST_WIDE_SCRIPT for char in text)
    return _SECONDS_PER_WORD + _SECONDS_PER_DIGIT * digits + _SECONDS_PER_LETTER * letters


def _heard(words: Sequence[Word]) -> tuple[list[float], list[float]]:
    """Starts and ends of clamped words, as they are compared with turns: both ascend."""
    starts = [word.start for word in words]
    ends = [word.end if word.end > (least := word.start + _INSTANT) else least for word in words]
    return starts, ends


def _sweep_speakers(
    words: Sequence[Word], starts: Sequence[float], ends: Sequence[float], turns: Sequence[Turn]
) -> tuple[list[str], list[Shares]]:
    whole: dict[str, Shares] = {turn.speaker: {turn.speaker: 1.0} for turn in turns}
    labels = [""] * len(words)
    shares: list[Shares] = [{}] * len(words)
    parts: dict[int, dict[str, float]] = {}
    latest = -inf
    for turn, after in zip_longest(turns, turns[1:], fillvalue=_NEVER):
        speaker, begin, finish = turn.speaker, turn.start, turn.end
        touched = _touched(starts, ends, begin, finish)
        # but for the rims, nearly all words that a turn touches lie in it, and in no other
        since, until = max(begin, latest), min(finish, after.start)
        first, last = touched.start, touched.stop
        while first < last and starts[first] < since:
            first += 1
        while first < last and until < ends[last - 1]:
            last -= 1
        labels[first:last] = [speaker] * (last - first)
        shares[first:last] = [whole[speaker]] * (last - first)
        for at in chain(range(touched.start, first), range(last, touched.stop)):
            share = parts.setdefault(at, {})
            part = _share(starts[at], ends[at], begin, finish)
            share[speaker] = share.get(speaker, 0.0) + part
        latest = max(latest, finish)
    for at, share in parts.items():
        for speaker, part in share.items():
            # Rounding makes a tie a tie: sums of the same seconds differ in their last bits.
            share[speaker] = round(min(part, 1.0), 6)
        labels[at] = max(share, key=share.__getitem__)
        shares[at] = share
    _fill_gaps(labels, shares, words, ends, turns)
    return labels, shares


def _fill_gaps(
    labels: list[str],
    shares: Sequence[Shares],
    words: Sequence[Word],
    ends: Sequence[float],
    turns: Sequence[Turn],
) -> None:
    """Label the words that no turn touches."""
    begins = [turn.start for turn in turns]
    last_to_end = list(accumulate(turns, _later))
    for at in (at for at, share in enumerate(shares) if not share):
        after = bisect_left(begins, ends[at])
        beside = (*last_to_end[max(after - 1, 0) : after], *turns[after : after + 1])
        labels[at] = _nearest(words[at], beside).speaker


def _later(one: Turn, other: Turn) -> Turn:
    """The turn that ends later; the first of two that end at once."""
    return other if other.end > one.end else one


def _nearest(word: Word, turns: Iterable[Turn]) -> Turn:
    return min(turns, key=lambda turn: round(max(turn.start - word.end, word.start - turn.end), 6))


def _sweep_overlaps(
    starts: Sequence[float], ends: Sequence[float], turns: Sequence[Turn]
) -> dict[int, float]:
    """The share of a word in which two speakers speak, for each word where there is any."""
    shares: dict[int, float] = {}
    for begin, finish in overlapped(turns):
        for at in _touched(starts, ends, begin, finish):
            part = _share(starts[at], ends[at], begin, finish)
            shares[at] = shares.get(at, 0.0) + part
    return {at: round(share, 6) for at, share in shares.items()}


def _touched(starts: Sequence[float], ends: Sequence[float], begin: float, finish: float) -> range:
    """The words that lie in a stretch of time, were it for a part."""
    return range(bisect_right(ends, begin), bisect_left(starts, finish))


def _share(start: float, end: float, begin: float, finish: float) -> float:
    """Of a word, how much lies in a stretch of time that touches it."""
    return (min(end, finish) - max(start, begin)) / (end - start)
