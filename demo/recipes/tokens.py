"""Word pieces of the closed vocabulary, and when each piece of a conversation is to be emitted."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt
import sentencepiece

from demo.recipes.tdt_loss import Band
from demo.speech.conversations import Part
from demo.speech.sentences import sentences

FRAME: Final = 0.08
"""Seconds from one encoder frame to the next."""

IGNORED: Final = -100
"""What PyTorch's cross entropy passes over."""

_EARLY: Final = 1
_LATE: Final = 3
_PUNCTUATION: Final = ".?"
_TEXTS: Final = 12_000
_SIZE: Final = 512


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be emitted, ordered by the start of the sentence.

    Attributes:
        text: the words as written, sentences in order.
        pieces: (U,) indices of word pieces.
        earliest: (U,) first encoder frame at which each may be emitted.
        latest: (U,) last one.
        spoken: (U, 2) first encoder frame of what each stands for, and the one after its last.

    """

    text: str
    pieces: npt.NDArray[np.int64]
    earliest: npt.NDArray[np.int64]
    latest: npt.NDArray[np.int64]
    spoken: npt.NDArray[np.int64]

    def by_frame(self, frames: int, *, silence: int) -> npt.NDArray[np.int64]:
        """The piece that is being spoken in each encoder frame (T,).

        Args:
            frames: T.
            silence: what stands for none.

        Returns:
            Pieces; `IGNORED` where several are spoken at once.

        """
        pieces = np.full(frames, silence)
        taken = np.zeros(frames, dtype=np.int64)
        for piece, (begin, end) in zip(self.pieces, self.spoken, strict=True):
            pieces[begin:end] = piece
            taken[begin:end] += 1
        pieces[taken > 1] = IGNORED
        return pieces

    def band(self, frames: int) -> Band:
        """The states that these times leave of an utterance of so many encoder frames."""
        return Band.around(frames, earliest=self.earliest, latest=self.latest)


class WordPieces:
    """A SentencePiece model in the layout that NeMo's BPE models restore from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._model = sentencepiece.SentencePieceProcessor(
            model_file=str(folder / "tokenizer.model")
        )

    def __len__(self) -> int:
        return int(self._model.get_piece_size())

    @classmethod
    def build(cls, folder: Path, *, seed: int) -> "WordPieces":
        """Learn pieces from sentences of the training split, into a folder.

        At this size nearly every word is one piece, and most utterances are as long as their words.
        """
        folder.mkdir(parents=True, exist_ok=True)
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=islice(sentences("train", Random(seed)), _TEXTS),
            model_writer=model,
            vocab_size=_SIZE,
            model_type="bpe",
            user_defined_symbols=list(_PUNCTUATION),  # never part of a longer piece
            bos_id=-1,
            eos_id=-1,
            unk_id=0,
            hard_vocab_limit=True,
            num_threads=1,
            minloglevel=2,
        )
        (folder / "tokenizer.model").write_bytes(model.getvalue())
        pieces = cls(folder)
        listing = "".join(f"{pieces.spelling(index)}\n" for index in range(len(pieces)))
        (folder / "vocab.txt").write_text(listing)
        return pieces

    def spelling(self, index: int) -> str:
        return str(self._model.id_to_piece(index))

    def encode(self, text: str) -> list[int]:
        return [int(piece) for piece in self._model.encode(text)]

    def target(self, parts: Sequence[Part], *, offset: float = 0.0) -> Target:
        """Pieces of some sentences, each to be emitted from just before its word starts.

        Where sentences overlap they are not interleaved: the words of the later one wait for those
        of the earlier one. That keeps sentences whole, which is easier to learn and to read.

        Args:
            parts: the sentences, in order.
            offset: seconds by which the recording starts before their clock does.

        """
        pieces: list[int] = []
        earliest: list[int] = []
        latest: list[int] = []
        spoken: list[tuple[int, int]] = []
        for part in parts:
            for word in part.words:
                start = round((word.start + offset) / FRAME)
                end = round((word.end + offset) / FRAME)
                found = self.encode(word.text)
                heard = len(found) - (word.text[-1] in _PUNCTUATION)
                bounds = np.linspace(start, end, heard + 1).round().astype(int)
                for rank, piece in enumerate(found):
                    pieces.append(piece)
                    earliest.append(start - _EARLY)
                    latest.append(max(start + _LATE, end if rank else 0))
                    span = bounds[rank : rank + 2] if rank < heard else (end, end)
                    spoken.append((span[0], span[1]))
        return Target(
            text=" ".join(part.utterance.text for part in parts),
            pieces=np.array(pieces, dtype=np.int64),
            earliest=np.array(earliest, dtype=np.int64),
            latest=np.array(latest, dtype=np.int64),
            spoken=np.array(spoken, dtype=np.int64).reshape(-1, 2),
        )
