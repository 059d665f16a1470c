"""Train the embedding model: one vector for each speaker of a clip, alike for one voice.

A stock XVectorMFCC with frames of 20 ms. It is trained as the pipeline uses it: on mixed clips,
pooling only the frames in which one person speaks alone, several people out of one forward pass.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import numpy.typing as npt
import torch
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import XVectorMFCC
from torch import nn
from torch.nn import functional as F

from demo.recipes import checkpoint, segmentation
from demo.recipes.examples import (
    NOBODY,
    Example,
    frame_centres,
    held_out_cast,
    held_out_examples,
    training_example,
)
from demo.recipes.pool import BUILD, VOICES, Pool
from demo.recipes.schedule import Schedule
from demo.speech.voices import FURTHER

CHECKPOINT: Final = BUILD / "embedding" / "pytorch_model.bin"

_SECONDS: Final = 6.0
_BATCH: Final = 16
_PEAK_RATE: Final = 2e-3
_SCALE: Final = 24.0
_MARGIN: Final = 0.2
_MARGIN_RISES: Final = (0.15, 0.5)  # shares of the time
_FEWEST_FRAMES: Final = 15  # half a second


def untrained() -> XVectorMFCC:
    """Build the model: 3.1 million parameters, 128 dimensions."""
    model = XVectorMFCC(
        mfcc={
            "n_mfcc": 40,
            "log_mels": True,
            "melkwargs": {"n_fft": 512, "hop_length": 320, "n_mels": 40},
        },
        dimension=128,
    )
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION,
        resolution=Resolution.CHUNK,
        duration=segmentation.SECONDS,
    )
    return model


def pooled(
    model: XVectorMFCC, waves: torch.Tensor, masks: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """Embed masked speakers, (clips, 1, samples) and (speakers, frames) -> (speakers, dimension).

    The same as the model's own pooling, with the network run once a clip and a root that has a
    gradient everywhere: the model's has none where a channel is constant.

    Args:
        model: the model.
        waves: float32 at 16 kHz.
        masks: 1 where a speaker is alone, at any frame rate; no mask may be empty.
        rows: the clip of each speaker.

    """
    frames = model.mfcc(waves).squeeze(1)
    for block in model.tdnns:
        frames = block(frames)
    weights = F.interpolate(masks[:, None], size=frames.shape[-1], mode="nearest").transpose(1, 2)
    count = weights.sum(1)
    mean = (frames[rows] @ weights).squeeze(2) / count
    square = (frames.square()[rows] @ weights).squeeze(2) / count
    variance = (square - mean.square()) * count / (count - 1)
    deviation = (variance.clamp(min=0) + 1e-6).sqrt()
    return model.embedding(torch.cat([mean, deviation], dim=1))


def speakers_of(
    examples: Sequence[Example], *, fewest: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Masks (speakers, frames), clip and name of everybody who is alone for enough frames."""
    found = [
        (example.names == name, row, name)
        for row, example in enumerate(examples)
        for name in np.unique(example.names)
        if name != NOBODY and (example.names == name).sum() >= fewest
    ]
    masks, rows, names = zip(*found, strict=True)
    return np.stack(masks).astype(np.float32), np.array(rows), np.array(names)


