"""The token-and-duration transducer loss on a CPU, over as much of the lattice as is asked for.

NeMo's own loss needs a GPU. This one walks the same lattice: a state is (frame, labels so far); a
label or a blank is emitted with a duration, which says how many frames to move on. It sees log
probabilities of arcs only and returns their posteriors as the gradient, so that softmax, joint and
the rest stay ordinary PyTorch. A band may keep each label near the time at which it is known to be
spoken: a minute of speech then costs two thousand states instead of a hundred thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import torch

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DURATIONS: Final = (0, 1, 2, 3, 4)
"""Frames that one emission may move on; a blank always moves."""


@dataclass(frozen=True, slots=True)
class Band:
    """The states of one utterance of `frames` frames and U labels.

    Attributes:
        frames: T.
        first: (U + 1,) the first frame of the states in which u labels have been emitted.
        last: (U + 1,) their last frame, inclusive; below T.

    """

    frames: int
    first: Ints
    last: Ints

    @classmethod
    def full(cls, frames: int, labels: int) -> "Band":
        """Every state."""
        return cls(frames, np.zeros(labels + 1, np.int64), np.full(labels + 1, frames - 1))

    @classmethod
    def around(cls, frames: int, *, earliest: Ints, latest: Ints) -> "Band":
        """The states from which label u can be emitted between two frames.

        Args:
            frames: T.
            earliest: (U,) frames; what lies past the end is moved to the last frame.
            latest: (U,) frames, inclusive.

        """
        begin = np.maximum.accumulate(np.clip(earliest, 0, frames - 1))
        end = np.maximum.accumulate(np.clip(np.maximum(latest, begin), 0, frames - 1))
        return cls(frames, np.append(0, begin), np.append(end, frames - 1))


@dataclass(frozen=True, slots=True)
class Lattice:
    """The states of a batch, ordered by utterance, labels, frame: every arc leads to a later one.

    Attributes:
        utterance: (N,) which utterance a state belongs to.
        frame: (N,) its frame.
        label: (N,) how many labels have been emitted: the index of the next one.
        starts: (B,) the state in which each utterance begins.
        arcs: (N, 2 D) the state to which a blank with each duration leads, then a label with each;
            -1 where it may not be emitted, N + b for the end of utterance b.

    """

    utterance: Ints
    frame: Ints
    label: Ints
    starts: Ints
    arcs: Ints

    @classmethod
    def of(cls, bands: Sequence[Band], *, durations: Sequence[int] = DURATIONS) -> "Lattice":
        """Lay out the states of some utterances, a row of them for each count of labels."""
        first = np.concatenate([band.first for band in bands])
        last = np.concatenate([band.last for band in bands])
        rows = np.array([len(band.first) for band in bands])
        frames = np.array([band.frames for band in bands])
        widths = last - first + 1
        origin = np.cumsum(widths) - widths - first  # where frame 0 of a row would be
        row = np.repeat(np.arange(len(first)), widths)
        utterance = np.repeat(np.arange(len(bands)), rows)[row]
        final = (np.cumsum(rows) - 1)[utterance] == row
        frame = np.arange(len(row)) - origin[row]
        steps = np.asarray(durations)
        to = frame[:, None] + steps
        blank = np.where((steps > 0) & (to <= last[row][:, None]), origin[row][:, None] + to, -1)
        ends = (steps > 0) & final[:, None] & (to == frames[utterance][:, None])
        blank = np.where(ends, len(row) + utterance[:, None], blank)
        below = np.where(final, 0, row + 1)[:, None]
        fits = ~final[:, None] & (first[below] <= to) & (to <= last[below])
        label = np.where(fits, origin[below] + to, -1)
        return cls(
            utterance=utterance,
            frame=frame,
            label=row - (np.cumsum(rows) - rows)[utterance],
            starts=np.searchsorted(utterance, np.arange(len(bands))),
            arcs=np.concatenate([blank, label], axis=1),
        )


def tdt_loss(
    blank: torch.Tensor, label: torch.Tensor, duration: torch.Tensor, lattice: Lattice
) -> torch.Tensor:
    """Negative log likelihood of each utterance, summed over the alignments in the lattice.

    As in NeMo, no label may land on the end of the utterance: the last arc is a blank.

    Args:
        blank: (N,) log probability of the blank in each state.
        label: (N,) log probability of the next label; without meaning after the last one.
        duration: (N, D) log probabilities of the durations.
        lattice: the N states.

    Returns:
        (B,) nats.

    """
    arcs = torch.cat([blank[:, None] + duration, label[:, None] + duration], dim=1)
    losses: torch.Tensor = _ArcLoss.apply(arcs, lattice)
    return losses


class _ArcLoss(torch.autograd.Function):
    """Of the log weights of arcs (N, 2 D); its gradient is how likely each arc is to be taken."""

    @staticmethod
    def forward(ctx: Any, weights: torch.Tensor, lattice: Lattice) -> torch.Tensor:  # noqa: ANN401
        losses, posteriors = _walk(
            weights.detach().double().numpy(), lattice.arcs, lattice.starts, lattice.utterance
        )
        ctx.save_for_backward(torch.from_numpy(posteriors).to(weights.dtype))
        ctx.utterance = torch.from_numpy(lattice.utterance)
        return torch.from_numpy(losses).to(weights.dtype)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        (posteriors,) = ctx.saved_tensors
        return -outer[0][ctx.utterance][:, None] * posteriors, None


@numba.njit(cache=True)
def _log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + np.log1p(np.exp(b - a))


@numba.njit(cache=True)
def _walk(weights: Floats, arcs: Ints, starts: Ints, utterance: Ints) -> tuple[Floats, Floats]:
    """Losses (B,) and the posteriors of the arcs (N, 2 D), by the forward-backward algorithm."""
    states, kinds = arcs.shape
    forward = np.full(states + len(starts), -np.inf)
    forward[starts] = 0.0
    for state in range(states):
        for kind in range(kinds):
            to = arcs[state, kind]
            if to >= 0:
                forward[to] = _log_add(forward[to], forward[state] + weights[state, kind])
    totals = forward[states:]
    backward = np.full(states + len(starts), -np.inf)
    backward[states:] = 0.0
    posteriors = np.zeros_like(weights)
    for state in range(states - 1, -1, -1):
        total = totals[utterance[state]]
        for kind in range(kinds):
            to = arcs[state, kind]
            if to >= 0 and total > -np.inf:
                after = weights[state, kind] + backward[to]
                backward[state] = _log_add(backward[state], after)
                posteriors[state, kind] = np.exp(forward[state] + after - total)
    return -totals, posteriors
