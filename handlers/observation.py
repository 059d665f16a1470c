"""What the networks of a diarization pipeline make of a recording, with no work done twice.

pyannote.audio 4 runs its embedding network once for each of the up to three speakers of a chunk of
ten seconds, heard or not, and cuts the chunk out of the recording each time. Here it runs once a
chunk: only the pooling at its end looks at a speaker's mask, and takes several at once. Chunks in
which nobody speaks are not embedded at all; they hold what the network gives for an empty mask,
which is the same whatever the sound, so that clustering sees the numbers that it always saw.

The idea is discussed in pyannote-audio's issue 2050 and pull request 1996. `tests/test_as_stock.py`
fails where an upgrade of pyannote.audio answers differently.
"""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.team import Team, cores
from handlers.voices import Embeddings, Precision, VoiceNetwork

Masks = npt.NDArray[np.uint8]

Told = Callable[[str, int, int], None]
"""Told the name of a step, how many of its chunks are done, and of how many; may raise to stop."""

_CPU_BATCHES: Final = (8, 1)
"""Chunks that the two networks see at once on each core of a processor (measured: EPYC, AVX-512).

Segmentation takes the same time with 2 to 32 chunks. The full-size trunk takes 0.24 s a chunk one
by one, 0.31 s with 2, 0.38 s with 4, 0.46 s with 8 and more: its activations, 10 MB a layer and
chunk, then leave the cache. Two cores with a chunk each take as long as both on one after another.
On a GPU, the pipeline's own batch sizes count chunks.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Who is heard where, chunk by chunk; nobody knows yet who is who in the next chunk.

    Attributes:
        masks: 1 where a speaker is active, else 0; uint8, shape (chunks, frames, speakers).
        chunks: where each chunk lies, a `SlidingWindow`; seconds.
        frames: where each frame of a recording lies, a `SlidingWindow`; seconds.
        count: how many speak at once; uint8, shape (frames of the recording, 1).
        embeddings: a voice for each speaker of each chunk; float32, shape (chunks, speakers,
            dimension). None where nobody speaks at all.

    """

    masks: Masks
    chunks: Any
    frames: Any
    count: npt.NDArray[np.uint8]
    embeddings: Embeddings | None

    def firsts(self) -> Iterator[int]:
        """The frame of the recording at which each chunk begins."""
        return _firsts(len(self.masks), chunks=self.chunks, frames=self.frames)


