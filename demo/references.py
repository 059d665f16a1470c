"""What is truly said in a recording, and its files: a case to measure by.

A case named `talk` is five files in one folder:

    talk.flac         the recording: 16 kHz, one channel, 16 bits
    talk.rttm         who speaks when, a line for each sentence
    talk.seglst.json  who says what when, as MeetEval reads it, with the times of the words
    talk.ctm          which word when, without speakers
    talk.txt          the transcript for people

`talk.seglst.json` alone holds everything; the others are views of it. Times are seconds from the
start of the recording, kept to the millisecond.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import soundfile

from demo.speech.conversations import Conversation, Part
from demo.speech.synthesis import SAMPLE_RATE
from handlers.timeline import Segment, Turn, Word

_FULL_SCALE: Final = 32767
_RTTM_FIELDS: Final = 8


class CaseError(ValueError):
    """A folder does not hold the case that is asked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """The truth about one recording.

    Attributes:
        name: what its files are called.
        seconds: how long the recording is.
        segments: one for each sentence, ordered by start, each word with its speaker.

    """

    name: str
    seconds: float
    segments: tuple[Segment, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Who speaks when, a turn for each sentence, ordered by start."""
        return tuple(sorted(Turn(s.start, s.end, s.speaker or "") for s in self.segments))

    @property
    def words(self) -> tuple[Word, ...]:
        """Every word, ordered by start."""
        words = (word for segment in self.segments for word in segment.words)
        return tuple(sorted(words, key=lambda word: word.start))

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who speaks, by name."""
        return tuple(sorted({turn.speaker for turn in self.turns}))

    @property
    def overlap(self) -> float:
        """Seconds during which more than one speaks."""
        return sum(end - start for start, end in overlaps(self.turns))


class SegLst(TypedDict):
    """One segment as MeetEval's SegLST has it; `word_times` is an addition that it passes over."""

    session_id: str
    speaker: str
    start_time: float
    end_time: float
    words: str
    word_times: list[tuple[float, float]]


def segment_of(part: Part) -> Segment:
    """A part of a conversation as the segment that a perfect transcript has."""
    words = tuple(
        Word(word.text, round(word.start, 3), round(word.end, 3), speaker=part.speaker)
        for word in part.words
    )
    return Segment(
        round(part.start, 3), round(part.end, 3), part.utterance.text, part.speaker, words
    )


def case_of(name: str, conversation: Conversation) -> Case:
    """The truth about a conversation."""
    segments = tuple(segment_of(part) for part in conversation.parts)
    return Case(name, conversation.duration, segments)


def overlaps(turns: Sequence[Turn]) -> list[tuple[float, float]]:
    """Stretches, in seconds, during which two turns or more are open; they may touch."""
    edges = sorted([(t.start, 1) for t in turns] + [(t.end, -1) for t in turns])
    found, open_turns = [], 0
    for (start, change), (end, _) in pairwise(edges):
        open_turns += change
        if open_turns > 1 and end > start:
            found.append((start, end))
    return found


def rttm(case: Case) -> str:
    """Who speaks when, as RTTM."""
    lines = (
        f"SPEAKER {case.name} 1 {turn.start:.3f} {turn.duration:.3f} <NA> <NA> {turn.speaker} "
        "<NA> <NA>\n"
        for turn in case.turns
    )
    return "".join(lines)


def parse_rttm(text: str) -> tuple[Turn, ...]:
    """Turns of an RTTM file of one recording, ordered by start.

    Raises:
        CaseError: a line is no RTTM.

    """
    turns = []
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue  # comments, and the other kinds of lines that the format knows
        try:
            start, duration, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (ValueError, IndexError):
            message = f"{line!r} is no RTTM: at least {_RTTM_FIELDS} fields, times in seconds."
            raise CaseError(message) from None
        turns.append(Turn(start, round(start + duration, 6), speaker))
    return tuple(sorted(turns))


def ctm(case: Case) -> str:
    """Every word with its time, as CTM."""
    lines = (
        f"{case.name} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text}\n"
        for word in case.words
    )
    return "".join(lines)


def seglst(case: Case) -> list[SegLst]:
    """Who says what when, as MeetEval's SegLST."""
    return [
        {
            "session_id": case.name,
            "speaker": segment.speaker or "",
            "start_time": segment.start,
            "end_time": segment.end,
            "words": segment.text,
            "word_times": [(word.start, word.end) for word in segment.words],
        }
        for segment in case.segments
    ]


def text(case: Case) -> str:
    """The transcript for people, in lines such as `[00:01.20 - 00:03.45] anna: Yes.`, in order."""
    lines = (
        f"[{_clock(segment.start)} - {_clock(segment.end)}] {segment.speaker}: {segment.text}\n"
        for segment in case.segments
    )
    return "".join(lines)


def write_case(folder: Path, name: str, pieces: Iterable[Conversation]) -> Case:
    """Write a recording and its references, and return the truth about it.

    Args:
        folder: where to; made if it is not there.
        name: what the files are called.
        pieces: the conversation, whole or in pieces that follow each other; one is held at a time.

    """
    folder.mkdir(parents=True, exist_ok=True)
    segments: list[Segment] = []
    count = 0
    with soundfile.SoundFile(
        folder / f"{name}.flac", "w", SAMPLE_RATE, channels=1, subtype="PCM_16", format="FLAC"
    ) as recording:
        for piece in pieces:
            wave = np.round(np.clip(piece.samples, -1, 1) * _FULL_SCALE).astype(np.int16)
            recording.write(wave)
            count += len(wave)
            segments += map(segment_of, piece.parts)
    segments.sort(key=lambda segment: segment.start)
    case = Case(name, count / SAMPLE_RATE, tuple(segments))
    (folder / f"{name}.rttm").write_text(rttm(case))
    (folder / f"{name}.seglst.json").write_text(_one_per_line(seglst(case)))
    (folder / f"{name}.ctm").write_text(ctm(case))
    (folder / f"{name}.txt").write_text(text(case))
    return case


def read_case(folder: Path, name: str) -> Case:
    """The truth about a recording, from its files.

    Raises:
        CaseError: its files are not there, or not what `write_case` writes.

    """
    try:
        seconds = soundfile.info(folder / f"{name}.flac").duration
        rows = json.loads((folder / f"{name}.seglst.json").read_text())
        segments = tuple(_segment(row) for row in rows)
    except (OSError, soundfile.SoundFileError, ValueError, KeyError, TypeError) as error:
        message = f"{folder} holds no case named {name!r}: {error}"
        raise CaseError(message) from error
    return Case(name, seconds, segments)


def case_names(folder: Path) -> tuple[str, ...]:
    """The names of all cases in a folder, in order."""
    return tuple(sorted(path.name[: -len(".seglst.json")] for path in folder.glob("*.seglst.json")))


def _segment(row: SegLst) -> Segment:
    texts = re.findall(r"\S+", row["words"])
    speaker = row["speaker"]
    words = tuple(
        Word(spoken, start, end, speaker=speaker)
        for spoken, (start, end) in zip(texts, row["word_times"], strict=True)
    )
    return Segment(row["start_time"], row["end_time"], row["words"], speaker, words)


def _one_per_line(rows: Sequence[SegLst]) -> str:
    """JSON that a person can read and a diff can show."""
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n" if rows else "[]\n"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes:02}:{rest // 100:02}.{rest % 100:02}"
