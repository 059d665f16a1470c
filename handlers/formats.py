"""A transcript as text: JSON for programs, subtitles for players, RTTM and CTM for scoring."""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from html import escape
from itertools import groupby
from math import isfinite
from typing import Any, Final, Literal, get_args

from handlers.cues import build_cues, clean, milliseconds
from handlers.timeline import Segment, Transcript, Turn, Word

Format = Literal["json", "diarized_json", "srt", "vtt", "rttm", "ctm", "txt"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_PARAGRAPH_SECONDS: Final = 60.0
"""A speaker who talks on gets a new paragraph at the first segment that ends after this."""


def render(
    transcript: Transcript,
    formats: Iterable[Format],
    *,
    name: str = "audio",
    duration: float | None = None,
) -> dict[Format, str]:
    """Write a transcript in several formats: one text each, in the order asked for.

    Args:
        transcript: what to write.
        formats: which.
        name: what RTTM and CTM call the recording.
        duration: seconds of audio for `diarized_json`; by default up to the last word.

    """
    writers: dict[Format, Callable[[Transcript], str]] = {
        "json": to_json,
        "diarized_json": partial(to_diarized_json, duration=duration),
        "srt": to_srt,
        "vtt": to_vtt,
        "rttm": partial(to_rttm, name=name),
        "ctm": partial(to_ctm, name=name),
        "txt": to_txt,
    }
    return {wanted: writers[wanted](transcript) for wanted in formats}


def to_json(transcript: Transcript) -> str:
    """Everything that is known, as `to_dict` puts it."""
    return _dumps(to_dict(transcript))


def to_dict(transcript: Transcript) -> dict[str, Any]:
    """Everything that is known, ready for JSON.

    Keys come in a fixed order. Times have milliseconds; a confidence that is no number is None.
    """
    return {
        "text": transcript.text,
        "speakers": [
            {
                "label": speaker.label,
                "seconds": round(speaker.seconds, 3),
                "segments": speaker.segments,
            }
            for speaker in transcript.speakers
        ],
        "segments": [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "speaker": segment.speaker,
                "text": segment.text,
                "words": [_word(word) for word in segment.words],
            }
            for segment in transcript.segments
        ],
        "turns": [
            {"start": round(turn.start, 3), "end": round(turn.end, 3), "speaker": turn.speaker}
            for turn in transcript.turns
        ],
    }


def to_diarized_json(transcript: Transcript, *, duration: float | None = None) -> str:
    """Write the shape of OpenAI's `diarized_json` response, for clients written for that.

    Labels stay as they are, where OpenAI counts A, B, C; `unknown` stands for no speaker.
    """
    if duration is None:
        duration = max((segment.end for segment in transcript.segments), default=0.0)
    return _dumps(
        {
            "task": "transcribe",
            "duration": round(duration, 3),
            "text": transcript.text,
            "segments": [
                {
                    "type": "transcript.text.segment",
                    "id": f"seg_{number:03d}",
                    "start": round(segment.start, 3),
                    "end": round(segment.end, 3),
                    "speaker": segment.speaker or "unknown",
                    "text": segment.text,
                }
                for number, segment in enumerate(transcript.segments)
            ],
        }
    )


def to_srt(transcript: Transcript) -> str:
    """SubRip, each cue beginning with `SPEAKER: `. SubRip escapes nothing, and nor does this."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, mark=',')} --> {_clock(cue.end, mark=',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(build_cues(transcript, prefixed=True), 1)
    )


def to_vtt(transcript: Transcript) -> str:
    """WebVTT, the speaker as the voice of each cue (https://www.w3.org/TR/webvtt1/)."""
    blocks = ["WEBVTT\n"]
    for cue in build_cues(transcript):
        voice = f"<v {_markup(clean(cue.speaker))}>" if cue.speaker else ""
        text = "".join(f"{_markup(line)}\n" for line in cue.lines)
        blocks.append(f"{_clock(cue.start)} --> {_clock(cue.end)}\n{voice}{text}")
    return "\n".join(blocks)


def to_rttm(transcript: Transcript, *, name: str = "audio") -> str:
    """NIST's Rich Transcription Time Marked: who speaks when, overlaps included.

    Ten fields, of which onset, duration and speaker vary. Written from the turns; where there are
    none, from the segments that have a speaker. What lasts less than half a millisecond is left
    out.
    """
    turns = transcript.turns or tuple(
        Turn(segment.start, segment.end, segment.speaker)
        for segment in transcript.segments
        if segment.speaker is not None
    )
    return "".join(
        f"SPEAKER {_field(name)} 1 {onset} {length} <NA> <NA> {_field(turn.speaker)} <NA> <NA>\n"
        for turn in turns
        for onset, length in [_onset_and_length(turn)]
        if length != "0.000"
    )


def to_ctm(transcript: Transcript, *, name: str = "audio") -> str:
    """NIST's time-marked conversation: recording, channel, onset, duration, word, confidence.

    Words come by their start, as scoring tools expect. Whitespace inside a word becomes `_`, a
    word that is nothing else is left out, and so is a confidence that is not known.
    """
    lines = []
    for word in sorted(transcript.words, key=lambda word: word.start):
        text = clean(word.text).replace(" ", "_")
        confidence = _share(word.confidence)
        if text:
            fields = [_field(name), "1", *_onset_and_length(word), text]
            fields += [] if confidence is None else [f"{confidence:.3f}"]
            lines.append(" ".join(fields) + "\n")
    return "".join(lines)


def to_txt(transcript: Transcript) -> str:
    """For reading: one paragraph, one line, for as long as one speaker talks."""
    return "".join(
        f"[{_clock(said[0].start, digits=2)} - {_clock(said[-1].end, digits=2)}] "
        + (f"{clean(speaker)}: " if speaker else "")
        + " ".join(clean(segment.text) for segment in said)
        + "\n"
        for speaker, said in _paragraphs(
            segment for segment in transcript.segments if clean(segment.text)
        )
    )


def _paragraphs(segments: Iterable[Segment]) -> Iterable[tuple[str | None, list[Segment]]]:
    for speaker, run in groupby(segments, key=lambda segment: segment.speaker):
        said: list[Segment] = []
        for segment in run:
            if said and segment.end - said[0].start > _PARAGRAPH_SECONDS:
                yield speaker, said
                said = []
            said.append(segment)
        yield speaker, said


def _word(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": _share(word.confidence),
        "speaker": word.speaker,
        "speaker_confidence": _share(word.speaker_confidence),
        "overlap": word.overlap,
    }


def _share(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else round(value, 3)


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _markup(text: str) -> str:
    """Escape what WebVTT reads: `&`, `<` and `>`, and with it the arrow of a cue's times."""
    return escape(text, quote=False)


def _field(text: str) -> str:
    """One field of a line that whitespace divides, safe as the name of a file too."""
    return re.sub(r"[^\w.-]+", "_", text) or "_"


def _onset_and_length(stretch: Turn | Word) -> tuple[str, str]:
    """Round both ends, not the duration: stretches that touch still touch when they are read."""
    start, end = milliseconds(stretch.start), milliseconds(stretch.end)
    return f"{start / 1000:.3f}", f"{max(end - start, 0) / 1000:.3f}"


def _clock(seconds: float, *, mark: str = ".", digits: int = 3) -> str:
    """Hours may have more than two digits."""
    whole, part = divmod(round(max(seconds, 0.0) * 10**digits), 10**digits)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{mark}{part:0{digits}d}"
