"""Full-size models with random weights, laid out as RunPod's Model Store and as a volume."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.full_size import parakeet, pipeline
from demo.hub import publish

TRANSCRIBER: Final = "parley/random-parakeet-tdt-0.6b"
DIARIZER: Final = "parley/random-community-1"

FULL_SIZE: Final = Path("build/full-size")


@dataclass(frozen=True, slots=True, kw_only=True)
class FullSize:
    """Where the models are.

    Attributes:
        store: a Model Store with both, as published.
        volume: a volume with the transcriber as `parley weights prepare` lays it out.
        nemo: the transcriber's file in the store.
        pipeline: the diarizer's folder in the store.

    """

    store: Path
    volume: Path
    nemo: Path
    pipeline: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read of it."""
        found = (path for root in (self.store, self.volume) for path in root.rglob("*"))
        return tuple(path for path in found if path.is_file() and not path.is_symlink())

    @property
    def transcriber_bytes(self) -> int:
        return self.nemo.stat().st_size

    @property
    def diarizer_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.pipeline.rglob("*") if path.is_file())


def full_size(folder: Path = FULL_SIZE) -> FullSize:
    """Make what is not there yet: some minutes and 5 GB, once."""
    folder = folder.resolve()
    store, volume = folder / "store", folder / "volume"
    if not _snapshots(store, TRANSCRIBER):
        made = parakeet(folder / "made")
        publish(TRANSCRIBER, {made.name: made}, hub=store)
        made.unlink()
    if not _snapshots(store, DIARIZER):
        home = pipeline(folder / "made")
        parts = sorted(path for path in home.rglob("*") if path.is_file())
        files = {path.relative_to(home).as_posix(): path for path in parts}
        publish(DIARIZER, files, hub=store)
    shutil.rmtree(folder / "made", ignore_errors=True)
    if not [*volume.glob("models--*/prepared/*/prepared.json")]:
        _prepare({"PARLEY_MODEL_STORE": str(store), "HF_HUB_CACHE": str(volume)})
    (transcriber,), (diarizer,) = _snapshots(store, TRANSCRIBER), _snapshots(store, DIARIZER)
    (nemo,) = transcriber.glob("*.nemo")
    return FullSize(store=store, volume=volume, nemo=nemo, pipeline=diarizer)


def _snapshots(hub: Path, repository: str) -> list[Path]:
    return [*(hub / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*")]


def _prepare(places: Mapping[str, str]) -> None:
    environment = {**os.environ, "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER, **places}
    command = (str(Path(sys.executable).with_name("parley")), "weights", "prepare")
    subprocess.run(command, env=environment, check=True)  # noqa: S603
