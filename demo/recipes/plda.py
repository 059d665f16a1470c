"""Estimate the PLDA that VBx clusters with: how voices differ, and how one voice varies.

Two files, as pyannote reads them: `xvec_transform.npz` (centre, normalise, reduce by LDA, centre)
and `plda.npz` (the coordinates in which one voice varies by 1 and voices differ by `psi`).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import numpy.typing as npt
from pyannote.audio.models.embedding import XVectorMFCC
from scipy.linalg import eigh

from demo.recipes import segmentation
from demo.recipes.embedding import embed
from demo.recipes.examples import frame_centres, training_example
from demo.recipes.pool import Pool

Vectors = npt.NDArray[np.float64]

DIMENSION: Final = 64

_FEWEST_SECONDS: Final = 2.0  # what pyannote asks of an embedding before it clusters it
_RIDGE: Final = 1e-3
_SMALLEST_VARIANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Plda:
    """What the two files hold, under the names that pyannote gives it.

    Attributes:
        mean1: (embedding dimension,), taken off first.
        lda: (embedding dimension, dimension).
        mean2: (dimension,), taken off after LDA.
        mu: (dimension,).
        tr: (dimension, dimension), rows are the new axes.
        psi: (dimension,), variance between voices along each, descending.

    """

    mean1: Vectors
    lda: Vectors
    mean2: Vectors
    mu: Vectors
    tr: Vectors
    psi: Vectors

    def save(self, folder: Path) -> dict[str, Path]:
        """Write both files; their names in the folder, and where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        transform, plda = folder / "xvec_transform.npz", folder / "plda.npz"
        np.savez(transform, mean1=self.mean1, mean2=self.mean2, lda=self.lda)
        np.savez(plda, mu=self.mu, tr=self.tr, psi=self.psi)
        return {path.name: path for path in (transform, plda)}


def estimate(vectors: Vectors, names: npt.NDArray[np.int64], *, dimension: int) -> Plda:
    """Estimate from embeddings (count, embedding dimension) and who each belongs to."""
    mean1 = vectors.mean(axis=0)
    centred = _normalised(vectors - mean1)
    between, within = _covariances(centred, names)
    _, axes = eigh(between, within)
    lda = axes[:, ::-1][:, :dimension]
    reduced = centred @ lda
    mean2 = reduced.mean(axis=0)
    final = _normalised(reduced - mean2)
    between, within = _covariances(final, names)
    psi, axes = eigh(between, within)
    return Plda(
        mean1=mean1,
        lda=lda,
        mean2=mean2,
        mu=final.mean(axis=0),
        tr=axes[:, ::-1].T,
        psi=np.maximum(psi[::-1], _SMALLEST_VARIANCE),
    )


def collect(
    model: XVectorMFCC, *, hours: float, windows: int, seed: int
) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """Embed everybody who speaks alone for 2 s in some windows of the pool."""
    rng = Random(seed)
    pool = Pool.build(hours=hours)
    centres = frame_centres(segmentation.untrained(), segmentation.SECONDS)
    fewest = round(_FEWEST_SECONDS * len(centres) / segmentation.SECONDS)
    examples = [training_example(pool, segmentation.SECONDS, centres, rng) for _ in range(windows)]
    vectors, names = embed(model, examples, fewest=fewest)
    return vectors.astype(np.float64), names


def _normalised(vectors: Vectors) -> Vectors:
    """Vectors of length sqrt(dimension)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: Vectors = np.sqrt(vectors.shape[1]) * vectors / lengths
    return normalised


def _covariances(vectors: Vectors, names: npt.NDArray[np.int64]) -> tuple[Vectors, Vectors]:
    """Estimate covariance between and within voices that have at least two embeddings.

    A mean over n embeddings still varies by a share 1/n of what one embedding does: that is taken
    off what lies between voices, and what is left is kept positive, for pyannote inverts it.
    """
    groups = [vectors[names == name] for name in np.unique(names)]
    groups = [group for group in groups if len(group) > 1]
    size = vectors.shape[1]
    scatter = sum(((g - g.mean(0)).T @ (g - g.mean(0)) for g in groups), np.zeros((size, size)))
    within = scatter / sum(len(group) - 1 for group in groups) + _RIDGE * np.eye(size)
    means = np.stack([group.mean(axis=0) for group in groups])
    share = float(np.mean([1 / len(group) for group in groups]))
    between = np.cov(means, rowvar=False) - share * within
    values, axes = np.linalg.eigh(between)
    return (axes * np.maximum(values, _SMALLEST_VARIANCE)) @ axes.T, within
