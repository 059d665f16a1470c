"""What the recogniser hears in training: conversations of all lengths, and what is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt

from demo.recipes.tokens import Target, WordPieces
from demo.speech.conversations import Manner, Speak, converse, noise
from demo.speech.synthesis import SAMPLE_RATE, Samples
from demo.speech.voices import CAST, FURTHER, Voice

_CAST_ONLY_SHARE: Final = 0.62
_SPEECHLESS_SHARE: Final = 0.07
_EDGED_SHARE: Final = 0.35

_STAGES: Final[tuple[tuple[float, tuple[tuple[float, float, float], ...]], ...]] = (
    (0.15, ((1.0, 1.5, 5.0),)),
    (0.40, ((0.3, 1.5, 6.0), (0.7, 5.0, 18.0))),
    (0.65, ((0.25, 1.5, 6.0), (0.5, 6.0, 25.0), (0.25, 25.0, 45.0))),
    (1.01, ((0.25, 1.0, 6.0), (0.35, 6.0, 25.0), (0.4, 25.0, 62.0))),
)
"""Until which share of training: (weight, shortest, longest) seconds of the clips of a batch."""


_BEGINNING: Final = 0.6
"""How large the batches of the first stage are: there, many steps matter more than sure ones."""


@dataclass(frozen=True, slots=True)
class Example:
    """Float32 samples at 16 kHz and what is said in them."""

    samples: Samples
    target: Target


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of about one length.

    Attributes:
        samples: (B, S) float32, zeros after the end of each.
        lengths: (B,) samples of each.
        targets: B.

    """

    samples: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    targets: tuple[Target, ...]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "Batch":
        lengths = np.array([len(example.samples) for example in examples])
        samples = np.zeros((len(examples), lengths.max()), dtype=np.float32)
        for row, example in zip(samples, examples, strict=True):
            row[: len(example.samples)] = example.samples
        return cls(samples, lengths, tuple(example.target for example in examples))


def batch(
    rng: Random, *, progress: float, seconds: float, speak: Speak, pieces: WordPieces
) -> Batch:
    """Draw a batch: short clips early in training, up to a minute late.

    Args:
        rng: the only source of chance.
        progress: the share of training that is done, 0 to 1.
        seconds: how much audio a batch holds, about.
        speak: where utterances come from.
        pieces: the vocabulary.

    """
    kinds = next(kinds for until, kinds in _STAGES if progress < until)
    _, low, high = rng.choices(kinds, weights=[kind[0] for kind in kinds])[0]
    longest = rng.uniform(low, high)
    share = _BEGINNING if progress < _STAGES[0][0] else 1.0
    count = max(round(share * seconds / longest), 2)
    return Batch.of(
        [example(rng, seconds=longest, speak=speak, pieces=pieces) for _ in range(count)]
    )


def example(rng: Random, *, seconds: float, speak: Speak, pieces: WordPieces) -> Example:
    """Draw one example of about so many seconds."""
    if rng.random() < _SPEECHLESS_SHARE:
        count = round(rng.uniform(0.4, seconds) * SAMPLE_RATE)
        return Example(speechless(count, rng), pieces.target(()))
    manner = Manner(
        sentences_per_turn=rng.choice(((1, 3), (1, 2), (1, 1))),
        gap=(0.05, rng.choice((0.2, 0.45, 0.8))),
        pause=(0.05, rng.choice((0.4, 0.6, 1.5))),
        long_pause=(0.8, 3.0),
        overlap_share=rng.choice((0.0, 0.2, 0.4)),
        overlap=(0.1, 0.8),
        room_share=rng.choice((0.0, 0.3, 0.6)),
        snr=rng.choice(((12.0, 25.0), (15.0, 40.0), (30.0, 60.0))),
        lead=(0.0, rng.choice((0.1, 0.6, 1.5))),
    )
    voices = _company(rng, seconds)
    talk = converse(voices, seconds=seconds, speak=speak, rng=rng, manner=manner)
    samples, offset = talk.samples, 0.0
    if rng.random() < _EDGED_SHARE:
        before, after = (_edge(rng, seconds) for _ in range(2))
        samples = np.concatenate([before, samples, after])
        offset = len(before) / SAMPLE_RATE
    samples = samples * np.float32(10 ** (rng.uniform(-20, 3) / 20))
    return Example(np.clip(samples, -1, 1), pieces.target(talk.parts, offset=offset))


