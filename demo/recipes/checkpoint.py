"""A pyannote model as the file that pyannote itself would have saved."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pyannote.audio import Model


def save(model: Model, path: Path) -> Path:
    """Write a checkpoint that `Model.from_pretrained` loads, its weights as 16-bit floats.

    Loading casts them back: the model computes in 32 bits as ever, and the file is half as big.
    """
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    checkpoint: dict[str, Any] = {
        "state_dict": weights,
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": version("lightning"),
    }
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)
    return path


def note_training(path: Path, report: Mapping[str, float], *, continued: bool) -> None:
    """Keep what a training run says of itself beside its checkpoint."""
    earlier = training_of(path) if continued else []
    _notes(path).write_text(json.dumps([*earlier, report], indent=2) + "\n")


def training_of(path: Path) -> list[dict[str, float]]:
    """The reports of the runs that made a checkpoint, the first one first."""
    notes: list[dict[str, float]] = json.loads(_notes(path).read_text())
    return notes


def _notes(path: Path) -> Path:
    return path.with_name("training.json")
