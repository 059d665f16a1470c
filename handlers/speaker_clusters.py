"""Who is who across chunks: pyannote's clustering, bounded for long recordings.

VBx starts from an agglomerative clustering whose time and memory grow with the square of what is
clustered. Up to `POINTS` voices nothing changes: pyannote's own clustering is called. Above, the
agglomerative clustering sees so many voices, evenly spread over the recording; every other voice
joins the nearest cluster, and VBx then works on all of them, as it does in a short recording.

VBx: F. Landini, J. Profant, M. Diez, L. Burget, "Bayesian HMM clustering of x-vector sequences
(VBx) in speaker diarization", Computer Speech & Language 71, 2022.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from handlers.voices import Embeddings

POINTS: Final = 6000
"""Voices that are clustered as pyannote does: about 55 minutes of lively conversation, hours of
slow talk. They take 290 MB and 5 s; with a half, a quarter or an eighth of the voices, answers
differ from unbounded ones by up to 1 % of the speech, in either direction from the truth
(`python -m benchmarks.diarization --bounded`)."""

_BLOCK: Final = 1000
"""Voices compared with all clusters at once."""

Clusters = tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]]]
"""The cluster of each speaker of each chunk, shape (chunks, speakers), and each cluster's mean
voice, shape (clusters, dimension)."""


def cluster(  # noqa: PLR0913  # what pyannote's clustering takes
    clustering: Any,  # noqa: ANN401
    *,
    embeddings: Embeddings,
    segmentations: Any,  # noqa: ANN401
    exactly: int | None,
    least: int,
    most: float,
    points: int = POINTS,
) -> Clusters:
    """Find out which speakers of different chunks are the same.

    Args:
        clustering: the pipeline's, a `BaseClustering`. Any but VBx is called as it is.
        embeddings: shape (chunks, speakers, dimension).
        segmentations: a `SlidingWindowFeature`, 1 where a speaker of a chunk is active; shape
            (chunks, frames, speakers).
        exactly: how many speakers there are; None where nobody knows.
        least: fewest speakers.
        most: most speakers; infinite where nobody knows.
        points: most voices for the agglomerative clustering.

    """
    from pyannote.audio.pipelines.clustering import VBxClustering  # noqa: PLC0415

    if isinstance(clustering, VBxClustering):
        voices, _, _ = clustering.filter_embeddings(embeddings, segmentations=segmentations)
        # nobody can tell more speakers apart than there are voices; VBx would fail on it
        there = max(1, len(voices))
        exactly, least, most = exactly and min(exactly, there), min(least, there), min(most, there)
        if len(voices) > points:
            return _bounded(
                clustering,
                voices,
                embeddings=embeddings,
                active=segmentations.data.any(axis=1),
                wanted=(exactly, least, most),
                points=points,
            )
    hard, _, centroids = clustering(
        embeddings=embeddings,
        segmentations=segmentations,
        num_clusters=exactly,
        min_clusters=least,
        max_clusters=most,
    )
    return hard, centroids


def _bounded(  # noqa: PLR0913
    clustering: Any,  # noqa: ANN401
    voices: Embeddings,
    *,
    embeddings: Embeddings,
    active: npt.NDArray[np.bool_],
    wanted: tuple[int | None, int, float],
    points: int,
) -> Clusters:
    """`VBxClustering` of pyannote.audio 4 in its own steps, with another start for VBx."""
    from pyannote.audio.utils.vbx import cluster_vbx  # noqa: PLC0415
    from scipy.spatial.distance import cdist  # noqa: PLC0415

    directions = voices / np.linalg.norm(voices, axis=1, keepdims=True)
    start = first_clusters(directions, threshold=clustering.threshold, points=points)
    shares, weights = cluster_vbx(
        start,
        clustering.plda(voices),
        clustering.plda.phi,
        Fa=clustering.Fa,
        Fb=clustering.Fb,
        maxIters=20,
    )
    kept = shares[:, weights > 1e-7]  # noqa: PLR2004  as pyannote
    centroids = kept.T @ voices / kept.sum(0, keepdims=True).T
    count = _wanted(len(centroids), *wanted)
    if count != len(centroids):
        centroids = _forced(voices, directions, count=count)
    chunks, speakers, dimension = embeddings.shape
    distances = cdist(embeddings.reshape(-1, dimension), centroids, metric=clustering.metric)
    scores = 2 - distances.reshape(chunks, speakers, -1)
    if clustering.constrained_assignment and count == kept.shape[1]:
        scores[~active] = scores.min() - 1.0
        return clustering.constrained_argmax(scores), centroids
    return np.argmax(scores, axis=2), centroids


def _wanted(found: int, exactly: int | None, least: int, most: float) -> int:
    """How many clusters there are to be, where VBx found so many."""
    if found < least:
        return least
    if found > most:
        return int(most)
    return exactly or found


def _forced(voices: Embeddings, directions: Embeddings, *, count: int) -> npt.NDArray[Any]:
    """The mean voices of exactly so many clusters, found by k-means as in pyannote."""
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]  # noqa: PLC0415

    means = KMeans(n_clusters=count, n_init=3, random_state=42)
    labels = means.fit_predict(directions)
    return np.vstack([voices[labels == label].mean(axis=0) for label in range(count)])


def first_clusters(directions: Embeddings, *, threshold: float, points: int) -> npt.NDArray[Any]:
    """Cluster some voices by agglomeration; all others join the nearest cluster's mean.

    Args:
        directions: voices of length 1, shape (voices, dimension).
        threshold: distance up to which clusters are joined.
        points: how many voices are agglomerated, evenly spread.

    Returns:
        A cluster for each voice, from 0 without gaps; shape (voices,).

    """
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415
    from scipy.spatial.distance import cdist  # noqa: PLC0415

    count = min(points, len(directions))
    chosen = np.arange(count) * len(directions) // count
    some = directions[chosen]
    joined = fcluster(linkage(some, method="centroid"), threshold, criterion="distance")
    _, labels = np.unique(joined, return_inverse=True)
    means = np.zeros((labels.max() + 1, directions.shape[1]))
    np.add.at(means, labels, some)
    means /= np.bincount(labels)[:, np.newaxis]
    found = np.empty(len(directions), dtype=labels.dtype)
    for first in range(0, len(directions), _BLOCK):
        block = directions[first : first + _BLOCK]
        found[first : first + _BLOCK] = cdist(block, means).argmin(axis=1)
    found[chosen] = labels
    return found
