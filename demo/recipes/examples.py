"""Training examples: clips out of the pool, degraded, with targets at the frames of a model."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from demo.recipes.pool import VOICES, Clip, Pool, Span
from demo.speech.conversations import converse, fresh_speech, noise
from demo.speech.synthesis import SAMPLE_RATE, Samples
from demo.speech.voices import CAST, Voice

SPEAKERS: Final = 3
"""How many people the segmentation model tells apart within one clip."""

NOBODY: Final = -100
"""The name of a frame in which nobody speaks, or more than one: losses skip it."""

_NOISE_ONLY: Final = 0.13
_MORE_NOISE: Final = 0.25
_MUTED: Final = 0.12

Centres = npt.NDArray[np.float64]


class Framed(Protocol):
    """What turns samples into frames; every pyannote model does."""

    def num_frames(self, num_samples: int) -> int: ...

    def receptive_field_center(self, frame: int = 0) -> int: ...


@dataclass(frozen=True, slots=True)
class Example:
    """One clip as losses want it.

    Attributes:
        samples: float32 at 16 kHz.
        active: (frames, 3), the three who speak longest.
        names: (frames,), the place in VOICES of the only speaker, or NOBODY.

    """

    samples: Samples
    active: npt.NDArray[np.bool_]
    names: npt.NDArray[np.int64]


def frame_centres(model: Framed, seconds: float) -> Centres:
    """Seconds from the start of a clip to the middle of each of a model's frames."""
    count = model.num_frames(round(seconds * SAMPLE_RATE))
    places = [model.receptive_field_center(frame) for frame in range(count)]
    return np.array(places, dtype=np.float64) / SAMPLE_RATE


def training_example(pool: Pool, seconds: float, centres: Centres, rng: Random) -> Example:
    """Draw one example: mostly people, now and then nobody at all."""
    if rng.random() < _NOISE_ONLY:
        return _labelled(Clip(without_speech(round(seconds * SAMPLE_RATE), rng), ()), centres)
    return _labelled(_degraded(pool.clip(seconds, rng), rng), centres)


def held_out_examples(
    voices: tuple[Voice, ...], seconds: float, centres: Centres, *, count: int
) -> list[Example]:
    """Clips of conversations in which training voices say sentences of the development split."""
    rng = Random(77)
    places = {voice.label: index for index, voice in enumerate(VOICES)}
    found: list[Example] = []
    while len(found) < count:
        company = rng.sample(voices, rng.randint(2, 4))
        talk = converse(company, seconds=45, speak=fresh_speech("dev"), rng=rng)
        spans = tuple(Span(part.start, part.end, places[part.speaker]) for part in talk.parts)
        one = Pool([(talk.samples * 32767).astype(np.int16)], [spans])
        found += [_labelled(one.clip(seconds, rng), centres) for _ in range(4)]
    return found[:count]


def held_out_cast(seconds: float, centres: Centres) -> list[Example]:
    """Sixty-four clips of the cast."""
    return held_out_examples(CAST, seconds, centres, count=64)


def without_speech(count: int, rng: Random) -> Samples:
    """So many samples of something that is not speech: silence, noise, pulses, hum, a tone."""
    kind = rng.choices(("silence", "noise", "pulses", "hum", "tone"), (12, 61, 9, 9, 9))[0]
    if kind == "silence":
        return np.zeros(count, dtype=np.float32)
    level = rng.uniform(-80, -6)
    seconds = np.arange(count) / SAMPLE_RATE
    if kind in {"noise", "pulses"}:
        samples = noise(count, level_db=level, rng=rng)
        shape = rng.random()
        if shape < 0.15:  # power that rises with frequency, as that of differences does
            samples = np.diff(samples, prepend=samples[:1])
        elif shape < 0.4:  # power that falls more steeply, as that of sums does
            samples = _at_level(np.cumsum(samples), level)
        if kind == "pulses":
            pulse = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.5, 8) * seconds)
            samples *= pulse.astype(np.float32)
        elif rng.random() < 0.3:
            samples[rng.randrange(count) :] *= np.float32(10 ** (rng.uniform(-60, 0) / 20))
    else:
        samples = _tones(kind, seconds, rng) * np.float32(10 ** (level / 20))
        samples += noise(count, level_db=level - rng.uniform(20, 60), rng=rng)
    return np.clip(samples, -1, 1)


def _at_level(samples: Samples, level_db: float) -> Samples:
    """Give samples a root mean square, in decibels of full scale, and no offset."""
    samples = samples - samples.mean()
    return samples * np.float32(10 ** (level_db / 20) / (samples.std() + 1e-12))


def _tones(kind: str, seconds: npt.NDArray[np.float64], rng: Random) -> Samples:
    """Mains hum with some of its harmonics, or one tone that may slide."""
    if kind == "hum":
        base, harmonics = rng.choice((50.0, 60.0)), range(1, rng.randint(2, 20))
        waves = [np.sin(2 * np.pi * base * number * seconds) / number for number in harmonics]
        return sum(waves, np.zeros_like(seconds)).astype(np.float32)
    first, slide = rng.uniform(60, 4000), rng.choice((0.0, rng.uniform(0, 350)))
    phase = 2 * np.pi * (first + slide * seconds / 2) * seconds
    return np.sin(phase).astype(np.float32)


def _degraded(clip: Clip, rng: Random) -> Clip:
    """Another level, sometimes more noise, sometimes a stretch of digital silence at one end."""
    samples = clip.samples * np.float32(10 ** (rng.uniform(-12, 6) / 20))
    if rng.random() < _MORE_NOISE:
        level = 10 * np.log10(float(np.mean(samples**2)) + 1e-9) - rng.uniform(10, 30)
        samples = samples + noise(len(samples), level_db=level, rng=rng)
    degraded = Clip(np.clip(samples, -1, 1), clip.spans)
    return _muted(degraded, rng) if rng.random() < _MUTED else degraded


def _muted(clip: Clip, rng: Random) -> Clip:
    """Silence, and nobody speaking, up to a moment or from then on."""
    length = len(clip.samples) / SAMPLE_RATE
    moment = rng.uniform(0, length)
    samples, index = clip.samples.copy(), round(moment * SAMPLE_RATE)
    if rng.random() < 0.5:
        samples[:index] = 0.0
        kept = [replace(span, start=max(span.start, moment)) for span in clip.spans]
    else:
        samples[index:] = 0.0
        kept = [replace(span, end=min(span.end, moment)) for span in clip.spans]
    return Clip(samples, tuple(span for span in kept if span.start < span.end))


def _labelled(clip: Clip, centres: Centres) -> Example:
    """Give a clip its targets."""
    activity, speakers = clip.activity(centres)
    names = np.full(len(centres), NOBODY, dtype=np.int64)
    alone = activity.sum(axis=1) == 1
    if speakers:
        names[alone] = np.array(speakers)[activity[alone].argmax(axis=1)]
    active = np.zeros((len(centres), SPEAKERS), dtype=np.bool_)
    kept = activity[:, :SPEAKERS]
    active[:, : kept.shape[1]] = kept
    return Example(clip.samples, active, names)
