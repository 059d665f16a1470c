"""From samples to words, with a Parakeet-TDT model of NeMo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.team import Team, cores
from handlers.timeline import Word, milliseconds
from handlers.torch_device import typed_failures

_LEAST: Final = SAMPLE_RATE
"""Samples; what is shorter is put into the middle of this much silence, as NeMo does."""

_GRID: Final = SAMPLE_RATE // 2
"""Samples; batches are as long as a multiple of this, since each shape that a processor meets for
the first time takes longer, and there are soon no new ones."""


_PIECE_SECONDS: Final = 30.0
"""What a processor encodes at once, padding counted; a single stretch may be longer."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of a recording.

    Attributes:
        samples: float32, shape (samples,).
        first: where in the recording it begins, in samples; before 0 there is silence.

    """

    samples: Samples = field(repr=False)
    first: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a model has made of a stretch: tokens, and when each begins and how long it lasts."""

    stretch: Stretch = field(repr=False)
    hypothesis: Any = field(repr=False)


class WordDecoder:
    """Gives the words of stretches, all of them in one batch.

    Does what NeMo's `transcribe` does, by the model's public parts and without what surrounds
    them: no data loader, no temporary folder, no freezing of parameters, 40 ms a call on a
    processor. Words lie on the model's own frames, counted from the start of each stretch: where
    stretches begin on a multiple of `frame`, all words lie on one grid, that of a model that hears
    the whole recording.
    """

    def __init__(self, engine: Any) -> None:  # noqa: ANN401
        """Prepare a model.

        A GPU encodes everything at once. A processor encodes piece by piece, which stay in its
        caches, on all of its cores; the decoder gains from every row that is there, on both.

        Args:
            engine: an `EncDecRNNTModel` in evaluation mode, that decodes with the times of words.

        """
        self._engine = engine
        on_cpu = engine.device.type == "cpu"
        self._together = _PIECE_SECONDS if on_cpu else None
        self._team = Team("encoder", size=cores() if on_cpu else 1)
        # as `transcribe` sets them at each call: nothing random, no padding of its own
        engine.preprocessor.featurizer.dither = 0.0
        engine.preprocessor.featurizer.pad_to = 0
        stride = float(engine.cfg.preprocessor.window_stride) * engine.encoder.subsampling_factor
        self.frame: Final[int] = round(stride * SAMPLE_RATE)
        """Samples that one frame of the model's answers covers."""

    def words(self, stretches: Sequence[Stretch]) -> list[tuple[Word, ...]]:
        """Give the words of each stretch, with times in the recording; raises what `hear` does."""
        return [self.read(heard) for heard in self.hear(stretches)]

    def hear(self, stretches: Sequence[Stretch]) -> list[Heard]:
        """Do the model's part: what is to be done on its thread.

        Raises:
            OutOfMemory: they do not fit together.
            EngineCrashed: the GPU failed.

        """
        import torch  # noqa: PLC0415

        order = sorted(range(len(stretches)), key=lambda index: len(stretches[index].samples))
        pieces = [
            [stretches[order[place]] for place in places]
            for places in _pieces([stretches[index].seconds for index in order], self._together)
        ]
        with (
            typed_failures("transcriber", advice="Lower PARLEY_WINDOW_SECONDS"),
            torch.inference_mode(),
        ):
            parts = self._team.map(self._encode, pieces)
            frames = max(encoded.shape[-1] for encoded, _ in parts)
            pad = torch.nn.functional.pad
            hypotheses = self._decode(
                torch.cat([pad(encoded, (0, frames - encoded.shape[-1])) for encoded, _ in parts]),
                torch.cat([lengths for _, lengths in parts]),
            )
        found = dict(zip(order, hypotheses, strict=True))
        return [Heard(stretch, found[index]) for index, stretch in enumerate(stretches)]

    def read(self, heard: Heard) -> tuple[Word, ...]:
        """Spell out the words, on whatever thread: the model may go on with the next batch."""
        decoding = self._engine.decoding
        (hypothesis,) = decoding.decode_hypothesis([heard.hypothesis])
        hypothesis = decoding.compute_rnnt_timestamps(hypothesis, "word")
        (hypothesis,) = decoding.compute_confidence([hypothesis])
        return tuple(self._read(hypothesis, heard.stretch))

    def _encode(self, stretches: Sequence[Stretch]) -> tuple[Any, Any]:
        """Give the encoder's answers, (batch, features, frames), and how many frames each has."""
        import torch  # noqa: PLC0415

        counts = [max(_LEAST, len(stretch.samples)) for stretch in stretches]
        width = -(-max(counts) // _GRID) * _GRID
        signal = np.zeros((len(stretches), width), dtype=np.float32)
        for row, stretch in zip(signal, stretches, strict=True):
            lead = self._lead(stretch)
            row[lead : lead + len(stretch.samples)] = stretch.samples
        engine = self._engine
        with torch.inference_mode():  # which each thread has to say for itself
            features, lengths = engine.preprocessor(
                input_signal=torch.from_numpy(signal).to(engine.device),
                length=torch.tensor(counts, device=engine.device),
            )
            # features need float32 whatever the model computes in
            precision = next(engine.encoder.parameters()).dtype
            encoded, lengths = engine.encoder(audio_signal=features.to(precision), length=lengths)
        return encoded, lengths

    def _lead(self, stretch: Stretch) -> int:
        """Samples of silence before a stretch that is too short: whole frames."""
        return max(0, _LEAST - len(stretch.samples)) // 2 // self.frame * self.frame

    def _decode(self, encoded: Any, lengths: Any) -> list[Any]:  # noqa: ANN401
        """Do the first half of NeMo's `rnnt_decoder_predictions_tensor`."""
        decoding = self._engine.decoding
        hypotheses = decoding.decoding(encoder_output=encoded, encoded_lengths=lengths)[0]
        if encoded.device.type != "cuda" and len(hypotheses) > 1:
            self._mend_durations(hypotheses, encoded)
        for one in hypotheses:  # or each token is looked at, and copied, as a tensor of its own
            one.y_sequence = one.y_sequence.tolist()
        return list(hypotheses)

    def _mend_durations(self, hypotheses: Sequence[Any], encoded: Any) -> None:  # noqa: ANN401
        """Find out anew how long each token lasts.

        NeMo 3.0's greedy decoder gives wrong durations for batches where it runs without CUDA
        graphs: `torch_impl` overwrites what it found for one row while it goes on with another,
        so that the ends of words depend on what else is in the batch. The tokens and their frames
        are known here, so one pass of the prediction network gives all durations again.

        Args:
            hypotheses: with `y_sequence` and `timestamp`; their `token_duration` is replaced.
            encoded: shape (batch, features, frames).

        """
        import torch  # noqa: PLC0415

        joint, computer = self._engine.joint, self._engine.decoding.decoding.decoding_computer
        rows = [row for row, one in enumerate(hypotheses) if len(one.y_sequence)]
        if not rows:
            return
        tokens = torch.nn.utils.rnn.pad_sequence(
            [hypotheses[row].y_sequence for row in rows], batch_first=True
        )
        counts = [len(hypotheses[row].y_sequence) for row in rows]
        # after each token but the last, and before the first: what the next one was found from
        predicted, *_ = self._engine.decoder.predict(tokens, None, add_sos=True)
        before = torch.cat([predicted[index, :count] for index, count in enumerate(counts)])
        frames = torch.cat([encoded[row][:, hypotheses[row].timestamp].T for row in rows])
        logits = joint.joint_after_projection(
            joint.project_encoder(frames.unsqueeze(1)), joint.project_prednet(before.unsqueeze(1))
        )
        longest = computer.durations[logits[:, 0, 0, -len(computer.durations) :].argmax(-1)]
        for row, mended in zip(rows, longest.split(counts), strict=True):
            hypotheses[row].token_duration = mended

    def _read(self, hypothesis: Any, stretch: Stretch) -> Iterator[Word]:  # noqa: ANN401
        """Words of one hypothesis, with times in the recording."""
        first, least = stretch.first - self._lead(stretch), max(0, stretch.first)
        items = hypothesis.timestamp.get("word", []) if hypothesis.timestamp else []
        confidences = hypothesis.word_confidence
        if confidences is None or len(confidences) != len(items):
            confidences = [None] * len(items)
        for item, confidence in zip(items, confidences, strict=True):
            if text := item["word"].strip():
                start = max(least, first + item["start_offset"] * self.frame)
                end = max(start, first + item["end_offset"] * self.frame)
                yield Word(
                    text=text,
                    start=milliseconds(start / SAMPLE_RATE),
                    end=milliseconds(end / SAMPLE_RATE),
                    confidence=None if confidence is None else _probability(confidence),
                )


def _pieces(seconds: Sequence[float], together: float | None) -> Iterator[range]:
    """Divide places of a list, ordered by length, so that each piece is no longer than that."""
    first = 0
    for place in range(1, len(seconds) + 1):
        over = place == len(seconds) or (
            together is not None and seconds[place] * (place + 1 - first) > together
        )
        if over:
            yield range(first, place)
            first = place


def _probability(value: Any) -> float:  # noqa: ANN401
    return round(min(max(float(value), 0.0), 1.0), 3)
