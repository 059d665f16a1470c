"""Train the segmentation model: who of up to three local speakers is active, every 34 ms.

A stock PyanNet. While it trains, a second head names the speaker of every frame that has only
one: that makes its features aware of voices much sooner than the permutation-free loss alone. The
second head is not saved.
"""

import argparse
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import torch
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.utils.powerset import Powerset
from torch import nn
from torch.nn import functional as F

from demo.recipes import checkpoint
from demo.recipes.examples import (
    NOBODY,
    SPEAKERS,
    Example,
    frame_centres,
    held_out_cast,
    training_example,
)
from demo.recipes.pool import BUILD, VOICES, Pool
from demo.recipes.schedule import Schedule

CHECKPOINT: Final = BUILD / "segmentation" / "pytorch_model.bin"
SECONDS: Final = 10.0

_AT_ONCE: Final = 2
_BATCH: Final = 16
_PEAK_RATE: Final = 2.5e-3
_NAMING: Final = (1.0, 0.2)  # weight of the second head, at the start and at the end


def untrained() -> PyanNet:
    """Build the model: 593 thousand parameters, 294 frames for 10 s."""
    model = PyanNet(
        sincnet={"stride": 20},
        lstm={"hidden_size": 128, "num_layers": 2},
        linear={"hidden_size": 128, "num_layers": 1},
    )
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=SECONDS,
        classes=[f"speaker#{number}" for number in range(1, SPEAKERS + 1)],
        powerset_max_classes=_AT_ONCE,
        permutation_invariant=True,
    )
    model.build()
    return model


class AnyOrderLoss:
    """Cross entropy over sets of speakers, for the best of the six orders of three speakers."""

    def __init__(self) -> None:
        powerset = Powerset(SPEAKERS, _AT_ONCE)
        self._to_powerset = powerset.to_powerset
        orders = [list(order) for order in itertools.permutations(range(SPEAKERS))]
        sets = powerset.mapping
        renamed = [
            (sets[:, None] == sets[None][..., order]).all(-1).int().argmax(1) for order in orders
        ]
        self._renamed = torch.stack(renamed)  # (orders, sets): the set that a set becomes

    def __call__(self, scores: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        """Mean loss of (batch, frames, sets) log-probabilities for (batch, frames, speakers)."""
        sets = self._to_powerset(active.float()).argmax(-1)
        targets = self._renamed[:, sets].permute(1, 2, 0)  # (batch, frames, orders)
        losses = -scores.gather(2, targets).mean(1)
        return losses.min(1).values.mean()


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
    model = PyanNet.from_pretrained(start, strict=True) if start else untrained()
    model.train()
    for parameter in model.sincnet.conv1d[0].parameters():
        parameter.requires_grad = False  # its bands are good as they start, and dear to learn
    naming = nn.Linear(2 * model.hparams.lstm["hidden_size"], len(VOICES))
    centres = frame_centres(model, SECONDS)
    held_out = held_out_cast(SECONDS, centres)
    loss_of = AnyOrderLoss()
    learned = [p for p in (*model.parameters(), *naming.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=_PEAK_RATE, weight_decay=1e-3)
    peak = _PEAK_RATE * (0.5 if start else 1.0)
    schedule = Schedule(optimiser, peak=peak, minutes=minutes)
    steps, running = 0, np.zeros(2)
    while schedule.step():
        batch = [training_example(pool, SECONDS, centres, rng) for _ in range(_BATCH)]
        waves = torch.from_numpy(np.stack([e.samples for e in batch]))[:, None]
        active = torch.from_numpy(np.stack([e.active for e in batch]))
        names = torch.from_numpy(np.stack([e.names for e in batch]))
        frames, _ = model.lstm(model.sincnet(waves).transpose(1, 2))
        hidden = frames
        for layer in model.linear:
            hidden = F.leaky_relu(layer(hidden))
        loss = loss_of(model.activation(model.classifier(hidden)), active)
        named = F.cross_entropy(naming(frames).transpose(1, 2), names, ignore_index=NOBODY)
        weight = _NAMING[0] + (_NAMING[1] - _NAMING[0]) * schedule.progress
        optimiser.zero_grad()
        (loss + weight * named).backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        steps += 1
        running += (loss.item(), named.item())
        if steps % 100 == 0:
            miss, alarm, confusion = validate(model, held_out)
            print(
                f"step {steps}  {schedule.minutes:.1f} min  loss {running[0] / 100:.3f}  "
                f"naming {running[1] / 100:.3f}  held out: error {miss + alarm + confusion:.3f} = "
                f"miss {miss:.3f} + false alarm {alarm:.3f} + confusion {confusion:.3f}",
                flush=True,
            )
            running[:] = 0
            checkpoint.save(model, CHECKPOINT)
    checkpoint.save(model, CHECKPOINT)
    miss, alarm, confusion = validate(model, held_out)
    report = {
        "minutes": round(schedule.minutes, 1),
        "steps": steps,
        "local_miss": round(miss, 4),
        "local_false_alarm": round(alarm, 4),
        "local_confusion": round(confusion, 4),
    }
    checkpoint.note_training(CHECKPOINT, report, continued=start is not None)
    return report


def validate(model: PyanNet, examples: Sequence[Example]) -> tuple[float, float, float]:
    """Missed, invented and confused speech inside clips, as shares of all speech."""
    model.eval()
    powerset = Powerset(SPEAKERS, _AT_ONCE)
    orders = list(itertools.permutations(range(SPEAKERS)))
    errors, total = np.zeros(3), 0.0
    for first in range(0, len(examples), _BATCH):
        group = examples[first : first + _BATCH]
        with torch.inference_mode():
            scores = model(torch.from_numpy(np.stack([e.samples for e in group]))[:, None])
        for found, wanted in zip(powerset(scores).numpy() > 0.5, group, strict=True):
            said, heard = wanted.active.sum(1), found.sum(1)
            right = max(
                ((found[:, list(order)] & wanted.active).sum(1) for order in orders), key=np.sum
            )
            missed = np.maximum(said - heard, 0).sum()
            invented = np.maximum(heard - said, 0).sum()
            errors += (missed, invented, (np.minimum(said, heard) - right).sum())
            total += said.sum()
    model.train()
    return tuple(float(error / total) for error in errors)  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=33.0, help="of processor time")
    parser.add_argument("--hours", type=float, default=10.0, help="of conversation to mix")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    options = parser.parse_args()
    print(train(**vars(options)))


if __name__ == "__main__":
    main()