def embed(
    model: XVectorMFCC, examples: Sequence[Example], *, fewest: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Embeddings (speakers, dimension) of everybody who is alone for enough frames, and names."""
    vectors, names = [], []
    for first in range(0, len(examples), _BATCH):
        group = examples[first : first + _BATCH]
        waves = torch.from_numpy(np.stack([e.samples for e in group]))[:, None]
        masks, rows, who = speakers_of(group, fewest=fewest)
        with torch.inference_mode():
            vectors.append(pooled(model, waves, torch.from_numpy(masks), torch.from_numpy(rows)))
        names.append(who)
    return torch.cat(vectors).numpy(), np.concatenate(names)


def equal_error(vectors: npt.NDArray[np.float32], names: npt.NDArray[np.int64]) -> float:
    """Error rate, by cosine, where as many pairs of one voice are split as of two are joined."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(len(names), k=1)
    likeness = (unit[first] * unit[second]).sum(1)
    same = names[first] == names[second]
    order = np.argsort(likeness)
    split = np.cumsum(same[order]) / same.sum()
    joined = 1 - np.cumsum(~same[order]) / (~same).sum()
    return float(split[np.argmin(np.abs(split - joined))])


def train(
    *, minutes: float, seed: int, hours: float, start: Path | None = None
) -> dict[str, float]:
    """Train for so many minutes on one thread, save, and say what was reached.

    Args:
        minutes: processor time.
        seed: of everything drawn at random.
        hours: how much conversation to mix beforehand.
        start: a checkpoint to go on from.

    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = Random(seed)
    pool = Pool.build(hours=hours)
    model = XVectorMFCC.from_pretrained(start, strict=True) if start else untrained()
    model.train()
    centres = frame_centres(segmentation.untrained(), _SECONDS)
    directions = nn.Parameter(F.normalize(torch.randn(len(VOICES), model.dimension), dim=1))
    learned = [*model.parameters(), directions]
    optimiser = torch.optim.AdamW(learned, lr=_PEAK_RATE, weight_decay=1e-3)
    schedule = Schedule(optimiser, peak=_PEAK_RATE, minutes=minutes)
    steps, running = 0, np.zeros(3)
    while schedule.step():
        batch = [training_example(pool, _SECONDS, centres, rng) for _ in range(_BATCH)]
        waves = torch.from_numpy(np.stack([e.samples for e in batch]))[:, None]
        masks, rows, who = speakers_of(batch, fewest=_FEWEST_FRAMES)
        names = torch.from_numpy(who)
        vectors = pooled(model, waves, torch.from_numpy(masks), torch.from_numpy(rows))
        cosines = F.normalize(vectors, dim=1) @ F.normalize(directions, dim=1).T
        loss = F.cross_entropy(_SCALE * _narrowed(cosines, names, schedule.progress), names)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 5.0)
        optimiser.step()
        steps += 1
        running += (loss.item(), (cosines.argmax(1) == names).sum().item(), len(names))
        if steps % 50 == 0:
            print(
                f"step {steps}  {schedule.minutes:.1f} min  loss {running[0] / 50:.3f}  "
                f"right {running[1] / running[2]:.3f}",
                flush=True,
            )
            running[:] = 0
            checkpoint.save(model, CHECKPOINT)
    checkpoint.save(model, CHECKPOINT)
    model.eval()
    strangers = held_out_examples(FURTHER, _SECONDS, centres, count=64)
    report = {
        "minutes": round(schedule.minutes, 1),
        "steps": steps,
        "equal_error_cast": _equal_error_of(model, held_out_cast(_SECONDS, centres)),
        "equal_error_further": _equal_error_of(model, strangers),
    }
    checkpoint.note_training(CHECKPOINT, report, continued=start is not None)
    return report


def _narrowed(cosines: torch.Tensor, names: torch.Tensor, progress: float) -> torch.Tensor:
    """Add the angular margin, as large as it is by now, to each right answer."""
    begin, end = _MARGIN_RISES
    margin = _MARGIN * min(max((progress - begin) / (end - begin), 0.0), 1.0)
    right = cosines.gather(1, names[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
    return cosines.scatter(1, names[:, None], torch.cos(torch.acos(right) + margin))


def _equal_error_of(model: XVectorMFCC, examples: Sequence[Example]) -> float:
    return round(equal_error(*embed(model, examples, fewest=2 * _FEWEST_FRAMES)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=18.0, help="of processor time")
    parser.add_argument("--hours", type=float, default=10.0, help="of conversation to mix")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    options = parser.parse_args()
    print(train(**vars(options)))


if __name__ == "__main__":
    main()
