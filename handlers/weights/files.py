"""What a repository holds: files with sizes and digests, and whether a file on disk is that."""

import hashlib
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_SHA256_DIGITS: Final = 64
_GIT_DIGITS: Final = 40
_HASHED_BYTES: Final = 32 * 2**20
"""A file up to this size is hashed whenever it is looked at; a larger one is measured."""
_ZIPPED: Final = frozenset({".bin", ".ckpt", ".pt", ".npz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is wanted of one repository.

    Attributes:
        name: `organisation/name`; case does not count.
        files: patterns; each must match a file. `*` matches `/` too, as for the hub.
        also: patterns of what is fetched along.
        or_prepared: whether what `parley weights prepare` makes of it does as well.

    """

    name: str
    files: tuple[str, ...]
    also: tuple[str, ...] = ()
    or_prepared: bool = False

    @property
    def is_pipeline(self) -> bool:
        """Whether the files say themselves what else is needed."""
        return "config.yaml" in self.files

    def wanted(self, paths: Iterable[str]) -> list[str]:
        """Those of the paths that belong to it."""
        patterns = (*self.files, *self.also)
        return [path for path in paths if any(fnmatch(path, pattern) for pattern in patterns)]

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Those of its patterns that match no path."""
        return [p for p in self.files if not any(fnmatch(path, p) for path in paths)]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a repository.

    Attributes:
        path: inside the repository.
        bytes: its size.
        digest: sha256, or the sha1 that git gives a blob: the hub tells this one of small files.
        parts: sha256 of each stretch of `transfer.PART_BYTES`, where somebody knows it.

    """

    path: str
    bytes: int
    digest: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One revision of a repository."""

    repository: str
    revision: str
    files: tuple[File, ...]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


def is_digest(name: str) -> bool:
    """Whether a file's name is the digest of its content, as in the hub's cache."""
    return len(name) in {_SHA256_DIGITS, _GIT_DIGITS} and set(name) <= set("0123456789abcdef")


def digest_of(path: Path, *, like: str) -> str:
    """Hash a file in the way another digest was made.

    Raises:
        OSError: it cannot be read.

    """
    if len(like) == _SHA256_DIGITS:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            hashed.update(block)
    return hashed.hexdigest()


def fault_of(path: Path, *, thorough: bool = False) -> str | None:
    """Say what is wrong with a file of a cache, as far as can be told without its manifest.

    What is small, and everything when `thorough`, is held against the digest that names its blob;
    of the rest, the format says where the file has to end.
    """
    try:
        blob = path.resolve(strict=True)
        size = blob.stat().st_size
        if is_digest(blob.name) and (thorough or size <= _HASHED_BYTES):
            return None if digest_of(blob, like=blob.name) == blob.name else "is damaged"
        if size == 0:
            return "is empty"
        return None if _is_whole(blob, suffix=path.suffix, size=size) else "is cut short"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _is_whole(path: Path, *, suffix: str, size: int) -> bool:
    if suffix in _ZIPPED:  # their directory is at the end; older checkpoints are no zip files
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return not zipped or zipfile.is_zipfile(path)
    if suffix == ".safetensors":
        return _is_whole_safetensors(path, size=size)
    if suffix == ".nemo":
        return _is_whole_tar(path, size=size)
    return True


def _is_whole_tar(path: Path, *, size: int) -> bool:
    """Walk from header to header; of a compressed one, nothing is known before it is read."""
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return True
    try:
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
            return bool(members) and archive.offset + tarfile.BLOCKSIZE <= size
    except tarfile.TarError:
        return False


def _is_whole_safetensors(path: Path, *, size: int) -> bool:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, size)))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        return bool(size >= 8 + length + max(ends, default=0))
    except (struct.error, ValueError, KeyError, TypeError):
        return False
