"""Mixed conversations kept on disk, from which training draws short clips at random."""

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt

from demo.speech.bank import SAMPLE_RATE, UtteranceBank, training_counts
from demo.speech.conversations import Manner, converse
from demo.speech.voices import CAST, FURTHER, Voice

BUILD: Final = Path("build/demo")
"""Where everything that is made on the way to a model is kept."""

BANK: Final = BUILD / "bank"
POOL: Final = BUILD / "pool"

VOICES: Final = (*CAST, *FURTHER)
"""Everybody a model is trained on; a voice's place here is its class."""

_CAST_SHARE: Final = 0.58
_SPEAKERS: Final = {1: 0.08, 2: 0.34, 3: 0.34, 4: 0.24}
_SECONDS: Final = (25.0, 50.0)

_MANNERS: Final = (
    Manner(
        sentences_per_turn=(1, 2),
        pause=(0.05, 0.5),
        overlap_share=0.4,
        overlap=(0.2, 1.2),
        speaker_gain=(-5.0, 5.0),
        room_share=0.4,
        snr=(10.0, 40.0),
    ),
    Manner(overlap_share=0.3, overlap=(0.2, 1.0), snr=(12.0, 40.0)),
)
"""How people talk in training: faster changes and more overlap than in what is tested."""


@dataclass(frozen=True, slots=True)
class Span:
    """One sentence: seconds from the start of its clip, and who says it, as a place in VOICES."""

    start: float
    end: float
    voice: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a conversation: float32 at 16 kHz, and the sentences that touch it."""

    samples: npt.NDArray[np.float32]
    spans: tuple[Span, ...]

    def activity(
        self, centres: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.bool_], tuple[int, ...]]:
        """Who speaks at some moments.

        Args:
            centres: seconds from the start of the clip, one for each frame.

        Returns:
            Activity as (frames, speakers), the one who speaks longest first, and the speakers.

        """
        speakers = sorted({span.voice for span in self.spans})
        active = np.zeros((len(centres), len(speakers)), dtype=np.bool_)
        for span in self.spans:
            active[:, speakers.index(span.voice)] |= (centres >= span.start) & (centres < span.end)
        order = [i for i in np.argsort(-active.sum(axis=0), kind="stable") if active[:, i].any()]
        return active[:, order], tuple(speakers[i] for i in order)


class Pool:
    """Many conversations, as memory-mapped int16 with the sentences of each."""

    def __init__(
        self, recordings: Sequence[npt.NDArray[np.int16]], spans: Sequence[Sequence[Span]]
    ) -> None:
        self._recordings = recordings
        self._spans = spans

    @property
    def hours(self) -> float:
        """How much is in the pool."""
        return sum(map(len, self._recordings)) / SAMPLE_RATE / 3600

    def clip(self, seconds: float, rng: Random) -> Clip:
        """Cut a piece out of any conversation; every one is longer than ten seconds."""
        index = rng.randrange(len(self._recordings))
        recording, count = self._recordings[index], round(seconds * SAMPLE_RATE)
        first = rng.randrange(max(len(recording) - count, 1))
        piece = recording[first : first + count]
        samples = np.zeros(count, dtype=np.float32)
        samples[: len(piece)] = piece.astype(np.float32) / 32768
        start = first / SAMPLE_RATE
        spans = tuple(
            Span(span.start - start, span.end - start, span.voice)
            for span in self._spans[index]
            if span.end > start and span.start < start + seconds
        )
        return Clip(samples, spans)

    @classmethod
    def build(cls, folder: Path = POOL, *, hours: float, seed: int = 11) -> "Pool":
        """Mix so many hours of conversation on two cores into a folder, unless they are there."""
        UtteranceBank.build(BANK, training_counts(CAST, FURTHER), split="train", seed=1)
        folder /= f"{hours:g}h-{seed}"
        shards = [folder / f"{number}" for number in range(2)]
        if not all(shard.with_suffix(".json").exists() for shard in shards):
            folder.mkdir(parents=True, exist_ok=True)
            jobs = [(shard, hours / 2, seed + number) for number, shard in enumerate(shards)]
            with multiprocessing.get_context("spawn").Pool(2) as workers:
                workers.starmap(_mix, jobs)
        recordings: list[npt.NDArray[np.int16]] = []
        spans: list[list[Span]] = []
        for shard in shards:
            audio = np.memmap(shard.with_suffix(".int16"), dtype=np.int16, mode="r")
            for row in json.loads(shard.with_suffix(".json").read_text()):
                recordings.append(audio[row["first"] : row["first"] + row["count"]])
                spans.append([Span(*span) for span in row["spans"]])
        return cls(recordings, spans)


def distinct(voices: Sequence[Voice], count: int, rng: Random) -> list[Voice]:
    """Choose some voices, never two of one variant."""
    chosen: list[Voice] = []
    while len(chosen) < count:
        voice = rng.choice(voices)
        if voice.variant not in {other.variant for other in chosen}:
            chosen.append(voice)
    return chosen


def _company(rng: Random) -> list[Voice]:
    """Choose who takes part in one training conversation."""
    count = rng.choices(list(_SPEAKERS), list(_SPEAKERS.values()))[0]
    return distinct(CAST if rng.random() < _CAST_SHARE else VOICES, count, rng)


def _mix(shard: Path, hours: float, seed: int) -> None:
    """Write one share of the pool."""
    rng = Random(seed)
    bank = UtteranceBank.build(BANK, training_counts(CAST, FURTHER), split="train", seed=1)
    places = {voice.label: index for index, voice in enumerate(VOICES)}
    rows, written = [], 0
    with shard.with_suffix(".int16").open("wb") as out:
        while written < hours * 3600 * SAMPLE_RATE:
            talk = converse(
                _company(rng),
                seconds=rng.uniform(*_SECONDS),
                speak=bank.speak,
                rng=rng,
                manner=rng.choice(_MANNERS),
            )
            wave = (np.clip(talk.samples, -1, 1) * 32767).astype(np.int16)
            spans = [(p.start, p.end, places[p.speaker]) for p in talk.parts]
            rows.append({"first": written, "count": len(wave), "spans": spans})
            out.write(wave.tobytes())
            written += len(wave)
    shard.with_suffix(".json").write_text(json.dumps(rows))