def speechless(count: int, rng: Random) -> Samples:
    """Silence, noise of any colour and level, hum, clicks, or several of them in turn."""
    if count > SAMPLE_RATE and rng.random() < 0.35:
        cut = rng.randrange(SAMPLE_RATE // 4, count - SAMPLE_RATE // 4)
        return np.concatenate([speechless(cut, rng), speechless(count - cut, rng)])
    return rng.choice(_SPEECHLESS)(count, rng)


def _silence(count: int, rng: Random) -> Samples:
    del rng
    return np.zeros(count, dtype=np.float32)


def _noise(count: int, rng: Random) -> Samples:
    return noise(count, level_db=rng.uniform(-90, -8), rng=rng)


def _white(count: int, rng: Random) -> Samples:
    generator = np.random.default_rng(rng.getrandbits(32))
    level = 10 ** (rng.uniform(-90, -8) / 20)
    return (level * generator.standard_normal(count)).astype(np.float32)


def _swelling(count: int, rng: Random) -> Samples:
    """Noise whose level wanders, as of traffic or a fan."""
    knots = max(count // (SAMPLE_RATE // 2), 2)
    levels = [rng.uniform(-30, 0) for _ in range(knots)]
    swell = np.interp(np.arange(count), np.linspace(0, count, knots), levels)
    return (_noise(count, rng) * 10 ** (swell / 20)).astype(np.float32)


def _hum(count: int, rng: Random) -> Samples:
    clock = np.arange(count) / SAMPLE_RATE
    base = rng.choice((50.0, 60.0, rng.uniform(80, 1200)))
    wave = sum(rng.random() / k * np.sin(2 * np.pi * base * k * clock) for k in range(1, 6))
    level = 10 ** (rng.uniform(-70, -10) / 20)
    return (level * wave + noise(count, level_db=rng.uniform(-90, -40), rng=rng)).astype(np.float32)


def _clicks(count: int, rng: Random) -> Samples:
    wave = noise(count, level_db=rng.uniform(-80, -45), rng=rng)
    for _ in range(rng.randint(1, 2 + 2 * count // SAMPLE_RATE)):
        length = min(rng.randint(16, 1600), count)
        first = rng.randrange(count - length + 1)
        fade = np.exp(-np.linspace(0, 6, length))
        burst = noise(length, level_db=rng.uniform(-40, -12), rng=rng)
        wave[first : first + length] += (burst * fade).astype(np.float32)
    return wave


_SPEECHLESS: Final[tuple[Callable[[int, Random], Samples], ...]] = (
    _silence, _noise, _noise, _white, _swelling, _hum, _clicks,
)  # fmt: skip


def _edge(rng: Random, seconds: float) -> Samples:
    """Up to a second, at times several, of nothing or of faint noise."""
    longest = rng.choice((0.5, 1.0, 1.0, min(seconds, 6.0)))
    count = round(rng.uniform(0, longest) * SAMPLE_RATE)
    if count < 16 or rng.random() < 0.5:
        return np.zeros(count, dtype=np.float32)
    return noise(count, level_db=rng.uniform(-90, -45), rng=rng)


def _company(rng: Random, seconds: float) -> Sequence[Voice]:
    """One to four voices; two at least where there is time for them."""
    most = 1 if seconds < 3 else 2 if seconds < 6 else 4
    count = rng.randint(1 if seconds < 12 else 2, most) if most > 1 else 1
    if rng.random() < _CAST_ONLY_SHARE:
        return rng.sample(CAST, count)
    return rng.sample((*rng.sample(CAST, 2), *rng.sample(FURTHER, 6)), count)
