"""Words with speakers -> the transcript: segments, speakers, and their names."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from math import fsum

from handlers.alignment import assign_speakers, clamp_durations
from handlers.sentences import break_up, sentences
from handlers.timeline import Diarization, Segment, Speaker, Transcript, Turn, Word
from handlers.turns import tidy


def build_transcript(
    words: Sequence[Word],
    diarization: Diarization | None = None,
    *,
    max_gap: float = 1.0,
    max_seconds: float = 20.0,
    max_chars: int = 250,
) -> Transcript:
    """Put together what the two engines found: the pure half of a job.

    Without a diarization the words keep the speakers they have, None or the name of a channel.

    Args:
        words: what was said.
        diarization: who speaks when.
        max_gap: see `build_segments`.
        max_seconds: see `build_segments`.
        max_chars: see `build_segments`.

    """
    if diarization is None:
        turns: tuple[Turn, ...] = ()
        words = clamp_durations(words)
    else:
        turns = diarization.turns
        words = assign_speakers(words, diarization)
    segments = build_segments(words, max_gap=max_gap, max_seconds=max_seconds, max_chars=max_chars)
    return Transcript(segments, summarise_speakers(segments, turns), turns)


def build_segments(
    words: Sequence[Word],
    *,
    max_gap: float = 1.0,
    max_seconds: float = 20.0,
    max_chars: int = 250,
) -> tuple[Segment, ...]:
    """Cut words into segments of one speaker, about a sentence each.

    Every word is in exactly one segment, and they stay in order. Only a single word may exceed the
    two limits.

    Args:
        words: ordered by start, speakers assigned.
        max_gap: pause in seconds after which a new segment starts.
        max_seconds: longest segment. A longer sentence is halved at a comma or a pause.
        max_chars: longest text, as above.

    """

    def fits(part: Sequence[Word]) -> bool:
        return part[-1].end - part[0].start <= max_seconds and len(_text(part)) <= max_chars

    segments: list[Segment] = []
    for _, run in groupby(words, key=lambda word: word.speaker):
        said = tuple(run)
        for sentence in sentences(said, max_gap=max_gap):
            segments.extend(map(_segment, break_up(said[sentence.start : sentence.stop], fits)))
    return tuple(segments)


def summarise_speakers(
    segments: Iterable[Segment], turns: Iterable[Turn] = ()
) -> tuple[Speaker, ...]:
    """List the speakers by first appearance.

    A speaker lasts as long as their turns, or as their segments where they have no turn: in
    seconds, to the millisecond, and what overlaps counts once. A speaker of whom no word was
    understood has no segments.
    """
    named = [(segment, segment.speaker) for segment in segments if segment.speaker is not None]
    said = _by_speaker(Turn(segment.start, segment.end, speaker) for segment, speaker in named)
    stretches = said | _by_speaker(turns)
    seconds = {
        label: round(fsum(turn.duration for turn in tidy(own)), 3)
        for label, own in stretches.items()
    }
    counts = Counter(speaker for _, speaker in named)
    first_heard = sorted(stretches, key=lambda label: (min(stretches[label]).start, label))
    return tuple(Speaker(label, seconds[label], counts[label]) for label in first_heard)


def relabel(diarization: Diarization) -> Diarization:
    """Call the speakers SPEAKER_00, SPEAKER_01 and so on, in the order in which they first speak.

    The names do not depend on the order of the turns given. Embeddings follow their speakers; a
    speaker without turns comes last. Turns come back in order.
    """
    heard = sorted(
        (*diarization.turns, *diarization.exclusive), key=lambda turn: (turn.start, turn.speaker)
    )
    labels = dict.fromkeys([turn.speaker for turn in heard] + sorted(diarization.embeddings))
    names = {label: f"SPEAKER_{number:02d}" for number, label in enumerate(labels)}

    def renamed(turns: Iterable[Turn]) -> tuple[Turn, ...]:
        return tuple(sorted(replace(turn, speaker=names[turn.speaker]) for turn in turns))

    return Diarization(
        turns=renamed(diarization.turns),
        exclusive=renamed(diarization.exclusive),
        embeddings={
            name: diarization.embeddings[label]
            for label, name in names.items()
            if label in diarization.embeddings
        },
    )


def _by_speaker(turns: Iterable[Turn]) -> dict[str, list[Turn]]:
    grouped: dict[str, list[Turn]] = {}
    for turn in turns:
        grouped.setdefault(turn.speaker, []).append(turn)
    return grouped


def _segment(words: Sequence[Word]) -> Segment:
    return Segment(
        start=min(word.start for word in words),
        end=max(word.end for word in words),
        text=_text(words),
        speaker=words[0].speaker,
        words=tuple(words),
    )


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
