"""The transducer loss against enumeration, finite differences and NeMo's own reference."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch

from demo.recipes.tdt_loss import DURATIONS, Band, Lattice, tdt_loss

Arc = tuple[int, int, bool, int]


def alignments(band: Band, frame: int = 0, label: int = 0) -> Iterator[list[Arc]]:
    """Every way from a state to the end: (frame, labels so far, whether a label, duration)."""
    count = len(band.first) - 1
    for duration in DURATIONS:
        to = frame + duration
        if duration and to == band.frames and label == count:
            yield [(frame, label, False, duration)]
        if duration and to <= band.last[label]:
            for rest in alignments(band, to, label):
                yield [(frame, label, False, duration), *rest]
        if label < count and band.first[label + 1] <= to <= band.last[label + 1]:
            for rest in alignments(band, to, label + 1):
                yield [(frame, label, True, duration), *rest]


def scores(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log probabilities of N states, each a leaf that wants its gradient."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(count, 2, generator=generator, dtype=torch.float64).log_softmax(-1)
    durations = torch.randn(count, len(DURATIONS), generator=generator, dtype=torch.float64)
    parts = (tokens[:, 0].clone(), tokens[:, 1].clone(), durations.log_softmax(-1))
    return tuple(part.requires_grad_() for part in parts)


BANDS = {
    "one frame, no label": Band.full(1, 0),
    "one frame, one label": Band.full(1, 1),
    "no label": Band.full(6, 0),
    "full": Band.full(5, 3),
    "long": Band.full(8, 2),
    "narrow": Band.around(7, earliest=np.array([1, 2, 5]), latest=np.array([2, 5, 6])),
    "late labels": Band.around(4, earliest=np.array([2, 9]), latest=np.array([2, 12])),
}


@pytest.mark.parametrize("name", BANDS)
def test_equals_the_sum_over_all_alignments(name: str) -> None:
    band = BANDS[name]
    lattice = Lattice.of([band])
    blank, label, duration = scores(len(lattice.frame))
    states = {
        (int(frame), int(count)): index
        for index, (frame, count) in enumerate(zip(lattice.frame, lattice.label, strict=True))
    }
    paths = []
    for path in alignments(band):
        total = 0.0
        for frame, count, is_label, step in path:
            state = states[frame, count]
            token = (label if is_label else blank)[state]
            total += float(token + duration[state, DURATIONS.index(step)])
        paths.append(total)
    expected = -np.logaddexp.reduce(paths)
    assert tdt_loss(blank, label, duration, lattice).item() == pytest.approx(expected, abs=1e-9)


def test_gradient_equals_finite_differences() -> None:
    lattice = Lattice.of([BANDS["narrow"], BANDS["full"], BANDS["no label"]])
    leaves = scores(len(lattice.frame), seed=1)

    def loss(blank: torch.Tensor, label: torch.Tensor, duration: torch.Tensor) -> torch.Tensor:
        return tdt_loss(blank, label, duration, lattice)

    assert torch.autograd.gradcheck(loss, leaves)


def test_each_utterance_is_on_its_own() -> None:
    bands = list(BANDS.values())
    lattice = Lattice.of(bands)
    blank, label, duration = scores(len(lattice.frame), seed=2)
    together = tdt_loss(blank, label, duration, lattice)
    for index, band in enumerate(bands):
        mine = torch.from_numpy(lattice.utterance == index)
        alone = tdt_loss(blank[mine], label[mine], duration[mine], Lattice.of([band]))
        assert alone.item() == pytest.approx(together[index].item(), abs=1e-12)


def test_a_band_holds_every_label_in_its_window() -> None:
    band = Band.around(10, earliest=np.array([4, 2, 30]), latest=np.array([5, 3, 40]))
    assert band.first.tolist() == [0, 4, 4, 9]
    assert band.last.tolist() == [5, 5, 9, 9]


def test_equals_nemo(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = pytest.importorskip("nemo.collections.asr.losses.rnnt_pytorch")
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    frames, labels, vocabulary = np.array([9, 6]), np.array([3, 2]), 5
    targets = torch.tensor([[1, 4, 0], [2, 2, 0]])
    shape = (2, frames.max(), labels.max() + 1, vocabulary + 1 + len(DURATIONS))
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(3), requires_grad=True)
    reference = losses.TDTLossPytorch(
        blank=vocabulary, durations=list(DURATIONS), reduction="sum", sigma=0.05
    )
    expected = reference.forward(
        logits, targets, torch.from_numpy(frames), torch.from_numpy(labels)
    )
    (expected_gradient,) = torch.autograd.grad(expected, logits)

    bands = [Band.full(int(t), int(u)) for t, u in zip(frames, labels, strict=True)]
    lattice = Lattice.of(bands)
    states = logits[lattice.utterance, lattice.frame, lattice.label]
    tokens = states[:, : vocabulary + 1].log_softmax(-1) - 0.05
    padded = torch.nn.functional.pad(targets, (0, 1))
    following = padded[lattice.utterance, lattice.label]
    found = tdt_loss(
        tokens[:, vocabulary],
        tokens.gather(1, following[:, None])[:, 0],
        states[:, vocabulary + 1 :].log_softmax(-1),
        lattice,
    ).sum()
    (gradient,) = torch.autograd.grad(found, logits)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(gradient, expected_gradient, atol=1e-5)
