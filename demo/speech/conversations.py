"""Conversations with exact references: turns, pauses, overlap, room and noise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from demo.speech.sentences import Split, sentences
from demo.speech.synthesis import SAMPLE_RATE, Samples, SpokenWord, Utterance, synthesise
from demo.speech.voices import Voice

Speak = Callable[[Voice, Random], Utterance]
"""Gives the next utterance of a voice: freshly synthesised, or out of a bank."""

_PEAK: Final = 0.9
_SPEECH_DB: Final = -23.0  # of full scale
_PIECE: Final = 60 * SAMPLE_RATE
_HEARD: Final = 1e-4  # of full scale: what is below is silence


@dataclass(frozen=True, slots=True)
class Manner:
    """How a conversation is held and recorded. Pairs are ranges, drawn from uniformly.

    Attributes:
        sentences_per_turn: how many sentences a speaker says in a row.
        gap: seconds between sentences of one turn.
        pause: seconds between turns.
        long_pause: seconds of the one pause in six that is long.
        overlap_share: share of turn changes at which the next speaker starts too early.
        overlap: seconds by which they do.
        speaker_gain: decibels, one for each speaker.
        room_share: share of speakers that are heard through a room.
        snr: decibels of speech over noise; the noise is coloured.
        lead: seconds of silence before the first and after the last turn.

    """

    sentences_per_turn: tuple[int, int] = (1, 3)
    gap: tuple[float, float] = (0.08, 0.45)
    pause: tuple[float, float] = (0.1, 0.6)
    long_pause: tuple[float, float] = (0.8, 2.5)
    overlap_share: float = 0.2
    overlap: tuple[float, float] = (0.2, 0.7)
    speaker_gain: tuple[float, float] = (-4.0, 4.0)
    room_share: float = 0.3
    snr: tuple[float, float] = (15.0, 40.0)
    lead: tuple[float, float] = (0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Part:
    """One sentence in its place: `start` is seconds from the start of the conversation."""

    start: float
    utterance: Utterance

    @property
    def speaker(self) -> str:
        return self.utterance.voice.label

    @property
    def end(self) -> float:
        """Seconds from the start of the conversation."""
        return self.start + self.utterance.duration

    @property
    def words(self) -> tuple[SpokenWord, ...]:
        """Words with times from the start of the conversation."""
        return tuple(
            SpokenWord(w.text, w.start + self.start, w.end + self.start)
            for w in self.utterance.words
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording, float32 mono at 16 kHz, and what is said in it, ordered by start."""

    samples: Samples
    parts: tuple[Part, ...] = field(default=())

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


def fresh_speech(split: Split) -> Speak:
    """Synthesise every utterance anew, from the sentences of one split."""

    def speak(voice: Voice, rng: Random) -> Utterance:
        return synthesise(next(sentences(split, rng)), voice.varied(rng))

    return speak


def converse(
    voices: Sequence[Voice],
    *,
    seconds: float,
    speak: Speak,
    rng: Random,
    manner: Manner | None = None,
) -> Conversation:
    """Let some voices talk for about so many seconds, every voice at least once.

    The last turn ends before `seconds` where that is possible with whole sentences; the
    conversation is as long as what is said in it.

    Args:
        voices: who speaks, at least one.
        seconds: how long to go on.
        speak: where utterances come from.
        rng: the only source of chance: the same state gives the same conversation.
        manner: how it is held; `Manner()` where None.

    """
    manner = manner or Manner()
    parts = list(_schedule(voices, seconds=seconds, speak=speak, rng=rng, manner=manner))
    return record(parts, rng=rng, manner=manner, voices=voices)


def record(
    parts: Sequence[Part], *, rng: Random, manner: Manner, voices: Sequence[Voice]
) -> Conversation:
    """Mix parts, at least one, as one recording hears them: rooms, levels, noise.

    Args:
        parts: what is said, each with its place.
        rng: the only source of chance.
        manner: how it is recorded.
        voices: everybody who speaks.

    """
    end = max(part.end for part in parts) + rng.uniform(*manner.lead)
    samples = np.zeros(int(end * SAMPLE_RATE) + 1, dtype=np.float32)
    scene = _Scene.draw(voices, rng=rng, manner=manner)
    for part in parts:
        wave = scene.heard(part, rng)
        first = round(part.start * SAMPLE_RATE)
        wave = wave[: len(samples) - first]
        samples[first : first + len(wave)] += wave
    samples += noise(len(samples), level_db=_level_db(samples) - rng.uniform(*manner.snr), rng=rng)
    peak = float(np.abs(samples).max())
    return Conversation(samples * min(1.0, _PEAK / peak), tuple(sorted(parts, key=_by_start)))


