"""What workers find at /runpod-volume: models and network volumes, as folders of this machine."""

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_NAME: Final = r"([A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)"
"""Never only dots: names become paths."""
_REFERENCE: Final = re.compile(rf"https://huggingface\.co/({_NAME}/{_NAME}):{_NAME}")
_CACHE: Final = Path("huggingface-cache", "hub")


class ModelUnknown(Exception):
    """A reference leads to no model; the message names it."""


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model, `organisation/name`; `ref` is a branch, a tag or a commit."""

    name: str
    ref: str

    @classmethod
    def read(cls, reference: str) -> Self:
        """Read `https://huggingface.co/<organisation>/<name>:<ref>`.

        Raises:
            ModelUnknown: it is written otherwise.

        """
        if not (found := _REFERENCE.fullmatch(reference)):
            message = f"{reference!r} is not https://huggingface.co/<org>/<name>:<ref>"
            raise ModelUnknown(message)
        return cls(found[1], found[4])

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.name}:{self.ref}"

    @property
    def folder(self) -> str:
        return "models--" + self.name.replace("/", "--")


class Mounts:
    """One folder for each endpoint, or for its network volume.

    Args:
        state: takes the folders.
        store: models in the layout of the hub's cache; None: none are known.

    """

    def __init__(self, *, state: Path, store: Path | None) -> None:
        self._state = state
        self._store = store

    def pinned(self, reference: str) -> str:
        """Give a reference with the commit that its ref leads to, as RunPod keeps it.

        Without a store it stays as it is.

        Raises:
            ModelUnknown: it is written otherwise, or the store has no such model.

        """
        model = Model.read(reference)
        if self._store is None:
            return reference
        home = self._home(model)
        ref = home / "refs" / model.ref
        commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else model.ref
        if not (home / "snapshots" / commit).is_dir():
            message = f"{reference} is not in the Model Store"
            raise ModelUnknown(message)
        return str(Model(model.name, commit))

    def prepare(self, endpoint: str, *, volumes: Iterable[str], references: Iterable[str]) -> Path:
        """Make the folder of an endpoint's workers, with these models in it and no others."""
        volume = next(iter(volumes), None)
        mount = self._volume(volume) if volume else self._state / "endpoints" / endpoint
        cache = mount / _CACHE
        cache.mkdir(parents=True, exist_ok=True)
        homes = {home.name: home for home in map(self._home, map(Model.read, references))}
        if not volume:
            for other in [path for path in cache.iterdir() if path.name not in homes]:
                shutil.rmtree(other)
        for name, home in homes.items():
            if home.is_dir() and not (cache / name).exists():
                shutil.copytree(home, cache / name, symlinks=True, copy_function=_link)
        return mount

    def discard(self, endpoint: str) -> None:
        """Forget an endpoint's folder; that of a volume stays."""
        shutil.rmtree(self._state / "endpoints" / endpoint, ignore_errors=True)

    def discard_volume(self, volume: str) -> None:
        """Forget a volume with what is on it."""
        shutil.rmtree(self._volume(volume), ignore_errors=True)

    def _home(self, model: Model) -> Path:
        """Find a model in the store: names are written in this case and in that."""
        if self._store is None:
            return self._state / "no store" / model.folder
        found = (p for p in self._store.glob("models--*") if _is_same(p.name, model.folder))
        return next(found, self._store / model.folder)

    def _volume(self, volume: str) -> Path:
        return self._state / "volumes" / volume


def _is_same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _link(source: str, target: str) -> None:
    """Give a file another name, so that a container has it too; else point to it."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        Path(target).symlink_to(source)
