"""Divides whole numbers in proportion."""

import numpy as np
from numpy.typing import NDArray


def apportion(
    total: int, weights: NDArray[np.generic], *, most: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Divide a number into whole parts, in proportion to weights.

    Each part is its quota, rounded down or up; those with the largest remainders are rounded up
    (Hamilton's method). A part beyond its bound gets the bound, and the others share what that
    leaves.

    Args:
        total: at least 0.
        weights: float64[n], none below 0; where all are 0, they count as equal.
        most: int64[n], of each part; what does not fit into all of them is left out.

    Returns:
        int64[n]; they add up to `total`, as far as there is a part.

    """
    shares = np.asarray(weights, dtype=np.float64)
    if most is None:
        return _divided(total, shares)
    parts = np.zeros(len(shares), dtype=np.int64)
    open_ = most > 0
    left = min(total, int(most[open_].sum()))
    while left and open_.any():
        found = _divided(left, shares[open_])
        over = found >= most[open_]
        if not over.any():
            parts[open_] = found
            break
        full = np.flatnonzero(open_)[over]
        parts[full] = most[full]
        left -= int(most[full].sum())
        open_[full] = False
    return parts


def _divided(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    if not len(weights):
        return np.zeros(0, dtype=np.int64)
    heaviest = weights.max()
    # relative to the heaviest, so that no sum of them is too large or too small for a float
    relative = weights / heaviest if heaviest > 0 else np.ones(len(weights))
    quotas = relative * (total / relative.sum())
    parts: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    missing = total - int(parts.sum())
    if missing > 0:
        largest = np.argsort(parts - quotas, kind="stable")
        parts[largest[:missing]] += 1
    return parts
