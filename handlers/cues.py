"""Segments -> cues of subtitles that can be read in the time they are shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Final
from unicodedata import category

from handlers.sentences import break_up
from handlers.timeline import Segment, Transcript, Word

# Common ground of broadcasters' guides: two lines of 42 characters, one to seven seconds.
_LINE_CHARS: Final = 42
_MAX_SECONDS: Final = 7.0
_MIN_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 0.2
"""Where the next cue leaves no second: it waits until this one could be noticed."""
_JOIN_GAP: Final = 0.5
"""Longest pause, in seconds, over which a cue too short to read joins its neighbour."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once: seconds on a grid of milliseconds, one or two lines."""

    start: float
    end: float
    speaker: str | None
    lines: tuple[str, ...]


def build_cues(transcript: Transcript, *, prefixed: bool = False) -> tuple[Cue, ...]:
    """Cut a transcript into cues.

    Cues ascend, never overlap and always last. A cue has at most two lines of 42 characters and
    7 s, unless a single word is longer; it is shown for at least a second where the next cue
    allows it. Every token of the text is in one cue, in order.

    Args:
        transcript: segments without words are spread evenly over their time.
        prefixed: put `SPEAKER: ` before the text.

    """

    def lines(speaker: str | None, words: Sequence[Word]) -> tuple[str, ...]:
        prefix = [f"{clean(speaker)}:"] if prefixed and speaker else []
        return _two_lines([*prefix, *_tokens(words)])

    def fits(speaker: str | None, words: Sequence[Word]) -> bool:
        return words[-1].end - words[0].start <= _MAX_SECONDS and all(
            len(line) <= _LINE_CHARS for line in lines(speaker, words)
        )

    groups: list[tuple[str | None, Sequence[Word]]] = []
    for segment in sorted(transcript.segments, key=lambda segment: segment.start):
        speaker = segment.speaker
        for part in break_up(_words(segment), partial(fits, speaker)):
            if not _tokens(part):
                continue
            if groups and groups[-1][0] == speaker and _may_join(groups[-1][1], part):
                joined = (*groups[-1][1], *part)
                if fits(speaker, joined):
                    groups[-1] = (speaker, joined)
                    continue
            groups.append((speaker, part))
    times = _times([words for _, words in groups])
    return tuple(
        Cue(start / 1000, end / 1000, speaker, lines(speaker, words))
        for (speaker, words), (start, end) in zip(groups, times, strict=True)
    )


def clean(text: str) -> str:
    """One line: whitespace collapsed, control characters gone; marks of direction stay."""
    tokens = ("".join(c for c in token if category(c) != "Cc") for token in text.split())
    return " ".join(filter(None, tokens))


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never negative."""
    return max(round(seconds * 1000), 0)


def _words(segment: Segment) -> Sequence[Word]:
    if segment.words:
        return segment.words
    tokens = segment.text.split()
    lengths = [0, *accumulate(len(token) + 1 for token in tokens)]
    pace = (segment.end - segment.start) / max(lengths[-1], 1)
    return [
        Word(token, segment.start + pace * first, segment.start + pace * last)
        for token, (first, last) in zip(tokens, pairwise(lengths), strict=True)
    ]


def _tokens(words: Iterable[Word]) -> list[str]:
    return clean(" ".join(word.text for word in words)).split()


def _may_join(before: Sequence[Word], after: Sequence[Word]) -> bool:
    short = min(part[-1].end - part[0].start for part in (before, after)) < _MIN_SECONDS
    return short and after[0].start - before[-1].end <= _JOIN_GAP


def _two_lines(tokens: Sequence[str]) -> tuple[str, ...]:
    """One line if it fits, else two of nearly the same length."""
    text = " ".join(tokens)
    if len(text) <= _LINE_CHARS or len(tokens) == 1:
        return (text,)
    *breaks, _ = accumulate(tokens, lambda length, token: length + 1 + len(token), initial=-1)
    middle = min(breaks[1:], key=lambda at: max(at, len(text) - at - 1))
    return text[:middle], text[middle + 1 :]


def _times(groups: Sequence[Sequence[Word]]) -> Iterator[tuple[int, int]]:
    starts = [milliseconds(words[0].start) for words in groups]
    free = 0
    for index, words in enumerate(groups):
        start = max(starts[index], free)
        end = max(milliseconds(words[-1].end), start + milliseconds(_MIN_SECONDS))
        end = min(end, start + milliseconds(_MAX_SECONDS), *starts[index + 1 : index + 2])
        free = max(end, start + milliseconds(_LEAST_SECONDS))
        yield start, free