class Observer:
    """Runs both networks of a pipeline over a recording."""

    def __init__(
        self,
        pipeline: Any,  # noqa: ANN401
        *,
        precision: Precision = "exact",
        step: float | None = None,
    ) -> None:
        """Take a loaded pipeline, which stays as it is.

        Args:
            pipeline: a `SpeakerDiarization` of pyannote.audio 4 at its device.
            precision: of the embedding network.
            step: from one chunk to the next, as a share of a chunk; the pipeline's where None.

        Raises:
            ValueError: this kind of pipeline cannot be run here; the message says what it has.

        """
        self._segmentation = pipeline._segmentation  # noqa: SLF001
        self._exclude_overlap = bool(pipeline.embedding_exclude_overlap)
        self._seconds = float(self._segmentation.duration)
        self._step = float(self._segmentation.step) if step is None else step * self._seconds
        if misfit := _misfit(pipeline, precision=precision, step=self._step):
            raise ValueError(misfit)
        self._network = VoiceNetwork(pipeline._embedding, precision=precision)  # noqa: SLF001
        own = (int(pipeline.segmentation_batch_size), int(pipeline.embedding_batch_size))
        on_cpu = self.device.type == "cpu"
        self._segmented, self._embedded = _CPU_BATCHES if on_cpu else own
        self._team = Team("observer", size=cores() if on_cpu else 1)
        self._silent: Embeddings | None = None

    def observe(self, samples: Samples, *, told: Told) -> Observation:
        """Run both networks; needs a few batches of memory beside what it returns.

        Args:
            samples: float32 at 16 kHz, shape (samples,); may be read-only, and mapped from a file.
            told: called before the first batch of each step, `segmentation` and `embeddings`, and
                after every one.

        """
        steps = self.steps(samples, told=told)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                observation: Observation = end.value
                return observation

    def steps(self, samples: Samples, *, told: Told) -> Generator[None, None, Observation]:
        """Do what `observe` does, with a pause after every batch."""
        from pyannote.core import SlidingWindow  # noqa: PLC0415

        chunks = SlidingWindow(start=0.0, duration=self._seconds, step=self._step)
        masks = yield from self._segment(samples, told)
        receptive = self._segmentation.model.receptive_field
        frames = SlidingWindow(start=0.0, duration=receptive.duration, step=receptive.step)
        count = count_speakers(masks, chunks=chunks, frames=frames)
        embeddings = (yield from self._embed(samples, masks, told)) if count.any() else None
        return Observation(masks, chunks, frames, count, embeddings)

    @property
    def device(self) -> Any:  # noqa: ANN401
        """Where the networks are, a `torch.device`."""
        return self._segmentation.device

    def rehearse(self) -> None:
        """Run both networks on batches of the largest size, so that no recording is the first."""
        noise = np.random.default_rng(0).normal(scale=0.01, size=self._window).astype(np.float32)
        samples = np.tile(noise, max(self._segmented, self._embedded))
        many = self._cut(samples, 0, self._segmented)
        masks = self._segmentation.infer(many).astype(np.uint8)
        everybody = np.ones_like(masks[:1]).repeat(self._embedded, axis=0)
        self._voices(self._cut(samples, 0, self._embedded), everybody)

    def introduce(self) -> None:
        """Run the first network on one chunk of noise, and the second on half a second of it.

        A processor plans nothing ahead: this is to find out that they answer. Where the pipeline
        leaves overlaps out, the shortest sound that the second one takes is looked for now.
        """
        noise = np.random.default_rng(0).normal(scale=0.01, size=SAMPLE_RATE).astype(np.float32)
        chunk = self._cut(noise, 0, 1)
        masks = self._segmentation.infer(chunk).astype(np.uint8)
        self._voices(chunk[..., : SAMPLE_RATE // 2], np.ones_like(masks))

    @property
    def _window(self) -> int:
        return round(self._seconds * SAMPLE_RATE)

    @property
    def _hop(self) -> int:
        return round(self._step * SAMPLE_RATE)

    def _cut(self, samples: Samples, first: int, count: int) -> Any:  # noqa: ANN401
        """Chunks `first` and following on the device, shape (count, 1, samples); zeros at the end.

        The stretch that they lie in is copied once, and they overlap there.
        """
        import torch  # noqa: PLC0415

        length = (count - 1) * self._hop + self._window
        begin = first * self._hop
        heard = samples[begin : begin + length]
        stretch = np.zeros(length, dtype=np.float32)
        stretch[: len(heard)] = heard
        moved = torch.from_numpy(stretch).to(self.device)
        return moved.unfold(0, self._window, self._hop).unsqueeze(1)

    def _segment(self, samples: Samples, told: Told) -> Generator[None, None, Masks]:
        total = 1 + max(0, math.ceil((len(samples) - self._window) / self._hop))
        told("segmentation", 0, total)
        masks: Masks | None = None
        for first, last in _rounds(total, self._segmented * self._team.size):
            many = self._cut(samples, first, last - first)
            for at, found in zip(
                range(first, last, self._segmented),
                self._team.map(self._segmentation.infer, many.split(self._segmented)),
                strict=True,
            ):
                if masks is None:
                    masks = np.empty((total, *found.shape[1:]), dtype=np.uint8)
                masks[at : at + len(found)] = found
            told("segmentation", last, total)
            yield
        assert masks is not None  # noqa: S101  there is at least one chunk
        return masks

    def _embed(
        self, samples: Samples, masks: Masks, told: Told
    ) -> Generator[None, None, Embeddings]:
        total, _, speakers = masks.shape
        told("embeddings", 0, total)
        spoken = np.asarray(masks.any(axis=(1, 2)))
        embeddings = np.empty((total, speakers, self._network.dimension), dtype=np.float32)
        if not spoken.all():
            embeddings[~spoken] = self._silence(frames=masks.shape[1])
        for first, last in _rounds(total, self._embedded * self._team.size):
            many = self._cut(samples, first, last - first)
            chosen = np.flatnonzero(spoken[first:last])
            pieces = [
                chosen[at : at + self._embedded] for at in range(0, len(chosen), self._embedded)
            ]

            def voices(piece: Any) -> Embeddings:  # noqa: ANN401
                return self._voices(many[piece], masks[first + piece])  # noqa: B023  within a round

            for piece, found in zip(pieces, self._team.map(voices, pieces), strict=True):
                embeddings[first + piece] = found
            told("embeddings", last, total)
            yield
        return embeddings

    def _voices(self, sounds: Any, masks: Masks) -> Embeddings:  # noqa: ANN401
        """One vector for each speaker of some chunks, shape (chunks, speakers, dimension)."""
        used = self._alone(masks) if self._exclude_overlap else masks
        return self._network.hear(sounds, used.transpose(0, 2, 1).astype(np.float32))

    def _alone(self, masks: Masks) -> Masks:
        """Leave out where others speak too, for those who are then heard for long enough."""
        _, frames, _ = masks.shape
        samples = self._seconds * self._network.sample_rate
        least = math.ceil(frames * self._network.shortest / samples)
        clean = masks * (masks.sum(axis=2, keepdims=True) < 2)  # noqa: PLR2004
        enough = clean.sum(axis=1, keepdims=True) > least
        return np.where(enough, clean, masks)

    def _silence(self, *, frames: int) -> Embeddings:
        """What the network gives for an empty mask: the bias of its last layer, whatever it hears.

        It is neither zero nor NaN, which the distances between voices would not survive.
        """
        if self._silent is None:
            empty = np.zeros((1, frames, 1), dtype=np.uint8)
            sounds = self._cut(np.zeros(0, dtype=np.float32), 0, 1)
            self._silent = self._voices(sounds, empty)[0, 0]
        return self._silent


def _rounds(total: int, many: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, many):
        yield first, min(first + many, total)


def _misfit(pipeline: Any, *, precision: Precision, step: float) -> str | None:  # noqa: ANN401
    """Why a pipeline cannot be run by an `Observer`."""
    from pyannote.audio.pipelines.speaker_verification import (  # noqa: PLC0415
        PyannoteAudioPretrainedSpeakerEmbedding,
    )

    segmentation, embedding = pipeline._segmentation, getattr(pipeline, "_embedding", None)  # noqa: SLF001
    if not segmentation.model.specifications.powerset:
        return "Its segmentation model is not of the powerset kind."
    if not isinstance(embedding, PyannoteAudioPretrainedSpeakerEmbedding):
        return "Its embedding model is not one of pyannote.audio's own."
    if pipeline.clustering.expects_num_clusters or pipeline.legacy:
        return "It cannot find out by itself who speaks when."
    rates = {segmentation.model.audio.sample_rate, embedding.sample_rate}
    if rates != {SAMPLE_RATE} or abs(step * SAMPLE_RATE - round(step * SAMPLE_RATE)) > 1e-6:  # noqa: PLR2004
        return f"Its models do not step through sound of {SAMPLE_RATE} Hz by whole samples."
    if precision == "mixed" and not hasattr(embedding.model_, "resnet"):
        return "Its embedding model has no residual network to run in mixed precision."
    return None


def _firsts(count: int, *, chunks: Any, frames: Any) -> Iterator[int]:  # noqa: ANN401
    """The frame of the recording at which each chunk begins."""
    for number in range(count):
        yield frames.closest_frame(chunks[number].start + 0.5 * frames.duration)


def count_speakers(masks: Masks, *, chunks: Any, frames: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """How many speak at once: the mean over all chunks that hear a frame, rounded.

    As pyannote's `speaker_count` has it: half goes to the even number.
    """
    per_chunk = masks.sum(axis=2, dtype=np.uint8)
    last = chunks.start + chunks.duration + (len(masks) - 1) * chunks.step
    length = frames.closest_frame(last + 0.5 * frames.duration) + 1
    heard, covered = np.zeros((2, length), dtype=np.float32)
    for first, active in zip(
        _firsts(len(masks), chunks=chunks, frames=frames), per_chunk, strict=True
    ):
        heard[first : first + len(active)] += active
        covered[first : first + len(active)] += 1
    mean = heard / np.maximum(covered, 1)
    count: npt.NDArray[np.uint8] = np.rint(mean).astype(np.uint8)[:, np.newaxis]
    return count