def converse_at_length(
    voices: Sequence[Voice],
    *,
    seconds: float,
    speak: Speak,
    rng: Random,
    manner: Manner | None = None,
) -> Iterator[Conversation]:
    """One conversation, however long, in pieces that follow each other without a seam.

    A piece holds the samples that nothing said later can change, and the parts that begin since
    the piece before; their times run on from the start of the conversation. Memory does not grow
    with `seconds`. Arguments are those of `converse`.
    """
    manner = manner or Manner()
    scene = _Scene.draw(voices, rng=rng, manner=manner)
    level = _SPEECH_DB + sum(scene.gains.values()) / len(scene.gains) - rng.uniform(*manner.snr)
    ground = noise(_PIECE, level_db=level, rng=rng)  # by its making, its end runs into its start
    parts: list[Part] = []
    buffer, offset, end = np.zeros(0, dtype=np.float32), 0, 0.0
    for part in _schedule(voices, seconds=seconds, speak=speak, rng=rng, manner=manner):
        final = int((end - manner.overlap[1]) * SAMPLE_RATE)
        if final - offset >= _PIECE:
            samples = buffer[: final - offset] + _repeated(ground, offset, final)
            yield Conversation(samples, tuple(sorted(parts, key=_by_start)))
            buffer, offset, parts = buffer[final - offset :], final, []
        wave = scene.heard(part, rng)
        wave *= min(1.0, _PEAK / 2 / float(np.abs(wave).max()))  # two at once stay below the peak
        first = round(part.start * SAMPLE_RATE) - offset
        buffer = np.pad(buffer, (0, max(0, first + len(wave) - len(buffer))))
        buffer[first : first + len(wave)] += wave
        parts.append(part)
        end = max(end, part.end)
    count = int((end + rng.uniform(*manner.lead)) * SAMPLE_RATE) + 1 - offset
    buffer = np.pad(buffer, (0, max(0, count - len(buffer))))[:count]
    samples = buffer + _repeated(ground, offset, offset + count)
    yield Conversation(samples, tuple(sorted(parts, key=_by_start)))


def noise(count: int, *, level_db: float, rng: Random) -> Samples:
    """Coloured noise: power falls with frequency to a random exponent between 0 and 2.

    Args:
        count: samples at 16 kHz.
        level_db: root mean square, in decibels of full scale.
        rng: chance.

    """
    generator = np.random.default_rng(rng.getrandbits(32))
    spectrum = np.fft.rfft(generator.standard_normal(count))
    colour = np.arange(1, len(spectrum) + 1, dtype=np.float64) ** (-rng.uniform(0, 1))
    wave = np.fft.irfft(spectrum * colour, count)
    wave *= 10 ** (level_db / 20) / (np.sqrt(np.mean(wave**2)) + 1e-12)
    return wave.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Scene:
    """How each speaker is heard: through which room, and how loud."""

    rooms: Mapping[str, Samples | None]
    gains: Mapping[str, float]

    @classmethod
    def draw(cls, voices: Sequence[Voice], *, rng: Random, manner: Manner) -> "_Scene":
        return cls(
            {v.label: _room(rng) if rng.random() < manner.room_share else None for v in voices},
            {v.label: rng.uniform(*manner.speaker_gain) for v in voices},
        )

    def heard(self, part: Part, rng: Random) -> Samples:
        """The part's sound with its echo, a little louder or softer than the speaker's others."""
        wave = _levelled(part.utterance.samples, self.gains[part.speaker] + rng.uniform(-2, 2))
        room = self.rooms[part.speaker]
        return wave if room is None else fftconvolve(wave, room).astype(np.float32)


def _schedule(
    voices: Sequence[Voice], *, seconds: float, speak: Speak, rng: Random, manner: Manner
) -> Iterator[Part]:
    waiting = rng.sample(list(voices), len(voices))
    clock = rng.uniform(*manner.lead)
    settled = 0.0  # when all turns but the last are over: no three speak at once
    previous: Voice | None = None
    free = dict.fromkeys((v.label for v in voices), 0.0)  # nobody talks over themselves
    while True:
        others = [v for v in voices if v is not previous] or list(voices)
        newcomer = bool(waiting)
        voice = waiting.pop() if waiting else rng.choice(others)
        step = _step(rng, manner, first=previous is None)
        start = max(clock + step, settled, free[voice.label])
        settled, begun = clock, False
        for _ in range(rng.randint(*manner.sentences_per_turn)):
            utterance = speak(voice, rng)
            everybody_spoke = not waiting and (begun or not newcomer)
            if everybody_spoke and start + utterance.duration > seconds:
                return
            part = Part(start, utterance)
            clock, begun = max(clock, part.end), True
            yield part
            start += utterance.duration + rng.uniform(*manner.gap)
        free[voice.label] = clock + manner.gap[0]
        previous = voice


def _step(rng: Random, manner: Manner, *, first: bool) -> float:
    """Seconds from the end of all speech so far to the next turn; negative where they overlap."""
    if first:
        return 0.0
    if rng.random() < manner.overlap_share:
        return -rng.uniform(*manner.overlap)
    return rng.uniform(*(manner.long_pause if rng.random() < 1 / 6 else manner.pause))


def _by_start(part: Part) -> float:
    return part.start


def _level_db(samples: Samples) -> float:
    """Level of what is not silence, in decibels of full scale."""
    loud = samples[np.abs(samples) > _HEARD]
    return float(10 * np.log10(np.mean(loud**2) + 1e-12)) if loud.size else -100.0


def _levelled(samples: Samples, gain_db: float) -> Samples:
    """The utterance at -23 dB of full scale, plus a gain."""
    return samples * np.float32(10 ** ((gain_db + _SPEECH_DB - _level_db(samples)) / 20))


def _repeated(wave: Samples, first: int, last: int) -> Samples:
    """Samples `first` to `last` of a wave that goes round and round."""
    return np.take(wave, np.arange(first, last), mode="wrap")


def _room(rng: Random) -> npt.NDArray[np.float32]:
    """A synthetic room: a direct path, then noise that decays by 60 dB in 0.12 to 0.45 s."""
    decay = rng.uniform(0.12, 0.45)
    count = int(decay * SAMPLE_RATE)
    generator = np.random.default_rng(rng.getrandbits(32))
    tail = generator.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail *= 10 ** (-rng.uniform(6, 14) / 20) / (np.sqrt(np.sum(tail**2)) + 1e-12)
    tail[: SAMPLE_RATE // 500] = 0.0
    tail[0] = 1.0
    return tail.astype(np.float32)
