"""Speech from text through espeak-ng; its library and data come with the wheel espeakng-loader.

The same text in the same voice is the same sound, sample by sample, whatever was said before.
"""

import ctypes
import itertools
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soxr

from demo.speech.voices import Voice

SAMPLE_RATE = 16_000

Samples = npt.NDArray[np.float32]

# Values of espeak-ng's public header, speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4

_SILENCE_LEVEL = 10 ** (-45 / 20)  # of the loudest 10 ms: below it, an edge is silence
_FRAME = SAMPLE_RATE // 100


class SynthesisError(RuntimeError):
    """espeak-ng refused a voice or a text."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word of an utterance, `start` and `end` in seconds from the utterance's first sample."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One synthesised sentence, silence at its edges removed; samples are float32 at 16 kHz."""

    voice: Voice
    text: str
    samples: Samples
    words: tuple[SpokenWord, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Engine:
    """An espeak-ng that has not spoken yet; the library's state is global, so there is only one."""

    def __init__(self, library: ctypes.CDLL, *, seed: int) -> None:
        self._library = library
        data = espeakng_loader.get_data_path().encode()
        self._rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, 0)
        if self._rate <= 0:
            message = f"espeak-ng did not start with the data in {data.decode()}"
            raise SynthesisError(message)
        self._audio: list[npt.NDArray[np.int16]] = []
        self._word_events: list[tuple[int, int]] = []
        self._callback = _Callback(self._collect)  # kept here: C holds no reference to it
        self._library.espeak_SetSynthCallback(self._callback)
        # Breath and creak are random: some voices draw from espeak-ng's generator, some from C's.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        ctypes.CDLL(None).srand(ctypes.c_uint(seed))

    def _collect(self, wave: object, count: int, events: object) -> int:
        if wave and count > 0:
            self._audio.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
        index = 0
        while (event := events[index]).type != _EVENT_LIST_TERMINATED:  # type: ignore[index]
            if event.type == _EVENT_WORD:
                self._word_events.append((event.text_position - 1, event.audio_position))
            index += 1
        return 0

    def speak(self, text: str, voice: Voice) -> tuple[Samples, list[tuple[int, float]]]:
        """Samples at 16 kHz, and for each word event its place in the text and its second."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            message = f"espeak-ng has no voice {voice.name!r}"
            raise SynthesisError(message)
        for parameter, value in (
            (_PARAMETER_RATE, voice.rate),
            (_PARAMETER_PITCH, voice.pitch),
            (_PARAMETER_RANGE, voice.range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._audio, self._word_events = [], []
        encoded = text.encode() + b"\0"
        failed = self._library.espeak_Synth(
            encoded, len(encoded), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if failed or sum(map(len, self._audio)) < _FRAME:
            message = f"espeak-ng gave no sound for {text!r} in voice {voice.name!r}"
            raise SynthesisError(message)
        wave = np.concatenate(self._audio).astype(np.float32) / 32768
        samples = soxr.resample(wave, self._rate, SAMPLE_RATE).astype(np.float32)
        return samples, [(place, milliseconds / 1000) for place, milliseconds in self._word_events]


@contextmanager
def _engine(seed: int) -> Iterator[_Engine]:
    """Load the library for one utterance: echo, flutter and glottal phase outlive `Terminate`."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        yield _Engine(library, seed=seed)
    finally:
        library.espeak_Terminate()
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))  # noqa: SLF001  # documented


def synthesise(text: str, voice: Voice) -> Utterance:
    """Say one sentence.

    Args:
        text: the sentence, with its punctuation.
        voice: who says it.

    Raises:
        SynthesisError: espeak-ng does not know the voice, or says nothing.

    """
    with _engine(zlib.crc32(f"{text} {voice}".encode())) as engine:
        samples, events = engine.speak(text, voice)
    first, last = _speech_bounds(samples)
    offset, duration = first / SAMPLE_RATE, (last - first) / SAMPLE_RATE
    words = _word_times(text, events, offset=offset, duration=duration)
    return Utterance(voice=voice, text=text, samples=samples[first:last], words=words)


def _speech_bounds(samples: Samples) -> tuple[int, int]:
    """First and one-past-last sample of what is louder than the silence level."""
    count = len(samples) // _FRAME
    frames = samples[: count * _FRAME].reshape(count, _FRAME)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > _SILENCE_LEVEL * level.max())
    return int(loud[0]) * _FRAME, (int(loud[-1]) + 1) * _FRAME


def _word_times(
    text: str, events: list[tuple[int, float]], *, offset: float, duration: float
) -> tuple[SpokenWord, ...]:
    """Give each word a start and an end.

    espeak-ng says some pairs of words ("of the") as one, with one event: the words that share an
    event share its time in proportion to their letters.
    """
    matches = list(re.finditer(r"\S+", text))
    starts: list[float | None] = [None] * len(matches)
    for place, second in events:
        index = max((i for i, m in enumerate(matches) if m.start() <= place), default=0)
        if starts[index] is None:
            starts[index] = min(max(second - offset, 0.0), duration)
    starts[0] = 0.0
    known = [i for i, start in enumerate(starts) if start is not None]
    bounds = [*known, len(matches)]
    words: list[SpokenWord] = []
    for left, right in itertools.pairwise(bounds):
        begin = starts[left] or 0.0
        end = duration if right == len(matches) else starts[right] or 0.0
        letters = [len(m.group()) for m in matches[left:right]]
        total = Fraction(sum(letters))
        for index in range(left, right):
            share = [float(Fraction(sum(letters[: k - left])) / total) for k in (index, index + 1)]
            words.append(
                SpokenWord(
                    text=matches[index].group(),
                    start=begin + (end - begin) * share[0],
                    end=begin + (end - begin) * share[1],
                )
            )
    return tuple(words)
