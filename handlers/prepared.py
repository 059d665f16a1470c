"""Models laid out to load without an archive: a folder, a manifest, and checksums for all of it."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

MANIFEST: Final = "prepared.json"
"""What makes a folder a prepared model: its files with their checksums, and what wrote them."""

_MAKERS: Final = ("nemo_toolkit", "torch")


class Damaged(ValueError):
    """A prepared folder is not what was written."""


def is_prepared(path: Path) -> bool:
    """Tell whether a folder holds a prepared model."""
    return (path / MANIFEST).is_file()


def seal(folder: Path) -> None:
    """Write the manifest of a folder, which makes it complete."""
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(folder.iterdir())
    }
    about = {"made_with": {name: version(name) for name in _MAKERS}, "files": files}
    (folder / MANIFEST).write_text(json.dumps(about, indent=2) + "\n")


def check_sizes(folder: Path) -> None:
    """Look for every file of a prepared folder without reading it.

    Raises:
        Damaged: one is missing or short; the message names it.

    """
    for name, known in _files(folder).items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != known["bytes"]:
            message = f"{file} is missing or short. Prepare {folder.name} again."
            raise Damaged(message)


def verify(folder: Path) -> None:
    """Compare every file of a prepared folder with its checksum.

    Raises:
        Damaged: one differs; the message names it.

    """
    check_sizes(folder)
    for name, known in _files(folder).items():
        if _sha256(folder / name) != known["sha256"]:
            message = f"{folder / name} is not what was written. Prepare {folder.name} again."
            raise Damaged(message)


def _files(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    files: Mapping[str, Mapping[str, Any]] = json.loads((folder / MANIFEST).read_text())["files"]
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
