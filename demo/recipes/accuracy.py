"""How well a recogniser hears: word errors, invented words and word times, by condition."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

import kaldialign
import numpy as np

from demo.recipes.mixtures import speechless
from demo.recipes.recogniser import transcribe
from demo.speech.conversations import Manner, Part, converse, fresh_speech, noise
from demo.speech.sentences import Split
from demo.speech.synthesis import SAMPLE_RATE, Samples, SpokenWord
from demo.speech.voices import CAST, FURTHER, UNSEEN, Voice

APART: Final = Manner(overlap_share=0.0)
"""The default manner without overlap."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Float32 samples at 16 kHz, and the sentences in them, ordered by start."""

    samples: Samples
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one condition.

    Attributes:
        recordings: how many.
        seconds: how long they are together.
        words: how many words are said in them.
        wer: word errors per word, without case and punctuation.
        wer_as_written: the same with them.
        invented: words where nothing is said.
        start_error: mean absolute error of the start of correct words, in seconds.
        start_error_p95: its 95th percentile.
        end_error: mean absolute error of their end, in seconds.

    """

    recordings: int
    seconds: float
    words: int
    wer: float | None
    wer_as_written: float | None
    invented: int
    start_error: float | None
    start_error_p95: float | None
    end_error: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def conditions(split: Split, *, share: float = 1.0) -> Mapping[str, Sequence[Recording]]:
    """Recordings of every condition, always the same ones.

    Args:
        split: whose sentences are said.
        share: how many of the recordings to make, 1 for all.

    """

    def few(count: int) -> range:
        return range(max(round(count * share), 1))

    def talks(
        voices: Sequence[Voice], count: int, *, seconds: float, manner: Manner | None = None
    ) -> list[Recording]:
        recordings = []
        for seed in few(count):
            rng = Random(f"{split} {voices[0].label} {seconds} {seed}")
            company = rng.sample(voices, 2 + seed % 3)
            talk = converse(
                company, seconds=seconds, speak=fresh_speech(split), rng=rng, manner=manner
            )
            recordings.append(Recording(talk.samples, talk.parts))
        return recordings

    return {
        "cast, 60 s, overlap": talks(CAST, 12, seconds=60),
        "cast, 60 s, no overlap": talks(CAST, 12, seconds=60, manner=APART),
        "cast, 20 s, overlap": talks(CAST, 12, seconds=20),
        "further, 60 s, no overlap": talks(FURTHER, 8, seconds=60, manner=APART),
        "further, 60 s, overlap": talks(FURTHER, 8, seconds=60),
        "unseen, 60 s, no overlap": talks(UNSEEN, 8, seconds=60, manner=APART),
        "unseen, 60 s, overlap": talks(UNSEEN, 8, seconds=60),
        "cast, one sentence": [_alone(split, seed) for seed in few(40)],
        "no speech": [_nothing(seed) for seed in few(60)],
    }


def score(model: Any, recordings: Iterable[Recording]) -> Score:  # noqa: ANN401  # NeMo's model
    """Transcribe recordings one by one, and compare."""
    count = said = errors = errors_as_written = invented = 0
    seconds = 0.0
    starts: list[float] = []
    ends: list[float] = []
    for recording in recordings:
        count += 1
        seconds += len(recording.samples) / SAMPLE_RATE
        text, found = transcribe(model, recording.samples)
        truth = [word for part in recording.parts for word in part.words]
        if not truth:
            invented += len(text.split())
            continue
        said += len(truth)
        written = [word.text for word in truth]
        errors_as_written += _distance(written, text.split())
        errors += _distance([*map(plain, written)], [*map(plain, text.split())])
        for word, start, end in _matched(truth, found):
            starts.append(abs(start - word.start))
            ends.append(abs(end - word.end))
    return Score(
        recordings=count,
        seconds=seconds,
        words=said,
        wer=errors / said if said else None,
        wer_as_written=errors_as_written / said if said else None,
        invented=invented,
        start_error=float(np.mean(starts)) if starts else None,
        start_error_p95=float(np.percentile(starts, 95)) if starts else None,
        end_error=float(np.mean(ends)) if ends else None,
    )


def plain(word: str) -> str:
    """A word without case and punctuation."""
    return word.strip(".?").lower()


def confusions(model: Any, recordings: Iterable[Recording]) -> Counter[tuple[str, str]]:  # noqa: ANN401
    """Which word was taken for which; an empty one stands for none."""
    counts: Counter[tuple[str, str]] = Counter()
    for recording in recordings:
        said = [plain(word.text) for part in recording.parts for word in part.words]
        heard = [plain(word) for word in transcribe(model, recording.samples)[0].split()]
        pairs = kaldialign.align(said, heard, "")
        counts.update((a, b) for a, b in pairs if a != b)
    return counts


def _distance(said: Sequence[str], heard: Sequence[str]) -> int:
    return int(kaldialign.edit_distance(said, heard)["total"])


def _matched(
    truth: Sequence[SpokenWord], found: Sequence[tuple[str, float, float]]
) -> list[tuple[SpokenWord, float, float]]:
    """Words that were heard as they were said, with the times they were given."""
    pairs = kaldialign.align(
        [plain(word.text) for word in truth], [plain(text) for text, _, _ in found], ""
    )
    said, heard = iter(truth), iter(found)
    matches = []
    for left, right in pairs:
        word = next(said) if left else None
        times = next(heard) if right else None
        if word and times and left == right:
            matches.append((word, times[1], times[2]))
    return matches


def _alone(split: Split, seed: int) -> Recording:
    """One sentence of the cast with up to a second of silence, or faint noise, on either side."""
    rng = Random(f"{split} alone {seed}")
    talk = converse(
        [CAST[seed % len(CAST)]], seconds=0.1, speak=fresh_speech(split), rng=rng, manner=APART
    )
    before, after = (round(rng.uniform(0, 1) * SAMPLE_RATE) for _ in range(2))
    samples = np.pad(talk.samples, (before, after))
    if seed % 2:
        samples = samples + noise(len(samples), level_db=rng.uniform(-80, -50), rng=rng)
    offset = before / SAMPLE_RATE
    return Recording(samples, tuple(Part(p.start + offset, p.utterance) for p in talk.parts))


def _nothing(seed: int) -> Recording:
    """Silence or noise of 0.5 to 60 s; every tenth recording is all zeros."""
    rng = Random(f"nothing {seed}")
    seconds = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)[seed % 7]
    count = round(seconds * SAMPLE_RATE)
    if seed % 10 == 0:
        return Recording(np.zeros(count, dtype=np.float32))
    return Recording(speechless(count, rng))
