"""Weights that the image brings: read from it once, to fill an empty volume."""

import os
from pathlib import Path
from typing import Final

from handlers.weights.files import File, Manifest, Need, digest_of, is_digest
from handlers.weights.shelf import paths_in, take

_SHA256: Final = "0" * 64


class Image:
    """Gives what is in a folder, in the layout of the hub's cache."""

    name = "image"

    def __init__(self, hub: Path) -> None:
        self._hub = hub
        self._root = hub

    def manifest(self, need: Need) -> Manifest:
        """Say what the image holds of what is needed. Raises NotHere."""
        snapshot = take(self._hub, need)
        self._root = snapshot.path
        return Manifest(
            repository=snapshot.name,
            revision=snapshot.revision,
            files=tuple(
                _file(snapshot.path, path) for path in need.wanted(paths_in(snapshot.path))
            ),
        )

    def read(self, _manifest: Manifest, file: File, first: int, last: int) -> bytes:
        """Give some bytes of a file."""
        descriptor = os.open(self._root / file.path, os.O_RDONLY)
        try:
            return os.pread(descriptor, last - first, first)
        finally:
            os.close(descriptor)


def _file(root: Path, path: str) -> File:
    blob = (root / path).resolve()
    digest = blob.name if is_digest(blob.name) else digest_of(blob, like=_SHA256)
    return File(path=path, bytes=blob.stat().st_size, digest=digest)
