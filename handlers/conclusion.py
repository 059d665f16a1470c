"""From what the networks observed to who speaks when: the part of diarization without a network.

It does what pyannote.audio 4 does in `SpeakerDiarization.apply` after its networks have run, with
the same numbers, in whole arrays: who is active where is added up once, for overlapping and for
exclusive turns, straight from the chunks, and never for all chunks and all speakers at once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from handlers.diarizer import SpeakerCount
from handlers.observation import Observation
from handlers.speaker_clusters import POINTS, cluster

_Activations = npt.NDArray[np.float32]


def conclude(
    observation: Observation,
    *,
    pipeline: Any,  # noqa: ANN401
    speakers: SpeakerCount,
    points: int = POINTS,
) -> Any:  # noqa: ANN401
    """Give the `DiarizeOutput` that the pipeline itself would give.

    Args:
        observation: what an `Observer` of the pipeline saw.
        pipeline: for its clustering and its parameters; it is not changed.
        speakers: how many to look for.
        points: most voices for the agglomerative clustering; see `cluster`.

    """
    from pyannote.audio.pipelines.speaker_diarization import DiarizeOutput  # noqa: PLC0415
    from pyannote.core import Annotation, SlidingWindowFeature  # noqa: PLC0415

    exactly, least, most = pipeline.set_num_speakers(
        num_speakers=speakers.exactly, min_speakers=speakers.least, max_speakers=speakers.most
    )
    if observation.embeddings is None:
        nobody = np.zeros((0, pipeline._embedding.dimension))  # noqa: SLF001
        return DiarizeOutput(Annotation(), Annotation(), nobody)
    hard, centroids = cluster(
        pipeline.clustering,
        embeddings=observation.embeddings,
        segmentations=SlidingWindowFeature(observation.masks, observation.chunks),
        exactly=exactly,
        least=least,
        most=most,
        points=points,
    )
    hard[~observation.masks.any(axis=1)] = -2
    active = activations(observation, hard)
    count = np.minimum(observation.count, most).astype(np.int8)
    gap = pipeline.segmentation.min_duration_off
    turns = annotate(discrete(active, count, frames=observation.frames), gap=gap)
    single = annotate(discrete(active, np.minimum(count, 1), frames=observation.frames), gap=gap)
    labels = turns.labels()
    names = dict(zip(labels, pipeline.classes(), strict=False))
    further = max(0, max(labels, default=-1) + 1 - len(centroids))  # whom no cluster stands behind
    voices = np.pad(centroids, ((0, further), (0, 0)))
    return DiarizeOutput(
        turns.rename_labels(mapping=names),
        single.rename_labels(mapping=names),
        voices[np.asarray(labels, dtype=int)],
    )


def activations(observation: Observation, hard: npt.NDArray[Any]) -> _Activations:
    """In how many chunks each cluster is active, shape (frames of the recording, clusters).

    Args:
        observation: the chunks.
        hard: the cluster of each speaker of each chunk, -2 for none; shape (chunks, speakers).

    """
    found = np.zeros((len(observation.count), hard.max() + 1), dtype=np.float32)
    for first, masks, clusters in zip(observation.firsts(), observation.masks, hard, strict=True):
        for label in np.unique(clusters):
            if label != -2:  # noqa: PLR2004
                active = masks[:, clusters == label].max(axis=1)
                found[first : first + len(active), label] += active
    return found


def discrete(activations: _Activations, count: npt.NDArray[np.int8], *, frames: Any) -> Any:  # noqa: ANN401
    """Let as many speakers be active in each frame as there are, the most active ones.

    Args:
        activations: shape (frames, speakers).
        count: how many speak at once, shape (frames, 1); more than there are speakers make further
            ones up.
        frames: where each frame lies, a `SlidingWindow`.

    Returns:
        A `SlidingWindowFeature` of zeros and ones, shape (frames, speakers).

    """
    from pyannote.core import SlidingWindowFeature  # noqa: PLC0415

    further = max(0, int(count.max()) - activations.shape[1])
    scores = SlidingWindowFeature(np.pad(activations, ((0, 0), (0, further))), frames)
    numbers = SlidingWindowFeature(count, frames)
    extent = scores.extent & numbers.extent
    scores = scores.crop(extent, return_data=False)
    numbers = numbers.crop(extent, return_data=False)
    # sorted as pyannote sorts, ties included
    order = np.argsort(-scores.data, axis=-1)
    chosen = np.arange(scores.data.shape[1]) < numbers.data
    binary = np.zeros_like(scores.data)
    np.put_along_axis(binary, order, chosen.astype(binary.dtype), axis=-1)
    return SlidingWindowFeature(binary, scores.sliding_window)


def annotate(active: Any, *, gap: float) -> Any:  # noqa: ANN401
    """Turn zeros and ones into an `Annotation` whose labels are the columns.

    A turn goes from the middle of its first frame to the middle of the first one after it.

    Args:
        active: a `SlidingWindowFeature`, shape (frames, speakers).
        gap: seconds; shorter ones between two turns of a speaker are closed.

    """
    from pyannote.core import Annotation, Segment  # noqa: PLC0415
    from pyannote.core.utils.generators import string_generator  # noqa: PLC0415

    window = active.sliding_window
    starts = window.start + np.arange(len(active.data)) * window.step
    middles = (0.5 * (starts + (starts + window.duration))).tolist()
    found = Annotation()
    for label, (track, column) in enumerate(zip(string_generator(), active.data.T, strict=False)):
        for first, last in _runs(column > 0.5):  # noqa: PLR2004
            found[Segment(middles[first], middles[last]), track] = label
    return found.support(collar=gap) if gap > 0 else found


def _runs(active: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The first frame of each run, and the first one after it, or the last frame of all."""
    changes = np.flatnonzero(active[1:] != active[:-1]) + 1
    edges = [
        *([0] if active[0] else []),
        *changes.tolist(),
        *([len(active) - 1] if active[-1] else []),
    ]
    yield from zip(edges[::2], edges[1::2], strict=True)
