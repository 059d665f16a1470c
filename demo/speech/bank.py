"""Many utterances of many voices, synthesised once and kept on disk for training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from demo.speech.conversations import Speak
from demo.speech.sentences import Split, sentences
from demo.speech.synthesis import SAMPLE_RATE, SpokenWord, Utterance, synthesise
from demo.speech.voices import Voice


class UtteranceBank:
    """Utterances by voice, their samples in one memory-mapped int16 file."""

    def __init__(self, utterances: Mapping[str, Sequence[Utterance]]) -> None:
        self._utterances = utterances

    def __len__(self) -> int:
        return sum(map(len, self._utterances.values()))

    @property
    def seconds(self) -> float:
        """Speech in all."""
        return sum(u.duration for group in self._utterances.values() for u in group)

    def of(self, voice: Voice) -> Sequence[Utterance]:
        return self._utterances[voice.label]

    @property
    def speak(self) -> Speak:
        """Draw utterances from the bank."""

        def speak(voice: Voice, rng: Random) -> Utterance:
            stored = rng.choice(self._utterances[voice.label])
            samples = stored.samples.astype(np.float32) / np.float32(32768)
            return Utterance(stored.voice, stored.text, samples, stored.words)

        return speak

    @classmethod
    def build(
        cls, folder: Path, counts: Mapping[Voice, int], *, split: Split, seed: int
    ) -> "UtteranceBank":
        """Synthesise `counts` utterances of each voice into a folder, unless they are there."""
        index, data = folder / f"{split}.json", folder / f"{split}.int16"
        if not index.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rng = Random(seed)
            texts = sentences(split, rng)
            rows = []
            with data.open("wb") as out:
                for voice, count in counts.items():
                    for _ in range(count):
                        said = synthesise(next(texts), voice.varied(rng))
                        wave = (np.clip(said.samples, -1, 1) * 32767).astype(np.int16)
                        rows.append(
                            {
                                "voice": asdict(said.voice),
                                "text": said.text,
                                "words": [asdict(word) for word in said.words],
                                "first": out.tell() // 2,
                                "count": len(wave),
                            }
                        )
                        out.write(wave.tobytes())
            index.write_text(json.dumps(rows))
        return cls._load(index, data)

    @classmethod
    def _load(cls, index: Path, data: Path) -> "UtteranceBank":
        audio = np.memmap(data, dtype=np.int16, mode="r")
        groups: dict[str, list[Utterance]] = {}
        for row in json.loads(index.read_text()):
            voice = Voice(**row["voice"])
            stored: Any = audio[row["first"] : row["first"] + row["count"]]  # int16 until drawn
            words = tuple(SpokenWord(**word) for word in row["words"])
            groups.setdefault(voice.label, []).append(Utterance(voice, row["text"], stored, words))
        return cls(groups)


def training_counts(cast: Sequence[Voice], further: Sequence[Voice]) -> dict[Voice, int]:
    """How many utterances to synthesise: many of each member of the cast, some of the others."""
    return {**dict.fromkeys(cast, 300), **dict.fromkeys(further, 40)}


__all__ = ["SAMPLE_RATE", "UtteranceBank", "training_counts"]
