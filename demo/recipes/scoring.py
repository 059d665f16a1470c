"""How good a diarization pipeline is on conversations nobody has heard before."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
import torch
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from demo.recipes.pool import distinct
from demo.speech.conversations import Conversation, converse, fresh_speech, noise
from demo.speech.sentences import Split
from demo.speech.synthesis import SAMPLE_RATE, Samples
from demo.speech.voices import Voice

_SPEAKERS: Final = (2, 3, 4)
_SECONDS: Final = (60.0, 120.0)
_LEVELS: Final = (-80.0, -60.0, -45.0, -30.0, -15.0)
_COLOURS: Final = 7


@dataclass(frozen=True, slots=True)
class Score:
    """Errors over some conversations, as shares of all speech; no collar, overlap scored.

    Attributes:
        miss: speech without a speaker.
        false_alarm: speakers without speech.
        confusion: speech of someone else.
        counted: conversations with the right number of speakers.
        each: the error rate of every conversation.

    """

    miss: float
    false_alarm: float
    confusion: float
    counted: int
    each: tuple[float, ...]

    @property
    def error(self) -> float:
        """Diarization error rate over all conversations together."""
        return self.miss + self.false_alarm + self.confusion

    @property
    def mean(self) -> float:
        """Mean of the error rates of the conversations."""
        return float(np.mean(self.each))

    def as_json(self) -> dict[str, Any]:
        """Per cent with two digits, for the record."""
        return {
            "error": round(100 * self.error, 2),
            "mean_error": round(100 * self.mean, 2),
            "miss": round(100 * self.miss, 2),
            "false_alarm": round(100 * self.false_alarm, 2),
            "confusion": round(100 * self.confusion, 2),
            "right_speaker_count": f"{self.counted} of {len(self.each)}",
            "each": [round(100 * one, 1) for one in self.each],
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """A conversation as pyannote takes it, and who really spoke when."""

    file: dict[str, Any]
    reference: Annotation
    duration: float


def fresh_trials(voices: Sequence[Voice], *, count: int, split: Split, seed: int) -> list[Trial]:
    """Conversations of 2, 3 and 4 speakers in turn, 60 to 120 s, out of unheard sentences."""
    rng = Random(seed)
    speak = fresh_speech(split)
    return [
        trial(
            converse(
                distinct(voices, _SPEAKERS[number % len(_SPEAKERS)], rng),
                seconds=rng.uniform(*_SECONDS),
                speak=speak,
                rng=rng,
            )
        )
        for number in range(count)
    ]


def trial(talk: Conversation) -> Trial:
    """Make a trial of a conversation: its reference has one segment for each sentence."""
    reference = Annotation()
    for number, part in enumerate(talk.parts):
        reference[Segment(part.start, part.end), number] = part.speaker
    return Trial(as_file(talk.samples), reference, talk.duration)


def as_file(samples: Samples) -> dict[str, Any]:
    """Samples, float32 mono at 16 kHz, as pyannote takes audio that is in memory."""
    return {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE}


def score(pipeline: Any, trials: Sequence[Trial], **options: int) -> Score:  # noqa: ANN401
    """Diarize every trial, with options such as `num_speakers`, and add up the errors."""
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    counted, each = 0, []
    for one in trials:
        found = pipeline(one.file, **options).speaker_diarization
        uem = Timeline([Segment(0, one.duration)])
        each.append(float(metric(one.reference, found, uem=uem)))
        counted += len(found.labels()) == len(one.reference.labels())
    total = metric["total"]
    return Score(
        miss=metric["missed detection"] / total,
        false_alarm=metric["false alarm"] / total,
        confusion=metric["confusion"] / total,
        counted=counted,
        each=tuple(each),
    )


def processor_seconds(pipeline: Any, one: Trial) -> float:  # noqa: ANN401
    """Measure what a minute of audio costs on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    began = time.process_time()
    pipeline(one.file)
    spent = time.process_time() - began
    torch.set_num_threads(threads)
    return round(60 * spent / one.duration, 1)


def speech_in_nothing(pipeline: Any) -> dict[str, float]:  # noqa: ANN401
    """Count ten-second clips of silence and noise, those with speech in them, and its seconds."""
    rng, generator = Random(5), np.random.default_rng(5)
    count = 10 * SAMPLE_RATE
    clips = [np.zeros(count, dtype=np.float32)]
    for level in _LEVELS:
        white = generator.standard_normal(count) * 10 ** (level / 20)
        clips.append(white.clip(-1, 1).astype(np.float32))
        clips += [noise(count, level_db=level, rng=rng) for _ in range(_COLOURS)]
    found = [
        pipeline(as_file(clip)).speaker_diarization.get_timeline().duration() for clip in clips
    ]
    return {
        "clips": len(clips),
        "with_speech": sum(seconds > 0 for seconds in found),
        "seconds_of_speech": round(float(sum(found)), 2),
    }
